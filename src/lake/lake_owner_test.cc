#include "lake/lake_owner.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "catalog/sqlite_catalog.h"
#include "os/posix_file_system.h"
#include "os/random.h"
#include "store/local_store.h"

namespace tarn::lake {
namespace {

constexpr const char* kMetadata = "raw/web_log/metadata/00001-a.metadata.json";

// A lake, and catalogs that may be its own.
class LakeOwner : public testing::Test {
 protected:
  LakeOwner() : root_(testing::TempDir() + "tarn_lake_owner_" + std::to_string(getpid())) {
    EXPECT_TRUE(files_.RemoveRecursively(root_).ok());
    EXPECT_TRUE(files_.CreateDirectories(root_).ok());
    auto store = store::LocalStore::Open(files_, random_, root_ + "/lake");
    EXPECT_TRUE(store.ok());
    store_ = std::move(*store);
  }
  ~LakeOwner() override { EXPECT_TRUE(files_.RemoveRecursively(root_).ok()); }

  std::string FileOf(const std::string& name) const { return root_ + "/" + name + ".db"; }
  std::unique_ptr<catalog::Catalog> Open(const std::string& name) {
    catalog::SqliteOptions options;
    options.path = FileOf(name);
    auto catalog = catalog::OpenSqliteCatalog(options, {files_, clock_, random_});
    EXPECT_TRUE(catalog.ok());
    return std::move(*catalog);
  }
  // As after a commit to a table.
  void AddTable(catalog::Catalog& catalog, const std::string& location) {
    catalog::DatasetSpec spec;
    spec.name = {catalog::Zone::kRaw, "web_log"};
    spec.location = "raw/web_log";
    spec.metadata_location = location;
    ASSERT_TRUE(catalog.CreateDataset(spec, {"test"}).ok());
  }
  Code Refusal(const Status& status) {
    EXPECT_FALSE(status.ok());
    return status.ok() ? Code::kInternal : status.error().code();
  }

  const std::string root_;
  os::PosixFileSystem files_;
  os::SystemClock clock_;
  os::SystemRandom random_;
  std::unique_ptr<store::LocalStore> store_;
};

TEST_F(LakeOwner, ANewLakeIsWhosCatalogTakesItFirst) {
  const auto first = Open("first");
  const auto second = Open("second");
  EXPECT_TRUE(RequireOwnLake(*store_, *first, FileOf("first")).ok());
  EXPECT_FALSE(store_->Head(std::string(kOwnerKey)).ok()) << "looking takes nothing";
  EXPECT_TRUE(TakeLake(*store_, *first, FileOf("first")).ok());
  EXPECT_TRUE(TakeLake(*store_, *first, FileOf("first")).ok());
  for (const Status& refused : {TakeLake(*store_, *second, FileOf("second")),
                                RequireOwnLake(*store_, *second, FileOf("second"))}) {
    EXPECT_EQ(Refusal(refused), Code::kConflict);
    for (const std::string& word :
         {store_->UrlOf(kOwnerKey), FileOf("second"), first->Summary()->project_id,
          second->Summary()->project_id, std::string("lake.path")}) {
      EXPECT_NE(refused.error().message().find(word), std::string::npos) << word;
    }
  }
  EXPECT_TRUE(RequireOwnLake(*store_, *first, FileOf("first")).ok());
}

TEST_F(LakeOwner, ACatalogRestoredFromItsBackupHasItsLakeStill) {
  {
    const auto catalog = Open("catalog");
    ASSERT_TRUE(TakeLake(*store_, *catalog, FileOf("catalog")).ok());
  }
  const auto bytes = files_.ReadFile(FileOf("catalog"));
  ASSERT_TRUE(files_.WriteFileAtomically(FileOf("restored"), *bytes).ok());
  const auto restored = Open("restored");
  EXPECT_TRUE(TakeLake(*store_, *restored, FileOf("restored")).ok());
}

TEST_F(LakeOwner, AnOldLakeIsTheCatalogsThatKnowsItsTables) {
  ASSERT_TRUE(store_->Put(kMetadata, "{}").ok());
  const auto stranger = Open("stranger");
  EXPECT_EQ(Refusal(TakeLake(*store_, *stranger, FileOf("stranger"))), Code::kDataLoss);
  const auto elsewhere = Open("elsewhere");
  AddTable(*elsewhere, "file:///somewhere/else/lake/" + std::string(kMetadata));
  EXPECT_EQ(Refusal(RequireOwnLake(*store_, *elsewhere, FileOf("elsewhere"))), Code::kDataLoss);
  EXPECT_FALSE(store_->Head(std::string(kOwnerKey)).ok());
  const auto own = Open("own");
  AddTable(*own, store_->UrlOf(kMetadata));
  EXPECT_TRUE(TakeLake(*store_, *own, FileOf("own")).ok());
  EXPECT_EQ(Refusal(TakeLake(*store_, *stranger, FileOf("stranger"))), Code::kConflict);
}

TEST_F(LakeOwner, AnObjectThatNamesNobodyIsDamage) {
  const auto catalog = Open("catalog");
  for (const char* bytes : {"", "{", "[]", "{\"version\":1}", "{\"catalog_id\":\"x\"}",
                            "{\"version\":1,\"catalog_id\":\"\"}"}) {
    ASSERT_TRUE(store_->Put(std::string(kOwnerKey), bytes).ok());
    EXPECT_EQ(Refusal(TakeLake(*store_, *catalog, FileOf("catalog"))), Code::kDataLoss) << bytes;
  }
  ASSERT_TRUE(store_->Put(std::string(kOwnerKey), "{\"version\":2}").ok());
  EXPECT_EQ(Refusal(TakeLake(*store_, *catalog, FileOf("catalog"))), Code::kUnsupported);
}

}  // namespace
}  // namespace tarn::lake
