#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "config/yaml.h"

namespace tarn::config {

// What is wrong with a file, all of it: problems are collected and told at once. Thread-confined.
class Problems {
 public:
  static constexpr size_t kMaxKept = 50;

  explicit Problems(std::string file_name) : file_name_(std::move(file_name)) {}

  // "file:line:column: path: message"; without place or path if they are unknown (0, empty). In the
  // order of the file, whatever the order they are found in.
  void Add(int line, int column, std::string_view path, std::string_view message);

  // Adds references that cannot be resolved.
  OnUnresolved AddUnresolved();

  // "file:line:column: path"
  std::string Place(int line, int column, std::string_view path) const;

  bool empty() const { return found_.empty(); }
  std::vector<std::string> lines() const;
  // InvalidArgument with one problem a line; fine if there is none.
  Status ToStatus() const;

 private:
  std::string file_name_;
  std::multimap<std::pair<int, int>, std::string> found_;  // by line and column
  size_t left_out_ = 0;
};

// A key as its owner describes it.
struct Key {
  std::string_view name;
  std::string_view help;  // one sentence: who changes it and on what signal
  bool required = false;
};

// A row of the reference table.
struct FieldDoc {
  std::string path;           // "flows[].paths", "sources.*.format"
  std::string type;           // "string", "integer 1..65535", "duration", "one of: start, end", …
  std::string default_value;  // as one would write it; empty if required
  std::string help;
  bool required = false;
};

template <typename T>
struct Range {
  T least = std::numeric_limits<T>::lowest();
  T most = std::numeric_limits<T>::max();
};

// Binds the keys of one map to the members of a struct. Each call names a key, leaves the member as
// it is when the key is absent (the default stands in the struct), and records a problem with its
// place when the value is of the wrong type or out of range. Finish() reports the keys nobody asked
// for, with the nearest known one:
//
//   void Bind(config::Reader& reader, AgentConfig& c) {
//     reader.String({"host", "name sent with each batch"}, c.host);
//     reader.List({"flows", "what to tail", true}, [&](config::Reader& flow) {
//       Bind(flow, c.flows.emplace_back());      // Finish() of nested readers is called for you
//     });
//   }
//
// The same function, run by Describe(), yields the reference table. Thread-confined; the node and
// the problems must outlive it.
class Reader {
 public:
  // `path` is the key path of this map, empty at the root. A node that is neither map nor null is a
  // problem.
  Reader(const Node& node, std::string path, Problems& problems);

  void String(Key key, std::string& value);
  void Int(Key key, int64_t& value, Range<int64_t> range = {});
  void Double(Key key, double& value, Range<double> range = {});
  void Bool(Key key, bool& value);                                     // true, false
  void Duration(Key key, int64_t& micros, Range<int64_t> range = {});  // "90s", "250ms"
  void Bytes(Key key, uint64_t& bytes, Range<uint64_t> range = {});    // "64MB", "512"
  void Choice(Key key, std::string& value, const std::vector<std::string_view>& choices);
  // A list of scalars; one scalar alone is a list of one. A required one is not empty.
  void Strings(Key key, std::vector<std::string>& values);

  // A map with known keys. Not called when the key is absent.
  void Map(Key key, const std::function<void(Reader&)>& bind);
  // A list of maps; called once for each.
  void List(Key key, const std::function<void(Reader&)>& bind);
  // A map whose keys are names: called once for each.
  void Named(Key key, const std::function<void(const std::string& name, Reader&)>& bind);
  // The node itself, for what has a shape of its own; nullptr when absent.
  const Node* Raw(Key key);

  bool Has(std::string_view key) const { return node_.Find(key) != nullptr; }
  // Whether the key has a scalar of its own; not one whose reference failed.
  bool HasText(std::string_view key) const;
  // A problem at the value of `key` (at this map if the key is absent): for checks across keys.
  void Fail(std::string_view key, std::string_view message);
  // Reports unknown keys. Call once, last.
  void Finish();

  const Node& node() const { return node_; }
  const std::string& path() const { return path_; }

 private:
  friend std::vector<FieldDoc> Describe(const std::function<void(Reader&)>& bind);

  std::string PathOf(std::string_view key) const;
  // The value of the key; nullptr when it is absent or null. Notes the key as known.
  const Node* Take(const Key& key, std::string_view type, std::string_view default_value);
  const Node* TakeScalar(const Key& key, std::string_view type, std::string_view default_value);
  void Wrong(const Key& key, const Node& value, std::string_view expected);

  const Node& node_;
  const std::string path_;
  Problems& problems_;
  std::vector<std::string> known_;
  std::vector<FieldDoc>* docs_ = nullptr;  // set by Describe: record the keys, read nothing
};

// The table of what `bind` asks for, with the defaults of the struct it binds to.
std::vector<FieldDoc> Describe(const std::function<void(Reader&)>& bind);
// The same as a Markdown table.
std::string MarkdownTable(const std::vector<FieldDoc>& fields);

}  // namespace tarn::config
