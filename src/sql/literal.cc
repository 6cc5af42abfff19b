#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "base/time.h"
#include "sql/duckdb_handle_internal.h"
#include "sql/literal_internal.h"
#include "sql/statement_internal.h"

namespace tarn::sql {
namespace {

using codec::Json;
using event::Literal;
using event::TypeKind;

constexpr int kMaxDepth = 16;
// Below this every integer is a double of the same value.
constexpr int64_t kExactDouble = int64_t{1} << 53;

std::string_view Member(const Json& json, std::string_view key) {
  const Json* member = json.Find(key);
  const std::string* text = member == nullptr ? nullptr : member->AsString();
  return text == nullptr ? std::string_view() : std::string_view(*text);
}

template <size_t N>
bool Among(const std::string_view (&list)[N], std::string_view word) {
  return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

struct Constant {
  std::string_view type;  // "VARCHAR", "INTEGER", …
  const Json* value;
  int64_t scale = 0;  // DECIMAL
};

// A constant that is not null.
std::optional<Constant> AsConstant(const Json& expression) {
  if (Member(expression, "class") != "CONSTANT") return std::nullopt;
  const Json* value = expression.Find("value");
  if (value == nullptr || value->Find("type") == nullptr) return std::nullopt;
  const Json* inner = value->Find("value");
  const Json* is_null = value->Find("is_null");
  if (inner == nullptr || is_null == nullptr || is_null->AsBool() == nullptr ||
      *is_null->AsBool()) {
    return std::nullopt;
  }
  Constant constant{.type = Member(*value->Find("type"), "id"), .value = inner};
  if (constant.type == "DECIMAL") {
    const Json* info = value->Find("type")->Find("type_info");
    const Json* scale = info == nullptr ? nullptr : info->Find("scale");
    // A scale of 0 is left out.
    if (scale != nullptr && scale->AsInt() != nullptr) constant.scale = *scale->AsInt();
  }
  return constant;
}

bool IsInteger(std::string_view type) {
  constexpr std::string_view kTypes[] = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT"};
  return Among(kTypes, type);
}

std::optional<Literal> ReadInteger(const Constant& constant) {
  if (IsInteger(constant.type) && constant.value->AsInt() != nullptr) {
    return *constant.value->AsInt();
  }
  if (constant.type == "VARCHAR" && constant.value->AsString() != nullptr) {
    if (const auto value = ParseInt64(*constant.value->AsString())) return *value;
  }
  return std::nullopt;
}

std::optional<Literal> ReadDouble(const Constant& constant) {
  const int64_t* integer = constant.value->AsInt();
  if (constant.type == "DOUBLE") {
    if (constant.value->AsDouble() != nullptr) return *constant.value->AsDouble();
    if (integer != nullptr) return static_cast<double>(*integer);
    return std::nullopt;
  }
  if (integer == nullptr || std::abs(*integer) > kExactDouble) return std::nullopt;
  if (IsInteger(constant.type)) return static_cast<double>(*integer);
  if (constant.type == "DECIMAL" && constant.scale <= 18) {
    return static_cast<double>(*integer) / std::pow(10.0, static_cast<double>(constant.scale));
  }
  return std::nullopt;
}

// "2026-11-24" or "2026-11-24 13:09[:46[.173739]]", digits only: what every reader of times reads
// the same way.
std::optional<int64_t> ReadPlainTime(std::string_view text) {
  constexpr std::string_view kShape = "dddd-dd-dd dd:dd:dd.dddddd";
  const bool length = text.size() == 10 || text.size() == 16 || text.size() == 19 ||
                      (text.size() > 20 && text.size() <= kShape.size());
  if (!length) return std::nullopt;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (kShape[i] == 'd' ? !digit : text[i] != kShape[i]) return std::nullopt;
  }
  const std::string padded = std::string(text) + (text.size() == 16 ? ":00" : "");
  const auto time = ParseTimestamp(padded);
  if (!time.ok()) return std::nullopt;
  return time->micros;
}

// Prints an expression of constants, time arithmetic and the current time as SQL again.
class ConstantPrinter {
 public:
  explicit ConstantPrinter(bool keywords_are_values) : keywords_are_values_(keywords_are_values) {}

  // False if something else is in it.
  bool Print(const Json& expression, int depth = 0) {
    if (depth > kMaxDepth) return false;
    const std::string_view kind = Member(expression, "class");
    if (kind == "CONSTANT") return PrintConstant(expression);
    if (kind == "CAST") return PrintCast(expression, depth);
    if (kind == "FUNCTION") return PrintFunction(expression, depth);
    if (kind == "COLUMN_REF") return PrintKeyword(expression);
    return false;
  }
  const std::string& text() const { return text_; }

 private:
  bool PrintConstant(const Json& expression) {
    const auto constant = AsConstant(expression);
    if (!constant) return false;
    if (constant->type == "VARCHAR" && constant->value->AsString() != nullptr) {
      text_ += Quoted(*constant->value->AsString());
      return true;
    }
    if (!IsInteger(constant->type) || constant->value->AsInt() == nullptr) return false;
    text_ += "(" + std::to_string(*constant->value->AsInt()) + ")";
    return true;
  }

  bool PrintCast(const Json& expression, int depth) {
    constexpr std::string_view kTypes[] = {
        "BIGINT",   "DATE",      "DOUBLE",  "INTEGER",
        "INTERVAL", "TIMESTAMP", "VARCHAR", "TIMESTAMP WITH TIME ZONE"};
    const Json* type = expression.Find("cast_type");
    const Json* child = expression.Find("child");
    if (type == nullptr || child == nullptr || !Among(kTypes, Member(*type, "id"))) return false;
    text_ += "CAST(";
    if (!Print(*child, depth + 1)) return false;
    text_.append(" AS ").append(Member(*type, "id")).append(")");
    return true;
  }

  bool PrintFunction(const Json& expression, int depth) {
    constexpr std::string_view kFunctions[] = {"date_trunc",
                                               "get_current_timestamp",
                                               "make_date",
                                               "now",
                                               "to_days",
                                               "to_hours",
                                               "to_microseconds",
                                               "to_minutes",
                                               "to_months",
                                               "to_seconds",
                                               "to_weeks",
                                               "to_years",
                                               "today",
                                               "trunc",
                                               "current_date",
                                               "current_timestamp",
                                               "transaction_timestamp"};
    const std::string name = Lower(Member(expression, "function_name"));
    const Json* children = expression.Find("children");
    static const Json::Array kNone;
    const Json::Array& arguments =
        children == nullptr || children->AsArray() == nullptr ? kNone : *children->AsArray();
    const bool binary = (name == "+" || name == "-") && arguments.size() == 2;
    if (!binary && !Among(kFunctions, name)) return false;
    if (expression.Find("filter") != nullptr) return false;
    text_ += binary ? "(" : name + "(";
    for (size_t i = 0; i < arguments.size(); ++i) {
      if (i > 0) text_ += binary ? " " + name + " " : ", ";
      if (!Print(arguments[i], depth + 1)) return false;
    }
    text_ += ")";
    return true;
  }

  bool PrintKeyword(const Json& expression) {
    constexpr std::string_view kKeywords[] = {"current_date", "current_timestamp"};
    const Json* names = expression.Find("column_names");
    if (!keywords_are_values_ || names == nullptr || names->AsArray() == nullptr ||
        names->AsArray()->size() != 1 || names->AsArray()->front().AsString() == nullptr) {
      return false;
    }
    const std::string name = Lower(*names->AsArray()->front().AsString());
    if (!Among(kKeywords, name)) return false;
    text_ += name;
    return true;
  }

  bool keywords_are_values_;
  std::string text_;
};

}  // namespace

std::optional<int64_t> LiteralReader::Compute(const std::string& sql) {
  if (failed_) return std::nullopt;
  const auto answer = QueryText(connection_, sql, nullptr);
  if (!answer.ok()) {
    failed_ = true;
    return std::nullopt;
  }
  return *answer ? ParseInt64(**answer) : std::nullopt;
}

std::optional<Literal> LiteralReader::ReadTime(const Json& expression, TypeKind kind) {
  std::optional<int64_t> micros;
  const auto constant = AsConstant(expression);
  if (constant && constant->type == "VARCHAR" && constant->value->AsString() != nullptr) {
    micros = ReadPlainTime(*constant->value->AsString());
  } else if (constant) {
    return std::nullopt;  // a number is no time
  }
  if (!micros) {
    ConstantPrinter printer(keywords_are_values_);
    if (!printer.Print(expression)) return std::nullopt;
    const std::string type = kind == TypeKind::kTimestamptz ? "TIMESTAMPTZ" : "TIMESTAMP";
    micros = Compute("SELECT TRY(epoch_us(CAST(" + printer.text() + " AS " + type + ")))::VARCHAR");
    if (!micros) return std::nullopt;
  }
  if (kind != TypeKind::kDate) return Timestamp{*micros};
  if (*micros % kMicrosPerDay != 0) return std::nullopt;
  return event::Date{static_cast<int32_t>(*micros / kMicrosPerDay)};
}

std::optional<Literal> LiteralReader::Read(const Json& expression, TypeKind kind) {
  if (kind == TypeKind::kDate || kind == TypeKind::kTimestamp || kind == TypeKind::kTimestamptz) {
    return ReadTime(expression, kind);
  }
  if (kind == TypeKind::kBoolean) {
    // true is parsed as CAST('t' AS BOOLEAN).
    const Json* child = expression.Find("child");
    const Json* type = expression.Find("cast_type");
    if (child == nullptr || type == nullptr || Member(*type, "id") != "BOOLEAN") {
      return std::nullopt;
    }
    const auto constant = AsConstant(*child);
    if (!constant || constant->value->AsString() == nullptr) return std::nullopt;
    const std::string& text = *constant->value->AsString();
    if (text != "t" && text != "f") return std::nullopt;
    return text == "t";
  }
  const auto constant = AsConstant(expression);
  if (!constant) return std::nullopt;
  switch (kind) {
    case TypeKind::kInt:
    case TypeKind::kLong:
      return ReadInteger(*constant);
    case TypeKind::kDouble:
      return ReadDouble(*constant);
    case TypeKind::kString:
      if (constant->type != "VARCHAR" || constant->value->AsString() == nullptr) {
        return std::nullopt;
      }
      return *constant->value->AsString();
    default:
      return std::nullopt;
  }
}

}  // namespace tarn::sql
