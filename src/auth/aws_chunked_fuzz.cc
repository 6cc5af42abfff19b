#include "auth/aws_chunked.h"
#include "base/bytes.h"
#include "base/check.h"

// Form, announced size (two bytes), body. What is decoded has the announced size, and is decoded
// the same from one chunk.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tarn::auth;
  if (size < 3) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 3, size - 3);
  const ChunkedRules rules{.form = static_cast<ChunkedForm>(data[0] % 3),
                           .payload_bytes = uint64_t{data[1]} | uint64_t{data[2]} << 8,
                           .trailers = {"x-amz-checksum-crc32"},
                           .signing_key = std::string(32, 'k'),
                           .time = "20130524T000000Z",
                           .scope = "20130524/us-east-1/s3/aws4_request",
                           .seed_signature = std::string(64, 'a')};
  const auto decoded = DecodeAwsChunked(body, rules);
  if (!decoded.ok()) return 0;
  TARN_CHECK(decoded->payload.size() == rules.payload_bytes);
  if (rules.form != ChunkedForm::kUnsignedTrailer) return 0;
  TARN_CHECK(decoded->trailers.size() == 1);
  const char size_bytes[] = {static_cast<char>(data[2]), static_cast<char>(data[1])};
  std::string again;
  if (!decoded->payload.empty())
    again = tarn::ToHex({size_bytes, 2}) + "\r\n" + decoded->payload + "\r\n";
  again += "0\r\nx-amz-checksum-crc32:" + decoded->trailers[0].second + "\r\n\r\n";
  const auto second = DecodeAwsChunked(again, rules);
  TARN_CHECK(second.ok() && second->payload == decoded->payload &&
             second->trailers == decoded->trailers);
  return 0;
}
