#include "sql/script.h"

#include <gtest/gtest.h>

#include <sstream>
#include <vector>

namespace tarn::sql {
namespace {

// "line:text" of each statement of a script.
std::vector<std::string> Cut(const std::string& script) {
  ScriptReader reader;
  std::vector<std::string> statements;
  const auto add = [&](const ScriptStatement& statement) {
    statements.push_back(std::to_string(statement.line) + ":" + statement.text);
  };
  std::istringstream lines(script);
  for (std::string line; std::getline(lines, line);) {
    reader.AddLine(line);
    while (const auto statement = reader.Next()) add(*statement);
  }
  while (const auto statement = reader.Rest()) add(*statement);
  return statements;
}

using Statements = std::vector<std::string>;

TEST(ScriptReader, CutsAtSemicolons) {
  EXPECT_EQ(Cut("SELECT 1; SELECT 2;\n\nSELECT\n\n3\n"),
            (Statements{"1:SELECT 1", "1:SELECT 2", "3:SELECT\n\n3"}));
  EXPECT_EQ(Cut(""), Statements());
  EXPECT_EQ(Cut(";;\n ; -- nothing\n/* ; */"), Statements());
  EXPECT_EQ(Cut("-- one\n/* two\n*/ SELECT 1 -- ; end\n;"), (Statements{"3:SELECT 1 -- ; end"}));
}

TEST(ScriptReader, LeavesQuotesWhole) {
  for (const char* quoted :
       {"';'", "'a'';'", "\";\"", "\"a\"\";\"", "$$;$$", "$a$;$$;$a$", "e'\\';'", "E'a'';\\\\'",
        "/* ; /* ; */ ; */", "-- ';\n1", "'a\n;\nb'", "$1", "a$b;"}) {
    const std::string sql = std::string("SELECT ") + quoted;
    const std::string whole = sql.back() == ';' ? sql.substr(0, sql.size() - 1) : sql;
    ASSERT_EQ(Cut(sql + (sql.back() == ';' ? "" : ";") + "SELECT 2").size(), 2U) << sql;
    EXPECT_EQ(Cut(sql + ";SELECT 2")[0], "1:" + whole) << sql;
  }
  // A backslash is a letter where no E stands before the quote.
  EXPECT_EQ(Cut("SELECT '\\'; SELECT some'x\\'; 2").size(), 3U);
}

TEST(ScriptReader, TakesWhatIsUnfinished) {
  EXPECT_EQ(Cut("SELECT 'a;\nb"), (Statements{"1:SELECT 'a;\nb"}));
  EXPECT_EQ(Cut("SELECT /* a;"), (Statements{"1:SELECT /* a;"}));
}

TEST(ScriptReader, TellsWhetherAStatementIsPending) {
  ScriptReader reader;
  reader.AddLine("-- only a comment");
  EXPECT_FALSE(reader.Next());
  EXPECT_FALSE(reader.pending());
  reader.AddLine("SELECT");
  EXPECT_FALSE(reader.Next());
  EXPECT_TRUE(reader.pending());
  reader.Clear();
  EXPECT_FALSE(reader.pending());
  EXPECT_FALSE(reader.Rest());
}

TEST(ScriptReader, ACommentThatIsNotClosedIsLeftForTheEngineToRefuse) {
  EXPECT_EQ(Cut("SELECT 1;\n/* oops\nSELECT 2;\n"), (Statements{"1:SELECT 1", "2:/*"}));
  EXPECT_EQ(Cut("SELECT 1 /* oops\n"), (Statements{"1:SELECT 1 /* oops"}));
  EXPECT_EQ(Cut("SELECT 1; /* fine */ -- as well\n"), (Statements{"1:SELECT 1"}));
}

TEST(ScriptReader, TellsWhetherALineEndIsPartOfAText) {
  ScriptReader reader;
  reader.AddLine("SELECT 1,");
  EXPECT_FALSE(reader.Next());
  EXPECT_FALSE(reader.quoted());
  reader.AddLine("'a");
  EXPECT_FALSE(reader.Next());
  EXPECT_TRUE(reader.quoted());
}

TEST(ScriptReader, DoesNotWaitForEver) {
  ScriptReader reader;
  reader.AddLine("SELECT '" + std::string(ScriptReader::kMaxBytes, 'x'));
  EXPECT_TRUE(reader.Next());
}

}  // namespace
}  // namespace tarn::sql
