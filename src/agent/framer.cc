#include "agent/framer.h"

#include <emmintrin.h>
#include <re2/re2.h>

#include <algorithm>

#include "agent_wire/batch.h"

namespace tarn::agent {

using agent_wire::kMaxLineBytes;

Framer::Framer(const std::string& multiline_start) {
  if (!multiline_start.empty())
    start_ = std::make_unique<re2::RE2>(multiline_start, re2::RE2::Quiet);
}
Framer::~Framer() = default;
Framer::Framer(Framer&&) noexcept = default;

Frame Framer::Find(std::string_view bytes, bool quiet, bool final) const {
  const size_t newline = bytes.rfind('\n');
  if (newline != std::string_view::npos) {
    const std::string_view lines = bytes.substr(0, newline + 1);
    if (start_ == nullptr) return {lines.size(), false, {}};
    Frame frame = FindRecords(lines, quiet || final);
    if (frame.size > 0) return frame;
    if (bytes.size() < kMaxLineBytes) return frame;
    frame.size = lines.size();
    frame.record_ends = {static_cast<uint32_t>(lines.size())};
    return frame;
  }
  size_t size = 0;
  if (bytes.size() >= kMaxLineBytes) size = kMaxLineBytes;
  if (size == 0 && final) size = bytes.size();
  Frame frame{size, size > 0, {}};
  if (size > 0 && start_ != nullptr) frame.record_ends = {static_cast<uint32_t>(size)};
  return frame;
}

Frame Framer::FindInside(std::string_view bytes, bool quiet, bool final) const {
  const size_t rest = bytes.find('\n') + 1;
  if (start_ == nullptr || rest == 0) return Find(bytes, quiet, final);
  return {rest, false, {static_cast<uint32_t>(rest)}};
}

Frame Framer::FindRecords(std::string_view bytes, bool quiet) const {
  Frame frame;
  size_t line = bytes.find('\n') + 1;  // the first line begins the first record whatever it says
  while (line < bytes.size() && frame.record_ends.size() + 1 < agent_wire::kMaxRecords) {
    const size_t end = bytes.find('\n', line);
    const std::string_view text = bytes.substr(line, end - line);
    if (re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *start_)) {
      frame.record_ends.push_back(static_cast<uint32_t>(line));
      frame.size = line;
    }
    line = end + 1;
  }
  if (quiet && line >= bytes.size()) {
    frame.record_ends.push_back(static_cast<uint32_t>(bytes.size()));
    frame.size = bytes.size();
  }
  return frame;
}

uint64_t CountLines(std::string_view bytes) {
  // Sixteen bytes a step; each lane counts up to 255 before the lanes are summed.
  const __m128i newline = _mm_set1_epi8('\n');
  uint64_t count = 0;
  size_t i = 0;
  while (i + 16 <= bytes.size()) {
    const size_t steps = std::min<size_t>(255, (bytes.size() - i) / 16);
    __m128i lanes = _mm_setzero_si128();
    for (size_t step = 0; step < steps; ++step, i += 16) {
      const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes.data() + i));
      lanes = _mm_sub_epi8(lanes, _mm_cmpeq_epi8(block, newline));
    }
    const __m128i sums = _mm_sad_epu8(lanes, _mm_setzero_si128());
    count += static_cast<uint64_t>(_mm_cvtsi128_si64(sums)) +
             static_cast<uint64_t>(_mm_cvtsi128_si64(_mm_srli_si128(sums, 8)));
  }
  for (; i < bytes.size(); ++i) count += bytes[i] == '\n' ? 1U : 0U;
  return count;
}

}  // namespace tarn::agent
