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

std::string FormatOf(std::string_view line) {
  const auto format = LogFormatOf(line);
  return format.ok() ? *format : "! " + format.error().message();
}

TEST(FormatName, OfALineOfApachesConfigurationItIsTheFormat) {
  for (const char* other : {"%h LogFormat", "combined", "LogFormatted %h", "csv:a,b"}) {
    EXPECT_EQ(FormatOf(other), other);
  }
  EXPECT_EQ(FormatOf(R"(LogFormat "%h \"%r\" \\t" a)"), R"(%h "%r" \t)");
  EXPECT_EQ(FormatOf("LOGFORMAT\t'%h \"x\" \\'y\\''"), "%h \"x\" 'y'");
  EXPECT_EQ(FormatOf("LogFormat %h,%s short\n"), "%h,%s");
  EXPECT_EQ(FormatOf("LogFormat \\\n  \"%h \\\r\n%s\" a"), "%h %s");
  EXPECT_EQ(FormatOf("CustomLog ${APACHE_LOG_DIR}/access.log combined"), "combined");
  EXPECT_EQ(FormatOf(R"(CustomLog "|bin/rotate \"x\" 5M" "%h %s" "expr=%{X} -eq 1")"), "%h %s");
  EXPECT_EQ(FormatOf("GlobalLog logs/all vhost_combined"), "vhost_combined");
}

TEST(FormatName, SaysWhatALineOfApachesConfigurationLacks) {
  EXPECT_EQ(FormatOf("LogFormat"), "! the LogFormat line has no format");
  EXPECT_EQ(FormatOf("CustomLog logs/access.log"), "! the CustomLog line has no format");
  EXPECT_EQ(FormatOf("LogFormat \"%h %s"), "! the LogFormat line has a quote that is not closed");
  EXPECT_EQ(FormatOf("LogFormat %h %l %u"),
            "! the LogFormat line has more words than it may; put its format in quotes");
  EXPECT_EQ(FormatOf("CustomLog logs/access.log shop"),
            "! the CustomLog line names the format 'shop'; give the LogFormat line of that name");
  EXPECT_EQ(FormatOf("TransferLog logs/access.log"),
            "! a TransferLog line has no format; give the LogFormat line before it");
  EXPECT_EQ(
      FormatOf("ErrorLogFormat \"[%t] %M\""),
      "! an ErrorLogFormat is not read; the format 'error' reads what Apache writes by itself");
  EXPECT_EQ(ErrorOf("CustomLog logs/access.log shop"),
            "the CustomLog line names the format 'shop'; give the LogFormat line of that name");
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
