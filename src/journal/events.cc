#include "journal/events.h"

namespace tarn::journal {
namespace {

codec::Json Number(uint64_t value) { return static_cast<int64_t>(value); }

void SetState(obs::Registry& metrics, bool healthy, bool full) {
  metrics
      .GetGauge("tarn_journal_healthy",
                "0 while appends are refused because a write or sync failed")
      .Set(healthy ? 1 : 0);
  metrics.GetGauge("tarn_journal_full", "1 while appends are refused for want of room")
      .Set(full ? 1 : 0);
}

}  // namespace

void Recovered::Emit(obs::Logger& log, obs::Registry& metrics) const {
  if (torn) {
    log.Write(obs::Level::kWarn, "journal.tail_cut",
              {{"file", torn->file},
               {"offset", Number(torn->offset)},
               {"bytes", Number(torn->bytes)},
               {"note",
                "records of an unfinished write are gone: they were not acknowledged, and their "
                "senders send them again; unless the disk lost what it had said was synced"}});
  }
  log.Write(torn ? obs::Level::kWarn : obs::Level::kInfo, "journal.recovered",
            {{"segments", Number(segments)},
             {"begin", Number(begin)},
             {"end", Number(end)},
             {"torn", torn.has_value()},
             {"ms", micros / 1'000}});
  SetState(metrics, true, false);
}

void Poisoned::Emit(obs::Logger& log, obs::Registry& metrics) const {
  log.Write(obs::Level::kError, "journal.poisoned", {{"reason", reason}});
  metrics.GetCounter("tarn_journal_poisoned_total", "writes or syncs that failed").Add();
  SetState(metrics, false, false);
}

void Full::Emit(obs::Logger& log, obs::Registry& metrics) const {
  log.Write(obs::Level::kError, "journal.full",
            {{"size_bytes", Number(size_bytes)}, {"reason", reason}});
  metrics.GetCounter("tarn_journal_full_total", "times the journal ran out of room").Add();
  SetState(metrics, true, true);
}

void Continued::Emit(obs::Logger& log, obs::Registry& metrics) const {
  log.Write(obs::Level::kWarn, "journal.continued", {{"segment", Number(segment)}});
  SetState(metrics, true, false);
}

void Trimmed::Emit(obs::Logger& log, obs::Registry& metrics) const {
  log.Write(obs::Level::kDebug, "journal.trimmed",
            {{"segments", Number(segments)},
             {"begin", Number(begin)},
             {"size_bytes", Number(size_bytes)}});
  metrics.GetCounter("tarn_journal_trimmed_segments_total", "segments given back").Add(segments);
}

void LossAccepted::Emit(obs::Logger& log, obs::Registry& metrics) const {
  log.Write(obs::Level::kError, "journal.loss_accepted",
            {{"place", place},
             {"reason", reason},
             {"from", Number(from)},
             {"to", to ? Number(*to) : codec::Json("unknown")}});
  metrics.GetCounter("tarn_journal_lost_records_total", "damaged records skipped")
      .Add(to ? *to - from : 0);
}

CommitMetrics::CommitMetrics(obs::Registry& metrics)
    : records_(metrics.GetCounter("tarn_journal_records_total", "records made durable")),
      bytes_(metrics.GetCounter("tarn_journal_bytes_total", "bytes of records made durable")),
      sync_seconds_(
          metrics.GetHistogram("tarn_journal_sync_seconds", "time to write and sync one batch")),
      size_(metrics.GetGauge("tarn_journal_size_bytes", "size of the journal's files")) {}

void CommitMetrics::Emit(const Committed& committed) {
  records_.Add(committed.records);
  bytes_.Add(committed.bytes);
  sync_seconds_.Observe(committed.seconds);
}

}  // namespace tarn::journal
