#include "http/loop.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace tarn::http {
namespace {

constexpr size_t kScratchBytes = 64 << 10;
constexpr int64_t kTickMicros = 200'000;  // how late a timeout may be noticed
constexpr int kTickMillis = 200;
constexpr int kMaxAcceptsATurn = 64;
constexpr size_t kMaxEvents = 256;
// Connections over the limit that are being told so; beyond them they are just closed.
constexpr size_t kMaxRefusing = 64;

// epoll tags: connection ids are generation << 32 | slot and never have these high halves.
constexpr uint64_t kWakeTag = ~uint64_t{0};
constexpr uint64_t kListenerTag = uint64_t{0xFFFFFFFE} << 32;
constexpr uint32_t kMaxGeneration = 0xFFFFFFF0;

}  // namespace

Loop::Loop(Shared& shared, Descriptor epoll, std::shared_ptr<Inbox> inbox)
    : context_{shared, std::move(inbox), 0, {}, std::vector<char>(kScratchBytes)},
      epoll_(std::move(epoll)) {}

Loop::~Loop() {
  context_.inbox->Close();
  for (Slot& slot : slots_) {
    if (slot.connection) Forget(slot.address);
  }
}

Result<std::unique_ptr<Loop>> Loop::Create(Shared& shared,
                                           const std::vector<Descriptor>& listeners) {
  Descriptor epoll(epoll_create1(EPOLL_CLOEXEC));
  Descriptor wake(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!epoll || !wake) return ResourceExhausted("no file descriptor left for an I/O thread");
  const int wake_fd = wake.get();
  auto loop = std::unique_ptr<Loop>(
      new Loop(shared, std::move(epoll), std::make_shared<Inbox>(std::move(wake))));
  TARN_TRY(loop->Watch(wake_fd, kWakeTag, EPOLLIN));
  for (const Descriptor& listener : listeners) loop->listeners_.push_back(listener.get());
  loop->WatchListeners();
  return loop;
}

Status Loop::Watch(int fd, uint64_t tag, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = tag;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
    return ResourceExhausted("cannot watch another connection");
  return {};
}

void Loop::WatchListeners() {
  listening_ = true;
  for (size_t i = 0; i < listeners_.size(); ++i) {
    // A failure (no kernel memory) is tried again with the next tick.
    if (!Watch(listeners_[i], kListenerTag | i, EPOLLIN | EPOLLEXCLUSIVE).ok()) listening_ = false;
  }
}

void Loop::UnwatchListeners() {
  listening_ = false;
  for (const int fd : listeners_) epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

void Loop::AcceptFrom(int listener) {
  for (int i = 0; i < kMaxAcceptsATurn; ++i) {
    sockaddr_storage address{};
    socklen_t size = sizeof(address);
    Descriptor socket(accept4(listener, reinterpret_cast<sockaddr*>(&address), &size,
                              SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket) {
      // Out of descriptors or memory: the queue would be announced at once again, so look away.
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
        UnwatchListeners();
      return;
    }
    AddConnection(std::move(socket), address);
  }
}

void Loop::AddConnection(Descriptor socket, const sockaddr_storage& address) {
  Shared& shared = context_.shared;
  const size_t open = shared.connections.fetch_add(1) + 1;
  const uint64_t key = AddressCounts::KeyOf(address);
  const size_t from_there = shared.addresses.Add(key);
  const ServerLimits& limits = shared.limits;
  const bool refused =
      open > limits.max_connections || from_there > limits.max_connections_per_address;
  if (refused) shared.events.Refused();
  if (open > limits.max_connections + kMaxRefusing ||
      from_there > limits.max_connections_per_address + kMaxRefusing) {
    return Forget(key);
  }
  const int one = 1;
  setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  if (free_.empty()) {
    free_.push_back(static_cast<uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const uint32_t index = free_.back();
  Slot& slot = slots_[index];
  const uint64_t id = uint64_t{slot.generation} << 32 | index;
  slot.connection =
      std::make_unique<Connection>(context_, id, std::move(socket), FormatPeer(address));
  slot.address = key;
  Connection& connection = *slot.connection;
  connection.armed = connection.interest();
  if (!Watch(connection.fd(), id, connection.armed).ok()) {
    slot.connection.reset();
    return Forget(key);
  }
  free_.pop_back();
  ++open_;
  shared.events.Connections(open);
  if (refused) {
    connection.Refuse();
    Settle(id);
  }
}

void Loop::Forget(uint64_t address) {
  context_.shared.addresses.Remove(address);
  context_.shared.connections.fetch_sub(1);
}

Connection* Loop::Find(uint64_t id) {
  const auto index = static_cast<uint32_t>(id);
  if (index >= slots_.size() || slots_[index].generation != id >> 32) return nullptr;
  return slots_[index].connection.get();
}

void Loop::Settle(uint64_t id) {
  Connection* connection = Find(id);
  if (connection == nullptr) return;
  if (connection->closed()) {
    const auto index = static_cast<uint32_t>(id);
    Slot& slot = slots_[index];
    slot.connection.reset();
    slot.generation = slot.generation + 1 < kMaxGeneration ? slot.generation + 1 : 0;
    free_.push_back(index);
    --open_;
    Forget(slot.address);
    context_.shared.events.Connections(context_.shared.connections.load());
    return;
  }
  const uint32_t wanted = connection->interest();
  if (wanted == connection->armed) return;
  connection->armed = wanted;
  epoll_event event{};
  event.events = wanted;
  event.data.u64 = id;
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, connection->fd(), &event);
}

void Loop::Dispatch(uint64_t tag, uint32_t events) {
  if (tag == kWakeTag) return context_.inbox->ClearWake();
  if ((tag & kListenerTag) == kListenerTag) {
    if (listening_) AcceptFrom(listeners_[tag & 0xFFFFFFFF]);
    return;
  }
  Connection* connection = Find(tag);
  if (connection == nullptr) return;
  connection->OnReady(events);
  Settle(tag);
}

void Loop::DeliverCompletions() {
  // Answering may run a receiver that answers at once: again until there is nothing.
  for (;;) {
    context_.inbox->Take(&completions_);
    if (completions_.empty()) return;
    touched_.clear();
    for (Completion& completion : completions_) {
      const uint64_t id = completion.connection;
      Connection* connection = Find(id);
      if (connection != nullptr) {
        connection->Complete(std::move(completion));
        if (touched_.empty() || touched_.back() != id) touched_.push_back(id);
      } else if (completion.stream) {
        completion.stream->MarkGone();
      }
    }
    for (const uint64_t id : touched_) {
      if (Connection* connection = Find(id)) {
        connection->Flush();
        Settle(id);
      }
    }
  }
}

void Loop::Tick() {
  if (!draining_ && context_.shared.stopping.load()) {
    draining_ = true;
    UnwatchListeners();
    tick_micros_ = 0;
  }
  if (context_.now_micros - tick_micros_ < kTickMicros && tick_micros_ != 0) return;
  tick_micros_ = context_.now_micros;
  if (!listening_ && !draining_) WatchListeners();
  for (uint32_t i = 0; i < slots_.size(); ++i) {
    Connection* connection = slots_[i].connection.get();
    if (connection == nullptr) continue;
    if (draining_) connection->Drain();
    if (!connection->closed()) connection->CheckTimeouts();
    Settle(uint64_t{slots_[i].generation} << 32 | i);
  }
}

void Loop::Refresh() {
  context_.now_micros = context_.shared.clock.MonotonicMicros();
  const Timestamp now = context_.shared.clock.Now();
  const int64_t second = FloorDiv(now.micros, kMicrosPerSecond);
  if (second == date_second_) return;
  date_second_ = second;
  context_.date_line = DateLine(now);
}

bool Loop::Finished() const {
  return draining_ &&
         (open_ == 0 || context_.now_micros >= context_.shared.stop_deadline_micros.load());
}

void Loop::Run() {
  context_.inbox->AdoptByThisThread();
  std::array<epoll_event, kMaxEvents> events;
  Refresh();
  while (!Finished()) {
    const bool idle = open_ == 0 && listening_ && !draining_;
    const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                 idle ? -1 : kTickMillis);
    Refresh();
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events.at(static_cast<size_t>(i));
      Dispatch(event.data.u64, event.events);
    }
    DeliverCompletions();
    Tick();
    DeliverCompletions();
  }
}

}  // namespace tarn::http
