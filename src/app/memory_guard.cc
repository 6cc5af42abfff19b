#include "app/memory_guard.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <new>

#include "base/error.h"
#include "os/thread.h"

namespace tarn::app {
namespace {

constexpr uint64_t kBeside = 512'000'000;
constexpr uint64_t kEachThread = 16'000'000;  // stack and the allocator's arena

// Pages of data, as the kernel counts them against RLIMIT_DATA; 0 if it does not tell.
uint64_t DataBytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) return 0;
  unsigned long pages = 0;
  const int found = std::fscanf(file, "%*u %*u %*u %*u %*u %lu", &pages);
  std::fclose(file);
  return found == 1 ? pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) : 0;
}

// A thread of the engine's has nobody above it to catch this.
[[noreturn]] void EndWithoutMemory() {
  if (const auto error = std::current_exception()) {
    try {
      std::rethrow_exception(error);
    } catch (const std::bad_alloc&) {
      std::fputs("tarn: out of memory: the query needs more than sql.memory allows\n", stderr);
      _exit(TraitsOf(Code::kResourceExhausted).exit_status);
    } catch (...) {
      std::fputs("tarn: an error that nobody expected\n", stderr);
    }
  }
  std::abort();
}

}  // namespace

void LimitMemory(uint64_t sql_memory, uint64_t threads) {
  if (threads == 0) threads = os::CoreCount();
  const rlim_t most = DataBytes() + sql_memory + sql_memory / 2 + kBeside + threads * kEachThread;
  rlimit limit{};
  if (getrlimit(RLIMIT_DATA, &limit) != 0) return;
  if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur <= most) return;
  limit.rlim_cur = std::min(most, limit.rlim_max);
  // Without it queries run as well, only not bounded.
  (void)setrlimit(RLIMIT_DATA, &limit);
  std::set_terminate(EndWithoutMemory);
}

}  // namespace tarn::app
