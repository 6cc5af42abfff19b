#include <algorithm>
#include <initializer_list>
#include <optional>
#include <set>

#include "base/text.h"
#include "sql/functions_internal.h"
#include "sql/statement_internal.h"

namespace tarn::sql {
namespace {

using codec::Json;
using NameSet = std::set<std::string, std::less<>>;

constexpr std::string_view kExpressionClasses[] = {"BETWEEN",
                                                   "CASE",
                                                   "CAST",
                                                   "COLLATE",
                                                   "COLUMN_REF",
                                                   "COMPARISON",
                                                   "CONJUNCTION",
                                                   "CONSTANT",
                                                   "FUNCTION",
                                                   "LAMBDA",
                                                   "LAMBDA_REF",
                                                   "OPERATOR",
                                                   "POSITIONAL_REFERENCE",
                                                   "STAR",
                                                   "SUBQUERY",
                                                   "TYPE",
                                                   "WINDOW"};
constexpr std::string_view kQueryNodes[] = {"CTE_NODE", "RECURSIVE_CTE_NODE", "SELECT_NODE",
                                            "SET_OPERATION_NODE"};
// Of the terms of an ORDER BY, which carry their direction as "type".
constexpr std::string_view kDirections[] = {"ASCENDING", "DESCENDING", "ORDER_DEFAULT"};
constexpr std::string_view kPlainTableNodes[] = {"EMPTY", "EXPRESSION_LIST", "JOIN", "PIVOT",
                                                 "SUBQUERY"};

template <size_t N>
bool Among(const std::string_view (&list)[N], std::string_view word) {
  return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

std::string_view Text(const Json& node, std::string_view key) {
  const Json* member = node.Find(key);
  const std::string* text = member == nullptr ? nullptr : member->AsString();
  return text == nullptr ? std::string_view() : std::string_view(*text);
}

Error Refused(std::string what) {
  return PermissionDenied(std::move(what) + " is not allowed in a query");
}

// A name DuckDB might take for a file if nothing else has it.
bool LooksLikeFile(std::string_view name) {
  return name.find_first_of("./\\:*?[~") != std::string_view::npos;
}

class Walker {
 public:
  explicit Walker(const FunctionExists& exists) : exists_(exists) {}

  Result<Statement> Walk(const Json& tree) {
    TARN_TRY(Visit(tree, {}, nullptr));
    return std::move(statement_);
  }

 private:
  Status Visit(const Json& json, const NameSet& ctes, const Json* select);
  Status VisitMembers(const Json& object, const NameSet& ctes, const Json* select);
  Status VisitQueryNode(const Json& node, std::string_view type, NameSet ctes);
  Status VisitCtes(const Json& map, NameSet& ctes);
  Status VisitExpression(const Json& node, std::string_view kind, const NameSet& ctes,
                         const Json* select);
  Status VisitFunction(const Json& node);
  Status VisitTableFunction(const Json& call);
  Error WhyNot(std::string_view what, const std::string& name,
               std::optional<std::string_view> nearest) const;
  Status VisitTableNode(const Json& node, std::string_view type, const NameSet& ctes,
                        const Json* select);
  Status VisitBaseTable(const Json& node, const NameSet& ctes, const Json* select);
  Status VisitShow(const Json& node, const NameSet& ctes, const Json* select);

  const FunctionExists& exists_;
  Statement statement_;
};

Status Walker::Visit(const Json& json, const NameSet& ctes, const Json* select) {
  if (const auto* array = json.AsArray()) {
    for (const Json& element : *array) TARN_TRY(Visit(element, ctes, select));
    return {};
  }
  if (json.AsObject() == nullptr) return {};
  const std::string_view kind = Text(json, "class");
  if (!kind.empty()) return VisitExpression(json, kind, ctes, select);
  const std::string_view type = Text(json, "type");
  if (Among(kQueryNodes, type)) return VisitQueryNode(json, type, ctes);
  const bool plain = type.empty() || Among(kDirections, type) || type.ends_with("_MODIFIER") ||
                     type.ends_with("_TYPE_INFO");
  if (!plain) return VisitTableNode(json, type, ctes, select);
  // A container; nothing that names a table or a function may hide in it.
  if (json.Find("table_name") != nullptr || json.Find("function_name") != nullptr) {
    return Refused("this statement");
  }
  return VisitMembers(json, ctes, select);
}

Status Walker::VisitMembers(const Json& object, const NameSet& ctes, const Json* select) {
  for (const auto& [key, value] : *object.AsObject()) TARN_TRY(Visit(value, ctes, select));
  return {};
}

// A CTE sees those before it, and itself only if it is recursive.
Status Walker::VisitCtes(const Json& map, NameSet& ctes) {
  const Json* entries = map.Find("map");
  if (entries == nullptr || entries->AsArray() == nullptr) return {};
  for (const Json& entry : *entries->AsArray()) {
    TARN_TRY(Visit(entry, ctes, nullptr));
    ctes.insert(Lower(Text(entry, "key")));
  }
  return {};
}

Status Walker::VisitQueryNode(const Json& node, std::string_view type, NameSet ctes) {
  if (const Json* map = node.Find("cte_map")) TARN_TRY(VisitCtes(*map, ctes));
  if (type == "RECURSIVE_CTE_NODE") {
    // Its anchor does not see it: there the name means whatever it means outside.
    if (const Json* anchor = node.Find("left")) TARN_TRY(Visit(*anchor, ctes, nullptr));
    ctes.insert(Lower(Text(node, "cte_name")));
  }
  if (type == "CTE_NODE") {
    if (const Json* query = node.Find("query")) TARN_TRY(Visit(*query, ctes, nullptr));
    ctes.insert(Lower(Text(node, "cte_name")));
  }
  const Json* select = type == "SELECT_NODE" ? &node : nullptr;
  for (const auto& [key, value] : *node.AsObject()) {
    if (key == "cte_map" || (type == "CTE_NODE" && key == "query")) continue;
    if (type == "RECURSIVE_CTE_NODE" && key == "left") continue;
    TARN_TRY(Visit(value, ctes, select));
  }
  return {};
}

Status Walker::VisitExpression(const Json& node, std::string_view kind, const NameSet& ctes,
                               const Json* select) {
  if (kind == "PARAMETER") return InvalidArgument("a query parameter has no value here");
  if (!Among(kExpressionClasses, kind)) return Refused("an expression of class " + Lower(kind));
  if (node.Find("table_name") != nullptr && kind != "LAMBDA_REF") return Refused("this statement");
  if (node.Find("function_name") != nullptr) TARN_TRY(VisitFunction(node));
  return VisitMembers(node, ctes, select);
}

Status Walker::VisitFunction(const Json& node) {
  const std::string name = Lower(Text(node, "function_name"));
  const auto& allowed = AllowedFunctions();
  if (std::binary_search(allowed.begin(), allowed.end(), std::string_view(name))) return {};
  return WhyNot("function", name, NearestFunction(name));
}

Status Walker::VisitTableFunction(const Json& call) {
  const std::string name = Lower(Text(call, "function_name"));
  const auto& allowed = AllowedTableFunctions();
  if (std::binary_search(allowed.begin(), allowed.end(), std::string_view(name))) return {};
  return WhyNot("table function", name, NearestWord(name, allowed));
}

// Of a function that is not on the list: there is none, or it is not for queries.
Error Walker::WhyNot(std::string_view what, const std::string& name,
                     std::optional<std::string_view> nearest) const {
  const auto exists = exists_(name);
  if (!exists.ok()) return exists.error();
  const std::string named = std::string(what) + " '" + name + "'";
  if (*exists) return Refused(named);
  return NotFound("there is no " + named + (nearest ? DidYouMean(*nearest) : ""));
}

Status Walker::VisitTableNode(const Json& node, std::string_view type, const NameSet& ctes,
                              const Json* select) {
  if (type == "BASE_TABLE") return VisitBaseTable(node, ctes, select);
  if (type == "SHOW_REF") return VisitShow(node, ctes, select);
  if (type == "TABLE_FUNCTION") {
    const Json* function = node.Find("function");
    if (function == nullptr) return Refused("this statement");
    TARN_TRY(VisitTableFunction(*function));
    for (const auto& [key, value] : *node.AsObject()) {
      TARN_TRY(key == "function" ? VisitMembers(value, ctes, select) : Visit(value, ctes, select));
    }
    return {};
  }
  if (!Among(kPlainTableNodes, type)) return Refused("'" + Lower(type) + "'");
  if (node.Find("table_name") != nullptr) return Refused("this statement");
  // What WHERE says of a pivot's columns it does not say of the pivoted table's.
  return VisitMembers(node, ctes, type == "PIVOT" ? nullptr : select);
}

Status Walker::VisitBaseTable(const Json& node, const NameSet& ctes, const Json* select) {
  const std::string_view catalog = Text(node, "catalog_name");
  const std::string_view schema = Text(node, "schema_name");
  const std::string_view name = Text(node, "table_name");
  if (!catalog.empty()) return Refused("another database ('" + std::string(catalog) + "')");
  if (node.Find("at_clause") != nullptr) {
    return Unsupported("AT (…) after a table: time travel is not supported here");
  }
  if (name.empty() || LooksLikeFile(name) || LooksLikeFile(schema)) {
    return Refused("'" + std::string(name) + "', which could be a file,");
  }
  if (schema.empty() && ctes.contains(Lower(name))) return VisitMembers(node, ctes, select);
  statement_.tables.push_back(
      {.schema = std::string(schema), .name = std::string(name), .node = &node, .select = select});
  return VisitMembers(node, ctes, select);
}

Status Walker::VisitShow(const Json& node, const NameSet& ctes, const Json* select) {
  if (node.Find("query") != nullptr) {
    if (node.Find("table_name") != nullptr) return Refused("this statement");
    return VisitMembers(node, ctes, select);
  }
  const std::string what = Lower(Text(node, "table_name"));
  if (what.empty()) return Refused("SHOW TABLES FROM (SHOW TABLES lists all)");
  if (what != "\"tables\"" && what != "__show_tables_expanded") return Refused("SHOW " + what);
  statement_.kind = StatementKind::kShowTables;
  return {};
}

}  // namespace

namespace {

// True if all members but those named are empty: null, false, "", [] or an object of such.
bool IsEmpty(const Json& json, std::initializer_list<std::string_view> but = {}) {
  if (const auto* array = json.AsArray()) return array->empty();
  if (const auto* text = json.AsString()) return text->empty();
  if (const auto* flag = json.AsBool()) return !*flag;
  const auto* object = json.AsObject();
  if (object == nullptr) return json.is_null();
  return std::all_of(object->begin(), object->end(), [&](const auto& member) {
    return std::find(but.begin(), but.end(), member.first) != but.end() || IsEmpty(member.second);
  });
}

// The column's name if the tree is no more than `SELECT count(*) FROM table`.
std::optional<std::string> OnlyCounts(const Json& statement) {
  const Json* node = statement.Find("node");
  if (node == nullptr || Text(*node, "type") != "SELECT_NODE" ||
      !IsEmpty(statement, {"node", "named_param_map"})) {
    return std::nullopt;
  }
  const Json* list = node->Find("select_list");
  const Json* from = node->Find("from_table");
  if (list == nullptr || list->AsArray() == nullptr || list->AsArray()->size() != 1 ||
      from == nullptr || Text(*from, "type") != "BASE_TABLE" ||
      !IsEmpty(*from, {"type", "query_location", "schema_name", "table_name", "alias"})) {
    return std::nullopt;
  }
  if (!IsEmpty(*node, {"type", "select_list", "from_table", "aggregate_handling"}) ||
      Text(*node, "aggregate_handling") != "STANDARD_HANDLING") {
    return std::nullopt;
  }
  const Json& count = list->AsArray()->front();
  if (Text(count, "class") != "FUNCTION" || Lower(Text(count, "function_name")) != "count_star" ||
      !IsEmpty(count, {"class", "type", "function_name", "query_location", "alias", "order_bys",
                       "catalog", "schema"})) {
    return std::nullopt;
  }
  const Json* order = count.Find("order_bys");
  if (order != nullptr && !IsEmpty(*order, {"type"})) return std::nullopt;
  const std::string_view alias = Text(count, "alias");
  return std::string(alias.empty() ? "count_star()" : alias);
}

}  // namespace

Result<Statement> CheckStatement(const Json& tree, const FunctionExists& exists) {
  const Json* statements = tree.Find("statements");
  if (statements == nullptr || statements->AsArray() == nullptr ||
      statements->AsArray()->size() != 1) {
    return PermissionDenied("one statement at a time");
  }
  const Json& only = statements->AsArray()->front();
  TARN_ASSIGN_OR_RETURN(Statement statement, Walker(exists).Walk(only));
  if (statement.tables.size() == 1) statement.only_counts = OnlyCounts(only);
  return statement;
}

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

}  // namespace tarn::sql
