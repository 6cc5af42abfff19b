#include "event/column_batch.h"

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

}  // namespace
}  // namespace tarn::event
