#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

struct ZSTD_CCtx_s;

namespace tarn::codec {

// Compresses whole buffers, keeping its working memory between calls. Thread-confined.
class ZstdCompressor {
 public:
  explicit ZstdCompressor(int level = 1);
  ~ZstdCompressor();
  ZstdCompressor(ZstdCompressor&&) noexcept;
  ZstdCompressor& operator=(ZstdCompressor&&) noexcept;

  // One frame with its content size in the header (RFC 8878).
  std::string Compress(std::string_view bytes);

 private:
  struct Free {
    void operator()(ZSTD_CCtx_s* context) const;
  };
  std::unique_ptr<ZSTD_CCtx_s, Free> context_;
  int level_;
};

// Decompresses one or more frames. `limit_bytes` bounds the output: a longer one is
// ResourceExhausted (a decompression bomb costs no more than the limit), broken bytes are DataLoss.
Result<std::string> ZstdDecompress(std::string_view bytes, size_t limit_bytes);

}  // namespace tarn::codec
