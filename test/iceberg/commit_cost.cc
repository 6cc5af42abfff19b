// Prints what the metadata of one append costs, store excluded, by the number of snapshots kept.
#include <fmt/format.h>

#include <string>

#include "iceberg/commit.h"
#include "iceberg/memory_store_test.h"
#include "iceberg/update.h"

namespace tarn::iceberg {
namespace {

DataFile File(const event::Schema& schema, int64_t number) {
  DataFile file;
  file.path = fmt::format("file:///lake/t/data/{}.parquet", number);
  file.partition = {number / 60};
  file.record_count = 5'000;
  file.file_size_in_bytes = 160'000;
  for (const auto& field : schema.fields) {
    file.column_sizes[field.id] = 10'000;
    file.value_counts[field.id] = 5'000;
    file.null_value_counts[field.id] = 0;
    file.lower_bounds[field.id] = "12345678";
    file.upper_bounds[field.id] = "87654321";
  }
  file.split_offsets = {4};
  return file;
}

// With `keep` 0 nothing expires; else every commit expires all but the newest `keep`.
void Measure(int32_t keep) {
  MemoryStore store;
  const os::SystemClock clock;
  os::SeededRandom random(1);
  ManifestCache cache;
  const Workspace work{store, clock, random, cache};
  event::Schema schema;
  for (int32_t id = 1; id <= 12; ++id) {
    schema.fields.push_back({.id = id,
                             .name = fmt::format("column_{}", id),
                             .type = {.kind = event::TypeKind::kTimestamptz}});
  }
  auto table = NewTable({.location = "file:///lake/t",
                         .schema = schema,
                         .partition = {*PartitionBy(schema, "column_1", "hour")},
                         .uuid = "u"});
  TARN_CHECK(table.ok());
  int64_t micros = 0;
  int64_t slowest = 0;
  for (int64_t i = 1; i <= 1'440; ++i) {
    SnapshotChange change;
    change.added.push_back(File(schema, i));
    const int64_t start = clock.MonotonicMicros();
    PrepareOptions options;
    if (keep > 0) options.expire = ExpirePolicy{.max_age_ms = -1, .min_to_keep = keep};
    auto prepared = PrepareSnapshot(work, *table, change, options);
    const int64_t took = clock.MonotonicMicros() - start;
    micros += took;
    slowest = std::max(slowest, took);
    TARN_CHECK(prepared.ok());
    *table = std::move(prepared->metadata);
    for (const auto& url : prepared->files_unreachable) (void)DeleteFiles(store, {url});
    if (i % 20 != 0) continue;
    if (i == 60 || i == 200 || i == 1'440) {
      fmt::print(
          "{:5} commits, {:4} snapshots: {:.2f} ms a commit, slowest of the last 20 {:.2f} ms, "
          "metadata.json {} bytes\n",
          i, table->snapshots.size(), static_cast<double>(micros) / 20e3,
          static_cast<double>(slowest) / 1e3,
          store.objects[*store.KeyOf(table->metadata_location)].size());
    }
    micros = 0;
    slowest = 0;
  }
}

}  // namespace
}  // namespace tarn::iceberg

int main() {
  tarn::iceberg::Measure(0);
  tarn::iceberg::Measure(60);
  tarn::iceberg::Measure(120);
  return 0;
}
