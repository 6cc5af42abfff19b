#include "auth/sigv4.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "auth/sigv4_canonical.h"
#include "auth/sigv4_claim.h"
#include "base/bytes.h"
#include "base/text.h"
#include "codec/hash.h"
#include "codec/json.h"

namespace tarn::auth {
namespace {

constexpr std::string_view kEmptyHash =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

// Owns what a SignedRequest views.
struct Sent {
  std::string name;
  std::string service = "firehose";
  std::string method = "POST";
  std::string path = "/";
  std::string query;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::optional<std::string> payload;

  SignedRequest View() const {
    SignedRequest request{method, path, query, {}, body, "peer", std::nullopt};
    for (const auto& [field, value] : headers) request.headers.emplace_back(field, value);
    return request;
  }
  std::string& Header(std::string_view wanted) {
    for (auto& [field, value] : headers) {
      if (EqualsNoCase(field, wanted)) return value;
    }
    headers.emplace_back(wanted, "");
    return headers.back().second;
  }
  void Drop(std::string_view unwanted) {
    std::erase_if(headers, [&](const auto& field) { return EqualsNoCase(field.first, unwanted); });
  }
};

// The credentials of AWS's examples.
std::optional<AwsIdentity> FindExample(std::string_view id) {
  if (id == "AKIDEXAMPLE") {
    return AwsIdentity{{"web-1", Role::kIngest, {"web"}},
                       "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"};
  }
  if (id == "AKIAIOSFODNN7EXAMPLE") {
    return AwsIdentity{{"s3", Role::kReader, {}}, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"};
  }
  return std::nullopt;
}

// "20260304T050607Z", when the vectors were signed.
Timestamp VectorTime() { return *ParseAmzTime("20260304T050607Z"); }

SignatureVerdict Verdict(const Sent& sent, Timestamp now = VectorTime(), bool unsigned_too = true) {
  return CheckSigned(sent.View(), {.service = sent.service, .allow_unsigned_payload = unsigned_too},
                     now, FindExample);
}

std::string MessageOf(const SignatureVerdict& verdict) {
  const auto* failure = std::get_if<SignatureFailure>(&verdict);
  return failure == nullptr ? "" : failure->message;
}

bool Accepts(const SignatureVerdict& verdict) {
  return std::holds_alternative<SignedCaller>(verdict);
}

// Whether it is refused so, and says so.
testing::AssertionResult Refused(const SignatureVerdict& verdict, SignatureFault fault,
                                 std::string_view message) {
  const auto* failure = std::get_if<SignatureFailure>(&verdict);
  if (failure == nullptr) return testing::AssertionFailure() << "accepted";
  if (failure->fault == fault && failure->message.find(message) != std::string::npos)
    return testing::AssertionSuccess();
  return testing::AssertionFailure()
         << AwsErrorName(failure->fault) << " (" << static_cast<int>(failure->fault)
         << "): " << failure->message;
}

// What botocore signs: sigv4_vectors.py.
class CheckSignedTest : public testing::Test {
 protected:
  static std::vector<Sent> Load() {
    std::ifstream file(std::string(TARN_SOURCE_DIR) + "/src/auth/sigv4_vectors.json");
    std::stringstream text;
    text << file.rdbuf();
    const auto json = codec::ParseJson(text.str());
    TARN_CHECK(json.ok());
    std::vector<Sent> all;
    for (const codec::Json& one : *json->Find("vectors")->AsArray()) {
      Sent sent;
      sent.name = *one.GetString("name");
      sent.service = *one.GetString("service");
      sent.method = *one.GetString("method");
      sent.path = *one.GetString("path");
      sent.query = *one.GetString("query");
      for (const codec::Json& field : *one.Find("headers")->AsArray()) {
        sent.headers.emplace_back(*(*field.AsArray())[0].AsString(),
                                  *(*field.AsArray())[1].AsString());
      }
      sent.body = *FromHex(*one.GetString("body_hex"));
      if (one.Find("payload_hex") != nullptr) sent.payload = FromHex(*one.GetString("payload_hex"));
      all.push_back(std::move(sent));
    }
    return all;
  }
  Sent Vector(std::string_view name) const {
    for (const Sent& sent : vectors_) {
      if (sent.name == name) return sent;
    }
    ADD_FAILURE() << "no vector " << name;
    return {};
  }

  const std::vector<Sent> vectors_ = Load();
};

TEST_F(CheckSignedTest, AgreesWithBotocore) {
  EXPECT_GE(vectors_.size(), 70U);
  for (const Sent& sent : vectors_) {
    const auto verdict = Verdict(sent);
    ASSERT_TRUE(Accepts(verdict)) << sent.name << ": " << MessageOf(verdict);
    const auto& caller = std::get<SignedCaller>(verdict);
    EXPECT_EQ(caller.principal.name, "web-1");
    EXPECT_EQ(caller.principal.role, Role::kIngest);
    EXPECT_EQ(caller.principal.sources, std::vector<std::string>{"web"});
    EXPECT_EQ(caller.payload, sent.payload) << sent.name;
  }
}

TEST_F(CheckSignedTest, RefusesAnotherSecret) {
  for (const Sent& sent : vectors_) {
    const auto verdict =
        CheckSigned(sent.View(), {.service = sent.service, .allow_unsigned_payload = true},
                    VectorTime(), [](std::string_view) {
                      return AwsIdentity{{"web-1", Role::kIngest, {}},
                                         "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEZ"};
                    });
    EXPECT_TRUE(Refused(verdict, SignatureFault::kMismatch,
                        "The request signature we calculated does not match"))
        << sent.name;
  }
}

TEST_F(CheckSignedTest, CoversEveryByteOfMethodPathQueryHeadersAndBody) {
  for (const Sent& sent : vectors_) {
    if (sent.service == "s3") continue;  // bodies that are not signed
    const auto refuses = [&](auto&& part_of) {
      Sent copy = sent;
      std::string& part = part_of(copy);
      for (size_t i = 0; i < part.size(); ++i) {
        part[i] = static_cast<char>(part[i] ^ 1);
        EXPECT_FALSE(Accepts(Verdict(copy))) << sent.name << ": " << part << ", byte " << i;
        part[i] = static_cast<char>(part[i] ^ 1);
      }
    };
    refuses([](Sent& copy) -> std::string& { return copy.method; });
    refuses([](Sent& copy) -> std::string& { return copy.query; });
    refuses([](Sent& copy) -> std::string& { return copy.body; });
    refuses([](Sent& copy) -> std::string& { return copy.Header("host"); });
    refuses([](Sent& copy) -> std::string& { return copy.Header("authorization"); });
    refuses([](Sent& copy) -> std::string& { return copy.Header("x-amz-date"); });
    refuses([](Sent& copy) -> std::string& { return copy.Header("content-type"); });
    refuses([](Sent& copy) -> std::string& { return copy.Header("x-amz-target"); });
  }
  for (const char* name :
       {"path /a/b", "path /%E1%88%B4", "path /a;b=c,d", "S3 path /bucket/a//b"}) {
    Sent sent = Vector(name);
    for (size_t i = 0; i < sent.path.size(); ++i) {
      sent.path[i] = static_cast<char>(sent.path[i] ^ 1);
      EXPECT_FALSE(Accepts(Verdict(sent))) << sent.path;
      sent.path[i] = static_cast<char>(sent.path[i] ^ 1);
    }
  }
}

TEST_F(CheckSignedTest, CoversWhatIsAddedAndTakenAway) {
  const Sent good = Vector("repeated headers");
  Sent sent = good;
  sent.body = "x";
  EXPECT_TRUE(Refused(Verdict(sent), SignatureFault::kMismatch, ""));
  sent = good;
  sent.query = "a=1";
  EXPECT_TRUE(Refused(Verdict(sent), SignatureFault::kMismatch, ""));
  sent = good;
  sent.headers.emplace_back("X-Amz-Meta-B", "3");
  EXPECT_TRUE(Refused(Verdict(sent), SignatureFault::kMismatch, ""));
  sent = good;
  std::swap(sent.headers[0], sent.headers[2]);
  EXPECT_TRUE(Refused(Verdict(sent), SignatureFault::kMismatch, "")) << "order of repeated ones";
  sent = good;
  sent.Drop("x-amz-meta-a");
  EXPECT_TRUE(Refused(Verdict(sent), SignatureFault::kMismatch,
                      "Signed header 'x-amz-meta-a' is not in the request"));
}

TEST_F(CheckSignedTest, LeavesUnsignedHeadersToProxies) {
  Sent sent = Vector("a body");
  sent.Header("User-Agent") = "anything";
  sent.Header("X-Forwarded-For") = "10.0.0.1";
  sent.Header("X-Amzn-Trace-Id") = "Root=1";
  sent.Header("Content-Length") = "8";
  EXPECT_TRUE(Accepts(Verdict(sent)));
  sent.Header("User-Agent") = "anything else";
  EXPECT_TRUE(Accepts(Verdict(sent)));
}

TEST_F(CheckSignedTest, WantsHostContentTypeDateAndEveryAmzHeaderSigned) {
  const auto message = [&](Sent sent, std::string_view name) {
    std::string& header = sent.Header("authorization");
    const size_t list = header.find("SignedHeaders=") + 14;
    std::string kept;
    for (const auto part :
         Split(std::string_view(header).substr(list, header.find(',', list) - list), ';')) {
      if (part != name) kept.append(kept.empty() ? "" : ";").append(part);
    }
    header.replace(list, header.find(',', list) - list, kept);
    return Verdict(sent);
  };
  const Sent body = Vector("a body");
  EXPECT_TRUE(Refused(message(body, "host"), SignatureFault::kUnsignedHeader,
                      "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."));
  EXPECT_TRUE(Refused(message(body, "content-type"), SignatureFault::kUnsignedHeader,
                      "'Content-Type' must be a 'SignedHeader'"));
  EXPECT_TRUE(Refused(message(body, "x-amz-date"), SignatureFault::kUnsignedHeader,
                      "'X-Amz-Date' must be a 'SignedHeader'"));
  EXPECT_TRUE(Refused(message(body, "x-amz-target"), SignatureFault::kUnsignedHeader,
                      "'X-Amz-Target' must be a 'SignedHeader'"));
  EXPECT_TRUE(Refused(message(Vector("a Date header"), "date"), SignatureFault::kUnsignedHeader,
                      "'Date' must be a 'SignedHeader'"));
  Sent added = body;
  added.headers.emplace_back("x-AMZ-acl", "public-read");
  EXPECT_TRUE(Refused(Verdict(added), SignatureFault::kUnsignedHeader, "'x-AMZ-acl' must be"));
  added = Vector("presigned");
  added.headers.emplace_back("x-amz-acl", "public-read");
  EXPECT_TRUE(Refused(Verdict(added), SignatureFault::kUnsignedHeader, "'x-amz-acl' must be"));
}

TEST_F(CheckSignedTest, TakesFiveMinutesEachWay) {
  const Sent sent = Vector("a body");
  const auto at = [&](int64_t micros) { return Verdict(sent, {VectorTime().micros + micros}); };
  constexpr int64_t kFiveMinutes = 300 * kMicrosPerSecond;
  EXPECT_TRUE(Accepts(at(kFiveMinutes)));
  EXPECT_TRUE(Accepts(at(-kFiveMinutes)));
  EXPECT_TRUE(Refused(at(kFiveMinutes + 1), SignatureFault::kExpired,
                      "Signature expired: 20260304T050607Z is now earlier than 20260304T050607Z "
                      "(20260304T051107Z - 5 min.)"));
  EXPECT_TRUE(Refused(at(-kFiveMinutes - 1), SignatureFault::kNotYetCurrent,
                      "Signature not yet current: 20260304T050607Z is still later than "
                      "20260304T050606Z (20260304T050106Z + 5 min.)"));
}

TEST_F(CheckSignedTest, TakesPresignedRequestsUntilTheyExpire) {
  const auto at = [&](std::string_view name, int64_t seconds) {
    return Verdict(Vector(name), {VectorTime().micros + seconds * kMicrosPerSecond});
  };
  EXPECT_TRUE(Accepts(at("presigned", 3600)));
  EXPECT_TRUE(Refused(at("presigned", 3601), SignatureFault::kExpired,
                      "Signature expired: 20260304T060607Z is now earlier than 20260304T060608Z"));
  EXPECT_TRUE(Accepts(at("presigned", -300)));
  EXPECT_TRUE(Refused(at("presigned", -301), SignatureFault::kNotYetCurrent, "not yet current"));
  EXPECT_TRUE(Accepts(at("presigned for a week", 604'800)));
  EXPECT_FALSE(Accepts(at("presigned for a week", 604'801)));
  for (const char* seconds : {"0", "604801", "-1", "", "1e3", "99999999999999999999"}) {
    Sent sent = Vector("presigned");
    const size_t place = sent.query.find("Expires=3600") + 8;
    sent.query.replace(place, 4, seconds);
    EXPECT_TRUE(Refused(Verdict(sent), SignatureFault::kIncomplete, "X-Amz-Expires")) << seconds;
  }
}

TEST_F(CheckSignedTest, TellsWhatIsWrongWithTheScope) {
  const Sent good = Vector("a body");
  Sent sent = good;
  sent.service = "athena";
  EXPECT_TRUE(Refused(Verdict(sent), SignatureFault::kWrongScope,
                      "Credential should be scoped to correct service: 'athena'."));
  const auto with = [&](std::string_view from, std::string_view to) {
    Sent changed = good;
    std::string& header = changed.Header("authorization");
    header.replace(header.find(from), from.size(), to);
    return Verdict(changed);
  };
  EXPECT_TRUE(Refused(with("aws4_request", "aws5_request"), SignatureFault::kWrongScope,
                      "valid terminator: 'aws4_request', not 'aws5_request'."));
  EXPECT_TRUE(Refused(with("20260304", "20260303"), SignatureFault::kWrongScope,
                      "'20260303' != '20260304', from '20260304T050607Z'."));
  EXPECT_TRUE(Refused(with("eu-west-1", "eu west"), SignatureFault::kWrongScope,
                      "a valid region, not 'eu west'."));
  EXPECT_TRUE(Refused(with("eu-west-1", "eu-west-2"), SignatureFault::kMismatch, ""));
  EXPECT_TRUE(Refused(with("AKIDEXAMPLE", "AKIDEXAMPLF"), SignatureFault::kUnknownKey,
                      "The security token included in the request is invalid."));
}

TEST_F(CheckSignedTest, TellsWhatIsMissing) {
  Sent sent;
  sent.headers = {{"Host", "h"}};
  EXPECT_TRUE(Refused(Verdict(sent), SignatureFault::kMissing, "Missing Authentication Token"));
  sent.Header("Authorization") = "AWS4-HMAC-SHA256";
  EXPECT_TRUE(Refused(Verdict(sent), SignatureFault::kIncomplete,
                      "Authorization header requires 'Credential' parameter. Authorization header "
                      "requires 'Signature' parameter. Authorization header requires "
                      "'SignedHeaders' parameter. Authorization header requires existence of "
                      "either a 'X-Amz-Date' or a 'Date' header."));
  Sent good = Vector("a body");
  good.Drop("x-amz-date");
  EXPECT_TRUE(Refused(Verdict(good), SignatureFault::kIncomplete,
                      "Authorization header requires existence of either a 'X-Amz-Date'"));
  good.Header("x-amz-date") = "20260304T050607";
  EXPECT_TRUE(Refused(Verdict(good), SignatureFault::kIncomplete,
                      "Date must be in ISO-8601 'basic format'. Got '20260304T050607'."));
  for (const char* name : {"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires",
                           "X-Amz-SignedHeaders", "X-Amz-Signature"}) {
    Sent presigned = Vector("presigned");
    const size_t at = presigned.query.find(name);
    presigned.query.replace(at, 1, "Y");
    EXPECT_TRUE(Refused(Verdict(presigned), SignatureFault::kIncomplete,
                        "must include '" + std::string(name) + "'"));
    presigned = Vector("presigned");
    presigned.query += "&" + std::string(name) + "=1";
    EXPECT_TRUE(Refused(Verdict(presigned), SignatureFault::kIncomplete, "twice")) << name;
  }
}

TEST_F(CheckSignedTest, RefusesMalformedAuthorization) {
  const Sent good = Vector("a body");
  const std::string header = Sent(good).Header("authorization");
  const auto with = [&](std::string value) {
    Sent sent = good;
    sent.Header("authorization") = std::move(value);
    return Verdict(sent);
  };
  EXPECT_TRUE(Accepts(with(header)));
  for (size_t size = 0; size < header.size(); ++size) {
    EXPECT_FALSE(Accepts(with(header.substr(0, size)))) << header.substr(0, size);
  }
  EXPECT_FALSE(Accepts(with(header + "0")));
  for (const char* parameter : {"Credential", "SignedHeaders", "Signature"}) {
    EXPECT_TRUE(Refused(with(header + ", " + parameter + "=x"), SignatureFault::kIncomplete,
                        "has the parameter '" + std::string(parameter) + "' twice"));
  }
  EXPECT_TRUE(Refused(with(header + ", Other=x"), SignatureFault::kIncomplete, "alone"));
  EXPECT_TRUE(Refused(with(header + ","), SignatureFault::kIncomplete, "key=value"));
  EXPECT_TRUE(Refused(with("Bearer tarn_ingest_x"), SignatureFault::kIncomplete, "Unsupported"));
  EXPECT_TRUE(Refused(with("AWS4-ECDSA-P256-SHA256" + header.substr(16)),
                      SignatureFault::kIncomplete,
                      "Unsupported AWS 'algorithm' (only AWS4-HMAC-SHA256 for now)."));
  EXPECT_EQ(MessageOf(with("tarn_ingest_secret")).find("secret"), std::string::npos);
  EXPECT_EQ(MessageOf(with("AWS4-HMAC-SHA256 tarn_ingest_secret")).find("secret"),
            std::string::npos);
  const auto replaced = [&](std::string_view from, std::string_view to) {
    std::string value = header;
    value.replace(value.find(from), from.size(), to);
    return with(value);
  };
  EXPECT_TRUE(Refused(replaced("/firehose/", "/"), SignatureFault::kIncomplete,
                      "Credential must have exactly 5 slash-delimited elements"));
  EXPECT_TRUE(Refused(replaced("/firehose/", "//"), SignatureFault::kIncomplete, "exactly 5"));
  for (const char* list :
       {"host;content-type;x-amz-date;x-amz-target", "content-type;Host;x-amz-date;x-amz-target",
        "content-type;host;host;x-amz-date;x-amz-target", "content-type;;host", ""}) {
    EXPECT_TRUE(Refused(replaced("content-type;host;x-amz-date;x-amz-target", list),
                        SignatureFault::kIncomplete, "SignedHeaders must be names in lower case"))
        << list;
  }
}

TEST_F(CheckSignedTest, RefusesTwoOfWhatMustBeOne) {
  for (const char* name : {"Authorization", "Host", "X-Amz-Date", "content-type"}) {
    Sent sent = Vector("a body");
    const std::string value = sent.Header(name);
    sent.headers.emplace_back(name, value);
    EXPECT_TRUE(Refused(Verdict(sent), SignatureFault::kIncomplete, "The request has 2 headers"));
  }
  Sent both = Vector("presigned");
  both.Header("authorization") = Vector("a body").Header("authorization");
  EXPECT_TRUE(Refused(Verdict(both), SignatureFault::kIncomplete, "Only one auth mechanism"));
}

TEST_F(CheckSignedTest, BoundsWhatItReads) {
  const Sent good = Vector("a body");
  Sent sent = good;
  sent.Header("authorization") += std::string(100'000, 'x');
  EXPECT_TRUE(Refused(Verdict(sent), SignatureFault::kIncomplete, "header is too long"));
  sent = good;
  for (int i = 0; i < 200; ++i) sent.headers.emplace_back("X-" + std::to_string(i), "1");
  EXPECT_TRUE(Refused(Verdict(sent), SignatureFault::kIncomplete, "too many headers"));
  sent = good;
  sent.query = std::string(kMaxQueryBytes + 1, '&');
  EXPECT_TRUE(Refused(Verdict(sent), SignatureFault::kIncomplete, "query string is too long"));
  sent = good;
  std::string& header = sent.Header("authorization");
  size_t place = header.find("x-amz-date");
  for (int i = 0; i < 97; ++i) {
    const std::string name = "x-" + std::to_string(1000 + i);
    sent.headers.emplace_back(name, "1");
    header.insert(place, name + ";");
    place += name.size() + 1;
  }
  EXPECT_TRUE(Refused(Verdict(sent), SignatureFault::kIncomplete, "SignedHeaders has too many"));
  sent = good;
  sent.Header("x-amz-date") = std::string(1'000'000, '\x01');
  EXPECT_LT(MessageOf(Verdict(sent)).size(), 400U);
  EXPECT_EQ(MessageOf(Verdict(sent)).find('\x01'), std::string::npos);
}

TEST_F(CheckSignedTest, RefusesTemporaryCredentials) {
  Sent sent = Vector("a body");
  std::string& header = sent.Header("authorization");
  header.replace(header.find("x-amz-target"), 12, "x-amz-security-token;x-amz-target");
  sent.headers.emplace_back("X-Amz-Security-Token", "FwoGZXIvYXdzE");
  EXPECT_TRUE(Refused(Verdict(sent), SignatureFault::kSecurityToken, "no temporary credentials"));
  sent = Vector("presigned");
  sent.query += "&X-Amz-Security-Token=FwoGZXIvYXdzE";
  EXPECT_TRUE(Refused(Verdict(sent), SignatureFault::kSecurityToken, "tarn keys create --aws"));
}

TEST_F(CheckSignedTest, ComparesTheBodyWithItsGivenHash) {
  const Sent good = Vector("the body's hash given");
  Sent sent = good;
  sent.body = "other";
  EXPECT_TRUE(Refused(Verdict(sent), SignatureFault::kPayloadMismatch,
                      "The provided 'x-amz-content-sha256' header does not match"));
  sent.Header("x-amz-content-sha256") = ToHex(codec::Sha256("other"));
  EXPECT_TRUE(Refused(Verdict(sent), SignatureFault::kMismatch, ""));
  for (const char* value : {"UNSIGNED", "e3b0", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"}) {
    sent.Header("x-amz-content-sha256") = value;
    EXPECT_TRUE(Refused(Verdict(sent), SignatureFault::kIncomplete, value));
  }
}

TEST_F(CheckSignedTest, TakesAHashForTheBody) {
  for (const char* name : {"a body of all bytes", "the body's hash given"}) {
    const Sent sent = Vector(name);
    SignedRequest request = sent.View();
    const std::string hash = codec::Sha256(sent.body);
    request.body = {};
    request.body_sha256 = hash;
    const SigningRules rules{.service = "firehose"};
    EXPECT_TRUE(Accepts(CheckSigned(request, rules, VectorTime(), FindExample)));
    const std::string other = codec::Sha256("other");
    request.body_sha256 = other;
    EXPECT_FALSE(Accepts(CheckSigned(request, rules, VectorTime(), FindExample)));
  }
}

TEST_F(CheckSignedTest, TakesUnsignedPayloadsOnlyIfAllowed) {
  for (const char* name : {"presigned for S3", "S3 put_object in pieces", "S3 put_object"}) {
    const Sent sent = Vector(name);
    EXPECT_TRUE(Accepts(Verdict(sent)));
    EXPECT_TRUE(Refused(Verdict(sent, VectorTime(), false), SignatureFault::kUnsignedPayload,
                        "is not accepted here"));
  }
}

TEST_F(CheckSignedTest, RefusesChunksThatCannotBeDecoded) {
  const Sent good = Vector("S3 put_object in pieces");
  Sent sent = good;
  sent.body.resize(sent.body.size() / 2);
  EXPECT_TRUE(Refused(Verdict(sent), SignatureFault::kMalformedBody, "aws-chunked body"));
  const auto limited = CheckSigned(
      good.View(), {.service = "s3", .allow_unsigned_payload = true, .max_payload_bytes = 4'999},
      VectorTime(), FindExample);
  EXPECT_TRUE(Refused(limited, SignatureFault::kMalformedBody, "is over 4999"));
}

TEST_F(CheckSignedTest, IsSettledWithoutTheBodyWhereItsHashIsGiven) {
  const auto head = [](const Sent& sent) {
    return CheckSignedHead(sent.View(), {.service = sent.service, .allow_unsigned_payload = true},
                           VectorTime(), FindExample);
  };
  for (Sent sent : vectors_) {
    sent.body.clear();
    EXPECT_TRUE(Accepts(head(sent))) << sent.name;
    const bool hash_given = FindHeader(sent.View(), "x-amz-content-sha256").has_value();
    sent.method += "X";
    EXPECT_EQ(Accepts(head(sent)), !hash_given && sent.name != "presigned for S3") << sent.name;
  }
  Sent unknown = Vector("a body");
  std::string& header = unknown.Header("authorization");
  header.replace(header.find("AKIDEXAMPLE"), 11, "AKIDEXAMPLF");
  EXPECT_TRUE(Refused(head(unknown), SignatureFault::kUnknownKey, ""));
}

// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-examples.html and
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
Sent OfS3(std::string method, std::string path, std::string query, std::string signed_headers,
          std::string signature) {
  Sent sent{.service = "s3",
            .method = std::move(method),
            .path = std::move(path),
            .query = std::move(query)};
  sent.headers = {{"Host", "examplebucket.s3.amazonaws.com"},
                  {"x-amz-content-sha256", std::string(kEmptyHash)},
                  {"x-amz-date", "20130524T000000Z"},
                  {"Authorization",
                   "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"
                   "aws4_request,SignedHeaders=" +
                       signed_headers + ",Signature=" + signature}};
  return sent;
}

TEST(CheckSigned, AgreesWithTheExamplesOfIam) {
  Sent sent{.service = "iam", .method = "GET", .query = "Action=ListUsers&Version=2010-05-08"};
  sent.headers = {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"},
                  {"Host", "iam.amazonaws.com"},
                  {"X-Amz-Date", "20150830T123600Z"},
                  {"Authorization",
                   "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
                   "SignedHeaders=content-type;host;x-amz-date, "
                   "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"}};
  const auto verdict = Verdict(sent, *ParseAmzTime("20150830T123600Z"));
  EXPECT_TRUE(Accepts(verdict)) << MessageOf(verdict);
}

TEST(CheckSigned, AgreesWithTheExamplesOfS3) {
  const Timestamp now = *ParseAmzTime("20130524T000000Z");
  Sent get = OfS3("GET", "/test.txt", "", "host;range;x-amz-content-sha256;x-amz-date",
                  "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  get.Header("Range") = "bytes=0-9";
  Sent put = OfS3("PUT", "/test%24file.text", "",
                  "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
                  "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
  put.body = "Welcome to Amazon S3.";
  put.Header("x-amz-content-sha256") = ToHex(codec::Sha256(put.body));
  put.Header("Date") = "Fri, 24 May 2013 00:00:00 GMT";
  put.Header("x-amz-storage-class") = "REDUCED_REDUNDANCY";
  const std::string basic = "host;x-amz-content-sha256;x-amz-date";
  Sent presigned{.service = "s3", .method = "GET", .path = "/test.txt"};
  presigned.query =
      "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2F"
      "us-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-"
      "SignedHeaders=host&X-Amz-Signature="
      "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
  presigned.headers = {{"Host", "examplebucket.s3.amazonaws.com"}};
  for (const Sent& sent :
       {get, put, presigned,
        OfS3("GET", "/", "lifecycle", basic,
             "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        OfS3("GET", "/", "max-keys=2&prefix=J", basic,
             "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")}) {
    const auto verdict = Verdict(sent, now);
    EXPECT_TRUE(Accepts(verdict)) << sent.path << sent.query << MessageOf(verdict);
  }
}

// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html, and -trailers
TEST(CheckSigned, AgreesWithTheChunkedExamplesOfS3) {
  const auto chunks = [](std::vector<std::string> signatures) {
    return "10000;chunk-signature=" + signatures[0] + "\r\n" + std::string(65'536, 'a') +
           "\r\n400;chunk-signature=" + signatures[1] + "\r\n" + std::string(1'024, 'a') +
           "\r\n0;chunk-signature=" + signatures[2] + "\r\n";
  };
  Sent plain = OfS3("PUT", "/examplebucket/chunkObject.txt", "",
                    "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;"
                    "x-amz-decoded-content-length;x-amz-storage-class",
                    "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9");
  plain.Header("x-amz-content-sha256") = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
  plain.Header("Content-Length") = "66824";
  plain.body = chunks({"ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
                       "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
                       "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"}) +
               "\r\n";
  EXPECT_EQ(plain.body.size(), 66'824U);
  Sent trailer = OfS3("PUT", "/examplebucket/chunkObject.txt", "",
                      "content-encoding;host;x-amz-content-sha256;x-amz-date;"
                      "x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer",
                      "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e");
  trailer.Header("x-amz-content-sha256") = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
  trailer.Header("x-amz-trailer") = "x-amz-checksum-crc32c";
  trailer.body = chunks({"b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
                         "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
                         "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"}) +
                 "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:"
                 "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n";
  const Timestamp now = *ParseAmzTime("20130524T000000Z");
  for (Sent sent : {plain, trailer}) {
    sent.Header("Host") = "s3.amazonaws.com";
    sent.Header("Content-Encoding") = "aws-chunked";
    sent.Header("x-amz-decoded-content-length") = "66560";
    sent.Header("x-amz-storage-class") = "REDUCED_REDUNDANCY";
    const auto verdict = Verdict(sent, now, false);
    ASSERT_TRUE(Accepts(verdict)) << MessageOf(verdict);
    EXPECT_EQ(std::get<SignedCaller>(verdict).payload, std::string(66'560, 'a'));
    sent.body[7000] = 'b';
    EXPECT_TRUE(Refused(Verdict(sent, now, false), SignatureFault::kMismatch, "Check your AWS"));
    sent.Drop("x-amz-decoded-content-length");
    EXPECT_FALSE(Accepts(Verdict(sent, now, false)));
  }
}

TEST(AwsErrorName, IsThatOfTheJsonProtocols) {
  EXPECT_EQ(AwsErrorName(SignatureFault::kMissing), "MissingAuthenticationTokenException");
  EXPECT_EQ(AwsErrorName(SignatureFault::kIncomplete), "IncompleteSignatureException");
  EXPECT_EQ(AwsErrorName(SignatureFault::kUnknownKey), "UnrecognizedClientException");
  EXPECT_EQ(AwsErrorName(SignatureFault::kMismatch), "InvalidSignatureException");
  EXPECT_EQ(AwsErrorName(SignatureFault::kExpired), "InvalidSignatureException");
}

TEST(CanonicalPath, ResolvesAndEncodesTwiceExceptForS3) {
  EXPECT_EQ(CanonicalPath("", false), "/");
  EXPECT_EQ(CanonicalPath("/a/./b//../c/", false), "/a/c/");
  EXPECT_EQ(CanonicalPath("/../..", false), "/");
  EXPECT_EQ(CanonicalPath("/a%20b", false), "/a%2520b");
  EXPECT_EQ(CanonicalPath("/a//../%20%2f~*", true), "/a//../%20%2F~%2A");
  EXPECT_EQ(CanonicalPath("/%zz%2", true), "/%25zz%252");
}

TEST(CanonicalQuery, IsSortedByEncodedNameThenValue) {
  EXPECT_EQ(CanonicalQuery(ParseQuery("b&a=2&a=1&%61=0&a%2A=3&&X-Amz-Signature=x")),
            "a=0&a=1&a=2&a%2A=3&b=");
  EXPECT_EQ(CanonicalQuery(ParseQuery("a=b=c+d%2B%zz")), "a=b%3Dc%2Bd%2B%25zz");
  EXPECT_EQ(CanonicalQuery(ParseQuery("")), "");
}

TEST(ParseAmzTime, TakesTheOneFormAlone) {
  EXPECT_EQ(FormatAmzTime(*ParseAmzTime("20260228T235959Z")), "20260228T235959Z");
  EXPECT_EQ(ParseAmzTime("19700101T000001Z")->micros, kMicrosPerSecond);
  for (const char* text :
       {"", "20260230T000000Z", "20261301T000000Z", "20260101T240000Z", "2026-01-01T00:00",
        "20260101 000000Z", "20260101T000000z", "+2260101T000000Z", "20260101T0000 0Z"}) {
    EXPECT_FALSE(ParseAmzTime(text)) << text;
  }
}

TEST(ParseHttpDate, TakesFixedDates) {
  EXPECT_EQ(ParseHttpDate("Sun, 30 Aug 2015 12:36:00 GMT"), ParseAmzTime("20150830T123600Z"));
  EXPECT_EQ(ParseHttpDate("Fri, 02 Oct 2015 12:36:00 -0000"), ParseAmzTime("20151002T123600Z"));
  for (const char* text : {"", "Sun, 30 Aug 2015 12:36:00 PST", "Sun, 30 Aug 2015 12:36:00 +0100",
                           "Sun, 30 ugS 2015 12:36:00 GMT", "Sun, 31 Sep 2015 12:36:00 GMT",
                           "Sunday, 30-Aug-15 12:36:00 GMT", "Sun, 30 Aug 2015 12-36:00 GMT"}) {
    EXPECT_FALSE(ParseHttpDate(text)) << text;
  }
}

}  // namespace
}  // namespace tarn::auth
