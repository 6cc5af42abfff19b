#include "event/column_batch.h"

#include <string>

namespace tarn::event {
namespace {

Schema ThreeColumns() {
  return {.fields = {{.id = 1, .name = "n", .type = {.kind = TypeKind::kLong}},
                     {.id = 2, .name = "s", .type = {.kind = TypeKind::kString}},
                     {.id = 3, .name = "d", .type = {.kind = TypeKind::kDouble}}}};
}

TEST(ColumnBatch, KeepsValuesAndNullsOfEveryKind) {
  ColumnBatch batch(ThreeColumns());
  batch.column(0).AppendInt(5);
  batch.column(1).AppendBytes("five");
  batch.column(2).AppendDouble(5.5);
  for (size_t i = 0; i < 3; ++i) batch.column(i).AppendNull();
  ColumnBatch copy(ThreeColumns());
  copy.AppendRowFrom(batch, 1);
  copy.AppendRowFrom(batch, 0);
  ASSERT_EQ(copy.rows(), 2U);
  EXPECT_TRUE(copy.column(1).IsNull(0));
  EXPECT_EQ(copy.column(0).IntAt(1), 5);
  EXPECT_EQ(copy.column(1).BytesAt(1), "five");
  EXPECT_EQ(copy.column(2).DoubleAt(1), 5.5);
}

TEST(Column, RemoveLastGivesBytesBack) {
  Column column(TypeKind::kString);
  column.AppendBytes("keep");
  column.AppendBytes("drop");
  column.RemoveLast();
  column.AppendBytes("x");
  EXPECT_EQ(column.size(), 2U);
  EXPECT_EQ(column.BytesAt(1), "x");
  column.Clear();
  column.AppendBytes("y");
  EXPECT_EQ(column.BytesAt(0), "y");
}

TEST(Column, CopiesStayWhereTheyAre) {
  Column column(TypeKind::kBinary);
  const std::string large(200'000, 'x');
  for (size_t i = 0; i < 3'000; ++i) {
    column.AppendBytes(i % 500 == 7 ? large : "value " + std::to_string(i));
  }
  const std::string_view first = column.BytesAt(0);
  Column moved = std::move(column);
  EXPECT_EQ(moved.BytesAt(0).data(), first.data());
  for (size_t i = 0; i < 3'000; ++i) {
    ASSERT_EQ(moved.BytesAt(i), i % 500 == 7 ? large : "value " + std::to_string(i));
  }
  EXPECT_GT(moved.memory_bytes(), 6 * large.size());
  moved.Clear();
  EXPECT_EQ(moved.memory_bytes(), 0U);
  moved.AppendBytes(large);
  EXPECT_EQ(moved.BytesAt(0), large);
}

TEST(Column, BorrowsWithoutACopy) {
  const std::string line = "GET /a";
  Column column(TypeKind::kString);
  column.AppendBorrowed(std::string_view(line).substr(4));
  EXPECT_EQ(column.BytesAt(0).data(), line.data() + 4);
  Column copy(TypeKind::kString);
  copy.AppendFrom(column, 0);
  EXPECT_EQ(copy.BytesAt(0), "/a");
  EXPECT_NE(copy.BytesAt(0).data(), line.data() + 4);
}

TEST(Column, KnowsWhetherItsStringsAreUtf8) {
  Column text(TypeKind::kString);
  text.AppendBytes("caf\xc3\xa9");
  EXPECT_TRUE(text.is_utf8());
  text.AppendBytes("caf\xe9");
  EXPECT_FALSE(text.is_utf8());
  text.Clear();
  EXPECT_TRUE(text.is_utf8());
  Column binary(TypeKind::kBinary);
  binary.AppendBytes("\xff");
  EXPECT_TRUE(binary.is_utf8());
}

}  // namespace
}  // namespace tarn::event
