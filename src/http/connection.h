#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/address_counts.h"
#include "http/events.h"
#include "http/inbox.h"
#include "http/request_parser.h"
#include "http/router.h"
#include "http/server.h"
#include "http/socket.h"
#include "http/tls.h"
#include "http/wire.h"

namespace tarn::http {

// What all I/O threads of a server share. Thread-safe: constant, atomic, or so by itself.
struct Shared {
  const ServerLimits limits;
  const Router router;
  const std::unique_ptr<TlsContext> tls;  // null: plain
  const os::Clock& clock;
  Events events;
  std::atomic<size_t> connections{0};
  AddressCounts addresses;
  std::atomic<size_t> buffered_body_bytes{0};
  std::atomic<bool> stopping{false};
  std::atomic<int64_t> stop_deadline_micros{0};  // monotonic; valid once stopping
};

// What the connections of one I/O thread share; only that thread touches it.
struct LoopContext {
  Shared& shared;
  std::shared_ptr<Inbox> inbox;
  int64_t now_micros = 0;  // monotonic, of this turn of the loop
  std::string date_line;
  std::vector<char> scratch;
};

// One client. Bytes in become requests, answers go out in the order of the requests. Everything
// runs on its I/O thread. It never waits; what it waits for is in interest().
class Connection {
 public:
  Connection(LoopContext& loop, uint64_t id, Descriptor socket, std::string peer);
  ~Connection();

  // `ready` as of epoll(7).
  void OnReady(uint32_t ready);
  // Call Flush after a run of these.
  void Complete(Completion completion);
  void Flush();
  void CheckTimeouts();
  // Over the limit: 503 and close.
  void Refuse();
  // No further request; closes as soon as those in work are answered.
  void Drain();

  bool closed() const { return !socket_; }
  int fd() const { return socket_.get(); }
  uint32_t interest() const;  // epoll events to wait for
  uint32_t armed = 0;         // the loop's: what epoll was told

 private:
  struct Exchange {
    bool head_only = false;
    bool http_1_0 = false;
    bool done = false;
    bool head_sent = false;
    int64_t started_micros = 0;
    Response response;
    std::shared_ptr<StreamState> stream;
  };

  bool wants_input() const;
  size_t unsent() const { return out_.size() - sent_; }
  void Receive();
  void ReceiveLingering();
  IoOutcome ReadSome();
  void Parse(std::string_view fresh);
  size_t ParseSome(std::string_view bytes);
  void OnHeader();
  std::optional<Response> RefusalOf(const Request& head) const;
  void Refuse(Response refusal);
  void OnRequest();
  void AccountBody(size_t bytes);
  void ReleaseBody();
  void Answer(Response response);  // by the server itself, in the order of requests
  void AnswerLast(Response response);
  Exchange& AddExchange();
  void WriteAnswers();
  void WriteHead(Exchange& exchange);
  bool PumpStream(Exchange& exchange);
  void SendContinue();
  bool SendOut();
  void FlushOut();
  void FinishIfDone();
  void CheckBody();
  void TimeOut();
  void Close();
  void Abort();

  LoopContext& loop_;
  const uint64_t id_;
  Descriptor socket_;
  std::unique_ptr<TlsStream> tls_;
  const std::string peer_;
  RequestParser parser_;
  std::string in_;  // not yet parsed
  std::string out_;
  size_t sent_ = 0;  // of out_
  std::deque<Exchange> exchanges_;
  uint64_t first_sequence_ = 0;  // of exchanges_.front()
  const Router::Route* route_ = nullptr;
  size_t accounted_bytes_ = 0;
  bool input_done_ = false;   // no further request will be parsed
  bool peer_ended_ = false;   // the client will send nothing more
  bool hangup_seen_ = false;  // epoll need not tell again
  bool write_blocked_ = false;
  bool read_wants_write_ = false;
  bool continue_due_ = false;
  bool lingering_ = false;
  bool fresh_ = true;  // nothing was ever received
  size_t lingered_bytes_ = 0;
  int64_t since_micros_;  // start of the phase: idle, header, body, lingering
  struct Stretch {
    int64_t micros = 0;
    uint64_t bytes = 0;
  };
  // The body's rate is measured over half a body_timeout and the half before.
  int64_t body_window_micros_ = 0;  // start of the present half
  uint64_t body_window_bytes_ = 0;  // of the body, that were there at its start
  Stretch body_before_;             // the half before; none: nothing, or it was not read then
  int64_t write_progress_micros_ = 0;
};

}  // namespace tarn::http
