#include "http/responder.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "http/inbox.h"

namespace tarn::http {

bool Inbox::Post(Completion completion) {
  bool first = false;
  {
    os::MutexLock lock(mutex_);
    if (closed_) return false;
    first = completions_.empty();
    completions_.push_back(std::move(completion));
  }
  // The I/O thread empties its inbox before it sleeps.
  if (first && owner_.load(std::memory_order_relaxed) != std::this_thread::get_id()) Wake();
  return true;
}

void Inbox::Wake() {
  const uint64_t one = 1;
  // Fails only when the counter is full, and then the thread will wake anyway.
  [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof(one));
}

void Inbox::ClearWake() {
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = read(wake_.get(), &count, sizeof(count));
}

void Inbox::Take(std::vector<Completion>* out) {
  out->clear();
  os::MutexLock lock(mutex_);
  completions_.swap(*out);
}

void Inbox::Close() {
  std::vector<Completion> dropped;
  {
    os::MutexLock lock(mutex_);
    closed_ = true;
    completions_.swap(dropped);
  }
  for (const Completion& completion : dropped) {
    if (completion.stream) completion.stream->MarkGone();
  }
}

void StreamState::MarkGone() {
  os::MutexLock lock(mutex);
  gone = true;
  pending.clear();
  room.NotifyAll();
}

Responder::Responder(std::shared_ptr<Inbox> inbox, uint64_t connection, uint64_t sequence)
    : inbox_(std::move(inbox)), connection_(connection), sequence_(sequence) {}

Responder::Responder(Responder&&) noexcept = default;

Responder& Responder::operator=(Responder&& other) noexcept {
  if (this != &other) {
    const Responder dropped(std::move(*this));
    inbox_ = std::move(other.inbox_);
    connection_ = other.connection_;
    sequence_ = other.sequence_;
  }
  return *this;
}

Responder::~Responder() {
  if (inbox_) std::move(*this).SendError(Internal("the request was dropped without an answer"));
}

void Responder::Send(Response response) && {
  const std::shared_ptr<Inbox> inbox = std::exchange(inbox_, nullptr);
  TARN_CHECK(inbox != nullptr);
  inbox->Post({Completion::Kind::kResponse, connection_, sequence_, std::move(response), nullptr});
}

void Responder::SendError(const Error& error) && { std::move(*this).Send(ErrorResponse(error)); }

ResponseStream Responder::Stream(Response head) && {
  auto state = std::make_shared<StreamState>();
  state->inbox = std::exchange(inbox_, nullptr);
  TARN_CHECK(state->inbox != nullptr);
  state->connection = connection_;
  state->sequence = sequence_;
  if (!state->inbox->Post(
          {Completion::Kind::kStreamBegin, connection_, sequence_, std::move(head), state})) {
    state->MarkGone();
  }
  return ResponseStream(std::move(state));
}

ResponseStream::ResponseStream(std::shared_ptr<StreamState> state) : state_(std::move(state)) {}
ResponseStream::ResponseStream(ResponseStream&&) noexcept = default;

ResponseStream& ResponseStream::operator=(ResponseStream&& other) noexcept {
  if (this != &other) {
    const ResponseStream dropped(std::move(*this));
    state_ = std::move(other.state_);
  }
  return *this;
}

namespace {

void Announce(const std::shared_ptr<StreamState>& state) {
  if (!state->inbox->Post(
          {Completion::Kind::kStreamBytes, state->connection, state->sequence, {}, state})) {
    state->MarkGone();
  }
}

Error ClientGone() { return Cancelled("the client has gone away"); }

}  // namespace

ResponseStream::~ResponseStream() {
  if (!state_) return;
  {
    os::MutexLock lock(state_->mutex);
    if (state_->finished || state_->gone) return;
    state_->abandoned = true;
  }
  Announce(state_);
}

Status ResponseStream::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    bool announce = false;
    {
      os::MutexLock lock(state_->mutex);
      TARN_CHECK(!state_->finished);
      while (state_->pending.size() >= StreamState::kMaxPendingBytes && !state_->gone)
        state_->room.Wait(state_->mutex);
      if (state_->gone) return ClientGone();
      const std::string_view part =
          bytes.substr(0, StreamState::kMaxPendingBytes - state_->pending.size());
      state_->pending.append(part);
      bytes.remove_prefix(part.size());
      announce = !std::exchange(state_->announced, true);
    }
    if (announce) Announce(state_);
  }
  return {};
}

Status ResponseStream::Finish() {
  {
    os::MutexLock lock(state_->mutex);
    if (state_->gone) return ClientGone();
    state_->finished = true;
  }
  Announce(state_);
  return {};
}

bool ResponseStream::cancelled() const {
  os::MutexLock lock(state_->mutex);
  return state_->gone;
}

}  // namespace tarn::http
