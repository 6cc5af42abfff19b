#include "app/local_key.h"

#include <algorithm>

namespace tarn::app {
namespace {

constexpr std::string_view kLocalName = "local";

}  // namespace

Status ChangeKeys(Machine& machine, const Project& project,
                  const std::function<Status(auth::KeyRing&)>& change) {
  TARN_TRY(RequireOwnerOf(machine, project));
  TARN_TRY(machine.files.CreateDirectories(project.state_folder));
  TARN_ASSIGN_OR_RETURN(const auto lock, LockSoon(machine, project.keys_lock_file()));
  TARN_ASSIGN_OR_RETURN(auto ring, auth::KeyRing::Load(machine.files, project.keys_file()));
  TARN_TRY(change(ring));
  return ring.Save(machine.files, project.keys_file());
}

Status WriteLocalKey(Machine& machine, const Project& project, auth::KeyRing& ring) {
  (void)ring.Revoke(kLocalName);  // whose file is gone
  TARN_ASSIGN_OR_RETURN(
      const std::string key,
      ring.Create({std::string(kLocalName), auth::Role::kAdmin, {}}, machine.random));
  return machine.files.WritePrivateFileAtomically(project.local_key_file(), key);
}

bool OnlyLocalKey(const auth::KeyRing& ring) {
  return std::ranges::all_of(
      ring.keys(), [](const auth::KeyRing::Key& key) { return key.principal.name == kLocalName; });
}

}  // namespace tarn::app
