#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>
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
using Trail = std::deque<Piece>;  // oldest first

// Bounds of one trail.
struct TrailLimits {
  size_t pieces = 0;
  size_t lines = 0;
};
// Of all files together; a file may have its share, and always two pieces.
inline constexpr size_t kTrailPieces = 2'048;
inline constexpr size_t kTrailLines = 8'192;
inline constexpr size_t kMostPieces = 32;  // of one file
TrailLimits ShareOf(size_t files);

// Of the whole lines at the beginning of a batch, at most kTrailLines.
std::vector<uint32_t> LineHashes(std::string_view payload);
// Past the limits the oldest pieces go, and of those that stay the oldest forget their lines.
void AddPiece(Trail& trail, Piece piece, const TrailLimits& limits);
// Nothing was added for long: what is left says where the file was then.
void AgeTrail(Trail& trail);
// What the trail says of bytes past `end` is forgotten.
void CutTrail(LogReader& reader, Trail& trail, const Anchor& end);
// Up to where the reader's file is the known one, as far as the trail can tell: the end of a batch
// or of a line. Nullopt: nothing of the trail is there.
std::optional<uint64_t> IntactEnd(LogReader& reader, const Trail& trail);

}  // namespace tarn::agent
