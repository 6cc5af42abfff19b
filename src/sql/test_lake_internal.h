#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>

#include "base/text.h"
#include "os/posix_file_system.h"
#include "sql/duckdb_handle_internal.h"
#include "sql/engine.h"
#include "sql/statement_internal.h"

namespace tarn::sql {

// A folder of Parquet files and the tables made of them, for tests. Keeps what it was asked.
class TestLake final : public TableResolver {
 public:
  struct File {
    std::string path;
    int64_t first_micros = 0;  // of column "ts"
    int64_t last_micros = 0;
  };

  TestLake() {
    root_ = (std::filesystem::temp_directory_path() /
             ("tarn_sql_test_" + std::to_string(getpid()) + "_" + std::to_string(Number())))
                .string();
    std::filesystem::create_directories(root_ + "/lake");
    duckdb_open(nullptr, database_.out());
    duckdb_connect(database_.get(), writer_.out());
    Write("SET TimeZone = 'UTC'");
  }
  ~TestLake() override { std::filesystem::remove_all(root_); }

  void Write(const std::string& sql) {
    const Status status = Execute(writer_.get(), sql);
    ASSERT_TRUE(status.ok()) << status.error().ToString();
  }
  // One file of the rows of `select`.
  std::string AddFile(const TableName& table, const std::string& select,
                      const std::string& options) {
    const std::string path =
        root_ + "/lake/" + table.name + "_" + std::to_string(files_[table].size()) + ".parquet";
    Write("COPY (" + select + ") TO " + Quoted(path) + " (FORMAT parquet, " + options + ")");
    files_[table].push_back({path});
    return path;
  }
  void AddTable(TableInfo info) { tables_.push_back(std::move(info)); }

  // raw.web_log: `days` files of 24 rows, one an hour, from 2026-01-01 on.
  void AddWebLog(int days) {
    TableInfo info{.name = {"raw", "web_log"}, .state = "s1"};
    info.schema.fields = {{.id = 1, .name = "ts", .type = {.kind = event::TypeKind::kTimestamptz}},
                          {.id = 2, .name = "status", .type = {.kind = event::TypeKind::kInt}},
                          {.id = 3, .name = "path", .type = {.kind = event::TypeKind::kString}},
                          {.id = 4, .name = "took", .type = {.kind = event::TypeKind::kDouble}},
                          {.id = 5, .name = "bot", .type = {.kind = event::TypeKind::kBoolean}}};
    const TableName name = info.name;
    AddTable(std::move(info));
    constexpr int64_t kStart = 1'767'225'600 * int64_t{1'000'000};
    for (int day = 0; day < days; ++day) {
      AddFile(name,
              "SELECT TIMESTAMPTZ '2026-01-01 00:00:00+00' + INTERVAL (" +
                  std::to_string(day * 24) +
                  " + h) HOUR AS ts, CASE h % 3 WHEN 0 THEN 404 ELSE 200 END::INTEGER AS status, "
                  "'/p/' || h AS path, h / 2 AS took, h % 2 = 0 AS bot FROM range(24) t(h)",
              "FIELD_IDS {ts: 1, status: 2, path: 3, took: 4, bot: 5}");
      File& file = files_[name].back();
      file.first_micros = kStart + day * kMicrosPerDay;
      file.last_micros = file.first_micros + 23 * kMicrosPerHour;
    }
  }

  Result<std::vector<TableName>> List() override {
    std::vector<TableName> names;
    for (const TableInfo& table : tables_) names.push_back(table.name);
    return names;
  }
  Result<std::vector<TableInfo>> Describe(const std::vector<TableName>& names) override {
    ++described;
    std::vector<TableInfo> infos;
    for (const TableName& name : names) {
      const auto found = std::find_if(tables_.begin(), tables_.end(), [&](const TableInfo& table) {
        return EqualsNoCase(table.name.schema, name.schema) &&
               EqualsNoCase(table.name.name, name.name);
      });
      if (found == tables_.end()) {
        return NotFound("there is no table " + name.schema + "." + name.name);
      }
      infos.push_back(*found);
    }
    return infos;
  }
  Result<std::vector<std::string>> Files(const TableInfo& table,
                                         const event::Filter& filter) override {
    filters.push_back(filter);
    std::vector<std::string> paths;
    for (const File& file : files_[table.name]) {
      if (MayMatch(file, filter)) paths.push_back(file.path);
    }
    handed_out += paths.size();
    return paths;
  }

  Status FindDamage(const TableInfo& /*table*/, const event::Filter& /*filter*/,
                    const GoOn& go_on) override {
    ++examined;
    return examine ? examine(go_on) : Status();
  }

  Result<std::optional<uint64_t>> CountRows(const TableInfo& /*table*/) override { return rows; }

  std::string data_directory() const { return root_ + "/lake"; }
  std::string root() const { return root_; }
  const std::vector<File>& files(const TableName& name) { return files_[name]; }

  std::vector<event::Filter> filters;          // what Files was asked, in order
  size_t handed_out = 0;                       // paths
  int described = 0;                           // calls of Describe
  std::optional<uint64_t> rows;                // what CountRows answers
  int examined = 0;                            // calls of FindDamage
  std::function<Status(const GoOn&)> examine;  // what it does; empty: finds nothing

 private:
  static int Number() {
    static int number = 0;
    return ++number;
  }
  static bool MayMatch(const File& file, const event::Filter& filter) {
    using event::Comparison;
    return std::all_of(filter.begin(), filter.end(), [&](const event::Predicate& predicate) {
      if (predicate.column != "ts" || predicate.literals.empty()) return true;
      const int64_t value = std::get<Timestamp>(predicate.literals[0]).micros;
      switch (predicate.op) {
        case Comparison::kEqual:
          return file.first_micros <= value && value <= file.last_micros;
        case Comparison::kLess:
          return file.first_micros < value;
        case Comparison::kLessOrEqual:
          return file.first_micros <= value;
        case Comparison::kGreater:
          return file.last_micros > value;
        case Comparison::kGreaterOrEqual:
          return file.last_micros >= value;
        default:
          return true;
      }
    });
  }

  std::string root_;
  DatabaseHandle database_;
  ConnectionHandle writer_;
  std::vector<TableInfo> tables_;
  std::map<TableName, std::vector<File>> files_;
};

// An engine over a test lake, and what a query answers as text: cells by '|', rows by '\n'.
class SqlTest : public testing::Test {
 protected:
  void SetUp() override {
    EngineOptions options;
    options.threads = 2;
    options.max_queries = 3;
    options.temp_directory = lake_.root() + "/temp";
    options.data_directories = {lake_.data_directory()};
    auto engine = Engine::Open(options, file_system_);
    ASSERT_TRUE(engine.ok()) << engine.error().ToString();
    engine_ = std::move(engine).value();
    session_ = Session::Open(*engine_, lake_);
  }

  static Result<std::string> Render(QueryResult& result, bool json = false) {
    std::string text;
    for (;;) {
      TARN_ASSIGN_OR_RETURN(const Chunk* chunk, result.Next());
      if (chunk == nullptr) return text;
      for (size_t row = 0; row < chunk->rows(); ++row) {
        if (!text.empty()) text += "\n";
        for (size_t column = 0; column < chunk->columns(); ++column) {
          if (column > 0) text += "|";
          const Cell cell = chunk->At(column, row);
          json ? cell.AppendJson(text) : cell.AppendText(text);
        }
      }
    }
  }
  Result<std::string> Ask(std::string_view sql, bool json = false) {
    TARN_ASSIGN_OR_RETURN(auto result, session_->Run(sql));
    return Render(*result, json);
  }
  void ExpectAnswer(std::string_view sql, std::string_view answer) {
    const auto got = Ask(sql);
    ASSERT_TRUE(got.ok()) << sql << "\n" << got.error().ToString();
    EXPECT_EQ(*got, answer) << sql;
  }
  void ExpectError(std::string_view sql, Code code, std::string_view part = "") {
    const auto got = Ask(sql);
    ASSERT_FALSE(got.ok()) << sql << " answers " << got.value();
    EXPECT_EQ(TraitsOf(got.error().code()).name, TraitsOf(code).name) << sql << "\n"
                                                                      << got.error().ToString();
    EXPECT_NE(got.error().message().find(part), std::string::npos) << sql << "\n"
                                                                   << got.error().ToString();
  }

  TestLake lake_;
  os::PosixFileSystem file_system_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Session> session_;
};

}  // namespace tarn::sql
