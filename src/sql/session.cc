#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "base/text.h"
#include "codec/json.h"
#include "sql/engine.h"
#include "sql/export_internal.h"
#include "sql/predicate_finder_internal.h"
#include "sql/query_internal.h"
#include "sql/script.h"
#include "sql/statement_internal.h"
#include "sql/table_view_internal.h"

namespace tarn::sql {
namespace {

using codec::Json;

// A long statement is a program, and its tree takes a hundred times the memory.
constexpr size_t kMaxSqlBytes = 1 << 20;
// DuckDB itself stops at 1,000 nested expressions; each is up to three levels of JSON.
constexpr size_t kMaxTreeDepth = 1'500;

struct Parsed {
  Json tree;
  bool explain = false;
};

// Where "EXPLAIN [ANALYZE]" ends; 0 if the text does not begin with it. Comments before it are
// not looked through: such a statement is refused.
size_t AfterExplain(std::string_view sql) {
  size_t at = 0;
  const auto word = [&](std::string_view wanted) {
    size_t begin = at;
    while (begin < sql.size() &&
           std::string_view(" \t\r\n").find(sql[begin]) != std::string::npos) {
      ++begin;
    }
    if (Lower(sql.substr(begin, wanted.size())) != wanted) return false;
    const size_t end = begin + wanted.size();
    if (end < sql.size() && std::string_view(" \t\r\n(").find(sql[end]) == std::string::npos) {
      return false;
    }
    at = end;
    return true;
  };
  if (!word("explain")) return 0;
  word("analyze");
  return at;
}

Status CheckText(std::string_view sql) {
  if (sql.size() > kMaxSqlBytes) {
    return InvalidArgument("the statement is longer than " + FormatBytes(kMaxSqlBytes));
  }
  if (sql.find('\0') != std::string_view::npos || !IsValidUtf8(sql)) {
    return InvalidArgument("the statement is no UTF-8 text");
  }
  return {};
}

// Of what DuckDB takes for more than one. A PIVOT that does not name its values is made of several,
// the first of which creates a type.
Error SeveralStatements(std::string_view sql) {
  ScriptReader reader;
  for (const std::string_view line : Split(sql, '\n')) reader.AddLine(std::string(line) + "\n");
  int written = 0;
  while (reader.Next() || reader.Rest()) ++written;
  if (written > 1) return PermissionDenied("one statement at a time");
  return PermissionDenied("PIVOT needs its values in a query: PIVOT … ON host IN ('a', 'b') …");
}

Result<Parsed> Parse(duckdb_connection connection, const std::string& sql) {
  ExtractedHandle extracted;
  const idx_t count = duckdb_extract_statements(connection, sql.c_str(), extracted.out());
  if (count == 0) {
    const char* reason = duckdb_extract_statements_error(extracted.get());
    if (reason == nullptr || *reason == '\0') return InvalidArgument("there is no statement");
    return FromDuckdb(reason);
  }
  if (count > 1) return SeveralStatements(sql);
  const size_t explained = AfterExplain(sql);
  const std::string query = sql.substr(explained);
  TARN_ASSIGN_OR_RETURN(
      const auto text,
      QueryText(connection,
                "SELECT json_serialize_sql($1::VARCHAR, skip_null := true, skip_empty := true)",
                &query));
  TARN_ASSIGN_OR_RETURN(Json tree, codec::ParseJson(text.value_or("null"), kMaxTreeDepth));
  const Json* failed = tree.Find("error");
  if (failed != nullptr && failed->AsBool() != nullptr && *failed->AsBool()) {
    const auto type = tree.GetString("error_type");
    if (type.ok() && *type == "not implemented") {
      return PermissionDenied("only queries are allowed: SELECT, DESCRIBE, SHOW TABLES, EXPLAIN");
    }
    const auto message = tree.GetString("error_message");
    if (!message.ok()) return InvalidArgument("the statement cannot be read");
    return FromDuckdb(DUCKDB_ERROR_PARSER, message->c_str());
  }
  return Parsed{std::move(tree), explained > 0};
}

// True if the statement gives something that name: then it may be a column.
bool GivesName(const Json& json, std::string_view name) {
  if (const auto* array = json.AsArray()) {
    return std::any_of(array->begin(), array->end(),
                       [&](const Json& element) { return GivesName(element, name); });
  }
  const auto* object = json.AsObject();
  if (object == nullptr) return false;
  for (const auto& [key, value] : *object) {
    const bool alias = key == "alias" || key == "column_name_alias" || key == "aliases";
    if (alias && value.AsString() != nullptr && Lower(*value.AsString()) == name) return true;
    if (const auto* names = value.AsArray(); alias && names != nullptr) {
      for (const Json& element : *names) {
        if (element.AsString() != nullptr && Lower(*element.AsString()) == name) return true;
      }
    }
    if (GivesName(value, name)) return true;
  }
  return false;
}

class SessionImpl final : public Session {
 public:
  SessionImpl(EngineImpl& engine, TableResolver& resolver, const QueryLimits& limits)
      : engine_(engine), resolver_(resolver), limits_(limits) {}

  Result<std::unique_ptr<QueryResult>> Run(std::string_view sql) override;
  Result<uint64_t> CopyToParquet(std::string_view sql, const std::string& path) override;
  void Interrupt() override { live_->InterruptAll(); }

 private:
  // One table of the statement under one name.
  struct Table {
    TableInfo info;
    std::string schema;  // of its view
    std::string name;
    std::vector<const TableReference*> references;
  };

  // Checks `sql` and makes the views it reads; answers what to execute.
  Result<std::string> Plan(Query& query, std::string_view sql, bool only_select);
  Result<std::string> ShowTables();
  Result<std::vector<Table>> Resolve(const Statement& statement);
  Result<TableName> Qualify(const std::string& name);
  Status MakeViews(Query& query, std::vector<Table>& tables, const Json& tree);
  Status FindFiles(Query& query, const std::vector<Table>& tables, const Json& tree,
                   std::vector<std::vector<event::Filter>>& filters);
  // Looks for damage in every file that was found.
  std::function<Status(const GoOn&)> LookForDamage(
      const std::vector<Table>& tables, const std::vector<std::vector<event::Filter>>& filters);

  EngineImpl& engine_;
  TableResolver& resolver_;
  const QueryLimits limits_;
  const std::shared_ptr<LiveQueries> live_ = std::make_shared<LiveQueries>();
};

Result<TableName> SessionImpl::Qualify(const std::string& name) {
  TARN_ASSIGN_OR_RETURN(const auto all, resolver_.List());
  std::vector<TableName> found;
  std::vector<std::string> known;
  for (const TableName& table : all) {
    if (EqualsNoCase(table.name, name)) found.push_back(table);
    known.push_back(table.name);
  }
  if (found.size() == 1) return found.front();
  if (found.size() > 1) {
    return InvalidArgument(fmt::format("table '{}' is ambiguous: {}.{} or {}.{}", name,
                                       found[0].schema, found[0].name, found[1].schema,
                                       found[1].name));
  }
  return NotFound(fmt::format("there is no table '{}'{}", name,
                              DidYouMean(name, {known.begin(), known.end()})));
}

Result<std::vector<SessionImpl::Table>> SessionImpl::Resolve(const Statement& statement) {
  std::vector<Table> tables;
  std::vector<TableName> names;  // of the tables
  std::map<std::pair<std::string, std::string>, size_t> known;
  for (const TableReference& reference : statement.tables) {
    const auto key = std::pair(Lower(reference.schema), Lower(reference.name));
    if (const auto found = known.find(key); found != known.end()) {
      tables[found->second].references.push_back(&reference);
      continue;
    }
    TableName& name = names.emplace_back(TableName{reference.schema, reference.name});
    if (name.schema.empty()) {
      TARN_ASSIGN_OR_RETURN(name, Qualify(reference.name));
    }
    known[key] = tables.size();
    tables.push_back(
        {{}, reference.schema.empty() ? "main" : reference.schema, reference.name, {&reference}});
  }
  if (tables.empty()) return tables;
  TARN_ASSIGN_OR_RETURN(std::vector<TableInfo> infos, resolver_.Describe(names));
  for (size_t i = 0; i < tables.size(); ++i) tables[i].info = std::move(infos[i]);
  return tables;
}

// Filters of each mention of each table.
Status SessionImpl::FindFiles(Query& query, const std::vector<Table>& tables, const Json& tree,
                              std::vector<std::vector<event::Filter>>& filters) {
  std::vector<BoundReference> all;
  bool keywords_are_values =
      !GivesName(tree, "current_date") && !GivesName(tree, "current_timestamp");
  for (const Table& table : tables) {
    for (const auto* reference : table.references) all.push_back({reference, &table.info});
    for (const event::Field& field : table.info.schema.fields) {
      const std::string name = Lower(field.name);
      keywords_are_values &= name != "current_date" && name != "current_timestamp";
    }
  }
  LiteralReader literals(query.connection(), keywords_are_values);
  filters.clear();
  for (const Table& table : tables) {
    filters.emplace_back();
    for (const auto* reference : table.references) {
      filters.back().push_back(FindPredicates({reference, &table.info}, all, literals));
    }
  }
  if (!literals.failed()) return {};
  for (auto& of_table : filters) {
    for (event::Filter& filter : of_table) filter.clear();
  }
  return query.Restart();
}

std::function<Status(const GoOn&)> SessionImpl::LookForDamage(
    const std::vector<Table>& tables, const std::vector<std::vector<event::Filter>>& filters) {
  std::vector<std::pair<TableInfo, event::Filter>> found;
  for (size_t i = 0; i < tables.size(); ++i) {
    for (const event::Filter& filter : filters[i]) found.emplace_back(tables[i].info, filter);
  }
  return [&resolver = resolver_, found = std::move(found)](const GoOn& go_on) -> Status {
    for (const auto& [table, filter] : found) TARN_TRY(resolver.FindDamage(table, filter, go_on));
    return {};
  };
}

Status SessionImpl::MakeViews(Query& query, std::vector<Table>& tables, const Json& tree) {
  std::vector<std::vector<event::Filter>> filters;
  TARN_TRY(FindFiles(query, tables, tree, filters));
  query.SetLookForDamage(LookForDamage(tables, filters));
  for (size_t i = 0; i < tables.size(); ++i) {
    const Table& table = tables[i];
    TableView view{table.schema, table.name, &table.info.schema, {}};
    std::set<std::string> seen;
    for (const event::Filter& filter : filters[i]) {
      TARN_ASSIGN_OR_RETURN(auto files, resolver_.Files(table.info, filter));
      for (std::string& file : files) {
        if (filters[i].size() > 1 && !seen.insert(file).second) continue;
        view.files.push_back(std::move(file));
      }
    }
    if (auto made = MakeView(query.connection(), query.database(), view, i); !made.ok()) {
      return query.Judge(std::move(made).error().In(
          fmt::format("table {}.{}", table.info.name.schema, table.info.name.name)));
    }
  }
  return {};
}

Result<std::string> SessionImpl::ShowTables() {
  TARN_ASSIGN_OR_RETURN(const auto tables, resolver_.List());
  std::string rows;
  for (const TableName& table : tables) {
    rows += fmt::format("{}({}, {})", rows.empty() ? "" : ", ", Quoted(table.schema),
                        Quoted(table.name));
  }
  if (rows.empty()) return std::string("SELECT '' AS \"schema\", '' AS \"table\" WHERE false");
  return "SELECT * FROM (VALUES " + rows + ") AS t(\"schema\", \"table\") ORDER BY ALL";
}

Result<std::string> SessionImpl::Plan(Query& query, std::string_view sql, bool only_select) {
  TARN_TRY(CheckText(sql));
  std::string text(sql);
  TARN_ASSIGN_OR_RETURN(const Parsed parsed, Parse(query.connection(), text));
  TARN_ASSIGN_OR_RETURN(const Statement statement,
                        CheckStatement(parsed.tree, [&](const std::string& name) {
                          return engine_.HasFunction(query.connection(), name);
                        }));
  if (only_select && (parsed.explain || statement.kind != StatementKind::kSelect)) {
    return InvalidArgument("only the rows of a SELECT can be exported");
  }
  if (statement.kind == StatementKind::kShowTables) return ShowTables();
  TARN_ASSIGN_OR_RETURN(auto tables, Resolve(statement));
  if (statement.only_counts && !parsed.explain && !only_select) {
    TARN_ASSIGN_OR_RETURN(const auto rows, resolver_.CountRows(tables.front().info));
    if (rows) {
      return fmt::format("SELECT CAST({} AS BIGINT) AS {}", *rows,
                         QuotedName(*statement.only_counts));
    }
  }
  TARN_TRY(MakeViews(query, tables, parsed.tree));
  return text;
}

Result<std::unique_ptr<QueryResult>> SessionImpl::Run(std::string_view sql) {
  TARN_ASSIGN_OR_RETURN(auto query, Query::Begin(engine_, limits_, live_));
  TARN_ASSIGN_OR_RETURN(const std::string text, Plan(*query, sql, false));
  TARN_TRY(query->Prepare(text));
  query->SetBusy(false);
  return std::unique_ptr<QueryResult>(std::move(query));
}

Result<uint64_t> SessionImpl::CopyToParquet(std::string_view sql, const std::string& path) {
  TARN_ASSIGN_OR_RETURN(auto query, Query::Begin(engine_, limits_, live_));
  TARN_ASSIGN_OR_RETURN(const std::string text, Plan(*query, sql, true));
  return ExportParquet(engine_, *query, text, path);
}

}  // namespace

std::unique_ptr<Session> Session::Open(Engine& engine, TableResolver& resolver,
                                       const QueryLimits& limits) {
  return std::make_unique<SessionImpl>(static_cast<EngineImpl&>(engine), resolver, limits);
}

}  // namespace tarn::sql
