#include "demo/lake_status.h"

#include <string_view>
#include <utility>

#include "base/time.h"

namespace tarn::demo {
namespace {

using codec::Json;

void Read(const Json& from, std::string_view key, int64_t& value) {
  const Json* found = from.Find(key);
  if (found != nullptr && found->AsInt() != nullptr) value = *found->AsInt();
}

void Read(const Json& from, std::string_view key, double& value) {
  const Json* found = from.Find(key);
  if (found == nullptr) return;
  if (found->AsDouble() != nullptr) value = *found->AsDouble();
  if (found->AsInt() != nullptr) value = static_cast<double>(*found->AsInt());
}

void ReadSource(const std::string& name, const Json& json, LakeStatus& status) {
  SourceStatus& source = status.sources[name];
  Read(json, "lag_seconds", source.lag_seconds);
  Read(json, "lag_bytes", source.lag_bytes);
  Read(json, "records_per_second", source.records_per_second);
  Read(json, "rejected", source.rejected);
  const Json* error = json.Find("last_error");
  if (error != nullptr && error->AsString() != nullptr) source.last_error = *error->AsString();
}

// A list of objects with a name (or host), or an object whose keys are the names.
void ReadSources(const Json& json, LakeStatus& status) {
  if (const Json::Object* object = json.AsObject(); object != nullptr) {
    for (const auto& [name, entry] : *object) ReadSource(name, entry, status);
  }
  const Json::Array* array = json.AsArray();
  if (array == nullptr) return;
  for (const Json& entry : *array) {
    for (const std::string_view key : {"host", "name"}) {
      const Json* name = entry.Find(key);
      if (name == nullptr || name->AsString() == nullptr) continue;
      ReadSource(*name->AsString(), entry, status);
      break;
    }
  }
}

void ReadCommit(const Json& json, LakeStatus& status) {
  const Json* commit = json.Find("last_commit");
  if (commit == nullptr) return;
  if (commit->AsInt() != nullptr) status.last_commit_micros = *commit->AsInt();
  if (commit->AsString() == nullptr) return;
  const auto time = ParseTimestamp(*commit->AsString());
  if (time.ok()) status.last_commit_micros = time->micros;
}

}  // namespace

Result<LakeStatus> ParseLakeStatus(std::string_view text) {
  TARN_ASSIGN_OR_RETURN(const Json json, codec::ParseJson(text));
  if (json.AsObject() == nullptr) return InvalidArgument("the status is no JSON object");
  LakeStatus status;
  if (const Json* sources = json.Find("sources"); sources != nullptr) {
    ReadSources(*sources, status);
  }
  const Json* zones = json.Find("zones");
  if (zones != nullptr && zones->AsObject() != nullptr) {
    for (const auto& [name, zone] : *zones->AsObject()) {
      int64_t rows = zone.AsInt() != nullptr ? *zone.AsInt() : -1;
      Read(zone, "rows", rows);
      if (rows >= 0) status.zone_rows[name] = rows;
    }
  }
  Read(json, "commits", status.commits);
  ReadCommit(json, status);
  return status;
}

Json LakeStatusJson(const LakeStatus& status) {
  Json zones{Json::Object{}};
  for (const auto& [name, rows] : status.zone_rows) zones.Set(name, rows);
  Json sources{Json::Object{}};
  for (const auto& [name, source] : status.sources) {
    Json entry{Json::Object{}};
    if (source.lag_seconds >= 0) entry.Set("lag_seconds", source.lag_seconds);
    if (source.lag_bytes >= 0) entry.Set("lag_bytes", source.lag_bytes);
    if (source.rejected >= 0) entry.Set("rejected", source.rejected);
    if (!source.last_error.empty()) entry.Set("last_error", source.last_error);
    sources.Set(name, std::move(entry));
  }
  Json out;
  out.Set("zones", std::move(zones));
  out.Set("sources", std::move(sources));
  if (status.commits >= 0) out.Set("commits", status.commits);
  if (status.last_commit_micros >= 0) {
    out.Set("last_commit", FormatTimestamp({status.last_commit_micros}));
  }
  return out;
}

}  // namespace tarn::demo
