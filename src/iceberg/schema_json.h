#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "event/schema.h"

namespace tarn::iceberg {

// An Iceberg schema as JSON (spec appendix C), nested types included. Unknown primitive types (v3)
// are Unsupported. Ids, names and types are validated; nesting is bounded by the JSON parser.
codec::Json SchemaToJson(const event::Schema& schema);
Result<event::Schema> SchemaFromJson(const codec::Json& json);

// Nested fields too.
int32_t HighestFieldId(const event::Schema& schema);
const event::Field* FindField(const event::Schema& schema, int32_t field_id);
// "address.street", list elements "tags.element", map parts "attrs.key" and "attrs.value".
const event::Field* FindFieldByPath(const event::Schema& schema, std::string_view path);

// Gives every field a new id counting up from first_id, all of one level before the next (as other
// writers do); returns the highest.
int32_t AssignFieldIds(event::Schema& schema, int32_t first_id);

// Schema evolution. Each edits `schema` in place or answers InvalidArgument (no such column, name
// taken, change not allowed) and leaves it alone. Paths as in FindFieldByPath; `parent` is "" for
// the top level. Field ids are handed out from `last_column_id`, which grows, and are never reused.
struct NewColumn {
  std::string parent;  // "" or the path of a struct (for a list of structs: "items.element")
  event::Field field;  // must be optional: old rows have no value; its ids are replaced
};
Status AddColumn(event::Schema& schema, const NewColumn& column, int32_t& last_column_id);
// int → long, float → double, decimal to a higher precision of the same scale.
Status WidenColumn(event::Schema& schema, std::string_view path, const event::Type& type);
Status RenameColumn(event::Schema& schema, std::string_view path, std::string_view new_name);
// Neither list elements, map keys and values, nor the last field of a struct.
Status DropColumn(event::Schema& schema, std::string_view path);
Status MakeOptional(event::Schema& schema, std::string_view path);

}  // namespace tarn::iceberg
