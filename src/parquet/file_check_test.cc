#include "parquet/file_check.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "base/bytes.h"
#include "os/posix_file_system.h"
#include "os/random.h"
#include "parquet/writer.h"
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

  // Two row groups of two columns, one with a Bloom filter, whose largest value is `last`.
  void WriteFile(std::string_view last = "row 7") {
    const event::Schema schema{.fields = {{.id = 1, .name = "n", .type = {TypeKind::kLong}},
                                          {.id = 2, .name = "s", .type = {TypeKind::kString}}}};
    event::ColumnBatch rows(schema);
    for (int64_t i = 0; i < 40; ++i) {
      rows.column(0).AppendInt(i);
      rows.column(1).AppendBytes("row " + std::to_string(i % 7));
    }
    rows.column(0).AppendInt(40);
    rows.column(1).AppendBytes(last);
    WriterOptions options;
    options.row_group_rows = 25;
    options.bloom_filters = {2};
    options.bloom_distinct_values = 10;
    auto writer = std::move(FileWriter::Open(*store_->OpenWriter("f"), schema, options)).value();
    ASSERT_TRUE(writer->Write(rows).ok());
    ASSERT_TRUE(writer->Finish().ok());
    bytes_ = *store_->Get("f");
  }
  Result<Checked> Check(std::string_view bytes, bool has_checksum = true) {
    std::ofstream(store_->PathOf("f"), std::ios::binary) << bytes;
    return CheckFile(*store_, {"f", bytes_.size(), has_checksum});
  }
  // The file as another engine writes it; false if there is none here.
  bool Rewrite(const std::string& metadata) {
    if (access(TARN_PYTHON, X_OK) != 0) return false;
    const std::string command = std::string(TARN_PYTHON) + " " + TARN_SOURCE_DIR +
                                "/src/parquet/rewrite.py " + store_->PathOf("f") + " " +
                                store_->PathOf("g") + " " + metadata;
    EXPECT_EQ(std::system(command.c_str()), 0);
    bytes_ = *store_->Get("g");
    return true;
  }

  const std::string root_;
  os::PosixFileSystem files_;
  os::SystemRandom random_;
  std::unique_ptr<store::LocalStore> store_;
  std::string bytes_;
};

TEST_F(FileCheckTest, CallerIsAskedBeforeEachPieceAndMayEndIt) {
  std::string noise;
  while (noise.size() < 20'000'000) noise += std::to_string(random_.Next());
  WriteFile(noise);
  ASSERT_GT(bytes_.size(), 8U << 20);  // three pieces
  int asked = 0;
  const auto until = [&](int last) {
    asked = 0;
    return CheckFile(*store_, {"f", bytes_.size(), true},
                     [&, last] { return ++asked < last ? Status() : Cancelled("enough"); });
  };
  EXPECT_TRUE(until(1'000).ok());
  EXPECT_EQ(asked, 4);  // the footer comes first
  EXPECT_EQ(until(1).error().code(), Code::kCancelled);
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(until(3).error().code(), Code::kCancelled);
  EXPECT_EQ(asked, 3);
}

TEST_F(FileCheckTest, EveryBitCounts) {
  WriteFile();
  ASSERT_TRUE(Check(bytes_).ok());
  EXPECT_EQ(*Check(bytes_), Checked::kEveryByte);
  EXPECT_TRUE(CheckFooter(*store_, {"f", bytes_.size(), true}).ok());
  const size_t footer = bytes_.size() - 8 - GetFixed<uint32_t>(bytes_.data() + bytes_.size() - 8);
  for (size_t at = 0; at < bytes_.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = bytes_;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      const auto checked = Check(damaged);
      ASSERT_FALSE(checked.ok()) << "byte " << at << ", bit " << bit;
      EXPECT_EQ(checked.error().code(), Code::kDataLoss) << at;
      EXPECT_EQ(CheckFooter(*store_, {"f", bytes_.size(), true}).ok(), at < footer) << at;
    }
  }
}

// A sector of nothing, or a line of something else, over any part of the file.
TEST_F(FileCheckTest, EveryBurstCounts) {
  WriteFile();
  for (const size_t length : {size_t{2}, size_t{16}, size_t{64}, size_t{512}}) {
    for (size_t at = 0; at + length <= bytes_.size(); ++at) {
      std::string damaged = bytes_;
      for (size_t i = at; i < at + length; ++i) damaged[i] = static_cast<char>(~damaged[i]);
      const auto checked = Check(damaged);
      ASSERT_FALSE(checked.ok()) << length << " bytes from " << at;
      EXPECT_EQ(checked.error().code(), Code::kDataLoss) << at;
    }
  }
}

// A footer holds the smallest and largest values of columns: what a visitor sent.
using namespace std::string_view_literals;
constexpr std::string_view kLikeAChecksum =
    "\x18\x09tarn.xxh3\x18\x20 a value of more than thirty-two bytes, and then\0\x18\x04Tarn\x19"sv;

TEST_F(FileCheckTest, ValueThatLooksLikeAChecksumIsNone) {
  for (const std::string_view value :
       {std::string_view("/tarn.xxh3, and more than thirty-two bytes behind it"), kLikeAChecksum}) {
    WriteFile(value);
    EXPECT_EQ(*Check(bytes_), Checked::kEveryByte);
    if (!Rewrite("without")) GTEST_SKIP() << "no Python with pyarrow";
    const auto checked = Check(bytes_, false);
    ASSERT_TRUE(checked.ok()) << checked.error().message();
    EXPECT_EQ(*checked, Checked::kHasNoChecksum);
    EXPECT_TRUE(CheckFooter(*store_, {"f", bytes_.size(), false}).ok());
  }
}

TEST_F(FileCheckTest, ChecksumThatAnotherEngineCopiedDoesNotCount) {
  WriteFile();
  if (!Rewrite("with")) GTEST_SKIP() << "no Python with pyarrow";
  ASSERT_NE(bytes_.find("tarn.xxh3"), std::string::npos);
  const auto checked = Check(bytes_, false);
  ASSERT_TRUE(checked.ok()) << checked.error().message();
  EXPECT_EQ(*checked, Checked::kHasNoChecksum);
  EXPECT_TRUE(CheckFooter(*store_, {"f", bytes_.size(), false}).ok());
}

TEST_F(FileCheckTest, LengthCounts) {
  WriteFile();
  for (const size_t size : {size_t{0}, size_t{3}, bytes_.size() - 1}) {
    EXPECT_EQ(Check(bytes_.substr(0, size)).error().code(), Code::kDataLoss) << size;
  }
  EXPECT_EQ(Check(bytes_ + "PAR1").error().code(), Code::kDataLoss);
  EXPECT_EQ(CheckFooter(*store_, {"no such", 100, true}).error().code(), Code::kNotFound);
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
  EXPECT_EQ(*Check(bytes_, false), Checked::kHasNoChecksum);
  EXPECT_EQ(Check(bytes_).error().code(), Code::kDataLoss);
}

}  // namespace
}  // namespace tarn::parquet
