#include "codec/decoding_reader.h"

#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/check.h"

namespace tarn::codec {
namespace {

constexpr size_t kHeldBytes = 128 << 10;
constexpr std::string_view kGzipMagic = "\x1f\x8b\x08";
constexpr std::string_view kZstdMagic = "\x28\xb5\x2f\xfd";
constexpr size_t kMagicBytes = kZstdMagic.size();  // the longer one

class GzipDecoder final : public DecodingReader::Decoder {
 public:
  GzipDecoder() {
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    TARN_CHECK(inflateInit2(&stream_, kGzipOnly) == Z_OK);
  }
  ~GzipDecoder() override { inflateEnd(&stream_); }
  GzipDecoder(const GzipDecoder&) = delete;
  GzipDecoder& operator=(const GzipDecoder&) = delete;

  // Broken data is said once nothing comes before it: zlib says it again.
  Result<Progress> Step(std::span<const char> in, std::span<char> out) override {
    stream_.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(in.data()));
    stream_.avail_in = static_cast<uInt>(in.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    const int code = inflate(&stream_, Z_NO_FLUSH);
    if (code == Z_STREAM_END) {
      inflateReset(&stream_);
    } else if (code != Z_OK && code != Z_BUF_ERROR && stream_.avail_out == out.size()) {
      return DataLoss("broken gzip data");
    }
    return Progress{in.size() - stream_.avail_in, out.size() - stream_.avail_out,
                    code == Z_STREAM_END};
  }

 private:
  z_stream stream_{};
};

class ZstdDecoder final : public DecodingReader::Decoder {
 public:
  // A block at a time: of a call that fails nothing is given.
  Result<Progress> Step(std::span<const char> in, std::span<char> out) override {
    ZSTD_inBuffer from{in.data(), std::min(in.size(), wanted_), 0};
    ZSTD_outBuffer to{out.data(), out.size(), 0};
    const size_t state = ZSTD_decompressStream(context_.get(), &to, &from);
    if (ZSTD_isError(state) != 0) {
      const std::string why = fmt::format("broken zstd data: {}", ZSTD_getErrorName(state));
      if (ZSTD_getErrorCode(state) == ZSTD_error_frameParameter_windowTooLarge)
        return ResourceExhausted(why);
      return DataLoss(why);
    }
    wanted_ = state == 0 ? kHeaderBytes : state;
    return Progress{from.pos, to.pos, state == 0};
  }

 private:
  static constexpr size_t kHeaderBytes = 5;  // the least of a frame

  size_t wanted_ = kHeaderBytes;  // input that completes the next step
  const std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context_{ZSTD_createDCtx(),
                                                                    ZSTD_freeDCtx};
};

std::unique_ptr<DecodingReader::Decoder> DecoderFor(std::string_view beginning) {
  if (beginning.starts_with(kGzipMagic)) return std::make_unique<GzipDecoder>();
  if (beginning.starts_with(kZstdMagic)) return std::make_unique<ZstdDecoder>();
  return nullptr;
}

}  // namespace

DecodingReader::DecodingReader(Source source) : source_(std::move(source)), held_(kHeldBytes) {}
DecodingReader::~DecodingReader() = default;

Status DecodingReader::Begin() {
  while (end_ < kMagicBytes && !ended_) {
    TARN_ASSIGN_OR_RETURN(const size_t count, source_(std::span(held_).subspan(end_)));
    end_ += count;
    ended_ = count == 0;
  }
  decoder_ = DecoderFor({held_.data(), end_});
  return {};
}

Status DecodingReader::Fill() {
  TARN_ASSIGN_OR_RETURN(const size_t count, source_(held_));
  begin_ = 0;
  end_ = count;
  ended_ = count == 0;
  return {};
}

Result<size_t> DecodingReader::Read(std::span<char> buffer) {
  if (!std::exchange(begun_, true)) TARN_TRY(Begin());
  if (decoder_ != nullptr) return Decode(buffer);
  if (begin_ == end_) return ended_ ? 0 : source_(buffer);
  const size_t count = std::min(buffer.size(), end_ - begin_);
  std::memcpy(buffer.data(), held_.data() + begin_, count);
  begin_ += count;
  return count;
}

Result<size_t> DecodingReader::Decode(std::span<char> buffer) {
  size_t made = 0;
  while (failed_.ok() && made < buffer.size()) {
    const auto some = DecodeSome(buffer.subspan(made));
    if (some.ok() && *some == 0) return made;
    if (some.ok()) {
      made += *some;
    } else {
      failed_ = some.error();
    }
  }
  if (made == 0 && !failed_.ok()) return failed_.error();
  return made;
}

Result<size_t> DecodingReader::DecodeSome(std::span<char> buffer) {
  for (;;) {
    if (begin_ == end_ && !ended_) TARN_TRY(Fill());
    if (!within_member_) {  // padding between members
      while (begin_ < end_ && held_[begin_] == '\0') ++begin_;
      if (begin_ == end_ && ended_) return 0;
      if (begin_ == end_) continue;
    }
    TARN_ASSIGN_OR_RETURN(const auto step,
                          decoder_->Step({held_.data() + begin_, end_ - begin_}, buffer));
    begin_ += step.taken;
    within_member_ = !step.member_ended;
    if (step.made > 0) return step.made;
    if (ended_ && within_member_ && begin_ == end_)
      return DataLoss("the compressed data ends before its end");
  }
}

}  // namespace tarn::codec
