#include "lake/data_files.h"

#include "base/bytes.h"
#include "lake/test_table.h"

namespace tarn::lake {
namespace {

// The size of a file of `rows` texts of 100 hexadecimal digits, `distinct` of them different.
size_t SizeOf(TestTable& lake, int64_t rows, uint64_t distinct) {
  const auto table = LoadTable(lake.work(), lake.name()).value();
  const event::Schema columns = WithIdsOf(table, lake.spec().schema);
  os::SeededRandom random(7);
  std::vector<std::string> texts;
  for (uint64_t i = 0; i < distinct; ++i) {
    std::string bytes;
    while (bytes.size() < 50) PutFixed(bytes, random.Next());
    texts.push_back(ToHex(bytes.substr(0, 50)));
  }
  event::ColumnBatch batch(columns);
  for (int64_t id = 0; id < rows; ++id) {
    batch.column(0).AppendInt(id);
    batch.column(1).AppendInt(lake.ThisHour() * kMicrosPerHour);
    batch.column(2).AppendBytes(texts[random.Below(distinct)]);
  }
  DataFiles files(lake.work());
  return static_cast<size_t>(
      files.Write({lake.name(), table, columns}, lake.ThisHour(), batch)->file_size_in_bytes);
}

// Six times on average, as browsers' names stand in an hour's log; a sample of 512 rows shows
// hardly one of them twice.
TEST(DataFiles, ValuesThatRepeatGetADictionaryThoughASampleSeldomShowsIt) {
  TestTable lake("dictionary");
  ASSERT_TRUE(lake.Open().ok());
  constexpr size_t kDictionaryBytes = 2'000 * 50;
  constexpr size_t kIndexBytes = 12'000 * 11 / 8;
  EXPECT_LT(SizeOf(lake, 12'000, 2'000), (kDictionaryBytes + kIndexBytes) * 11 / 10);
}

}  // namespace
}  // namespace tarn::lake
