#include "iceberg/schema_json.h"

#include <algorithm>
#include <limits>
#include <set>

namespace tarn::iceberg {
namespace {

using codec::Json;
using event::Field;
using event::Schema;
using event::Type;
using event::TypeKind;

Json TypeToJson(const Type& type);

Json FieldsToJson(const std::vector<Field>& fields) {
  Json::Array array;
  for (const auto& field : fields) {
    Json::Object object{{"id", int64_t{field.id}},
                        {"name", field.name},
                        {"required", field.required},
                        {"type", TypeToJson(field.type)}};
    if (!field.doc.empty()) object.emplace_back("doc", field.doc);
    array.push_back(std::move(object));
  }
  return array;
}

Json TypeToJson(const Type& type) {
  switch (type.kind) {
    case TypeKind::kStruct:
      return Json::Object{{"type", "struct"}, {"fields", FieldsToJson(type.children)}};
    case TypeKind::kList: {
      const Field& element = type.children.at(0);
      return Json::Object{{"type", "list"},
                          {"element-id", int64_t{element.id}},
                          {"element", TypeToJson(element.type)},
                          {"element-required", element.required}};
    }
    case TypeKind::kMap: {
      const Field& key = type.children.at(0);
      const Field& value = type.children.at(1);
      return Json::Object{{"type", "map"},
                          {"key-id", int64_t{key.id}},
                          {"key", TypeToJson(key.type)},
                          {"value-id", int64_t{value.id}},
                          {"value", TypeToJson(value.type)},
                          {"value-required", value.required}};
    }
    default:
      return event::TypeName(type);
  }
}

Result<int32_t> GetId(const Json& json, std::string_view key) {
  TARN_ASSIGN_OR_RETURN(const int64_t id, json.GetInt(key));
  if (id < 0 || id > std::numeric_limits<int32_t>::max()) {
    return InvalidArgument("'" + std::string(key) + "' is out of range");
  }
  return static_cast<int32_t>(id);
}

Result<Type> TypeFromJson(const Json& json);

Result<std::vector<Field>> FieldsFromJson(const Json& json) {
  const Json* array = json.Find("fields");
  if (array == nullptr || array->AsArray() == nullptr) {
    return InvalidArgument("a struct without 'fields'");
  }
  std::vector<Field> fields;
  std::set<std::string_view> names;
  for (const auto& item : *array->AsArray()) {
    Field field;
    TARN_ASSIGN_OR_RETURN(field.id, GetId(item, "id"));
    TARN_ASSIGN_OR_RETURN(field.name, item.GetString("name"));
    TARN_ASSIGN_OR_RETURN(field.required, item.GetBool("required"));
    const Json* type = item.Find("type");
    if (type == nullptr) return InvalidArgument("field '" + field.name + "' has no type");
    auto parsed = TypeFromJson(*type);
    if (!parsed.ok()) return std::move(parsed).error().In("field '" + field.name + "'");
    field.type = std::move(*parsed);
    if (item.Find("doc") != nullptr) {
      TARN_ASSIGN_OR_RETURN(field.doc, item.GetString("doc"));
    }
    fields.push_back(std::move(field));
  }
  for (const auto& field : fields) {
    if (!names.insert(field.name).second) {
      return InvalidArgument("two fields are named '" + field.name + "'");
    }
  }
  return fields;
}

Result<Field> PartFromJson(const Json& json, const std::string& name) {
  Field part;
  part.name = name;
  TARN_ASSIGN_OR_RETURN(part.id, GetId(json, name + "-id"));
  const Json* type = json.Find(name);
  if (type == nullptr) return InvalidArgument("'" + name + "' is missing");
  TARN_ASSIGN_OR_RETURN(part.type, TypeFromJson(*type));
  part.required = true;
  if (name != "key") {
    TARN_ASSIGN_OR_RETURN(part.required, json.GetBool(name + "-required"));
  }
  return part;
}

Result<Type> TypeFromJson(const Json& json) {
  if (const std::string* name = json.AsString()) {
    auto type = event::ParsePrimitiveType(*name);
    if (!type) return Unsupported("unknown column type '" + *name + "'");
    return *std::move(type);
  }
  TARN_ASSIGN_OR_RETURN(const std::string kind, json.GetString("type"));
  Type type;
  if (kind == "struct") {
    type.kind = TypeKind::kStruct;
    TARN_ASSIGN_OR_RETURN(type.children, FieldsFromJson(json));
  } else if (kind == "list") {
    type.kind = TypeKind::kList;
    TARN_ASSIGN_OR_RETURN(auto element, PartFromJson(json, "element"));
    type.children.push_back(std::move(element));
  } else if (kind == "map") {
    type.kind = TypeKind::kMap;
    TARN_ASSIGN_OR_RETURN(auto key, PartFromJson(json, "key"));
    TARN_ASSIGN_OR_RETURN(auto value, PartFromJson(json, "value"));
    type.children.push_back(std::move(key));
    type.children.push_back(std::move(value));
  } else {
    return Unsupported("unknown nested type '" + kind + "'");
  }
  return type;
}

Status CheckIdsUnique(const std::vector<Field>& fields, std::set<int32_t>& seen) {
  for (const auto& field : fields) {
    if (!seen.insert(field.id).second) {
      return InvalidArgument("field id " + std::to_string(field.id) + " is used twice");
    }
    TARN_TRY(CheckIdsUnique(field.type.children, seen));
  }
  return {};
}

int32_t Highest(const std::vector<Field>& fields) {
  int32_t highest = 0;
  for (const auto& field : fields) {
    highest = std::max({highest, field.id, Highest(field.type.children)});
  }
  return highest;
}

const Field* FindIn(const std::vector<Field>& fields, int32_t field_id) {
  for (const auto& field : fields) {
    if (field.id == field_id) return &field;
    if (const Field* found = FindIn(field.type.children, field_id)) return found;
  }
  return nullptr;
}

// Where a path leads: the vector that holds the field, and its place in it. Names may hold dots;
// the longest one that matches is tried first.
struct Place {
  std::vector<Field>* siblings = nullptr;
  size_t at = 0;
  const Type* parent = nullptr;  // nullptr at the top level

  Field& field() const { return (*siblings)[at]; }
};

std::optional<Place> Locate(std::vector<Field>& fields, const Type* parent, std::string_view path) {
  for (size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].name == path) return Place{&fields, i, parent};
  }
  for (auto& field : fields) {
    const bool prefix = path.size() > field.name.size() && path.starts_with(field.name) &&
                        path[field.name.size()] == '.';
    if (!prefix) continue;
    auto found = Locate(field.type.children, &field.type, path.substr(field.name.size() + 1));
    if (found) return found;
  }
  return std::nullopt;
}

Error NoColumn(std::string_view path) {
  return InvalidArgument("there is no column '" + std::string(path) + "'");
}

bool HasName(const std::vector<Field>& fields, std::string_view name) {
  return std::any_of(fields.begin(), fields.end(), [&](const Field& f) { return f.name == name; });
}

int32_t AssignIn(std::vector<Field>& fields, int32_t next) {
  for (auto& field : fields) field.id = next++;
  for (auto& field : fields) next = AssignIn(field.type.children, next);
  return next;
}

bool CanWiden(const Type& from, const Type& to) {
  if (from.kind == TypeKind::kInt) return to.kind == TypeKind::kLong;
  if (from.kind == TypeKind::kFloat) return to.kind == TypeKind::kDouble;
  return from.kind == TypeKind::kDecimal && to.kind == TypeKind::kDecimal &&
         from.scale == to.scale && to.precision > from.precision && to.precision <= 38;
}

}  // namespace

Json SchemaToJson(const Schema& schema) {
  return Json::Object{{"type", "struct"},
                      {"schema-id", int64_t{schema.id}},
                      {"fields", FieldsToJson(schema.fields)}};
}

Result<Schema> SchemaFromJson(const Json& json) {
  Schema schema;
  if (json.Find("schema-id") != nullptr) {
    TARN_ASSIGN_OR_RETURN(schema.id, GetId(json, "schema-id"));
  }
  TARN_ASSIGN_OR_RETURN(schema.fields, FieldsFromJson(json));
  std::set<int32_t> seen;
  TARN_TRY(CheckIdsUnique(schema.fields, seen));
  return schema;
}

int32_t HighestFieldId(const Schema& schema) { return Highest(schema.fields); }

const Field* FindField(const Schema& schema, int32_t field_id) {
  return FindIn(schema.fields, field_id);
}

const Field* FindFieldByPath(const Schema& schema, std::string_view path) {
  // Locate only hands back places; nothing is changed through them here.
  const auto place = Locate(const_cast<Schema&>(schema).fields, nullptr, path);
  return place ? &place->field() : nullptr;
}

int32_t AssignFieldIds(Schema& schema, int32_t first_id) {
  return AssignIn(schema.fields, first_id) - 1;
}

Status AddColumn(Schema& schema, const NewColumn& column, int32_t& last_column_id) {
  std::vector<Field>* siblings = &schema.fields;
  if (!column.parent.empty()) {
    const auto place = Locate(schema.fields, nullptr, column.parent);
    if (!place) return NoColumn(column.parent);
    if (place->field().type.kind != TypeKind::kStruct) {
      return InvalidArgument("'" + column.parent + "' is no struct");
    }
    siblings = &place->field().type.children;
  }
  if (column.field.name.empty()) return InvalidArgument("a column needs a name");
  if (HasName(*siblings, column.field.name)) {
    return InvalidArgument("there is already a column '" + column.field.name + "'");
  }
  if (column.field.required) {
    return InvalidArgument("a new column must be optional: old rows have no value for it");
  }
  std::vector<Field> added{column.field};
  last_column_id = AssignIn(added, last_column_id + 1) - 1;
  siblings->push_back(std::move(added.front()));
  return {};
}

Status WidenColumn(Schema& schema, std::string_view path, const Type& type) {
  const auto place = Locate(schema.fields, nullptr, path);
  if (!place) return NoColumn(path);
  if (place->field().type == type) return {};
  if (!CanWiden(place->field().type, type)) {
    return InvalidArgument("'" + std::string(path) + "' cannot change from " +
                           event::TypeName(place->field().type) + " to " + event::TypeName(type));
  }
  if (place->parent != nullptr && place->parent->kind == TypeKind::kMap && place->at == 0) {
    return InvalidArgument("a map's key cannot change");
  }
  place->field().type = type;
  return {};
}

Status RenameColumn(Schema& schema, std::string_view path, std::string_view new_name) {
  const auto place = Locate(schema.fields, nullptr, path);
  if (!place) return NoColumn(path);
  if (place->parent != nullptr && place->parent->kind != TypeKind::kStruct) {
    return InvalidArgument("'" + std::string(path) + "' is part of a list or map: it has no name");
  }
  if (new_name.empty()) return InvalidArgument("a column needs a name");
  if (place->field().name == new_name) return {};
  if (HasName(*place->siblings, new_name)) {
    return InvalidArgument("there is already a column '" + std::string(new_name) + "'");
  }
  place->field().name = new_name;
  return {};
}

Status DropColumn(Schema& schema, std::string_view path) {
  const auto place = Locate(schema.fields, nullptr, path);
  if (!place) return NoColumn(path);
  if (place->parent != nullptr && place->parent->kind != TypeKind::kStruct) {
    return InvalidArgument("'" + std::string(path) + "' is part of a list or map");
  }
  if (place->siblings->size() == 1) {
    return InvalidArgument("'" + std::string(path) + "' is the last column");
  }
  place->siblings->erase(place->siblings->begin() + static_cast<ptrdiff_t>(place->at));
  return {};
}

Status MakeOptional(Schema& schema, std::string_view path) {
  const auto place = Locate(schema.fields, nullptr, path);
  if (!place) return NoColumn(path);
  if (place->parent != nullptr && place->parent->kind == TypeKind::kMap && place->at == 0) {
    return InvalidArgument("a map's key cannot be null");
  }
  place->field().required = false;
  return {};
}

}  // namespace tarn::iceberg
