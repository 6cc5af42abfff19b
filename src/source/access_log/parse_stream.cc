#include "source/access_log/parse_stream.h"

#include <cstring>
#include <string>

namespace tarn::access_log {
namespace {

constexpr size_t kReadBytes = size_t{1} << 20;
constexpr size_t kWriteBytes = size_t{1} << 20;
constexpr size_t kSlack = 64;  // bytes behind a line the vector code may read

class Run {
 public:
  Run(const Format& format, const ParseStreamIo& io, const ParseStreamOptions& options)
      : io_(io),
        max_line_(options.max_line_bytes),
        parser_(format, options.shape),
        too_long_("line longer than " + std::to_string(max_line_) + " bytes"),
        in_size_(max_line_ + kReadBytes),
        // Not filled: pages nobody writes cost nothing.
        in_(new char[in_size_ + kSlack]),
        out_size_(kWriteBytes + parser_.JsonBound(max_line_)),
        out_(new char[out_size_]) {
    parser_.set_readable_slack(kSlack);
    std::memset(in_.get(), 0, kSlack);
  }

  Result<ParseCounts> Parse() {
    for (;;) {
      if (out_held_ > 0 && io_.waits && io_.waits()) TARN_TRY(Flush());
      const size_t want = std::min(in_size_ - held_, kReadBytes);
      const auto got = io_.read(std::span<char>(in_.get() + held_, want));
      if (!got.ok()) {
        TARN_TRY(Flush());
        return got.error();
      }
      counts_.bytes += *got;
      held_ += *got;
      std::memset(in_.get() + held_, 0, kSlack);
      TARN_TRY(TakeLines());
      if (io_.progress) TARN_TRY(io_.progress(counts_));
      if (*got == 0) break;
    }
    if (held_ > 0 || skipping_) TARN_TRY(TakeLine({in_.get(), held_}));
    TARN_TRY(Flush());
    return counts_;
  }

 private:
  // All whole lines at the front of the buffer; what is left moves to its front.
  Status TakeLines() {
    const char* at = in_.get();
    const char* const end = at + held_;
    for (;;) {
      const auto* newline =
          static_cast<const char*>(std::memchr(at + scanned_, '\n', LeftOf(at, end) - scanned_));
      if (newline == nullptr) break;
      scanned_ = 0;
      TARN_TRY(TakeLine({at, static_cast<size_t>(newline - at)}));
      at = newline + 1;
    }
    held_ = LeftOf(at, end);
    if (held_ > max_line_) {  // cut: its first part is kept, the rest read and let go
      if (!skipping_) TARN_TRY(Reject({at, max_line_}, too_long_));
      skipping_ = true;
      held_ = 0;
    }
    scanned_ = held_;
    std::memmove(in_.get(), at, held_);
    return {};
  }

  static size_t LeftOf(const char* at, const char* end) { return static_cast<size_t>(end - at); }

  Status TakeLine(std::string_view line) {
    if (skipping_) {  // the end of a line that was cut
      skipping_ = false;
      return {};
    }
    if (line.empty() || line == "\r") {
      ++counts_.lines;
      ++counts_.empty;
      return {};
    }
    if (line.size() > max_line_) return Reject(line.substr(0, max_line_), too_long_);
    std::string_view reason;
    char* to = out_.get() + out_held_;
    const std::string_view json = parser_.WriteJson(line, to, reason);
    if (json.empty()) {
      if (line.back() == '\r') line.remove_suffix(1);
      return Reject(line, reason);
    }
    ++counts_.lines;
    ++counts_.parsed;
    if (json.data() != to) {
      TARN_TRY(Flush());
      return io_.write(json);
    }
    out_held_ += json.size();
    return out_held_ >= kWriteBytes ? Flush() : Status();
  }

  Status Reject(std::string_view line, std::string_view reason) {
    ++counts_.lines;
    ++counts_.rejected;
    return io_.reject ? io_.reject(counts_.lines, line, reason) : Status();
  }

  Status Flush() {
    if (out_held_ == 0) return {};
    const size_t size = std::exchange(out_held_, 0);
    return io_.write({out_.get(), size});
  }

  const ParseStreamIo& io_;
  const size_t max_line_;
  Parser parser_;
  const std::string too_long_;
  const size_t in_size_;
  const std::unique_ptr<char[]> in_;
  const size_t out_size_;
  const std::unique_ptr<char[]> out_;
  size_t held_ = 0;     // bytes in in_
  size_t scanned_ = 0;  // of the first line, known to hold no newline
  size_t out_held_ = 0;
  bool skipping_ = false;
  ParseCounts counts_;
};

}  // namespace

Result<ParseCounts> ParseStream(const Format& format, const ParseStreamIo& io,
                                const ParseStreamOptions& options) {
  if (options.max_line_bytes == 0) return InvalidArgument("max_line_bytes must be at least 1");
  return Run(format, io, options).Parse();
}

}  // namespace tarn::access_log
