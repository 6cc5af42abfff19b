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
  Submit(batch->header, encoded, std::move(done));
}

void AgentDoor::Submit(const agent_wire::BatchHeader& header, std::string_view encoded, Done done) {
  if (!sources_.contains(header.source)) {
    const std::vector<std::string_view> known(sources_.begin(), sources_.end());
    const auto nearest = NearestWord(header.source, known);
    return done(NotFound(fmt::format("no source '{}' in tarn.yaml{}", header.source,
                                     nearest ? fmt::format("; is it '{}'?", *nearest) : "")));
  }
  auto begun = Begin(header);
  if (auto* answer = std::get_if<Result<BatchAnswer>>(&begun)) return done(std::move(*answer));
  File* const file = std::get<File*>(begun);
  const uint64_t end = header.end_offset;
  journal_.AppendAsync(
      EncodeJournalRecord(RecordKind::kAgentBatch, work_.clock.Now(), encoded),
      [this, file, end, done = std::move(done)](const Result<journal::Position>& appended) {
        End(*file, appended.ok() ? std::optional(end) : std::nullopt);
        if (!appended.ok()) return done(appended.error());
        done(BatchAnswer{BatchAnswer::Kind::kStored, end});
      });
}

std::variant<Result<BatchAnswer>, AgentDoor::File*> AgentDoor::Begin(
    const agent_wire::BatchHeader& header) {
  const auto answer = [](BatchAnswer::Kind kind, uint64_t offset) {
    return Result<BatchAnswer>(BatchAnswer{kind, offset});
  };
  os::MutexLock lock(mutex_);
  const auto [slot, is_new] = files_.try_emplace({header.source, header.host, header.file_id});
  File& file = slot->second;
  file.touched = work_.clock.MonotonicMicros();
  if (!is_new && header.end_offset <= file.end)
    return answer(BatchAnswer::Kind::kDuplicate, file.end);
  if (file.under_way)
    return Result<BatchAnswer>(Unavailable("another batch of this file is being written"));
  if (!is_new && header.begin_offset > file.end) return answer(BatchAnswer::Kind::kGap, file.end);
  file.under_way = true;
  if (is_new) {
    file.end = header.begin_offset;
    if (files_.size() > kMaxFiles) ForgetOldest();
  }
  return &file;
}

void AgentDoor::End(File& file, std::optional<uint64_t> durable_end) {
  os::MutexLock lock(mutex_);
  file.under_way = false;
  if (durable_end) file.end = std::max(file.end, *durable_end);
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
