#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "http/message.h"
#include "http/socket.h"
#include "os/mutex.h"

namespace tarn::http {

struct StreamState;

// What any thread tells an I/O thread about one request.
struct Completion {
  enum class Kind : uint8_t {
    kResponse,     // response
    kStreamBegin,  // response is the head, stream what follows
    kStreamBytes,  // stream has something to fetch
  };
  Kind kind = Kind::kResponse;
  uint64_t connection = 0;
  uint64_t sequence = 0;
  Response response;
  std::shared_ptr<StreamState> stream;
};

// The one way into an I/O thread. Outlives it, as long as a responder is left. At most one
// completion a request plus one a stream is ever in it, so the requests in work bound it.
// Thread-safe unless said otherwise.
class Inbox {
 public:
  explicit Inbox(Descriptor wake) : wake_(std::move(wake)) {}

  // False once closed; the completion is then dropped.
  bool Post(Completion completion);
  void Wake();
  void Close();

  // The I/O thread only.
  void AdoptByThisThread() { owner_ = std::this_thread::get_id(); }
  void Take(std::vector<Completion>* out);
  void ClearWake();
  int wake_fd() const { return wake_.get(); }

 private:
  const Descriptor wake_;
  std::atomic<std::thread::id> owner_{};
  os::Mutex mutex_;
  std::vector<Completion> completions_ TARN_GUARDED_BY(mutex_);
  bool closed_ TARN_GUARDED_BY(mutex_) = false;
};

// Between the producer of a streamed body and its connection.
struct StreamState {
  static constexpr size_t kMaxPendingBytes = 256 << 10;

  std::shared_ptr<Inbox> inbox;
  uint64_t connection = 0;
  uint64_t sequence = 0;

  os::Mutex mutex;
  os::ConditionVariable room;
  std::string pending TARN_GUARDED_BY(mutex);
  bool announced TARN_GUARDED_BY(mutex) = false;  // a kStreamBytes is on its way
  bool finished TARN_GUARDED_BY(mutex) = false;   // nothing follows pending
  bool abandoned TARN_GUARDED_BY(mutex) = false;  // the producer gave up
  bool gone TARN_GUARDED_BY(mutex) = false;       // the connection is closed

  void MarkGone();
};

}  // namespace tarn::http
