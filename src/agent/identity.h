#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "os/file_system.h"

namespace tarn::agent {

// How a file is known: docs/formats/agent-batch.md, "File identity".

inline constexpr size_t kBaseHeadBytes = 1024;  // the first line counts up to here
inline constexpr size_t kHeadBytes = 16 << 10;  // heads are compared up to here

inline constexpr uint32_t kFirstRung = 256;  // then doubling

// Hash of the first `length` bytes of a file.
struct Rung {
  uint32_t length = 0;
  uint64_t hash = 0;
  bool operator==(const Rung&) const = default;
};

// Hash of the `length` bytes before `end`: what was last read of a file. A file that is truncated
// and filled again may begin as before; here it differs. Length 0: nothing is known.
inline constexpr uint32_t kAnchorBytes = 256;
struct Anchor {
  uint64_t end = 0;
  uint32_t length = 0;
  uint64_t hash = 0;
  bool operator==(const Anchor&) const = default;
};

// What is known of the beginning of a file: the rungs at 256, 512, … 16,384 that it reaches.
using Ladder = std::vector<Rung>;

// End of the first line that does not begin with '#', at most 1,024; 0 while there is none yet.
size_t BaseHeadLength(std::string_view head);
std::string FileIdOf(std::string_view source, std::string_view head);
// Of a file that goes on after its machine died, in the boot with that number.
std::string NextFileId(std::string_view file_id, uint64_t boot);
Ladder LadderOf(std::string_view head);
uint64_t HeadHash(std::string_view head, size_t length);

enum class Likeness : uint8_t {
  kSame,       // equal as far as the known file reaches
  kDifferent,  // they differ at a common rung
  kUnsure,     // equal so far, but the new file is too short to tell
};
Likeness Compare(const Ladder& known, const Ladder& fresh);
// The smallest rung of `fresh` that tells it from `known` (differs, or known has none); 0: none.
uint32_t TellingLength(const Ladder& known, const Ladder& fresh);

// The bytes of a log file, whatever its compression. Thread-confined.
class LogReader {
 public:
  virtual ~LogReader() = default;
  // Bytes of the uncompressed stream from `offset`, fewer at its present end. Reading forward is
  // cheap, and so is beginning again inside what the last call read; going back further in a
  // compressed file inflates it again from its start.
  virtual Result<size_t> Read(uint64_t offset, std::span<char> buffer) = 0;
  // What was read below `offset` is not needed again.
  virtual void Release(uint64_t /*offset*/) {}
  // Gives back all working memory; the next Read starts a compressed file again.
  virtual void Rest() {}
  // Size of the uncompressed stream as far as it is known: for gzip what was read so far, and one
  // more while its end was not seen.
  virtual Result<uint64_t> Size() = 0;
  virtual bool compressed() const = 0;
  // False while a compressed file has no proper end yet (it is still being written, or cut off).
  virtual bool complete() const = 0;
  // Where a compressed file is damaged, once Read has met that; it reads up to there.
  virtual const Error* damage() const { return nullptr; }
};

// Of a compressed file that is cut off: all its whole lines were sent, `sent` bytes.
Error EndsTooSoon(uint64_t sent);

// Whether the bytes before the anchor's end are still those. Nullopt: the file does not reach it at
// present, or cannot be read.
std::optional<bool> HoldsAnchor(LogReader& reader, const Anchor& anchor);

// Of the bytes before `end`.
Result<Anchor> AnchorAt(LogReader& reader, uint64_t end);

// Gzip is known by its first bytes.
Result<std::unique_ptr<LogReader>> ReadLog(std::unique_ptr<os::File> file);
// Conflict if the path changed hands meanwhile: the file opened is the one with `info`'s device and
// inode, or none.
Result<std::unique_ptr<LogReader>> OpenLog(os::FileSystem& files, const std::string& path,
                                           const os::FileInfo& info);

bool HasWildcard(std::string_view pattern);

// Paths that match a glob.
struct GlobMatches {
  std::vector<std::string> paths;  // sorted
  // Folders that cannot be read, files that cannot be looked at; NotFound only of a pattern
  // without a wildcard.
  std::vector<std::pair<std::string, Error>> failures;
};
// '*', '?' and '[…]' work in every part of an absolute path. Hidden names match only patterns that
// begin with a dot. At most `limit` paths.
GlobMatches ExpandGlob(const os::FileSystem& files, const std::string& pattern, size_t limit);

}  // namespace tarn::agent
