#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"

namespace tarn::codec {

// Reads a stream and decodes it on the way if it is gzip (RFC 1952) or zstd (RFC 8878), each of one
// or more members, with zeros after one as padding; anything else comes as it is. Which it is, its
// first bytes say. A stream that ends within a member or is broken is DataLoss, said once
// everything before is given (of zstd, the whole blocks) and again by every later call. Holds 128
// KiB and what zstd's window needs (at most 128 MiB, else ResourceExhausted), whatever the size.
// Thread-confined.
class DecodingReader {
 public:
  // Fills the front of a buffer and returns the count; 0 ends the stream.
  using Source = std::function<Result<size_t>(std::span<char>)>;

  explicit DecodingReader(Source source);
  ~DecodingReader();
  DecodingReader(const DecodingReader&) = delete;
  DecodingReader& operator=(const DecodingReader&) = delete;

  // As Source does, decoded.
  Result<size_t> Read(std::span<char> buffer);

  // One kind of member.
  class Decoder {
   public:
    struct Progress {
      size_t taken = 0;
      size_t made = 0;
      bool member_ended = false;
    };
    virtual ~Decoder() = default;
    virtual Result<Progress> Step(std::span<const char> in, std::span<char> out) = 0;
  };

 private:
  Status Begin();
  Status Fill();
  Result<size_t> Decode(std::span<char> buffer);
  Result<size_t> DecodeSome(std::span<char> buffer);

  const Source source_;
  std::vector<char> held_;  // of the source
  size_t begin_ = 0;        // what is left of it: [begin_, end_)
  size_t end_ = 0;
  bool begun_ = false;
  bool ended_ = false;  // the source
  bool within_member_ = false;
  Status failed_;
  std::unique_ptr<Decoder> decoder_;  // none: as it is
};

}  // namespace tarn::codec
