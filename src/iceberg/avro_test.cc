#include "iceberg/avro.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace tarn::iceberg {
namespace {

constexpr std::string_view kSync = "0123456789abcdef";
constexpr std::string_view kSchema =
    R"({"type":"record","name":"r","fields":[)"
    R"({"name":"a","type":"long","field-id":1},)"
    R"({"name":"b","type":["null","string"],"default":null,"field-id":2},)"
    R"({"name":"c","type":{"type":"array","items":{"type":"record","name":"kv","fields":[)"
    R"({"name":"key","type":"int","field-id":4},{"name":"value","type":"double"}]}},"field-id":3},)"
    R"({"name":"d","type":{"type":"map","values":"boolean"}},)"
    R"({"name":"e","type":{"type":"fixed","name":"f3","size":3,"logicalType":"decimal"}}]})";

std::string Record(int64_t a) {
  std::string out;
  PutAvroLong(out, a);
  PutAvroLong(out, 1);
  PutAvroBytes(out, "text");
  PutAvroLong(out, -2);  // a group with its size in bytes
  PutAvroLong(out, 18);
  for (int i = 0; i < 2; ++i) {
    PutAvroLong(out, i);
    PutFixed(out, 0.5);
  }
  PutAvroLong(out, 0);
  PutAvroLong(out, 1);
  PutAvroBytes(out, "yes");
  out.push_back('\1');
  PutAvroLong(out, 0);
  out += std::string("\0\1\2", 3);
  return out;
}

std::string File(AvroCodec codec, int records) {
  AvroWriter writer(std::string(kSchema), {{"k", "v"}}, codec, kSync);
  for (int i = 0; i < records; ++i) writer.Append(Record(i - 1));
  return std::move(writer).Finish();
}

Status ReadAll(std::string_view bytes, const AvroLimits& limits = {}) {
  TARN_ASSIGN_OR_RETURN(auto file, AvroFile::Open(bytes, limits));
  return file.ForEach([](const AvroDatum&) { return Status(); });
}

TEST(Avro, EncodesZigZagNumbers) {
  const auto hex = [](int64_t value) {
    std::string out;
    PutAvroLong(out, value);
    return ToHex(out);
  };
  EXPECT_EQ(hex(0), "00");
  EXPECT_EQ(hex(-1), "01");
  EXPECT_EQ(hex(1), "02");
  EXPECT_EQ(hex(-64), "7f");
  EXPECT_EQ(hex(64), "8001");
  EXPECT_EQ(hex(INT64_MIN), "ffffffffffffffffff01");
}

TEST(Avro, ReadsWhatItWritesWithBothCodecs) {
  for (const auto codec : {AvroCodec::kNull, AvroCodec::kDeflate}) {
    const std::string bytes = File(codec, 5'000);  // several blocks
    auto file = AvroFile::Open(bytes, {});
    ASSERT_TRUE(file.ok()) << file.error().ToString();
    EXPECT_EQ(file->metadata().at("k"), "v");
    int64_t next = -1;
    const auto status = file->ForEach([&](const AvroDatum& record) -> Status {
      EXPECT_EQ(record.Field(1, "a")->integer, next++);
      EXPECT_EQ(record.Field(2, "b")->bytes, "text");
      EXPECT_EQ(record.Field(3, "c")->items[1].Field(4, "key")->integer, 1);
      EXPECT_EQ(record.Field(3, "c")->items[1].Field(5, "value")->number, 0.5);
      EXPECT_EQ(record.Field(9, "d")->items[0].bytes, "yes");
      EXPECT_TRUE(record.Field(9, "e")->decimal);
      return {};
    });
    EXPECT_TRUE(status.ok());
    EXPECT_EQ(next, 4'999);
  }
}

TEST(AvroDatum, FindsFieldsByIdAndByNameOnlyWhereTheWriterGaveNoId) {
  const std::string bytes = File(AvroCodec::kNull, 1);
  auto file = AvroFile::Open(bytes, {});
  ASSERT_TRUE(file.ok());
  (void)file->ForEach([&](const AvroDatum& record) -> Status {
    EXPECT_NE(record.Field(1, "renamed"), nullptr);
    EXPECT_EQ(record.Field(77, "a"), nullptr);
    EXPECT_NE(record.Field(77, "d"), nullptr);
    EXPECT_TRUE(record.Has(2, ""));
    EXPECT_FALSE(record.Has(77, "z"));
    return {};
  });
}

TEST(Avro, RefusesEveryTruncation) {
  const std::string bytes = File(AvroCodec::kDeflate, 3);
  const size_t header = File(AvroCodec::kDeflate, 0).size();
  for (size_t size = 0; size < bytes.size(); ++size) {
    if (size == header) continue;  // a file without blocks is whole
    EXPECT_FALSE(ReadAll(std::string_view(bytes).substr(0, size)).ok()) << size;
  }
  EXPECT_TRUE(ReadAll(bytes).ok());
}

TEST(Avro, RefusesAWrongSyncMarkerAndCodec) {
  std::string bytes = File(AvroCodec::kNull, 1);
  bytes.back() ^= 1;
  EXPECT_EQ(ReadAll(bytes).error().code(), Code::kDataLoss);
  std::string snappy = File(AvroCodec::kDeflate, 1);
  snappy.replace(snappy.find("deflate"), 7, "snappy2");
  EXPECT_EQ(ReadAll(snappy).error().code(), Code::kUnsupported);
}

TEST(Avro, BoundsWhatAFewBytesCanAskFor) {
  const std::string schema = R"({"type":"record","name":"r","fields":[{"name":"a","type":)"
                             R"({"type":"array","items":"null"}}]})";
  std::string record;
  PutAvroLong(record, int64_t{1} << 40);
  AvroWriter nulls(schema, {}, AvroCodec::kNull, kSync);
  nulls.Append(record);
  EXPECT_FALSE(ReadAll(std::move(nulls).Finish()).ok());

  AvroWriter bomb(R"("bytes")", {}, AvroCodec::kDeflate, kSync);
  std::string zeros;
  PutAvroBytes(zeros, std::string(1'000'000, '\0'));
  bomb.Append(zeros);
  AvroLimits limits;
  limits.max_block_bytes = 100'000;
  EXPECT_FALSE(ReadAll(std::move(bomb).Finish(), limits).ok());

  AvroWriter deep(R"({"type":"record","name":"n","fields":[{"name":"x","type":["null","n"]}]})", {},
                  AvroCodec::kNull, kSync);
  std::string nested;
  for (int i = 0; i < 100; ++i) PutAvroLong(nested, 1);
  PutAvroLong(nested, 0);
  deep.Append(nested);
  EXPECT_FALSE(ReadAll(std::move(deep).Finish()).ok());
}

}  // namespace
}  // namespace tarn::iceberg
