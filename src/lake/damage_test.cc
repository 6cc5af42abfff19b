#include "lake/damage.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "base/bytes.h"
#include "lake/test_table.h"

namespace tarn::lake {
namespace {

// A table's files under names that DuckDB has not seen, so that it reads them anew.
class NewNames final : public sql::TableResolver {
 public:
  NewNames(sql::TableResolver& tables, std::string folder)
      : tables_(tables), folder_(std::move(folder)) {
    std::filesystem::create_directories(folder_);
  }

  Result<std::vector<sql::TableName>> List() override { return tables_.List(); }
  Result<std::vector<sql::TableInfo>> Describe(const std::vector<sql::TableName>& names) override {
    return tables_.Describe(names);
  }
  Result<std::vector<std::string>> Files(const sql::TableInfo& table,
                                         const event::Filter& filter) override {
    TARN_ASSIGN_OR_RETURN(auto paths, tables_.Files(table, filter));
    for (std::string& path : paths) {
      const std::string name = folder_ + "/" + std::to_string(++number_);
      std::filesystem::create_hard_link(path, name);
      path = name;
    }
    return paths;
  }
  Status FindDamage(const sql::TableInfo& table, const event::Filter& filter,
                    const sql::GoOn& go_on) override {
    return tables_.FindDamage(table, filter, go_on);
  }

 private:
  sql::TableResolver& tables_;
  const std::string folder_;
  int number_ = 0;
};

// A table of one file, asked by one engine while the file is damaged.
class DamageTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(table_.Open().ok());
    ASSERT_TRUE(table_.Append(table_.ThisHour() - 3, 0, 30'000).ok());
    key_ = table_.Keys("/data/").front();
    bytes_ = *table_.store().Get(key_);
    tables_ = std::make_unique<LakeResolver>(table_.store(), table_.catalog(), manifests_);
    names_ = std::make_unique<NewNames>(*tables_, table_.root() + "/lake/names");
    sql::EngineOptions options;
    options.threads = 1;
    options.data_directories = {table_.root() + "/lake"};
    engine_ = std::move(sql::Engine::Open(options, table_.files())).value();
    answer_ = *Ask();
  }

  // Every value of every row takes part.
  Result<std::string> Ask() {
    const auto session = sql::Session::Open(*engine_, *names_);
    TARN_ASSIGN_OR_RETURN(
        const auto result,
        session->Run("SELECT sum(hash(id, time, text))::VARCHAR || count(*) FROM clean.web"));
    TARN_ASSIGN_OR_RETURN(const sql::Chunk* chunk, result->Next());
    std::string text;
    chunk->At(0, 0).AppendText(text);
    return text;
  }

  // Without a sync, and not into the file that has another name already.
  void Put(const std::string& key, std::string_view bytes) {
    const std::string path = table_.store().PathOf(key);
    std::filesystem::remove(path);
    std::ofstream(path, std::ios::binary) << bytes;
  }
  void Write(std::string_view bytes) { Put(key_, bytes); }

  // The right answer, or an error of damage that names table and file; and Verify knows.
  void ExpectHonest(size_t at, int bit) {
    std::string damaged = bytes_;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
    Write(damaged);
    const auto answer = Ask();
    const std::string where = "byte " + std::to_string(at) + ", bit " + std::to_string(bit);
    if (answer.ok()) {
      ++right_;
      EXPECT_EQ(*answer, answer_) << where;
    } else {
      ++refused_;
      EXPECT_EQ(answer.error().code(), Code::kDataLoss) << where << answer.error().ToString();
      EXPECT_NE(answer.error().message().find(key_), std::string::npos)
          << where << answer.error().message();
      EXPECT_NE(answer.error().message().find("clean.web"), std::string::npos) << where;
    }
    const auto verified = Verify(table_.work(), table_.name());
    ASSERT_TRUE(verified.ok());
    EXPECT_EQ(verified->lost.size(), 1U) << where;
  }

  TestTable table_{"damage"};
  iceberg::ManifestCache manifests_;
  std::unique_ptr<LakeResolver> tables_;
  std::unique_ptr<NewNames> names_;
  std::unique_ptr<sql::Engine> engine_;
  std::string key_;
  std::string bytes_;
  std::string answer_;
  int right_ = 0;    // answers
  int refused_ = 0;  // questions
};

TEST_F(DamageTest, FlippedBitsOfPagesAndFooterNeverAnswerWrong) {
  std::mt19937 draw(1);  // NOLINT(bugprone-random-generator-seed): the same flips every time
  for (int i = 0; i < 100; ++i) ExpectHonest(draw() % bytes_.size(), static_cast<int>(draw() % 8));
  for (size_t at = bytes_.size() - 70; at < bytes_.size(); ++at) ExpectHonest(at, 2);
  EXPECT_GT(refused_, 0);
}

// The headers of pages are in no checksum that DuckDB reads.
TEST_F(DamageTest, FlippedBitsOfPageHeadersNeverAnswerWrong) {
  constexpr std::string_view kFrame("\x28\xb5\x2f\xfd", 4);  // a page's first bytes
  constexpr size_t kHeader = 24;
  size_t pages = 0;
  for (size_t at = bytes_.find(kFrame); at != std::string::npos; at = bytes_.find(kFrame, at + 1)) {
    // Two pages a column. All of the second column's: what follows it can be read as more of it.
    const bool all = pages / 2 == 1;
    ++pages;
    for (size_t byte = at - kHeader; byte < at; ++byte) {
      for (int bit = 0; bit < 8; ++bit) {
        if (all || (byte + static_cast<size_t>(bit)) % 5 == 0) ExpectHonest(byte, bit);
      }
    }
  }
  EXPECT_EQ(pages, 6U);
  EXPECT_GT(right_, 0);
  EXPECT_GT(refused_, 0);
}

TEST_F(DamageTest, FileOfAnotherLengthIsSaid) {
  for (const size_t size : {size_t{0}, size_t{5}, bytes_.size() / 2, bytes_.size() - 1}) {
    Write(bytes_.substr(0, size));
    const auto answer = Ask();
    ASSERT_FALSE(answer.ok());
    EXPECT_EQ(answer.error().code(), Code::kDataLoss) << answer.error().ToString();
    EXPECT_NE(answer.error().message().find(key_), std::string::npos);
  }
  Write(bytes_ + "x");
  EXPECT_EQ(Ask().error().code(), Code::kDataLoss);
}

TEST_F(DamageTest, MissingFileIsSaidWithItsRowsAndCanBeGoneOnWithout) {
  ASSERT_TRUE(table_.Append(table_.ThisHour() - 5, 30'000, 10).ok());
  std::filesystem::remove(table_.store().PathOf(key_));
  const auto answer = Ask();
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code(), Code::kDataLoss);
  for (const char* part : {"clean.web", "is missing", "30000 rows", "operation.md"}) {
    EXPECT_NE(answer.error().message().find(part), std::string::npos) << answer.error().message();
  }
  const auto verified = Verify(table_.work(), table_.name());
  ASSERT_EQ(verified->lost.size(), 1U);
  ASSERT_TRUE(AcceptLoss(table_.work(), table_.name(), verified->lost).ok());
  EXPECT_EQ(table_.Ask("SELECT count(*) FROM clean.web WHERE id >= 0"), "10");
  EXPECT_TRUE(Verify(table_.work(), table_.name())->lost.empty());
}

// A disk that fails under one file.
TEST_F(DamageTest, UnreadableFileDoesNotEndTheCheckOfTheOthers) {
  ASSERT_TRUE(table_.Append(table_.ThisHour() - 5, 30'000, 10).ok());
  const std::vector<std::string> keys = table_.Keys("/data/");
  ASSERT_EQ(keys.size(), 2U);
  for (const std::string& key : keys) {
    const std::string path = table_.store().PathOf(key);
    std::filesystem::remove(path);
    std::filesystem::create_symlink(path, path);  // ELOOP, which is Io
  }
  const auto verified = Verify(table_.work(), table_.name());
  ASSERT_TRUE(verified.ok()) << verified.error().ToString();
  EXPECT_EQ(verified->files, 2);
  ASSERT_EQ(verified->lost.size(), 2U);
  for (const char* part : {"clean.web", "is unreadable", "rows", "operation.md"}) {
    EXPECT_NE(verified->lost[0].description.find(part), std::string::npos)
        << verified->lost[0].description;
  }
  ASSERT_TRUE(AcceptLoss(table_.work(), table_.name(), verified->lost).ok());
  EXPECT_EQ(table_.Ask("SELECT count(*) FROM clean.web WHERE id >= 0"), "0");
  const auto audit = table_.catalog().ListAudit({.who = "operator"});
  ASSERT_EQ(audit->size(), 1U);
  for (const std::string& key : keys) {
    EXPECT_NE(audit->front().detail.find(key), std::string::npos) << audit->front().detail;
  }
}

TEST_F(DamageTest, CompactionDoesNotMakeDamageLookSound) {
  for (int64_t i = 1; i < 9; ++i) {
    ASSERT_TRUE(table_.Append(table_.ThisHour() - 3, i * 30'000, 30'000).ok());
  }
  std::string damaged = bytes_;
  // The page index is in front of the footer; DuckDB does not read it.
  const size_t page_index =
      damaged.size() - 18 - GetFixed<uint32_t>(damaged.data() + damaged.size() - 8);
  damaged[page_index] = static_cast<char>(damaged[page_index] ^ 1);
  Write(damaged);
  const MaintenanceReport report = table_.Compact();
  EXPECT_EQ(report.compactions, 0);
  EXPECT_NE(report.last_error.find(key_), std::string::npos) << report.last_error;
  Write(bytes_);
  EXPECT_EQ(table_.Compact().compactions, 1);
}

// Metadata, manifest list, manifest: flipped, cut, missing.
TEST_F(DamageTest, DamagedMetadataIsSaid) {
  ASSERT_TRUE(table_.Append(table_.ThisHour() - 4, 30'000, 10).ok());
  const auto table = LoadTable(table_.work(), table_.name());
  std::map<std::string, std::string> originals;
  for (const std::string& key : table_.Keys("/metadata/")) {
    if (key.ends_with(".json") && !table->metadata_location.ends_with(key)) continue;
    if (key.find("/snap-") != std::string::npos &&
        !table->current_snapshot()->manifest_list.ends_with(key)) {
      continue;
    }
    originals[key] = *table_.store().Get(key);
  }
  ASSERT_EQ(originals.size(), 4U);  // two manifests
  std::mt19937 draw(1);             // NOLINT(bugprone-random-generator-seed)
  for (const auto& [key, bytes] : originals) {
    const auto expect_said = [&, &name = key] {
      iceberg::ManifestCache nothing_cached;
      LakeResolver tables(table_.store(), table_.catalog(), nothing_cached);
      const auto session = sql::Session::Open(*engine_, tables);
      const auto result = session->Run("SELECT id FROM clean.web");
      ASSERT_FALSE(result.ok());
      const std::string said = result.error().ToString();
      EXPECT_TRUE(said.starts_with("DataLoss: clean.web: ")) << said;
      EXPECT_NE(said.find(name), std::string::npos) << said;
    };
    for (int i = 0; i < 10; ++i) {
      std::string damaged = bytes;
      char& byte = damaged[draw() % bytes.size()];
      byte = static_cast<char>(byte ^ (1 << draw() % 8));
      Put(key, damaged);
      expect_said();
    }
    Put(key, bytes.substr(0, bytes.size() / 2));
    expect_said();
    std::filesystem::remove(table_.store().PathOf(key));
    expect_said();
    Put(key, bytes);
  }
}

}  // namespace
}  // namespace tarn::lake
