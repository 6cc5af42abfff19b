#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tarn::config {

enum class NodeKind : uint8_t { kNull, kScalar, kList, kMap };

struct Entry;

// A YAML value with the place it stands at. Scalars keep their text; the Reader gives them types.
struct Node {
  NodeKind kind = NodeKind::kNull;
  std::string scalar;       // kScalar: the text, unquoted
  bool quoted = false;      // kScalar: stood in quotes, or came from an expansion: always a string
  std::vector<Node> items;  // kList
  std::vector<Entry> entries;  // kMap, in the order of the file
  int line = 0;                // from 1; 0: made by a program
  int column = 0;              // from 1
  bool unresolved = false;     // kScalar: a reference whose failure is reported; it has no value

  // The member of that name; nullptr if there is none or this is no map.
  const Node* Find(std::string_view key) const;
};

struct Entry {
  std::string key;
  Node value;
  int line = 0;  // of the key
  int column = 0;
};

inline constexpr size_t kMaxYamlBytes = 1 << 20;
inline constexpr size_t kMaxYamlNodes = 100'000;
inline constexpr int kMaxYamlDepth = 32;

// What some editors put before UTF-8; no part of the document.
inline constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

// One YAML document. InvalidArgument "file:line:column: …" for a syntax error, a key that stands
// twice in a map (with the place of the first), a key that is no scalar, an anchor or alias, a
// second document, or more than the limits above. An empty document is kNull.
Result<Node> ParseYaml(std::string_view text, std::string_view file_name);

// Where ${env:NAME} and ${file:path} get their values. NotFound and the like are reported at the
// place of the scalar. The value of a file loses one trailing newline (the caller does that).
struct Resolver {
  std::function<Result<std::string>(const std::string& name)> env;
  std::function<Result<std::string>(const std::string& path)> file;
};

// The process's environment; files up to 64 KiB, relative paths under `folder`.
Resolver SystemResolver(std::string folder);

using OnUnresolved =
    std::function<void(const Node& node, const std::string& path, const std::string& reason)>;

// Replaces ${env:NAME} and ${file:path} in every scalar below `node` (not in keys). "$${" stands
// for a literal "${". Values are not expanded again. A scalar that fails is told and marked.
void ExpandReferences(Node& node, const Resolver& resolver, const OnUnresolved& failed);

}  // namespace tarn::config
