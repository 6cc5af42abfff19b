#include "auth/aws_chunked.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "codec/hash.h"

namespace tarn::auth {
namespace {

// A client, by AWS's page.
class Chunks {
 public:
  explicit Chunks(const ChunkedRules& rules) : rules_(rules), previous_(rules.seed_signature) {}

  Chunks& Add(std::string_view bytes) {
    Sign("PAYLOAD", ToHex(codec::Sha256("")) + "\n" + ToHex(codec::Sha256(bytes)));
    static constexpr std::string_view kDigits = "0123456789abcdef";
    std::string size;
    for (size_t rest = bytes.size(); rest > 0; rest /= 16) size.insert(0, 1, kDigits[rest % 16]);
    body_ += size.empty() ? "0" : size;
    if (rules_.form != ChunkedForm::kUnsignedTrailer) body_ += ";chunk-signature=" + previous_;
    body_.append("\r\n").append(bytes);
    if (!bytes.empty()) body_ += "\r\n";
    return *this;
  }
  // `canonical`: as it is signed.
  Chunks& Trailers(const std::string& lines, const std::string& canonical) {
    body_ += lines;
    Sign("TRAILER", ToHex(codec::Sha256(canonical)));
    if (rules_.form == ChunkedForm::kSignedTrailer)
      body_ += "x-amz-trailer-signature:" + previous_ + "\r\n";
    return *this;
  }
  std::string End() { return body_ + "\r\n"; }

 private:
  void Sign(const std::string& what, const std::string& hashes) {
    previous_ = ToHex(codec::HmacSha256(rules_.signing_key, "AWS4-HMAC-SHA256-" + what + "\n" +
                                                                rules_.time + "\n" + rules_.scope +
                                                                "\n" + previous_ + "\n" + hashes));
  }

  const ChunkedRules& rules_;
  std::string previous_;
  std::string body_;
};

ChunkedRules Rules(ChunkedForm form, uint64_t payload_bytes) {
  return {.form = form,
          .payload_bytes = payload_bytes,
          .trailers = {},
          .signing_key = std::string(32, 'k'),
          .time = "20130524T000000Z",
          .scope = "20130524/us-east-1/s3/aws4_request",
          .seed_signature = std::string(64, 'a')};
}

ChunkedRules UnsignedRules(uint64_t payload_bytes) {
  ChunkedRules rules = Rules(ChunkedForm::kUnsignedTrailer, payload_bytes);
  rules.trailers = {"x-amz-checksum-crc32"};
  return rules;
}

constexpr std::string_view kSum = "x-amz-checksum-crc32:AAAAAA==\r\n";

Code CodeOf(std::string_view body, const ChunkedRules& rules) {
  const auto decoded = DecodeAwsChunked(body, rules);
  EXPECT_FALSE(decoded.ok());
  return decoded.ok() ? Code::kInternal : decoded.error().code();
}

TEST(DecodeAwsChunked, JoinsSignedChunks) {
  const ChunkedRules rules = Rules(ChunkedForm::kSigned, 24);
  const auto decoded =
      DecodeAwsChunked(Chunks(rules).Add("hello").Add("a longer second one").Add("").End(), rules);
  ASSERT_TRUE(decoded.ok()) << decoded.error().ToString();
  EXPECT_EQ(decoded->payload, "helloa longer second one");
  const ChunkedRules empty = Rules(ChunkedForm::kSigned, 0);
  EXPECT_EQ(DecodeAwsChunked(Chunks(empty).Add("").End(), empty)->payload, "");
}

TEST(DecodeAwsChunked, ChecksEverySignature) {
  const ChunkedRules rules = Rules(ChunkedForm::kSigned, 7);
  const std::string good = Chunks(rules).Add("hello").Add("12").Add("").End();
  ASSERT_TRUE(DecodeAwsChunked(good, rules).ok());
  for (size_t i = 0; i < good.size(); ++i) {
    std::string body = good;
    body[i] = static_cast<char>(body[i] ^ 1);
    EXPECT_FALSE(DecodeAwsChunked(body, rules).ok()) << i;
  }
  std::string body = good;
  body[body.find("hello")] = 'j';
  EXPECT_EQ(CodeOf(body, rules), Code::kUnauthenticated);
  body = good;
  body[20] = body[20] == '0' ? '1' : '0';
  EXPECT_EQ(CodeOf(body, rules), Code::kUnauthenticated);
  // A chunk is signed for its place.
  const size_t second = good.find("2;chunk");
  const size_t last = good.find("0;chunk", second);
  EXPECT_EQ(CodeOf(good.substr(second, last - second) + good.substr(0, second) + good.substr(last),
                   rules),
            Code::kUnauthenticated);
  for (auto change : {&ChunkedRules::signing_key, &ChunkedRules::time, &ChunkedRules::scope,
                      &ChunkedRules::seed_signature}) {
    ChunkedRules other = rules;
    (other.*change)[3] = 'x';
    EXPECT_EQ(CodeOf(good, other), Code::kUnauthenticated);
  }
}

TEST(DecodeAwsChunked, RefusesEveryCutBody) {
  const ChunkedRules rules = Rules(ChunkedForm::kSigned, 7);
  const std::string good = Chunks(rules).Add("hello").Add("12").Add("").End();
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(DecodeAwsChunked(good.substr(0, size), rules).ok()) << size;
  }
  EXPECT_EQ(CodeOf(good + "x", rules), Code::kInvalidArgument);
  // All that is announced, but no last chunk.
  EXPECT_EQ(CodeOf(Chunks(rules).Add("hello").Add("12").End(), rules), Code::kInvalidArgument);
  const ChunkedRules unsigned_rules = UnsignedRules(5);
  const std::string other = "5\r\nhello\r\n0\r\n" + std::string(kSum);
  for (size_t size = 0; size < other.size(); ++size) {
    EXPECT_FALSE(DecodeAwsChunked(other.substr(0, size), unsigned_rules).ok()) << size;
  }
}

TEST(DecodeAwsChunked, RefusesWhatIsNoSize) {
  for (const char* size :
       {"", "-1", "+5", "0x5", " 5", "5 ", "g", "fffffffffffffff", "ffffffffffffffff",
        "10000000000000005", "00000000000000000000000005", "7fffffffffffffff", "5,5"}) {
    const std::string body = std::string(size) + "\r\nhello\r\n0\r\n" + std::string(kSum) + "\r\n";
    EXPECT_EQ(CodeOf(body, UnsignedRules(5)), Code::kInvalidArgument) << size;
  }
  EXPECT_EQ(CodeOf(std::string(1'000'000, '0'), UnsignedRules(5)), Code::kInvalidArgument);
}

TEST(DecodeAwsChunked, HoldsTheChunksToTheirAnnouncedSum) {
  const std::string body = "5\r\nhello\r\n2\r\n12\r\n0\r\n" + std::string(kSum) + "\r\n";
  EXPECT_TRUE(DecodeAwsChunked(body, UnsignedRules(7)).ok());
  for (const uint64_t bytes : {uint64_t{0}, uint64_t{4}, uint64_t{6}, uint64_t{8}, ~uint64_t{0}}) {
    EXPECT_EQ(CodeOf(body, UnsignedRules(bytes)), Code::kInvalidArgument) << bytes;
  }
}

TEST(DecodeAwsChunked, SaysWhichBoundAChunkPasses) {
  const auto message = [](std::string_view body, uint64_t payload_bytes) {
    return DecodeAwsChunked(body, UnsignedRules(payload_bytes)).error().message();
  };
  EXPECT_EQ(message("5\r\nhello\r\n2\r\n12\r\n", 6),
            "aws-chunked body, byte 13: chunks hold more than x-amz-decoded-content-length");
  EXPECT_EQ(message("5\r\nhello\r\nff\r\n12\r\n", 7),
            "aws-chunked body, byte 14: a chunk is longer than the rest of the body");
}

TEST(DecodeAwsChunked, TakesUnsignedChunksWithTheirTrailer) {
  const ChunkedRules rules = UnsignedRules(5);
  for (const char* end : {"0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n",
                          "0\r\nX-Amz-Checksum-CRC32: AAAAAA== \r\n\r\n",
                          "0\r\n\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n",
                          "0\r\nx-amz-checksum-crc32:AAAAAA==\r\n"}) {
    const auto decoded = DecodeAwsChunked("5\r\nhello\r\n" + std::string(end), rules);
    ASSERT_TRUE(decoded.ok()) << end << decoded.error().ToString();
    EXPECT_EQ(decoded->payload, "hello");
    ASSERT_EQ(decoded->trailers.size(), 1U);
    EXPECT_EQ(decoded->trailers[0].first, "x-amz-checksum-crc32");
    EXPECT_EQ(decoded->trailers[0].second, "AAAAAA==");
  }
  for (const char* end :
       {"0\r\n\r\n", "0\r\n", "0\r\nx-amz-other:1\r\n\r\n", "0\r\nx-amz-checksum-crc32\r\n\r\n",
        "0\r\nx-amz-checksum-crc32:1\r\nx-amz-checksum-crc32:1\r\n\r\n",
        "0\r\nx-amz-checksum-crc32:1\r\nx-amz-trailer-signature:1\r\n\r\n",
        "0\r\nx-amz-checksum-crc32:1\r\n\r\nmore",
        "0;chunk-signature=1\r\nx-amz-checksum-crc32:1\r\n\r\n",
        "\r\nx-amz-checksum-crc32:1\r\n\r\n"}) {
    EXPECT_EQ(CodeOf("5\r\nhello\r\n" + std::string(end), rules), Code::kInvalidArgument) << end;
  }
}

TEST(DecodeAwsChunked, BoundsTrailers) {
  const auto with_value = [](size_t size) {
    return "0\r\nx-amz-checksum-crc32:" + std::string(size, 'A') + "\r\n\r\n";
  };
  EXPECT_TRUE(DecodeAwsChunked(with_value(1'000), UnsignedRules(0)).ok());
  EXPECT_EQ(CodeOf(with_value(1'100), UnsignedRules(0)), Code::kInvalidArgument);
  ChunkedRules rules = Rules(ChunkedForm::kUnsignedTrailer, 0);
  std::string body = "0\r\n";
  for (int i = 0; i < 16; ++i) {
    rules.trailers.push_back("x-" + std::to_string(i));
    body += rules.trailers.back() + ":1\r\n";
  }
  EXPECT_TRUE(DecodeAwsChunked(body, rules).ok());
  rules.trailers.emplace_back("x-16");
  EXPECT_EQ(CodeOf(body + "x-16:1\r\n", rules), Code::kInvalidArgument);
}

TEST(DecodeAwsChunked, ChecksTheSignatureOfTrailers) {
  ChunkedRules rules = Rules(ChunkedForm::kSignedTrailer, 5);
  rules.trailers = {"x-amz-b", "x-amz-a"};
  const std::string lines = "x-amz-b: 2 \r\nX-Amz-A:1\r\n";
  const std::string good =
      Chunks(rules).Add("hello").Add("").Trailers(lines, "x-amz-a:1\nx-amz-b:2\n").End();
  const auto decoded = DecodeAwsChunked(good, rules);
  ASSERT_TRUE(decoded.ok()) << decoded.error().ToString();
  EXPECT_EQ(decoded->trailers.size(), 2U);
  std::string body = good;
  body[body.find("A:1") + 2] = '3';
  EXPECT_EQ(CodeOf(body, rules), Code::kUnauthenticated);
  const size_t signature = good.find("x-amz-trailer-signature");
  EXPECT_EQ(CodeOf(good.substr(0, signature) + "\r\n", rules), Code::kInvalidArgument);
  EXPECT_EQ(CodeOf(good.substr(0, signature), rules), Code::kInvalidArgument);
  body = good;
  body.insert(body.size() - 2, "x-amz-c:1\r\n");
  EXPECT_EQ(CodeOf(body, rules), Code::kInvalidArgument);
  // Announced and signed, but behind the signature.
  const size_t second = good.find("X-Amz-A:1\r\n");
  body = good;
  body.erase(second, 11).insert(body.size() - 2, "X-Amz-A:1\r\n");
  EXPECT_EQ(CodeOf(body, rules), Code::kInvalidArgument);
  // Signed chunks alone are no signed trailer.
  EXPECT_FALSE(DecodeAwsChunked(Chunks(rules).Add("hello").Add("").End(), rules).ok());
  ChunkedRules plain = rules;
  plain.form = ChunkedForm::kSigned;
  EXPECT_EQ(CodeOf(good, plain), Code::kInvalidArgument);
}

TEST(DecodeAwsChunked, WantsSignaturesWhereTheyAreAnnounced) {
  EXPECT_EQ(CodeOf("5\r\nhello\r\n0\r\n\r\n", Rules(ChunkedForm::kSigned, 5)),
            Code::kInvalidArgument);
  EXPECT_EQ(CodeOf("5;chunk-signature=\r\nhello\r\n0;chunk-signature=\r\n\r\n",
                   Rules(ChunkedForm::kSigned, 5)),
            Code::kUnauthenticated);
}

}  // namespace
}  // namespace tarn::auth
