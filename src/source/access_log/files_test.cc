#include <gtest/gtest.h>

#include "source/access_log/parser.h"
#include "source/access_log/test_data.h"

namespace tarn::access_log {
namespace {

struct Counts {
  int parsed = 0;
  int rejected = 0;
  int empty = 0;
  bool operator==(const Counts&) const = default;
};

void PrintTo(const Counts& counts, std::ostream* out) {
  *out << counts.parsed << " parsed, " << counts.rejected << " rejected, " << counts.empty
       << " empty";
}

Counts CountLines(const std::filesystem::path& path, std::string_view format_text) {
  const auto format = Format::Compile(format_text);
  EXPECT_TRUE(format.ok());
  Parser parser(*format);
  event::ColumnBatch rows(format->schema());
  Counts counts;
  for (const auto& line : LinesOf(path)) {
    std::string_view reason;
    std::string json;
    if (line.empty()) {
      ++counts.empty;
      continue;
    }
    const bool parsed = parser.Parse(line, rows, reason);
    EXPECT_EQ(parser.Check(line, reason), parsed) << line;
    EXPECT_EQ(parser.AppendJson(line, json, reason), parsed) << line;
    (parsed ? counts.parsed : counts.rejected)++;
  }
  EXPECT_EQ(rows.rows(), static_cast<size_t>(counts.parsed));
  return counts;
}

TEST(PublicLogs, AreAccountedForToTheLine) {
  TARN_WEBLOGS_OR_SKIP(folder);
  // Line 8,899 breaks off inside its agent: no closing quote, so it is kept as rejected.
  EXPECT_EQ(CountLines(*folder / "apache-combined-10k.log.gz", "combined"), (Counts{9'999, 1, 0}));
  EXPECT_EQ(
      CountLines(*folder / "shop-combined-xff-1k.log.gz",
                 R"(%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" "%{X-Forwarded-For}i")"),
      (Counts{1'000, 0, 0}));
  EXPECT_EQ(CountLines(*folder / "nasa-ksc-common-aug95-1880.log.gz", "common"),
            (Counts{1'880, 0, 0}));
  EXPECT_EQ(CountLines(*folder / "nasa-ksc-common-aug95-wrapped.log.gz", "common"),
            (Counts{1'841, 89, 0}));
  EXPECT_EQ(CountLines(*folder / "combined-email-users-2492.log.gz", "combined"),
            (Counts{2'492, 0, 0}));
  EXPECT_EQ(CountLines(*folder / "combined-with-bad-line.log", "combined"), (Counts{2, 1, 0}));
  EXPECT_EQ(CountLines(*folder / "ipv6-long-query-cookie.log", "combined+cookie"),
            (Counts{1, 0, 0}));
  // Three widths in one file: each format takes its own line.
  const auto multi = *folder / "multiformat.access_log";
  EXPECT_EQ(CountLines(multi, "combined"), (Counts{1, 2, 0}));
  EXPECT_EQ(CountLines(multi, R"(%h %l %u %t "%r" %>s %b "%{Referer}i")"), (Counts{1, 2, 0}));
  EXPECT_EQ(
      CountLines(multi,
                 R"(%%%v %a %h %l %u %t "%r" %>s %b %p "%q" "%{Referer}i" %D "%{User-Agent}i")"
                 R"( "%{Cookie}i" "%{Set-Cookie}o" "%{X}i" "%{Etag}o")"),
      (Counts{1, 2, 0}));
}

TEST(PublicLogs, OfAttacksAreAccountedForToTheLine) {
  TARN_WEBLOGS_OR_SKIP(folder);
  const auto attacks = *folder / "attacks";
  EXPECT_EQ(CountLines(attacks / "apache-http-probing.log", "common"), (Counts{77, 0, 0}));
  EXPECT_EQ(CountLines(attacks / "apache2-http-sensitive-files.log", "common"), (Counts{13, 0, 0}));
  EXPECT_EQ(CountLines(attacks / "http-dos-bypass-cache.log", "combined"), (Counts{356, 0, 0}));
  EXPECT_EQ(CountLines(attacks / "http-dos-switching-ua.log", "combined"), (Counts{15, 0, 0}));
  EXPECT_EQ(CountLines(attacks / "http-technology-probing.log", "combined"), (Counts{5, 0, 1}));
  EXPECT_EQ(CountLines(attacks / "http-wordpress-scan.log", "combined"), (Counts{8, 0, 0}));
  EXPECT_EQ(CountLines(attacks / "http-wordpress_user-enum.log", "combined"), (Counts{12, 0, 0}));
  EXPECT_EQ(CountLines(attacks / "nginx-http-malformed.log", "combined"), (Counts{12, 0, 0}));
  // nginx error lines, and access lines with one more field.
  EXPECT_EQ(CountLines(attacks / "nginx-http-generic-bf.log", "combined"), (Counts{0, 22, 0}));
  // Lines with a syslog prefix are no combined log, but a regular expression reads them.
  EXPECT_EQ(
      CountLines(attacks / "http-bf-wordpress-bf.log",
                 R"re(regex:\w+ +\d+ [\d:]+ \S+ nginx\[\d+\]: (?P<host>\S+) - (?P<user>\S+) )re"
                 R"re(\[(?P<time>[^]]+)\] "(?P<request>[^"]*)" (?P<status>\d+) (?P<bytes>\d+) )re"
                 R"re("(?P<referer>[^"]*)" "(?P<agent>[^"]*)")re"),
      (Counts{9, 0, 1}));
}

}  // namespace
}  // namespace tarn::access_log
