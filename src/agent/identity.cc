#include "agent/identity.h"

#include <fmt/format.h>
#include <fnmatch.h>
#include <zlib.h>

#include <set>

#include "base/bytes.h"
#include "base/text.h"
#include "codec/hash.h"

namespace tarn::agent {
namespace {

constexpr size_t kInputBytes = 64 << 10;
constexpr uint32_t kRungs[] = {256, 512, 1024, 2048, 4096, 8192, 16384};

class PlainReader final : public LogReader {
 public:
  explicit PlainReader(std::unique_ptr<os::File> file) : file_(std::move(file)) {}
  Result<size_t> Read(uint64_t offset, std::span<char> buffer) override {
    return file_->ReadInto(offset, buffer);
  }
  Result<uint64_t> Size() override { return file_->Size(); }
  bool compressed() const override { return false; }
  bool complete() const override { return true; }

 private:
  std::unique_ptr<os::File> file_;
};

// Inflates forward; one or more gzip members (RFC 1952). Zero padding after a member ends it. What
// the last Read gave stays here, since a batch ends with a whole line and the next one begins
// there: so the file is inflated once. While it rests it costs no memory but the object.
class GzipReader final : public LogReader {
 public:
  explicit GzipReader(std::unique_ptr<os::File> file) : file_(std::move(file)) {}
  ~GzipReader() override { Close(); }
  GzipReader(const GzipReader&) = delete;
  GzipReader& operator=(const GzipReader&) = delete;

  Result<size_t> Read(uint64_t offset, std::span<char> buffer) override {
    if (!open_ || offset < position_ - kept_.size()) TARN_TRY(Restart());
    Release(offset);
    char skipped[16 << 10];
    while (position_ < offset) {
      const size_t wanted = std::min<uint64_t>(sizeof(skipped), offset - position_);
      TARN_ASSIGN_OR_RETURN(const size_t count, Inflate({skipped, wanted}));
      if (count == 0) return size_t{0};
    }
    const size_t kept = kept_.size();
    if (kept < buffer.size()) {
      kept_.resize(buffer.size());
      const auto count = Inflate({kept_.data() + kept, buffer.size() - kept});
      kept_.resize(kept + (count.ok() ? *count : 0));
      // At the present end of the file, which may wait there for long.
      if (kept_.capacity() > 2 * kept_.size() + kInputBytes) kept_.shrink_to_fit();
      if (!count.ok()) return count.error();
    }
    return kept_.copy(buffer.data(), buffer.size());
  }
  void Release(uint64_t offset) override {
    const uint64_t begin = position_ - kept_.size();
    if (offset > begin) kept_.erase(0, std::min<uint64_t>(offset - begin, kept_.size()));
  }
  void Rest() override {
    Close();
    position_ = 0;
    kept_ = std::string();
    input_ = std::vector<char>();
  }
  Result<uint64_t> Size() override { return furthest_ + (complete_ ? 0 : 1); }
  bool compressed() const override { return true; }
  bool complete() const override { return complete_; }
  const Error* damage() const override { return damage_ ? &*damage_ : nullptr; }

 private:
  void Close() {
    if (open_) inflateEnd(&stream_);
    open_ = false;
  }
  Status Restart() {
    Close();
    stream_ = z_stream{};
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    if (inflateInit2(&stream_, kGzipOnly) != Z_OK) return ResourceExhausted("no memory for gzip");
    open_ = true;
    kept_.clear();
    input_.resize(kInputBytes);
    position_ = 0;
    input_offset_ = 0;
    between_members_ = false;
    damage_.reset();
    stream_.avail_in = 0;
    return {};
  }
  // Gets more of the file once the last of it is used. False: no more bytes at present.
  Result<bool> Fill() {
    if (stream_.avail_in > 0) return true;
    TARN_ASSIGN_OR_RETURN(const size_t count, file_->ReadInto(input_offset_, input_));
    input_offset_ += count;
    stream_.next_in = reinterpret_cast<Bytef*>(input_.data());
    stream_.avail_in = static_cast<uInt>(count);
    return count > 0;
  }
  Result<size_t> Inflate(std::span<char> out) {
    if (damage_) return size_t{0};
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    while (stream_.avail_out > 0) {
      TARN_ASSIGN_OR_RETURN(const bool more, Fill());
      if (between_members_ && (!more || *stream_.next_in == 0)) {
        complete_ = true;
        break;
      }
      between_members_ = false;
      const uInt room = stream_.avail_out;
      const int code = inflate(&stream_, Z_NO_FLUSH);  // without input too: output may be pending
      if (code == Z_STREAM_END) {
        between_members_ = true;
        inflateReset(&stream_);
      } else if (code != Z_OK && code != Z_BUF_ERROR) {
        const uint64_t at = input_offset_ - stream_.avail_in;
        damage_ = DataLoss(fmt::format("broken gzip data near its byte {}, after {} bytes of lines",
                                       at, position_ + out.size() - stream_.avail_out));
        break;
      } else if (!more && stream_.avail_out == room) {
        break;
      }
    }
    const size_t count = out.size() - stream_.avail_out;
    position_ += count;
    furthest_ = std::max(furthest_, position_);
    return count;
  }

  std::unique_ptr<os::File> file_;
  z_stream stream_{};
  std::vector<char> input_;
  std::string kept_;  // what was read before position_ and may be asked for again
  bool open_ = false;
  bool between_members_ = false;
  bool complete_ = false;
  std::optional<Error> damage_;
  uint64_t position_ = 0;
  uint64_t furthest_ = 0;
  uint64_t input_offset_ = 0;
};

struct GlobWalk {
  const os::FileSystem& files;
  const std::vector<std::string_view> parts;
  const bool wild;
  const size_t limit;
  std::set<std::string> found;
  std::vector<std::pair<std::string, Error>> failures;

  void Failed(const std::string& path, const Error& error) {
    if (error.code() == Code::kNotFound && wild) return;
    if (failures.size() < limit) failures.emplace_back(path, error);
  }

  // `depth` is bounded by the number of parts, the work by `limit` and the folders that match.
  void Step(const std::string& folder, size_t depth) {
    if (found.size() >= limit) return;
    const std::string_view part = parts[depth];
    const bool last = depth + 1 == parts.size();
    if (!HasWildcard(part)) {
      const std::string path = os::JoinPath(folder, part);
      if (!last) return Step(path, depth + 1);
      if (const auto info = files.Stat(path); !info.ok()) return Failed(path, info.error());
      found.insert(path);
      return;
    }
    const auto names = files.List(folder);
    if (!names.ok()) return Failed(folder, names.error());
    const std::string pattern(part);
    for (const std::string& name : *names) {
      if (fnmatch(pattern.c_str(), name.c_str(), FNM_PERIOD) != 0) continue;
      const std::string path = os::JoinPath(folder, name);
      if (last) {
        if (found.size() < limit) found.insert(path);
      } else {
        Step(path, depth + 1);
      }
    }
  }
};

}  // namespace

size_t BaseHeadLength(std::string_view head) {
  head = head.substr(0, kBaseHeadBytes);
  size_t begin = 0;
  for (;;) {
    const size_t end = head.find('\n', begin);
    if (end == std::string_view::npos) return head.size() == kBaseHeadBytes ? kBaseHeadBytes : 0;
    if (head[begin] != '#') return end + 1;
    begin = end + 1;
    if (begin == head.size()) return begin == kBaseHeadBytes ? begin : 0;
  }
}

std::string FileIdOf(std::string_view source, std::string_view head) {
  std::string text = "tarn file 1";
  text.push_back('\0');
  text.append(source).push_back('\0');
  return ToHex(codec::Sha256(text.append(head)).substr(0, 16));
}

std::string NextFileId(std::string_view file_id, uint64_t boot) {
  std::string text = "tarn file 1 next";
  text.push_back('\0');
  text.append(file_id).push_back('\0');
  return ToHex(codec::Sha256(text.append(fmt::format("{:016x}", boot))).substr(0, 16));
}

uint64_t HeadHash(std::string_view head, size_t length) {
  return codec::Xxh3(head.substr(0, length));
}

Ladder LadderOf(std::string_view head) {
  Ladder ladder;
  for (const uint32_t length : kRungs) {
    if (head.size() < length) break;
    ladder.push_back({length, HeadHash(head, length)});
  }
  return ladder;
}

Likeness Compare(const Ladder& known, const Ladder& fresh) {
  const size_t common = std::min(known.size(), fresh.size());
  for (size_t i = 0; i < common; ++i) {
    if (known[i] != fresh[i]) return Likeness::kDifferent;
  }
  return fresh.size() < known.size() ? Likeness::kUnsure : Likeness::kSame;
}

uint32_t TellingLength(const Ladder& known, const Ladder& fresh) {
  for (size_t i = 0; i < fresh.size(); ++i) {
    if (i >= known.size() || known[i] != fresh[i]) return fresh[i].length;
  }
  return 0;
}

Error EndsTooSoon(uint64_t sent) {
  return DataLoss(
      fmt::format("the gzip data ends too soon; its whole lines are sent, {} bytes, and "
                  "what follows once the file has grown",
                  sent));
}

std::optional<bool> HoldsAnchor(LogReader& reader, const Anchor& anchor) {
  if (anchor.length == 0) return true;
  char bytes[kAnchorBytes];
  if (anchor.length > kAnchorBytes || anchor.length > anchor.end) return false;
  const auto count = reader.Read(anchor.end - anchor.length, {bytes, anchor.length});
  if (!count.ok() || *count < anchor.length) return std::nullopt;
  return codec::Xxh3({bytes, anchor.length}) == anchor.hash;
}

Result<Anchor> AnchorAt(LogReader& reader, uint64_t end) {
  Anchor anchor;
  anchor.end = end;
  anchor.length = static_cast<uint32_t>(std::min<uint64_t>(end, kAnchorBytes));
  char bytes[kAnchorBytes];
  TARN_ASSIGN_OR_RETURN(const size_t count,
                        reader.Read(end - anchor.length, {bytes, anchor.length}));
  if (count < anchor.length) return NotFound("the file does not reach its anchor");
  anchor.hash = codec::Xxh3({bytes, anchor.length});
  return anchor;
}

Result<std::unique_ptr<LogReader>> ReadLog(std::unique_ptr<os::File> file) {
  TARN_ASSIGN_OR_RETURN(const std::string magic, file->ReadAt(0, 2));
  if (magic == "\x1f\x8b") {
    return std::unique_ptr<LogReader>(std::make_unique<GzipReader>(std::move(file)));
  }
  return std::unique_ptr<LogReader>(std::make_unique<PlainReader>(std::move(file)));
}

Result<std::unique_ptr<LogReader>> OpenLog(os::FileSystem& files, const std::string& path,
                                           const os::FileInfo& info) {
  TARN_ASSIGN_OR_RETURN(auto file, files.Open(path, os::OpenMode::kRead));
  TARN_ASSIGN_OR_RETURN(const os::FileInfo now, files.Stat(path));
  if (!os::IsSameFile(now, info)) {
    return Conflict(fmt::format("{} was replaced while it was opened", path));
  }
  return ReadLog(std::move(file));
}

bool HasWildcard(std::string_view pattern) {
  return pattern.find_first_of("*?[") != std::string_view::npos;
}

GlobMatches ExpandGlob(const os::FileSystem& files, const std::string& pattern, size_t limit) {
  std::vector<std::string_view> parts;
  for (const std::string_view part : Split(pattern, '/')) {
    if (!part.empty()) parts.push_back(part);
  }
  if (parts.empty()) return {};
  GlobWalk walk{files, std::move(parts), HasWildcard(pattern), limit, {}, {}};
  walk.Step("/", 0);
  return {{walk.found.begin(), walk.found.end()}, std::move(walk.failures)};
}

}  // namespace tarn::agent
