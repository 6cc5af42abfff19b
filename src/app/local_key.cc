#include "app/local_key.h"

#include <algorithm>

namespace tarn::app {
namespace {

constexpr std::string_view kLocalName = "local";

Result<std::unique_ptr<os::FileLock>> LockKeys(Machine& machine, const Project& project) {
  TARN_TRY(RequireOwnerOf(machine, project));
  TARN_TRY(machine.files.CreateDirectories(project.state_folder));
  return LockSoon(machine, project.keys_lock_file());
}

}  // namespace

Status ChangeKeys(Machine& machine, const Project& project,
                  const std::function<Status(auth::KeyRing&)>& change) {
  TARN_ASSIGN_OR_RETURN(const auto lock, LockKeys(machine, project));
  TARN_ASSIGN_OR_RETURN(auto ring, auth::KeyRing::Load(machine.files, project.keys_file()));
  TARN_TRY(change(ring));
  return ring.Save(machine.files, project.keys_file());
}

// The file comes last: as long as it is old, EnsureLocalKey sees that it is.
Status SaveWithLocalKey(Machine& machine, const Project& project, auth::KeyRing& ring) {
  (void)ring.Revoke(kLocalName);  // which nobody holds any more
  TARN_ASSIGN_OR_RETURN(
      const std::string key,
      ring.Create({std::string(kLocalName), auth::Role::kAdmin, {}}, machine.random));
  TARN_TRY(ring.Save(machine.files, project.keys_file()));
  return machine.files.WritePrivateFileAtomically(project.local_key_file(), key);
}

Status EnsureLocalKey(Machine& machine, const Project& project) {
  TARN_ASSIGN_OR_RETURN(const auto lock, LockKeys(machine, project));
  TARN_ASSIGN_OR_RETURN(auto ring, auth::KeyRing::Load(machine.files, project.keys_file()));
  const auto key = machine.files.ReadFile(project.local_key_file());
  if (key.ok() && ring.Knows(*key)) return {};
  if (!key.ok() && key.error().code() != Code::kNotFound) return key.error();
  return SaveWithLocalKey(machine, project, ring);
}

bool KeysLost(Machine& machine, const Project& project) {
  return machine.files.Exists(project.catalog_file()) && !machine.files.Exists(project.keys_file());
}

bool OnlyLocalKey(const auth::KeyRing& ring) {
  return std::ranges::all_of(
      ring.keys(), [](const auth::KeyRing::Key& key) { return key.principal.name == kLocalName; });
}

}  // namespace tarn::app
