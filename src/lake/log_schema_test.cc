#include "lake/log_schema.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

namespace tarn::lake {
namespace {

// Names that Iceberg's Java readers keep for a row's metadata. Spark refuses every query on a table
// with a column called so.
constexpr std::array<std::string_view, 10> kReserved = {
    "_file",           "_pos",
    "_deleted",        "_spec_id",
    "_partition",      "_row_id",
    "_change_type",    "_last_updated_sequence_number",
    "_change_ordinal", "_commit_snapshot_id"};

TEST(LogSchema, NamesNoColumnAsIcebergNamesTheMetadataOfARow) {
  const event::Schema format;
  for (const event::Schema& schema :
       {RawSchema(format), CleanSchema(format), QuarantineSchema(), BufferSchema(format)}) {
    for (const event::Field& field : schema.fields) {
      EXPECT_EQ(std::count(kReserved.begin(), kReserved.end(), field.name), 0) << field.name;
    }
  }
}

TEST(LogSchema, KeepsTheReservedNamesFromFormats) {
  for (const std::string_view name : kReserved) {
    const event::Schema format{.fields = {{1, std::string(name), {event::TypeKind::kString}}}};
    EXPECT_FALSE(CheckColumns(format).ok()) << name;
  }
}

// Capitals make no other name: SQL would find two columns of one name in the table.
TEST(LogSchema, KeepsItsOwnNamesFromFormatsHoweverWritten) {
  const auto check = [](std::string name) {
    return CheckColumns({.fields = {{1, std::move(name), {event::TypeKind::kString}}}});
  };
  for (const char* name :
       {"server", "Server", "SERVER", "Time", "TIME", "time_hour", "Time_Hour"}) {
    EXPECT_FALSE(check(name).ok()) << name;
  }
  for (const char* name : {"time", "Times", "hour", "server_name"}) {
    EXPECT_TRUE(check(name).ok()) << name;
  }
  event::Schema twice{
      .fields = {{1, "Status", {event::TypeKind::kInt}}, {2, "host", {event::TypeKind::kString}}}};
  EXPECT_TRUE(CheckColumns(twice).ok());
  twice.fields.push_back({3, "status", {event::TypeKind::kInt}});
  EXPECT_FALSE(CheckColumns(twice).ok());
}

}  // namespace
}  // namespace tarn::lake
