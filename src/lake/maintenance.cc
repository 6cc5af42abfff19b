#include "lake/maintenance.h"

#include <cstdlib>
#include <utility>

#include "lake/events.h"
#include "lake/table.h"

namespace tarn::lake {
namespace {

// What keeps the catalog's events from growing without end while nobody reads them: a reader that
// passes each once it is old.
constexpr const char* kRetentionConsumer = "retention";
constexpr size_t kEventsAtATime = 1'000;
constexpr int kMaxEventReads = 100;  // in one trim

}  // namespace

Maintainer::Maintainer(const Workspace& work, const store::LocalStore& store, os::FileSystem& files,
                       MaintenanceOptions options)
    : work_(work),
      store_(store),
      files_(files),
      options_(std::move(options)),
      committer_(work, options_.expire, options_.reader_grace_micros),
      orphans_(work, options_.reader_grace_micros, options_.orphans_at_once),
      wall_offset_(WallOffset()) {}

Maintainer::~Maintainer() { CloseCompactor(); }

void Maintainer::Note(const char* step, const std::string& object, const Error& error,
                      MaintenanceReport& report) const {
  if (error.code() == Code::kCancelled && interrupted_) return;
  ++report.failures;
  report.last_error = object + ": " + error.message();
  MaintenanceFailed{step, object, error}.Emit(work_);
}

void Maintainer::ForEachTable(const char* step, MaintenanceReport& report, const Step& action) {
  const auto datasets = work_.catalog.ListDatasets(std::nullopt);
  if (!datasets.ok()) return Note(step, "catalog", datasets.error(), report);
  for (const catalog::Dataset& dataset : *datasets) {
    if (interrupted_) return;
    if (dataset.kind != catalog::DatasetKind::kTable || dataset.metadata_location.empty()) continue;
    committer_.Forget(dataset.name);  // others commit too
    const Status done = action(dataset.name);
    committer_.Forget(dataset.name);
    if (done.ok()) continue;
    Note(step, dataset.name.ToString(), done.error(), report);
    // What others hold is not there for the next table either, and each would wait for it.
    if (done.error().code() == Code::kUnavailable) return;
  }
}

void Maintainer::Compact(Mode mode, MaintenanceReport& report) {
  ForEachTable("compact", report, [&](const catalog::DatasetName& dataset) {
    return CompactTable(dataset, mode, report);
  });
  CloseCompactor();
}

Status Maintainer::CompactTable(const catalog::DatasetName& dataset, Mode mode,
                                MaintenanceReport& report) {
  TARN_ASSIGN_OR_RETURN(const iceberg::TableMetadata table, committer_.Table(dataset));
  const auto plan = PlanCompaction(work_, table, options_.compaction);
  if (!plan.ok()) {
    // Not a failure: such tables are somebody else's to compact.
    if (plan.error().code() == Code::kUnsupported) return {};
    return plan.error();
  }
  for (const CompactionGroup& group : plan->groups) {
    if (interrupted_ || report.compactions + report.conflicts >= options_.max_commits) return {};
    CompactionResult result{.done = true,
                            .files = static_cast<int64_t>(group.urls.size()),
                            .rows = group.rows,
                            .bytes_in = group.bytes};
    if (mode == Mode::kDo) {
      const auto compacted = CompactGroup(dataset, group);
      if (!compacted.ok() && compacted.error().code() == Code::kUnavailable)
        return compacted.error();
      if (!compacted.ok()) {  // an hour that cannot be read does not hold up the later ones
        Note("compact", dataset.ToString(), compacted.error(), report);
        continue;
      }
      result = *compacted;
    }
    if (!result.done) {
      ++report.conflicts;
      continue;
    }
    ++report.compactions;
    report.files_rewritten += result.files;
    report.rows += result.rows;
    report.bytes_in += result.bytes_in;
    report.bytes_out += result.bytes_out;
  }
  return {};
}

Result<CompactionResult> Maintainer::CompactGroup(const catalog::DatasetName& dataset,
                                                  const CompactionGroup& group) {
  const int64_t started = work_.clock.MonotonicMicros();
  TARN_ASSIGN_OR_RETURN(Compactor* const compactor, OpenCompactor());
  TARN_ASSIGN_OR_RETURN(const CompactionResult result,
                        compactor->Compact(committer_, dataset, group));
  if (result.done) {
    CompactionDone{dataset, result, work_.clock.MonotonicMicros() - started}.Emit(work_);
  } else {
    CompactionOvertaken{dataset}.Emit(work_);
  }
  return result;
}

Result<Compactor*> Maintainer::OpenCompactor() {
  if (engine_ == nullptr) {
    sql::EngineOptions options;
    options.threads = 1;
    options.memory_limit_bytes = options_.sql_memory_bytes;
    options.temp_directory = options_.temp_directory;
    options.data_directories = {options_.data_directory};
    options.max_queries = 1;
    TARN_ASSIGN_OR_RETURN(engine_, sql::Engine::Open(options, files_));
  }
  os::MutexLock lock(mutex_);
  if (compactor_ == nullptr) {
    compactor_ = std::make_unique<Compactor>(work_, store_, *engine_);
    if (interrupted_) compactor_->Interrupt();
  }
  return compactor_.get();
}

void Maintainer::CloseCompactor() {
  {
    os::MutexLock lock(mutex_);
    compactor_.reset();
  }
  engine_.reset();
}

void Maintainer::Expire(Mode mode, MaintenanceReport& report) {
  ForEachTable("expire", report, [&](const catalog::DatasetName& dataset) {
    return ExpireTable(dataset, mode, report);
  });
  if (mode == Mode::kDo) committer_.DeleteExpired();
}

Status Maintainer::ExpireTable(const catalog::DatasetName& dataset, Mode mode,
                               MaintenanceReport& report) {
  bool any = false;
  for (const iceberg::ExpirePolicy* policy : {&options_.expire, &options_.expire_idle}) {
    if (mode == Mode::kDo) {
      TARN_ASSIGN_OR_RETURN(const bool expired, committer_.Expire(dataset, *policy));
      any |= expired;
    } else {
      TARN_ASSIGN_OR_RETURN(const iceberg::TableMetadata table, committer_.Table(dataset));
      const int64_t now_ms = FloorDiv(work_.clock.Now().micros, 1'000);
      any |= !iceberg::ExpiredSnapshots(table, *policy, now_ms).empty();
    }
  }
  report.tables_expired += any ? 1 : 0;
  return {};
}

// How far the wall clock is from the monotonic one.
int64_t Maintainer::WallOffset() const {
  return work_.clock.Now().micros - work_.clock.MonotonicMicros();
}

// After the wall clock was set forward, what is being written looks as old as what was left behind.
// A night that the machine slept through is a leap too, and too short for that.
bool Maintainer::AgesAreTrue() {
  const int64_t offset = WallOffset();
  const int64_t leap = std::abs(offset - std::exchange(wall_offset_, offset));
  if (leap > options_.orphan_age_micros / 3) {
    ages_true_from_ = work_.clock.MonotonicMicros() + options_.orphan_age_micros;
  }
  return work_.clock.MonotonicMicros() >= ages_true_from_;
}

void Maintainer::RemoveOrphans(Mode mode, MaintenanceReport& report) {
  if (!AgesAreTrue()) return;
  const Timestamp before{work_.clock.Now().micros - options_.orphan_age_micros};
  ForEachTable("orphans", report, [&](const catalog::DatasetName& dataset) -> Status {
    if (mode == Mode::kDryRun) {
      TARN_ASSIGN_OR_RETURN(const auto orphans, FindOrphans(work_, dataset, before));
      report.orphans += static_cast<int64_t>(orphans.size());
      for (const store::ObjectInfo& orphan : orphans) {
        report.orphan_bytes += static_cast<int64_t>(orphan.size);
        if (report.orphan_keys.size() < kMaxListed) report.orphan_keys.push_back(orphan.key);
      }
      return {};
    }
    TARN_ASSIGN_OR_RETURN(const OrphanReport look, orphans_.Look(dataset, before));
    report.orphans += look.found;
    report.orphan_bytes += look.found_bytes;
    report.orphans_removed += look.removed;
    if (look.removed > 0) OrphansRemoved{dataset, look.removed, look.removed_bytes}.Emit(work_);
    return {};
  });
}

void Maintainer::TrimCatalog(MaintenanceReport& report) {
  if (interrupted_) return;
  const auto trimmed = Trim();
  if (!trimmed.ok()) return Note("trim", "catalog", trimmed.error(), report);
  report.catalog_rows += *trimmed;
  if (*trimmed > 0) CatalogTrimmed{*trimmed}.Emit(work_);
}

Result<int64_t> Maintainer::Trim() {
  const int64_t now = work_.clock.Now().micros;
  catalog::TrimPolicy policy;
  policy.receipts_before = Timestamp{now - options_.keep_receipts_micros};
  policy.events_before = Timestamp{now - options_.keep_events_micros};
  policy.runs_before = Timestamp{now - options_.keep_runs_micros};
  policy.audit_before = Timestamp{now - options_.keep_audit_micros};
  TARN_TRY(PassOldEvents(*policy.events_before));
  return work_.catalog.Trim(policy);
}

// Trim keeps events that were not delivered to every consumer, and with no consumer that is all.
Status Maintainer::PassOldEvents(Timestamp before) {
  TARN_TRY(work_.catalog.RegisterConsumer(kRetentionConsumer));
  TARN_ASSIGN_OR_RETURN(int64_t position, work_.catalog.GetConsumerPosition(kRetentionConsumer));
  for (int reads = 0; reads < kMaxEventReads && !interrupted_; ++reads) {
    TARN_ASSIGN_OR_RETURN(const auto events, work_.catalog.ReadEvents(position, kEventsAtATime));
    int64_t passed = position;
    for (const catalog::DatasetEvent& event : events) {
      if (event.created >= before) break;
      passed = event.id;
    }
    if (passed == position) return {};
    TARN_TRY(work_.catalog.AdvanceConsumer(kRetentionConsumer, passed));
    position = passed;
  }
  return {};
}

void Maintainer::Interrupt() {
  interrupted_ = true;
  os::MutexLock lock(mutex_);
  if (compactor_ != nullptr) compactor_->Interrupt();
}

std::unique_ptr<Maintenance> Maintenance::Start(const Workspace& work,
                                                const store::LocalStore& store,
                                                os::FileSystem& files, MaintenanceOptions options,
                                                const MaintenanceSchedule& schedule) {
  std::unique_ptr<Maintenance> maintenance(new Maintenance(schedule));
  maintenance->maintainer_ = std::make_unique<Maintainer>(work, store, files, std::move(options));
  maintenance->thread_ = os::Thread(
      "maintenance", [self = maintenance.get(), &clock = work.clock] { self->Run(clock); },
      os::Priority::kBackground);
  return maintenance;
}

Maintenance::~Maintenance() { Stop(); }

void Maintenance::Stop() {
  {
    os::MutexLock lock(mutex_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  maintainer_->Interrupt();
  thread_.Join();
}

void Maintenance::Run(const os::Clock& clock) {
  // Nothing at once: a start has better things to do.
  int64_t next_look = clock.MonotonicMicros() + schedule_.look_micros;
  int64_t next_orphans = next_look;
  int64_t next_trim = next_look;
  for (;;) {
    {
      os::MutexLock lock(mutex_);
      for (;;) {
        const int64_t wait = next_look - clock.MonotonicMicros();
        if (stopping_) return;
        if (wait <= 0) break;
        changed_.WaitFor(mutex_, wait);
      }
    }
    MaintenanceReport report;
    maintainer_->Compact(Maintainer::Mode::kDo, report);
    maintainer_->Expire(Maintainer::Mode::kDo, report);
    const int64_t now = clock.MonotonicMicros();
    if (now >= next_orphans) {
      maintainer_->RemoveOrphans(Maintainer::Mode::kDo, report);
      next_orphans = now + schedule_.orphans_micros;
    }
    if (now >= next_trim) {
      maintainer_->TrimCatalog(report);
      next_trim = now + schedule_.trim_micros;
    }
    next_look = clock.MonotonicMicros() + schedule_.look_micros;
  }
}

}  // namespace tarn::lake
