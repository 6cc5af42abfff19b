#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/identity.h"

namespace tarn::agent {

// The newest acknowledged batches of a file. A log that lost its end in a power cut is searched for
// the place up to which it still is the one that was read: docs/formats/agent-batch.md, "File
// identity".
struct Piece {
  uint64_t begin = 0;
  Anchor anchor;                // its end
  std::vector<uint32_t> lines;  // hashes of its first whole lines, maybe of none
  bool operator==(const Piece&) const = default;
};
using Trail = std::vector<Piece>;  // oldest first

inline constexpr size_t kTrailPieces = 2'048;  // of all files; but two of each if that is more
inline constexpr size_t kTrailLines = 8'192;   // of all files
inline constexpr size_t kMostPieces = 32;      // of one file

// Holds the trails of all files within these bounds at every moment. A file forgets only while it
// remembers more than any other, and half of its lines at most at a time: each keeps all it has, or
// at least half an equal share. Thread-confined.
class TrailBounds {
 public:
  // The trail of that file is new or has changed. It is borrowed until Forget.
  void Fit(uint64_t file, Trail& trail);
  void Forget(uint64_t file);

 private:
  struct Counted {
    Trail* trail = nullptr;
    size_t pieces = 0;
    size_t lines = 0;
  };
  using Order = std::set<std::pair<size_t, uint64_t>>;  // count, file

  void Count(uint64_t file, Counted& counted);
  void Drop(uint64_t file, const Counted& counted);

  std::map<uint64_t, Counted> trails_;
  Order by_pieces_;  // those that have more than two
  Order by_lines_;   // those that have any
  size_t pieces_ = 0;
  size_t lines_ = 0;
};

// Of the whole lines at the beginning of a batch, at most kTrailLines.
std::vector<uint32_t> LineHashes(std::string_view payload);
// Nothing was added for long: what is left says where the file was then. False: as it was.
bool AgeTrail(Trail& trail);
// What the trail says of bytes past `end` is forgotten.
void CutTrail(LogReader& reader, Trail& trail, const Anchor& end);
// Up to where the reader's file is the known one, as far as the trail can tell: the end of a batch
// or of a line. Nullopt: nothing of the trail is there.
std::optional<uint64_t> IntactEnd(LogReader& reader, const Trail& trail);

}  // namespace tarn::agent
