#include "demo/truth.h"

#include <fmt/format.h>

#include <utility>

#include "base/text.h"
#include "codec/hash.h"

namespace tarn::demo {
namespace {

using codec::Json;

// What a line of the file says of one server and hour, or of its growth.
Json LineOf(const Truth::Key& key, const HourCounts& now, const HourCounts& before) {
  Json status;
  for (const auto& [code, count] : now.by_status) {
    const auto old = before.by_status.find(code);
    const uint64_t growth = count - (old == before.by_status.end() ? 0 : old->second);
    if (growth > 0) status.Set(fmt::format("{}", code), static_cast<int64_t>(growth));
  }
  Json line;
  line.Set("server", fmt::format("w{}", key.first + 1));
  line.Set("hour", FormatTimestamp({key.second * kMicrosPerHour}).substr(0, 13));
  const auto set = [&line](std::string_view name, uint64_t a, uint64_t b) {
    line.Set(name, static_cast<int64_t>(a - b));
  };
  set("hits", now.hits, before.hits);
  if (!status.is_null()) line.Set("status", std::move(status));
  set("rejected", now.rejected, before.rejected);
  set("visitors", now.visitors, before.visitors);
  set("sessions", now.sessions, before.sessions);
  return line;
}

template <typename Ids>
Json IdArray(const Ids& ids) {
  Json::Array array;
  for (const uint64_t id : ids) array.emplace_back(fmt::format("{:016x}", id));
  return array;
}

void ReadIds(const Json& line, std::string_view name, std::unordered_set<uint64_t>& into) {
  const Json* found = line.Find(name);
  const Json::Array* array = found == nullptr ? nullptr : found->AsArray();
  if (array == nullptr) return;
  for (const Json& id : *array) {
    if (id.AsString() != nullptr) into.insert(std::strtoull(id.AsString()->c_str(), nullptr, 16));
  }
}

Status ReadStatuses(const Json& line, std::map<int, uint64_t>& by_status) {
  const Json* status = line.Find("status");
  if (status == nullptr) return {};
  if (status->AsObject() == nullptr) return InvalidArgument("'status' is no object");
  for (const auto& [code, count] : *status->AsObject()) {
    const auto number = ParseInt64(code);
    if (!number || count.AsInt() == nullptr) return InvalidArgument("'status' is damaged");
    by_status[static_cast<int>(*number)] += static_cast<uint64_t>(*count.AsInt());
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Truth>> Truth::Open(os::FileSystem& fs, std::string path) {
  std::unique_ptr<Truth> truth(new Truth(fs, std::move(path)));
  TARN_TRY(truth->Load());
  return truth;
}

Status Truth::Load() {
  if (!fs_.Exists(path_)) return {};
  TARN_ASSIGN_OR_RETURN(const std::string text, fs_.ReadFile(path_));
  const size_t end = text.rfind('\n');
  const size_t whole = end == std::string::npos ? 0 : end + 1;
  size_t number = 0;
  for (const std::string_view line : Split(std::string_view(text).substr(0, whole), '\n')) {
    ++number;
    if (line.empty()) continue;
    auto json = codec::ParseJson(line);
    Status applied = json.ok() ? Apply(*json) : Status(std::move(json).error());
    if (!applied.ok()) {
      return Error(applied.error()).In(fmt::format("{}:{}", path_, number));
    }
  }
  os::MutexLock lock(mutex_);
  size_ = whole;
  for (auto& [key, hour] : hours_) hour.flushed = hour.counts;
  uncertain_flushed_ = uncertain_;
  return {};
}

Status Truth::Apply(const Json& line) {
  os::MutexLock lock(mutex_);
  if (const Json* uncertain = line.Find("uncertain"); uncertain != nullptr) {
    if (uncertain->AsInt() != nullptr) uncertain_ += static_cast<uint64_t>(*uncertain->AsInt());
    return {};
  }
  TARN_ASSIGN_OR_RETURN(const std::string server, line.GetString("server"));
  TARN_ASSIGN_OR_RETURN(const std::string hour_text, line.GetString("hour"));
  TARN_ASSIGN_OR_RETURN(const Timestamp time, ParseTimestamp(hour_text + ":00:00Z"));
  if (server.size() != 2 || server[0] != 'w' || server[1] < '1' || server[1] > '9') {
    return InvalidArgument(fmt::format("'{}' is no server", server));
  }
  Hour& hour = hours_[{server[1] - '1', FloorDiv(time.micros, kMicrosPerHour)}];
  const auto add = [&line](std::string_view name, uint64_t& to) -> Status {
    TARN_ASSIGN_OR_RETURN(const int64_t value, line.GetInt(name));
    to += static_cast<uint64_t>(value);
    return {};
  };
  TARN_TRY(add("hits", hour.counts.hits));
  TARN_TRY(add("rejected", hour.counts.rejected));
  TARN_TRY(add("visitors", hour.counts.visitors));
  TARN_TRY(add("sessions", hour.counts.sessions));
  TARN_TRY(ReadStatuses(line, hour.counts.by_status));
  if (line.Find("closed") != nullptr) hour.ids_known = false;
  ReadIds(line, "visitor_ids", hour.visitor_ids);
  ReadIds(line, "session_ids", hour.session_ids);
  return {};
}

Truth::Hour& Truth::Changed(const Key& key) {
  changed_.insert(key);
  return hours_[key];
}

void Truth::AddIds(const Key& key, Hour& hour, std::string_view cookie) {
  if (cookie.empty() || !hour.ids_known) return;
  const uint64_t session = codec::Xxh3(cookie);
  if (!hour.session_ids.insert(session).second) return;
  ++hour.counts.sessions;
  hour.new_sessions.push_back(session);
  const uint64_t visitor = codec::Xxh3(cookie.substr(0, cookie.find('.')));
  if (hour.visitor_ids.insert(visitor).second) {
    ++hour.counts.visitors;
    hour.new_visitors.push_back(visitor);
  }
  changed_.insert(key);
}

void Truth::AddHit(int server, Timestamp time, int status, std::string_view cookie) {
  const Key key{server, FloorDiv(time.micros, kMicrosPerHour)};
  os::MutexLock lock(mutex_);
  Hour& hour = Changed(key);
  ++hour.counts.hits;
  ++hour.counts.by_status[status];
  AddIds(key, hour, cookie);
}

void Truth::AddRejected(int server, Timestamp time) {
  AddMissingRejected({server, FloorDiv(time.micros, kMicrosPerHour)}, 1);
}

void Truth::AddUncertain() {
  os::MutexLock lock(mutex_);
  ++uncertain_;
}

void Truth::AddMissing(Key key, int status, uint64_t count) {
  os::MutexLock lock(mutex_);
  Hour& hour = Changed(key);
  hour.counts.hits += count;
  hour.counts.by_status[status] += count;
}

void Truth::AddMissingRejected(Key key, uint64_t count) {
  os::MutexLock lock(mutex_);
  Changed(key).counts.rejected += count;
}

void Truth::AddCookie(Key key, std::string_view cookie) {
  os::MutexLock lock(mutex_);
  if (!cookie.empty()) AddIds(key, hours_[key], cookie);
}

Status Truth::Append(const std::string& text) {
  TARN_ASSIGN_OR_RETURN(auto file, fs_.Open(path_, os::OpenMode::kCreate));
  TARN_TRY(file->Truncate(size_));  // a torn line of a run that was killed
  TARN_TRY(file->WriteAt(size_, text));
  size_ += text.size();
  return {};
}

Status Truth::Flush() {
  os::MutexLock lock(mutex_);
  std::string text;
  for (const Key& key : changed_) {
    Hour& hour = hours_[key];
    Json line = LineOf(key, hour.counts, hour.flushed);
    if (!hour.new_visitors.empty()) line.Set("visitor_ids", IdArray(hour.new_visitors));
    if (!hour.new_sessions.empty()) line.Set("session_ids", IdArray(hour.new_sessions));
    text += codec::DumpJson(line) + "\n";
  }
  if (uncertain_ > uncertain_flushed_) {
    text += fmt::format("{{\"uncertain\":{}}}\n", uncertain_ - uncertain_flushed_);
  }
  if (text.empty()) return {};
  TARN_TRY(Append(text));
  for (const Key& key : changed_) {
    Hour& hour = hours_[key];
    hour.flushed = hour.counts;
    hour.new_visitors.clear();
    hour.new_sessions.clear();
  }
  changed_.clear();
  uncertain_flushed_ = uncertain_;
  return {};
}

Status Truth::Compact(Timestamp recent) {
  os::MutexLock lock(mutex_);
  std::string text;
  for (auto& [key, hour] : hours_) {
    Json line = LineOf(key, hour.counts, HourCounts{});
    if (!hour.ids_known || (key.second + 1) * kMicrosPerHour <= recent.micros) {
      hour.ids_known = false;
      hour.visitor_ids = {};
      hour.session_ids = {};
      line.Set("closed", true);
    } else {
      line.Set("visitor_ids", IdArray(hour.visitor_ids));
      line.Set("session_ids", IdArray(hour.session_ids));
    }
    text += codec::DumpJson(line) + "\n";
    hour.flushed = hour.counts;
    hour.new_visitors.clear();
    hour.new_sessions.clear();
  }
  if (uncertain_ > 0) text += fmt::format("{{\"uncertain\":{}}}\n", uncertain_);
  TARN_TRY(fs_.WriteFileAtomically(path_, text));
  size_ = text.size();
  changed_.clear();
  uncertain_flushed_ = uncertain_;
  return {};
}

std::map<Truth::Key, HourCounts> Truth::Counts() const {
  os::MutexLock lock(mutex_);
  std::map<Key, HourCounts> counts;
  for (const auto& [key, hour] : hours_) counts.emplace(key, hour.counts);
  return counts;
}

HourCounts Truth::Total(int server) const {
  os::MutexLock lock(mutex_);
  HourCounts total;
  for (const auto& [key, hour] : hours_) {
    if (key.first != server) continue;
    total.hits += hour.counts.hits;
    total.rejected += hour.counts.rejected;
    total.visitors += hour.counts.visitors;
    total.sessions += hour.counts.sessions;
    for (const auto& [code, count] : hour.counts.by_status) total.by_status[code] += count;
  }
  return total;
}

uint64_t Truth::uncertain() const {
  os::MutexLock lock(mutex_);
  return uncertain_;
}

Json TruthSummary(const Truth& truth, int servers) {
  Json per_server;
  uint64_t hits = 0;
  uint64_t rejected = 0;
  for (int server = 0; server < servers; ++server) {
    const HourCounts total = truth.Total(server);
    hits += total.hits;
    rejected += total.rejected;
    Json status;
    for (const auto& [code, count] : total.by_status) {
      status.Set(fmt::format("{}", code), static_cast<int64_t>(count));
    }
    Json entry;
    entry.Set("hits", static_cast<int64_t>(total.hits));
    entry.Set("rejected", static_cast<int64_t>(total.rejected));
    entry.Set("status", status.is_null() ? Json(Json::Object{}) : std::move(status));
    per_server.Set(fmt::format("w{}", server + 1), std::move(entry));
  }
  Json out;
  out.Set("hits", static_cast<int64_t>(hits));
  out.Set("rejected", static_cast<int64_t>(rejected));
  out.Set("uncertain", static_cast<int64_t>(truth.uncertain()));
  out.Set("servers", std::move(per_server));
  return out;
}

}  // namespace tarn::demo
