#include "codec/zstd.h"

#include <fmt/format.h>
#include <zstd.h>

#include <algorithm>

#include "base/check.h"

namespace tarn::codec {

void ZstdCompressor::Free::operator()(ZSTD_CCtx_s* context) const { ZSTD_freeCCtx(context); }

ZstdCompressor::ZstdCompressor(int level) : context_(ZSTD_createCCtx()), level_(level) {}
ZstdCompressor::~ZstdCompressor() = default;
ZstdCompressor::ZstdCompressor(ZstdCompressor&&) noexcept = default;
ZstdCompressor& ZstdCompressor::operator=(ZstdCompressor&&) noexcept = default;

std::string ZstdCompressor::Compress(std::string_view bytes) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  const size_t size =
      ZSTD_compressCCtx(context_.get(), out.data(), out.size(), bytes.data(), bytes.size(), level_);
  TARN_CHECK(ZSTD_isError(size) == 0);
  out.resize(size);
  return out;
}

Result<std::string> ZstdDecompress(std::string_view bytes, size_t limit_bytes) {
  // Working memory of this thread, 160 KB: making it anew costs more than a small frame.
  thread_local const std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(),
                                                                                ZSTD_freeDCtx);
  ZSTD_DCtx_reset(context.get(), ZSTD_reset_session_only);
  const unsigned long long claimed = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  if (claimed == ZSTD_CONTENTSIZE_ERROR) return DataLoss("not a zstd frame");
  const bool known = claimed != ZSTD_CONTENTSIZE_UNKNOWN;
  if (known && claimed > limit_bytes) {
    return ResourceExhausted(
        fmt::format("zstd frame of {} bytes, over the limit of {}", claimed, limit_bytes));
  }
  std::string out(std::min<size_t>(limit_bytes, known ? static_cast<size_t>(claimed) : 1 << 16),
                  '\0');
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  ZSTD_outBuffer produced{out.data(), out.size(), 0};
  for (;;) {
    const size_t state = ZSTD_decompressStream(context.get(), &produced, &in);
    if (ZSTD_isError(state) != 0)
      return DataLoss(fmt::format("broken zstd frame: {}", ZSTD_getErrorName(state)));
    if (in.pos == in.size && produced.pos < produced.size) {
      if (state != 0) return DataLoss("zstd frame is cut off");
      break;
    }
    if (produced.pos < produced.size) continue;
    if (in.pos == in.size && state == 0) break;
    if (out.size() >= limit_bytes) {
      return ResourceExhausted(
          fmt::format("zstd output is over the limit of {} bytes", limit_bytes));
    }
    out.resize(std::min(limit_bytes, std::max<size_t>(out.size() * 2, 1 << 16)));
    produced.dst = out.data();
    produced.size = out.size();
  }
  out.resize(produced.pos);
  return out;
}

}  // namespace tarn::codec
