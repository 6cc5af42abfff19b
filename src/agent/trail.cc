#include "agent/trail.h"

#include <algorithm>
#include <string>

#include "codec/hash.h"

namespace tarn::agent {
namespace {

constexpr size_t kLeastPieces = 2;  // of each file

uint32_t HashOf(std::string_view line) { return static_cast<uint32_t>(codec::Xxh3(line)); }

// What of the piece's bytes can be read.
std::string BytesOf(LogReader& reader, const Piece& piece) {
  std::string bytes(static_cast<size_t>(piece.anchor.end - piece.begin), '\0');
  const auto count = reader.Read(piece.begin, bytes);
  bytes.resize(count.ok() ? *count : 0);
  return bytes;
}

// How many bytes of the piece are there, in whole lines.
uint64_t IntactLines(LogReader& reader, const Piece& piece) {
  if (piece.lines.empty()) return 0;
  const std::string bytes = BytesOf(reader, piece);
  const std::string_view text(bytes);
  size_t at = 0;
  for (const uint32_t hash : piece.lines) {
    const size_t newline = text.find('\n', at);
    if (newline == std::string_view::npos) break;
    if (HashOf(text.substr(at, newline + 1 - at)) != hash) break;
    at = newline + 1;
  }
  return at;
}

// The oldest pieces forget theirs.
void KeepLines(Trail& trail, size_t room) {
  for (auto it = trail.rbegin(); it != trail.rend(); ++it) {
    if (it->lines.size() > room) {
      it->lines.resize(room);
      it->lines.shrink_to_fit();
    }
    room -= it->lines.size();
  }
}

}  // namespace

void TrailBounds::Drop(uint64_t file, const Counted& counted) {
  by_pieces_.erase({counted.pieces, file});
  by_lines_.erase({counted.lines, file});
  pieces_ -= counted.pieces;
  lines_ -= counted.lines;
}

void TrailBounds::Count(uint64_t file, Counted& counted) {
  Drop(file, counted);
  counted.pieces = counted.trail->size();
  counted.lines = 0;
  for (const Piece& piece : *counted.trail) counted.lines += piece.lines.size();
  if (counted.pieces > kLeastPieces) by_pieces_.emplace(counted.pieces, file);
  if (counted.lines > 0) by_lines_.emplace(counted.lines, file);
  pieces_ += counted.pieces;
  lines_ += counted.lines;
}

void TrailBounds::Fit(uint64_t file, Trail& trail) {
  while (trail.size() > kMostPieces) trail.erase(trail.begin());
  Counted& own = trails_[file];
  own.trail = &trail;
  Count(file, own);
  while (pieces_ > kTrailPieces && !by_pieces_.empty()) {
    const uint64_t longest = by_pieces_.rbegin()->second;
    Counted& other = trails_.at(longest);
    other.trail->erase(other.trail->begin());
    Count(longest, other);
  }
  while (lines_ > kTrailLines) {
    const auto [count, longest] = *by_lines_.rbegin();
    Counted& other = trails_.at(longest);
    KeepLines(*other.trail, count - std::min(lines_ - kTrailLines, (count + 1) / 2));
    Count(longest, other);
  }
}

void TrailBounds::Forget(uint64_t file) {
  const auto found = trails_.find(file);
  if (found == trails_.end()) return;
  Drop(file, found->second);
  trails_.erase(found);
}

std::vector<uint32_t> LineHashes(std::string_view payload) {
  std::vector<uint32_t> hashes;
  while (hashes.size() < kTrailLines) {
    const size_t newline = payload.find('\n');
    if (newline == std::string_view::npos) break;
    hashes.push_back(HashOf(payload.substr(0, newline + 1)));
    payload.remove_prefix(newline + 1);
  }
  hashes.shrink_to_fit();
  return hashes;
}

bool AgeTrail(Trail& trail) {
  if (trail.empty() || (trail.size() == 1 && trail.front().lines.empty())) return false;
  trail.erase(trail.begin(), trail.end() - 1);
  trail.front().lines = {};
  return true;
}

void CutTrail(LogReader& reader, Trail& trail, const Anchor& end) {
  while (!trail.empty() && trail.back().begin >= end.end) trail.pop_back();
  if (trail.empty() || trail.back().anchor.end <= end.end) return;
  Piece& last = trail.back();
  last.anchor = end;
  const size_t lines = LineHashes(BytesOf(reader, last)).size();
  last.lines.resize(std::min(last.lines.size(), lines));
}

std::optional<uint64_t> IntactEnd(LogReader& reader, const Trail& trail) {
  size_t held = 0;                             // pieces up to the newest whose end is there
  for (size_t i = 0; i < trail.size(); ++i) {  // forward: a compressed file is inflated once
    if (HoldsAnchor(reader, trail[i].anchor).value_or(false)) held = i + 1;
  }
  if (held > 0) {
    const uint64_t end = trail[held - 1].anchor.end;
    const bool more = held < trail.size() && trail[held].begin == end;
    return end + (more ? IntactLines(reader, trail[held]) : 0);
  }
  const uint64_t lines = trail.empty() ? 0 : IntactLines(reader, trail.front());
  if (lines == 0) return std::nullopt;
  return trail.front().begin + lines;
}

}  // namespace tarn::agent
