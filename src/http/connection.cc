#include "http/connection.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

namespace tarn::http {
namespace {

// A client that does not read its answers is not asked for more requests.
constexpr size_t kMaxUnsentBytes = 256 << 10;
// Streams are fetched while less than this waits to be sent.
constexpr size_t kStreamAheadBytes = 256 << 10;
// After an answer to a request that was not read to its end, the rest is read and dropped for a
// while: closing at once would reset the connection and could take the answer with it.
constexpr int64_t kLingerMicros = 2'000'000;
constexpr size_t kMaxLingerBytes = 16 << 20;
constexpr size_t kKeepOutBytes = 64 << 10;

}  // namespace

Connection::Connection(LoopContext& loop, uint64_t id, Descriptor socket, std::string peer)
    : loop_(loop),
      id_(id),
      socket_(std::move(socket)),
      peer_(std::move(peer)),
      parser_({loop.shared.limits.max_header_bytes, loop.shared.limits.max_header_fields}),
      since_micros_(loop.now_micros) {
  if (loop.shared.tls) tls_ = TlsStream::Accept(*loop.shared.tls, socket_.get());
}

Connection::~Connection() { Close(); }

void Connection::Close() {
  if (closed()) return;
  ReleaseBody();
  for (const Exchange& exchange : exchanges_) {
    if (exchange.stream) exchange.stream->MarkGone();
  }
  exchanges_.clear();
  tls_.reset();
  socket_.Reset();
}

void Connection::Abort() {
  // A reset, so that a body that ends with the connection is not taken for complete.
  const linger now{1, 0};
  setsockopt(fd(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  Close();
}

bool Connection::wants_input() const {
  if (lingering_) return true;
  return !input_done_ && exchanges_.size() < loop_.shared.limits.max_pipelined &&
         unsent() < kMaxUnsentBytes;
}

uint32_t Connection::interest() const {
  uint32_t events = 0;
  if (wants_input() && !peer_ended_) events |= EPOLLIN;
  if (write_blocked_ || read_wants_write_) events |= EPOLLOUT;
  if (!hangup_seen_) events |= EPOLLRDHUP;
  return events;
}

void Connection::OnReady(uint32_t ready) {
  if ((ready & (EPOLLERR | EPOLLHUP)) != 0) return Close();
  if ((ready & EPOLLRDHUP) != 0) {
    hangup_seen_ = true;
    // Half-closing is legal, but who closes while a long body comes has usually lost interest.
    const bool streaming = std::any_of(exchanges_.begin(), exchanges_.end(),
                                       [](const Exchange& e) { return e.stream != nullptr; });
    if (streaming) return Close();
  }
  if ((ready & EPOLLOUT) != 0) {
    write_blocked_ = false;
    read_wants_write_ = false;
    Flush();
  }
  if (closed()) return;
  if (lingering_) return ReceiveLingering();
  if (wants_input()) Receive();
}

IoOutcome Connection::ReadSome() {
  std::vector<char>& buffer = loop_.scratch;
  if (!tls_) return ReceiveSome(fd(), buffer.data(), buffer.size());
  const IoOutcome outcome = tls_->Read(buffer.data(), buffer.size());
  read_wants_write_ = outcome.kind == IoOutcome::Kind::kWouldBlock && tls_->wants_write();
  return outcome;
}

void Connection::Receive() {
  do {
    const IoOutcome outcome = ReadSome();
    switch (outcome.kind) {
      case IoOutcome::Kind::kWouldBlock:
        return;
      case IoOutcome::Kind::kBroken:
        if (!tls_ || !tls_->met_plain_http()) return Close();
        tls_.reset();
        AnswerLast(ErrorResponse(400, "InvalidArgument", "this port speaks TLS; use https://"));
        return FlushOut();
      case IoOutcome::Kind::kEnd:
        peer_ended_ = true;
        input_done_ = true;
        return FlushOut();
      case IoOutcome::Kind::kBytes:
        break;
    }
    loop_.shared.events.Received(outcome.bytes);
    Parse({loop_.scratch.data(), outcome.bytes});
  } while (!closed() && tls_ && tls_->has_pending() && wants_input() && !lingering_);
}

void Connection::ReceiveLingering() {
  const IoOutcome outcome = ReadSome();
  if (outcome.kind == IoOutcome::Kind::kWouldBlock) return;
  lingered_bytes_ += outcome.bytes;
  if (outcome.kind != IoOutcome::Kind::kBytes || lingered_bytes_ > kMaxLingerBytes) Close();
}

void Connection::Parse(std::string_view fresh) {
  fresh_ = false;
  if (in_.empty()) {
    const size_t consumed = ParseSome(fresh);
    in_.assign(fresh.substr(consumed));
  } else {
    in_.append(fresh);
    in_.erase(0, ParseSome(in_));
  }
  if (input_done_) in_.clear();
  FlushOut();
}

size_t Connection::ParseSome(std::string_view bytes) {
  size_t total = 0;
  while (total < bytes.size() && wants_input()) {
    const bool was_started = parser_.started();
    const uint64_t body_before = parser_.body_bytes();
    size_t consumed = 0;
    const RequestParser::Step step = parser_.Feed(bytes.substr(total), &consumed);
    total += consumed;
    if (!was_started && parser_.started()) since_micros_ = loop_.now_micros;
    if (step == RequestParser::Step::kFailed) {
      AnswerLast(parser_.failure());
      break;
    }
    AccountBody(parser_.body_bytes() - body_before);
    if (input_done_) break;
    if (step == RequestParser::Step::kHeader) {
      OnHeader();
      continue;
    }
    if (step == RequestParser::Step::kNeedMore) break;
    OnRequest();
  }
  return total;
}

void Connection::OnHeader() {
  since_micros_ = loop_.now_micros;
  body_window_micros_ = loop_.now_micros;
  body_window_bytes_ = 0;
  body_before_ = {};
  std::string allowed;
  const Request& head = parser_.request();
  route_ = loop_.shared.router.Find(head.method, head.path(), &allowed);
  if (route_ == nullptr) {
    Response unknown = allowed.empty()
                           ? ErrorResponse(404, "NotFound", "nothing is served at this path")
                           : ErrorResponse(405, "Unsupported", "this path takes " + allowed);
    if (!allowed.empty()) unknown.headers.Add("Allow", allowed);
    return Refuse(std::move(unknown));
  }
  if (auto refusal = RefusalOf(head)) return Refuse(*std::move(refusal));
  parser_.set_max_body_bytes(route_->options.max_body_bytes);
  if (!parser_.has_body()) return OnRequest();
  continue_due_ = parser_.expects_continue();
}

// What the route says of a request before its body is read.
std::optional<Response> Connection::RefusalOf(const Request& head) const {
  const RouteOptions& options = route_->options;
  if (options.admit) {
    const Status admitted = options.admit(head, peer_);
    if (!admitted.ok()) return ErrorResponse(admitted.error());
  }
  if (parser_.content_length().value_or(0) <= options.max_body_bytes) return std::nullopt;
  return ErrorResponse(
      413, "ResourceExhausted",
      "the body is larger than " + std::to_string(options.max_body_bytes) + " bytes");
}

void Connection::Refuse(Response refusal) {
  Exchange& exchange = AddExchange();
  exchange.head_only = parser_.request().method == Method::kHead;
  exchange.http_1_0 = parser_.http_1_0();
  exchange.done = true;
  exchange.response = std::move(refusal);
  if (!parser_.keep_alive() || parser_.has_body()) input_done_ = true;  // no body is read for that
  if (!parser_.has_body()) static_cast<void>(parser_.TakeRequest());
}

void Connection::OnRequest() {
  continue_due_ = false;
  ReleaseBody();
  const bool keep_alive = parser_.keep_alive();
  Exchange& exchange = AddExchange();
  exchange.head_only = parser_.request().method == Method::kHead;
  exchange.http_1_0 = parser_.http_1_0();
  const uint64_t sequence = first_sequence_ + exchanges_.size() - 1;
  if (!keep_alive) input_done_ = true;
  Request request = parser_.TakeRequest();
  request.peer = peer_;
  request.tls = tls_ != nullptr;
  route_->receiver(std::move(request), Responder(loop_.inbox, id_, sequence));
}

void Connection::AccountBody(size_t bytes) {
  if (bytes == 0) return;
  accounted_bytes_ += bytes;
  const size_t total = loop_.shared.buffered_body_bytes.fetch_add(bytes) + bytes;
  if (total > loop_.shared.limits.max_buffered_body_bytes)
    AnswerLast(ErrorResponse(Unavailable("too many large requests at once")));
}

void Connection::ReleaseBody() {
  if (accounted_bytes_ == 0) return;
  loop_.shared.buffered_body_bytes.fetch_sub(std::exchange(accounted_bytes_, 0));
}

Connection::Exchange& Connection::AddExchange() {
  Exchange& exchange = exchanges_.emplace_back();
  exchange.started_micros = loop_.now_micros;
  return exchange;
}

void Connection::AnswerLast(Response response) {
  ReleaseBody();
  continue_due_ = false;
  input_done_ = true;
  Exchange& exchange = AddExchange();
  exchange.done = true;
  exchange.response = std::move(response);
}

void Connection::Complete(Completion completion) {
  const uint64_t index = completion.sequence - first_sequence_;
  if (closed() || index >= exchanges_.size()) {
    if (completion.stream) completion.stream->MarkGone();
    return;
  }
  Exchange& exchange = exchanges_[index];
  if (completion.kind == Completion::Kind::kStreamBytes) return;  // Flush fetches
  exchange.response = std::move(completion.response);
  exchange.stream = std::move(completion.stream);
  exchange.done = true;
}

void Connection::WriteHead(Exchange& exchange) {
  exchange.head_sent = true;
  ResponseStyle style;
  if (exchange.stream) style.framing = exchange.http_1_0 ? Framing::kUntilClose : Framing::kChunked;
  if (exchange.stream && exchange.http_1_0) {
    input_done_ = true;
    // Requests behind this one can no longer be answered.
    for (size_t i = 1; i < exchanges_.size(); ++i) {
      if (exchanges_[i].stream) exchanges_[i].stream->MarkGone();
    }
    exchanges_.resize(1);
  }
  if (exchange.head_only && !exchange.stream) style.framing = Framing::kHeadOnly;
  style.close = input_done_ && exchanges_.size() == 1;
  style.keep_alive = exchange.http_1_0;
  AppendResponse(out_, exchange.response, style, loop_.date_line);
  if (exchange.stream && !exchange.head_only) {
    if (exchange.http_1_0)
      out_ += exchange.response.body;
    else
      AppendChunk(out_, exchange.response.body);
  }
  loop_.shared.events.Answered(exchange.response.status,
                               loop_.now_micros - exchange.started_micros);
}

// True once the body is complete.
bool Connection::PumpStream(Exchange& exchange) {
  StreamState& stream = *exchange.stream;
  if (exchange.head_only) {
    stream.MarkGone();
    return true;
  }
  if (unsent() >= kStreamAheadBytes) return false;
  std::string bytes;
  bool finished = false;
  bool cut = false;
  {
    os::MutexLock lock(stream.mutex);
    bytes.swap(stream.pending);
    stream.announced = false;
    finished = stream.finished;
    cut = stream.abandoned;
    stream.room.NotifyAll();
  }
  if (cut) {
    Abort();
    return false;
  }
  if (exchange.http_1_0)
    out_ += bytes;
  else
    AppendChunk(out_, bytes);
  if (finished && !exchange.http_1_0) out_ += kLastChunk;
  return finished;
}

void Connection::WriteAnswers() {
  while (!exchanges_.empty() && exchanges_.front().done) {
    Exchange& exchange = exchanges_.front();
    if (!exchange.head_sent) WriteHead(exchange);
    if (exchange.stream && !PumpStream(exchange)) return;
    exchanges_.pop_front();
    ++first_sequence_;
    if (exchanges_.empty() && !parser_.header_done()) since_micros_ = loop_.now_micros;
  }
}

void Connection::SendContinue() {
  if (!continue_due_ || !exchanges_.empty() || input_done_) return;
  continue_due_ = false;
  // A client that did not wait does not need to hear it.
  if (parser_.body_bytes() == 0) out_ += "HTTP/1.1 100 Continue\r\n\r\n";
}

// True if all went out.
bool Connection::SendOut() {
  while (unsent() > 0) {
    const std::string_view rest = std::string_view(out_).substr(sent_);
    const IoOutcome outcome = tls_ ? tls_->Write(rest) : SendSome(fd(), rest);
    if (outcome.kind == IoOutcome::Kind::kWouldBlock) {
      if (!write_blocked_ && write_progress_micros_ == 0) write_progress_micros_ = loop_.now_micros;
      write_blocked_ = true;
      return false;
    }
    if (outcome.kind != IoOutcome::Kind::kBytes) {
      Close();
      return false;
    }
    loop_.shared.events.Sent(outcome.bytes);
    sent_ += outcome.bytes;
    write_progress_micros_ = loop_.now_micros;
  }
  write_progress_micros_ = 0;
  out_.clear();
  sent_ = 0;
  if (out_.capacity() > kKeepOutBytes) out_.shrink_to_fit();
  return true;
}

void Connection::Flush() {
  FlushOut();
  // What TLS holds decrypted, the socket will not announce again.
  if (!closed() && tls_ && !lingering_ && tls_->has_pending() && wants_input()) Receive();
}

void Connection::FlushOut() {
  if (closed() || lingering_) return;
  for (;;) {
    WriteAnswers();
    if (closed()) return;
    SendContinue();
    const bool had_output = unsent() > 0;
    if (!write_blocked_ && had_output) SendOut();
    if (closed() || write_blocked_) return;
    const bool stream_waits = !exchanges_.empty() && exchanges_.front().done;
    if (stream_waits && had_output) continue;
    // Requests that waited for room in the pipeline.
    if (in_.empty() || !wants_input()) break;
    const size_t consumed = ParseSome(in_);
    in_.erase(0, consumed);
    if (input_done_) in_.clear();
    if (consumed == 0 && !input_done_) break;
  }
  FinishIfDone();
}

void Connection::FinishIfDone() {
  if (!input_done_ || !exchanges_.empty() || unsent() > 0) return;
  if (peer_ended_) return Close();
  if (tls_) tls_->Shutdown();
  shutdown(fd(), SHUT_WR);
  lingering_ = true;
  since_micros_ = loop_.now_micros;
}

void Connection::CheckTimeouts() {
  const ServerLimits& limits = loop_.shared.limits;
  const int64_t waited = loop_.now_micros - since_micros_;
  if (lingering_) {
    if (waited > kLingerMicros) Close();
    return;
  }
  if (unsent() > 0) {
    if (loop_.now_micros - write_progress_micros_ <= limits.write_timeout_micros) return;
    loop_.shared.events.TimedOut();
    return Close();
  }
  if (!input_done_ && parser_.started() && parser_.header_done()) return CheckBody();
  if (!exchanges_.empty()) return;  // it is the receiver's turn
  const bool receiving = parser_.started() || fresh_;
  if (waited <= (receiving ? limits.header_timeout_micros : limits.idle_timeout_micros)) return;
  if (!parser_.started()) return Close();
  TimeOut();
}

void Connection::CheckBody() {
  const ServerLimits& limits = loop_.shared.limits;
  const int64_t window = loop_.now_micros - body_window_micros_;
  if (wants_input()) {
    if (loop_.now_micros - since_micros_ > limits.max_body_micros) return TimeOut();
    if (window <= limits.body_timeout_micros / 2) return;
    const Stretch last{window, parser_.body_bytes() - body_window_bytes_};
    const int64_t measured = body_before_.micros + last.micros;
    const auto wanted = static_cast<double>(limits.min_body_rate) * static_cast<double>(measured) /
                        kMicrosPerSecond;
    const auto came = static_cast<double>(body_before_.bytes + last.bytes);
    if (measured >= limits.body_timeout_micros && came < wanted) return TimeOut();
    body_before_ = last;
  } else {
    body_before_ = {};  // a time in which it was not read says nothing about the sender
  }
  body_window_micros_ = loop_.now_micros;
  body_window_bytes_ = parser_.body_bytes();
}

void Connection::TimeOut() {
  loop_.shared.events.TimedOut();
  AnswerLast(ErrorResponse(408, "DeadlineExceeded", "the request took too long to arrive"));
  Flush();
}

void Connection::Refuse() {
  if (tls_) return Close();  // a handshake costs more than the client's retry
  AnswerLast(ErrorResponse(Unavailable("too many connections")));
  Flush();
}

void Connection::Drain() {
  if (closed() || parser_.started()) return;
  input_done_ = true;
  in_.clear();
  if (exchanges_.empty() && unsent() == 0) return Close();
  Flush();
}

}  // namespace tarn::http
