#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tarn::http {

enum class Method : uint8_t { kGet, kHead, kPost, kPut, kPatch, kDelete, kOptions };
std::string_view MethodName(Method method);
std::optional<Method> ParseMethod(std::string_view name);

// Header fields in the order they came. Names are compared without case.
class Headers {
 public:
  using Field = std::pair<std::string_view, std::string_view>;

  // `name` is a token and `value` has no CR, LF or NUL: what comes from the wire was checked, and
  // what a program adds is its own text. Reset keeps the memory.
  void Add(std::string_view name, std::string_view value);
  void Reset();

  // The first field of that name; the view lives until the next Add or Reset.
  std::optional<std::string_view> Find(std::string_view name) const;
  size_t Count(std::string_view name) const;
  size_t size() const { return entries_.size(); }
  Field at(size_t index) const;

 private:
  struct Entry {
    uint32_t name_begin;
    uint32_t value_begin;
    uint32_t value_end;
  };
  std::string bytes_;
  std::vector<Entry> entries_;
};

// A complete request, body included. Body bytes are as sent: Content-Encoding is the receiver's
// business, with its own limit on what comes out.
struct Request {
  Method method = Method::kGet;
  std::string target;  // as sent: "/v1/sql?format=csv"; of an absolute URI, what follows the host
  Headers headers;
  std::string body;
  std::string peer;  // "127.0.0.1:41234", "[::1]:41234"
  bool tls = false;

  // The part of the target before '?', percent-encoding left in: routes are compared with it.
  std::string_view path() const;
  // The part after '?', as sent; empty if there is none.
  std::string_view query() const;
  // The first query parameter of that name, decoded ('+' is a space). nullopt if it is not there or
  // its encoding is broken.
  std::optional<std::string> QueryParam(std::string_view name) const;
  // All of them, decoded, in order. InvalidArgument for broken percent-encoding.
  Result<std::vector<std::pair<std::string, std::string>>> QueryParams() const;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";  // empty: no such field
  std::string body;
  Headers headers;  // additional ones; Content-Length, Date, Connection are the server's
};

// {"error":{"code":"NotFound","message":"…"}} with the status of base/error.h's table.
// Unauthenticated adds WWW-Authenticate, a retryable error Retry-After: 1.
Response ErrorResponse(const Error& error);
// The same body for a status that has no code of ours: 405, 413, 431.
Response ErrorResponse(int status, std::string_view code, std::string_view message);

std::string_view ReasonPhrase(int status);

// nullopt for a '%' not followed by two hex digits, or a decoded NUL.
std::optional<std::string> PercentDecode(std::string_view text, bool plus_is_space = false);
// Everything but RFC 3986's unreserved characters is encoded.
std::string PercentEncode(std::string_view text);

}  // namespace tarn::http
