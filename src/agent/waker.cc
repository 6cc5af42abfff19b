#include "agent/waker.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "base/check.h"
#include "os/file_system.h"

namespace tarn::agent {
namespace {

constexpr uint32_t kStructure =
    IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF;

}  // namespace

Waker::Waker() : wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  TARN_CHECK(wake_ >= 0);
  inotify_ = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (inotify_ < 0) why_ = std::generic_category().message(errno);
}

Waker::~Waker() {
  if (inotify_ >= 0) close(inotify_);
  close(wake_);
}

Status Waker::Watch(const std::set<std::string>& folders) {
  if (inotify_ < 0) return {};
  for (auto it = watches_.begin(); it != watches_.end();) {
    if (folders.contains(it->first)) {
      ++it;
      continue;
    }
    inotify_rm_watch(inotify_, it->second);
    folders_.erase(it->second);
    it = watches_.erase(it);
  }
  Status status;
  for (const std::string& folder : folders) {
    if (watches_.contains(folder)) continue;
    const int watch =
        inotify_add_watch(inotify_, folder.c_str(), IN_MODIFY | IN_ONLYDIR | kStructure);
    if (watch >= 0) {
      watches_[folder] = watch;
      folders_[watch] = folder;
    } else if (errno == ENOSPC || errno == ENOMEM) {
      status = ResourceExhausted(
          fmt::format("cannot watch {}: {}", folder, std::generic_category().message(errno)));
    }
  }
  return status;
}

void Waker::Sleep(int64_t micros, bool files_too) {
  if (micros <= 0) return;
  pollfd entries[2] = {{wake_, POLLIN, 0}, {inotify_, POLLIN, 0}};
  const nfds_t count = files_too && inotify_ >= 0 ? 2 : 1;
  const int millis = static_cast<int>(std::min<int64_t>((micros + 999) / 1000, 60'000));
  poll(entries, count, millis);
  uint64_t value = 0;
  while (read(wake_, &value, sizeof(value)) > 0) {
  }
}

void Waker::TakeEvents(const char* bytes, size_t size, Changes& changes) {
  size_t at = 0;
  while (at + sizeof(inotify_event) <= size) {
    inotify_event event;
    std::memcpy(&event, bytes + at, sizeof(event));
    const char* name = bytes + at + sizeof(event);
    const size_t name_size = strnlen(name, event.len);
    at += sizeof(event) + event.len;
    if ((event.mask & (kStructure | IN_Q_OVERFLOW)) != 0) changes.structure = true;
    if ((event.mask & IN_IGNORED) != 0) {
      const auto folder = folders_.find(event.wd);
      if (folder != folders_.end()) {
        watches_.erase(folder->second);
        folders_.erase(folder);
      }
    }
    if ((event.mask & IN_MODIFY) == 0) continue;
    const auto folder = folders_.find(event.wd);
    if (folder == folders_.end()) continue;
    if (changes.modified.size() >= kMaxNames) {
      changes.structure = true;
    } else {
      changes.modified.insert(os::JoinPath(folder->second, {name, name_size}));
    }
  }
}

Waker::Changes Waker::Drain() {
  Changes changes;
  if (inotify_ < 0) return changes;
  alignas(inotify_event) char buffer[16 << 10];
  constexpr int kMaxReads = 64;  // the rest comes next time
  for (int i = 0; i < kMaxReads; ++i) {
    const ssize_t count = read(inotify_, buffer, sizeof(buffer));
    if (count <= 0) break;
    TakeEvents(buffer, static_cast<size_t>(count), changes);
  }
  return changes;
}

void Waker::Wake() noexcept {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t count = write(wake_, &one, sizeof(one));
}

}  // namespace tarn::agent
