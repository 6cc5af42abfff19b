#include "auth/aws_chunked.h"

#include <algorithm>
#include <optional>

#include "base/bytes.h"
#include "base/text.h"
#include "codec/hash.h"

namespace tarn::auth {
namespace {

// A size and a signature take 99 bytes, a checksum's name and value a few more than a hundred.
constexpr size_t kMaxLineBytes = 1024;
constexpr size_t kMaxTrailers = 16;
constexpr std::string_view kSignatureExtension = "chunk-signature=";
constexpr std::string_view kTrailerSignature = "x-amz-trailer-signature";

std::string Trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return std::string(text);
}

// Hex digits without sign or prefix; 15 of them cannot overflow.
std::optional<uint64_t> ParseSize(std::string_view digits) {
  if (digits.empty() || digits.size() > 15) return std::nullopt;
  uint64_t size = 0;
  for (const char c : digits) {
    const bool decimal = c >= '0' && c <= '9';
    const char letter = static_cast<char>(c | 0x20);
    if (!decimal && (letter < 'a' || letter > 'f')) return std::nullopt;
    size = size * 16 + static_cast<uint64_t>(decimal ? c - '0' : letter - 'a' + 10);
  }
  return size;
}

class Decoder {
 public:
  Decoder(std::string_view body, const ChunkedRules& rules)
      : body_(body), rest_(body), rules_(rules), previous_(rules.seed_signature) {}

  Result<DecodedChunks> Decode() {
    if (rules_.payload_bytes > body_.size())
      return Malformed("x-amz-decoded-content-length is more than the body has");
    out_.payload.reserve(rules_.payload_bytes);
    for (bool last = false; !last;) {
      TARN_ASSIGN_OR_RETURN(last, TakeChunk());
    }
    if (out_.payload.size() != rules_.payload_bytes)
      return Malformed("x-amz-decoded-content-length is not what the chunks hold");
    TARN_TRY(rules_.form == ChunkedForm::kSigned ? TakeLineEnd() : TakeTrailers());
    if (!rest_.empty()) return Malformed("bytes after the last chunk");
    return std::move(out_);
  }

 private:
  Error Malformed(std::string_view why) const {
    return InvalidArgument("aws-chunked body, byte " + std::to_string(body_.size() - rest_.size()) +
                           ": " + std::string(why));
  }
  bool Signed() const { return rules_.form != ChunkedForm::kUnsignedTrailer; }

  // Without its end.
  Result<std::string_view> TakeLine() {
    const size_t end = rest_.substr(0, kMaxLineBytes).find("\r\n");
    if (end == std::string_view::npos)
      return Malformed(rest_.empty() ? "ends before the last chunk" : "no line ends here");
    const std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(end + 2);
    return line;
  }

  Status TakeLineEnd() {
    if (!rest_.starts_with("\r\n")) return Malformed("a chunk does not end where its size says");
    rest_.remove_prefix(2);
    return {};
  }

  // Whether it was the last, empty one; what follows that one is left.
  Result<bool> TakeChunk() {
    TARN_ASSIGN_OR_RETURN(std::string_view line, TakeLine());
    const size_t size_end = std::min(line.find(';'), line.size());
    const auto size = ParseSize(line.substr(0, size_end));
    if (!size) return Malformed("the line before this is no chunk size");
    if (*size > rest_.size()) return Malformed("a chunk is longer than the rest of the body");
    if (*size > rules_.payload_bytes - out_.payload.size())
      return Malformed("chunks hold more than x-amz-decoded-content-length");
    const std::string_view bytes = rest_.substr(0, *size);
    TARN_TRY(CheckChunk(line.substr(size_end), bytes));
    rest_.remove_prefix(bytes.size());
    out_.payload += bytes;
    if (bytes.empty()) return true;
    TARN_TRY(TakeLineEnd());
    return false;
  }

  // `extension`: ";chunk-signature=…", or nothing where chunks are not signed.
  Status CheckChunk(std::string_view extension, std::string_view bytes) {
    if (!Signed())
      return extension.empty() ? Status() : Malformed("an extension where none is signed");
    if (!extension.starts_with(';') || !extension.substr(1).starts_with(kSignatureExtension))
      return Malformed("a chunk without chunk-signature");
    static const std::string empty_sha256 = ToHex(codec::Sha256({}));
    return CheckSignature("AWS4-HMAC-SHA256-PAYLOAD",
                          empty_sha256 + "\n" + ToHex(codec::Sha256(bytes)),
                          extension.substr(1 + kSignatureExtension.size()));
  }

  Status CheckSignature(std::string_view algorithm, const std::string& hashes,
                        std::string_view given) {
    const std::string text = std::string(algorithm) + "\n" + rules_.time + "\n" + rules_.scope +
                             "\n" + previous_ + "\n" + hashes;
    previous_ = ToHex(codec::HmacSha256(rules_.signing_key, text));
    if (!codec::ConstantTimeEqual(previous_, given))
      return Unauthenticated("the signature of a chunk does not match");
    return {};
  }

  // "name:value" lines up to an empty one, or to the end of the body. AWS's page has an empty line
  // between the last chunk and these; its own clients leave it out.
  Status TakeTrailers() {
    if (rest_.starts_with("\r\n") && rest_.size() > 2) rest_.remove_prefix(2);
    std::optional<std::string> signature;
    while (!rest_.empty()) {
      TARN_ASSIGN_OR_RETURN(const std::string_view line, TakeLine());
      if (line.empty()) break;
      if (signature) return Malformed("a trailer after x-amz-trailer-signature");
      TARN_TRY(TakeTrailer(line, signature));
    }
    if (out_.trailers.size() != rules_.trailers.size())
      return Malformed("a trailer that x-amz-trailer names is missing");
    if (!Signed()) return {};
    if (!signature) return Malformed("no x-amz-trailer-signature");
    return CheckTrailers(*signature);
  }

  Status TakeTrailer(std::string_view line, std::optional<std::string>& signature) {
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return Malformed("a trailer without ':'");
    std::string name = Trimmed(line.substr(0, colon));
    for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    std::string value = Trimmed(line.substr(colon + 1));
    if (Signed() && name == kTrailerSignature) {
      signature = std::move(value);
      return {};
    }
    const bool announced = std::ranges::find(rules_.trailers, name) != rules_.trailers.end();
    const bool known = std::ranges::any_of(
        out_.trailers, [&](const auto& trailer) { return trailer.first == name; });
    if (!announced || known || out_.trailers.size() == kMaxTrailers)
      return Malformed("a trailer that x-amz-trailer does not name once");
    out_.trailers.emplace_back(std::move(name), std::move(value));
    return {};
  }

  Status CheckTrailers(std::string_view signature) {
    auto sorted = out_.trailers;
    std::ranges::sort(sorted);
    std::string text;
    for (const auto& [name, value] : sorted) text.append(name).append(":").append(value) += '\n';
    return CheckSignature("AWS4-HMAC-SHA256-TRAILER", ToHex(codec::Sha256(text)), signature);
  }

  const std::string_view body_;
  std::string_view rest_;
  const ChunkedRules& rules_;
  std::string previous_;  // signature
  DecodedChunks out_;
};

}  // namespace

Result<DecodedChunks> DecodeAwsChunked(std::string_view body, const ChunkedRules& rules) {
  return Decoder(body, rules).Decode();
}

}  // namespace tarn::auth
