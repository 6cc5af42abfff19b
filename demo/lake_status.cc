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

std::string TextOf(const Json& json, std::string_view key) {
  return json.GetString(key).value_or("");
}

// One of the elements of the array `key`, each in turn; nothing if it is no array.
template <typename Visit>
void ForEach(const Json& json, std::string_view key, const Visit& visit) {
  const Json* list = json.Find(key);
  if (list == nullptr || list->AsArray() == nullptr) return;
  for (const Json& element : *list->AsArray()) visit(element);
}

void ReadSource(const Json& json, LakeStatus& status) {
  ForEach(json, "hosts", [&](const Json& host) {
    SourceStatus& source = status.sources[TextOf(host, "host")];
    Read(host, "lag_seconds", source.lag_seconds);
    Read(host, "lines_per_second", source.records_per_second);
    Read(host, "rejected", source.rejected);
    source.last_error = TextOf(json, "last_error");
  });
}

void ReadLanding(const Json& json, LakeStatus& status) {
  Read(json, "commits", status.commits);
  const auto time = ParseTimestamp(TextOf(json, "last_commit"));
  if (time.ok()) status.last_commit_micros = time->micros;
}

}  // namespace

Result<LakeStatus> ParseLakeStatus(std::string_view text) {
  TARN_ASSIGN_OR_RETURN(const Json json, codec::ParseJson(text));
  if (json.AsObject() == nullptr) return InvalidArgument("the status is no JSON object");
  LakeStatus status;
  ForEach(json, "sources", [&](const Json& source) { ReadSource(source, status); });
  ForEach(json, "datasets", [&](const Json& dataset) {
    int64_t rows = 0;
    Read(dataset, "rows", rows);
    status.zone_rows[TextOf(dataset, "zone")] += rows;
  });
  if (const Json* landing = json.Find("landing"); landing != nullptr) ReadLanding(*landing, status);
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
