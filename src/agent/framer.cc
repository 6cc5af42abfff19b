#include "agent/framer.h"

#include <re2/re2.h>

#include <algorithm>

#include "agent_wire/batch.h"
#include "base/text.h"

namespace tarn::agent {

using agent_wire::kMaxLineBytes;

size_t EndOfFirstLines(std::string_view bytes, int64_t count) {
  size_t end = 0;
  for (; count > 0; --count) {
    end = bytes.find('\n', end) + 1;
    if (end == 0) return 0;
  }
  return end;
}

Frame FirstRecord(Frame frame, std::string_view bytes) {
  if (frame.size == 0) return frame;
  if (frame.record_ends.empty()) {
    frame.size = std::min(bytes.find('\n'), frame.size - 1) + 1;
  } else {
    frame.record_ends.resize(1);
    frame.size = frame.record_ends.front();
  }
  return frame;
}

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
    if (start_ == nullptr) {
      const bool fits = CountLines(lines) <= agent_wire::kMaxRows;
      return {fits ? lines.size() : EndOfFirstLines(lines, agent_wire::kMaxRows), false, {}};
    }
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
  while (line < bytes.size() && frame.record_ends.size() < agent_wire::kMaxRows) {
    const size_t end = bytes.find('\n', line);
    const std::string_view text = bytes.substr(line, end - line);
    if (re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *start_)) {
      frame.record_ends.push_back(static_cast<uint32_t>(line));
      frame.size = line;
    }
    line = end + 1;
  }
  if (quiet && line >= bytes.size() && frame.record_ends.size() < agent_wire::kMaxRows) {
    frame.record_ends.push_back(static_cast<uint32_t>(bytes.size()));
    frame.size = bytes.size();
  }
  return frame;
}

}  // namespace tarn::agent
