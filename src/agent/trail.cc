#include "agent/trail.h"

#include <algorithm>
#include <string>

#include "codec/hash.h"

namespace tarn::agent {
namespace {

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

}  // namespace

TrailLimits ShareOf(size_t files) {
  const size_t divisor = std::max<size_t>(files, 1);
  return {std::clamp<size_t>(kTrailPieces / divisor, 2, kMostPieces), kTrailLines / divisor};
}

std::vector<uint32_t> LineHashes(std::string_view payload) {
  std::vector<uint32_t> hashes;
  while (hashes.size() < kTrailLines) {
    const size_t newline = payload.find('\n');
    if (newline == std::string_view::npos) break;
    hashes.push_back(HashOf(payload.substr(0, newline + 1)));
    payload.remove_prefix(newline + 1);
  }
  return hashes;
}

void AddPiece(Trail& trail, Piece piece, const TrailLimits& limits) {
  trail.push_back(std::move(piece));
  while (trail.size() > limits.pieces) trail.pop_front();
  size_t room = limits.lines;
  for (auto it = trail.rbegin(); it != trail.rend(); ++it) {
    if (it->lines.size() > room) it->lines.resize(room);
    it->lines.shrink_to_fit();
    room -= it->lines.size();
  }
}

void AgeTrail(Trail& trail) {
  if (trail.empty()) return;
  trail.erase(trail.begin(), trail.end() - 1);
  trail.front().lines = {};
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
