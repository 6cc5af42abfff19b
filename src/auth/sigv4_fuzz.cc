#include <algorithm>

#include "auth/sigv4.h"
#include "auth/sigv4_canonical.h"
#include "auth/sigv4_claim.h"
#include "base/check.h"
#include "base/text.h"

namespace {

using namespace tarn::auth;

// The front of `text` up to `end`, which goes with it.
std::string_view Take(std::string_view& text, std::string_view end) {
  const size_t at = std::min(text.find(end), text.size());
  const std::string_view front = text.substr(0, at);
  text.remove_prefix(std::min(at + end.size(), text.size()));
  return front;
}

// "service\nmethod\npath\nquery\nname:value\n…\n\nbody": a request, at AWS's example time.
SignedRequest Parse(std::string_view text, std::string_view& service) {
  service = Take(text, "\n");
  SignedRequest request;
  request.method = Take(text, "\n");
  request.path = Take(text, "\n");
  request.query = Take(text, "\n");
  while (!text.empty() && !text.starts_with('\n')) {
    std::string_view line = Take(text, "\n");
    const std::string_view name = Take(line, ":");
    request.headers.emplace_back(name, line);
  }
  Take(text, "\n");
  request.body = text;
  return request;
}

void CheckClaim(const SignedRequest& request) {
  const auto params = ParseQuery(request.query);
  const std::string canonical = CanonicalQuery(params);
  TARN_CHECK(CanonicalQuery(ParseQuery(canonical)) == canonical);
  TARN_CHECK(CanonicalPath(CanonicalPath(request.path, true), true) ==
             CanonicalPath(request.path, true));
  const auto claim = ReadClaim(request, params);
  const auto* read = std::get_if<SignatureClaim>(&claim);
  if (read == nullptr) {
    TARN_CHECK(tarn::IsValidUtf8(std::get<SignatureFailure>(claim).message));
    return;
  }
  TARN_CHECK(ParseAmzTime(FormatAmzTime(read->time)) == read->time);
  TARN_CHECK(read->signed_headers.size() <= kMaxSignedHeaders);
  TARN_CHECK(!read->access_key_id.empty() && !read->region.empty());
  TARN_CHECK(read->expires_seconds.value_or(1) > 0);
}

}  // namespace

// What is refused is refused with a message; what is accepted was accepted by its head, too.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view service;
  const SignedRequest request =
      Parse(std::string_view(reinterpret_cast<const char*>(data), size), service);
  CheckClaim(request);
  const auto find = [](std::string_view id) -> std::optional<AwsIdentity> {
    if (!id.starts_with("AK")) return std::nullopt;
    return AwsIdentity{{"web-1", Role::kIngest, {}}, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"};
  };
  for (const std::string_view time : {"20150830T123600Z", "20260304T050607Z"}) {
    const tarn::Timestamp now = *ParseAmzTime(time);
    const SigningRules rules{.service = service, .allow_unsigned_payload = true};
    const auto verdict = CheckSigned(request, rules, now, find);
    if (const auto* failure = std::get_if<SignatureFailure>(&verdict)) {
      TARN_CHECK(!failure->message.empty() && failure->message.size() < 2048);
      continue;
    }
    TARN_CHECK(std::holds_alternative<SignedCaller>(CheckSignedHead(request, rules, now, find)));
    const auto& payload = std::get<SignedCaller>(verdict).payload;
    TARN_CHECK(!payload || payload->size() <= request.body.size());
  }
  return 0;
}
