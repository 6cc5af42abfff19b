#include <fstream>

#include "os/clock.h"
#include "os/thread.h"
#include "sql/test_lake_internal.h"

namespace tarn::sql {
namespace {

using event::Comparison;

class SessionTest : public SqlTest {
 protected:
  void SetUp() override {
    SqlTest::SetUp();
    lake_.AddWebLog(5);
  }
  // The files a query opens.
  size_t FilesOf(std::string_view sql) {
    lake_.handed_out = 0;
    lake_.filters.clear();
    const auto got = Ask(sql);
    EXPECT_TRUE(got.ok()) << sql << "\n" << got.error().ToString();
    return lake_.handed_out;
  }
  static std::vector<std::string> FilesBelow(const std::string& folder, const char* extension) {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      if (entry.path().extension() == extension) found.push_back(entry.path());
    }
    return found;
  }
  // The conditions of the one mention in `SELECT … FROM raw.web_log WHERE <where>`.
  event::Filter FilterOf(const std::string& where) {
    FilesOf("SELECT count(*) FROM raw.web_log WHERE " + where);
    EXPECT_EQ(lake_.filters.size(), 1u);
    return lake_.filters.empty() ? event::Filter() : lake_.filters[0];
  }
};

TEST_F(SessionTest, ReadsATableByItsName) {
  ExpectAnswer("SELECT count(*), sum(status) FROM raw.web_log", "120|32160");
  ExpectAnswer("select COUNT(*) from RAW.Web_Log where raw.web_log.bot", "60");
  ExpectAnswer("SELECT count(*) FROM web_log w WHERE w.status = 404;", "40");
  ExpectAnswer("FROM web_log SELECT min(ts)", "2026-01-01 00:00:00+00");
}

TEST_F(SessionTest, TakesCtesSetOperationsAndSubqueries) {
  ExpectAnswer(
      "WITH web_log AS (SELECT * FROM web_log WHERE status = 404) SELECT count(*) FROM web_log",
      "40");
  ExpectAnswer(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4) "
      "SELECT sum(i) FROM n",
      "10");
  ExpectAnswer("SELECT status FROM raw.web_log INTERSECT SELECT 404", "404");
  ExpectAnswer("SELECT (SELECT max(status) FROM raw.web_log), x FROM (VALUES (7)) v(x)", "404|7");
  ExpectAnswer("SELECT sum(i) FROM range(5) t(i)", "10");
  ExpectAnswer("SELECT * FROM unnest([1, 2])", "1\n2");
  ExpectAnswer("SELECT list_transform([1, 2], x -> x + 1)", "[2, 3]");
}

TEST_F(SessionTest, TakesTheWholeOfSelect) {
  const std::string from = " FROM raw.web_log ";
  for (const std::string& sql : std::vector<std::string>{
           "SELECT DISTINCT status" + from + "ORDER BY status DESC NULLS LAST LIMIT 1 OFFSET 0",
           "SELECT DISTINCT ON (status) *" + from + "ORDER BY status, ts",
           "SELECT *" + from + "LIMIT 10%",
           "SELECT *" + from + "USING SAMPLE 3 ROWS",
           "SELECT status, count(*) FILTER (bot) n" + from + "GROUP BY ALL HAVING count(*) > 1",
           "SELECT status, bot, count(*)" + from + "GROUP BY GROUPING SETS ((status), (bot), ())",
           "SELECT status, count(*)" + from + "GROUP BY CUBE (status, bot)",
           "SELECT *, row_number() OVER w" + from +
               "WINDOW w AS (PARTITION BY status ORDER BY ts ROWS BETWEEN 1 PRECEDING AND CURRENT "
               "ROW)",
           "SELECT *" + from + "QUALIFY row_number() OVER (PARTITION BY status ORDER BY ts) = 1",
           "SELECT lag(took IGNORE NULLS) OVER (ORDER BY ts)" + from,
           "SELECT * EXCLUDE (took) REPLACE (status + 1 AS status)" + from,
           "SELECT COLUMNS('s.*')" + from,
           "SELECT max(COLUMNS(*))" + from,
           "SELECT CASE status WHEN 200 THEN 'ok' ELSE 'no' END, status IN (1, 2), path LIKE '/%', "
           "path ~ 'p', bot IS TRUE, status BETWEEN 1 AND 2, NOT bot" +
               from,
           "SELECT ts AT TIME ZONE 'Europe/Berlin', date_trunc('hour', ts), extract(hour FROM ts), "
           "ts + INTERVAL 1 DAY, strftime(ts, '%Y'), epoch(ts), ts::DATE" +
               from,
           "SELECT {'a': status}.a, [status][1], MAP {'k': 1}['k'], path[1:2], '{\"a\": 1}'::JSON "
           "->> "
           "'a'" +
               from,
           "SELECT list(path ORDER BY ts), string_agg(path, ','), quantile_cont(took, 0.5), "
           "approx_count_distinct(path), arg_max(path, ts)" +
               from,
           "SELECT [x * 2 FOR x IN [1, 2] IF x > 1], list_filter([1, 2], x -> x > 1), "
           "list_reduce([1, 2], (a, b) -> a + b)",
           "SELECT * FROM (FROM raw.web_log SELECT status, bot) PIVOT (count(*) FOR bot IN (true, "
           "false))",
           "SELECT * FROM (SELECT 1 AS a, 2 AS b) UNPIVOT (v FOR k IN (a, b))",
           "SELECT 1 AS a UNION ALL BY NAME SELECT 2 AS b",
           "SELECT 1 EXCEPT ALL SELECT 2 ORDER BY 1",
           "VALUES (1, 'a'), (2, 'b')",
           "SELECT * FROM raw.web_log a SEMI JOIN raw.web_log b USING (ts)",
           "SELECT * FROM raw.web_log a NATURAL JOIN raw.web_log b",
           "SELECT * FROM range(2) t(i), LATERAL (SELECT i + 1)",
           "SELECT * FROM raw.web_log WHERE status = ANY (SELECT 200) AND EXISTS (SELECT 1)",
           "SELECT unnest([1, 2]), unnest({'a': 1})",
           "SELECT CAST(NULL AS STRUCT(a DECIMAL(9, 2)[], b MAP(VARCHAR, INTEGER)))",
           "SELECT TRY_CAST('x' AS INTEGER), path COLLATE NOCASE, #1" + from,
           "WITH a AS MATERIALIZED (SELECT 1 i), b AS (FROM a) SELECT * FROM a, b",
           "SELECT * FROM generate_series(DATE '2026-01-01', DATE '2026-01-03', INTERVAL 1 DAY)",
           "SUMMARIZE raw.web_log"}) {
    const auto got = Ask(sql);
    EXPECT_TRUE(got.ok()) << sql << "\n" << got.error().ToString();
  }
}

TEST_F(SessionTest, ShowsAndDescribesTables) {
  ExpectAnswer("SHOW TABLES", "raw|web_log");
  ExpectAnswer("DESCRIBE raw.web_log",
               "ts|TIMESTAMP WITH TIME ZONE|YES|||\nstatus|INTEGER|YES|||\npath|VARCHAR|YES|||\n"
               "took|DOUBLE|YES|||\nbot|BOOLEAN|YES|||");
  ExpectAnswer("DESCRIBE SELECT 1 AS one", "one|INTEGER|YES|||");
}

TEST_F(SessionTest, ExplainsAQuery) {
  const auto plan = Ask("EXPLAIN SELECT count(*) FROM raw.web_log");
  ASSERT_TRUE(plan.ok()) << plan.error().ToString();
  EXPECT_NE(plan->find("READ_PARQUET"), std::string::npos);
  const auto analyzed = Ask("explain analyze SELECT count(*) FROM raw.web_log");
  ASSERT_TRUE(analyzed.ok()) << analyzed.error().ToString();
  EXPECT_NE(analyzed->find("Total Time"), std::string::npos);
}

TEST_F(SessionTest, SaysWhereAStatementIsWrong) {
  ExpectError("SELECT 1 +", Code::kInvalidArgument, "syntax error");
  ExpectError("SELECT stats\nFROM raw.web_log", Code::kInvalidArgument, "LINE 1: SELECT stats");
  ExpectError("SELECT * FROM raw.web_logs", Code::kNotFound, "there is no table raw.web_logs");
  ExpectError("SELECT * FROM web_logg", Code::kNotFound, "did you mean 'web_log'?");
  ExpectError("SELECT 'x'::INTEGER", Code::kInvalidArgument, "Could not convert");
  ExpectError("", Code::kInvalidArgument, "no statement");
  ExpectError(std::string_view("SELECT 1\0", 9), Code::kInvalidArgument, "UTF-8");
  ExpectError("SELECT '\xff'", Code::kInvalidArgument, "UTF-8");
  ExpectError("SELECT $1", Code::kInvalidArgument, "parameter");
  ExpectError(std::string(1 << 21, ' '), Code::kInvalidArgument, "longer than");
}

TEST_F(SessionTest, AsksToQualifyANameThatIsInTwoSchemas) {
  TableInfo other = lake_.Describe({{"raw", "web_log"}}).value().front();
  other.name.schema = "clean";
  lake_.AddTable(other);
  ExpectError("FROM web_log", Code::kInvalidArgument, "raw.web_log or clean.web_log");
  ExpectAnswer("SELECT count(*) FROM clean.web_log", "0");
}

// What one commit changed is seen changed in all of them, or in none.
TEST_F(SessionTest, AsksForAllTablesOfAStatementAtOnce) {
  TableInfo other = lake_.Describe({{"raw", "web_log"}}).value().front();
  other.name.schema = "clean";
  lake_.AddTable(other);
  lake_.described = 0;
  ExpectAnswer("SELECT (SELECT count(*) FROM raw.web_log), (SELECT count(*) FROM CLEAN.web_log)",
               "120|0");
  EXPECT_EQ(lake_.described, 1);
}

TEST_F(SessionTest, OpensOnlyTheDayThatIsAskedFor) {
  const std::string from = "SELECT count(*) FROM raw.web_log WHERE ";
  EXPECT_EQ(FilesOf("SELECT count(*) FROM raw.web_log"), 5u);
  EXPECT_EQ(FilesOf(from + "ts >= '2026-01-03' AND ts < '2026-01-04'"), 1u);
  EXPECT_EQ(FilesOf(from + "ts::DATE = '2026-01-03'"), 1u);
  EXPECT_EQ(FilesOf(from + "CAST(ts AS DATE) = DATE '2026-01-03' AND status = 200"), 1u);
  EXPECT_EQ(FilesOf(from + "ts BETWEEN '2026-01-03' AND '2026-01-03 23:59:59.999999'"), 1u);
  EXPECT_EQ(FilesOf(from + "ts >= DATE '2026-01-01' + INTERVAL 2 DAY AND ts < DATE '2026-01-04'"),
            1u);
  EXPECT_EQ(FilesOf(from + "TIMESTAMP '2026-01-04 00:00:00' <= ts"), 2u);
  EXPECT_EQ(FilesOf(from + "ts < TIMESTAMPTZ '2026-01-02 02:00:00+02'"), 1u);
  EXPECT_EQ(FilesOf(from + "ts > now() + INTERVAL '1000 days'"), 0u);
  EXPECT_EQ(FilesOf(from + "ts > current_date + INTERVAL 1000 DAY"), 0u);
  EXPECT_EQ(FilesOf("SELECT count(*) FROM raw.web_log w WHERE w.ts < '2026-01-02'"), 1u);
  EXPECT_EQ(FilesOf("SELECT count(*) FROM raw.web_log WHERE raw.web_log.ts < '2026-01-02'"), 1u);
  EXPECT_EQ(FilesOf("SELECT (SELECT count(*) FROM raw.web_log WHERE ts < '2026-01-02')"), 1u);
}

// The other bound may have a say in how all three are compared.
TEST_F(SessionTest, PrunesByBetweenOnlyWhereBothBoundsAreUnderstood) {
  const auto conditions = [&](const std::string& where) {
    lake_.filters.clear();
    const auto answer = Ask("SELECT count(*) FROM raw.web_log WHERE " + where);
    EXPECT_TRUE(answer.ok()) << where;
    return lake_.filters.at(0).size();
  };
  EXPECT_EQ(conditions("path BETWEEN 'zz' AND 'zzz'"), 2U);
  EXPECT_EQ(conditions("status BETWEEN 1 AND 2"), 2U);
  EXPECT_EQ(conditions("path BETWEEN 'zz' AND 'ZZZ' COLLATE NOCASE"), 0U);
  EXPECT_EQ(conditions("path BETWEEN ('A' COLLATE NOCASE) AND 'B'"), 0U);
  EXPECT_EQ(conditions("status BETWEEN 16777217 AND 1e9::FLOAT"), 0U);
  EXPECT_EQ(conditions("status BETWEEN 100000 AND 1e30"), 0U);
}

TEST_F(SessionTest, AnswersTheSameWithPrunedFiles) {
  ExpectAnswer("SELECT count(*) FROM raw.web_log WHERE ts::DATE = '2026-01-03'", "24");
  ExpectAnswer("SELECT count(*) FROM raw.web_log WHERE ts::DATE <= '2026-01-03'", "72");
  ExpectAnswer("SELECT count(*) FROM raw.web_log WHERE ts::DATE > '2026-01-03'", "48");
  ExpectAnswer("SELECT count(*) FROM raw.web_log WHERE ts < '2025-01-01'", "0");
  ExpectAnswer(
      "SELECT a.n, b.n FROM (SELECT count(*) n FROM raw.web_log WHERE ts < '2026-01-02') "
      "a, (SELECT count(*) n FROM raw.web_log WHERE ts >= '2026-01-05') b",
      "24|24");
}

TEST_F(SessionTest, ReadsConditionsOnEveryKindOfColumn) {
  const auto one = [](std::string column, Comparison op, std::vector<event::Literal> literals) {
    return event::Filter{{std::move(column), op, std::move(literals)}};
  };
  EXPECT_EQ(FilterOf("status = 404"), one("status", Comparison::kEqual, {int64_t{404}}));
  EXPECT_EQ(FilterOf("404 < status"), one("status", Comparison::kGreater, {int64_t{404}}));
  EXPECT_EQ(FilterOf("status = '404'"), one("status", Comparison::kEqual, {int64_t{404}}));
  EXPECT_EQ(FilterOf("status IN (200, 404)"),
            one("status", Comparison::kIn, {int64_t{200}, int64_t{404}}));
  EXPECT_EQ(FilterOf("path >= '/p'"), one("path", Comparison::kGreaterOrEqual, {"/p"}));
  EXPECT_EQ(FilterOf("took <= 2.5"), one("took", Comparison::kLessOrEqual, {2.5}));
  EXPECT_EQ(FilterOf("took <= -2"), one("took", Comparison::kLessOrEqual, {-2.0}));
  EXPECT_EQ(FilterOf("took < 1e3"), one("took", Comparison::kLess, {1000.0}));
  EXPECT_EQ(FilterOf("bot = true"), one("bot", Comparison::kEqual, {true}));
  EXPECT_EQ(FilterOf("path IS NULL"), one("path", Comparison::kIsNull, {}));
  EXPECT_EQ(FilterOf("PATH IS NOT NULL"), one("path", Comparison::kIsNotNull, {}));
}

TEST_F(SessionTest, LeavesOutConditionsThatDoNotBindTheTable) {
  for (const char* where :
       {"status = 404 OR ts < '2026-01-02'", "NOT (ts < '2026-01-02' AND bot)", "status = 404.5",
        "status + 0 = 404", "status <> 404", "ts <> '2026-01-02'", "path = 5::VARCHAR",
        "status = took", "status IN (200, took)", "path LIKE '/p%'", "status IS DISTINCT FROM 1",
        "ts < (SELECT TIMESTAMPTZ '2026-01-02')", "bot", "coalesce(status, 1) = 2",
        "path COLLATE NOCASE = '/P/1'"}) {
    EXPECT_EQ(FilterOf(where), event::Filter()) << where;
  }
}

TEST_F(SessionTest, PrunesThroughJoinsOnlyWhereTheAnswerStaysTheSame) {
  const std::string tables = "FROM raw.web_log a ";
  // Two tables have the column: without an alias nothing is known.
  EXPECT_EQ(FilesOf("SELECT count(*) " + tables +
                    "JOIN raw.web_log b USING (ts) WHERE ts < '2026-01-02'"),
            10u);
  EXPECT_EQ(FilesOf("SELECT count(*) " + tables +
                    "JOIN raw.web_log b ON a.ts = b.ts WHERE a.ts < '2026-01-02' AND "
                    "b.ts < '2026-01-02'"),
            2u);
  // The one partner an ASOF join finds must not depend on files left out.
  EXPECT_EQ(FilesOf("SELECT count(*) " + tables +
                    "ASOF JOIN raw.web_log b ON a.ts >= b.ts WHERE b.ts < '2026-01-02'"),
            10u);
  ExpectAnswer("SELECT count(*) " + tables +
                   "ASOF JOIN raw.web_log b ON a.ts >= b.ts WHERE b.ts < '2026-01-02'",
               "24");
  // Rows an outer join adds are null without any null in the table.
  EXPECT_EQ(FilesOf("SELECT count(*) FROM (VALUES (1)) v(i) LEFT JOIN raw.web_log b ON "
                    "b.status = i WHERE b.path IS NULL"),
            5u);
  EXPECT_EQ(lake_.filters[0], event::Filter());
  // A sample is taken before WHERE.
  EXPECT_EQ(FilesOf("SELECT count(*) FROM raw.web_log TABLESAMPLE 100% WHERE ts < '2026-01-02'"),
            5u);
}

TEST_F(SessionTest, ColumnsComeBeforeAliasesOfTheSameName) {
  ExpectAnswer("SELECT count(*) FROM (SELECT 7 AS status FROM raw.web_log WHERE status = 404)",
               "40");
}

TEST_F(SessionTest, AConditionThatCannotBeComputedFailsAsTheQueryDoes) {
  ExpectError("SELECT count(*) FROM raw.web_log WHERE ts < 'yesterday'", Code::kInvalidArgument,
              "yesterday");
  ExpectError("SELECT count(*) FROM raw.web_log WHERE ts < now() + DATE '2026-01-01'",
              Code::kInvalidArgument);
  ExpectAnswer("SELECT count(*) FROM raw.web_log", "120");
}

TEST_F(SessionTest, ReadsOldFilesUnderTodaysSchema) {
  TableInfo info{.name = {"clean", "t"}};
  info.schema.fields = {{.id = 2, .name = "b_renamed", .type = {.kind = event::TypeKind::kLong}},
                        {.id = 9, .name = "added", .type = {.kind = event::TypeKind::kString}},
                        {.id = 1, .name = "b", .type = {.kind = event::TypeKind::kString}}};
  lake_.AddTable(info);
  lake_.AddFile(info.name, "SELECT 'x' AS a, 5::INTEGER AS b", "FIELD_IDS {a: 1, b: 2}");
  lake_.AddFile(info.name, "SELECT 'n' AS added, 6::BIGINT AS b_renamed, 'y' AS b",
                "FIELD_IDS {added: 9, b_renamed: 2, b: 1}");
  ExpectAnswer("SELECT * FROM clean.t ORDER BY ALL", "5||x\n6|n|y");
  ExpectAnswer("SELECT typeof(b_renamed), typeof(added) FROM clean.t LIMIT 1", "BIGINT|VARCHAR");
}

TEST_F(SessionTest, AnEmptyTableHasItsTypes) {
  TableInfo info{.name = {"clean", "none"}};
  event::Type pair{.kind = event::TypeKind::kStruct};
  pair.children = {{.id = 3, .name = "a b", .type = {.kind = event::TypeKind::kInt}}};
  event::Type list{.kind = event::TypeKind::kList};
  list.children = {{.id = 4, .name = "element", .type = pair}};
  info.schema.fields = {{.id = 1,
                         .name = "d",
                         .type = {.kind = event::TypeKind::kDecimal, .precision = 9, .scale = 2}},
                        {.id = 2, .name = "l", .type = list}};
  lake_.AddTable(info);
  auto result = session_->Run("FROM clean.none");
  ASSERT_TRUE(result.ok()) << result.error().ToString();
  EXPECT_EQ((*result)->columns()[0].type, "DECIMAL(9,2)");
  EXPECT_EQ((*result)->columns()[1].type, "STRUCT(\"a b\" INTEGER)[]");
  EXPECT_EQ((*result)->Next().value(), nullptr);
}

TEST_F(SessionTest, ReadsPathsWithWildcardsAsTheyAre) {
  TableInfo info{.name = {"clean", "odd[1]*"}};
  info.name.name = "odd";
  info.schema.fields = {{.id = 1, .name = "a", .type = {.kind = event::TypeKind::kInt}}};
  lake_.AddTable(info);
  const std::string path = lake_.AddFile(info.name, "SELECT 1::INTEGER AS a", "FIELD_IDS {a: 1}");
  const std::string odd = lake_.data_directory() + "/k=v's [a] *?.parquet";
  std::filesystem::rename(path, odd);
  std::filesystem::copy(odd, lake_.data_directory() + "/k=v's a xx.parquet");
  const_cast<std::vector<TestLake::File>&>(lake_.files(info.name))[0].path = odd;
  ExpectAnswer("SELECT * FROM clean.odd", "1");
}

TEST_F(SessionTest, ADamagedOrMissingFileIsNamed) {
  const std::string path = lake_.files({"raw", "web_log"})[2].path;
  std::filesystem::remove(path);
  const auto missing = Ask("SELECT sum(took) FROM raw.web_log");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code(), Code::kIo) << missing.error().ToString();
  EXPECT_NE(missing.error().message().find("web_log_2"), std::string::npos);
  std::ofstream(path) << "this is no Parquet file at all";
  lake_.examine = [](const GoOn&) { return Status(DataLoss("web_log_2 is damaged")); };
  ExpectError("SELECT sum(took) FROM raw.web_log", Code::kDataLoss, "web_log_2 is damaged");
}

// A statement can say what it likes; only a file that was looked at is damaged.
TEST_F(SessionTest, WordsOfAnErrorAreNoDamage) {
  ExpectError("SELECT error('Failed to read file')", Code::kInvalidArgument);
  ExpectError("SELECT CAST('TProtocolException' AS INT)", Code::kInvalidArgument);
  EXPECT_EQ(lake_.examined, 0);
  ExpectError("SELECT CAST('No magic bytes found' || path AS INT) FROM raw.web_log",
              Code::kInvalidArgument);
  EXPECT_GT(lake_.examined, 0);
}

TEST_F(SessionTest, TheLookForDamageEndsWithTheQuery) {
  const std::string fails = "SELECT CAST('No magic bytes found' || path AS INT) FROM raw.web_log";
  lake_.examine = [&](const GoOn& go_on) {
    EXPECT_TRUE(go_on().ok());
    session_->Interrupt();
    return go_on();
  };
  ExpectError(fails, Code::kCancelled);
  const os::SystemClock clock;
  lake_.examine = [&](const GoOn& go_on) {
    const int64_t give_up = clock.MonotonicMicros() + 60 * kMicrosPerSecond;
    while (go_on().ok() && clock.MonotonicMicros() < give_up) {
    }
    return go_on();
  };
  session_ = Session::Open(*engine_, lake_, {.timeout_micros = 500'000});
  ExpectError(fails, Code::kDeadlineExceeded);
}

TEST_F(SessionTest, FailedWritesAreNoReasonToLookForDamage) {
  for (const auto& own : std::filesystem::directory_iterator(lake_.root() + "/temp")) {
    if (own.is_directory()) std::filesystem::remove_all(own.path() / "export");
  }
  const auto rows = session_->CopyToParquet("SELECT ts FROM raw.web_log",
                                            lake_.data_directory() + "/out.parquet");
  ASSERT_FALSE(rows.ok());
  EXPECT_EQ(rows.error().code(), Code::kIo) << rows.error().ToString();
  EXPECT_EQ(lake_.examined, 0);
}

TEST_F(SessionTest, AFullDiskIsResourceExhaustedAndNamed) {
  const Error full = FromDuckdb(
      "IO Error: Could not write file \"/state/tmp/1.parquet\": No space left on device");
  EXPECT_EQ(full.code(), Code::kResourceExhausted);
  EXPECT_NE(full.message().find("a disk is full"), std::string::npos) << full.message();
  EXPECT_NE(full.message().find("/state/tmp/1.parquet"), std::string::npos) << full.message();
  ExpectError("SELECT error('No space left on device')", Code::kInvalidArgument);
}

TEST_F(SessionTest, NobodyIsToldToChangeASetting) {
  std::string deep = "SELECT 0";
  for (int i = 0; i < 3'000; ++i) deep += "+1";
  for (const std::string& sql : {deep, std::string("SELECT (SELECT i FROM range(3) t(i))"),
                                 std::string("SELECT 1 ORDER BY 'x'")}) {
    const auto got = Ask(sql);
    ASSERT_FALSE(got.ok()) << sql;
    EXPECT_EQ(got.error().message().find("SET "), std::string::npos) << got.error().message();
    EXPECT_EQ(got.error().message().find("\n\n\n"), std::string::npos) << got.error().message();
  }
  // What the statement itself says stays.
  ExpectError("SELECT error('no. Use SET theory')", Code::kInvalidArgument, "no.");
  ExpectError("SELECT nothing AS \"Use SET x\"", Code::kInvalidArgument, "Use SET x");
}

TEST_F(SessionTest, ResultsAreIndependentAndBounded) {
  auto one = session_->Run("SELECT i FROM range(100000) t(i)");
  auto two = session_->Run("SELECT count(*) FROM raw.web_log");
  ASSERT_TRUE(one.ok() && two.ok());
  ASSERT_NE((*one)->Next().value(), nullptr);
  EXPECT_EQ(Render(**two).value(), "120");
  auto three = session_->Run("SELECT 1");
  ASSERT_TRUE(three.ok());
  EXPECT_EQ(session_->Run("SELECT 1").error().code(), Code::kResourceExhausted);
  two->reset();
  EXPECT_TRUE(session_->Run("SELECT 1").ok());
  while ((*one)->Next().value() != nullptr) {
  }
  EXPECT_EQ((*one)->rows_so_far(), 100'000u);
}

TEST_F(SessionTest, StopsAtTheDeadline) {
  auto limited = Session::Open(*engine_, lake_, {.timeout_micros = 50'000});
  auto result = limited->Run("SELECT count(*) FROM range(10000000) a, range(10000000) b");
  ASSERT_TRUE(result.ok());
  EXPECT_EQ((*result)->Next().error().code(), Code::kDeadlineExceeded);
  EXPECT_EQ((*result)->Next().error().code(), Code::kDeadlineExceeded);
  result->reset();
  ExpectAnswer("SELECT 1", "1");
}

TEST_F(SessionTest, CountsATableWithoutItsFiles) {
  lake_.rows = 7;  // a lie that only the resolver tells
  for (const char* sql : {"SELECT count(*) FROM raw.web_log", "select COUNT() from web_log w;"}) {
    EXPECT_EQ(FilesOf(sql), 0U);
    ExpectAnswer(sql, "7");
  }
  const auto column = [&](const char* sql) {
    const auto result = session_->Run(sql);
    return (*result)->columns()[0].name + " " + (*result)->columns()[0].type;
  };
  EXPECT_EQ(column("SELECT count(*) AS \"a \"\"b\" FROM raw.web_log"), "a \"b BIGINT");
  EXPECT_EQ(column("SELECT count(*) FROM raw.web_log"),
            column("SELECT count(*) FROM (FROM raw.web_log)"));
  for (const char* sql :
       {"SELECT count(*) FROM raw.web_log WHERE status > 0",
        "SELECT count(status) FROM raw.web_log",
        "SELECT count(*) FILTER (status > 0) FROM raw.web_log",
        "SELECT count(*) OVER () FROM raw.web_log LIMIT 1",
        "SELECT count(*) FROM raw.web_log HAVING true",
        "SELECT count(*) FROM raw.web_log GROUP BY ALL",
        "SELECT DISTINCT count(*) FROM raw.web_log", "SELECT count(*) FROM raw.web_log, range(1)",
        "WITH a AS (SELECT 1) SELECT count(*) FROM raw.web_log",
        "SELECT count(*) FROM raw.web_log USING SAMPLE 100%",
        "SELECT count(*) FROM (SELECT count(*) FROM raw.web_log GROUP BY ts)"}) {
    ExpectAnswer(sql, "120");
  }
  ExpectAnswer("SELECT count(*) FROM raw.web_log LIMIT 0", "");
  ExpectAnswer("SELECT count(*) FROM raw.web_log UNION ALL SELECT 1 ORDER BY 1", "1\n120");
}

TEST_F(SessionTest, TellsOfAQueryThatDoesNotStop) {
  std::atomic<bool> stuck = false;
  EngineOptions options{.threads = 1};
  options.on_stuck = [&](const Error& error) {
    EXPECT_EQ(error.code(), Code::kDeadlineExceeded);
    stuck = true;
  };
  options.stuck_micros = 100'000;
  auto engine = Engine::Open(options, file_system_);
  ASSERT_TRUE(engine.ok());
  // One value of one function: nothing looks up from it.
  const std::string slow = "SELECT levenshtein(repeat('ab', 10000), repeat('ba', 10000))";
  auto session = Session::Open(**engine, lake_, {.timeout_micros = 50'000});
  const auto result = session->Run(slow);
  EXPECT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), Code::kDeadlineExceeded);
  EXPECT_TRUE(stuck);
}

TEST_F(SessionTest, AReaderThatTakesItsTimeIsNotStuck) {
  std::atomic<bool> stuck = false;
  EngineOptions options{.threads = 1};
  options.on_stuck = [&](const Error&) { stuck = true; };
  options.stuck_micros = 1'000;
  auto engine = Engine::Open(options, file_system_);
  ASSERT_TRUE(engine.ok());
  auto session = Session::Open(**engine, lake_, {.timeout_micros = 100'000});
  const auto result = session->Run("FROM range(1000000)");
  ASSERT_TRUE(result.ok());
  ASSERT_TRUE((*result)->Next().ok());
  const os::SystemClock clock;
  const int64_t until = clock.MonotonicMicros() + 300'000;
  while (clock.MonotonicMicros() < until) {
  }
  EXPECT_EQ((*result)->Next().error().code(), Code::kDeadlineExceeded);
  EXPECT_FALSE(stuck);
}

TEST_F(SessionTest, EnginesShareAFolderForWhatTheySpill) {
  const std::string folder = lake_.root() + "/shared";
  EngineOptions options{.threads = 1, .temp_directory = folder};
  // As a process that was killed leaves it.
  ASSERT_TRUE(file_system_.CreateDirectories(folder + "/sql-1-1/export").ok());
  std::ofstream(folder + "/sql-1-1/duckdb_temp_storage_DEFAULT-0.tmp") << "spilled";
  std::ofstream(folder + "/sql-1-1.lock");
  auto first = Engine::Open(options, file_system_);
  auto second = Engine::Open(options, file_system_);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_FALSE(file_system_.Exists(folder + "/sql-1-1"));
  EXPECT_FALSE(file_system_.Exists(folder + "/sql-1-1.lock"));
  EXPECT_EQ(file_system_.List(folder)->size(), 4U);  // two folders, two locks
  first->reset();
  EXPECT_EQ(file_system_.List(folder)->size(), 2U);
  auto session = Session::Open(**second, lake_);
  EXPECT_TRUE(session->CopyToParquet("SELECT 1 AS a", lake_.root() + "/a.parquet").ok());
  second->reset();
  EXPECT_TRUE(file_system_.List(folder)->empty());
}

TEST_F(SessionTest, StopsAStreamAtTheDeadline) {
  auto limited = Session::Open(*engine_, lake_, {.timeout_micros = 100'000});
  auto result = limited->Run("SELECT a.range FROM range(10000000) a, range(10000000) b");
  ASSERT_TRUE(result.ok());
  Code code = Code::kInternal;
  for (;;) {
    const auto chunk = (*result)->Next();
    if (chunk.ok()) continue;
    code = chunk.error().code();
    break;
  }
  EXPECT_EQ(code, Code::kDeadlineExceeded);
}

TEST_F(SessionTest, IsInterruptedFromAnotherThread) {
  auto result = session_->Run("SELECT count(*) FROM range(10000000) a, range(10000000) b");
  ASSERT_TRUE(result.ok());
  os::Thread other("interrupt", [&] { session_->Interrupt(); });
  EXPECT_EQ((*result)->Next().error().code(), Code::kCancelled);
  other.Join();
  result->reset();
  ExpectAnswer("SELECT 1", "1");
}

TEST_F(SessionTest, LimitsTheBytesOfAResult) {
  auto limited = Session::Open(*engine_, lake_, {.max_result_bytes = 100'000});
  auto result = limited->Run("SELECT repeat('x', 100) FROM range(100000)");
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(Render(**result).error().code(), Code::kResourceExhausted);
}

TEST_F(SessionTest, RunsOutOfMemoryWithAnError) {
  EngineOptions options{.threads = 1, .memory_limit_bytes = 30'000'000};
  options.data_directories = {lake_.data_directory()};
  auto engine = Engine::Open(options, file_system_);
  ASSERT_TRUE(engine.ok()) << engine.error().ToString();
  auto session = Session::Open(**engine, lake_);
  auto result = session->Run(
      "SELECT count(DISTINCT hash(i) || 'some longer text to fill memory') FROM range(5000000) "
      "t(i)");
  ASSERT_TRUE(result.ok()) << result.error().ToString();
  EXPECT_EQ((*result)->Next().error().code(), Code::kResourceExhausted);
}

TEST_F(SessionTest, ExportsAQueryAsParquet) {
  const std::string path = lake_.data_directory() + "/out.parquet";
  const auto rows =
      session_->CopyToParquet("SELECT ts, path FROM raw.web_log WHERE bot; -- done", path);
  ASSERT_TRUE(rows.ok()) << rows.error().ToString();
  EXPECT_EQ(*rows, 60u);
  EXPECT_EQ(os::PosixFileSystem().Stat(path)->mode, 0600u);
  lake_.Write("SELECT CASE WHEN count(*) = 60 THEN 1 ELSE error('rows') END FROM " + Quoted(path));
  EXPECT_TRUE(FilesBelow(lake_.root() + "/temp", ".parquet").empty());
  EXPECT_EQ(session_->CopyToParquet("SHOW TABLES", path).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(session_->CopyToParquet("DROP TABLE x", path).error().code(), Code::kPermissionDenied);
  EXPECT_EQ(session_->CopyToParquet("SELECT 1", "/no/such/folder/x").error().code(),
            Code::kNotFound);
}

TEST_F(SessionTest, TakesLongStatements) {
  std::string sum = "SELECT 0";
  for (int i = 0; i < 300; ++i) sum += " + 1";
  ExpectAnswer(sum, "300");
  std::string deep = "SELECT 0";
  for (int i = 0; i < 100'000; ++i) deep += "+1";
  ExpectError(deep, Code::kInvalidArgument);
}

}  // namespace
}  // namespace tarn::sql
