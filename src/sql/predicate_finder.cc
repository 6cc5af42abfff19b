#include <algorithm>
#include <optional>

#include "base/time.h"
#include "sql/predicate_finder_internal.h"

namespace tarn::sql {
namespace {

using codec::Json;
using event::Comparison;
using event::Filter;
using event::Literal;
using event::Predicate;
using event::TypeKind;

std::string_view Member(const Json& json, std::string_view key) {
  const Json* member = json.Find(key);
  const std::string* text = member == nullptr ? nullptr : member->AsString();
  return text == nullptr ? std::string_view() : std::string_view(*text);
}

const Json::Array& Children(const Json& json, std::string_view key = "children") {
  static const Json::Array kNone;
  const Json* member = json.Find(key);
  return member == nullptr || member->AsArray() == nullptr ? kNone : *member->AsArray();
}

// Joins that look at one row of each side only: what WHERE drops afterwards may be dropped before.
// (An ASOF join would find another partner, a POSITIONAL one would pair other rows.)
struct JoinShape {
  bool filters_pass = true;
  bool only_inner = true;
};

void Inspect(const Json& from, JoinShape& shape) {
  if (from.Find("sample") != nullptr) shape.filters_pass = false;
  if (Member(from, "type") != "JOIN") return;
  const std::string_view kind = Member(from, "ref_type");
  if (kind != "REGULAR" && kind != "CROSS" && kind != "NATURAL") shape.filters_pass = false;
  if (kind != "CROSS" && Member(from, "join_type") != "INNER") shape.only_inner = false;
  for (const std::string_view side : {"left", "right"}) {
    if (const Json* child = from.Find(side)) Inspect(*child, shape);
  }
}

std::optional<Comparison> ComparisonOf(std::string_view type) {
  if (type == "COMPARE_EQUAL") return Comparison::kEqual;
  if (type == "COMPARE_LESSTHAN") return Comparison::kLess;
  if (type == "COMPARE_LESSTHANOREQUALTO") return Comparison::kLessOrEqual;
  if (type == "COMPARE_GREATERTHAN") return Comparison::kGreater;
  if (type == "COMPARE_GREATERTHANOREQUALTO") return Comparison::kGreaterOrEqual;
  return std::nullopt;
}

// a < b is b > a.
Comparison Flipped(Comparison op) {
  switch (op) {
    case Comparison::kLess:
      return Comparison::kGreater;
    case Comparison::kLessOrEqual:
      return Comparison::kGreaterOrEqual;
    case Comparison::kGreater:
      return Comparison::kLess;
    case Comparison::kGreaterOrEqual:
      return Comparison::kLessOrEqual;
    default:
      return op;
  }
}

class Finder {
 public:
  Finder(const BoundReference& bound, const std::vector<BoundReference>& siblings,
         LiteralReader& literals)
      : bound_(bound), siblings_(siblings), literals_(literals) {}

  Filter Find() {
    const Json* select = bound_.reference->select;
    const Json* where = select == nullptr ? nullptr : select->Find("where_clause");
    const Json* from = select == nullptr ? nullptr : select->Find("from_table");
    if (where == nullptr || from == nullptr || select->Find("sample") != nullptr ||
        bound_.reference->node->Find("column_name_alias") != nullptr) {
      return {};
    }
    Inspect(*from, shape_);
    if (!shape_.filters_pass) return {};
    VisitConjunct(*where);
    return std::move(filter_);
  }

 private:
  // The column an expression is, and whether it is the date of it.
  struct Target {
    const event::Field* field;
    bool date_of = false;
  };

  void VisitConjunct(const Json& expression);
  void VisitComparison(const Json& expression);
  void VisitBetween(const Json& expression);
  void VisitIn(const Json& expression);
  void VisitNullTest(const Json& expression);
  std::optional<Literal> ReadFor(const Target& target, const Json& constant) {
    return literals_.Read(constant, target.date_of ? TypeKind::kDate : target.field->type.kind);
  }
  void Add(const Target& target, Comparison op, Literal literal);
  void AddDate(const Target& target, Comparison op, int32_t days);
  void Push(const Target& target, Comparison op, std::vector<Literal> literals) {
    filter_.push_back({target.field->name, op, std::move(literals)});
  }
  std::optional<Target> TargetOf(const Json& expression) const;
  const event::Field* ColumnOf(const Json& expression) const;
  bool OnlyOurs(std::string_view column) const;

  const BoundReference& bound_;
  const std::vector<BoundReference>& siblings_;
  LiteralReader& literals_;
  JoinShape shape_;
  Filter filter_;
};

// No other table of the same FROM has a column of that name.
bool Finder::OnlyOurs(std::string_view column) const {
  return std::none_of(siblings_.begin(), siblings_.end(), [&](const BoundReference& other) {
    return other.reference->select == bound_.reference->select &&
           other.reference->node != bound_.reference->node &&
           other.table->schema.FindNoCase(column) != nullptr;
  });
}

const event::Field* Finder::ColumnOf(const Json& expression) const {
  if (Member(expression, "class") != "COLUMN_REF") return nullptr;
  std::vector<std::string> names;
  for (const Json& name : Children(expression, "column_names")) {
    if (name.AsString() == nullptr) return nullptr;
    names.push_back(Lower(*name.AsString()));
  }
  if (names.empty() || names.size() > 3) return nullptr;
  const std::string alias = Lower(Member(*bound_.reference->node, "alias"));
  const std::string table = alias.empty() ? Lower(bound_.reference->name) : alias;
  if (names.size() > 1 && names[names.size() - 2] != table) return nullptr;
  const bool schema_fits = alias.empty() && names[0] == Lower(bound_.reference->schema);
  if (names.size() > 2 && !schema_fits) return nullptr;
  if (names.size() == 1 && !OnlyOurs(names[0])) return nullptr;
  const event::Field* field = bound_.table->schema.FindNoCase(names.back());
  return field == nullptr || field->type.nested() ? nullptr : field;
}

std::optional<Finder::Target> Finder::TargetOf(const Json& expression) const {
  if (const auto* field = ColumnOf(expression)) return Target{field};
  if (Member(expression, "class") != "CAST") return std::nullopt;
  const Json* type = expression.Find("cast_type");
  const Json* child = expression.Find("child");
  if (type == nullptr || child == nullptr || Member(*type, "id") != "DATE") return std::nullopt;
  const auto* field = ColumnOf(*child);
  if (field == nullptr) return std::nullopt;
  const TypeKind kind = field->type.kind;
  if (kind == TypeKind::kDate) return Target{field};
  if (kind != TypeKind::kTimestamp && kind != TypeKind::kTimestamptz) return std::nullopt;
  return Target{field, true};
}

void Finder::Add(const Target& target, Comparison op, Literal literal) {
  if (target.date_of) return AddDate(target, op, std::get<event::Date>(literal).days);
  Push(target, op, {std::move(literal)});
}

// A condition on the day of a timestamp, as conditions on the timestamp.
void Finder::AddDate(const Target& target, Comparison op, int32_t days) {
  const Timestamp start{days * kMicrosPerDay};
  const Timestamp next{(int64_t{days} + 1) * kMicrosPerDay};
  switch (op) {
    case Comparison::kEqual:
      Push(target, Comparison::kGreaterOrEqual, {start});
      Push(target, Comparison::kLess, {next});
      return;
    case Comparison::kLess:
      return Push(target, Comparison::kLess, {start});
    case Comparison::kLessOrEqual:
      return Push(target, Comparison::kLess, {next});
    case Comparison::kGreater:
      return Push(target, Comparison::kGreaterOrEqual, {next});
    case Comparison::kGreaterOrEqual:
      return Push(target, Comparison::kGreaterOrEqual, {start});
    default:
      return;
  }
}

void Finder::VisitComparison(const Json& expression) {
  const auto op = ComparisonOf(Member(expression, "type"));
  const Json* left = expression.Find("left");
  const Json* right = expression.Find("right");
  if (!op || left == nullptr || right == nullptr) return;
  if (const auto target = TargetOf(*left)) {
    if (auto literal = ReadFor(*target, *right)) Add(*target, *op, *std::move(literal));
  } else if (const auto other = TargetOf(*right)) {
    if (auto literal = ReadFor(*other, *left)) Add(*other, Flipped(*op), *std::move(literal));
  }
}

// All three are compared in one type and one collation, which a bound that is not understood may
// decide: then the other says nothing either.
void Finder::VisitBetween(const Json& expression) {
  const Json* input = expression.Find("input");
  const Json* lower = expression.Find("lower");
  const Json* upper = expression.Find("upper");
  if (input == nullptr || lower == nullptr || upper == nullptr ||
      Member(expression, "type") != "COMPARE_BETWEEN") {
    return;
  }
  const auto target = TargetOf(*input);
  if (!target) return;
  auto from = ReadFor(*target, *lower);
  auto to = ReadFor(*target, *upper);
  if (!from || !to) return;
  Add(*target, Comparison::kGreaterOrEqual, *std::move(from));
  Add(*target, Comparison::kLessOrEqual, *std::move(to));
}

void Finder::VisitIn(const Json& expression) {
  const Json::Array& children = Children(expression);
  if (children.size() < 2) return;
  const auto target = TargetOf(children[0]);
  if (!target || target->date_of) return;
  std::vector<Literal> literals;
  for (size_t i = 1; i < children.size(); ++i) {
    auto literal = literals_.Read(children[i], target->field->type.kind);
    if (!literal) return;
    literals.push_back(*std::move(literal));
  }
  Push(*target, Comparison::kIn, std::move(literals));
}

// An outer join makes nulls of its own, which say nothing of the table's rows.
void Finder::VisitNullTest(const Json& expression) {
  const bool is_null = Member(expression, "type") == "OPERATOR_IS_NULL";
  const Json::Array& children = Children(expression);
  if (children.size() != 1 || (is_null && !shape_.only_inner)) return;
  const auto* field = ColumnOf(children[0]);
  if (field != nullptr) {
    Push({field}, is_null ? Comparison::kIsNull : Comparison::kIsNotNull, {});
  }
}

void Finder::VisitConjunct(const Json& expression) {
  const std::string_view kind = Member(expression, "class");
  const std::string_view type = Member(expression, "type");
  if (kind == "CONJUNCTION" && type == "CONJUNCTION_AND") {
    for (const Json& child : Children(expression)) VisitConjunct(child);
  } else if (kind == "COMPARISON") {
    VisitComparison(expression);
  } else if (kind == "BETWEEN") {
    VisitBetween(expression);
  } else if (type == "COMPARE_IN") {
    VisitIn(expression);
  } else if (type == "OPERATOR_IS_NULL" || type == "OPERATOR_IS_NOT_NULL") {
    VisitNullTest(expression);
  }
}

}  // namespace

Filter FindPredicates(const BoundReference& bound, const std::vector<BoundReference>& siblings,
                      LiteralReader& literals) {
  return Finder(bound, siblings, literals).Find();
}

}  // namespace tarn::sql
