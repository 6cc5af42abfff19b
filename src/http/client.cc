// See request_parser.cc.
#define BOOST_DISABLE_ASSERTS
#include "http/client.h"

#include <poll.h>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>

#include "base/text.h"
#include "http/socket.h"
#include "http/tls.h"
#include "http/wire.h"

namespace tarn::http {
namespace {

namespace beast = boost::beast;
using ErrorCode = beast::error_code;

constexpr size_t kBufferBytes = 64 << 10;

// The answer to one request, interim ones apart.
class Answer final : public beast::http::basic_parser<false> {
 public:
  Answer(const ClientOptions& options, const Client::Sink* sink) : options_(options), sink_(sink) {
    header_limit(static_cast<uint32_t>(options.max_header_bytes));
    body_limit(boost::none);
    eager(true);
  }

  Response& response() { return response_; }
  const std::optional<Error>& error() const { return error_; }

 private:
  void Fail(ErrorCode& ec, Error error) {
    error_ = std::move(error);
    ec = beast::http::error::bad_field;
  }

  void on_request_impl(beast::http::verb /*verb*/, beast::string_view /*method*/,
                       beast::string_view /*target*/, int /*version*/, ErrorCode& /*ec*/) override {
  }
  void on_response_impl(int status, beast::string_view /*reason*/, int /*version*/,
                        ErrorCode& /*ec*/) override {
    response_.status = status;
    response_.content_type.clear();
  }
  void on_field_impl(beast::http::field field, beast::string_view name, beast::string_view value,
                     ErrorCode& ec) override {
    if (header_done_) return;  // a trailer
    field_bytes_ += name.size() + value.size() + 4;
    if (field_bytes_ > options_.max_header_bytes)
      return Fail(ec, ResourceExhausted("the header of the answer is too long"));
    if (field == beast::http::field::content_type)
      response_.content_type.assign(value.data(), value.size());
    response_.headers.Add({name.data(), name.size()}, {value.data(), value.size()});
  }
  void on_header_impl(ErrorCode& /*ec*/) override { header_done_ = true; }
  void on_body_init_impl(const boost::optional<uint64_t>& /*length*/, ErrorCode& /*ec*/) override {}
  size_t on_body_impl(beast::string_view bytes, ErrorCode& ec) override {
    if (sink_ != nullptr && response_.status < 400) {
      Status status = (*sink_)({bytes.data(), bytes.size()});
      if (!status.ok()) {
        Fail(ec, std::move(status).error());
        return 0;
      }
      return bytes.size();
    }
    if (bytes.size() > options_.max_response_bytes - response_.body.size()) {
      Fail(ec, ResourceExhausted("the answer is larger than " +
                                 FormatBytes(options_.max_response_bytes)));
      return 0;
    }
    response_.body.append(bytes.data(), bytes.size());
    return bytes.size();
  }
  void on_chunk_header_impl(uint64_t /*size*/, beast::string_view /*extension*/,
                            ErrorCode& /*ec*/) override {}
  size_t on_chunk_body_impl(uint64_t /*remain*/, beast::string_view bytes, ErrorCode& ec) override {
    return on_body_impl(bytes, ec);
  }
  void on_finish_impl(ErrorCode& /*ec*/) override {}

  const ClientOptions& options_;
  const Client::Sink* const sink_;
  Response response_;
  std::optional<Error> error_;
  size_t field_bytes_ = 0;
  bool header_done_ = false;
};

bool IsIdempotent(Method method) { return method != Method::kPost && method != Method::kPatch; }

}  // namespace

// One connection.
class Client::Transport {
 public:
  static Result<std::unique_ptr<Transport>> Open(const ClientOptions& options,
                                                 const TlsContext* tls) {
    TARN_ASSIGN_OR_RETURN(Descriptor socket,
                          Connect(options.host, options.port, options.connect_timeout_micros));
    auto transport = std::make_unique<Transport>();
    transport->socket_ = std::move(socket);
    transport->timeout_micros_ = options.io_timeout_micros;
    if (tls != nullptr) {
      TARN_ASSIGN_OR_RETURN(transport->tls_,
                            TlsStream::Connect(*tls, transport->socket_.get(), options.host));
    }
    return transport;
  }

  Status WriteAll(std::string_view bytes) {
    while (!bytes.empty()) {
      const IoOutcome outcome = tls_ ? tls_->Write(bytes) : SendSome(socket_.get(), bytes);
      if (outcome.kind == IoOutcome::Kind::kBytes) {
        bytes.remove_prefix(outcome.bytes);
        continue;
      }
      TARN_TRY(AfterStop(outcome, POLLOUT));
    }
    return {};
  }

  // 0 bytes at the end of the connection.
  Result<size_t> Read(char* buffer, size_t size) {
    for (;;) {
      const IoOutcome outcome =
          tls_ ? tls_->Read(buffer, size) : ReceiveSome(socket_.get(), buffer, size);
      if (outcome.kind == IoOutcome::Kind::kBytes) return outcome.bytes;
      if (outcome.kind == IoOutcome::Kind::kEnd) return size_t{0};
      TARN_TRY(AfterStop(outcome, POLLIN));
    }
  }

  // A kept connection on which something came unasked, the server's goodbye most likely.
  bool Stale() const { return WaitFor(socket_.get(), POLLIN, 0); }

  std::string leftover;  // read beyond an interim answer

 private:
  Status AfterStop(const IoOutcome& outcome, short direction) {
    if (outcome.kind != IoOutcome::Kind::kWouldBlock) {
      if (tls_ && tls_->certificate_refused())
        return Unauthenticated("the server's certificate is not trusted: " + tls_->last_error());
      return Unavailable(tls_ ? "TLS connection lost: " + tls_->last_error() : "connection lost");
    }
    if (tls_) direction = tls_->wants_write() ? POLLOUT : POLLIN;
    if (!WaitFor(socket_.get(), direction, timeout_micros_))
      return DeadlineExceeded("the server does not answer");
    return {};
  }

  Descriptor socket_;
  std::unique_ptr<TlsStream> tls_;
  int64_t timeout_micros_ = 0;
};

struct Client::State {
  explicit State(ClientOptions chosen) : options(std::move(chosen)) {}

  Status Open() {
    if (transport) return {};
    if (options.tls && !tls && !options.tls->pinned_sha256.empty()) {
      tls = TlsContext::ForPinned(options.tls->pinned_sha256);
    } else if (options.tls && !tls) {
      TARN_ASSIGN_OR_RETURN(tls, TlsContext::ForClient(options.tls->ca_pem));
    }
    TARN_ASSIGN_OR_RETURN(transport, Transport::Open(options, tls.get()));
    return {};
  }

  std::string Serialize(const ClientRequest& request) const;
  Result<Response> Send(const ClientRequest& request, const Sink* sink);
  Result<Response> Receive(Method method, const Sink* sink);
  Result<Response> ReceiveOne(Answer& answer);
  static Status EndOfStream(Answer& answer);

  const ClientOptions options;
  std::unique_ptr<TlsContext> tls;
  std::unique_ptr<Transport> transport;
  bool answer_begun = false;  // a byte of the answer has come
};

std::string Client::State::Serialize(const ClientRequest& request) const {
  std::string out(MethodName(request.method));
  out += ' ';
  for (const char c : request.target) out += static_cast<unsigned char>(c) <= 0x20 ? '_' : c;
  out += " HTTP/1.1\r\n";
  const bool v6 = options.host.find(':') != std::string::npos;
  const std::string host = v6 ? "[" + options.host + "]" : options.host;
  AppendField(out, "Host", host + ":" + std::to_string(options.port));
  if (!options.authorization.empty()) AppendField(out, "Authorization", options.authorization);
  if (!request.content_type.empty()) AppendField(out, "Content-Type", request.content_type);
  for (size_t i = 0; i < request.headers.size(); ++i) {
    const auto [name, value] = request.headers.at(i);
    AppendField(out, name, value);
  }
  if (!request.body.empty() || !IsIdempotent(request.method) || request.method == Method::kPut)
    AppendField(out, "Content-Length", std::to_string(request.body.size()));
  out += "\r\n";
  out += request.body;
  return out;
}

// An answer may end so, but not begin or be cut so.
Status Client::State::EndOfStream(Answer& answer) {
  if (!answer.got_some()) return Unavailable("the server closed the connection");
  ErrorCode ec;
  answer.put_eof(ec);
  if (ec) return DataLoss("the answer was cut short");
  return {};
}

// Until the answer is complete; the transport is dropped unless it can be used again.
Result<Response> Client::State::ReceiveOne(Answer& answer) {
  std::string buffer = std::exchange(transport->leftover, {});
  std::string scratch(kBufferBytes, '\0');
  bool at_end = false;
  while (!answer.is_done()) {
    ErrorCode ec;
    if (!buffer.empty()) {
      buffer.erase(0, answer.put(boost::asio::const_buffer(buffer.data(), buffer.size()), ec));
      if (answer.is_done()) break;
    }
    const bool waits = !ec || ec == beast::http::error::need_more;
    if (!waits && answer.error()) return *answer.error();
    if (!waits || buffer.size() > options.max_header_bytes + kBufferBytes)
      return DataLoss("not an HTTP answer: " + ec.message());
    if (at_end) return DataLoss("the answer was cut short");
    TARN_ASSIGN_OR_RETURN(const size_t count, transport->Read(scratch.data(), scratch.size()));
    answer_begun |= count > 0;
    buffer.append(scratch, 0, count);
    at_end = count == 0;
    if (at_end) TARN_TRY(EndOfStream(answer));
  }
  const bool final = answer.response().status >= 200;
  // Bytes behind the answer belong to nothing that was asked.
  if (at_end || (final && (!answer.keep_alive() || !buffer.empty())))
    transport.reset();
  else
    transport->leftover = std::move(buffer);
  return std::move(answer.response());
}

Result<Response> Client::State::Receive(Method method, const Sink* sink) {
  // 100 Continue and its like come before the answer.
  for (int interim = 0; interim < 10; ++interim) {
    Answer answer(options, sink);
    answer.skip(method == Method::kHead);
    TARN_ASSIGN_OR_RETURN(Response response, ReceiveOne(answer));
    if (response.status >= 200) return response;
    if (!transport) break;
  }
  return DataLoss("no final answer");
}

Result<Response> Client::State::Send(const ClientRequest& request, const Sink* sink) {
  const std::string bytes = Serialize(request);
  for (;;) {
    if (transport && transport->Stale()) transport.reset();
    const bool kept = transport != nullptr;
    TARN_TRY(Open());
    answer_begun = false;
    Status written = transport->WriteAll(bytes);
    // A server that refuses a body answers before it has read it all, so an answer may be there.
    auto response = Receive(request.method, sink);
    if (response.ok()) {
      if (!written.ok()) transport.reset();
      return response;
    }
    transport.reset();
    const bool stale = kept && !answer_begun && response.error().code() == Code::kUnavailable;
    if (stale && IsIdempotent(request.method)) continue;
    if (!written.ok()) return std::move(written).error();
    return response;
  }
}

Client::Client(ClientOptions options) : state_(std::make_unique<State>(std::move(options))) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

Result<Response> Client::Send(const ClientRequest& request) {
  return state_->Send(request, nullptr);
}

Result<Response> Client::SendStreaming(const ClientRequest& request, const Sink& sink) {
  return state_->Send(request, &sink);
}

Result<ClientOptions> ParseEndpoint(std::string_view url) {
  const auto fail = [&](std::string_view why) {
    return InvalidArgument("'" + std::string(url) + "' is no server address: " + std::string(why));
  };
  ClientOptions options;
  std::string_view rest = url;
  if (rest.starts_with("https://")) {
    options.tls.emplace();
    options.port = 443;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return fail("it must begin with http:// or https://");
  }
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.find_first_of("/?#@ ") != std::string_view::npos)
    return fail("nothing may follow the port");
  size_t host_end = rest.find(':');
  if (rest.starts_with('[')) {
    const size_t bracket = rest.find(']');
    if (bracket == std::string_view::npos) return fail("']' is missing");
    options.host = rest.substr(1, bracket - 1);
    host_end = bracket + 1 < rest.size() ? bracket + 1 : std::string_view::npos;
  } else {
    options.host = rest.substr(0, host_end);
  }
  if (options.host.empty()) return fail("the host is missing");
  if (host_end == std::string_view::npos) return options;
  const auto port = rest[host_end] == ':' ? ParseUint64(rest.substr(host_end + 1)) : std::nullopt;
  if (!port || *port == 0 || *port > 65535) return fail("the port must be 1 to 65535");
  options.port = static_cast<uint16_t>(*port);
  return options;
}

}  // namespace tarn::http
