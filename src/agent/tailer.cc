#include "agent/tailer.h"

#include <algorithm>
#include <limits>

#include "base/text.h"
#include "codec/hash.h"

namespace tarn::agent {

using agent_wire::kMaxLineBytes;

namespace {

constexpr int64_t kDiskRetryMicros = 10'000'000;
constexpr int64_t kGzipRetryMicros = 1'000'000;
constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

// A compressed file's size is only known as far as it was read: the rest is due at once.
void NotePackedSize(TrackedFile& file) {
  const auto known = file.reader->Size();
  const uint64_t least = file.read_offset + (file.reader->complete() ? 0 : 1);
  file.size = std::max(known.ok() ? *known : least, least);
  file.reader->Release(file.read_offset);
  if (file.size == file.read_offset) file.reader->Rest();
}

// Of the line that the payload, which is next, ends inside of.
std::optional<uint64_t> LineBeginAfter(const TrackedFile& file, std::string_view payload) {
  const size_t newline = payload.rfind('\n');
  if (newline == std::string_view::npos) return file.line_begin.value_or(file.read_offset);
  if (newline + 1 == payload.size()) return std::nullopt;
  return file.read_offset + newline + 1;
}

}  // namespace

Tailer::Tailer(FileTable& table, const AgentSettings& settings, const os::Clock& clock,
               Events& events, Identity identity)
    : table_(table),
      settings_(settings),
      clock_(clock),
      events_(events),
      identity_(std::move(identity)) {
  for (const FlowSettings& flow : settings_.flows) framers_.emplace_back(flow.multiline_start);
}

uint64_t Tailer::LimitOf(const TrackedFile& file) const {
  return file.batch_limit == 0 ? settings_.batch_bytes : file.batch_limit;
}

bool Tailer::Due(const TrackedFile& file, int64_t now) const {
  if (!file.reader || file.size <= file.read_offset || now < file.hold_until) return false;
  if (file.size == file.stuck_size && now < file.next_try) return false;
  return flush_ || file.reader->compressed() || file.size - file.read_offset >= LimitOf(file) ||
         now - file.pending_since >= settings_.batch_age_micros;
}

// Compressed files are read one after the other: each that is in work needs memory for it.
bool Tailer::MayInflate(uint64_t slot, int64_t now) {
  if (slot != inflated_) {
    const TrackedFile* other = table_.Find(inflated_);
    if (other != nullptr && Due(*other, now) && other->reader->compressed()) return false;
    inflated_ = slot;
  }
  return true;
}

// Nobody will write the rest of its last line.
bool Tailer::Ended(const TrackedFile& file, int64_t now) {
  const bool left = !file.present || file.state.renamed;
  return left && now - std::max(file.last_growth, file.left_at) >= kPartialMicros;
}

std::optional<PendingBatch> Tailer::Next() {
  const int64_t now = clock_.MonotonicMicros();
  auto& files = table_.files();
  if (files.empty()) return std::nullopt;
  auto it = files.upper_bound(turn_);
  for (size_t i = 0; i < files.size(); ++i) {
    if (it == files.end()) it = files.begin();
    const bool due = Due(it->second, now);
    if (due && (!it->second.reader->compressed() || MayInflate(it->first, now))) {
      turn_ = it->first;
      if (auto batch = Cut(it->first, it->second)) return batch;
    }
    ++it;
  }
  return std::nullopt;
}

bool Tailer::NothingFollows(const TrackedFile& file, int64_t now) {
  return file.reader->compressed() ? file.reader->complete() : Ended(file, now);
}

bool Tailer::PassHeading(TrackedFile& file, int64_t now) {
  const int64_t lines = settings_.flows[file.flow].skip_lines;
  if (lines == 0 || file.read_offset > 0) return true;
  std::string heading(kMaxLineBytes, '\0');
  const auto count = ReadOn(file, heading, now);
  if (!count.ok()) return true;  // as the next read will say
  heading.resize(*count);
  size_t end = EndOfFirstLines(heading, lines);
  if (end == 0 && *count == kMaxLineBytes) return true;  // that is no heading
  if (end == 0 && NothingFollows(file, now)) end = *count;
  if (end == 0) return false;
  if (!table_.CheckIntact(file)) return false;
  heading.resize(end);
  NoteHandedOut(file, heading, LineHashes(heading));
  file.read_offset = end;
  if (file.reader->compressed()) NotePackedSize(file);
  if (file.size <= file.read_offset) file.pending_since = 0;
  MoveTo(file, end);
  return true;
}

Result<size_t> Tailer::ReadOn(TrackedFile& file, std::span<char> buffer, int64_t now) {
  TARN_ASSIGN_OR_RETURN(const size_t count, file.reader->Read(file.read_offset, buffer));
  const uint64_t end = file.read_offset + count;
  if (!file.reader->compressed() && end > file.size) NoteSize(file, end, now);
  return count;
}

Frame Tailer::FrameOf(TrackedFile& file, std::string& buffer, int64_t now) {
  const size_t limit = static_cast<size_t>(LimitOf(file));
  for (size_t wanted = limit;; wanted = std::min(2 * wanted, kMaxLineBytes)) {
    buffer.resize(wanted);
    const auto count = ReadOn(file, buffer, now);
    if (!count.ok()) {
      table_.SetProblem(file, ProblemKind::kUnreadable, count.error());
      file.hold_until = now + kDiskRetryMicros;
      return {};
    }
    buffer.resize(*count);
    const int64_t still = now - file.last_growth;
    const bool at_end = *count < wanted;
    // Of a compressed file that is damaged or cut off whole lines are sent.
    const bool whole = file.reader->complete();
    const bool damaged = file.reader->damage() != nullptr;
    const bool quiet = at_end && (flush_ || damaged || still >= kQuietMicros);
    const bool final = at_end && whole && (flush_ || NothingFollows(file, now));
    const Framer& framer = framers_[file.flow];
    Frame frame = file.line_begin ? framer.FindInside(buffer, quiet, final)
                                  : framer.Find(buffer, quiet, final);
    if (frame.size > 0 && wanted > limit) return FirstRecord(std::move(frame), buffer);
    if (frame.size > 0 || at_end || wanted >= kMaxLineBytes) return frame;
  }
}

// For more of the file.
void Tailer::Wait(TrackedFile& file, int64_t now) {
  file.stuck_size = file.size;
  const bool waits_for_quiet =
      framers_[file.flow].multiline() && now - file.last_growth < kQuietMicros;
  file.next_try = waits_for_quiet ? file.last_growth + kQuietMicros
                                  : std::max(file.last_growth, file.left_at) + kPartialMicros;
  if (file.reader->compressed()) file.next_try = now + kGzipRetryMicros;
  if (file.reader->compressed()) WaitForPacked(file, now);
  if (file.next_try <= now) file.next_try = now + kPartialMicros;
}

void Tailer::WaitForPacked(TrackedFile& file, int64_t now) {
  const Error* damage = file.reader->damage();
  if (damage != nullptr) {
    table_.SetProblem(file, ProblemKind::kDamaged, *damage);
  } else if (!file.reader->complete()) {
    const bool still = flush_ || now - file.last_growth >= kPartialMicros;
    if (still && !file.problem && now >= file.hold_until) {
      table_.SetProblem(file, ProblemKind::kWaits, EndsTooSoon(file.read_offset));
    }
    if (file.present && IsReadToTheCut(file)) {  // until FileTable sees that it was written to
      file.reader->Rest();
      file.next_try = kNever;
    }
    return;
  }
  file.size = file.read_offset;
  file.reader->Rest();
}

std::optional<PendingBatch> Tailer::Cut(uint64_t slot, TrackedFile& file) {
  const int64_t now = clock_.MonotonicMicros();
  const bool passed = PassHeading(file, now);
  if (!file.reader) return std::nullopt;  // it is another file
  std::string buffer;
  Frame frame;
  if (passed) frame = FrameOf(file, buffer, now);
  if (frame.size == 0) {
    Wait(file, now);
    return std::nullopt;
  }
  // Whatever was read under a changed head belongs to another file.
  if (!table_.CheckIntact(file)) return std::nullopt;
  buffer.resize(frame.size);
  return Make(slot, file, std::move(frame), std::move(buffer));
}

PendingBatch Tailer::Make(uint64_t slot, TrackedFile& file, Frame frame, std::string payload) {
  table_.ClearProblem(file);
  if (frame.cut && !file.line_begin) events_.LineCut(file.state.path, file.read_offset);
  PendingBatch batch;
  batch.slot = slot;
  batch.epoch = file.epoch;
  agent_wire::BatchHeader& header = batch.header;
  header.agent_id = identity_.agent_id;
  header.batch_number = ++identity_.last_batch_number;
  header.host = settings_.host;
  header.source = file.state.source;
  header.path = file.state.path.substr(0, agent_wire::kMaxNameBytes);
  header.file_id = file.state.file_id;
  header.format = settings_.flows[file.flow].format;
  header.begin_offset = file.read_offset;
  header.end_offset = file.read_offset + payload.size();
  header.line_count = CountLines(payload) + (payload.back() == '\n' ? 0 : 1);
  header.read_time = clock_.Now();
  header.cut = frame.cut;
  const bool most_rows =
      std::max<uint64_t>(header.line_count, frame.record_ends.size()) >= agent_wire::kMaxRows;
  header.record_ends = std::move(frame.record_ends);
  header.line_begin = file.line_begin;
  const bool behind = file.size - file.read_offset > LimitOf(file);
  const bool was_full = most_rows || (behind && payload.size() + kMaxLineBytes > LimitOf(file));
  // What is far behind was written a while ago: a power cut does not take it.
  const bool with_lines = !behind && !file.reader->compressed();
  NoteHandedOut(file, payload, with_lines ? LineHashes(payload) : std::vector<uint32_t>());
  file.read_offset = header.end_offset;
  const bool packed = file.reader->compressed();
  if (packed) NotePackedSize(file);
  if (file.size <= file.read_offset) {
    file.pending_since = 0;
  } else if (!was_full && !packed) {
    file.pending_since = clock_.MonotonicMicros();
  }
  batch.payload = std::move(payload);
  return batch;
}

// Before read_offset moves over the payload.
void Tailer::NoteHandedOut(TrackedFile& file, std::string_view payload,
                           std::vector<uint32_t> lines) {
  const size_t kept = payload.size() >= kAnchorBytes ? 0 : kAnchorBytes - payload.size();
  if (file.tail.size() > kept) file.tail.erase(0, file.tail.size() - kept);
  file.tail.append(payload.substr(payload.size() - std::min(payload.size(), size_t{kAnchorBytes})));
  const uint64_t end = file.read_offset + payload.size();
  file.line_begin = LineBeginAfter(file, payload);
  Piece piece;
  piece.begin = file.read_offset;
  piece.anchor = {end, static_cast<uint32_t>(file.tail.size()), codec::Xxh3(file.tail)};
  piece.lines = std::move(lines);
  file.handed_out.push_back({std::move(piece), file.line_begin});
}

void Tailer::Void(TrackedFile& file) {
  ++file.epoch;
  file.tail.clear();
  file.handed_out.clear();
  file.read_offset = file.state.acked;
  file.line_begin = file.state.line_begin;
  if (IsSpent(file)) table_.ClearProblem(file);  // it is read again
  file.stuck_size = 0;
  if (file.size > file.read_offset) file.pending_since = clock_.MonotonicMicros();
}

uint64_t Tailer::KnownSize(TrackedFile& file, uint64_t wanted) {
  const uint64_t known = std::max(file.size, file.state.size);
  if (wanted <= known || !file.reader) return known;
  const auto size = file.reader->Size();
  if (size.ok() && *size >= wanted) {  // another agent was faster
    NoteSize(file, *size, clock_.MonotonicMicros());
  } else if (size.ok() && *size >= file.read_offset && !std::exchange(file.ahead_said, true)) {
    events_.ServerIsAhead(file.state.path, wanted, *size);
  }
  return std::max(known, file.size);
}

void Tailer::MoveTo(TrackedFile& file, uint64_t offset) {
  const bool plain = !file.reader || !file.reader->compressed();
  if (plain) offset = std::min(offset, KnownSize(file, offset));
  if (offset != file.state.acked) file.state.line_begin.reset();
  file.state.acked = offset;
  while (!file.handed_out.empty() && file.handed_out.front().piece.anchor.end <= offset) {
    HandedOut& done = file.handed_out.front();
    file.state.anchor = done.piece.anchor;
    if (done.piece.anchor.end == offset) file.state.line_begin = done.line_begin;
    if (plain) table_.Remember(file, std::move(done.piece));
    file.handed_out.pop_front();
  }
  if (plain && file.reader) NoteSkipped(file);
  changed_ = true;
}

// The server had more than was handed out: the agent was killed before its checkpoint said so.
void Tailer::NoteSkipped(TrackedFile& file) {
  const FileState& state = file.state;
  const uint64_t noted = state.trail.empty() ? 0 : state.trail.back().anchor.end;
  const uint64_t step = LimitOf(file);
  const uint64_t most = kMostPieces * step;
  uint64_t at = std::max(noted, state.acked > most ? state.acked - most : 0);
  while (at < state.acked) {
    const auto anchor = AnchorAt(*file.reader, std::min(at + step, state.acked));
    if (!anchor.ok()) return;
    Piece piece{at, *anchor, {}};
    if (at == noted) {  // where a line begins
      std::string bytes(static_cast<size_t>(anchor->end - at), '\0');
      const auto count = file.reader->Read(at, bytes);
      if (count.ok() && *count == bytes.size()) piece.lines = LineHashes(bytes);
    }
    table_.Remember(file, std::move(piece));
    at = anchor->end;
  }
}

void Tailer::Apply(const Outcome& outcome) {
  TrackedFile* file = table_.Find(outcome.slot);
  if (file == nullptr) return;
  const bool stale = outcome.epoch != file->epoch;
  switch (outcome.answer) {
    case Answer::kStored:
      if (outcome.begin_offset > file->state.acked) return;  // voided meanwhile
      if (outcome.next_offset < outcome.end_offset) break;   // stored less: as kExpected
      if (outcome.next_offset > file->state.acked) MoveTo(*file, outcome.next_offset);
      if (file->read_offset < file->state.acked) {
        file->read_offset = file->state.acked;
        file->line_begin = file->state.line_begin;
        file->tail.clear();
      }
      if (file->size <= file->read_offset) file->pending_since = 0;
      file->last_rewind = ~uint64_t{0};
      return;
    case Answer::kExpected:
      break;
    case Answer::kTooLarge:
      if (stale) return;
      if (LimitOf(*file) > kLeastBatchBytes) {
        file->batch_limit = std::max(LimitOf(*file) / 2, kLeastBatchBytes);
        return Void(*file);
      }
      [[fallthrough]];
    case Answer::kRefused:
      if (stale) return;
      events_.BatchRefused(file->state.path, outcome.status, outcome.text);
      file->hold_until = clock_.MonotonicMicros() + kHoldMicros;
      return Void(*file);
  }
  if (stale) return;
  events_.Rewound(file->state.path, outcome.begin_offset, outcome.next_offset);
  if (file->last_rewind == outcome.next_offset) {
    // Asked for twice without any progress in between.
    file->hold_until = clock_.MonotonicMicros() + kHoldMicros;
  }
  file->last_rewind = outcome.next_offset;
  MoveTo(*file, outcome.next_offset);
  Void(*file);
}

std::optional<int64_t> Tailer::NextDue() const {
  std::optional<int64_t> due;
  for (const auto& [slot, file] : table_.files()) {
    if (!file.reader || file.size <= file.read_offset) continue;
    int64_t at = file.pending_since + settings_.batch_age_micros;
    if (file.size == file.stuck_size) at = file.next_try;
    if (flush_ || file.reader->compressed() || file.size - file.read_offset >= LimitOf(file)) {
      at = file.size == file.stuck_size ? file.next_try : 0;
    }
    at = std::max(at, file.hold_until);
    if (at == kNever) continue;
    if (!due || at < *due) due = at;
  }
  return due;
}

bool Tailer::Idle() const {
  for (const auto& [slot, file] : table_.files()) {
    if (file.state.acked < file.read_offset) return false;
    if (file.reader && file.size > file.read_offset && file.size != file.stuck_size) return false;
  }
  return true;
}

}  // namespace tarn::agent
