#include "lake/orphans.h"

#include <unordered_set>
#include <utility>

#include "iceberg/commit.h"
#include "lake/layout.h"
#include "lake/table.h"

namespace tarn::lake {
namespace {

Result<std::vector<store::ObjectInfo>> ListOld(const Workspace& work,
                                               const catalog::DatasetName& dataset,
                                               Timestamp before) {
  std::vector<store::ObjectInfo> old;
  for (const char* folder : {"/data/", "/metadata/"}) {
    TARN_ASSIGN_OR_RETURN(auto objects, work.store.List(TablePrefix(dataset) + folder));
    for (store::ObjectInfo& object : objects) {
      if (object.modified < before) old.push_back(std::move(object));
    }
  }
  return old;
}

}  // namespace

Result<std::vector<store::ObjectInfo>> FindOrphans(const Workspace& work,
                                                   const catalog::DatasetName& dataset,
                                                   Timestamp before) {
  // Listed before the table is loaded: what is old now and not reached then was never to be.
  TARN_ASSIGN_OR_RETURN(auto objects, ListOld(work, dataset, before));
  if (objects.empty()) return objects;
  TARN_ASSIGN_OR_RETURN(const iceberg::TableMetadata table, LoadTable(work, dataset));
  TARN_ASSIGN_OR_RETURN(const auto urls, iceberg::Reachable(work.ForIceberg(), table));
  std::unordered_set<std::string> reachable;
  for (const std::string& url : urls) {
    if (auto key = work.store.KeyOf(url); key.ok()) reachable.insert(std::move(*key));
  }
  std::erase_if(objects, [&](const auto& object) { return reachable.contains(object.key); });
  return objects;
}

Result<OrphanReport> OrphanRemoval::Look(const catalog::DatasetName& dataset, Timestamp before) {
  TARN_ASSIGN_OR_RETURN(const auto orphans, FindOrphans(work_, dataset, before));
  auto& seen = seen_[dataset];
  std::map<std::string, int64_t> still;
  OrphanReport report;
  if (orphans.empty()) {
    seen.clear();
    return report;
  }
  TARN_ASSIGN_OR_RETURN(const iceberg::TableMetadata table, LoadTable(work_, dataset));
  const int64_t now = work_.clock.MonotonicMicros();
  const bool quiet =
      at_once_ && work_.clock.Now().micros - table.last_updated_ms * 1'000 >= reader_grace_micros_;
  for (const store::ObjectInfo& orphan : orphans) {
    ++report.found;
    report.found_bytes += static_cast<int64_t>(orphan.size);
    const auto found = seen.find(orphan.key);
    const int64_t since = found == seen.end() ? now : found->second;
    if (!quiet && now - since < reader_grace_micros_) {
      still[orphan.key] = since;
      continue;
    }
    if (Status deleted = work_.store.Delete(orphan.key); !deleted.ok()) {
      return std::move(deleted).error();
    }
    ++report.removed;
    report.removed_bytes += static_cast<int64_t>(orphan.size);
  }
  seen = std::move(still);
  return report;
}

}  // namespace tarn::lake
