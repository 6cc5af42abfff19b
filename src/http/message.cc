#include "http/message.h"

#include <array>

#include "base/text.h"
#include "codec/json.h"

namespace tarn::http {
namespace {

constexpr std::array<std::string_view, 7> kMethodNames = {"GET",   "HEAD",   "POST",   "PUT",
                                                          "PATCH", "DELETE", "OPTIONS"};

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = Lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool IsUnreserved(char c) {
  const char lower = Lower(c);
  return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

}  // namespace

std::string_view MethodName(Method method) { return kMethodNames.at(static_cast<size_t>(method)); }

std::optional<Method> ParseMethod(std::string_view name) {
  for (size_t i = 0; i < kMethodNames.size(); ++i) {
    if (kMethodNames.at(i) == name) return static_cast<Method>(i);
  }
  return std::nullopt;
}

void Headers::Add(std::string_view name, std::string_view value) {
  const size_t name_begin = bytes_.size();
  bytes_.append(name);
  const size_t value_begin = bytes_.size();
  bytes_.append(value);
  entries_.push_back({static_cast<uint32_t>(name_begin), static_cast<uint32_t>(value_begin),
                      static_cast<uint32_t>(bytes_.size())});
}

void Headers::Reset() {
  bytes_.clear();
  entries_.clear();
}

Headers::Field Headers::at(size_t index) const {
  const Entry& entry = entries_.at(index);
  const std::string_view bytes = bytes_;
  return {bytes.substr(entry.name_begin, entry.value_begin - entry.name_begin),
          bytes.substr(entry.value_begin, entry.value_end - entry.value_begin)};
}

std::optional<std::string_view> Headers::Find(std::string_view name) const {
  for (size_t i = 0; i < entries_.size(); ++i) {
    const Field field = at(i);
    if (EqualsNoCase(field.first, name)) return field.second;
  }
  return std::nullopt;
}

size_t Headers::Count(std::string_view name) const {
  size_t count = 0;
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (EqualsNoCase(at(i).first, name)) ++count;
  }
  return count;
}

std::string_view Request::path() const {
  return std::string_view(target).substr(0, target.find('?'));
}

std::string_view Request::query() const {
  const size_t mark = target.find('?');
  return mark == std::string::npos ? std::string_view() : std::string_view(target).substr(mark + 1);
}

Result<std::vector<std::pair<std::string, std::string>>> Request::QueryParams() const {
  std::vector<std::pair<std::string, std::string>> params;
  std::string_view rest = query();
  while (!rest.empty()) {
    const std::string_view item = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), item.size() + 1));
    if (item.empty()) continue;
    const size_t equals = item.find('=');
    auto name = PercentDecode(item.substr(0, equals), true);
    auto value = PercentDecode(
        equals == std::string_view::npos ? std::string_view() : item.substr(equals + 1), true);
    if (!name || !value)
      return InvalidArgument("broken percent-encoding in query: " + std::string(item));
    params.emplace_back(*std::move(name), *std::move(value));
  }
  return params;
}

std::optional<std::string> Request::QueryParam(std::string_view name) const {
  auto params = QueryParams();
  if (!params.ok()) return std::nullopt;
  for (auto& [key, value] : *params) {
    if (key == name) return std::move(value);
  }
  return std::nullopt;
}

Response ErrorResponse(int status, std::string_view code, std::string_view message) {
  Response response;
  response.status = status;
  response.body = R"({"error":{"code":)";
  codec::AppendJsonString(response.body, code);
  response.body += R"(,"message":)";
  codec::AppendJsonString(response.body, message);
  response.body += "}}\n";
  return response;
}

Response ErrorResponse(const Error& error) {
  const CodeTraits& traits = TraitsOf(error.code());
  Response response = ErrorResponse(traits.http_status, traits.name, error.message());
  if (error.code() == Code::kUnauthenticated) {
    response.headers.Add("WWW-Authenticate", "Bearer realm=\"tarn\"");
  }
  if (traits.retry) response.headers.Add("Retry-After", "1");
  return response;
}

std::string_view ReasonPhrase(int status) {
  static constexpr std::pair<int, std::string_view> kPhrases[] = {
      {200, "OK"},
      {201, "Created"},
      {202, "Accepted"},
      {204, "No Content"},
      {301, "Moved Permanently"},
      {302, "Found"},
      {304, "Not Modified"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {408, "Request Timeout"},
      {409, "Conflict"},
      {413, "Content Too Large"},
      {415, "Unsupported Media Type"},
      {417, "Expectation Failed"},
      {422, "Unprocessable Content"},
      {429, "Too Many Requests"},
      {431, "Request Header Fields Too Large"},
      {499, "Client Closed Request"},
      {500, "Internal Server Error"},
      {501, "Not Implemented"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
      {505, "HTTP Version Not Supported"},
      {507, "Insufficient Storage"},
  };
  for (const auto& [known, phrase] : kPhrases) {
    if (known == status) return phrase;
  }
  return "Status";
}

std::optional<std::string> PercentDecode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      out.push_back(' ');
      continue;
    }
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = HexDigit(text[i + 1]);
    const int low = HexDigit(text[i + 2]);
    if (high < 0 || low < 0 || high + low == 0) return std::nullopt;
    out.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return out;
}

std::string PercentEncode(std::string_view text) {
  static constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (IsUnreserved(c)) {
      out.push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out.push_back('%');
    out.push_back(kDigits[byte >> 4]);
    out.push_back(kDigits[byte & 15]);
  }
  return out;
}

}  // namespace tarn::http
