#pragma once

#include <stdlib.h>

#include <string>

#include "catalog/sqlite_catalog.h"
#include "os/posix_file_system.h"

namespace tarn::catalog {

// A folder of its own for a test, with what a catalog borrows.
class TestPlace {
 public:
  TestPlace() : clock({1'700'000'000'000'000}), random(7) {
    const char* base = ::getenv("TMPDIR");
    std::string pattern = std::string(base == nullptr ? "/tmp" : base) + "/tarn_catalog_XXXXXX";
    TARN_CHECK(::mkdtemp(pattern.data()) != nullptr);
    folder = pattern;
    options.path = folder + "/catalog.db";
    options.tarn_version = "test";
  }
  ~TestPlace() { static_cast<void>(file_system.RemoveRecursively(folder)); }
  TestPlace(const TestPlace&) = delete;
  TestPlace& operator=(const TestPlace&) = delete;

  Result<std::unique_ptr<Catalog>> TryOpen() {
    return OpenSqliteCatalog(options, {file_system, clock, random});
  }
  Result<std::unique_ptr<Catalog>> TryOpen(SqliteMode mode) {
    SqliteOptions other = options;
    other.mode = mode;
    return OpenSqliteCatalog(other, {file_system, clock, random});
  }
  std::unique_ptr<Catalog> Open(SqliteMode mode = SqliteMode::kCreate) {
    auto catalog = TryOpen(mode);
    if (!catalog.ok()) std::fprintf(stderr, "%s\n", catalog.error().ToString().c_str());
    TARN_CHECK(catalog.ok());
    return std::move(catalog).value();
  }

  os::PosixFileSystem file_system;
  os::FakeClock clock;
  os::SeededRandom random;
  std::string folder;
  SqliteOptions options;
};

inline const DatasetName kTestTable{Zone::kClean, "web_log"};
inline const Actor kTester{"tester"};

// The n-th commit of a chain on kTestTable: pointer m<n-1> to m<n>, position <n-1> to <n>, file f1
// to 100 * n bytes, one event. n counts from 1.
inline Commit ChainCommit(int64_t n, FencingToken token) {
  const auto name = [](const char* prefix, int64_t i) {
    return i == 0 ? std::string() : prefix + std::to_string(i);
  };
  Commit commit;
  commit.commit_id = "c" + std::to_string(n);
  commit.pipeline = "land:web";
  commit.token = token;
  commit.expected_position = name("p", n - 1);
  commit.new_position = name("p", n);
  commit.swaps = {{kTestTable, name("m", n - 1), name("m", n), n, 10, 100, std::nullopt}};
  commit.watermarks = {{{"web", "web-1", "f1"}, 100 * n, n, {}}};
  commit.run.run_id = "r" + std::to_string(n);
  commit.run.job = "land:web";
  commit.run.ended = {n};
  commit.run.outputs = {{kTestTable, n}};
  commit.events = {{0, kTestTable, n, "append", "{}", "", {}, {}}};
  commit.audit.who = "landing";
  return commit;
}

// Makes kTestTable; answers a fresh token of land:web.
inline FencingToken StartChain(Catalog& catalog) {
  DatasetSpec spec;
  spec.name = kTestTable;
  spec.location = "clean/web_log";
  TARN_CHECK(catalog.CreateDataset(spec, kTester).ok());
  auto fence = catalog.AcquireFence("land:web", "tester", kMicrosPerSecond, Acquire::kTake);
  TARN_CHECK(fence.ok());
  return fence->token;
}

// Whether everything one commit of the chain writes says the same n; answers n, or -1.
inline int64_t ChainLength(Catalog& catalog) {
  const auto dataset = catalog.GetDataset(kTestTable);
  const auto position = catalog.GetPosition("land:web");
  const auto mark = catalog.GetWatermark({"web", "web-1", "f1"});
  const auto events = catalog.ReadEvents(0, 1'000'000);
  const auto run = catalog.LastSuccessfulRun("land:web");
  const auto commits = catalog.ListCommits(1'000'000);
  AuditFilter filter;
  filter.who = "landing";
  filter.limit = 1'000'000;
  const auto audit = catalog.ListAudit(filter);
  if (!dataset.ok() || !position.ok() || !mark.ok() || !events.ok() || !run.ok() || !commits.ok() ||
      !audit.ok()) {
    return -1;
  }
  const int64_t n = dataset->commits;
  const Commit last = ChainCommit(n, {});
  const bool same =
      *position == last.new_position && dataset->snapshot_id == n && dataset->rows == 10 * n &&
      dataset->metadata_location == (n == 0 ? "" : last.swaps[0].new_metadata_location) &&
      (*mark ? (*mark)->end_offset : 0) == 100 * n && static_cast<int64_t>(events->size()) == n &&
      (*run ? (*run)->ended.micros : 0) == n && static_cast<int64_t>(commits->size()) == n &&
      static_cast<int64_t>(audit->size()) == n;
  return same ? n : -1;
}

}  // namespace tarn::catalog
