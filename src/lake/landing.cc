#include "lake/landing.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <iterator>
#include <set>
#include <utility>

#include "base/text.h"
#include "codec/zstd.h"
#include "journal/inspect.h"
#include "lake/data_files.h"
#include "lake/events.h"
#include "lake/journal_record.h"
#include "lake/json_rows.h"
#include "lake/log_schema.h"
#include "lake/table.h"

namespace tarn::lake {
namespace {

// How long the loop sleeps without news; bounds how late it notices a flush that is due.
constexpr int64_t kIdleMicros = 50'000;
constexpr int64_t kRetryMicros = 1'000'000;
// As SqliteOptions::watermark_keep_micros.
constexpr int64_t kWatermarkKeepMicros = 7 * kMicrosPerDay;
// Threads that encode the hours of a flush, at most; the landing's own is one of them. More than
// there are cores would take the door's share of them.
constexpr size_t kMaxFlushThreads = 4;
// Of all buffers, before a flush: each is a file or three.
constexpr size_t kMaxBufferedHours = 2'000;
// Lines of a host that do not fit, one after the other, before that is an error of the host's:
// visitors that probe the port write a few such lines into any log.
constexpr uint64_t kManyLines = 10;
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

// Cut where a character ends.
std::string_view Cut(std::string_view text, size_t bytes) {
  if (text.size() <= bytes) return text;
  constexpr unsigned kLeadMask = 0xc0;
  constexpr unsigned kContinues = 0x80;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & kLeadMask) == kContinues) --bytes;
  return text.substr(0, bytes);
}

// Of a batch that goes to quarantine as a whole; empty for others. Each host keeps one.
std::string WhyRefused(const agent_wire::BatchHeader& header, std::string_view format,
                       const LineCounts& counts) {
  if (counts.rejected < counts.lines) return "";
  return fmt::format("none of the {} lines of the last batch, of {}, fits '{}': {}", counts.lines,
                     Cut(header.path, 200), Cut(format, 80), Cut(counts.first_reason, 200));
}

// What a commit says of a host's errors is added to what was known.
void NoteErrors(const HostStatus& counted, Timestamp committed, HostStatus& host) {
  if (counted.lines == 0) return;
  if (counted.lines > counted.rejected) host.refused_in_a_row = 0;
  host.refused_in_a_row += counted.refused_in_a_row;
  if (counted.last_error.empty()) {
    host.last_error.clear();
  } else if (host.refused_in_a_row >= kManyLines) {
    host.last_error = counted.last_error;
    host.last_error_at = committed;
  }
}

double SecondsBetween(Timestamp from, Timestamp to) {
  return static_cast<double>(to.micros - from.micros) / kMicrosPerSecond;
}

template <typename Item>
void ForEachInParallel(std::vector<Item>& items, const std::function<void(Item&)>& work) {
  std::atomic<size_t> next = 0;
  const auto run = [&] {
    for (size_t i = next++; i < items.size(); i = next++) work(items[i]);
  };
  const size_t count = std::min({items.size(), size_t{os::CoreCount()}, kMaxFlushThreads});
  std::vector<os::Thread> threads;
  for (size_t i = 1; i < count; ++i) {
    threads.emplace_back("flush", run);
  }
  run();
}

}  // namespace

struct Landing::FlushRound {
  explicit FlushRound(const Workspace& work) : writer(work) {}
  uint64_t first = 0;  // journal positions [first, last]
  uint64_t last = 0;
  DataFiles writer;
  std::map<catalog::DatasetName, std::vector<iceberg::DataFile>> files;
  std::set<std::string> json_keys;
};

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
    Source& source = sources_[config.name];
    source.config = config;
    source.raw = {catalog::Zone::kRaw, config.name};
    source.clean = {catalog::Zone::kClean, config.name};
    source.quarantine = {catalog::Zone::kQuarantine, config.name};
  }
}

Landing::~Landing() { Stop(true); }

void Landing::Stop(bool flush) {
  {
    os::MutexLock lock(mutex_);
    if (stopping_) return;
    stopping_ = true;
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
    next_position_ = begin;
  } else {
    TARN_TRY(journal::RequireNext(position, {begin, journal_.end().value}));
  }
  for (auto& [name, source] : sources_) {
    TARN_TRY(OpenTables(source));
  }
  TARN_TRY(RemoveLeftovers(position));
  TARN_ASSIGN_OR_RETURN(cursor_, journal_.ReadFrom({next_position_}));
  os::MutexLock lock(mutex_);
  status_.position = next_position_;
  for (const auto& [name, source] : sources_) status_.sources[name];
  return {};
}

Status Landing::OpenTables(Source& source) {
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
    retrying_ = !flushed.ok();
    if (flushed.ok()) continue;
    LandingFailed{flushed.error(), kRetryMicros}.Emit(work_);
    Rewind();
    os::MutexLock lock(mutex_);
    status_.last_error = flushed.error().ToString();
    if (stopping_) return false;
    changed_.WaitFor(mutex_, kRetryMicros);
  }
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
  const auto batch = agent_wire::Decode(envelope->bytes);
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
  const Status added = AddBatch(source->second, *batch, envelope->ingested_at);
  if (!added.ok()) HoldBack(std::move(record), added.error());
}

// The record stays the next one, and is tried again after a wait.
void Landing::HoldBack(journal::Record record, const Error& error) {
  next_position_ = record.position.value;
  held_ = std::move(record);
  NoteUnreadable(error);
}

Status Landing::AddBatch(Source& source, const agent_wire::Batch& batch, Timestamp ingested_at) {
  const agent_wire::BatchHeader& header = batch.header;
  const catalog::WatermarkKey key{source.config.name, header.host, header.file_id};
  TARN_ASSIGN_OR_RETURN(catalog::Watermark mark, MarkOf(key));
  const auto from = static_cast<uint64_t>(mark.end_offset);
  const std::string& format = header.format.empty() ? source.config.format : header.format;
  LineCounts counts;
  bool format_refused = false;
  if (header.end_offset > from) {
    TARN_ASSIGN_OR_RETURN(LogBuffer* const buffer, BufferOf(source, format));
    format_refused = buffer->refuses();
    const Buffered before = SizeOf(*buffer);
    counts = buffer->Add(batch, from, ingested_at);
    const Buffered after = SizeOf(*buffer);
    buffered_.bytes += after.bytes - before.bytes;
    buffered_.hours += after.hours - before.hours;
    if (counts.hours_refused > 0) {
      HoursRefused{source.config.name, header.host, counts.hours_refused}.Emit(work_);
    }
  }
  mark.end_offset = std::max(mark.end_offset, static_cast<int64_t>(header.end_offset));
  mark.last_batch = static_cast<int64_t>(header.batch_number);
  pending_[key] = mark;
  HostStatus& host = buffered_hosts_[{source.config.name, header.host}];
  host.source = source.config.name;
  host.host = header.host;
  host.lines += counts.lines;
  host.rejected += counts.rejected;
  host.bytes += counts.bytes;
  host.last_read = std::max(host.last_read, header.read_time);
  host.last_ingested = std::max(host.last_ingested, ingested_at);
  if (counts.lines > 0) {
    host.last_error = WhyRefused(header, format, counts);
    const uint64_t refused = format_refused ? kManyLines : counts.lines;
    host.refused_in_a_row = host.last_error.empty() ? 0 : host.refused_in_a_row + refused;
  }
  return {};
}

Result<catalog::Watermark> Landing::MarkOf(const catalog::WatermarkKey& key) {
  if (const auto found = pending_.find(key); found != pending_.end()) return found->second;
  if (const auto found = marks_.find(key); found != marks_.end()) return found->second;
  TARN_ASSIGN_OR_RETURN(const auto mark, work_.catalog.GetWatermark(key));
  return mark.value_or(catalog::Watermark{key, 0, 0, {}});
}

Result<LogBuffer*> Landing::BufferOf(Source& source, const std::string& format) {
  // Formats past the limit share one buffer, which refuses.
  const bool too_many = format != source.config.format && !source.buffers.contains(format) &&
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
  FormatRefused{source.config.name, format, made.error()}.Emit(work_);
  slot = LogBuffer::Refusing(format, made.error().message());
  return slot.get();
}

Result<std::unique_ptr<LogBuffer>> Landing::MakeBuffer(Source& source, const std::string& format) {
  TARN_ASSIGN_OR_RETURN(auto compiled, access_log::Format::Compile(format));
  TARN_TRY(CheckColumns(compiled.schema()));
  if (format != source.config.format) {
    TARN_ASSIGN_OR_RETURN(const auto table, committer_.Table(source.raw));
    TARN_TRY(CheckColumnCount(table.schema(), RawSchema(compiled.schema())));
  }
  TARN_TRY(committer_.Evolve(source.raw, RawSchema(compiled.schema())));
  TARN_TRY(committer_.Evolve(source.clean, CleanSchema(compiled.schema())));
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
  FlushRound round(work_);
  round.first = committed_position();
  round.last = next_position_ - 1;
  const Status written = WriteFiles(round);
  CommitRequest request;
  for (auto& [dataset, files] : round.files) {
    request.tables.push_back({dataset, {.operation = "append", .added = std::move(files)}});
  }
  if (!written.ok()) {
    std::vector<std::string> urls;
    for (const TableChange& table : request.tables) {
      for (const iceberg::DataFile& file : table.change.added) urls.push_back(file.path);
    }
    // What cannot be deleted now is an orphan.
    (void)iceberg::DeleteFiles(work_.store, urls);
    DropJson(round);
    return written;
  }
  catalog::Commit& commit = request.commit;
  commit.pipeline = kPipeline;
  commit.token = token_;
  commit.expected_position = committed_position_;
  commit.new_position = std::to_string(next_position_);
  for (const auto& [key, mark] : pending_) commit.watermarks.push_back(mark);
  if (!request.tables.empty()) {
    commit.run.run_id = FormatUuid(work_.random.NewUuidV7(work_.clock.Now()));
    commit.run.job = "land";
    commit.run.started = commit.run.ended = work_.clock.Now();
  }
  commit.audit = {.who = "landing", .action = "commit", .object = std::string(kPipeline)};
  auto receipt = committer_.Run(request);
  if (!receipt.ok()) {
    // After a conflict, too: another server may have taken over, and its JSON objects have the
    // names of ours.
    unsettled_ =
        Committer::OutcomeUnknown(receipt.error()) || receipt.error().code() == Code::kConflict;
    if (!unsettled_) DropJson(round);
    return std::move(receipt).error();
  }
  committed_position_ = commit.new_position;
  NoteCommit(*receipt);
  // What cannot be trimmed now is trimmed after the next commit.
  (void)journal_.TrimBefore({next_position_});
  return {};
}

Status Landing::WriteFiles(FlushRound& round) {
  for (auto& [name, source] : sources_) {
    for (auto& [format, buffer] : source.buffers) TARN_TRY(WriteBuffer(source, *buffer, round));
  }
  return round.writer.Publish();
}

// Of a flush that failed for sure. One that stays would count double: Settle finds it before
// anything else is committed.
void Landing::DropJson(const FlushRound& round) {
  for (const std::string& key : round.json_keys) {
    if (!work_.store.Delete(key).ok()) unsettled_ = true;
  }
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
  os::MutexLock lock(mutex_);
  for (const auto& [key, counted] : buffered_hosts_) {
    HostStatus& host = hosts_[key];
    host.source = counted.source;
    host.host = counted.host;
    host.lines += counted.lines;
    host.rejected += counted.rejected;
    host.bytes += counted.bytes;
    host.last_read = std::max(host.last_read, counted.last_read);
    host.last_ingested = std::max(host.last_ingested, counted.last_ingested);
    NoteErrors(counted, receipt.committed, host);
    host.lag_seconds = SecondsBetween(counted.last_read, receipt.committed);
    std::deque<Landed>& landed = rates_[key];
    landed.push_back({work_.clock.MonotonicMicros(), counted.lines});
    while (landed.front().at_micros < landed.back().at_micros - kRateMicros) landed.pop_front();
  }
  CountInSources(receipt.committed);
  ForgetOldHosts();
  ClearBuffers();
  status_.position = next_position_;
  status_.buffered_bytes = 0;
  status_.last_error.clear();
  status_.last_commit = receipt.committed;
  ++status_.commits;
  changed_.NotifyAll();
}

void Landing::CountInSources(Timestamp committed) {
  std::set<std::string_view> seen;
  for (const auto& [key, counted] : buffered_hosts_) {
    SourceStatus& source = status_.sources[counted.source];
    source.lines += counted.lines;
    source.rejected += counted.rejected;
    source.bytes += counted.bytes;
    source.last_read = std::max(source.last_read, counted.last_read);
    const double lag = SecondsBetween(counted.last_read, committed);
    const bool first = seen.insert(counted.source).second;
    source.lag_seconds = first ? lag : std::max(source.lag_seconds, lag);
  }
}

// A tenth of the hosts, those silent for longest, so that the search is paid for rarely.
void Landing::ForgetOldHosts() {
  if (hosts_.size() <= kMaxHosts) return;
  std::vector<std::pair<Timestamp, HostKey>> all;
  for (const auto& [key, host] : hosts_) all.emplace_back(host.last_ingested, key);
  std::sort(all.begin(), all.end());
  all.resize(hosts_.size() - kMaxHosts + kMaxHosts / 10);
  for (const auto& [time, key] : all) {
    hosts_.erase(key);
    rates_.erase(key);
  }
}

// A disk error may pass; damage needs a person. Either way the record stays the next one.
void Landing::NoteUnreadable(const Error& error) {
  bool news = false;
  {
    os::MutexLock lock(mutex_);
    news = status_.last_error != error.ToString();
    status_.last_error = error.ToString();
  }
  if (news) RecordRefused{next_position_, error}.Emit(work_);
  os::MutexLock lock(mutex_);
  if (!stopping_) changed_.WaitFor(mutex_, kRetryMicros);
}

// The rows of one hour, and the files they became.
struct Landing::HourJob {
  Hour hour;
  event::ColumnBatch* rows;
  std::string json_key;  // empty: does not land so
  std::optional<iceberg::DataFile> raw;
  std::optional<iceberg::DataFile> clean;
  Status status;
};

// What the jobs of one buffer share.
struct Landing::Layouts {
  iceberg::TableMetadata raw_table;
  iceberg::TableMetadata clean_table;
  event::Schema raw;
  event::Schema clean;
};

Status Landing::WriteBuffer(Source& source, LogBuffer& buffer, FlushRound& round) {
  Layouts layouts;
  TARN_ASSIGN_OR_RETURN(layouts.raw_table, committer_.Table(source.raw));
  TARN_ASSIGN_OR_RETURN(layouts.clean_table, committer_.Table(source.clean));
  layouts.raw = WithIdsOf(layouts.raw_table, buffer.schema());
  layouts.clean = WithIdsOf(layouts.clean_table, CleanSchema(buffer.format().schema()));
  std::vector<HourJob> jobs;
  for (auto& [hour, rows] : buffer.hours()) {
    if (rows.rows() > 0) jobs.push_back({hour, &rows, NewJsonKey(source, hour, round)});
  }
  const bool rejected = buffer.rejected().rows() > 0;
  if (rejected) {
    jobs.push_back({std::nullopt, &buffer.rejected(), NewJsonKey(source, std::nullopt, round)});
  }
  ForEachInParallel<HourJob>(
      jobs, [&](HourJob& job) { job.status = WriteHour(source, buffer, layouts, job, round); });
  Status status;
  for (HourJob& job : jobs) {
    if (job.raw) round.files[source.raw].push_back(std::move(*job.raw));
    if (job.clean) round.files[source.clean].push_back(std::move(*job.clean));
    if (status.ok()) status = std::move(job.status);
  }
  if (!status.ok() || !rejected) return status;
  return WriteQuarantine(source, buffer, round);
}

Status Landing::WriteHour(const Source& source, LogBuffer& buffer, const Layouts& layouts,
                          HourJob& job, FlushRound& round) {
  if (source.config.land.parquet) {
    TARN_ASSIGN_OR_RETURN(job.raw, round.writer.Write({source.raw, layouts.raw_table, layouts.raw},
                                                      job.hour, *job.rows));
  }
  if (!job.json_key.empty()) {
    codec::ZstdCompressor zstd(1);
    TARN_TRY(round.writer.Put(job.json_key, zstd.Compress(JsonLines(buffer.schema(), *job.rows))));
  }
  if (job.rows == &buffer.rejected()) return {};
  const event::ColumnBatch valid = ToCleanRows(buffer.format().schema(), std::move(*job.rows));
  TARN_ASSIGN_OR_RETURN(
      job.clean,
      round.writer.Write({source.clean, layouts.clean_table, layouts.clean}, job.hour, valid));
  return {};
}

// Buffers of several formats may hold the same hour: the first free name wins.
std::string Landing::NewJsonKey(const Source& source, Hour hour, FlushRound& round) {
  if (!source.config.land.json) return "";
  constexpr std::string_view kEnding = ".json.zst";
  const std::string first_name = JsonKey(source.raw, hour, round.first, round.last);
  std::string key = first_name;
  for (int number = 2; round.json_keys.contains(key); ++number) {
    key = first_name;
    key.insert(key.size() - kEnding.size(), fmt::format(".{}", number));
  }
  round.json_keys.insert(key);
  return key;
}

Status Landing::WriteQuarantine(Source& source, LogBuffer& buffer, FlushRound& round) {
  TARN_ASSIGN_OR_RETURN(const auto table, committer_.Table(source.quarantine));
  const event::Schema columns = WithIdsOf(table, QuarantineSchema());
  const event::ColumnBatch rows =
      ToQuarantineRows(buffer.format().schema(), buffer.rejected(), buffer.format_text());
  TARN_ASSIGN_OR_RETURN(auto files,
                        round.writer.WriteByHour({source.quarantine, table, columns}, rows));
  auto& all = round.files[source.quarantine];
  std::move(files.begin(), files.end(), std::back_inserter(all));
  return {};
}

void Landing::ClearBuffers() {
  for (auto& [name, source] : sources_) {
    // Many formats make room for others; those still in use come back at their next batch.
    if (source.buffers.size() > kMaxFormats / 2) source.buffers.clear();
    for (auto& [format, buffer] : source.buffers) buffer->Clear();
  }
  pending_.clear();
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
  while (status_.position < target) {
    if (stopping_) return Cancelled("the server is stopping");
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
  const int64_t since = work_.clock.MonotonicMicros() - kRateMicros;
  const Timestamp now = work_.clock.Now();
  for (const auto& [key, host] : hosts_) {
    HostStatus& shown = status.hosts.emplace_back(host);
    shown.last_error = host.ErrorAt(now);
    const auto landed = rates_.find(key);
    if (landed == rates_.end()) continue;
    uint64_t lines = 0;
    for (const Landed& commit : landed->second)
      lines += commit.at_micros >= since ? commit.lines : 0;
    shown.lines_per_second = static_cast<double>(lines) * kMicrosPerSecond / kRateMicros;
  }
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
