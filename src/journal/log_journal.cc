#include "journal/log_journal.h"

#include <fmt/format.h>

#include <algorithm>

#include "codec/hash.h"
#include "journal/cursor.h"

namespace tarn::journal {
namespace {

// Synced at the latest after this many bytes, so that the first of many large records is not kept
// waiting for the last.
constexpr uint64_t kBatchBytes = 8U << 20;

uint64_t SumOfBytes(const auto& segments) {
  uint64_t bytes = 0;
  for (const SegmentEntry& segment : segments) bytes += segment.bytes;
  return bytes;
}

}  // namespace

LogJournal::LogJournal(const Environment& environment, std::string folder, const Options& options)
    : environment_(environment),
      folder_(std::move(folder)),
      options_(options),
      epoch_(environment.random.Next()),
      metrics_(environment.metrics) {}

LogJournal::~LogJournal() {
  {
    os::MutexLock lock(mutex_);
    closing_ = true;
    work_.NotifyAll();
    room_.NotifyAll();
    committed_.NotifyAll();
    recovered_.NotifyAll();
  }
  thread_.Join();
}

std::string LogJournal::PathOf(uint64_t segment) const {
  return os::JoinPath(folder_, SegmentName(segment));
}

Status LogJournal::Admit(uint64_t size) const {
  if (size > options_.max_record_bytes) {
    return InvalidArgument(fmt::format("a record of {} bytes is over the journal's limit of {}",
                                       size, options_.max_record_bytes));
  }
  if (closing_) return Unavailable("the journal is closing");
  if (health_ == Health::kPoisoned)
    return Unavailable("the journal is unhealthy: " + health_reason_);
  if (health_ == Health::kFull) return ResourceExhausted("the journal is full: " + health_reason_);
  return {};
}

void LogJournal::Enqueue(Pending pending) {
  in_flight_bytes_ += StoredBytes(pending.record.size());
  pending_.push_back(std::move(pending));
  if (pending_.size() == 1) work_.NotifyOne();
}

void LogJournal::AppendAsync(std::string record, Done done) {
  const uint64_t size = record.size();
  const uint32_t crc = codec::Crc32c(record);
  Status admitted;
  {
    os::MutexLock lock(mutex_);
    admitted = Admit(size);
    if (admitted.ok() && in_flight_bytes_ + StoredBytes(size) > options_.max_in_flight_bytes)
      admitted = ResourceExhausted("too many bytes wait for the journal's disk");
    if (admitted.ok()) {
      Enqueue({.record = std::move(record), .payload_crc = crc, .done = std::move(done)});
      return;
    }
  }
  done(std::move(admitted).error());
}

Result<Position> LogJournal::Append(std::string_view record) {
  struct {
    os::Mutex mutex;
    os::ConditionVariable done;
    std::optional<Result<Position>> result;
  } waiter;
  Pending pending{.record = std::string(record),
                  .payload_crc = codec::Crc32c(record),
                  .done = [&waiter](Result<Position> result) {
                    os::MutexLock lock(waiter.mutex);
                    waiter.result = std::move(result);
                    waiter.done.NotifyOne();
                  }};
  {
    os::MutexLock lock(mutex_);
    TARN_TRY(Admit(record.size()));
    while (in_flight_bytes_ + StoredBytes(record.size()) > options_.max_in_flight_bytes) {
      ++waiting_for_room_;
      room_.Wait(mutex_);
      --waiting_for_room_;
      TARN_TRY(Admit(record.size()));
    }
    Enqueue(std::move(pending));
  }
  os::MutexLock lock(waiter.mutex);
  while (!waiter.result) waiter.done.Wait(waiter.mutex);
  return *std::move(waiter.result);
}

void LogJournal::Run() {
  std::vector<Pending> batch;
  while (WaitForWork(batch)) {
    if (!batch.empty()) Commit(batch);
    batch.clear();
  }
}

// False when closing and everything appended is dealt with.
bool LogJournal::WaitForWork(std::vector<Pending>& batch) {
  bool try_to_continue = false;
  bool idle = false;
  uint64_t asked = 0;
  {
    os::MutexLock lock(mutex_);
    while (pending_.empty() && !closing_ && recover_asked_ == recover_answered_) {
      if (options_.retry_micros == 0) {
        work_.Wait(mutex_);
      } else if (!work_.WaitFor(mutex_, options_.retry_micros)) {
        try_to_continue = true;
        break;
      }
    }
    asked = recover_asked_;
    try_to_continue |= asked != recover_answered_;
    try_to_continue &= health_ != Health::kGood && !closing_;
    batch.swap(pending_);
    idle = batch.empty() && health_ == Health::kGood;
    if (batch.empty() && closing_) {
      recover_answered_ = asked;
      recovered_.NotifyAll();
      return false;
    }
  }
  if (try_to_continue) TryToContinue();
  if (idle) {
    const Status there = RequireInPlace();
    // Another error may be none any more at the next append.
    if (!there.ok() && there.error().code() == Code::kDataLoss) {
      Fail(batch, 0, Health::kPoisoned, there.error());
    }
  }
  os::MutexLock lock(mutex_);
  if (recover_answered_ != asked) {
    recover_answered_ = asked;
    recovered_.NotifyAll();
  }
  return true;
}

void LogJournal::TryToContinue() {
  const Status opened = OpenNextSegment();
  uint64_t number = 0;
  {
    os::MutexLock lock(mutex_);
    if (!opened.ok()) {
      health_ =
          opened.error().code() == Code::kResourceExhausted ? Health::kFull : Health::kPoisoned;
      health_reason_ = opened.error().message();
      return;
    }
    health_ = Health::kGood;
    health_reason_.clear();
    number = segments_.back().number;
  }
  Continued{.segment = number}.Emit(environment_.log, environment_.metrics);
}

void LogJournal::Commit(std::vector<Pending>& batch) {
  int64_t started = environment_.clock.MonotonicMicros();
  size_t first = 0;  // of those not yet acknowledged
  uint64_t bytes = 0;
  for (size_t at = 0; at < batch.size(); ++at) {
    const Pending& pending = batch[at];
    const bool fits = writer_->Fits(pending.record.size());
    if (!fits || bytes >= kBatchBytes) {
      if (!SyncAndAcknowledge(batch, first, at, started)) return;
      bytes = 0;
      started = environment_.clock.MonotonicMicros();
    }
    if (!fits) {
      if (const Status opened = OpenNextSegment(); !opened.ok()) {
        const bool full = opened.error().code() == Code::kResourceExhausted;
        return Fail(batch, first, full ? Health::kFull : Health::kPoisoned, opened.error());
      }
    }
    if (const Status added = writer_->Add(pending.record, pending.payload_crc); !added.ok())
      return Fail(batch, first, Health::kPoisoned, added.error());
    bytes += pending.record.size();
  }
  SyncAndAcknowledge(batch, first, batch.size(), started);
}

// Makes batch[first, end) durable and tells its callers; moves `first` behind them.
bool LogJournal::SyncAndAcknowledge(std::vector<Pending>& batch, size_t& first, size_t end,
                                    int64_t started) {
  if (first == end) return true;
  Status synced = writer_->Sync();
  if (synced.ok()) synced = RequireInPlace();
  if (!synced.ok()) {
    Fail(batch, first, Health::kPoisoned, synced.error());
    return false;
  }
  uint64_t bytes = 0;
  uint64_t stored = 0;
  for (size_t at = first; at < end; ++at) {
    bytes += batch[at].record.size();
    stored += StoredBytes(batch[at].record.size());
  }
  uint64_t number = writer_->tail().next - (end - first);
  {
    os::MutexLock lock(mutex_);
    durable_end_ = writer_->tail().next;
    durable_offset_ = writer_->tail().offset;
    in_flight_bytes_ -= stored;
    stats_.appended_records += end - first;
    stats_.appended_bytes += bytes;
    stats_.syncs += 1;
    committed_.NotifyAll();
    if (waiting_for_room_ > 0) room_.NotifyAll();
  }
  metrics_.Emit(
      {.records = end - first,
       .bytes = bytes,
       .seconds = static_cast<double>(environment_.clock.MonotonicMicros() - started) / 1e6});
  for (; first < end; ++first) batch[first].done(Position{number++});
  return true;
}

// Ends acknowledging: what is in flight is refused, as is everything until TryToContinue.
void LogJournal::Fail(std::vector<Pending>& batch, size_t first, Health health,
                      const Error& error) {
  std::vector<Pending> queued;
  uint64_t size = 0;
  Status refusal;
  {
    os::MutexLock lock(mutex_);
    health_ = health;
    health_reason_ = error.message();
    refusal = Admit(0);
    if (closing_) refusal = Unavailable(error.message());
    queued.swap(pending_);
    in_flight_bytes_ = 0;
    size = SumOfBytes(segments_) + SumOfBytes(spares_);
    room_.NotifyAll();
  }
  if (health == Health::kFull) {
    Full{.size_bytes = size, .reason = error.message()}.Emit(environment_.log,
                                                             environment_.metrics);
  } else {
    Poisoned{.reason = error.message()}.Emit(environment_.log, environment_.metrics);
  }
  for (; first < batch.size(); ++first) batch[first].done(refusal.error());
  for (Pending& pending : queued) pending.done(refusal.error());
}

Result<std::optional<SegmentEntry>> LogJournal::FindSpare(uint64_t freed_bytes) {
  std::optional<SegmentEntry> spare;
  bool folder_synced = true;
  {
    os::MutexLock lock(mutex_);
    if (!spares_.empty()) {
      spare = spares_.back();
      folder_synced = folder_synced_;
    } else if (SumOfBytes(segments_) - freed_bytes + options_.segment_bytes > options_.max_bytes) {
      return ResourceExhausted(fmt::format("its {} bytes hold records that are not in the lake yet",
                                           options_.max_bytes));
    }
  }
  // Until the trimming rename is durable a crash could bring the old name back over new content.
  if (!folder_synced) TARN_TRY(environment_.files.SyncDirectory(folder_));
  return spare;
}

Result<std::unique_ptr<os::File>> LogJournal::PrepareFile(const std::string& path,
                                                          const SegmentHeader& header) {
  TARN_ASSIGN_OR_RETURN(auto file, environment_.files.Open(path, os::OpenMode::kCreate));
  TARN_TRY(file->Preallocate(header.bytes));
  TARN_TRY(file->WriteAt(0, EncodeSegmentHeader(header)));
  TARN_TRY(file->Sync());
  return file;
}

// It may have been removed with records that are not in the lake yet, which a segment behind it
// would hide.
Status LogJournal::RequireInPlace() const {
  TARN_ASSIGN_OR_RETURN(const bool there, environment_.files.IsStillThere(newest_path_, newest_));
  if (there) return {};
  return DataLoss(fmt::format(
      "{} was removed, moved or replaced while the server runs, and with it may be what was "
      "acknowledged and is not in the lake yet; nothing is taken any more. If it was moved, move "
      "it back. Else stop the server, restore {} from a copy and start again; or start with "
      "--accept-loss to go on without",
      newest_path_, folder_));
}

// The next segment begins behind the last durable record: what a failed batch left in the one
// before is no longer part of the journal.
Status LogJournal::OpenNextSegment() {
  if (writer_ != nullptr) TARN_TRY(RequireInPlace());
  SegmentHeader header{.number = next_number_,
                       .salt = environment_.random.Next(),
                       .first = 0,
                       .bytes = options_.segment_bytes};
  uint64_t replaced_bytes = 0;
  {
    os::MutexLock lock(mutex_);
    header.first = durable_end_;
    // A segment that never got a durable record is replaced.
    if (!segments_.empty() && segments_.back().first == durable_end_) {
      header.number = segments_.back().number;
      replaced_bytes = segments_.back().bytes;
    }
  }
  TARN_ASSIGN_OR_RETURN(const auto spare, FindSpare(replaced_bytes));
  const std::string path =
      os::JoinPath(folder_, spare ? SpareName(spare->number) : std::string(kNewName));
  auto file = PrepareFile(path, header);
  if (!file.ok()) {
    // Give back what was reserved of a full disk; if that fails too, Open removes it.
    if (!spare) [[maybe_unused]]
      const Status removed = environment_.files.Remove(path);
    return std::move(file).error();
  }
  TARN_ASSIGN_OR_RETURN(const os::FileInfo info, environment_.files.Stat(path));
  TARN_TRY(environment_.files.Rename(path, PathOf(header.number)));
  newest_path_ = PathOf(header.number);
  newest_ = info;
  if (spare) {
    os::MutexLock lock(mutex_);
    std::erase_if(spares_,
                  [&](const SegmentEntry& entry) { return entry.number == spare->number; });
  }
  TARN_TRY(environment_.files.SyncDirectory(folder_));
  writer_ =
      std::make_unique<SegmentWriter>(std::move(file).value(), header, EmptyTail(header), epoch_);
  next_number_ = header.number + 1;
  {
    os::MutexLock lock(mutex_);
    if (replaced_bytes > 0) segments_.pop_back();
    segments_.push_back({.number = header.number, .first = header.first, .bytes = header.bytes});
    durable_offset_ = kSegmentHeaderBytes;
  }
  metrics_.SetSize(size_bytes());
  return {};
}

Result<std::unique_ptr<Cursor>> LogJournal::ReadFrom(Position position) {
  if (position > end())
    return InvalidArgument(
        fmt::format("the journal ends at {}, before {}", end().value, position.value));
  TARN_TRY(Locate(position.value));
  return std::unique_ptr<Cursor>(std::make_unique<LogCursor>(*this, position.value));
}

Position LogJournal::begin() const {
  os::MutexLock lock(mutex_);
  return {segments_.front().first};
}

Position LogJournal::end() const {
  os::MutexLock lock(mutex_);
  return {durable_end_};
}

Result<std::optional<LogJournal::Extent>> LogJournal::Locate(uint64_t number) const {
  os::MutexLock lock(mutex_);
  if (number < segments_.front().first) {
    return NotFound(fmt::format("record {} was trimmed; the journal begins at {}", number,
                                segments_.front().first));
  }
  if (number >= durable_end_) return std::optional<Extent>();
  auto next = std::upper_bound(
      segments_.begin(), segments_.end(), number,
      [](uint64_t wanted, const SegmentEntry& segment) { return wanted < segment.first; });
  const SegmentEntry& segment = *std::prev(next);
  if (next == segments_.end())
    return std::optional(Extent{.segment = segment, .end = durable_end_, .limit = durable_offset_});
  return std::optional(
      Extent{.segment = segment, .end = next->first, .limit = segment.bytes, .sealed = true});
}

void LogJournal::AcceptLoss(const LossAccepted& loss) {
  {
    os::MutexLock lock(mutex_);
    const uint64_t to = loss.to.value_or(durable_end_);
    const auto behind = losses_.upper_bound(loss.from);
    if (behind != losses_.begin() && std::prev(behind)->second >= to) return;
    uint64_t& known_to = losses_[loss.from];
    known_to = std::max(known_to, to);
    stats_.loss_accepted = true;
  }
  loss.Emit(environment_.log, environment_.metrics);
}

bool LogJournal::WaitFor(uint64_t number, const bool& closed, int64_t timeout_micros) {
  os::MutexLock lock(mutex_);
  const int64_t deadline = environment_.clock.MonotonicMicros() + timeout_micros;
  while (number >= durable_end_ && !closed && !closing_) {
    const int64_t left = deadline - environment_.clock.MonotonicMicros();
    if (left <= 0 || !committed_.WaitFor(mutex_, left)) break;
  }
  return number < durable_end_ && !closed && !closing_;
}

void LogJournal::CloseCursor(bool& closed) {
  os::MutexLock lock(mutex_);
  closed = true;
  committed_.NotifyAll();
}

// Takes a trimmed segment out of the folder. Durable when it returns: with several such changes
// open, a crash could keep a later one without an earlier one, which looks like a missing segment.
Status LogJournal::GiveBack(const SegmentEntry& segment) {
  bool keep = false;
  bool synced = false;
  {
    os::MutexLock lock(mutex_);
    keep = segment.bytes == options_.segment_bytes && spares_.size() < options_.max_spare_segments;
    synced = folder_synced_;
  }
  if (!synced) TARN_TRY(environment_.files.SyncDirectory(folder_));
  const std::string path = PathOf(segment.number);
  if (keep) {
    TARN_TRY(environment_.files.Rename(path, os::JoinPath(folder_, SpareName(segment.number))));
  } else {
    TARN_TRY(environment_.files.Remove(path));
  }
  const Status status = environment_.files.SyncDirectory(folder_);
  os::MutexLock lock(mutex_);
  std::erase_if(losses_, [&](const auto& loss) { return loss.second <= segment.first; });
  if (keep) spares_.push_back(segment);
  folder_synced_ = status.ok();
  segments_.pop_front();
  return status;
}

Status LogJournal::TrimBefore(Position position) {
  uint64_t trimmed = 0;
  bool full = false;
  Status status;
  {
    os::MutexLock trim_lock(trim_mutex_);
    while (status.ok()) {
      SegmentEntry oldest;
      {
        os::MutexLock lock(mutex_);
        if (position.value > durable_end_)
          return InvalidArgument(fmt::format("cannot trim before {}: the journal ends at {}",
                                             position.value, durable_end_));
        full = health_ == Health::kFull;
        if (segments_.size() < 2 || segments_[1].first > position.value) break;
        oldest = segments_.front();
      }
      status = GiveBack(oldest);
      if (status.ok()) ++trimmed;
    }
  }
  if (trimmed == 0) return status;
  metrics_.SetSize(size_bytes());
  Trimmed{.segments = trimmed, .begin = begin().value, .size_bytes = size_bytes()}.Emit(
      environment_.log, environment_.metrics);
  // Trimming is done whatever comes of this; the next append says if there is still no room.
  if (full) [[maybe_unused]]
    const Status recovered = Recover();
  return status;
}

Status LogJournal::Recover() {
  os::MutexLock lock(mutex_);
  const uint64_t asked = ++recover_asked_;
  work_.NotifyOne();
  while (recover_answered_ < asked && !closing_) recovered_.Wait(mutex_);
  return Admit(0);
}

uint64_t LogJournal::size_bytes() const {
  os::MutexLock lock(mutex_);
  return SumOfBytes(segments_) + SumOfBytes(spares_);
}

Stats LogJournal::stats() const {
  os::MutexLock lock(mutex_);
  Stats stats = stats_;
  stats.segments = segments_.size();
  stats.spares = spares_.size();
  stats.in_flight_bytes = in_flight_bytes_;
  stats.healthy = health_ != Health::kPoisoned;
  stats.full = health_ == Health::kFull;
  stats.reason = health_reason_;
  return stats;
}

}  // namespace tarn::journal
