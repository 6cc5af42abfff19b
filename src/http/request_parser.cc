// Beast asserts things that a hostile chunk boundary can make false (a last chunk that arrives in
// pieces); the code behind the assertion copes, so it must not abort the server.
#define BOOST_DISABLE_ASSERTS
#include "http/request_parser.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>

#include "base/check.h"
#include "base/text.h"

namespace tarn::http {
namespace {

namespace beast = boost::beast;
using ErrorCode = beast::error_code;

std::string_view View(beast::string_view text) { return {text.data(), text.size()}; }

// "http://host:1/path?q" to "/path?q": RFC 9112 section 3.2.2 lets a client send either.
std::string_view OriginForm(std::string_view target) {
  if (target.starts_with('/') || target == "*") return target;
  const size_t scheme = target.find("://");
  if (scheme == std::string_view::npos) return {};
  const size_t path = target.find_first_of("/?", scheme + 3);
  if (path == std::string_view::npos) return "/";
  return target[path] == '/' ? target.substr(path) : std::string_view();
}

bool AllDigits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// One message; made anew for each.
class Message final : public beast::http::basic_parser<true> {
 public:
  explicit Message(const RequestParser::Limits& limits) : limits_(limits) {
    header_limit(static_cast<uint32_t>(limits.max_header_bytes));
    body_limit(boost::none);
  }

  void SetInput(std::string_view bytes) { input_ = bytes; }
  Request& request() { return request_; }
  const std::optional<Response>& failure() const { return failure_; }
  bool http_1_0() const { return http_1_0_; }
  bool expects_continue() const { return expects_continue_; }
  bool has_body() const { return chunked() || content_length().value_or(0) > 0; }
  void set_max_body_bytes(uint64_t bytes) { max_body_bytes_ = bytes; }
  void Reserve(size_t bytes) { request_.body.reserve(bytes); }

 private:
  void Fail(ErrorCode& ec, int status, std::string_view code, std::string_view message) {
    failure_ = ErrorResponse(status, code, message);
    ec = beast::http::error::bad_field;
  }
  void FailArgument(ErrorCode& ec, std::string_view message) {
    Fail(ec, 400, "InvalidArgument", message);
  }

  void on_request_impl(beast::http::verb /*verb*/, beast::string_view method,
                       beast::string_view target, int version, ErrorCode& ec) override {
    http_1_0_ = version == 10;
    const auto known = ParseMethod(View(method));
    if (!known) return Fail(ec, 501, "Unsupported", "this method is not implemented");
    request_.method = *known;
    const std::string_view origin = OriginForm(View(target));
    if (origin.empty()) return FailArgument(ec, "the request target must be a path or http URI");
    request_.target = origin.substr(0, origin.find('#'));
  }

  void on_response_impl(int /*status*/, beast::string_view /*reason*/, int /*version*/,
                        ErrorCode& /*ec*/) override {}

  void on_field_impl(beast::http::field field, beast::string_view name, beast::string_view text,
                     ErrorCode& ec) override {
    if (header_done_) return;  // a trailer
    const std::string_view value = View(text);
    // Beast joins a folded value in a buffer of its own.
    const bool inside =
        std::less_equal<>()(input_.data(), value.data()) &&
        std::less_equal<>()(value.data() + value.size(), input_.data() + input_.size());
    if (!value.empty() && !inside) return FailArgument(ec, "folded header fields are refused");
    if (request_.headers.size() >= limits_.max_header_fields)
      return Fail(ec, 431, "ResourceExhausted", "too many header fields");
    CheckField(field, value, ec);
    if (!ec) request_.headers.Add(View(name), value);
  }

  void CheckField(beast::http::field field, std::string_view value, ErrorCode& ec) {
    switch (field) {
      case beast::http::field::host:
        if (++hosts_ > 1) FailArgument(ec, "more than one Host");
        return;
      case beast::http::field::content_length:
        if (++lengths_ > 1 || !AllDigits(value)) FailArgument(ec, "bad Content-Length");
        return;
      case beast::http::field::transfer_encoding:
        if (!EqualsNoCase(value, "chunked"))
          Fail(ec, 501, "Unsupported", "the only Transfer-Encoding is chunked");
        else if (http_1_0_)
          FailArgument(ec, "Transfer-Encoding needs HTTP/1.1");
        return;
      case beast::http::field::expect:
        if (!EqualsNoCase(value, "100-continue"))
          Fail(ec, 417, "Unsupported", "the only expectation is 100-continue");
        expects_continue_ = !http_1_0_;
        return;
      default:
        return;
    }
  }

  void on_header_impl(ErrorCode& ec) override {
    header_done_ = true;
    if (!http_1_0_ && hosts_ == 0) FailArgument(ec, "HTTP/1.1 needs a Host");
  }

  void on_body_init_impl(const boost::optional<uint64_t>& /*length*/, ErrorCode& /*ec*/) override {}

  size_t on_body_impl(beast::string_view bytes, ErrorCode& ec) override {
    if (bytes.size() > max_body_bytes_ - request_.body.size()) {
      Fail(ec, 413, "ResourceExhausted",
           "the body is larger than " + std::to_string(max_body_bytes_) + " bytes");
      return 0;
    }
    request_.body.append(bytes.data(), bytes.size());
    return bytes.size();
  }

  void on_chunk_header_impl(uint64_t size, beast::string_view /*extension*/,
                            ErrorCode& ec) override {
    if (size > max_body_bytes_ - request_.body.size())
      Fail(ec, 413, "ResourceExhausted",
           "the body is larger than " + std::to_string(max_body_bytes_) + " bytes");
  }

  size_t on_chunk_body_impl(uint64_t /*remain*/, beast::string_view bytes, ErrorCode& ec) override {
    return on_body_impl(bytes, ec);
  }

  void on_finish_impl(ErrorCode& /*ec*/) override {}

  const RequestParser::Limits limits_;
  std::string_view input_;
  Request request_;
  std::optional<Response> failure_;
  uint64_t max_body_bytes_ = 0;
  int hosts_ = 0;
  int lengths_ = 0;
  bool http_1_0_ = false;
  bool expects_continue_ = false;
  bool header_done_ = false;
};

Response FailureOf(const ErrorCode& ec) {
  using beast::http::error;
  if (ec == error::header_limit)
    return ErrorResponse(431, "ResourceExhausted", "the header is too long");
  if (ec == error::bad_version)
    return ErrorResponse(505, "Unsupported", "only HTTP/1.0 and HTTP/1.1 are spoken here");
  return ErrorResponse(400, "InvalidArgument", "not an HTTP request: " + ec.message());
}

// Bodies up to this size are given their memory at once, longer ones as they arrive.
constexpr uint64_t kMaxReserveBytes = 256 << 10;

}  // namespace

class RequestParser::Impl {
 public:
  explicit Impl(const Limits& chosen) : limits(chosen) { message.emplace(chosen); }

  const Limits limits;
  std::optional<Message> message;
  std::optional<Response> failure;
  size_t header_bytes = 0;
  bool started = false;
};

RequestParser::RequestParser(Limits limits) : impl_(std::make_unique<Impl>(limits)) {}
RequestParser::~RequestParser() = default;

RequestParser::Step RequestParser::Feed(std::string_view bytes, size_t* consumed) {
  *consumed = 0;
  if (!impl_->started) {
    // RFC 9112 section 2.2: an empty line before a request is skipped.
    while (bytes.starts_with("\r\n")) {
      bytes.remove_prefix(2);
      *consumed += 2;
    }
    if (bytes.empty() || bytes == "\r") return Step::kNeedMore;
    impl_->started = true;
  }
  Message& message = *impl_->message;
  const bool was_header_done = message.is_header_done();
  if (message.is_done()) return Step::kDone;
  message.eager(was_header_done);
  message.SetInput(bytes);
  ErrorCode ec;
  const size_t taken = message.put(boost::asio::const_buffer(bytes.data(), bytes.size()), ec);
  *consumed += taken;
  // Beast's limit is on what it has not yet taken, this one on the whole.
  if (!was_header_done) impl_->header_bytes += taken;
  if (impl_->header_bytes > impl_->limits.max_header_bytes) ec = beast::http::error::header_limit;
  if (ec == beast::http::error::need_more) {
    // A chunk's header and the trailers are bounded like the header itself.
    if (bytes.size() - taken <= impl_->limits.max_header_bytes) return Step::kNeedMore;
    ec = beast::http::error::header_limit;
  }
  if (ec) {
    impl_->failure = message.failure() ? *message.failure() : FailureOf(ec);
    return Step::kFailed;
  }
  if (!was_header_done && message.is_header_done()) {
    if (const auto length = message.content_length())
      message.Reserve(static_cast<size_t>(std::min<uint64_t>(*length, kMaxReserveBytes)));
    return Step::kHeader;
  }
  return message.is_done() ? Step::kDone : Step::kNeedMore;
}

const Request& RequestParser::request() const { return impl_->message->request(); }
bool RequestParser::keep_alive() const { return impl_->message->keep_alive(); }
bool RequestParser::http_1_0() const { return impl_->message->http_1_0(); }
bool RequestParser::expects_continue() const { return impl_->message->expects_continue(); }
bool RequestParser::has_body() const { return impl_->message->has_body(); }
bool RequestParser::started() const { return impl_->started; }
bool RequestParser::header_done() const { return impl_->message->is_header_done(); }
uint64_t RequestParser::body_bytes() const { return impl_->message->request().body.size(); }
const Response& RequestParser::failure() const { return *impl_->failure; }

std::optional<uint64_t> RequestParser::content_length() const {
  const auto length = impl_->message->content_length();
  return length ? std::optional<uint64_t>(*length) : std::nullopt;
}

void RequestParser::set_max_body_bytes(uint64_t bytes) {
  impl_->message->set_max_body_bytes(bytes);
}

Request RequestParser::TakeRequest() {
  TARN_CHECK(impl_->message->is_done());
  Request request = std::move(impl_->message->request());
  impl_->message.emplace(impl_->limits);
  impl_->header_bytes = 0;
  impl_->started = false;
  return request;
}

}  // namespace tarn::http
