#include "codec/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace tarn::codec {
namespace {

// Builds Json values from nlohmann's event stream, so that its own value type is never made.
class Builder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  Builder(std::string_view text, size_t max_depth) : text_(text), max_depth_(max_depth) {}

  bool null() override { return Add(Json()); }
  bool boolean(bool value) override { return Add(value); }
  bool number_integer(int64_t value) override { return Add(value); }
  bool number_unsigned(uint64_t value) override {
    if (value <= static_cast<uint64_t>(INT64_MAX)) return Add(static_cast<int64_t>(value));
    return Add(static_cast<double>(value));
  }
  bool number_float(double value, const std::string&) override { return Add(value); }
  bool string(std::string& value) override { return Add(std::move(value)); }
  bool binary(nlohmann::json::binary_t&) override { return false; }
  bool start_object(size_t) override { return Open(Json(Json::Object{})); }
  bool start_array(size_t) override { return Open(Json(Json::Array{})); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }
  bool key(std::string& key) override {
    if (open_.back().value.Find(key) != nullptr) {
      error_ = fmt::format("key '{}' stands twice in one object", key);
      return false;
    }
    open_.back().key = std::move(key);
    return true;
  }
  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    const std::string_view before =
        text_.substr(0, std::min(position > 0 ? position - 1 : 0, text_.size()));
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const size_t last_break = before.rfind('\n');
    const size_t column =
        last_break == std::string_view::npos ? before.size() + 1 : before.size() - last_break;
    error_ = fmt::format("line {}, column {}: not JSON", line, column);
    return false;
  }

  Json TakeRoot() { return std::move(root_); }
  const std::string& error() const { return error_; }

 private:
  struct Level {
    Json value;
    std::string key;  // of the member being read
  };

  bool Open(Json container) {
    if (open_.size() >= max_depth_) {
      error_ = fmt::format("nested deeper than {} levels", max_depth_);
      return false;
    }
    open_.push_back({std::move(container), {}});
    return true;
  }
  bool Close() {
    Json done = std::move(open_.back().value);
    open_.pop_back();
    return Add(std::move(done));
  }
  bool Add(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (Json::Array* array = open_.back().value.AsArray()) {
      array->push_back(std::move(value));
    } else {
      open_.back().value.AsObject()->emplace_back(std::move(open_.back().key), std::move(value));
    }
    return true;
  }

  std::string_view text_;
  size_t max_depth_;
  std::vector<Level> open_;
  Json root_;
  std::string error_;
};

void AppendDouble(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out.append("null");
    return;
  }
  char buffer[32];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value);
  const std::string_view digits(buffer, static_cast<size_t>(end - buffer));
  out.append(digits);
  if (digits.find_first_of(".e") == std::string_view::npos) out.append(".0");
}

class Writer {
 public:
  Writer(std::string& out, bool indent) : out_(out), indent_(indent) {}

  void Write(const Json& value, size_t depth) {
    if (const bool* flag = value.AsBool()) {
      out_.append(*flag ? "true" : "false");
    } else if (const int64_t* integer = value.AsInt()) {
      out_.append(std::to_string(*integer));
    } else if (const double* number = value.AsDouble()) {
      AppendDouble(out_, *number);
    } else if (const std::string* text = value.AsString()) {
      AppendJsonString(out_, *text);
    } else if (const Json::Array* array = value.AsArray()) {
      WriteArray(*array, depth);
    } else if (const Json::Object* object = value.AsObject()) {
      WriteObject(*object, depth);
    } else {
      out_.append("null");
    }
  }

 private:
  void WriteArray(const Json::Array& array, size_t depth) {
    out_.push_back('[');
    for (size_t i = 0; i < array.size(); ++i) {
      if (i > 0) out_.push_back(',');
      NewLine(depth + 1);
      Write(array[i], depth + 1);
    }
    if (!array.empty()) NewLine(depth);
    out_.push_back(']');
  }
  void WriteObject(const Json::Object& object, size_t depth) {
    out_.push_back('{');
    for (size_t i = 0; i < object.size(); ++i) {
      if (i > 0) out_.push_back(',');
      NewLine(depth + 1);
      AppendJsonString(out_, object[i].first);
      out_.append(indent_ ? ": " : ":");
      Write(object[i].second, depth + 1);
    }
    if (!object.empty()) NewLine(depth);
    out_.push_back('}');
  }
  void NewLine(size_t depth) {
    if (!indent_) return;
    out_.push_back('\n');
    out_.append(depth * 2, ' ');
  }

  std::string& out_;
  const bool indent_;
};

// Bytes at the front that stand for themselves inside a JSON string.
size_t PlainPrefix(std::string_view text) {
  constexpr uint64_t kOnes = 0x0101010101010101ULL;
  constexpr uint64_t kHighs = 0x8080808080808080ULL;
  // The high bit of the lowest byte that is zero, and perhaps of bytes above it.
  const auto zeros = [](uint64_t word) { return (word - kOnes) & ~word & kHighs; };
  size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) {
    uint64_t word = 0;
    std::memcpy(&word, text.data() + at, 8);
    const uint64_t controls = (word - 0x20 * kOnes) & ~word & kHighs;
    const uint64_t special = controls | zeros(word ^ ('"' * kOnes)) | zeros(word ^ ('\\' * kOnes));
    if (special != 0) return at + static_cast<size_t>(std::countr_zero(special)) / 8;
  }
  const auto plain = [](char c) {
    return static_cast<uint8_t>(c) >= 0x20 && c != '"' && c != '\\';
  };
  while (at < text.size() && plain(text[at])) ++at;
  return at;
}

void AppendEscaped(std::string& out, char c) {
  switch (c) {
    case '"':
      out.append("\\\"");
      break;
    case '\\':
      out.append("\\\\");
      break;
    case '\n':
      out.append("\\n");
      break;
    case '\r':
      out.append("\\r");
      break;
    case '\t':
      out.append("\\t");
      break;
    default:
      out.append(fmt::format("\\u{:04x}", static_cast<unsigned>(c)));
  }
}

}  // namespace

const Json* Json::Find(std::string_view key) const {
  const Object* object = AsObject();
  if (object == nullptr) return nullptr;
  for (const Member& member : *object) {
    if (member.first == key) return &member.second;
  }
  return nullptr;
}

void Json::Set(std::string_view key, Json value) {
  if (is_null()) value_ = Object{};
  Object* object = AsObject();
  TARN_CHECK(object != nullptr);
  for (Member& member : *object) {
    if (member.first == key) {
      member.second = std::move(value);
      return;
    }
  }
  object->emplace_back(std::string(key), std::move(value));
}

Result<std::string> Json::GetString(std::string_view key) const {
  const Json* member = Find(key);
  if (member == nullptr) return InvalidArgument(fmt::format("'{}' is missing", key));
  if (const std::string* text = member->AsString()) return *text;
  return InvalidArgument(fmt::format("'{}' is not a string", key));
}

Result<int64_t> Json::GetInt(std::string_view key) const {
  const Json* member = Find(key);
  if (member == nullptr) return InvalidArgument(fmt::format("'{}' is missing", key));
  if (const int64_t* integer = member->AsInt()) return *integer;
  return InvalidArgument(fmt::format("'{}' is not an integer", key));
}

Result<bool> Json::GetBool(std::string_view key) const {
  const Json* member = Find(key);
  if (member == nullptr) return InvalidArgument(fmt::format("'{}' is missing", key));
  if (const bool* flag = member->AsBool()) return *flag;
  return InvalidArgument(fmt::format("'{}' is not true or false", key));
}

Result<Json> ParseJson(std::string_view text, size_t max_depth) {
  Builder builder(text, max_depth);
  try {
    if (nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) return builder.TakeRoot();
  } catch (const std::exception& error) {
    return InvalidArgument(fmt::format("not JSON: {}", error.what()));
  }
  return InvalidArgument(builder.error());
}

std::string DumpJson(const Json& value, bool indent) {
  std::string out;
  Writer(out, indent).Write(value, 0);
  return out;
}

void AppendJsonString(std::string& out, std::string_view text) {
  if (!IsValidUtf8(text)) {
    AppendJsonString(out, ReplaceInvalidUtf8(text));
    return;
  }
  out.push_back('"');
  for (;;) {
    const size_t plain = PlainPrefix(text);
    out.append(text.substr(0, plain));
    if (plain == text.size()) break;
    AppendEscaped(out, text[plain]);
    text.remove_prefix(plain + 1);
  }
  out.push_back('"');
}

}  // namespace tarn::codec
