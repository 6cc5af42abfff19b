#include "config/reader.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "base/text.h"

namespace tarn::config {
namespace {

// "90s", "1.5s", "250ms", "7d": the largest unit that gives a whole number.
std::string FormatDuration(int64_t micros) {
  constexpr std::pair<int64_t, std::string_view> kUnits[] = {
      {86'400'000'000, "d"}, {3'600'000'000, "h"}, {60'000'000, "m"}, {1'000'000, "s"}};
  if (micros == 0) return "0s";
  for (const auto& [size, unit] : kUnits) {
    if (micros % size == 0) return fmt::format("{}{}", micros / size, unit);
  }
  return fmt::format("{}ms", micros / 1000);
}

template <typename T, typename Format>
std::string WithRange(std::string_view type, const Range<T>& range, Format format) {
  const Range<T> all;
  if (range.least == all.least && range.most == all.most) return std::string(type);
  if (range.most == all.most) return fmt::format("{}, at least {}", type, format(range.least));
  return fmt::format("{}, {} to {}", type, format(range.least), format(range.most));
}

// In the unit that gives the shortest whole number: 4,096 is 4 KiB, and what is printed can be
// written into a file.
std::string ExactBytes(uint64_t bytes) {
  constexpr std::pair<uint64_t, std::string_view> kUnits[] = {
      {1'000'000'000'000, "TB"},  {1'000'000'000, "GB"}, {1'000'000, "MB"}, {1'000, "kB"},
      {uint64_t{1} << 40, "TiB"}, {1 << 30, "GiB"},      {1 << 20, "MiB"},  {1 << 10, "KiB"}};
  std::pair<uint64_t, std::string_view> best = {1, "B"};
  for (const auto& unit : kUnits) {
    if (bytes > 0 && bytes % unit.first == 0 && unit.first > best.first) best = unit;
  }
  return fmt::format("{} {}", bytes / best.first, best.second);
}

std::string Quoted(std::string_view text) {
  constexpr size_t kShown = 60;
  if (text.size() <= kShown) return fmt::format("'{}'", text);
  return fmt::format("'{}…'", ReplaceInvalidUtf8(CutText(text, kShown)));
}

std::string_view KindName(NodeKind kind) {
  switch (kind) {
    case NodeKind::kNull:
      return "nothing";
    case NodeKind::kScalar:
      return "a single value";
    case NodeKind::kList:
      return "a list";
    case NodeKind::kMap:
      return "a map";
  }
  return "";
}

}  // namespace

void Problems::Add(int line, int column, std::string_view path, std::string_view message) {
  if (found_.size() >= kMaxKept) {
    ++left_out_;
    return;
  }
  std::string text = Place(line, column, path);
  if (!text.empty()) text += ": ";
  found_.emplace(std::pair(line, column), text.append(message));
}

OnUnresolved Problems::AddUnresolved() {
  return [this](const Node& at, const std::string& path, const std::string& reason) {
    Add(at.line, at.column, path, reason);
  };
}

std::string Problems::Place(int line, int column, std::string_view path) const {
  std::string place = file_name_;
  if (line > 0) place += fmt::format(":{}:{}", line, column);
  if (!place.empty() && !path.empty()) place += ": ";
  return place.append(path);
}

std::vector<std::string> Problems::lines() const {
  std::vector<std::string> lines;
  for (const auto& [place, line] : found_) lines.push_back(line);
  return lines;
}

Status Problems::ToStatus() const {
  if (empty()) return {};
  std::string text = Join(lines(), "\n");
  if (left_out_ > 0) text += fmt::format("\n{}: {} more problems", file_name_, left_out_);
  return InvalidArgument(std::move(text));
}

Reader::Reader(const Node& node, std::string path, Problems& problems)
    : node_(node), path_(std::move(path)), problems_(problems) {
  if (node.kind != NodeKind::kMap && node.kind != NodeKind::kNull && !node.unresolved) {
    problems_.Add(node.line, node.column, path_,
                  fmt::format("expected a map of keys, found {}", KindName(node.kind)));
  }
}

std::string Reader::PathOf(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

const Node* Reader::Take(const Key& key, std::string_view type, std::string_view default_value) {
  known_.emplace_back(key.name);
  if (docs_ != nullptr) {
    docs_->push_back({PathOf(key.name), std::string(type),
                      key.required ? std::string() : std::string(default_value),
                      std::string(key.help), key.required});
    return nullptr;
  }
  const Node* value = node_.Find(key.name);
  if (node_.unresolved || (value != nullptr && value->unresolved)) return nullptr;
  if (value != nullptr && value->kind != NodeKind::kNull) return value;
  if (key.required) {
    const Node& place = value != nullptr ? *value : node_;
    problems_.Add(place.line, place.column, path_,
                  fmt::format("'{}' is missing ({})", key.name, type));
  }
  return nullptr;
}

const Node* Reader::TakeScalar(const Key& key, std::string_view type,
                               std::string_view default_value) {
  const Node* value = Take(key, type, default_value);
  if (value != nullptr && value->kind != NodeKind::kScalar) {
    Wrong(key, *value, type);
    return nullptr;
  }
  return value;
}

void Reader::Wrong(const Key& key, const Node& value, std::string_view expected) {
  const bool none = value.kind == NodeKind::kList && value.items.empty();
  const std::string found = value.kind == NodeKind::kScalar ? Quoted(value.scalar)
                            : none                          ? "an empty list"
                                                            : std::string(KindName(value.kind));
  problems_.Add(value.line, value.column, PathOf(key.name),
                fmt::format("expected {}, found {}", expected, found));
}

void Reader::String(Key key, std::string& value) {
  if (const Node* node = TakeScalar(key, "string", value)) value = node->scalar;
}

void Reader::Int(Key key, int64_t& value, Range<int64_t> range) {
  const std::string type = WithRange("integer", range, [](int64_t v) { return std::to_string(v); });
  const Node* node = TakeScalar(key, type, std::to_string(value));
  if (node == nullptr) return;
  const auto number = ParseInt64(node->scalar);
  if (!number || *number < range.least || *number > range.most) return Wrong(key, *node, type);
  value = *number;
}

void Reader::Double(Key key, double& value, Range<double> range) {
  const std::string type =
      WithRange("number", range, [](double v) { return fmt::format("{}", v); });
  const Node* node = TakeScalar(key, type, fmt::format("{}", value));
  if (node == nullptr) return;
  const auto number = ParseDouble(node->scalar);
  if (!number || !std::isfinite(*number) || *number < range.least || *number > range.most) {
    return Wrong(key, *node, type);
  }
  value = *number;
}

void Reader::Bool(Key key, bool& value) {
  const Node* node = TakeScalar(key, "true or false", value ? "true" : "false");
  if (node == nullptr) return;
  if (node->scalar != "true" && node->scalar != "false") return Wrong(key, *node, "true or false");
  value = node->scalar == "true";
}

void Reader::Duration(Key key, int64_t& micros, Range<int64_t> range) {
  const std::string type = WithRange("duration", range, FormatDuration);
  const Node* node = TakeScalar(key, type, FormatDuration(micros));
  if (node == nullptr) return;
  const auto parsed = ParseDuration(node->scalar);
  if (!parsed || *parsed < range.least || *parsed > range.most) {
    return Wrong(key, *node, type + " (like 250ms, 90s, 2m, 1h, 7d)");
  }
  micros = *parsed;
}

void Reader::Bytes(Key key, uint64_t& bytes, Range<uint64_t> range) {
  const std::string type = WithRange("size", range, ExactBytes);
  const Node* node = TakeScalar(key, type, ExactBytes(bytes));
  if (node == nullptr) return;
  const auto parsed = ParseBytes(node->scalar);
  if (!parsed || *parsed < range.least || *parsed > range.most) {
    return Wrong(key, *node, type + " (like 512, 64MB, 1.5 GB)");
  }
  bytes = *parsed;
}

void Reader::Choice(Key key, std::string& value, const std::vector<std::string_view>& choices) {
  std::string type = "one of";
  for (size_t i = 0; i < choices.size(); ++i) {
    type += fmt::format("{} {}", i == 0 ? "" : ",", choices[i]);
  }
  const Node* node = TakeScalar(key, type, value);
  if (node == nullptr) return;
  if (std::find(choices.begin(), choices.end(), node->scalar) != choices.end()) {
    value = node->scalar;
    return;
  }
  const std::string meant = DidYouMean(node->scalar, choices);
  problems_.Add(node->line, node->column, PathOf(key.name),
                meant.empty() ? fmt::format("{} is not {}", Quoted(node->scalar), type)
                              : fmt::format("{} is not known{}", Quoted(node->scalar), meant));
}

void Reader::Strings(Key key, std::vector<std::string>& values) {
  const Node* node = Take(key, "list of strings", Join(values, ", "));
  if (node == nullptr) return;
  if (node->kind == NodeKind::kMap) return Wrong(key, *node, "list of strings");
  if (key.required && node->kind == NodeKind::kList && node->items.empty()) {
    return Wrong(key, *node, "at least one string");
  }
  values.clear();
  if (node->kind == NodeKind::kScalar) {
    values.push_back(node->scalar);
    return;
  }
  for (size_t i = 0; i < node->items.size(); ++i) {
    const Node& item = node->items[i];
    if (item.unresolved) continue;
    if (item.kind == NodeKind::kScalar) {
      values.push_back(item.scalar);
    } else {
      problems_.Add(item.line, item.column, fmt::format("{}[{}]", PathOf(key.name), i),
                    fmt::format("expected string, found {}", KindName(item.kind)));
    }
  }
}

void Reader::Map(Key key, const std::function<void(Reader&)>& bind) {
  const Node* node = Take(key, "map", "");
  if (docs_ != nullptr) {
    Reader nested(node_, PathOf(key.name), problems_);
    nested.docs_ = docs_;
    return bind(nested);
  }
  if (node == nullptr) return;
  if (node->kind != NodeKind::kMap) return Wrong(key, *node, "map");
  Reader nested(*node, PathOf(key.name), problems_);
  bind(nested);
  nested.Finish();
}

void Reader::List(Key key, const std::function<void(Reader&)>& bind) {
  const Node* node = Take(key, "list of maps", "");
  if (docs_ != nullptr) {
    Reader nested(node_, PathOf(key.name) + "[]", problems_);
    nested.docs_ = docs_;
    return bind(nested);
  }
  if (node == nullptr) return;
  if (node->kind != NodeKind::kList) return Wrong(key, *node, "list of maps");
  if (key.required && node->items.empty()) return Wrong(key, *node, "at least one item");
  for (size_t i = 0; i < node->items.size(); ++i) {
    Reader nested(node->items[i], fmt::format("{}[{}]", PathOf(key.name), i), problems_);
    bind(nested);
    nested.Finish();
  }
}

void Reader::Named(Key key, const std::function<void(const std::string&, Reader&)>& bind) {
  const Node* node = Take(key, "map of name to map", "");
  if (docs_ != nullptr) {
    Reader nested(node_, PathOf(key.name) + ".*", problems_);
    nested.docs_ = docs_;
    return bind("*", nested);
  }
  if (node == nullptr) return;
  if (node->kind != NodeKind::kMap) return Wrong(key, *node, "map of name to map");
  for (const Entry& entry : node->entries) {
    Reader nested(entry.value, fmt::format("{}.{}", PathOf(key.name), entry.key), problems_);
    bind(entry.key, nested);
    nested.Finish();
  }
}

const Node* Reader::Raw(Key key) { return Take(key, "see its own page", ""); }

bool Reader::HasText(std::string_view key) const {
  const Node* value = node_.Find(key);
  return value != nullptr && value->kind == NodeKind::kScalar && !value->unresolved;
}

void Reader::Fail(std::string_view key, std::string_view message) {
  if (docs_ != nullptr) return;
  const Node* value = node_.Find(key);
  const Node& place = value != nullptr ? *value : node_;
  if (place.unresolved) return;
  problems_.Add(place.line, place.column, key.empty() ? path_ : PathOf(key), message);
}

void Reader::Finish() {
  if (docs_ != nullptr) return;
  const std::vector<std::string_view> known(known_.begin(), known_.end());
  for (const Entry& entry : node_.entries) {
    if (std::find(known.begin(), known.end(), entry.key) != known.end()) continue;
    problems_.Add(entry.line, entry.column, path_,
                  fmt::format("unknown key {}{}", Quoted(entry.key),
                              DidYouMean(entry.key, known, "known here: " + Join(known_, ", "))));
  }
}

std::vector<FieldDoc> Describe(const std::function<void(Reader&)>& bind) {
  std::vector<FieldDoc> docs;
  const Node nothing;
  Problems problems{std::string()};
  Reader reader(nothing, std::string(), problems);
  reader.docs_ = &docs;
  bind(reader);
  return docs;
}

std::string MarkdownTable(const std::vector<FieldDoc>& fields) {
  std::string out = "| key | type | default | |\n|---|---|---|---|\n";
  for (const FieldDoc& field : fields) {
    const std::string value = field.required                ? "required"
                              : field.default_value.empty() ? "none"
                                                            : "`" + field.default_value + "`";
    out += fmt::format("| `{}` | {} | {} | {} |\n", field.path, field.type, value, field.help);
  }
  return out;
}

}  // namespace tarn::config
