#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "catalog/catalog.h"
#include "iceberg/manifest_cache.h"
#include "iceberg/scan.h"
#include "iceberg/table_metadata.h"
#include "os/mutex.h"
#include "sql/table_resolver.h"
#include "store/local_store.h"

namespace tarn::lake {

// The lake's tables for SQL: "zone.table", each query on one snapshot per table, files pruned by
// partition and bounds. Thread-safe; everything borrowed outlives it.
class LakeResolver final : public sql::TableResolver {
 public:
  LakeResolver(const store::LocalStore& store, catalog::Catalog& catalog,
               iceberg::ManifestCache& manifests)
      : store_(store), catalog_(catalog), manifests_(manifests) {}

  Result<std::vector<sql::TableName>> List() override;
  Result<std::vector<sql::TableInfo>> Describe(const std::vector<sql::TableName>& names) override;
  Result<std::vector<std::string>> Files(const sql::TableInfo& table,
                                         const event::Filter& filter) override;
  // From the manifest list; not where another engine left delete files, or counts are missing.
  Result<std::optional<uint64_t>> CountRows(const sql::TableInfo& table) override;
  // By checksum, every byte.
  Status FindDamage(const sql::TableInfo& table, const event::Filter& filter,
                    const sql::GoOn& go_on) override;

  // The local path of a data file, unless the table has it no more. The file is not looked at.
  Result<std::optional<std::string>> PathOf(const sql::TableName& name, const std::string& url);

 private:
  using Metadata = std::shared_ptr<const iceberg::TableMetadata>;
  // The metadata of `table`. Its files never change; the last kMaxKept are kept parsed.
  Result<Metadata> Load(const std::string& table, const std::string& location);
  Result<iceberg::Plan> PlanOf(const sql::TableInfo& table, const event::Filter& filter);
  static constexpr size_t kMaxKept = 64;

  const store::LocalStore& store_;
  catalog::Catalog& catalog_;
  iceberg::ManifestCache& manifests_;
  os::Mutex mutex_;
  std::map<std::string, Metadata> kept_ TARN_GUARDED_BY(mutex_);
};

}  // namespace tarn::lake
