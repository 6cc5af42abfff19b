#include <fmt/format.h>

#include <fstream>
#include <sstream>

#include "sql/functions_internal.h"
#include "sql/test_lake_internal.h"

namespace tarn::sql {
namespace {

// Every way out of a query that we know of.
class SandboxTest : public SqlTest {
 protected:
  void SetUp() override {
    SqlTest::SetUp();
    lake_.AddWebLog(1);
    file_ = lake_.files({"raw", "web_log"})[0].path;
    secret_ = lake_.root() + "/secret.csv";
    std::ofstream(secret_) << "a,b\n1,2\n";
  }
  // Before anything runs: it is not allowed, or no function of this engine at all.
  void ExpectRefused(const std::string& sql) {
    const auto got = Ask(sql);
    ASSERT_FALSE(got.ok()) << sql << " answers " << got.value();
    const bool unknown = got.error().code() == Code::kNotFound &&
                         (got.error().message().starts_with("there is no function '") ||
                          got.error().message().starts_with("there is no table function '"));
    EXPECT_TRUE(unknown || got.error().code() == Code::kPermissionDenied) << sql << "\n"
                                                                          << got.error().ToString();
  }

  std::string file_;    // of the lake
  std::string secret_;  // outside of it
};

TEST_F(SandboxTest, OnlyQueriesRun) {
  for (const char* sql :
       {"SET threads = 1",
        "SET VARIABLE x = 1",
        "RESET threads",
        "PRAGMA threads = 1",
        "PRAGMA database_list",
        "PRAGMA show_tables",
        "ATTACH ':memory:' AS x",
        "ATTACH '/tmp/x.db'",
        "DETACH query_0",
        "USE memory",
        "INSTALL httpfs",
        "LOAD httpfs",
        "LOAD '/tmp/x.duckdb_extension'",
        "FORCE INSTALL httpfs",
        "UPDATE EXTENSIONS",
        "CREATE TABLE t(i INT)",
        "CREATE TEMP TABLE t AS SELECT 1",
        "CREATE VIEW v AS SELECT 1",
        "CREATE MACRO m() AS TABLE SELECT * FROM read_text('/etc/passwd')",
        "CREATE SECRET s (TYPE s3)",
        "DROP SECRET s",
        "CREATE SCHEMA s",
        "CREATE SEQUENCE q",
        "CREATE TYPE e AS ENUM ('a')",
        "CREATE FUNCTION f(a) AS a",
        "DROP VIEW raw.web_log",
        "ALTER TABLE raw.web_log ADD COLUMN x INT",
        "INSERT INTO raw.web_log SELECT 1",
        "UPDATE raw.web_log SET status = 1",
        "DELETE FROM raw.web_log",
        "TRUNCATE raw.web_log",
        "MERGE INTO raw.web_log USING (SELECT 1 AS i) s ON (i = status) WHEN MATCHED THEN DELETE",
        "COPY (SELECT 1) TO '/tmp/tarn_out.csv'",
        "COPY raw.web_log TO '/tmp/tarn_out.parquet'",
        "COPY raw.web_log FROM '/etc/passwd'",
        "COPY FROM DATABASE memory TO query_1",
        "EXPORT DATABASE '/tmp/tarn_out'",
        "IMPORT DATABASE '/tmp/tarn_out'",
        "PREPARE p AS SELECT 1",
        "EXECUTE p",
        "DEALLOCATE p",
        "CALL pragma_version()",
        "CHECKPOINT",
        "VACUUM",
        "ANALYZE",
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "COMMENT ON TABLE t IS 'x'",
        "EXPLAIN COPY (SELECT 1) TO '/tmp/tarn_out.csv'",
        "EXPLAIN ANALYZE SET threads = 1",
        "EXPLAIN ANALYZE INSERT INTO t SELECT 1",
        "PIVOT raw.web_log ON status USING count(*)"}) {
    ExpectRefused(sql);
  }
}

TEST_F(SandboxTest, OneStatementRuns) {
  ExpectRefused("SELECT 1; SELECT 2");
  ExpectRefused("SELECT 1; SET threads = 1");
  ExpectRefused("SELECT 1;;DROP VIEW raw.web_log");
  ExpectRefused("SELECT 1 /* ; */ ; ATTACH ':memory:' AS x --");
  ExpectRefused("EXPLAIN SELECT 1; COPY (SELECT 1) TO '/tmp/tarn_out.csv'");
  ExpectError("SELECT 1; SELECT 2 AS pivot", Code::kPermissionDenied, "one statement at a time");
  ExpectAnswer("SELECT 1;", "1");
  ExpectAnswer("SELECT ';' -- ; DROP", ";");
}

TEST_F(SandboxTest, APivotThatDoesNotNameItsValuesIsToldTo) {
  for (const char* sql :
       {"PIVOT raw.web_log ON status USING count(*)", "PIVOT raw.web_log ON status\nUSING max(1);",
        "SELECT * FROM (PIVOT raw.web_log ON bot USING count(*)) -- ; and",
        "WITH p AS (PIVOT raw.web_log ON bot) SELECT * FROM p",
        "EXPLAIN PIVOT_WIDER raw.web_log ON bot"}) {
    ExpectError(sql, Code::kPermissionDenied, "IN ('a', 'b')");
  }
}

TEST_F(SandboxTest, NoFunctionReadsFiles) {
  for (const std::string function : {"read_text('$')",
                                     "read_blob('$')",
                                     "read_csv('$')",
                                     "read_csv_auto('$')",
                                     "read_json('$')",
                                     "read_json_auto('$')",
                                     "read_json_objects('$')",
                                     "read_ndjson('$')",
                                     "read_ndjson_objects('$')",
                                     "read_parquet('$')",
                                     "parquet_scan('$')",
                                     "parquet_metadata('$')",
                                     "parquet_schema('$')",
                                     "parquet_file_metadata('$')",
                                     "parquet_kv_metadata('$')",
                                     "parquet_full_metadata('$')",
                                     "parquet_bloom_probe('$', 'path', 'x')",
                                     "sniff_csv('$')",
                                     "glob('$')",
                                     "read_duckdb('$')",
                                     "READ_TEXT('$')",
                                     "system.main.read_text('$')",
                                     "main.read_csv('$')",
                                     "\"read_text\"('$')",
                                     "read_text(['$'])",
                                     "iceberg_scan('$')",
                                     "delta_scan('$')",
                                     "st_read('$')",
                                     "sqlite_scan('$', 't')",
                                     "postgres_scan('$', 's', 't')"}) {
    for (const std::string& path : {secret_, file_, std::string("/etc/passwd"),
                                    std::string("https://example.org/x.parquet")}) {
      std::string call = function;
      call.replace(call.find('$'), 1, path);
      ExpectRefused("SELECT * FROM " + call);
      ExpectRefused("FROM " + call + " t");
      ExpectRefused("SELECT (SELECT count(*) FROM " + call + ")");
      ExpectRefused("WITH x AS (SELECT * FROM " + call + ") SELECT 1");
      ExpectRefused("SELECT 1 UNION ALL SELECT 2 FROM " + call);
      ExpectRefused("DESCRIBE SELECT * FROM " + call);
      ExpectRefused("EXPLAIN SELECT * FROM " + call);
    }
  }
}

TEST_F(SandboxTest, NoNameIsTakenForAFile) {
  for (const std::string& path :
       {secret_, file_, std::string("/etc/passwd"), std::string("secret.csv"),
        std::string("x.parquet"), std::string("https://example.org/x.csv"),
        std::string("s3://bucket/x.parquet"), std::string("*.json"), std::string("~/x"),
        std::string("C:\\x")}) {
    ExpectRefused("SELECT * FROM '" + path + "'");
    ExpectRefused("SELECT * FROM \"" + path + "\"");
    ExpectRefused("SELECT * FROM raw.\"" + path + "\"");
    ExpectRefused("FROM '" + path + "'");
    ExpectRefused("DESCRIBE '" + path + "'");
    ExpectRefused("SUMMARIZE '" + path + "'");
    // Where a CTE of that name is known, and where it is not.
    ExpectRefused("WITH \"" + path + "\" AS (SELECT 1) FROM \"" + path + "\"");
    ExpectRefused("SELECT (WITH \"" + path + "\" AS (SELECT 1) SELECT 1) FROM \"" + path + "\"");
  }
}

TEST_F(SandboxTest, NoFunctionRunsSqlOrLooksAtTheEngine) {
  for (const char* function : {"query('SELECT 1')",
                               "query_table('raw.web_log')",
                               "query_table(['x'])",
                               "json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
                               "duckdb_settings()",
                               "duckdb_secrets()",
                               "duckdb_views()",
                               "duckdb_tables()",
                               "duckdb_columns()",
                               "duckdb_databases()",
                               "duckdb_extensions()",
                               "duckdb_functions()",
                               "duckdb_logs()",
                               "duckdb_log_contexts()",
                               "duckdb_memory()",
                               "duckdb_temporary_files()",
                               "duckdb_variables()",
                               "duckdb_prepared_statements()",
                               "duckdb_external_file_cache()",
                               "duckdb_secret_types()",
                               "duckdb_connection_count()",
                               "which_secret('s3://x', 's3')",
                               "pragma_table_info('raw.web_log')",
                               "pragma_show('x')",
                               "pragma_storage_info('x')",
                               "pragma_version()",
                               "pragma_platform()",
                               "pragma_user_agent()",
                               "pragma_database_size()",
                               "storage_info('x')",
                               "table_info('x')",
                               "truncate_duckdb_logs()",
                               "enable_logging()",
                               "enable_profiling()",
                               "disable_optimizer()",
                               "checkpoint()",
                               "force_checkpoint()",
                               "test_all_types()",
                               "arrow_scan(0, 0, 0)",
                               "seq_scan('x')",
                               "summary((SELECT 1))",
                               "histogram('x', 'y')",
                               "http_get('http://x')",
                               "shellfs('x')",
                               "repeat_row(1, num_rows = 2)"}) {
    ExpectRefused(std::string("SELECT * FROM ") + function);
    ExpectRefused(std::string("SELECT 1 WHERE EXISTS (FROM ") + function + ")");
  }
}

TEST_F(SandboxTest, NoScalarFunctionReachesOut) {
  for (const char* call : {"getenv('HOME')",
                           "current_setting('memory_limit')",
                           "CURRENT_SETTING('threads')",
                           "getvariable('files_0')",
                           "main.getvariable('files_0')",
                           "system.main.getvariable('x')",
                           "\"getvariable\"('files_0')",
                           "set_config('a', 'b', false)",
                           "write_log('x')",
                           "sleep_ms(100000)",
                           "pg_sleep(100)",
                           "nextval('q')",
                           "currval('q')",
                           "current_query()",
                           "current_query_id()",
                           "current_connection_id()",
                           "pg_get_viewdef(1)",
                           "stats(1)",
                           "setseed(0.5)",
                           "in_search_path('a', 'b')"}) {
    ExpectRefused(std::string("SELECT ") + call);
    ExpectRefused(std::string("SELECT list_transform([1], x -> ") + call + ")");
    ExpectRefused(std::string("SELECT 1 ORDER BY ") + call);
    ExpectRefused(std::string("SELECT 1 LIMIT ") + call);
    ExpectRefused(std::string("SELECT sum(i) FILTER (") + call + " IS NULL) FROM range(3) t(i)");
    ExpectRefused(std::string("SELECT CASE WHEN true THEN ") + call + " END");
    ExpectRefused(std::string("SELECT * FROM raw.web_log WHERE ") + call + " IS NOT NULL");
    ExpectRefused(std::string("SELECT * FROM range(1) a JOIN range(1) b ON ") + call + " IS NULL");
    ExpectRefused(std::string("SELECT * FROM (VALUES (") + call + "))");
    ExpectRefused(std::string("SELECT 1 GROUP BY ") + call);
    ExpectRefused(std::string("SELECT rank() OVER (ORDER BY ") + call + ")");
    ExpectRefused(std::string("SELECT * REPLACE (") + call + " AS status) FROM raw.web_log");
    ExpectRefused(std::string("SELECT [x FOR x IN [1] IF ") + call + " IS NULL]");
    ExpectRefused(std::string("FROM range((") + call + ")::BIGINT)");
  }
}

TEST_F(SandboxTest, NoOtherDatabaseOrCatalogIsSeen) {
  for (const char* table :
       {"duckdb_settings", "duckdb_tables", "sqlite_master", "duckdb_views", "pragma_database_list",
        "information_schema.tables", "information_schema.schemata", "pg_catalog.pg_class",
        "pg_settings", "main.duckdb_views", "temp.x", "query_0", "query_1.web_log"}) {
    ExpectError(std::string("SELECT * FROM ") + table, Code::kNotFound);
  }
  ExpectRefused("SELECT * FROM query_0.raw.web_log");
  ExpectRefused("SELECT * FROM system.information_schema.tables");
  ExpectRefused("SELECT * FROM memory.main.t");
  for (const char* show : {"SHOW DATABASES", "SHOW SCHEMAS", "SHOW VARIABLES", "SHOW SETTINGS"}) {
    EXPECT_FALSE(Ask(show).ok()) << show;
  }
}

TEST_F(SandboxTest, AnchorOfARecursiveCteDoesNotSeeItself) {
  for (const std::string table : {"pg_settings", "duckdb_databases", "pg_tables"}) {
    ExpectError("WITH RECURSIVE " + table + " AS (SELECT * FROM " + table +
                    " UNION ALL SELECT * FROM " + table + " WHERE false) SELECT * FROM " + table,
                Code::kNotFound);
  }
}

TEST_F(SandboxTest, TricksWithTextDoNotHelp) {
  ExpectRefused("/* SELECT */ SET threads = 1");
  ExpectRefused("-- x\nATTACH ':memory:' AS x");
  ExpectRefused("SELECT * FROM read_text /* */ ('/etc/passwd')");
  ExpectRefused("SELECT * FROM\tread_text\n('/etc/passwd')");
  EXPECT_FALSE(Ask("SELECT * FROM U&\"\\0072ead_text\"('/etc/passwd')").ok());
  ExpectRefused("SELECT * FROM e'/etc/passwd'");
  ExpectRefused("SELECT * FROM $$/etc/passwd$$");
  // Letters that only look like others are other letters.
  ExpectRefused(
      "SELECT * FROM re\xd0\xb0"
      "d_text('/etc/passwd')");
  ExpectRefused("\xc2\xa0SET threads = 1");
  ExpectRefused("FROM raw.web_log, LATERAL (FROM read_text(path))");
  ExpectRefused("SELECT * FROM (FROM (FROM (SELECT * FROM glob('*'))))");
}

TEST_F(SandboxTest, TheEngineItselfKeepsFilesShut) {
  // The second wall, without the first: what DuckDB says to the same connection settings.
  auto engine = Engine::Open({.data_directories = {lake_.data_directory()}}, file_system_);
  ASSERT_TRUE(engine.ok());
  TableInfo info{.name = {"raw", "outside"}};
  info.schema.fields = {{.id = 1, .name = "a", .type = {.kind = event::TypeKind::kInt}}};
  const std::string inside = lake_.AddFile(info.name, "SELECT 1::INTEGER a", "FIELD_IDS {a: 1}");
  const std::string outside = lake_.root() + "/outside.parquet";
  std::filesystem::rename(inside, outside);
  const_cast<std::vector<TestLake::File>&>(lake_.files(info.name))[0].path = outside;
  lake_.AddTable(info);
  ExpectError("SELECT * FROM raw.outside", Code::kPermissionDenied);
}

TEST_F(SandboxTest, NoQuerySeesWhatAnotherLeft) {
  ASSERT_TRUE(Ask("SELECT count(*) FROM raw.web_log").ok());
  TestLake empty;
  auto other = Session::Open(*engine_, empty);
  EXPECT_EQ(other->Run("SELECT * FROM raw.web_log").error().code(), Code::kNotFound);
}

// The functions of this version that were looked at and left out of the list, besides those for
// one language's order (icu_collate_*), which COLLATE calls.
constexpr std::string_view kReviewedAndRefused[] = {
    "__internal_compress_integral_ubigint",
    "__internal_compress_integral_uinteger",
    "__internal_compress_integral_usmallint",
    "__internal_compress_integral_utinyint",
    "__internal_compress_string_hugeint",
    "__internal_compress_string_ubigint",
    "__internal_compress_string_uhugeint",
    "__internal_compress_string_uinteger",
    "__internal_compress_string_usmallint",
    "__internal_compress_string_utinyint",
    "__internal_decompress_integral_bigint",
    "__internal_decompress_integral_hugeint",
    "__internal_decompress_integral_integer",
    "__internal_decompress_integral_smallint",
    "__internal_decompress_integral_ubigint",
    "__internal_decompress_integral_uhugeint",
    "__internal_decompress_integral_uinteger",
    "__internal_decompress_integral_usmallint",
    "__internal_decompress_string",
    "alias",
    "can_cast_implicitly",
    "cast_to_type",
    "col_description",
    "combine",
    "constant_or_null",
    "create_sort_key",
    "current_catalog",
    "current_connection_id",
    "current_database",
    "current_query",
    "current_query_id",
    "current_role",
    "current_schema",
    "current_schemas",
    "current_setting",
    "current_transaction_id",
    "current_user",
    "currval",
    "finalize",
    "format_pg_type",
    "format_type",
    "get_block_size",
    "getvariable",
    "has_any_column_privilege",
    "has_column_privilege",
    "has_database_privilege",
    "has_foreign_data_wrapper_privilege",
    "has_function_privilege",
    "has_language_privilege",
    "has_schema_privilege",
    "has_sequence_privilege",
    "has_server_privilege",
    "has_table_privilege",
    "has_tablespace_privilege",
    "icu_sort_key",
    "in_search_path",
    "inet_client_addr",
    "inet_client_port",
    "inet_server_addr",
    "inet_server_port",
    "is_histogram_other_bin",
    "json_deserialize_sql",
    "json_serialize_plan",
    "json_serialize_sql",
    "make_type",
    "map_to_pg_oid",
    "nextval",
    "normalized_interval",
    "obj_description",
    "parse_duckdb_log_message",
    "pg_collation_is_visible",
    "pg_conf_load_time",
    "pg_conversion_is_visible",
    "pg_function_is_visible",
    "pg_get_constraintdef",
    "pg_get_expr",
    "pg_get_viewdef",
    "pg_has_role",
    "pg_is_other_temp_schema",
    "pg_my_temp_schema",
    "pg_opclass_is_visible",
    "pg_operator_is_visible",
    "pg_opfamily_is_visible",
    "pg_postmaster_start_time",
    "pg_sleep",
    "pg_table_is_visible",
    "pg_ts_config_is_visible",
    "pg_ts_dict_is_visible",
    "pg_ts_parser_is_visible",
    "pg_ts_template_is_visible",
    "pg_type_is_visible",
    "remap_struct",
    "replace_type",
    "session_user",
    "setseed",
    "shobj_description",
    "sleep_ms",
    "stats",
    "sum_no_overflow",
    "timetz_byte_comparable",
    "txid_current",
    "user",
    "variant_bytes_to_variant",
    "variant_normalize",
    "variant_to_parquet_variant",
    "vector_type",
    "write_log",
};

std::vector<std::string> Lines(const std::optional<std::string>& text) {
  std::vector<std::string> lines;
  std::stringstream stream(text.value_or(""));
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// Every function of the DuckDB that is linked, as it tells them itself.
class FunctionsTest : public SandboxTest {
 protected:
  void SetUp() override {
    SandboxTest::SetUp();
    ASSERT_EQ(duckdb_open(nullptr, database_.out()), DuckDBSuccess);
    ASSERT_EQ(duckdb_connect(database_.get(), connection_.out()), DuckDBSuccess);
  }
  // Their names in lower case, sorted.
  std::vector<std::string> All(const std::string& types) {
    return Lines(QueryText(connection_.get(),
                           "SELECT string_agg(name, chr(10) ORDER BY name) FROM (SELECT DISTINCT "
                           "lower(function_name) AS name FROM duckdb_functions() WHERE "
                           "function_type IN (" +
                               types + "))",
                           nullptr)
                     .value());
  }
  static bool Has(const std::vector<std::string_view>& list, const std::string& name) {
    return std::binary_search(list.begin(), list.end(), std::string_view(name));
  }

  DatabaseHandle database_;
  ConnectionHandle connection_;
};

TEST_F(FunctionsTest, EachOfThisDuckdbIsOnTheListOrRefused) {
  EXPECT_EQ(engine_->version(), "v1.5.5");
  const auto all = All("'scalar', 'aggregate', 'macro'");
  EXPECT_EQ(all.size(), 818U) << "look at the new ones, extend a list, set the count";
  for (const std::string& name : all) {
    const bool reviewed = name.starts_with("icu_collate_") ||
                          std::find(std::begin(kReviewedAndRefused), std::end(kReviewedAndRefused),
                                    name) != std::end(kReviewedAndRefused);
    EXPECT_NE(Has(AllowedFunctions(), name), reviewed) << name;
    if (!Has(AllowedFunctions(), name)) {
      ExpectError("SELECT " + QuotedName(name) + "()", Code::kPermissionDenied);
    }
  }
}

TEST_F(FunctionsTest, NoTableFunctionBesidesTheListRuns) {
  const auto all = All("'table', 'table_macro', 'pragma'");
  EXPECT_GT(all.size(), 100U);
  for (const std::string& name : all) {
    if (!Has(AllowedTableFunctions(), name)) {
      ExpectRefused("FROM " + QuotedName(name) + "()");
      ExpectRefused("FROM system.main." + QuotedName(name) + "('x')");
    }
    ExpectRefused("CALL " + QuotedName(name) + "()");
  }
}

TEST_F(FunctionsTest, TheListHasNothingThatIsNotThere) {
  const auto all = All("'scalar', 'aggregate', 'macro', 'table'");  // unnest is both
  for (const std::string_view name : AllowedFunctions()) {
    EXPECT_TRUE(std::binary_search(all.begin(), all.end(), name)) << name;
  }
  for (const auto* list : {&AllowedFunctions(), &AllowedTableFunctions()}) {
    EXPECT_EQ(std::adjacent_find(list->begin(), list->end()), list->end());
  }
}

TEST_F(FunctionsTest, AnUnknownOneIsNamedWithTheNearest) {
  ExpectError("SELECT no_such_thing_at_all(1)", Code::kNotFound,
              "there is no function 'no_such_thing_at_all'");
  ExpectError("FROM ranje(3)", Code::kNotFound,
              "there is no table function 'ranje'; did you mean 'range'?");
  constexpr std::pair<const char*, const char*> kTypos[] = {{"cuont", "count"},
                                                            {"conut", "count"},
                                                            {"cont", "count"},
                                                            {"sume", "sum"},
                                                            {"agv", "avg"},
                                                            {"mx", "max"},
                                                            {"mim", "min"},
                                                            {"meen", "mean"},
                                                            {"lenght", "length"},
                                                            {"rond", "round"},
                                                            {"uper", "upper"},
                                                            {"substrng", "substring"},
                                                            {"trmi", "trim"},
                                                            {"date_trnc", "date_trunc"},
                                                            {"colaesce", "coalesce"},
                                                            {"ifnul", "ifnull"},
                                                            {"row_nubmer", "row_number"}};
  for (const auto& [typo, meant] : kTypos) {
    ExpectError(fmt::format("SELECT {}(i) FROM range(3) t(i)", typo), Code::kNotFound,
                fmt::format("there is no function '{}'; did you mean '{}'?", typo, meant));
  }
}

TEST_F(FunctionsTest, NothingFarOffIsSuggested) {
  for (const std::string name : {"foo", "x", "zzzzzz", "no_such_thing_at_all", "getdate"}) {
    const auto result = session_->Run("SELECT " + name + "(1)");
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().message(), "there is no function '" + name + "'");
  }
}

// It is no typo, however near another one is.
TEST_F(FunctionsTest, OneThatIsNotAllowedIsNotCalledUnknown) {
  for (const std::string name : {"getenv", "sum_no_overflow", "read_csv", "setseed"}) {
    const auto result = session_->Run("SELECT " + name + "(1)");
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code(), Code::kPermissionDenied);
    EXPECT_EQ(result.error().message(), "function '" + name + "' is not allowed in a query");
  }
  ExpectError("FROM READ_CSV('x')", Code::kPermissionDenied,
              "table function 'read_csv' is not allowed in a query");
}

// What the parser makes of syntax is a function too.
TEST_F(FunctionsTest, SyntaxWorks) {
  for (const char* sql :
       {"SELECT 'a' LIKE 'b', 'a' ILIKE 'b', 'a' NOT LIKE 'b' ESCAPE '\\', 'a' SIMILAR TO 'b'",
        "SELECT 'a' GLOB 'b', 'a' ~ 'b', 'a' !~ 'b', 'a' NOT ILIKE 'b' ESCAPE 'x', 'a' ^@ 'b'",
        "SELECT extract(year FROM DATE '2026-01-01'), TIMESTAMP '2026-01-01' AT TIME ZONE 'UTC'",
        "SELECT position('a' IN 'ba'), substring('abc' FROM 2 FOR 1), trim(BOTH 'x' FROM 'xax')",
        "SELECT current_date, current_timestamp, current_time, localtimestamp, localtime",
        "SELECT [1, 2][1], [1, 2][1:2], {'a': 1}.a, MAP {'a': 1}['a'], [x + 1 FOR x IN [1] IF x > "
        "0]",
        "SELECT list_transform([1], lambda x: x + 1), (1, 'a'), ROW(1, 2), ARRAY[1], 5!, @ -1, ~1",
        "SELECT coalesce(NULL, 1), nullif(1, 1), ifnull(NULL, 1), 1 IN (1, 2), NOT true, TRY(1/0)",
        "SELECT CASE 1 WHEN 1 THEN 2 END, 1 BETWEEN 0 AND 2, 1 IS DISTINCT FROM 2, ARRAY(SELECT 1)",
        "SELECT x'ab', 1::VARCHAR, TRY_CAST('x' AS INT), INTERVAL 1 DAY, '{\"a\": 1}'::JSON->'a'",
        "SELECT sum(i) FILTER (i > 1), string_agg(i, ',' ORDER BY i), count(*), count(DISTINCT i), "
        "quantile_cont(i, 0.5), percentile_cont(0.5) WITHIN GROUP (ORDER BY i) FROM range(3) t(i)",
        "SELECT i, row_number() OVER w, lag(i, 1) OVER w, sum(i) OVER w FROM range(3) t(i) WINDOW "
        "w "
        "AS (ORDER BY i)",
        "SELECT grouping(i), count(*) FROM range(3) t(i) GROUP BY ROLLUP (i)",
        "SELECT COLUMNS(*) FROM range(3) t(i)",
        "SELECT 'b' COLLATE de, 'a' < 'b' COLLATE nocase ORDER BY 1",
        "UNPIVOT (SELECT 1 AS a, 2 AS b) ON a, b",
        "PIVOT (SELECT 1 AS a, 2 AS b) ON a IN (1) USING sum(b)",
        "SELECT j.key, t.i, u FROM json_each('[1]') j, json_tree('[1]'), range(1) t(i), "
        "unnest([1]) "
        "AS x(u), generate_series(1, 2), repeat(1, 2)",
        "SELECT unnest([1, 2]), unnest({'a': 1}), generate_series(1, 3)"}) {
    const auto got = Ask(sql);
    EXPECT_TRUE(got.ok()) << sql << "\n" << got.error().ToString();
  }
}

}  // namespace
}  // namespace tarn::sql
