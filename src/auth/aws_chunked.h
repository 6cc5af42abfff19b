#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tarn::auth {

// Content-Encoding: aws-chunked, a body in pieces each with its own signature, or with a checksum
// behind them
// (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and
// sigv4-streaming-trailers).
enum class ChunkedForm : uint8_t {
  kSigned,           // STREAMING-AWS4-HMAC-SHA256-PAYLOAD
  kSignedTrailer,    // STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER
  kUnsignedTrailer,  // STREAMING-UNSIGNED-PAYLOAD-TRAILER
};

// What the request before the body says.
struct ChunkedRules {
  ChunkedForm form = ChunkedForm::kSigned;
  uint64_t payload_bytes = 0;         // x-amz-decoded-content-length: what all chunks hold
  std::vector<std::string> trailers;  // of x-amz-trailer, in lower case: those, and no others
  // Of the signed forms: what the chunks' signatures are made with.
  std::string signing_key;     // 32 bytes
  std::string time;            // "20130524T000000Z"
  std::string scope;           // "20130524/us-east-1/s3/aws4_request"
  std::string seed_signature;  // the request's, in hex
};

struct DecodedChunks {
  std::string payload;
  std::vector<std::pair<std::string, std::string>> trailers;  // x-amz-trailer-signature left out
};

// InvalidArgument for a body that is malformed, cut or of another size; Unauthenticated for a
// signature that does not match. A trailer's own meaning (a checksum) is not looked at. Allocates
// at most what `body` has.
Result<DecodedChunks> DecodeAwsChunked(std::string_view body, const ChunkedRules& rules);

}  // namespace tarn::auth
