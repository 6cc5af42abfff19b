#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace tarn::codec {

// A JSON value (RFC 8259). Integers that fit int64 stay integers, to the last of 63 bits; other
// numbers are double. Objects keep their order; a duplicate key is refused when parsing.
class Json {
 public:
  using Array = std::vector<Json>;
  using Member = std::pair<std::string, Json>;
  using Object = std::vector<Member>;

  Json() = default;                            // null
  Json(bool value) : value_(value) {}          // NOLINT(google-explicit-constructor): literals
  Json(int64_t value) : value_(value) {}       // NOLINT(google-explicit-constructor): literals
  Json(int value) : value_(int64_t{value}) {}  // NOLINT(google-explicit-constructor): literals
  Json(double value) : value_(value) {}        // NOLINT(google-explicit-constructor): literals
  Json(std::string value)
      : value_(std::move(value)) {}  // NOLINT(google-explicit-constructor): literals
  Json(std::string_view value)
      : value_(std::string(value)) {}  // NOLINT(google-explicit-constructor): literals
  Json(const char* value)
      : value_(std::string(value)) {}               // NOLINT(google-explicit-constructor): literals
  Json(Array value) : value_(std::move(value)) {}   // NOLINT(google-explicit-constructor): literals
  Json(Object value) : value_(std::move(value)) {}  // NOLINT(google-explicit-constructor): literals

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }

  // nullptr if the value is of another type.
  const bool* AsBool() const { return std::get_if<bool>(&value_); }
  const int64_t* AsInt() const { return std::get_if<int64_t>(&value_); }
  const double* AsDouble() const { return std::get_if<double>(&value_); }
  const std::string* AsString() const { return std::get_if<std::string>(&value_); }
  const Array* AsArray() const { return std::get_if<Array>(&value_); }
  const Object* AsObject() const { return std::get_if<Object>(&value_); }
  Array* AsArray() { return std::get_if<Array>(&value_); }
  Object* AsObject() { return std::get_if<Object>(&value_); }

  // The member of that name; nullptr if there is none or this is no object.
  const Json* Find(std::string_view key) const;
  // Sets a member (replacing one of that name). This must be null or an object; null becomes one.
  void Set(std::string_view key, Json value);

  // Member access that says what is wrong: NotFound-free InvalidArgument "'key' is missing" /
  // "'key' is not a string".
  Result<std::string> GetString(std::string_view key) const;
  Result<int64_t> GetInt(std::string_view key) const;
  Result<bool> GetBool(std::string_view key) const;

  bool operator==(const Json& other) const { return value_ == other.value_; }

 private:
  std::variant<std::monostate, bool, int64_t, double, std::string, Array, Object> value_;
};

// The whole text must be one value. InvalidArgument with line and column; deeper nesting than
// `max_depth` is refused. Readers of a value recurse as deep: raise it for trusted texts only.
Result<Json> ParseJson(std::string_view text, size_t max_depth = 128);

// Compact, or indented by two spaces. Strings must be UTF-8; invalid bytes come out as U+FFFD.
// Doubles print the shortest digits that read back the same; NaN and infinities print null.
std::string DumpJson(const Json& value, bool indent = false);

// Appends a quoted, escaped JSON string. Bytes that are no UTF-8 become U+FFFD.
void AppendJsonString(std::string& out, std::string_view text);

}  // namespace tarn::codec
