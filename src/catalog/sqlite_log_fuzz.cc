#include "base/check.h"
#include "catalog/sqlite_log_internal.h"
#include "os/sim_file_system.h"

namespace {

using namespace tarn;

bool IsDamaged(std::string_view bytes) {
  os::SimFileSystem files(1);
  const auto file = files.Open("/log", os::OpenMode::kCreate).value();
  TARN_CHECK(file->WriteAt(0, bytes).ok());
  const auto damage = catalog::FindLogDamage(*file);
  TARN_CHECK(damage.ok());
  TARN_CHECK(!*damage || (*damage)->offset < bytes.size());
  return damage->has_value();
}

// Any bytes as a log: looking at them ends, and what proves a damage goes on proving it however
// much follows.
void Try(std::string_view bytes) {
  const bool damaged = IsDamaged(bytes);
  if (damaged) TARN_CHECK(IsDamaged(std::string(bytes) + std::string(1'000, 'x')));
  if (!damaged)
    TARN_CHECK(bytes.size() <= 32 || !IsDamaged(bytes.substr(0, bytes.size() / 2 + 33)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Try({reinterpret_cast<const char*>(data), size});
  return 0;
}
