#include "lake/agent_door.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "agent_wire/batch.h"
#include "base/text.h"
#include "lake/journal_record.h"

namespace tarn::lake {

Result<std::unique_ptr<AgentDoor>> AgentDoor::Open(const Workspace& work, journal::Journal& journal,
                                                   const std::set<std::string>& sources,
                                                   uint64_t position) {
  std::unique_ptr<AgentDoor> door(new AgentDoor(work, journal, sources));
  TARN_TRY(door->LoadCatalog());
  TARN_TRY(door->LoadJournal(position));
  return door;
}

Status AgentDoor::LoadCatalog() {
  for (const std::string& source : sources_) {
    TARN_ASSIGN_OR_RETURN(const auto marks, work_.catalog.ListWatermarks(source));
    os::MutexLock lock(mutex_);
    for (const catalog::Watermark& mark : marks) {
      files_[mark.key].end = static_cast<uint64_t>(mark.end_offset);
    }
  }
  return {};
}

Status AgentDoor::LoadJournal(uint64_t position) {
  TARN_ASSIGN_OR_RETURN(const auto cursor, journal_.ReadFrom({position}));
  for (;;) {
    TARN_ASSIGN_OR_RETURN(const auto record, cursor->Next());
    if (!record) return {};
    const auto envelope = DecodeJournalRecord(record->bytes);
    if (!envelope.ok()) continue;  // the landing reports it
    const auto header = agent_wire::DecodeHeader(envelope->bytes);
    if (!header.ok()) continue;
    os::MutexLock lock(mutex_);
    File& file = files_[{header->source, header->host, header->file_id}];
    file.end = std::max(file.end, header->end_offset);
  }
}

void AgentDoor::Submit(std::string_view encoded, Done done) {
  // The whole batch is checked before it is acknowledged: nothing unreadable enters the journal.
  const auto batch = agent_wire::Decode(encoded);
  if (!batch.ok()) return done(batch.error());
  const agent_wire::BatchHeader& header = batch->header;
  if (!sources_.contains(header.source)) {
    const std::vector<std::string_view> known(sources_.begin(), sources_.end());
    const auto nearest = NearestWord(header.source, known);
    return done(NotFound(fmt::format("no source '{}' in tarn.yaml{}", header.source,
                                     nearest ? fmt::format("; is it '{}'?", *nearest) : "")));
  }
  const catalog::WatermarkKey key{header.source, header.host, header.file_id};
  if (auto answer = Begin(key, header.begin_offset, header.end_offset)) {
    return done(std::move(*answer));
  }
  const uint64_t end = header.end_offset;
  journal_.AppendAsync(
      EncodeJournalRecord(RecordKind::kAgentBatch, work_.clock.Now(), encoded),
      [this, key, end, done = std::move(done)](const Result<journal::Position>& appended) {
        End(key, appended.ok() ? std::optional(end) : std::nullopt);
        if (!appended.ok()) return done(appended.error());
        done(BatchAnswer{BatchAnswer::Kind::kStored, end});
      });
}

std::optional<Result<BatchAnswer>> AgentDoor::Begin(const catalog::WatermarkKey& key,
                                                    uint64_t begin, uint64_t end) {
  os::MutexLock lock(mutex_);
  const auto [slot, is_new] = files_.try_emplace(key);
  File& file = slot->second;
  file.touched = work_.clock.MonotonicMicros();
  if (!is_new && end <= file.end) return BatchAnswer{BatchAnswer::Kind::kDuplicate, file.end};
  if (file.under_way) return Unavailable("another batch of this file is being written");
  if (!is_new && begin > file.end) return BatchAnswer{BatchAnswer::Kind::kGap, file.end};
  file.under_way = true;
  if (is_new) {
    file.end = begin;
    if (files_.size() > kMaxFiles) ForgetOldest();
  }
  return std::nullopt;
}

void AgentDoor::End(const catalog::WatermarkKey& key, std::optional<uint64_t> durable_end) {
  os::MutexLock lock(mutex_);
  const auto slot = files_.find(key);
  if (slot == files_.end()) return;
  slot->second.under_way = false;
  if (durable_end) slot->second.end = std::max(slot->second.end, *durable_end);
}

// A tenth of the files, those untouched for longest, so that the search is paid for rarely.
void AgentDoor::ForgetOldest() {
  std::vector<std::pair<int64_t, catalog::WatermarkKey>> idle;
  for (const auto& [key, file] : files_) {
    if (!file.under_way) idle.emplace_back(file.touched, key);
  }
  const size_t count = std::min(idle.size(), kMaxFiles / 10);
  std::partial_sort(idle.begin(), idle.begin() + static_cast<std::ptrdiff_t>(count), idle.end());
  for (size_t i = 0; i < count; ++i) files_.erase(idle[i].second);
}

size_t AgentDoor::files() const {
  os::MutexLock lock(mutex_);
  return files_.size();
}

}  // namespace tarn::lake
