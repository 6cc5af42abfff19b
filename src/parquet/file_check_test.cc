#include "parquet/file_check.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "base/bytes.h"
#include "os/posix_file_system.h"
#include "os/random.h"
#include "parquet/file_writer.h"
#include "store/local_store.h"

namespace tarn::parquet {
namespace {

using event::TypeKind;

class FileCheckTest : public testing::Test {
 protected:
  FileCheckTest() : root_(testing::TempDir() + "tarn_check_" + std::to_string(getpid())) {
    EXPECT_TRUE(files_.RemoveRecursively(root_).ok());
    EXPECT_TRUE(files_.CreateDirectories(root_).ok());
    store_ = std::move(store::LocalStore::Open(files_, random_, root_)).value();
  }
  ~FileCheckTest() override { EXPECT_TRUE(files_.RemoveRecursively(root_).ok()); }

  // Two row groups of two columns, one with a Bloom filter.
  void WriteFile() {
    const event::Schema schema{.fields = {{.id = 1, .name = "n", .type = {TypeKind::kLong}},
                                          {.id = 2, .name = "s", .type = {TypeKind::kString}}}};
    event::ColumnBatch rows(schema);
    for (int64_t i = 0; i < 40; ++i) {
      rows.column(0).AppendInt(i);
      rows.column(1).AppendBytes("row " + std::to_string(i % 7));
    }
    WriterOptions options;
    options.row_group_rows = 25;
    options.bloom_filters = {2};
    options.bloom_distinct_values = 10;
    auto writer = std::move(FileWriter::Open(*store_->OpenWriter("f"), schema, options)).value();
    ASSERT_TRUE(writer->Write(rows).ok());
    ASSERT_TRUE(writer->Finish().ok());
    bytes_ = *store_->Get("f");
  }
  Result<Checked> Check(std::string_view bytes) {
    std::ofstream(store_->PathOf("f"), std::ios::binary) << bytes;
    return CheckFile(*store_, "f", bytes_.size());
  }

  const std::string root_;
  os::PosixFileSystem files_;
  os::SystemRandom random_;
  std::unique_ptr<store::LocalStore> store_;
  std::string bytes_;
};

TEST_F(FileCheckTest, EveryByteCounts) {
  WriteFile();
  ASSERT_TRUE(Check(bytes_).ok());
  EXPECT_EQ(*Check(bytes_), Checked::kEveryByte);
  EXPECT_TRUE(CheckFooter(*store_, "f", bytes_.size()).ok());
  const size_t footer = bytes_.size() - 8 - GetFixed<uint32_t>(bytes_.data() + bytes_.size() - 8);
  size_t without = 0;
  for (size_t at = 0; at < bytes_.size(); ++at) {
    std::string damaged = bytes_;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    const auto checked = Check(damaged);
    // In the checksum's own name.
    if (checked.ok() && *checked == Checked::kHasNoChecksum) {
      ++without;
      continue;
    }
    ASSERT_FALSE(checked.ok()) << at;
    EXPECT_EQ(checked.error().code(), Code::kDataLoss) << at;
    EXPECT_EQ(CheckFooter(*store_, "f", bytes_.size()).ok(), at < footer) << at;
  }
  EXPECT_LE(without, 16U);
}

TEST_F(FileCheckTest, LengthCounts) {
  WriteFile();
  for (const size_t size : {size_t{0}, size_t{3}, bytes_.size() - 1}) {
    EXPECT_EQ(Check(bytes_.substr(0, size)).error().code(), Code::kDataLoss) << size;
  }
  EXPECT_EQ(Check(bytes_ + "PAR1").error().code(), Code::kDataLoss);
  EXPECT_EQ(CheckFooter(*store_, "no such", 100).error().code(), Code::kNotFound);
}

// Shorter, so that it leaves the checksum out.
TEST_F(FileCheckTest, LengthOfTheFooterCounts) {
  WriteFile();
  std::string damaged = bytes_;
  damaged[damaged.size() - 8] = 40;
  damaged[damaged.size() - 7] = 0;
  EXPECT_EQ(Check(damaged).error().code(), Code::kDataLoss);
}

TEST_F(FileCheckTest, FileOfAnotherWriterHasNoChecksum) {
  bytes_ = std::string(
      "PAR1\x15\x02"
      "footer----\x0c\0\0\0PAR1",
      24);
  EXPECT_EQ(*Check(bytes_), Checked::kHasNoChecksum);
}

}  // namespace
}  // namespace tarn::parquet
