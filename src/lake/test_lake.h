#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <set>
#include <string>

#include "agent_wire/batch.h"
#include "catalog/sqlite_catalog.h"
#include "codec/zstd.h"
#include "iceberg/schema_json.h"
#include "iceberg/update.h"
#include "journal/journal.h"
#include "lake/agent_door.h"
#include "lake/landing.h"
#include "lake/log_schema.h"
#include "lake/table.h"
#include "lake/table_resolver.h"
#include "lake/test_ask.h"
#include "lake/test_lossy_catalog.h"
#include "os/posix_file_system.h"
#include "os/queue.h"
#include "sql/engine.h"
#include "store/local_store.h"

namespace tarn::lake {

// For a flush that is waited for.
inline constexpr int64_t kTimeout = 60 * kMicrosPerSecond;

// For tests: a lake in a folder of its own, with the parts a server has. Open and Close are what a
// start and a stop do; Kill leaves everything as a crash would, but for what the disk lost.
class TestLake {
 public:
  explicit TestLake(const std::string& name)
      : root_(testing::TempDir() + "tarn_lake_" + name + "_" + std::to_string(getpid())),
        log_(clock_, STDERR_FILENO, obs::LogFormat::kText, obs::Level::kError) {
    EXPECT_TRUE(files_.RemoveRecursively(root_).ok());
    EXPECT_TRUE(files_.CreateDirectories(root_).ok());
    options_.sources = {{"web_log", "common", {.parquet = true, .json = true}}};
    options_.buffer_age_micros = 3'600 * kMicrosPerSecond;
  }
  ~TestLake() {
    Kill();
    EXPECT_TRUE(files_.RemoveRecursively(root_).ok());
  }

  LandingOptions& options() { return options_; }
  journal::Options& journal_options() { return journal_options_; }
  // As an operator who goes on without what is gone; the lake has records up to `position`.
  void accept_loss(uint64_t position) {
    options_.accept_loss = true;
    resume_at_ = position;
  }
  const std::string& root() const { return root_; }
  catalog::Catalog& catalog() { return *catalog_; }
  store::LocalStore& store() { return *store_; }
  journal::Journal& journal() { return *journal_; }
  Landing& landing() const { return *landing_; }
  AgentDoor& door() { return *door_; }
  LossyCatalog& lossy() { return *lossy_; }  // what the lake's parts see of the catalog
  os::PosixFileSystem& files() { return files_; }
  const Workspace& work() { return *work_; }

  Status Open() {
    TARN_ASSIGN_OR_RETURN(store_, store::LocalStore::Open(files_, random_, root_ + "/lake"));
    catalog::SqliteOptions sqlite;
    sqlite.path = root_ + "/catalog.db";
    TARN_ASSIGN_OR_RETURN(catalog_, catalog::OpenSqliteCatalog(sqlite, {files_, clock_, random_}));
    lossy_ = std::make_unique<LossyCatalog>(*catalog_);
    TARN_ASSIGN_OR_RETURN(journal_, OpenJournal());
    work_ = std::make_unique<Workspace>(
        Workspace{*store_, *lossy_, clock_, random_, manifests_, log_, metrics_});
    TARN_ASSIGN_OR_RETURN(landing_, Landing::Start(*work_, *journal_, options_));
    std::set<std::string> sources;
    for (const LogSource& source : options_.sources) sources.insert(source.name);
    TARN_ASSIGN_OR_RETURN(door_,
                          AgentDoor::Open(*work_, *journal_, sources, landing_->status().position));
    return {};
  }

  // The journal alone; while it is open the lake cannot be.
  Result<std::unique_ptr<journal::Journal>> OpenJournal() {
    journal_options_.accept_loss = options_.accept_loss;
    journal_options_.resume_at = resume_at_;
    return journal::Journal::Open({files_, random_, clock_, log_, metrics_}, root_ + "/journal",
                                  journal_options_);
  }

  // Nothing buffered is flushed.
  void Kill() {
    if (landing_) landing_->Stop(false);
    door_.reset();
    landing_.reset();
    journal_.reset();
    lossy_.reset();
    catalog_.reset();
    store_.reset();
  }

  Result<BatchAnswer> Send(const agent_wire::BatchHeader& header, std::string_view payload) {
    const auto encoded = agent_wire::Encode(header, payload, zstd_);
    if (!encoded.ok()) return encoded.error();
    os::Queue<Result<BatchAnswer>> answers(1);
    door_->Submit(*encoded, [&](Result<BatchAnswer> answer) { answers.Push(std::move(answer)); });
    return *answers.Pop();
  }

  // A batch of `lines` common-log lines of host `host` that starts at `offset`; moves the offset.
  Result<BatchAnswer> SendLines(const std::string& host, uint64_t& offset, int lines,
                                const std::string& format = "") {
    std::string payload;
    for (int i = 0; i < lines; ++i) payload += Line(host, offset + payload.size());
    agent_wire::BatchHeader header = Header(host, offset, payload, static_cast<uint64_t>(lines));
    header.format = format;
    auto answer = Send(header, payload);
    if (answer.ok()) offset = header.end_offset;
    return answer;
  }

  static agent_wire::BatchHeader Header(const std::string& host, uint64_t offset,
                                        std::string_view payload, uint64_t lines) {
    agent_wire::BatchHeader header;
    header.agent_id = "agent-" + host;
    header.batch_number = offset + 1;
    header.host = host;
    header.source = "web_log";
    header.path = "/var/log/access.log";
    header.file_id = "file-1";
    header.begin_offset = offset;
    header.end_offset = offset + payload.size();
    header.line_count = lines;
    return header;
  }

  // Every line differs: its path names where it stands.
  static std::string Line(const std::string& host, uint64_t offset) {
    return "192.0.2.1 - - [24/Nov/2026:13:" + std::to_string(10 + offset % 50) +
           ":00 +0000] \"GET /" + host + "/" + std::to_string(offset) + " HTTP/1.1\" 200 5\n";
  }

  // The table's column `_file_id` gets the name that tables of the first days have.
  void MakeOld(const catalog::DatasetName& name) {
    auto table = LoadTable(*work_, name);
    ASSERT_TRUE(table.ok());
    const iceberg::TableMetadata base = *table;
    const auto rename = [](event::Schema& schema, int32_t& /*last*/) {
      return iceberg::RenameColumn(schema, kFileColumn, "_file");
    };
    ASSERT_TRUE(iceberg::EvolveSchema(*table, rename).ok());
    const auto prepared = iceberg::PrepareMetadata(work_->ForIceberg(), &base, *table);
    ASSERT_TRUE(prepared.ok());
    catalog::Commit commit;
    commit.commit_id = FormatUuid(random_.NewUuidV7(clock_.Now()));
    commit.swaps.push_back({name, base.metadata_location, prepared->metadata.metadata_location,
                            base.current_snapshot_id.value_or(0)});
    commit.audit = {.who = "test", .action = "table.age", .object = name.ToString()};
    ASSERT_TRUE(catalog_->Apply(commit).ok());
  }

  // The first column of the first row, as text.
  std::string Ask(const std::string& statement) {
    LakeResolver tables(*store_, *catalog_, manifests_);
    return AskTables(root_ + "/lake", files_, tables, statement);
  }

 private:
  const std::string root_;
  os::PosixFileSystem files_;
  os::SystemClock clock_;
  os::SystemRandom random_;
  obs::Logger log_;
  obs::Registry metrics_;
  iceberg::ManifestCache manifests_;
  codec::ZstdCompressor zstd_;
  LandingOptions options_;
  journal::Options journal_options_{
      .segment_bytes = 4 << 20, .max_bytes = 64 << 20, .max_record_bytes = 2 << 20};
  uint64_t resume_at_ = 0;
  std::unique_ptr<store::LocalStore> store_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<LossyCatalog> lossy_;
  std::unique_ptr<journal::Journal> journal_;
  std::unique_ptr<Workspace> work_;
  std::unique_ptr<Landing> landing_;
  std::unique_ptr<AgentDoor> door_;
};

}  // namespace tarn::lake
