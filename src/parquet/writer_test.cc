#include "parquet/writer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <limits>

#include "base/bytes.h"

namespace tarn::parquet {
namespace {

using event::TypeKind;

// An object in memory, which fails once more than `limit` bytes are written.
struct Sink {
  std::string bytes;
  bool finished = false;
  size_t limit = std::numeric_limits<size_t>::max();
};

class MemoryWriter final : public store::ObjectWriter {
 public:
  explicit MemoryWriter(Sink& sink) : sink_(sink) {}
  Status Write(std::string_view bytes) override {
    if (sink_.bytes.size() + bytes.size() > sink_.limit) return ResourceExhausted("disk full");
    sink_.bytes.append(bytes);
    return {};
  }
  Status Finish() override {
    sink_.finished = true;
    return {};
  }
  uint64_t written() const override { return sink_.bytes.size(); }

 private:
  Sink& sink_;
};

event::Field FieldOf(int32_t id, std::string name, TypeKind kind, bool required = false) {
  return {.id = id, .name = std::move(name), .type = {.kind = kind}, .required = required};
}

event::Schema OneColumn(TypeKind kind, bool required = false) {
  return {.fields = {FieldOf(1, "c", kind, required)}};
}

std::unique_ptr<FileWriter> MustOpen(Sink& sink, const event::Schema& schema,
                                     const WriterOptions& options = {}) {
  auto writer = FileWriter::Open(std::make_unique<MemoryWriter>(sink), schema, options);
  EXPECT_TRUE(writer.ok()) << writer.error().ToString();
  return std::move(writer).value();
}

FileStats MustFinish(FileWriter& writer) {
  auto stats = writer.Finish();
  EXPECT_TRUE(stats.ok()) << stats.error().ToString();
  return std::move(stats).value();
}

// A file of one nullable column.
FileStats WriteOne(Sink& sink, const event::ColumnBatch& batch, TypeKind kind,
                   const WriterOptions& options = {}) {
  auto writer = MustOpen(sink, OneColumn(kind), options);
  const Status status = writer->Write(batch);
  EXPECT_TRUE(status.ok()) << status.error().ToString();
  return MustFinish(*writer);
}

template <typename T>
std::string Bytes(T value) {
  std::string bytes;
  PutFixed(bytes, value);
  return bytes;
}

// What other readers say of a file, as JSON text; nullopt where they are not installed.
std::optional<std::string> ReadBack(const Sink& sink) {
  if (access(TARN_PYTHON, X_OK) != 0) return std::nullopt;
  const std::string path = testing::TempDir() + "/tarn_parquet_" + std::to_string(getpid());
  std::ofstream(path, std::ios::binary) << sink.bytes;
  const std::string command =
      std::string(TARN_PYTHON) + " " + TARN_SOURCE_DIR + "/src/parquet/read_back.py " + path;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return std::nullopt;
  std::string output;
  char buffer[4096];
  for (size_t n = 0; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) output.append(buffer, n);
  EXPECT_EQ(pclose(pipe), 0);
  std::remove(path.c_str());
  return output;
}

#define READ_BACK_OR_SKIP(name, sink)                                 \
  const auto name##_read = ReadBack(sink);                            \
  if (!name##_read) GTEST_SKIP() << "no Python with pyarrow, duckdb"; \
  const std::string& name = *name##_read

void ExpectHas(const std::string& text, std::string_view part) {
  EXPECT_NE(text.find(part), std::string::npos) << part << "\nnot in\n" << text;
}

event::Schema EveryKind() {
  event::Schema schema;
  schema.fields = {
      FieldOf(11, "b", TypeKind::kBoolean),      FieldOf(12, "i", TypeKind::kInt, true),
      FieldOf(13, "l", TypeKind::kLong),         FieldOf(14, "f", TypeKind::kFloat),
      FieldOf(15, "d", TypeKind::kDouble),       FieldOf(16, "day", TypeKind::kDate),
      FieldOf(17, "t", TypeKind::kTime),         FieldOf(18, "ts", TypeKind::kTimestamp),
      FieldOf(19, "tz", TypeKind::kTimestamptz), FieldOf(20, "s", TypeKind::kString),
      FieldOf(21, "u", TypeKind::kUuid),         FieldOf(22, "x", TypeKind::kFixed),
      FieldOf(23, "bin", TypeKind::kBinary)};
  schema.fields[11].type.length = 3;
  return schema;
}

void AppendEveryKind(event::ColumnBatch& batch, int64_t number, std::string_view text) {
  for (size_t c = 0; c < batch.column_count(); ++c) {
    event::Column& column = batch.column(c);
    if (column.kind() == TypeKind::kBoolean) {
      column.AppendInt(number > 0);
    } else if (column.is_double()) {
      column.AppendDouble(static_cast<double>(number) + 0.5);
    } else if (column.kind() == TypeKind::kUuid) {
      column.AppendBytes("0123456789abcdef");
    } else if (column.kind() == TypeKind::kFixed) {
      column.AppendBytes("xyz");
    } else if (column.is_bytes()) {
      column.AppendBytes(text);
    } else {
      column.AppendInt(column.kind() == TypeKind::kTime ? std::abs(number) : number);
    }
  }
}

event::ColumnBatch EveryKindBatch() {
  event::ColumnBatch batch(EveryKind());
  AppendEveryKind(batch, 7, "gr\xc3\xbc\xc3\x9f");
  for (size_t c = 0; c < batch.column_count(); ++c) {
    if (batch.column(c).kind() == TypeKind::kInt) {
      batch.column(c).AppendInt(0);
    } else {
      batch.column(c).AppendNull();
    }
  }
  AppendEveryKind(batch, -3, "");
  return batch;
}

TEST(FileWriter, GivesOtherReadersTheSameValues) {
  Sink sink;
  auto writer = MustOpen(sink, EveryKind());
  ASSERT_TRUE(writer->Write(EveryKindBatch()).ok());
  EXPECT_EQ(MustFinish(*writer).rows, 3);
  EXPECT_TRUE(sink.finished);
  READ_BACK_OR_SKIP(read, sink);
  ExpectHas(
      read,
      R"("pyarrow": [[true, 7, 7, 7.5, 7.5, "1970-01-08", "00:00:00.000007", )"
      R"("1970-01-01 00:00:00.000007", "1970-01-01 00:00:00.000007+00:00", "gr\u00fc\u00df", )"
      R"("30313233-3435-3637-3839-616263646566", "78797a", "6772c3bcc39f"], )"
      R"([null, 0, null, null, null, null, null, null, null, null, null, null, null], )"
      R"([false, -3, -3, -2.5, -2.5, "1969-12-29", "00:00:00.000003", )"
      R"("1969-12-31 23:59:59.999997", "1969-12-31 23:59:59.999997+00:00", "", )"
      R"("30313233-3435-3637-3839-616263646566", "78797a", ""]])");
  ExpectHas(read,
            R"("duckdb": [["true", "7", "7", "7.5", "7.5", "1970-01-08", "00:00:00.000007", )"
            R"("1970-01-01 00:00:00.000007", "1970-01-01 00:00:00.000007+00", "gr\u00fc\u00df", )"
            R"("30313233-3435-3637-3839-616263646566", "xyz", "gr\\xC3\\xBC\\xC3\\x9F"])");
}

TEST(FileWriter, WritesFieldIdsTypesAndNullability) {
  Sink sink;
  auto writer = MustOpen(sink, EveryKind());
  ASSERT_TRUE(writer->Write(EveryKindBatch()).ok());
  MustFinish(*writer);
  READ_BACK_OR_SKIP(read, sink);
  ExpectHas(read,
            R"("b": [11, "bool", true], "i": [12, "int32", false], "l": [13, "int64", true])");
  ExpectHas(read, R"("tz": [19, "timestamp[us, tz=UTC]", true], "s": [20, "string", true])");
  ExpectHas(read, R"("u": "UUID")");
  ExpectHas(read, R"("ts": "Timestamp(isAdjustedToUTC=false, timeUnit=microseconds)");
  ExpectHas(read, R"("tz": "Timestamp(isAdjustedToUTC=true, timeUnit=microseconds)");
  ExpectHas(read, R"(["tz", "TIMESTAMP WITH TIME ZONE"], ["s", "VARCHAR"], ["u", "UUID"], )"
                  R"(["x", "BLOB"], ["bin", "BLOB"]])");
}

TEST(FileWriter, ChoosesEncodingsByKind) {
  Sink sink;
  auto writer = MustOpen(sink, EveryKind(), {.without_dictionary = {23}, .bloom_filters = {20}});
  ASSERT_TRUE(writer->Write(EveryKindBatch()).ok());
  MustFinish(*writer);
  READ_BACK_OR_SKIP(read, sink);
  ExpectHas(read,
            R"("encodings": ["DELTA_BINARY_PACKED", "RLE"], "codec": "ZSTD", "index": true})");
  ExpectHas(read, R"("s": {"stats": {"nulls": 1, "bounds": ["", "gr\u00fc\u00df"]}, )"
                  R"("encodings": ["PLAIN", "RLE", "RLE_DICTIONARY"])");
  ExpectHas(read, R"("bin": {"stats": {"nulls": 1, "bounds": ["", "6772c3bcc39f"]}, )"
                  R"("encodings": ["PLAIN", "RLE"])");
  ExpectHas(read, R"("bloom": ["s"])");
}

TEST(FileWriter, AnswersBoundsInIcebergsBinaryForm) {
  Sink sink;
  auto writer = MustOpen(sink, EveryKind());
  ASSERT_TRUE(writer->Write(EveryKindBatch()).ok());
  const FileStats stats = MustFinish(*writer);
  ASSERT_EQ(stats.columns.size(), 13u);
  const auto expect = [&](size_t column, const std::string& lower, const std::string& upper) {
    EXPECT_EQ(stats.columns[column].lower, lower) << column;
    EXPECT_EQ(stats.columns[column].upper, upper) << column;
  };
  expect(0, std::string(1, '\0'), "\x01");
  expect(1, Bytes<int32_t>(-3), Bytes<int32_t>(7));
  expect(2, Bytes<int64_t>(-3), Bytes<int64_t>(7));
  expect(3, Bytes<float>(-2.5F), Bytes<float>(7.5F));
  expect(4, Bytes<double>(-2.5), Bytes<double>(7.5));
  expect(5, Bytes<int32_t>(-3), Bytes<int32_t>(7));
  expect(6, Bytes<int64_t>(3), Bytes<int64_t>(7));
  expect(8, Bytes<int64_t>(-3), Bytes<int64_t>(7));
  expect(9, "", "gr\xc3\xbc\xc3\x9f");
  expect(10, "0123456789abcdef", "0123456789abcdef");
  expect(11, "xyz", "xyz");
  EXPECT_EQ(stats.columns[1].null_count, 0);
  EXPECT_EQ(stats.columns[9].null_count, 1);
  EXPECT_EQ(stats.columns[9].value_count, 3);
  EXPECT_EQ(stats.columns[9].field_id, 20);
  EXPECT_GT(stats.columns[9].size_bytes, 0u);
  EXPECT_EQ(stats.size_bytes, sink.bytes.size());
  EXPECT_EQ(stats.split_offsets, std::vector<int64_t>{4});
}

TEST(FileWriter, ComparesStringBoundsAsUnsignedBytes) {
  event::ColumnBatch batch(OneColumn(TypeKind::kString));
  batch.column(0).AppendBytes("\xc3\xa9");
  batch.column(0).AppendBytes("z");
  Sink sink;
  const FileStats stats = WriteOne(sink, batch, TypeKind::kString, {.row_group_rows = 1});
  EXPECT_EQ(stats.columns[0].lower, "z");
  EXPECT_EQ(stats.columns[0].upper, "\xc3\xa9");
}

TEST(FileWriter, TurnsWhatIsNoNumberIntoNullAndCountsIt) {
  event::ColumnBatch batch(OneColumn(TypeKind::kDouble));
  for (const double value : {1.5, std::nan(""), HUGE_VAL, -HUGE_VAL, 9.0}) {
    batch.column(0).AppendDouble(value);
  }
  batch.column(0).AppendNull();
  Sink sink;
  const FileStats stats = WriteOne(sink, batch, TypeKind::kDouble);
  EXPECT_EQ(stats.columns[0].nan_nulled, 3);
  EXPECT_EQ(stats.columns[0].null_count, 4);
  EXPECT_EQ(stats.columns[0].lower, Bytes<double>(1.5));
  EXPECT_EQ(stats.columns[0].upper, Bytes<double>(9));
  READ_BACK_OR_SKIP(read, sink);
  ExpectHas(read, R"("pyarrow": [[1.5], [null], [null], [null], [9.0], [null]])");
  ExpectHas(read, R"("nulls": 4, "bounds": [1.5, 9.0])");
}

TEST(FileWriter, CountsADoubleThatOverflowsAFloatAsNoNumber) {
  event::ColumnBatch batch(OneColumn(TypeKind::kFloat));
  batch.column(0).AppendDouble(1e300);
  Sink sink;
  const FileStats stats = WriteOne(sink, batch, TypeKind::kFloat);
  EXPECT_EQ(stats.columns[0].nan_nulled, 1);
  EXPECT_EQ(stats.columns[0].lower, std::nullopt);
}

TEST(FileWriter, StoresNegativeZeroAsZeroAndBoundsItBothWays) {
  event::ColumnBatch batch(OneColumn(TypeKind::kDouble));
  batch.column(0).AppendDouble(-0.0);
  batch.column(0).AppendDouble(-0.0);
  Sink sink;
  const FileStats stats = WriteOne(sink, batch, TypeKind::kDouble);
  EXPECT_EQ(stats.columns[0].lower, Bytes<double>(-0.0));
  EXPECT_EQ(stats.columns[0].upper, Bytes<double>(0.0));
  READ_BACK_OR_SKIP(read, sink);
  ExpectHas(read, R"("pyarrow": [[0.0], [0.0]])");
}

TEST(FileWriter, HasNoBoundsWhereAValueIsTooLongForStatistics) {
  event::ColumnBatch batch(OneColumn(TypeKind::kString));
  batch.column(0).AppendBytes("a");
  batch.column(0).AppendBytes(std::string(5'000, 'z'));
  Sink sink;
  const FileStats stats = WriteOne(sink, batch, TypeKind::kString, {.row_group_rows = 1});
  EXPECT_EQ(stats.columns[0].lower, std::nullopt);
  EXPECT_EQ(stats.columns[0].upper, std::nullopt);
  EXPECT_EQ(stats.columns[0].null_count, 0);
}

TEST(FileWriter, TakesBoundsFromTheOtherRowGroupsWhereOneIsAllNull) {
  event::ColumnBatch batch(OneColumn(TypeKind::kInt));
  batch.column(0).AppendNull();
  batch.column(0).AppendInt(5);
  Sink sink;
  const FileStats stats = WriteOne(sink, batch, TypeKind::kInt, {.row_group_rows = 1});
  EXPECT_EQ(stats.columns[0].lower, Bytes<int32_t>(5));
  EXPECT_EQ(stats.columns[0].null_count, 1);
  EXPECT_EQ(stats.split_offsets.size(), 2u);
}

TEST(FileWriter, KeepsPersonalDataOutOfStatistics) {
  event::ColumnBatch batch(OneColumn(TypeKind::kString));
  batch.column(0).AppendBytes("anna@example.org");
  Sink sink;
  const FileStats stats =
      WriteOne(sink, batch, TypeKind::kString, {.without_bounds = {1}, .without_dictionary = {1}});
  EXPECT_EQ(stats.columns[0].lower, std::nullopt);
  EXPECT_EQ(stats.columns[0].value_count, 1);
  // Once as a value; not as a minimum or maximum.
  const size_t first = sink.bytes.find("anna@example.org");
  EXPECT_NE(first, std::string::npos);
  EXPECT_EQ(sink.bytes.find("anna@example.org", first + 1), std::string::npos);
}

TEST(FileWriter, CutsRowGroupsByRowsAndAcrossBatches) {
  event::ColumnBatch batch(OneColumn(TypeKind::kLong));
  for (int64_t i = 0; i < 700; ++i) batch.column(0).AppendInt(i);
  Sink sink;
  auto writer = MustOpen(sink, OneColumn(TypeKind::kLong), {.row_group_rows = 1'000});
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(writer->Write(batch).ok());
  EXPECT_EQ(writer->rows(), 2'100);
  EXPECT_GT(writer->estimated_bytes(), 0u);
  EXPECT_EQ(MustFinish(*writer).split_offsets.size(), 3u);
  READ_BACK_OR_SKIP(read, sink);
  ExpectHas(read, R"("groups": [1000, 1000, 100])");
}

TEST(FileWriter, CutsRowGroupsByBytes) {
  event::ColumnBatch batch(OneColumn(TypeKind::kBinary));
  batch.column(0).AppendBytes(std::string(1'000, 'x'));
  Sink sink;
  auto writer = MustOpen(sink, OneColumn(TypeKind::kBinary), {.row_group_bytes = 2'000});
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(writer->Write(batch).ok());
  EXPECT_EQ(MustFinish(*writer).split_offsets.size(), 3u);
}

TEST(FileWriter, WritesAFileWithoutRows) {
  Sink sink;
  auto writer = MustOpen(sink, EveryKind());
  const FileStats stats = MustFinish(*writer);
  EXPECT_EQ(stats.rows, 0);
  EXPECT_EQ(stats.columns[0].lower, std::nullopt);
  READ_BACK_OR_SKIP(read, sink);
  ExpectHas(read, R"("rows": 0)");
}

TEST(FileWriter, RefusesWhatTheSchemaForbids) {
  Sink sink;
  auto required = MustOpen(sink, OneColumn(TypeKind::kDouble, true));
  event::ColumnBatch nan(OneColumn(TypeKind::kDouble));
  nan.column(0).AppendDouble(std::nan(""));
  EXPECT_EQ(required->Write(nan).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(required->Finish().error().code(), Code::kInvalidArgument);

  auto narrow = MustOpen(sink, OneColumn(TypeKind::kInt));
  event::ColumnBatch wide(OneColumn(TypeKind::kInt));
  wide.column(0).AppendInt(int64_t{1} << 40);
  EXPECT_EQ(narrow->Write(wide).error().message(), "column 'c': 1 values do not fit 32 bits");

  auto uuid = MustOpen(sink, OneColumn(TypeKind::kUuid));
  event::ColumnBatch shorter(OneColumn(TypeKind::kUuid));
  shorter.column(0).AppendBytes("short");
  EXPECT_EQ(uuid->Write(shorter).error().message(), "column 'c': a value of 5 bytes, not 16");

  auto other = MustOpen(sink, OneColumn(TypeKind::kString));
  EXPECT_EQ(other->Write(wide).error().code(), Code::kInvalidArgument);
  EXPECT_FALSE(sink.finished);
}

TEST(FileWriter, RefusesTextThatIsNoUtf8) {
  const std::string filler(100, 'x');
  for (const std::vector<std::string_view>& values : std::vector<std::vector<std::string_view>>{
           {"caf\xe9"}, {"a", filler, "\xff"}, {"\xc3", "\xa9"}, {"\xe2\x82", "\xac"}}) {
    Sink sink;
    auto writer = MustOpen(sink, OneColumn(TypeKind::kString));
    event::ColumnBatch batch(OneColumn(TypeKind::kString));
    for (const std::string_view value : values) batch.column(0).AppendBytes(value);
    const Status status = writer->Write(batch);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code(), Code::kInvalidArgument);
    EXPECT_EQ(status.error().message(), "column 'c': a value is no UTF-8");
    EXPECT_FALSE(writer->Finish().ok());
  }
  Sink sink;
  event::ColumnBatch text(OneColumn(TypeKind::kString));
  for (const std::string_view value : {"", "caf\xc3\xa9", "\xe2\x82\xac", "", "plain"}) {
    text.column(0).AppendBytes(value);
    text.column(0).AppendNull();
  }
  EXPECT_EQ(WriteOne(sink, text, TypeKind::kString).rows, 10);
  event::ColumnBatch binary(OneColumn(TypeKind::kBinary));
  binary.column(0).AppendBytes("\xff");
  EXPECT_EQ(WriteOne(sink, binary, TypeKind::kBinary).rows, 1);
}

TEST(FileWriter, RefusesSchemasAndOptionsItCannotWrite) {
  Sink sink;
  const auto open = [&](const event::Schema& schema, const WriterOptions& options) {
    return FileWriter::Open(std::make_unique<MemoryWriter>(sink), schema, options).error().code();
  };
  EXPECT_EQ(open(OneColumn(TypeKind::kList), {}), Code::kUnsupported);
  EXPECT_EQ(open(OneColumn(TypeKind::kDecimal), {}), Code::kUnsupported);
  EXPECT_EQ(open({}, {}), Code::kInvalidArgument);
  EXPECT_EQ(open(OneColumn(TypeKind::kInt), {.without_bounds = {9}}), Code::kInvalidArgument);
  EXPECT_EQ(open(OneColumn(TypeKind::kInt), {.zstd_level = 0}), Code::kInvalidArgument);
  event::Schema twice = OneColumn(TypeKind::kInt);
  twice.fields.push_back(FieldOf(1, "d", TypeKind::kInt));
  EXPECT_EQ(open(twice, {}), Code::kInvalidArgument);
}

TEST(FileWriter, AnswersTheSinksErrorAndKeepsAnsweringIt) {
  Sink sink{.limit = 100};
  auto writer = MustOpen(sink, EveryKind());
  ASSERT_TRUE(writer->Write(EveryKindBatch()).ok());
  const auto failed = writer->Finish();
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code(), Code::kResourceExhausted);
  EXPECT_EQ(failed.error().message(), "disk full");
  EXPECT_EQ(writer->Write(EveryKindBatch()).error().message(), "disk full");
  EXPECT_FALSE(sink.finished);
}

TEST(FileWriter, LeavesNothingVisibleWhenItIsDropped) {
  Sink sink;
  {
    auto writer = MustOpen(sink, EveryKind());
    ASSERT_TRUE(writer->Write(EveryKindBatch()).ok());
  }
  EXPECT_FALSE(sink.finished);
}

}  // namespace
}  // namespace tarn::parquet
