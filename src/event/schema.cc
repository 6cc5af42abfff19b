#include "event/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"

namespace tarn::event {
namespace {

constexpr std::array<std::string_view, 17> kNames = {
    "boolean",     "int",    "long", "float", "double", "decimal", "date", "time", "timestamp",
    "timestamptz", "string", "uuid", "fixed", "binary", "struct",  "list", "map"};

// "decimal(10, 2)" with prefix "decimal(" and suffix ")" → "10, 2".
std::optional<std::string_view> Between(std::string_view text, std::string_view prefix,
                                        std::string_view suffix) {
  if (!text.starts_with(prefix) || !text.ends_with(suffix)) return std::nullopt;
  return text.substr(prefix.size(), text.size() - prefix.size() - suffix.size());
}

std::optional<Type> ParseDecimal(std::string_view arguments) {
  const auto parts = Split(arguments, ',');
  if (parts.size() != 2) return std::nullopt;
  std::string_view scale_text = parts[1];
  while (scale_text.starts_with(' ')) scale_text.remove_prefix(1);
  const auto precision = ParseInt64(parts[0]);
  const auto scale = ParseInt64(scale_text);
  if (!precision || !scale || *precision < 1 || *precision > 38 || *scale < 0 ||
      *scale > *precision) {
    return std::nullopt;
  }
  Type type{.kind = TypeKind::kDecimal};
  type.precision = static_cast<int>(*precision);
  type.scale = static_cast<int>(*scale);
  return type;
}

}  // namespace

bool Type::operator==(const Type& other) const {
  return kind == other.kind && precision == other.precision && scale == other.scale &&
         length == other.length && children == other.children;
}

const Field* Schema::Find(std::string_view name) const {
  const auto found =
      std::find_if(fields.begin(), fields.end(), [&](const Field& f) { return f.name == name; });
  return found == fields.end() ? nullptr : &*found;
}

const Field* Schema::FindNoCase(std::string_view name) const {
  const auto found = std::find_if(fields.begin(), fields.end(),
                                  [&](const Field& f) { return EqualsNoCase(f.name, name); });
  return found == fields.end() ? nullptr : &*found;
}

const Field* Schema::FindById(int32_t field_id) const {
  const auto found =
      std::find_if(fields.begin(), fields.end(), [&](const Field& f) { return f.id == field_id; });
  return found == fields.end() ? nullptr : &*found;
}

std::optional<size_t> Schema::IndexOf(std::string_view name) const {
  const Field* field = Find(name);
  if (field == nullptr) return std::nullopt;
  return static_cast<size_t>(field - fields.data());
}

std::string TypeName(const Type& type) {
  if (type.kind == TypeKind::kDecimal)
    return fmt::format("decimal({}, {})", type.precision, type.scale);
  if (type.kind == TypeKind::kFixed) return fmt::format("fixed[{}]", type.length);
  return std::string(kNames.at(static_cast<size_t>(type.kind)));
}

std::optional<Type> ParsePrimitiveType(std::string_view name) {
  if (const auto arguments = Between(name, "decimal(", ")")) return ParseDecimal(*arguments);
  if (const auto length = Between(name, "fixed[", "]")) {
    const auto bytes = ParseInt64(*length);
    if (!bytes || *bytes < 1 || *bytes > 1'000'000) return std::nullopt;
    Type type{.kind = TypeKind::kFixed};
    type.length = static_cast<int>(*bytes);
    return type;
  }
  for (size_t i = 0; i < kNames.size(); ++i) {
    const auto kind = static_cast<TypeKind>(i);
    const bool bare =
        kind != TypeKind::kDecimal && kind != TypeKind::kFixed && kind < TypeKind::kStruct;
    if (bare && kNames[i] == name) return Type{.kind = kind};
  }
  return std::nullopt;
}

}  // namespace tarn::event
