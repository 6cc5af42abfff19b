#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "iceberg/manifest_cache.h"
#include "iceberg/table_metadata.h"
#include "store/object_store.h"

namespace tarn::iceberg {

enum class Op : uint8_t {
  kEqual,
  kLess,
  kLessOrEqual,
  kGreater,
  kGreaterOrEqual,
  kIn,
  kIsNull,
  kIsNotNull,
};

// A condition on one primitive column of the current schema.
struct Predicate {
  std::string column;    // path as in FindFieldByPath; or
  int32_t field_id = 0;  // if not 0
  Op op = Op::kEqual;
  std::vector<Value> values;  // one; any number for kIn; none for the null tests
};

// All of them hold.
struct Filter {
  std::vector<Predicate> all_of;
};

struct PlannedFile {
  DataFile file;
  int64_t sequence_number = 0;
  std::vector<DataFile> deletes;  // delete files that may apply to it
};

struct Plan {
  std::vector<PlannedFile> files;
  int64_t manifests_read = 0;
  int64_t manifests_skipped = 0;
  int64_t files_skipped = 0;
};

// The files of a snapshot (absent: the current one; none yet: an empty plan) that can hold rows for
// which the filter is true. Conservative: no such row is ever missed, whatever the engine thinks of
// NaN; a literal that does not fit its column prunes nothing. InvalidArgument for an unknown
// column, NotFound for an unknown snapshot.
Result<Plan> PlanFiles(const store::ObjectStore& store, ManifestCache& cache,
                       const TableMetadata& table, std::optional<int64_t> snapshot_id,
                       const Filter& filter);

// The rows of the current snapshot, from its manifest list alone; nullopt where there are delete
// files or the list does not count rows.
Result<std::optional<uint64_t>> CountRows(const store::ObjectStore& store, ManifestCache& cache,
                                          const TableMetadata& table);

}  // namespace tarn::iceberg
