#include "auth/sigv4_claim.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace tarn::auth {
namespace {

using Failed = std::optional<SignatureFailure>;

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
// Where two would leave open which of them was meant. (Two of another name are one signed value.)
constexpr std::array<std::string_view, 8> kSingleHeaders = {
    "authorization",        "host",         "x-amz-date",           "date",
    "x-amz-content-sha256", "content-type", "x-amz-security-token", "x-amz-decoded-content-length"};

SignatureFailure Incomplete(std::string message) {
  return {SignatureFault::kIncomplete, std::move(message)};
}

SignatureFailure WrongAlgorithm() {
  return Incomplete("Unsupported AWS 'algorithm' (only AWS4-HMAC-SHA256 for now).");
}

Failed CheckBounds(const SignedRequest& request) {
  if (request.headers.size() > kMaxHeaderFields)
    return Incomplete("The request has too many headers.");
  if (request.query.size() > kMaxQueryBytes) return Incomplete("The query string is too long.");
  for (const std::string_view name : kSingleHeaders) {
    const auto count = std::ranges::count_if(
        request.headers, [&](const auto& field) { return EqualsNoCase(field.first, name); });
    if (count > 1) {
      return Incomplete("The request has " + std::to_string(count) + " headers '" +
                        std::string(name) + "'.");
    }
  }
  return {};
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::optional<int> ParseDigits(std::string_view text) {
  const auto number = ParseUint64(text);
  if (!number || *number > 9999) return std::nullopt;
  return static_cast<int>(*number);
}

// Either way of signing comes to these.
struct RawClaim {
  std::optional<std::string> credential;
  std::optional<std::string> signed_headers;
  std::optional<std::string> signature;
};

Failed TakeAuthorizationParameter(std::string_view parameter, RawClaim& raw) {
  const size_t equals = parameter.find('=');
  // Not repeated in the message: a key sent by mistake would come into the log.
  if (equals == std::string_view::npos) {
    return Incomplete(
        "Authorization header has a parameter that is not a valid key=value pair (missing "
        "equal-sign).");
  }
  const std::string_view key = parameter.substr(0, equals);
  std::optional<std::string>* place = key == "Credential"      ? &raw.credential
                                      : key == "SignedHeaders" ? &raw.signed_headers
                                      : key == "Signature"     ? &raw.signature
                                                               : nullptr;
  if (place == nullptr) {
    return Incomplete(
        "Authorization header takes the parameters 'Credential', 'SignedHeaders' and 'Signature' "
        "alone.");
  }
  if (*place)
    return Incomplete("Authorization header has the parameter " + Quoted(key) + " twice.");
  *place = parameter.substr(equals + 1);
  return {};
}

Failed ReadAuthorization(std::string_view header, RawClaim& raw) {
  if (header.size() > kMaxAuthorizationBytes)
    return Incomplete("The Authorization header is too long.");
  header = Trim(header);
  const size_t algorithm_end = std::min(header.find(' '), header.size());
  if (header.substr(0, algorithm_end) != kAlgorithm) return WrongAlgorithm();
  header = Trim(header.substr(algorithm_end));
  if (header.empty()) return {};
  for (const std::string_view parameter : Split(header, ',')) {
    if (auto failed = TakeAuthorizationParameter(Trim(parameter), raw)) return failed;
  }
  return {};
}

// All that is absent, as AWS lists it.
Failed RequireAuthorization(const RawClaim& raw, bool has_date) {
  std::string absent;
  for (const auto& [name, value] :
       {std::pair<std::string_view, bool>{"Credential", !!raw.credential},
        {"Signature", !!raw.signature},
        {"SignedHeaders", !!raw.signed_headers}}) {
    if (!value) absent += "Authorization header requires '" + std::string(name) + "' parameter. ";
  }
  if (!has_date) {
    absent +=
        "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ";
  }
  if (absent.empty()) return {};
  absent.pop_back();
  return Incomplete(std::move(absent));
}

// The value of the only parameter of that name.
Failed TakeQueryParameter(const QueryParams& query, std::string_view name,
                          std::optional<std::string>& value) {
  for (const auto& [key, text] : query) {
    if (key != name) continue;
    if (value) return Incomplete("The query string has '" + std::string(name) + "' twice.");
    value = text;
  }
  if (!value)
    return Incomplete("AWS query-string parameters must include '" + std::string(name) + "'.");
  return {};
}

Failed ReadCredential(std::string_view credential, SignatureClaim& claim) {
  const std::vector<std::string_view> parts = Split(credential, '/');
  const bool empty = std::ranges::any_of(parts, [](std::string_view part) { return part.empty(); });
  if (parts.size() != 5 || empty) {
    return Incomplete(
        "Credential must have exactly 5 slash-delimited elements, e.g. "
        "keyid/date/region/service/term, got " +
        Quoted(credential) + ".");
  }
  claim.access_key_id = parts[0];
  claim.date = parts[1];
  claim.region = parts[2];
  claim.service = parts[3];
  claim.terminator = parts[4];
  return {};
}

Failed ReadSignedHeaders(std::string_view list, SignatureClaim& claim) {
  for (const std::string_view name : Split(list, ';')) {
    const bool valid = !name.empty() && std::ranges::all_of(name, [](char c) {
      return c > ' ' && c < 0x7f && c != ':' && (c < 'A' || c > 'Z');
    });
    if (!valid || (!claim.signed_headers.empty() && claim.signed_headers.back() >= name)) {
      return Incomplete("SignedHeaders must be names in lower case, in order, each once; got " +
                        Quoted(list) + ".");
    }
    if (claim.signed_headers.size() == kMaxSignedHeaders)
      return Incomplete("SignedHeaders has too many names.");
    claim.signed_headers.emplace_back(name);
  }
  return {};
}

Failed ReadParts(RawClaim raw, SignatureClaim& claim) {
  if (auto failed = ReadCredential(*raw.credential, claim)) return failed;
  if (auto failed = ReadSignedHeaders(*raw.signed_headers, claim)) return failed;
  claim.signature = *std::move(raw.signature);
  return {};
}

Failed ReadTime(std::string_view text, bool http_date_too, SignatureClaim& claim) {
  auto time = ParseAmzTime(text);
  if (!time && http_date_too) time = ParseHttpDate(text);
  if (!time) {
    return Incomplete("Date must be in ISO-8601 'basic format'. Got " + Quoted(text) +
                      ". See http://en.wikipedia.org/wiki/ISO_8601");
  }
  claim.time = *time;
  return {};
}

Failed ReadHeaderClaim(const SignedRequest& request, SignatureClaim& claim) {
  RawClaim raw;
  if (auto failed = ReadAuthorization(*FindHeader(request, "authorization"), raw)) return failed;
  const auto amz_date = FindHeader(request, "x-amz-date");
  const auto date = amz_date ? amz_date : FindHeader(request, "date");
  if (auto failed = RequireAuthorization(raw, date.has_value())) return failed;
  claim.time_header = amz_date ? "x-amz-date" : "date";
  if (auto failed = ReadTime(Trim(*date), !amz_date, claim)) return failed;
  return ReadParts(std::move(raw), claim);
}

Failed ReadExpires(std::string_view text, SignatureClaim& claim) {
  const auto seconds = ParseUint64(text);
  if (!seconds || *seconds == 0 || *seconds > uint64_t{kMaxExpiresSeconds})
    return Incomplete("X-Amz-Expires must be a number of seconds from 1 to a week (604800); got " +
                      Quoted(text) + ".");
  claim.expires_seconds = static_cast<int64_t>(*seconds);
  return {};
}

Failed ReadQueryClaim(const QueryParams& query, SignatureClaim& claim) {
  RawClaim raw;
  std::optional<std::string> algorithm;
  std::optional<std::string> date;
  std::optional<std::string> expires;
  using Place = std::pair<std::string_view, std::optional<std::string>*>;
  for (const auto& [name, place] :
       {Place{"X-Amz-Algorithm", &algorithm}, Place{"X-Amz-Credential", &raw.credential},
        Place{"X-Amz-Signature", &raw.signature}, Place{"X-Amz-SignedHeaders", &raw.signed_headers},
        Place{"X-Amz-Date", &date}, Place{"X-Amz-Expires", &expires}}) {
    if (auto failed = TakeQueryParameter(query, name, *place)) return failed;
  }
  if (*algorithm != kAlgorithm) return WrongAlgorithm();
  if (auto failed = ReadTime(*date, false, claim)) return failed;
  if (auto failed = ReadExpires(*expires, claim)) return failed;
  return ReadParts(std::move(raw), claim);
}

Failed ReadInto(const SignedRequest& request, const QueryParams& query, SignatureClaim& claim) {
  if (auto failed = CheckBounds(request)) return failed;
  const bool in_header = FindHeader(request, "authorization").has_value();
  const bool in_query = std::ranges::any_of(query, [](const auto& param) {
    return param.first == "X-Amz-Algorithm" || param.first == "X-Amz-Signature";
  });
  if (!in_header && !in_query)
    return SignatureFailure{SignatureFault::kMissing, "Missing Authentication Token"};
  if (in_header && in_query) {
    return Incomplete(
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter or the "
        "Authorization header should be specified.");
  }
  return in_header ? ReadHeaderClaim(request, claim) : ReadQueryClaim(query, claim);
}

}  // namespace

std::string SignatureClaim::Scope() const {
  return date + "/" + region + "/" + service + "/" + terminator;
}

std::variant<SignatureClaim, SignatureFailure> ReadClaim(const SignedRequest& request,
                                                         const QueryParams& query) {
  SignatureClaim claim;
  if (auto failed = ReadInto(request, query, claim)) return *std::move(failed);
  return claim;
}

std::optional<std::string_view> FindHeader(const SignedRequest& request, std::string_view name) {
  for (const auto& [field, value] : request.headers) {
    if (EqualsNoCase(field, name)) return value;
  }
  return std::nullopt;
}

std::optional<Timestamp> ParseAmzTime(std::string_view text) {
  if (text.size() != 16 || text[8] != 'T' || text[15] != 'Z') return std::nullopt;
  const auto year = ParseDigits(text.substr(0, 4));
  const auto month = ParseDigits(text.substr(4, 2));
  const auto day = ParseDigits(text.substr(6, 2));
  const auto hour = ParseDigits(text.substr(9, 2));
  const auto minute = ParseDigits(text.substr(11, 2));
  const auto second = ParseDigits(text.substr(13, 2));
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  const Civil civil{*year, *month, *day, *hour, *minute, *second, 0};
  if (!ValidCivil(civil)) return std::nullopt;
  return TimestampFromCivil(civil);
}

std::string FormatAmzTime(Timestamp time) {
  std::string text = FormatTimestamp({FloorDiv(time.micros, kMicrosPerSecond) * kMicrosPerSecond});
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return text;
}

std::optional<Timestamp> ParseHttpDate(std::string_view text) {
  static constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (text.size() < 29 || text.substr(3, 2) != ", ") return std::nullopt;
  const std::string_view zone = text.substr(25);
  if (zone != " GMT" && zone != " -0000" && zone != " +0000") return std::nullopt;
  if (text[7] != ' ' || text[11] != ' ' || text[16] != ' ' || text[19] != ':' || text[22] != ':')
    return std::nullopt;
  const size_t month = kMonths.find(text.substr(8, 3));
  if (month == std::string_view::npos || month % 3 != 0) return std::nullopt;
  std::string basic(text.substr(12, 4));
  basic += month < 27 ? "0" : "";
  basic += std::to_string(month / 3 + 1);
  basic += text.substr(5, 2);
  basic += 'T';
  for (const size_t at : {size_t{17}, size_t{20}, size_t{23}}) basic += text.substr(at, 2);
  return ParseAmzTime(basic + "Z");
}

std::string Quoted(std::string_view text) {
  constexpr size_t kMaxBytes = 100;
  std::string out = "'" + EscapeInvalidUtf8(CutText(text, kMaxBytes));
  for (char& c : out) c = static_cast<uint8_t>(c) < 0x20 || c == 0x7f ? '?' : c;
  return out + (text.size() > kMaxBytes ? "…'" : "'");
}

}  // namespace tarn::auth
