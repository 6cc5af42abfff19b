#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <thread>

namespace tarn::os {

enum class Priority : uint8_t {
  kNormal,
  // Gives way to the others of the process and of the machine (nice 10: about a tenth of a core
  // that is fought over). Threads it starts inherit that.
  kBackground,
};

// A named thread (the name shows in top -H) that is joined by its destructor. The body must end by
// itself once its queue is closed.
class Thread {
 public:
  Thread() = default;
  // `name` is cut to 15 characters, the kernel's limit.
  Thread(std::string name, std::function<void()> body, Priority priority = Priority::kNormal);
  ~Thread() { Join(); }
  Thread(Thread&&) = default;
  Thread& operator=(Thread&& other) noexcept;

  void Join();

 private:
  std::thread thread_;
};

// Cores this process may run on; 1 if that is not known.
unsigned CoreCount();

}  // namespace tarn::os
