#include "config/yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <sstream>

#include "base/text.h"
#include "os/posix_file_system.h"

namespace tarn::config {
namespace {

constexpr size_t kMaxSecretFileBytes = 64 << 10;

// What is wrong, in the words of whoever wrote the file instead of the parser's.
std::string PlainWords(const std::string& parser_words) {
  static const std::map<std::string_view, std::string_view> kWords = {
      {YAML::ErrorMsg::END_OF_MAP, "this line's indentation fits no key above it"},
      {YAML::ErrorMsg::END_OF_SEQ, "a list item begins with '- ', in the column of the others"},
      {YAML::ErrorMsg::END_OF_MAP_FLOW, "a '{' is not closed by '}'"},
      {YAML::ErrorMsg::END_OF_SEQ_FLOW, "a '[' is not closed by ']'"},
      {YAML::ErrorMsg::FLOW_END, "a '}' or ']' closes nothing"},
      {YAML::ErrorMsg::EOF_IN_SCALAR, "a quote is not closed"},
      {YAML::ErrorMsg::TAB_IN_INDENTATION,
       "a tab in the indentation: YAML takes none there; indent with spaces"},
      {YAML::ErrorMsg::MAP_VALUE, "a ':' within a value; put the value in quotes"},
      {YAML::ErrorMsg::MAP_KEY, "no key can stand here; put a value of many words in quotes"},
      {YAML::ErrorMsg::BLOCK_ENTRY, "a list begins on a line of its own, below its key"},
      {YAML::ErrorMsg::UNKNOWN_TOKEN, "no value begins with this character; put it in quotes"},
  };
  if (const auto words = kWords.find(parser_words); words != kWords.end())
    return std::string(words->second);
  if (parser_words.starts_with(YAML::ErrorMsg::INVALID_ESCAPE)) {
    return fmt::format(
        "'\\{}' means nothing in double quotes; use single quotes",
        parser_words.substr(std::string_view(YAML::ErrorMsg::INVALID_ESCAPE).size()));
  }
  return "this is no YAML: " + parser_words;
}

// Whether a tab indents this line, counted from 0: the parser says other things of what follows it.
// Within braces, as in JSON, tabs are fine.
bool IsIndentedWithTab(std::string_view text, int line) {
  if (text.substr(std::min(text.find_first_not_of(" \t\r\n"), text.size())).starts_with('{')) {
    return false;
  }
  const std::vector<std::string_view> lines = Split(text, '\n');
  if (line < 0 || static_cast<size_t>(line) >= lines.size()) return false;
  const std::string_view found = lines[static_cast<size_t>(line)];
  const size_t indentation = std::min(found.find_first_not_of(" \t"), found.size());
  return found.substr(0, indentation).find('\t') != std::string_view::npos;
}

// Whether the quote that opens at `at` has its end: the parser takes the end of the file for it.
bool IsClosed(std::string_view text, size_t at) {
  const char quote = text[at];
  for (size_t i = at + 1; i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\') {
      ++i;
    } else if (text[i] == quote) {
      if (quote == '"' || i + 1 == text.size() || text[i + 1] != quote) return true;
      ++i;  // '' stands for one
    }
  }
  return false;
}

// Builds Nodes from the parser's events: unlike yaml-cpp's own tree this sees every key, anchor and
// alias. After the first failure the remaining events are ignored.
class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(std::string_view text, std::string_view file_name)
      : text_(text), file_name_(file_name) {}

  bool failed() const { return !failure_.empty(); }
  Error TakeError() { return InvalidArgument(std::move(failure_)); }
  Node TakeRoot() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (!Admit(mark, anchor)) return;
    Place(NodeAt(NodeKind::kNull, mark));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    Fail(mark, "aliases are not supported; write the value out");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    if (!Admit(mark, anchor)) return;
    if (tag != "?" && tag != "!" && tag != "") {
      return Fail(mark, fmt::format("tag '{}' is not supported", tag));
    }
    const bool quoted = tag == "!";
    const auto at = static_cast<size_t>(std::max(mark.pos, 0));
    if (quoted && at < text_.size() && (text_[at] == '\'' || text_[at] == '"') &&
        !IsClosed(text_, at)) {
      return Fail(mark, PlainWords(YAML::ErrorMsg::EOF_IN_SCALAR));
    }
    if (!quoted && (value.empty() || value == "~" || value == "null")) {
      return Place(NodeAt(NodeKind::kNull, mark));
    }
    Node node = NodeAt(NodeKind::kScalar, mark);
    node.scalar = value;
    node.quoted = quoted;
    Place(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(NodeKind::kList, mark, anchor);
  }
  void OnSequenceEnd() override { CloseTop(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(NodeKind::kMap, mark, anchor);
  }
  void OnMapEnd() override { CloseTop(); }

 private:
  struct Level {
    Node node;
    std::optional<Entry> entry;  // a key that waits for its value
  };

  static Node NodeAt(NodeKind kind, const YAML::Mark& mark) {
    Node node;
    node.kind = kind;
    node.line = mark.line + 1;
    node.column = mark.column + 1;
    return node;
  }
  void Fail(const YAML::Mark& mark, std::string_view message) {
    if (!failed()) {
      failure_ = fmt::format("{}:{}:{}: {}", file_name_, mark.line + 1, mark.column + 1, message);
    }
  }
  bool Admit(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0) Fail(mark, "anchors are not supported; write the value out");
    if (++count_ > kMaxYamlNodes) Fail(mark, fmt::format("more than {} values", kMaxYamlNodes));
    return !failed();
  }
  void Open(NodeKind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (!Admit(mark, anchor)) return;
    if (levels_.size() >= kMaxYamlDepth) {
      return Fail(mark, fmt::format("nested deeper than {}", kMaxYamlDepth));
    }
    if (!levels_.empty() && levels_.back().node.kind == NodeKind::kMap && !levels_.back().entry) {
      return Fail(mark, "a key must be a plain word");
    }
    levels_.push_back({NodeAt(kind, mark), std::nullopt});
  }
  void CloseTop() {
    if (failed()) return;
    Node node = std::move(levels_.back().node);
    levels_.pop_back();
    Place(std::move(node));
  }
  void Place(Node node) {
    if (levels_.empty()) {
      root_ = std::move(node);
      return;
    }
    Level& level = levels_.back();
    if (level.node.kind == NodeKind::kList) {
      level.node.items.push_back(std::move(node));
    } else if (level.entry) {
      level.entry->value = std::move(node);
      level.node.entries.push_back(*std::move(level.entry));
      level.entry.reset();
    } else {
      TakeKey(level, std::move(node));
    }
  }
  void TakeKey(Level& level, Node node) {
    const YAML::Mark mark = MarkOf(node);
    if (node.kind != NodeKind::kScalar) return Fail(mark, "a key must be a plain word");
    for (const Entry& other : level.node.entries) {
      if (other.key != node.scalar) continue;
      return Fail(mark,
                  fmt::format("'{}' stands twice; first at line {}", node.scalar, other.line));
    }
    level.entry = Entry{std::move(node.scalar), Node{}, node.line, node.column};
  }
  static YAML::Mark MarkOf(const Node& node) {
    YAML::Mark mark;
    mark.line = node.line - 1;
    mark.column = node.column - 1;
    return mark;
  }

  const std::string_view text_;
  const std::string_view file_name_;
  std::string failure_;
  std::vector<Level> levels_;
  Node root_;
  size_t count_ = 0;
};

// Replaces the references of one text. The failure has no place yet.
Result<std::string> ExpandText(std::string_view text, const Resolver& resolver) {
  std::string out;
  for (;;) {
    const size_t start = text.find("${");
    if (start == std::string_view::npos) break;
    if (start > 0 && text[start - 1] == '$') {
      out.append(text.substr(0, start - 1)).append("${");
      text.remove_prefix(start + 2);
      continue;
    }
    out.append(text.substr(0, start));
    text.remove_prefix(start + 2);
    const size_t end = text.find('}');
    if (end == std::string_view::npos) return InvalidArgument("'${' without '}'");
    const std::string_view reference = text.substr(0, end);
    text.remove_prefix(end + 1);
    const size_t colon = reference.find(':');
    const std::string_view kind = reference.substr(0, colon);
    const bool env = kind == "env";
    if (colon == std::string_view::npos || (!env && kind != "file")) {
      return InvalidArgument(
          fmt::format("'${{{}}}' is neither ${{env:NAME}} nor ${{file:path}}", reference));
    }
    const std::string name(reference.substr(colon + 1));
    TARN_ASSIGN_OR_RETURN(std::string value, env ? resolver.env(name) : resolver.file(name));
    if (!env && value.ends_with('\n')) value.pop_back();
    out += value;
  }
  return out.append(text);
}

// "3:4: ", where the text ceases to be UTF-8 without NUL; empty if it does not.
std::string ForeignPlace(std::string_view text) {
  int number = 0;
  for (const std::string_view line : Split(text, '\n')) {
    ++number;
    const std::string valid = ReplaceInvalidUtf8(line);
    const size_t same = static_cast<size_t>(std::ranges::mismatch(line, valid).in1 - line.begin());
    const size_t foreign = std::min(same, line.find('\0'));
    if (foreign < line.size()) return fmt::format("{}:{}: ", number, foreign + 1);
  }
  return {};
}

void ExpandNode(Node& node, const std::string& path, const Resolver& resolver,
                const OnUnresolved& failed) {
  if (node.kind == NodeKind::kScalar && node.scalar.find("${") != std::string::npos) {
    auto expanded = ExpandText(node.scalar, resolver);
    if (expanded.ok()) {
      node.scalar = *std::move(expanded);
      node.quoted = true;
    } else {
      node.unresolved = true;
      failed(node, path, expanded.error().message());
    }
  }
  for (size_t i = 0; i < node.items.size(); ++i)
    ExpandNode(node.items[i], fmt::format("{}[{}]", path, i), resolver, failed);
  for (Entry& entry : node.entries) {
    ExpandNode(entry.value, path.empty() ? entry.key : fmt::format("{}.{}", path, entry.key),
               resolver, failed);
  }
}

}  // namespace

const Node* Node::Find(std::string_view key) const {
  for (const Entry& entry : entries) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

Result<Node> ParseYaml(std::string_view text, std::string_view file_name) {
  // What marks UTF-8 is no part of it, and the parser does not count it in its places.
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  if (text.size() > kMaxYamlBytes) {
    return InvalidArgument(fmt::format("{}: {} is over the limit of {} for a configuration file",
                                       file_name, FormatBytes(text.size()),
                                       FormatBytes(kMaxYamlBytes)));
  }
  if (const std::string place = ForeignPlace(text); !place.empty())
    return InvalidArgument(fmt::format("{}:{}not UTF-8 text", file_name, place));
  TreeBuilder builder(text, file_name);
  try {
    std::istringstream in{std::string(text)};
    YAML::Parser parser(in);
    if (parser.HandleNextDocument(builder) && !builder.failed()) {
      TreeBuilder second(text, file_name);
      if (parser.HandleNextDocument(second)) {
        return InvalidArgument(fmt::format("{}: holds more than one document", file_name));
      }
    }
  } catch (const YAML::Exception& error) {
    const bool tab = IsIndentedWithTab(text, error.mark.line);
    return InvalidArgument(
        fmt::format("{}:{}:{}: {}", file_name, error.mark.line + 1, tab ? 1 : error.mark.column + 1,
                    PlainWords(tab ? YAML::ErrorMsg::TAB_IN_INDENTATION : error.msg)));
  } catch (const std::exception& error) {
    return InvalidArgument(fmt::format("{}: cannot be read as YAML: {}", file_name, error.what()));
  }
  if (builder.failed()) return builder.TakeError();
  return builder.TakeRoot();
}

Resolver SystemResolver(std::string folder) {
  Resolver resolver;
  resolver.env = [](const std::string& name) -> Result<std::string> {
    const char* value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe): nobody sets
    if (value == nullptr) {
      return NotFound(fmt::format("environment variable '{}' is not set", name));
    }
    return std::string(value);
  };
  resolver.file = [folder = std::move(folder)](const std::string& path) -> Result<std::string> {
    os::PosixFileSystem files;
    const std::string full = path.starts_with('/') ? path : os::JoinPath(folder, path);
    TARN_ASSIGN_OR_RETURN(const auto file, files.Open(full, os::OpenMode::kRead));
    TARN_ASSIGN_OR_RETURN(std::string value, file->ReadAt(0, kMaxSecretFileBytes + 1));
    if (value.size() > kMaxSecretFileBytes) {
      return InvalidArgument(fmt::format("{} is over {} bytes", full, kMaxSecretFileBytes));
    }
    return value;
  };
  return resolver;
}

void ExpandReferences(Node& node, const Resolver& resolver, const OnUnresolved& failed) {
  ExpandNode(node, std::string(), resolver, failed);
}

}  // namespace tarn::config
