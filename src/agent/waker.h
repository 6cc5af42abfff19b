#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "base/result.h"

namespace tarn::agent {

// Sleeps until a watched folder changes, somebody calls Wake(), or time is up. Thread-confined but
// for Wake(), which is also safe in a signal's context.
class Waker {
 public:
  static constexpr size_t kMaxNames = 256;  // changed files told apart between two drains

  // What happened in the folders.
  struct Changes {
    bool structure = false;          // names came, went or moved (or too much happened)
    std::set<std::string> modified;  // paths that were written to
  };

  Waker();
  ~Waker();
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;

  // False: there is no inotify here (why() says why); then only Wake() and time end a sleep.
  bool watching() const { return inotify_ >= 0; }
  const std::string& why() const { return why_; }

  // Watches exactly these. ResourceExhausted if the kernel's limit is reached; the rest is watched.
  Status Watch(const std::set<std::string>& folders);
  // `files_too`: a change in a folder ends the sleep as well.
  void Sleep(int64_t micros, bool files_too);
  Changes Drain();
  void Wake() noexcept;

 private:
  void TakeEvents(const char* bytes, size_t size, Changes& changes);

  int inotify_ = -1;
  int wake_ = -1;
  std::string why_;
  std::map<std::string, int> watches_;
  std::map<int, std::string> folders_;
};

}  // namespace tarn::agent
