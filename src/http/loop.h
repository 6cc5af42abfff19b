#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "http/connection.h"

struct sockaddr_storage;

namespace tarn::http {

// One I/O thread: accepts, and runs the connections it accepted. epoll, level-triggered; one read
// and one write a request. Thread-confined, but for inbox().
class Loop {
 public:
  static Result<std::unique_ptr<Loop>> Create(Shared& shared,
                                              const std::vector<Descriptor>& listeners);
  ~Loop();

  // Until shared.stopping and either no connection is left or the deadline has passed.
  void Run();
  Inbox& inbox() { return *context_.inbox; }

 private:
  Loop(Shared& shared, Descriptor epoll, std::shared_ptr<Inbox> inbox);
  Status Watch(int fd, uint64_t tag, uint32_t events);
  void WatchListeners();
  void UnwatchListeners();
  void AcceptFrom(int listener);
  void AddConnection(Descriptor socket, const sockaddr_storage& address);
  void Forget(uint64_t address);  // one connection from there less
  Connection* Find(uint64_t id);
  void Settle(uint64_t id);  // after anything happened to it: epoll, or the end
  void Dispatch(uint64_t tag, uint32_t events);
  void DeliverCompletions();
  void Tick();
  void Refresh();
  bool Finished() const;

  struct Slot {
    uint32_t generation = 0;
    uint64_t address = 0;  // of the connection, as AddressCounts names it
    std::unique_ptr<Connection> connection;
  };

  LoopContext context_;
  const Descriptor epoll_;
  std::vector<int> listeners_;
  bool listening_ = false;
  bool draining_ = false;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  size_t open_ = 0;
  std::vector<Completion> completions_;
  std::vector<uint64_t> touched_;
  int64_t tick_micros_ = 0;
  int64_t date_second_ = -1;
};

}  // namespace tarn::http
