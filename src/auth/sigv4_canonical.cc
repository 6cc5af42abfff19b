#include "auth/sigv4_canonical.h"

#include <algorithm>
#include <optional>

#include "base/bytes.h"
#include "base/text.h"

namespace tarn::auth {
namespace {

std::string UriDecode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte =
        text[i] == '%' && text.size() - i > 2 ? FromHex(text.substr(i + 1, 2)) : std::nullopt;
    out.push_back(byte ? byte->front() : text[i]);
    if (byte) i += 2;
  }
  return out;
}

bool IsUnreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

// A slash at the end stays, unless it ends nothing.
std::string NormalizePath(std::string_view path) {
  std::vector<std::string_view> kept;
  for (const std::string_view part : Split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      kept.push_back(part);
    } else if (!kept.empty()) {
      kept.pop_back();
    }
  }
  std::string out;
  for (const std::string_view part : kept) out.append("/").append(part);
  if (kept.empty() || path.ends_with('/')) out += '/';
  return out;
}

// An encoded slash stays one, and is no border.
std::string EncodeParts(std::string_view path) {
  std::string out;
  for (const std::string_view part : Split(path, '/')) {
    if (part.data() != path.data()) out += '/';
    out += UriEncode(UriDecode(part), false);
  }
  return out;
}

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

void AppendFolded(std::string& out, std::string_view value) {
  const size_t begin = out.size();
  bool blank = false;
  for (const char c : value) {
    if (IsBlank(c)) {
      blank = true;
      continue;
    }
    if (blank && out.size() > begin) out += ' ';
    blank = false;
    out += c;
  }
}

}  // namespace

std::string UriEncode(std::string_view text, bool keep_slash) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (IsUnreserved(c) || (c == '/' && keep_slash)) {
      out += c;
      continue;
    }
    const auto byte = static_cast<uint8_t>(c);
    out += '%';
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
  return out;
}

QueryParams ParseQuery(std::string_view query) {
  QueryParams params;
  for (const std::string_view pair : Split(query, '&')) {
    if (pair.empty()) continue;
    const size_t equals = std::min(pair.find('='), pair.size());
    params.emplace_back(UriDecode(pair.substr(0, equals)),
                        UriDecode(pair.substr(std::min(equals + 1, pair.size()))));
  }
  return params;
}

std::string CanonicalQuery(const QueryParams& params) {
  QueryParams encoded;
  for (const auto& [name, value] : params) {
    if (name != "X-Amz-Signature")
      encoded.emplace_back(UriEncode(name, false), UriEncode(value, false));
  }
  std::ranges::sort(encoded);
  std::string out;
  for (const auto& [name, value] : encoded) {
    if (!out.empty()) out += '&';
    out.append(name).append("=").append(value);
  }
  return out;
}

std::string CanonicalPath(std::string_view path, bool is_s3) {
  if (path.empty()) return "/";
  return is_s3 ? EncodeParts(path) : UriEncode(NormalizePath(path), true);
}

std::optional<std::string> CanonicalHeader(const SignedRequest& request, std::string_view name) {
  std::optional<std::string> out;
  for (const auto& [field, value] : request.headers) {
    if (!EqualsNoCase(field, name)) continue;
    if (out) *out += ',';
    if (!out) out.emplace();
    std::string folded;
    AppendFolded(folded, value);
    *out += folded;
  }
  return out;
}

}  // namespace tarn::auth
