#include "lake/data_files.h"

#include "base/bytes.h"
#include "lake/test_table.h"
#include "parquet/writer.h"

namespace tarn::lake {
namespace {

// Tables and files of texts of 100 hexadecimal digits.
class DataFilesTest : public testing::Test {
 protected:
  DataFilesTest() : lake_("dictionary") {
    EXPECT_TRUE(lake_.Open().ok());
    table_ = LoadTable(lake_.work(), lake_.name()).value();
    columns_ = WithIdsOf(table_, lake_.spec().schema);
  }
  // `distinct` of the texts are different.
  event::ColumnBatch Rows(int64_t rows, uint64_t distinct) {
    os::SeededRandom random(7);
    std::vector<std::string> texts;
    for (uint64_t i = 0; i < distinct; ++i) {
      std::string bytes;
      while (bytes.size() < 50) PutFixed(bytes, random.Next());
      texts.push_back(ToHex(bytes.substr(0, 50)));
    }
    event::ColumnBatch batch(columns_);
    for (int64_t id = 0; id < rows; ++id) {
      batch.column(0).AppendInt(id);
      batch.column(1).AppendInt(lake_.ThisHour() * kMicrosPerHour);
      batch.column(2).AppendBytes(texts[random.Below(distinct)]);
    }
    return batch;
  }
  size_t SizeOf(const event::ColumnBatch& rows) {
    DataFiles files(lake_.work());
    return static_cast<size_t>(
        files.Write({lake_.name(), table_, columns_}, lake_.ThisHour(), rows)->file_size_in_bytes);
  }
  size_t SizeWithDictionaries(const event::ColumnBatch& rows) {
    const auto writer =
        parquet::FileWriter::Open(*lake_.store().OpenWriter("other"), columns_, {}).value();
    EXPECT_TRUE(writer->Write(rows).ok());
    return writer->Finish()->size_bytes;
  }

  TestTable lake_;
  iceberg::TableMetadata table_;
  event::Schema columns_;
};

// Six times on average, as browsers' names stand in an hour's log; a sample of 512 rows shows
// hardly one of them twice.
TEST_F(DataFilesTest, ValuesThatRepeatGetADictionaryThoughASampleSeldomShowsIt) {
  constexpr size_t kDictionaryBytes = 2'000 * 50;
  constexpr size_t kIndexBytes = 12'000 * 11 / 8;
  EXPECT_LT(SizeOf(Rows(12'000, 2'000)), (kDictionaryBytes + kIndexBytes) * 11 / 10);
}

// As request ids do: every index into a dictionary would come on top of its value.
TEST_F(DataFilesTest, ValuesThatDoNotRepeatGetNone) {
  const event::ColumnBatch rows = Rows(12'000, 1'000'000);
  constexpr size_t kIndexBytes = 12'000 * 14 / 8;
  EXPECT_LT(SizeOf(rows) + kIndexBytes / 2, SizeWithDictionaries(rows));
}

}  // namespace
}  // namespace tarn::lake
