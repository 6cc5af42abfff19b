#include "source/format_name/format_name.h"

#include "base/text.h"

namespace tarn::format_name {
namespace {

std::string ErrorOf(std::string_view format) {
  const Status status = CheckFormatName(format);
  return status.ok() ? "" : status.error().message();
}

TEST(FormatName, KnowsEachKind) {
  for (const NamedFormat& named : NamedFormats()) {
    EXPECT_EQ(ErrorOf(named.name), "");
    EXPECT_EQ(ErrorOf(named.log_format), "");
  }
  for (const char* format : {"error", "json", "json:a", "csv:a,b", "tsv:a", "regex:(?P<a>x)"}) {
    EXPECT_EQ(ErrorOf(format), "") << format;
  }
}

TEST(FormatName, NamesTheNearestWordOrAll) {
  EXPECT_EQ(ErrorOf("combind"), "'combind' is no log format; did you mean 'combined'?");
  EXPECT_EQ(ErrorOf("csv"), "'csv' is no log format; did you mean 'csv:'?");
  EXPECT_NE(ErrorOf("something else altogether").find("known are common, combined"),
            std::string::npos);
  EXPECT_NE(ErrorOf(""), "");
}

TEST(FormatName, ShowsALongNameWithoutBreakingItsLastCharacter) {
  std::string name = "x";
  for (int i = 0; i < 60; ++i) name += "\xc3\xbc";
  const std::string error = ErrorOf(name);
  EXPECT_TRUE(IsValidUtf8(error)) << error;
  EXPECT_TRUE(error.starts_with("'" + name.substr(0, 79) + "'")) << error;
}

TEST(FormatName, ColumnsAreNamedAsInSql) {
  for (const char* good : {"a", "_", "First_Name", "a2"}) EXPECT_TRUE(CheckColumnName(good).ok());
  for (const char* bad : {"", "2nd", "First Name", "a-b", "a.b", "\xc3\xa9"}) {
    EXPECT_FALSE(CheckColumnName(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace tarn::format_name
