#include "lake/landing.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <utility>

#include "base/text.h"
#include "codec/zstd.h"
#include "lake/events.h"
#include "lake/journal_record.h"
#include "lake/log_schema.h"
#include "lake/table.h"

namespace tarn::lake {
namespace {

// How long the loop sleeps without news; bounds how late it notices a flush that is due.
constexpr int64_t kIdleMicros = 50'000;
constexpr int64_t kRetryMicros = 1'000'000;
// Snapshots kept for time travel and running readers.
constexpr iceberg::ExpirePolicy kExpire{.max_age_ms = 2 * 3'600'000, .min_to_keep = 10};
// Different formats a source may bring before further ones are refused; each has its own buffers.
constexpr size_t kMaxFormats = 64;
// Files of a flush are written by so many threads: a back-fill makes hundreds of small ones, whose
// time is the disk's syncs, and those of several threads are done together.
constexpr size_t kWriters = 4;

// Calls run(0 … count - 1), on this thread and up to kWriters - 1 others.
void InParallel(size_t count, const std::function<void(size_t)>& run) {
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (size_t index = next++; index < count; index = next++) run(index);
  };
  std::vector<os::Thread> helpers;
  for (size_t i = 1; i < std::min(kWriters, count); ++i)
    helpers.emplace_back("landing-write", work);
  work();
}

}  // namespace

struct Landing::FlushRound {
  uint64_t first = 0;  // journal positions [first, last]
  uint64_t last = 0;
  std::map<catalog::DatasetName, std::vector<iceberg::DataFile>> files;
  std::vector<std::string> json_keys;
  std::map<catalog::DatasetName, std::pair<int64_t, int64_t>> json_totals;  // rows?, bytes
};

Result<std::unique_ptr<Landing>> Landing::Start(const Workspace& work, journal::Journal& journal,
                                                LandingOptions options) {
  std::unique_ptr<Landing> landing(new Landing(work, journal, std::move(options)));
  TARN_TRY(landing->Recover());
  landing->thread_ = os::Thread("landing", [self = landing.get()] { self->Run(); });
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
  if (cursor_) cursor_->Close();
  thread_.Join();
}

Status Landing::Recover() {
  const std::string pipeline(kPipeline);
  TARN_ASSIGN_OR_RETURN(const catalog::Fence fence,
                        work_.catalog.AcquireFence(pipeline, "server", 0, catalog::Acquire::kTake));
  token_ = fence.token;
  TARN_ASSIGN_OR_RETURN(committed_position_, work_.catalog.GetPosition(pipeline));
  const uint64_t position = committed_position_.empty()
                                ? journal_.begin().value
                                : ParseUint64(committed_position_).value_or(0);
  if (position < journal_.begin().value || position > journal_.end().value) {
    return DataLoss(fmt::format(
        "the lake expects record {} of the journal next, which holds {} to {}: records that were "
        "acknowledged are missing. Restore the journal's folder; to go on without them, start with "
        "--accept-loss",
        position, journal_.begin().value, journal_.end().value));
  }
  next_position_ = position;
  for (auto& [name, source] : sources_) {
    TARN_TRY(OpenTables(source));
    TARN_TRY(RemoveLeftovers(source, position));
    TARN_ASSIGN_OR_RETURN(const auto marks, work_.catalog.ListWatermarks(name));
    for (const catalog::Watermark& mark : marks) marks_[mark.key] = mark;
  }
  TARN_ASSIGN_OR_RETURN(cursor_, journal_.ReadFrom({position}));
  os::MutexLock lock(mutex_);
  status_.position = position;
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
// begin at or after the committed position.
Status Landing::RemoveLeftovers(const Source& source, uint64_t position) {
  TARN_ASSIGN_OR_RETURN(const auto objects, work_.store.List(JsonPrefix(source.raw)));
  size_t removed = 0;
  for (const store::ObjectInfo& object : objects) {
    const auto first = FirstPositionOf(object.key);
    if (!first || *first < position) continue;
    TARN_TRY(work_.store.Delete(object.key));
    ++removed;
  }
  if (removed > 0) LeftoversRemoved{removed}.Emit(work_);
  return {};
}

void Landing::Run() {
  while (FillBuffers()) {
    const Status flushed = Flush();
    if (flushed.ok()) continue;
    LandingFailed{flushed.error(), kRetryMicros}.Emit(work_);
    Rewind();
    os::MutexLock lock(mutex_);
    status_.last_error = flushed.error().ToString();
    if (stopping_) return;
    changed_.WaitFor(mutex_, kRetryMicros);
  }
}

bool Landing::FillBuffers() {
  for (;;) {
    {
      os::MutexLock lock(mutex_);
      const bool has_rows = !pending_.empty();
      if (stopping_) return flush_on_stop_ && has_rows;
      if (flush_to_ && *flush_to_ <= next_position_) {
        flush_to_.reset();
        if (has_rows) return true;
        changed_.NotifyAll();
      }
      status_.buffered_bytes = buffered_bytes();
    }
    if (FlushDue()) return true;
    auto record = cursor_->Next();
    if (!record.ok()) {
      NoteUnreadable(record.error());
    } else if (*record) {
      AddRecord(**record);
    } else {
      cursor_->Wait(kIdleMicros);
    }
  }
}

bool Landing::FlushDue() const {
  if (pending_.empty()) return false;
  return buffered_bytes() >= options_.buffer_bytes ||
         work_.clock.MonotonicMicros() - oldest_micros_ >= options_.buffer_age_micros;
}

uint64_t Landing::buffered_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [name, source] : sources_) {
    for (const auto& [format, buffer] : source.buffers) bytes += buffer->memory_bytes();
  }
  return bytes;
}

void Landing::AddRecord(const journal::Record& record) {
  next_position_ = record.position.value + 1;
  const auto envelope = DecodeJournalRecord(record.bytes);
  if (!envelope.ok()) {
    RecordRefused{record.position.value, envelope.error()}.Emit(work_);
    return;
  }
  const auto batch = agent_wire::Decode(envelope->bytes);
  if (!batch.ok()) {
    RecordRefused{record.position.value, batch.error()}.Emit(work_);
    return;
  }
  const auto source = sources_.find(batch->header.source);
  if (source == sources_.end()) {
    RecordRefused{record.position.value,
                  NotFound(fmt::format("no source '{}' in tarn.yaml", batch->header.source))}
        .Emit(work_);
    return;
  }
  AddBatch(source->second, *batch, envelope->ingested_at);
}

void Landing::AddBatch(Source& source, const agent_wire::Batch& batch, Timestamp ingested_at) {
  const agent_wire::BatchHeader& header = batch.header;
  const catalog::WatermarkKey key{source.config.name, header.host, header.file_id};
  catalog::Watermark mark{key, 0, 0, {}};
  if (const auto known = pending_.find(key); known != pending_.end()) {
    mark = known->second;
  } else if (const auto committed = marks_.find(key); committed != marks_.end()) {
    mark = committed->second;
  }
  if (pending_.empty()) oldest_micros_ = work_.clock.MonotonicMicros();
  const auto from = static_cast<uint64_t>(mark.end_offset);
  mark.end_offset = std::max(mark.end_offset, static_cast<int64_t>(header.end_offset));
  mark.last_batch = static_cast<int64_t>(header.batch_number);
  pending_[key] = mark;
  LineCounts counts;
  if (header.end_offset > from) {
    const std::string& format = header.format.empty() ? source.config.format : header.format;
    counts = BufferOf(source, format).Add(batch, from, ingested_at);
  }
  HostStatus& host = buffered_hosts_[{source.config.name, header.host}];
  host.source = source.config.name;
  host.host = header.host;
  host.lines += counts.lines;
  host.rejected += counts.rejected;
  host.bytes += counts.bytes;
  host.last_read = std::max(host.last_read, header.read_time);
  host.last_ingested = std::max(host.last_ingested, ingested_at);
}

LogBuffer& Landing::BufferOf(Source& source, const std::string& format) {
  auto& slot = source.buffers[format];
  if (slot) return *slot;
  auto made = source.buffers.size() <= kMaxFormats
                  ? MakeBuffer(source, format)
                  : Result<std::unique_ptr<LogBuffer>>(
                        ResourceExhausted("more formats than a source may have"));
  if (made.ok()) {
    slot = std::move(*made);
  } else {
    // Nothing is dropped: the lines go to quarantine with the reason and can be replayed.
    FormatRefused{source.config.name, format, made.error()}.Emit(work_);
    slot = std::make_unique<LogBuffer>(access_log::Format::Compile(source.config.format).value(),
                                       source.config.land, made.error().message());
  }
  return *slot;
}

Result<std::unique_ptr<LogBuffer>> Landing::MakeBuffer(Source& source, const std::string& format) {
  TARN_ASSIGN_OR_RETURN(auto compiled, access_log::Format::Compile(format));
  TARN_TRY(committer_.Evolve(source.raw, RawSchema(compiled.schema())));
  TARN_TRY(committer_.Evolve(source.clean, CleanSchema(compiled.schema())));
  return std::make_unique<LogBuffer>(std::move(compiled), source.config.land, "");
}

Status Landing::Flush() {
  FlushRound round;
  round.first = ParseUint64(committed_position_).value_or(journal_.begin().value);
  round.last = next_position_ - 1;
  CommitRequest request;
  Status written;
  for (auto& [name, source] : sources_) {
    written = WriteSource(source, round);
    if (!written.ok()) break;
  }
  for (auto& [dataset, files] : round.files) {
    request.tables.push_back({dataset, {.operation = "append", .added = std::move(files)}});
  }
  const auto drop_json = [&] {
    for (const std::string& key : round.json_keys) (void)work_.store.Delete(key);
  };
  if (!written.ok()) {
    for (const TableChange& table : request.tables) {
      for (const auto& file : table.change.added) {
        (void)iceberg::DeleteFiles(work_.store, {file.path});
      }
    }
    drop_json();
    return written;
  }
  catalog::Commit& commit = request.commit;
  commit.pipeline = kPipeline;
  commit.token = token_;
  commit.expected_position = committed_position_;
  commit.new_position = std::to_string(next_position_);
  for (const auto& [key, mark] : pending_) commit.watermarks.push_back(mark);
  commit.run.run_id = FormatUuid(work_.random.NewUuidV7(work_.clock.Now()));
  commit.run.job = "land";
  commit.run.started = commit.run.ended = work_.clock.Now();
  commit.audit = {.who = "landing", .action = "commit", .object = std::string(kPipeline)};
  auto receipt = committer_.Run(request);
  if (!receipt.ok()) {
    drop_json();
    return std::move(receipt).error();
  }
  committed_position_ = commit.new_position;
  NoteCommit(*receipt);
  // What cannot be trimmed now is trimmed after the next commit.
  (void)journal_.TrimBefore({next_position_});
  return {};
}

void Landing::NoteCommit(const catalog::CommitReceipt& receipt) {
  for (auto& [key, mark] : pending_) {
    mark.updated = receipt.committed;
    marks_[key] = mark;
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
    host.lag_seconds =
        static_cast<double>(receipt.committed.micros - counted.last_read.micros) / kMicrosPerSecond;
    std::deque<Landed>& landed = rates_[key];
    landed.push_back({work_.clock.MonotonicMicros(), counted.lines});
    while (landed.front().at_micros < landed.back().at_micros - kRateMicros) landed.pop_front();
  }
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
    status_.last_error = error.ToString();
  }
  if (news) RecordRefused{next_position_, error}.Emit(work_);
  os::MutexLock lock(mutex_);
  if (!stopping_) changed_.WaitFor(mutex_, kRetryMicros);
}

Status Landing::WriteSource(Source& source, FlushRound& round) {
  for (auto& [format, buffer] : source.buffers) TARN_TRY(WriteBuffer(source, *buffer, round));
  return {};
}

// The files of one hour of a buffer.
struct Landing::HourJob {
  Hour hour;
  HourRows* rows;
  std::string json_key;  // empty: does not land so
  Status status;
  // Written so far, whatever the status.
  std::vector<std::pair<catalog::DatasetName, iceberg::DataFile>> files;
};

Status Landing::WriteBuffer(Source& source, LogBuffer& buffer, FlushRound& round) {
  TARN_TRY(WriteHours(source, buffer, round));
  if (buffer.rejected().rows.rows() == 0) return {};
  if (source.config.land.parquet) {
    TARN_ASSIGN_OR_RETURN(const auto raw, committer_.Table(source.raw));
    TARN_ASSIGN_OR_RETURN(auto file,
                          WriteDataFile(work_, raw, source.raw, std::nullopt,
                                        WithIdsOf(raw, BufferSchema(buffer.format().schema())),
                                        buffer.rejected().rows));
    round.files[source.raw].push_back(std::move(file));
  }
  TARN_TRY(WriteQuarantine(source, buffer, round));
  return PutJson(NewJsonKey(source, std::nullopt, buffer.rejected().json, round),
                 buffer.rejected().json);
}

Status Landing::WriteHours(Source& source, LogBuffer& buffer, FlushRound& round) {
  const event::Schema& columns = buffer.format().schema();
  TARN_ASSIGN_OR_RETURN(const auto raw, committer_.Table(source.raw));
  TARN_ASSIGN_OR_RETURN(const auto clean, committer_.Table(source.clean));
  const event::Schema raw_schema = WithIdsOf(raw, BufferSchema(columns));
  const event::Schema clean_schema = WithIdsOf(clean, CleanSchema(columns));
  std::vector<HourJob> jobs;
  for (auto& [hour, rows] : buffer.hours()) {
    if (rows.rows.rows() == 0) continue;
    jobs.push_back({hour, &rows, NewJsonKey(source, hour, rows.json, round), {}, {}});
  }
  const auto write = [&](HourJob& job) -> Status {
    event::ColumnBatch& rows = job.rows->rows;
    if (source.config.land.parquet) {
      TARN_ASSIGN_OR_RETURN(auto file,
                            WriteDataFile(work_, raw, source.raw, job.hour, raw_schema, rows));
      job.files.emplace_back(source.raw, std::move(file));
    }
    event::ColumnBatch valid = TakeCleanRows(columns, rows);
    TARN_ASSIGN_OR_RETURN(auto file,
                          WriteDataFile(work_, clean, source.clean, job.hour, clean_schema, valid));
    job.files.emplace_back(source.clean, std::move(file));
    ReturnCleanRows(columns, std::move(valid), rows);  // so that its memory is used again
    return PutJson(job.json_key, job.rows->json);
  };
  InParallel(jobs.size(), [&](size_t index) { jobs[index].status = write(jobs[index]); });
  Status all;
  for (HourJob& job : jobs) {
    if (all.ok() && !job.status.ok()) all = std::move(job.status);
    for (auto& [dataset, file] : job.files) round.files[dataset].push_back(std::move(file));
  }
  return all;
}

Status Landing::WriteQuarantine(Source& source, LogBuffer& buffer, FlushRound& round) {
  TARN_ASSIGN_OR_RETURN(const auto table, committer_.Table(source.quarantine));
  const event::ColumnBatch rows =
      ToQuarantineRows(buffer.format().schema(), buffer.rejected().rows, buffer.format().text());
  TARN_ASSIGN_OR_RETURN(auto files, WriteByHour(work_, table, source.quarantine,
                                                WithIdsOf(table, QuarantineSchema()), rows));
  auto& all = round.files[source.quarantine];
  std::move(files.begin(), files.end(), std::back_inserter(all));
  return {};
}

std::string Landing::NewJsonKey(const Source& source, Hour hour, const std::string& json,
                                FlushRound& round) {
  if (!source.config.land.json || json.empty()) return {};
  // Buffers of several formats may hold the same hour: the first free name wins.
  std::string key = JsonKey(source.raw, hour, round.first, round.last);
  for (int number = 2;
       std::find(round.json_keys.begin(), round.json_keys.end(), key) != round.json_keys.end();
       ++number) {
    key = JsonKey(source.raw, hour, round.first, round.last);
    key.insert(key.size() - std::string_view(".json.zst").size(), fmt::format(".{}", number));
  }
  round.json_keys.push_back(key);
  return key;
}

Status Landing::PutJson(const std::string& key, const std::string& json) {
  if (key.empty()) return {};
  codec::ZstdCompressor zstd(1);
  return work_.store.Put(key, zstd.Compress(json));
}

void Landing::ClearBuffers() {
  for (auto& [name, source] : sources_) {
    for (auto& [format, buffer] : source.buffers) buffer->Clear();
  }
  pending_.clear();
  buffered_hosts_.clear();
}

void Landing::Rewind() {
  ClearBuffers();
  next_position_ = ParseUint64(committed_position_).value_or(journal_.begin().value);
  auto cursor = journal_.ReadFrom({next_position_});
  if (cursor.ok()) {
    cursor_ = std::move(*cursor);
  } else {
    RecordRefused{next_position_, cursor.error()}.Emit(work_);
  }
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
  for (const auto& [key, host] : hosts_) {
    HostStatus& shown = status.hosts.emplace_back(host);
    const auto landed = rates_.find(key);
    if (landed == rates_.end()) continue;
    uint64_t lines = 0;
    for (const Landed& commit : landed->second)
      lines += commit.at_micros >= since ? commit.lines : 0;
    shown.lines_per_second = static_cast<double>(lines) * kMicrosPerSecond / kRateMicros;
  }
  return status;
}

}  // namespace tarn::lake
