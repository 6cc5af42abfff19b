#include "lake/agent_door.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "agent_wire/batch.h"
#include "base/text.h"
#include "lake/events.h"
#include "lake/journal_record.h"
#include "lake/log_source.h"

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
  const int64_t now = work_.clock.MonotonicMicros();
  for (const std::string& source : sources_) {
    TARN_ASSIGN_OR_RETURN(const auto marks, work_.catalog.ListWatermarks(source));
    os::MutexLock lock(mutex_);
    for (const catalog::Watermark& mark : marks) {
      files_[mark.key] = {.end = static_cast<uint64_t>(mark.end_offset),
                          .known = true,
                          .touched = now - (work_.clock.Now().micros - mark.updated.micros)};
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
    file.known = true;
    file.touched = work_.clock.MonotonicMicros();
  }
}

Status AgentDoor::CheckHeader(const agent_wire::BatchHeader& header) const {
  if (!sources_.contains(header.source)) {
    const std::vector<std::string_view> known(sources_.begin(), sources_.end());
    return NoSuchSource(header.source, known);
  }
  for (const std::string* name : {&header.host, &header.file_id}) {
    if (name->size() > kMaxNameBytes) {
      return InvalidArgument(fmt::format("a host or file id of {} bytes; {} are allowed",
                                         name->size(), kMaxNameBytes));
    }
    if (!IsValidUtf8(*name)) {
      return InvalidArgument(
          fmt::format("host or file id '{}' is no UTF-8", EscapeInvalidUtf8(*name)));
    }
  }
  return {};
}

void AgentDoor::Submit(std::string_view encoded, Done done) {
  // The whole batch is checked before it is acknowledged: nothing unreadable enters the journal.
  const auto batch = agent_wire::Decode(encoded);
  if (!batch.ok()) return done(batch.error());
  Submit(batch->header, encoded, std::move(done));
}

void AgentDoor::Submit(const agent_wire::BatchHeader& header, std::string_view encoded, Done done,
                       std::string_view key) {
  if (Status checked = CheckHeader(header); !checked.ok()) return done(std::move(checked).error());
  auto begun = Begin(header, key);
  if (auto* answer = std::get_if<Result<BatchAnswer>>(&begun)) return done(std::move(*answer));
  File* const file = std::get<File*>(begun);
  const uint64_t end = header.end_offset;
  journal_.AppendAsync(
      EncodeJournalRecord(RecordKind::kAgentBatch, work_.clock.Now(), encoded),
      [this, file, end, done = std::move(done)](const Result<journal::Position>& appended) {
        End(*file, appended.ok() ? std::optional(end) : std::nullopt);
        if (!appended.ok()) return done(appended.error());
        done(BatchAnswer{BatchAnswer::Kind::kStored, end, {}});
      });
}

std::variant<Result<BatchAnswer>, AgentDoor::File*> AgentDoor::Begin(
    const agent_wire::BatchHeader& header, std::string_view key) {
  const auto answer = [](BatchAnswer::Kind kind, uint64_t offset, std::string reason = {}) {
    return Result<BatchAnswer>(BatchAnswer{kind, offset, std::move(reason)});
  };
  os::MutexLock lock(mutex_);
  const catalog::WatermarkKey name{header.source, header.host, header.file_id};
  auto slot = files_.find(name);
  if (slot == files_.end() || slot->second.sender == nullptr) {
    auto sender = senders_.find(key);
    if (sender == senders_.end()) sender = senders_.try_emplace(std::string(key)).first;
    if (slot == files_.end()) {
      if (auto refusal = Admit(header, *sender)) {
        return answer(BatchAnswer::Kind::kOverLimit, 0, *std::move(refusal));
      }
      slot = files_.try_emplace(name).first;
      if (files_.size() > kMaxFiles) ForgetOldest(slot->second);
    }
    Own(*slot, sender->second);
  }
  File& file = slot->second;
  file.touched = work_.clock.MonotonicMicros();
  if (file.known && header.end_offset <= file.end)
    return answer(BatchAnswer::Kind::kDuplicate, file.end);
  if (file.under_way)
    return Result<BatchAnswer>(Unavailable("another batch of this file is being written"));
  if (file.known && header.begin_offset > file.end)
    return answer(BatchAnswer::Kind::kGap, file.end);
  file.under_way = true;
  return &file;
}

std::optional<std::string> AgentDoor::Admit(const agent_wire::BatchHeader& header,
                                            Senders::value_type& entry) {
  const std::string& key = entry.first;
  Sender& sender = entry.second;
  const auto over = [&]() -> const char* {
    if (sender.files >= kMaxFilesOfKey) return "files";
    const bool new_host = !sender.hosts.contains(header.host);
    return new_host && sender.hosts.size() >= kMaxHostsOfKey ? "hosts" : nullptr;
  };
  if (over() == nullptr) return std::nullopt;
  // Files of old do not count; looked for once a minute at most, as this looks at all.
  const int64_t now = work_.clock.MonotonicMicros();
  const bool look = !sender.refused || now - *sender.refused >= 60 * kMicrosPerSecond;
  if (look) {
    sender.refused = now;
    for (auto file = files_.begin(); file != files_.end();) {
      const bool old = now - file->second.touched > kKeepMicros && !file->second.under_way;
      file = file->second.sender == &sender && old ? Forget(file) : std::next(file);
    }
  }
  const char* const limit = over();
  if (limit == nullptr) return std::nullopt;
  const size_t most = limit == std::string_view("files") ? kMaxFilesOfKey : kMaxHostsOfKey;
  SenderRefused{key, limit, most, look}.Emit(work_);
  return fmt::format(
      "key '{}' has brought {} {} since the server started, not counting those quiet for 7 days, "
      "which is all a key may; if that is right, give its agents keys of their own",
      key, most, limit);
}

void AgentDoor::Own(Files::value_type& file, Sender& sender) {
  file.second.sender = &sender;
  ++sender.files;
  ++sender.hosts[file.first.host];
}

AgentDoor::Files::iterator AgentDoor::Forget(Files::iterator file) {
  if (Sender* const sender = file->second.sender; sender != nullptr) {
    --sender->files;
    const auto host = sender->hosts.find(file->first.host);
    if (--host->second == 0) sender->hosts.erase(host);
  }
  return files_.erase(file);
}

void AgentDoor::End(File& file, std::optional<uint64_t> durable_end) {
  os::MutexLock lock(mutex_);
  file.under_way = false;
  if (!durable_end) return;
  file.known = true;
  file.end = std::max(file.end, *durable_end);
}

// A tenth of the files, those untouched for longest, so that the search is paid for rarely.
void AgentDoor::ForgetOldest(const File& keep) {
  std::vector<std::pair<int64_t, catalog::WatermarkKey>> idle;
  for (const auto& [key, file] : files_) {
    if (!file.under_way && &file != &keep) idle.emplace_back(file.touched, key);
  }
  const size_t count = std::min(idle.size(), kMaxFiles / 10);
  std::partial_sort(idle.begin(), idle.begin() + static_cast<std::ptrdiff_t>(count), idle.end());
  for (size_t i = 0; i < count; ++i) Forget(files_.find(idle[i].second));
}

size_t AgentDoor::files() const {
  os::MutexLock lock(mutex_);
  return files_.size();
}

}  // namespace tarn::lake
