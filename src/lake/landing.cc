#include "lake/landing.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "journal/inspect.h"
#include "lake/events.h"
#include "lake/journal_record.h"
#include "lake/log_schema.h"
#include "lake/table.h"

namespace tarn::lake {
namespace {

constexpr const char* kJob = "land";
// How long the loop sleeps without news; bounds how late it notices a flush that is due.
constexpr int64_t kIdleMicros = 50'000;
constexpr int64_t kRetryMicros = 1'000'000;
constexpr int64_t kSayAgainMicros = 60 * kMicrosPerSecond;
// As SqliteOptions::watermark_keep_micros.
constexpr int64_t kWatermarkKeepMicros = 7 * kMicrosPerDay;
// Of all buffers, before a flush: each is a file or three.
constexpr size_t kMaxBufferedHours = 2'000;
// Watermarks remembered; the others are asked for. About 300 bytes each.
constexpr size_t kMaxMarks = 100'000;

// Acknowledged lines of a source that was taken out of tarn.yaml wait until it is back.
Error NoSource(const std::string& source) {
  return NotFound(
      fmt::format("lines of source '{0}' were acknowledged and are not in the lake yet, and "
                  "tarn.yaml has no source '{0}': put it back until they have landed, or start "
                  "with --accept-loss to give them up",
                  source));
}

// Whoever may send may name any format, and its columns stay in the table for good.
Status CheckColumnCount(const event::Schema& table, const event::Schema& wanted) {
  const auto more =
      std::count_if(wanted.fields.begin(), wanted.fields.end(),
                    [&](const event::Field& field) { return table.Find(field.name) == nullptr; });
  const size_t columns = table.fields.size() + static_cast<size_t>(more);
  if (more == 0 || columns <= Landing::kMaxColumns) return {};
  return InvalidArgument(
      fmt::format("with this format the table would have {} columns; agents may bring it to {}, "
                  "the source's format in tarn.yaml further",
                  columns, Landing::kMaxColumns));
}

}  // namespace

Result<std::unique_ptr<Landing>> Landing::Start(const Workspace& work, journal::Journal& journal,
                                                LandingOptions options) {
  std::unique_ptr<Landing> landing(new Landing(work, journal, std::move(options)));
  TARN_TRY(landing->Recover());
  Landing* const self = landing.get();
  landing->thread_ =
      os::Thread("landing", [self] { self->Run(Pace::kGivesWay); }, os::Priority::kBackground);
  landing->urgent_thread_ = os::Thread("landing-urgent", [self] { self->Run(Pace::kUrgent); });
  return landing;
}

Landing::Landing(const Workspace& work, journal::Journal& journal, LandingOptions options)
    : work_(work),
      journal_(journal),
      options_(std::move(options)),
      committer_(work, kExpire, static_cast<int64_t>(options_.reader_grace_micros)) {
  for (const LogSource& config : options_.sources) {
    sources_.emplace(config.name, Source{SourceTables(config), {}});
  }
}

Landing::~Landing() { Stop(true); }

void Landing::Stop(bool flush) {
  {
    os::MutexLock lock(mutex_);
    if (stopping_) return;
    stopping_ = true;
    stop_by_ = work_.clock.MonotonicMicros() + options_.stop_micros;
    flush_on_stop_ = flush;
    changed_.NotifyAll();
  }
  thread_.Join();
  urgent_thread_.Join();
}

Status Landing::Recover() {
  const std::string pipeline(kPipeline);
  TARN_ASSIGN_OR_RETURN(const catalog::Fence fence,
                        work_.catalog.AcquireFence(pipeline, "server", 0, catalog::Acquire::kTake));
  token_ = fence.token;
  TARN_ASSIGN_OR_RETURN(committed_position_, work_.catalog.GetPosition(pipeline));
  const uint64_t begin = journal_.begin().value;
  const uint64_t position =
      committed_position_.empty() ? begin : ParseUint64(committed_position_).value_or(0);
  next_position_ = position;
  if (position < begin && options_.accept_loss) {
    RecordsMissing{position, begin}.Emit(work_);
    records_missing_ = true;
    next_position_ = begin;
  } else {
    TARN_TRY(journal::RequireNext(position, {begin, journal_.end().value}));
  }
  for (auto& [name, source] : sources_) {
    TARN_TRY(OpenTables(source.tables));
  }
  TARN_TRY(RemoveLeftovers(position));
  TARN_ASSIGN_OR_RETURN(cursor_, journal_.ReadFrom({next_position_}));
  TARN_ASSIGN_OR_RETURN(const auto last, work_.catalog.LastSuccessfulRun(kJob));
  os::MutexLock lock(mutex_);
  status_.position = next_position_;
  if (last) status_.last_commit = last->ended;
  for (const auto& [name, source] : sources_) landed_.AddSource(name);
  return {};
}

Status Landing::OpenTables(const SourceTables& source) {
  TARN_ASSIGN_OR_RETURN(const auto format, access_log::Format::Compile(source.config.format));
  const event::Schema& columns = format.schema();
  const std::string& name = source.config.name;
  TARN_TRY(OpenOrCreateTable(work_, {source.raw, RawSchema(columns), std::string(kTimeColumn), name,
                                     "Every line of " + name + " as it arrived"}));
  TARN_TRY(OpenOrCreateTable(work_, {source.clean, CleanSchema(columns), std::string(kTimeColumn),
                                     name, "Valid lines of " + name + ", typed, each once"}));
  TARN_TRY(OpenOrCreateTable(
      work_, {source.quarantine, QuarantineSchema(), std::string(kIngestedAtColumn), name,
              "Lines of " + name + " that do not fit their format"}));
  // The others follow with the first batch; a format that clashes with them does not stop the rest.
  TARN_TRY(committer_.Evolve(source.quarantine, QuarantineSchema()));
  if (source.config.land.json) {
    catalog::DatasetSpec json;
    json.name = {catalog::Zone::kRaw, name + "_json"};
    json.kind = catalog::DatasetKind::kObjects;
    json.location = JsonPrefix(source.raw);
    json.source = name;
    json.description = "The same records as JSON lines, zstd";
    TARN_TRY(work_.catalog.CreateDataset(json, {"landing"}));
  }
  return {};
}

// JSON objects have no metadata that says which ones count; those of a flush that never committed
// begin at or after the committed position. Sources that tarn.yaml has no more may have some, too.
Status Landing::RemoveLeftovers(uint64_t position) {
  TARN_ASSIGN_OR_RETURN(const auto datasets, work_.catalog.ListDatasets(catalog::Zone::kRaw));
  size_t removed = 0;
  for (const catalog::Dataset& dataset : datasets) {
    if (dataset.kind != catalog::DatasetKind::kObjects) continue;
    TARN_ASSIGN_OR_RETURN(const auto objects, work_.store.List(dataset.location));
    for (const store::ObjectInfo& object : objects) {
      const auto first = FirstPositionOf(object.key);
      if (!first || *first < position) continue;
      TARN_TRY(work_.store.Delete(object.key));
      ++removed;
    }
  }
  if (removed > 0) LeftoversRemoved{removed}.Emit(work_);
  return {};
}

void Landing::Run(Pace own) {
  for (;;) {
    {
      os::MutexLock lock(mutex_);
      while (pace_ != own && !ended_) changed_.Wait(mutex_);
      if (ended_) return;
    }
    if (Work(own)) continue;
    os::MutexLock lock(mutex_);
    ended_ = true;
    changed_.NotifyAll();
  }
}

bool Landing::Work(Pace own) {
  for (;;) {
    const Next next = FillBuffers(own);
    if (next != Next::kFlush) return next == Next::kOtherPace;
    const Status flushed = Flush();
    if (!flushed.ok() && flushed.error().code() == Code::kCancelled && !GoOn().ok()) {
      FlushGivenUp{next_position_ - committed_position()}.Emit(work_);
      return false;
    }
    NoteFlush(flushed);
    if (flushed.ok()) continue;
    Rewind();
    os::MutexLock lock(mutex_);
    NoteError(flushed.error());
    if (stopping_) return false;
    changed_.WaitFor(mutex_, kRetryMicros);
  }
}

void Landing::NoteError(const Error& error) {
  status_.last_error = error.ToString();
  if (error.code() == Code::kDataLoss) damage_ = error;
}

// What goes on failing for the same reason is said once a minute.
void Landing::NoteFlush(const Status& flushed) {
  retrying_ = !flushed.ok();
  if (flushed.ok()) {
    if (failures_ > 0) LandingRecovered{failures_}.Emit(work_);
    failures_ = 0;
    return;
  }
  const int64_t now = work_.clock.MonotonicMicros();
  const bool news = failures_++ == 0 || flushed.error().code() != failure_said_ ||
                    now - failure_said_micros_ >= kSayAgainMicros;
  LandingFailed{flushed.error(), kRetryMicros, news}.Emit(work_);
  if (!news) return;
  failure_said_ = flushed.error().code();
  failure_said_micros_ = now;
}

// Reads until there is something to flush, the other pace is asked for, or the work must end.
Landing::Next Landing::FillBuffers(Pace own) {
  for (;;) {
    {
      os::MutexLock lock(mutex_);
      if (stopping_) return flush_on_stop_ && has_uncommitted() ? Next::kFlush : Next::kEnd;
      status_.late = late_;
      pace_ = late_ || flush_to_ ? Pace::kUrgent : Pace::kGivesWay;
      if (pace_ != own) {
        changed_.NotifyAll();
        return Next::kOtherPace;
      }
      if (flush_to_ && *flush_to_ <= next_position_) {
        flush_to_.reset();
        if (has_uncommitted()) return Next::kFlush;
        changed_.NotifyAll();
      }
      status_.buffered_bytes = buffered_.bytes;
    }
    if (FlushDue()) return Next::kFlush;
    if (!cursor_) Rewind();
    if (!cursor_) {
      NoteUnreadable(
          NotFound(fmt::format("record {} of the journal cannot be read", next_position_)));
      continue;
    }
    auto record = held_ ? Result(std::exchange(held_, std::nullopt)) : cursor_->Next();
    if (!record.ok()) {
      NoteUnreadable(record.error());
    } else if (*record) {
      AddRecord(std::move(**record));
    } else {
      late_ = false;
      cursor_->Wait(kIdleMicros);
    }
  }
}

bool Landing::FlushDue() const {
  if (!has_uncommitted()) return false;
  return retrying_ || buffered_.bytes >= options_.buffer_bytes ||
         pending_.size() >= catalog::kMaxWatermarks / 2 || buffered_.hours >= kMaxBufferedHours ||
         work_.clock.MonotonicMicros() - oldest_micros_ >= options_.buffer_age_micros;
}

// Where the next commit begins in the journal.
uint64_t Landing::committed_position() const {
  if (const auto position = ParseUint64(committed_position_)) return *position;
  return journal_.begin().value;
}

// Records were read since the last commit. They may have given no rows, if all were refused: then
// the position alone is committed, or the journal would keep them for ever.
bool Landing::has_uncommitted() const { return next_position_ > committed_position(); }

void Landing::AddRecord(journal::Record record) {
  if (!has_uncommitted()) oldest_micros_ = work_.clock.MonotonicMicros();
  next_position_ = record.position.value + 1;
  const auto envelope = DecodeJournalRecord(record.bytes);
  if (!envelope.ok()) {
    RecordRefused{record.position.value, envelope.error()}.Emit(work_);
    return;
  }
  const int64_t age = work_.clock.Now().micros - envelope->ingested_at.micros;
  if (age > kLateAges * options_.buffer_age_micros) late_ = true;
  auto batch = agent_wire::Decode(envelope->bytes);
  if (!batch.ok()) {
    RecordRefused{record.position.value, batch.error()}.Emit(work_);
    return;
  }
  const auto source = sources_.find(batch->header.source);
  if (source == sources_.end()) {
    if (options_.accept_loss) {
      return RecordRefused{record.position.value, NoSource(batch->header.source)}.Emit(work_);
    }
    return HoldBack(std::move(record), NoSource(batch->header.source));
  }
  const Status added = AddBatch(source->second, *std::move(batch), envelope->ingested_at);
  if (!added.ok()) HoldBack(std::move(record), added.error());
}

// The record stays the next one, and is tried again after a wait.
void Landing::HoldBack(journal::Record record, const Error& error) {
  next_position_ = record.position.value;
  held_ = std::move(record);
  NoteUnreadable(error);
}

Status Landing::AddBatch(Source& source, agent_wire::Batch batch, Timestamp ingested_at) {
  const agent_wire::BatchHeader& header = batch.header;
  const catalog::WatermarkKey key{source.tables.config.name, header.host, header.file_id};
  TARN_ASSIGN_OR_RETURN(catalog::Watermark mark, MarkOf(key));
  const auto from = static_cast<uint64_t>(mark.end_offset);
  const std::string& format = header.format.empty() ? source.tables.config.format : header.format;
  LineCounts counts;
  bool format_refused = false;
  if (header.end_offset > from) {
    TARN_ASSIGN_OR_RETURN(LogBuffer* const buffer, BufferOf(source, format));
    format_refused = buffer->refuses();
    if (header.begin_offset > from && (from > 0 || LossIsKnown())) {
      missing_.push_back({header.source, header.host, header.path, from, header.begin_offset});
    }
    const Buffered before = SizeOf(*buffer);
    counts = buffer->Add(header, std::move(batch.payload), from, ingested_at);
    const Buffered after = SizeOf(*buffer);
    buffered_.bytes += after.bytes - before.bytes;
    buffered_.hours += after.hours - before.hours;
    if (counts.hours_refused > 0) {
      HoursRefused{source.tables.config.name, header.host, counts.hours_refused}.Emit(work_);
    }
  }
  mark.end_offset = std::max(mark.end_offset, static_cast<int64_t>(header.end_offset));
  mark.last_batch = static_cast<int64_t>(header.batch_number);
  pending_[key] = mark;
  HostStatus& host = buffered_hosts_[{source.tables.config.name, header.host}];
  CountBatch({header, source.tables.config.name, format, counts, format_refused, ingested_at},
             host);
  return {};
}

// An agent may begin in the middle of a file, too.
bool Landing::LossIsKnown() const { return records_missing_ || journal_.stats().loss_accepted; }

Result<catalog::Watermark> Landing::MarkOf(const catalog::WatermarkKey& key) {
  if (const auto found = pending_.find(key); found != pending_.end()) return found->second;
  if (const auto found = marks_.find(key); found != marks_.end()) return found->second;
  TARN_ASSIGN_OR_RETURN(const auto mark, work_.catalog.GetWatermark(key));
  return mark.value_or(catalog::Watermark{key, 0, 0, {}});
}

Result<LogBuffer*> Landing::BufferOf(Source& source, const std::string& format) {
  // Formats past the limit share one buffer, which refuses.
  const bool too_many = format != source.tables.config.format && !source.buffers.contains(format) &&
                        source.buffers.size() >= kMaxFormats;
  auto& slot = source.buffers[too_many ? std::string() : format];
  if (slot) return slot.get();
  auto made = too_many ? Result<std::unique_ptr<LogBuffer>>(InvalidArgument(fmt::format(
                             "more than {} formats of the source land together", kMaxFormats)))
                       : MakeBuffer(source, format);
  if (made.ok()) {
    slot = std::move(*made);
    return slot.get();
  }
  // Only the format itself is a reason; a full disk or a busy catalog passes.
  if (made.error().code() != Code::kInvalidArgument) {
    source.buffers.erase(format);
    return std::move(made).error();
  }
  // Nothing is dropped: the lines go to quarantine with the reason and can be replayed.
  FormatRefused{source.tables.config.name, format, made.error()}.Emit(work_);
  slot = LogBuffer::Refusing(format, made.error().message());
  return slot.get();
}

Result<std::unique_ptr<LogBuffer>> Landing::MakeBuffer(Source& source, const std::string& format) {
  TARN_ASSIGN_OR_RETURN(auto compiled, access_log::Format::Compile(format));
  TARN_TRY(CheckColumns(compiled.schema()));
  if (format != source.tables.config.format) {
    TARN_ASSIGN_OR_RETURN(const auto table, committer_.Table(source.tables.raw));
    TARN_TRY(CheckColumnCount(table.schema(), RawSchema(compiled.schema())));
  }
  TARN_TRY(committer_.Evolve(source.tables.raw, RawSchema(compiled.schema())));
  TARN_TRY(committer_.Evolve(source.tables.clean, CleanSchema(compiled.schema())));
  return std::make_unique<LogBuffer>(std::move(compiled));
}

Status Landing::Settle() {
  // Reading alone does not show that we are still the one who may write: what another server has
  // landed since looks like leftovers of ours. This write fails if one took over.
  TARN_TRY(work_.catalog.RenewFence(std::string(kPipeline), token_, 0));
  TARN_ASSIGN_OR_RETURN(const std::string position,
                        work_.catalog.GetPosition(std::string(kPipeline)));
  const uint64_t next = ParseUint64(position).value_or(journal_.begin().value);
  TARN_TRY(RemoveLeftovers(next));
  marks_.clear();
  unsettled_ = false;
  if (position == committed_position_) return {};
  committed_position_ = position;
  os::MutexLock lock(mutex_);
  status_.position = next;
  return Unavailable("the commit that got no answer was made; reading on from there");
}

Status Landing::Flush() {
  if (unsettled_) TARN_TRY(Settle());
  FlushFiles files(work_, committer_, {committed_position(), next_position_ - 1},
                   [this] { return GoOn(); });
  if (Status written = WriteFiles(files); !written.ok()) {
    files.DropData();
    DropJson(files);
    return written;
  }
  CommitRequest request;
  request.tables = files.TakeChanges();
  catalog::Commit& commit = request.commit;
  commit.pipeline = kPipeline;
  commit.token = token_;
  commit.expected_position = committed_position_;
  commit.new_position = std::to_string(next_position_);
  for (const auto& [key, mark] : pending_) commit.watermarks.push_back(mark);
  if (!request.tables.empty()) {
    commit.run.run_id = FormatUuid(work_.random.NewUuidV7(work_.clock.Now()));
    commit.run.job = kJob;
    commit.run.started = commit.run.ended = work_.clock.Now();
  }
  commit.audit = {.who = "landing", .action = "commit", .object = std::string(kPipeline)};
  auto receipt = committer_.Run(request);
  if (!receipt.ok()) {
    // After a conflict, too: another server may have taken over, and its JSON objects have the
    // names of ours.
    unsettled_ =
        Committer::OutcomeUnknown(receipt.error()) || receipt.error().code() == Code::kConflict;
    if (!unsettled_) DropJson(files);
    return std::move(receipt).error();
  }
  committed_position_ = commit.new_position;
  NoteCommit(*receipt);
  // What cannot be trimmed now is trimmed after the next commit.
  (void)journal_.TrimBefore({next_position_});
  return {};
}

Status Landing::GoOn() const {
  os::MutexLock lock(mutex_);
  if (!stopping_ || work_.clock.MonotonicMicros() < stop_by_) return {};
  return Cancelled("the server ends before the flush does");
}

Status Landing::WriteFiles(FlushFiles& files) {
  for (auto& [name, source] : sources_) {
    for (auto& [format, buffer] : source.buffers) TARN_TRY(files.Write(source.tables, *buffer));
  }
  return files.Publish();
}

// Of a flush that failed for sure. What stays is found by Settle before anything else is committed.
void Landing::DropJson(FlushFiles& files) {
  if (!files.DropJson().ok()) unsettled_ = true;
}

void Landing::NoteCommit(const catalog::CommitReceipt& receipt) {
  if (marks_.size() + pending_.size() > kMaxMarks) marks_.clear();
  for (auto& [key, mark] : pending_) {
    mark.updated = receipt.committed;
    marks_[key] = mark;
  }
  // The catalog forgets files that are untouched for so long; so do we.
  if (receipt.committed.micros - marks_pruned_.micros > kMicrosPerHour) {
    marks_pruned_ = receipt.committed;
    const Timestamp oldest{receipt.committed.micros - kWatermarkKeepMicros};
    std::erase_if(marks_, [&](const auto& mark) { return mark.second.updated < oldest; });
  }
  for (const LinesMissing& missing : missing_) missing.Emit(work_);
  os::MutexLock lock(mutex_);
  landed_.AddCommit(buffered_hosts_, receipt.committed, work_.clock.MonotonicMicros());
  ClearBuffers();
  status_.position = next_position_;
  status_.buffered_bytes = 0;
  status_.last_error.clear();
  status_.last_commit = receipt.committed;
  ++status_.commits;
  changed_.NotifyAll();
}

// A disk error may pass; damage needs a person. Either way the record stays the next one.
void Landing::NoteUnreadable(const Error& error) {
  bool news = false;
  {
    os::MutexLock lock(mutex_);
    news = status_.last_error != error.ToString();
    NoteError(error);
    changed_.NotifyAll();
  }
  if (news) RecordHeld{next_position_, error, kRetryMicros}.Emit(work_);
  os::MutexLock lock(mutex_);
  if (!stopping_) changed_.WaitFor(mutex_, kRetryMicros);
}

void Landing::ClearBuffers() {
  for (auto& [name, source] : sources_) {
    // Many formats make room for others; those still in use come back at their next batch.
    if (source.buffers.size() > kMaxFormats / 2) source.buffers.clear();
    for (auto& [format, buffer] : source.buffers) buffer->Clear();
  }
  pending_.clear();
  missing_.clear();
  buffered_ = {};
  buffered_hosts_.clear();
}

void Landing::Rewind() {
  ClearBuffers();
  held_.reset();
  next_position_ = committed_position();
  if (options_.accept_loss) next_position_ = std::max(next_position_, journal_.begin().value);
  // A cursor that stands elsewhere must not be read on; without one FillBuffers asks again.
  cursor_.reset();
  auto cursor = journal_.ReadFrom({next_position_});
  if (cursor.ok()) cursor_ = std::move(*cursor);
}

Status Landing::FlushAll(int64_t timeout_micros) {
  const uint64_t target = journal_.end().value;
  const int64_t deadline = work_.clock.MonotonicMicros() + timeout_micros;
  os::MutexLock lock(mutex_);
  damage_.reset();
  while (status_.position < target) {
    if (stopping_) return Cancelled("the server is stopping");
    if (damage_) return *damage_;  // that does not pass
    const int64_t left = deadline - work_.clock.MonotonicMicros();
    if (left <= 0) {
      return DeadlineExceeded(status_.last_error.empty() ? "the flush is still running"
                                                         : status_.last_error);
    }
    flush_to_ = std::max(flush_to_.value_or(0), target);
    changed_.WaitFor(mutex_, std::min(left, kIdleMicros));
  }
  return {};
}

LandingStatus Landing::status() const {
  os::MutexLock lock(mutex_);
  LandingStatus status = status_;
  status.sources = landed_.sources();
  status.hosts = landed_.HostsAt(work_.clock.Now(), work_.clock.MonotonicMicros());
  return status;
}

uint64_t Landing::position() const {
  os::MutexLock lock(mutex_);
  return status_.position;
}

std::string Landing::last_error() const {
  os::MutexLock lock(mutex_);
  return status_.last_error;
}

}  // namespace tarn::lake
