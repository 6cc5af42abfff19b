#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/message.h"

namespace tarn::http {

// Bytes of a connection to requests, one after the other. The grammar is Boost.Beast's; on top it
// refuses what one party may read otherwise than another: folded fields, anything but one plain
// Content-Length, any Transfer-Encoding but "chunked", HTTP/1.1 without exactly one Host. Trailers
// are dropped. Thread-confined.
class RequestParser {
 public:
  struct Limits {
    size_t max_header_bytes;
    size_t max_header_fields;
  };
  explicit RequestParser(Limits limits);
  ~RequestParser();

  enum class Step : uint8_t {
    kNeedMore,  // feed what was not consumed again, with more behind it
    kHeader,    // the header is complete: request() has no body yet; go on with Feed
    kDone,      // the request is complete: TakeRequest
    kFailed,    // failure() says what to answer; the connection can not be read on
  };
  // `consumed` bytes of the front are done with.
  Step Feed(std::string_view bytes, size_t* consumed);

  // From kHeader on.
  const Request& request() const;
  bool keep_alive() const;
  bool http_1_0() const;
  bool expects_continue() const;
  bool has_body() const;
  std::optional<uint64_t> content_length() const;
  void set_max_body_bytes(uint64_t bytes);

  // True from the first byte of a request until it is taken.
  bool started() const;
  bool header_done() const;
  uint64_t body_bytes() const;

  // After kDone; the parser is ready for the next request.
  Request TakeRequest();
  // What to answer after kFailed.
  const Response& failure() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tarn::http
