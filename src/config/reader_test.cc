#include "config/reader.h"

namespace tarn::config {
namespace {

struct Flow {
  std::string source;
  std::vector<std::string> paths;
  std::string position = "end";
};
struct Settings {
  int64_t port = 9100;
  bool insecure = false;
  int64_t age_micros = 1'000'000;
  uint64_t bytes = 1'000'000;
  double share = 0.5;
  std::vector<Flow> flows;
  std::string ca;
  std::vector<std::string> names;
};

void Bind(Reader& reader, Settings& s) {
  reader.Int({"port", "metrics port"}, s.port, {1, 65535});
  reader.Bool({"insecure", "no checks"}, s.insecure);
  reader.Duration({"age", "oldest batch"}, s.age_micros, {1'000, 60'000'000});
  reader.Bytes({"bytes", "largest batch"}, s.bytes);
  reader.Double({"share", "of a core"}, s.share, {0, 1});
  reader.List({"flows", "what to tail", true}, [&](Reader& flow) {
    Flow& f = s.flows.emplace_back();
    flow.String({"source", "name", true}, f.source);
    flow.Strings({"paths", "globs", true}, f.paths);
    flow.Choice({"position", "where to begin"}, f.position, {"start", "end"});
  });
  reader.Map({"tls", "encryption"}, [&](Reader& tls) { tls.String({"ca", "file"}, s.ca); });
  reader.Named({"users", "people"},
               [&](const std::string& name, Reader&) { s.names.push_back(name); });
}

std::vector<std::string> ProblemsOf(std::string_view text, Settings* out = nullptr) {
  const Node root = ParseYaml(text, "t.yaml").value();
  Problems problems("t.yaml");
  Reader reader(root, "", problems);
  Settings settings;
  Bind(reader, settings);
  reader.Finish();
  if (out != nullptr) *out = settings;
  return problems.lines();
}

TEST(Reader, BindsEveryType) {
  Settings s;
  const auto problems = ProblemsOf(
      "port: 80\ninsecure: true\nage: 250ms\nbytes: 4MB\nshare: 0.25\n"
      "flows:\n  - source: a\n    paths: /x\n  - {source: b, paths: [/y, /z], position: start}\n"
      "tls: {ca: /ca.pem}\nusers: {ann: {}, bob: {}}\n",
      &s);
  EXPECT_TRUE(problems.empty()) << problems[0];
  EXPECT_EQ(s.port, 80);
  EXPECT_TRUE(s.insecure);
  EXPECT_EQ(s.age_micros, 250'000);
  EXPECT_EQ(s.bytes, 4'000'000U);
  EXPECT_EQ(s.share, 0.25);
  ASSERT_EQ(s.flows.size(), 2U);
  EXPECT_EQ(s.flows[0].paths, std::vector<std::string>{"/x"});
  EXPECT_EQ(s.flows[0].position, "end");
  EXPECT_EQ(s.flows[1].paths.size(), 2U);
  EXPECT_EQ(s.ca, "/ca.pem");
  EXPECT_EQ(s.names, (std::vector<std::string>{"ann", "bob"}));
}

TEST(Reader, CollectsAllProblemsInTheFilesOrderWithPlaceAndNearestWord) {
  const auto problems = ProblemsOf(
      "port: 70000\ninsecure: yes\nage: 5\nflows:\n  - sorce: a\n    paths: {x: y}\n"
      "    position: strat\n");
  const std::vector<std::string> expected = {
      "t.yaml:1:7: port: expected integer, 1 to 65535, found '70000'",
      "t.yaml:2:11: insecure: expected true or false, found 'yes'",
      "t.yaml:3:6: age: expected duration, 1ms to 1m (like 250ms, 90s, 2m, 1h, 7d), found '5'",
      "t.yaml:5:5: flows[0]: 'source' is missing (string)",
      "t.yaml:5:5: flows[0]: unknown key 'sorce'; did you mean 'source'?",
      "t.yaml:6:12: flows[0].paths: expected list of strings, found a map",
      "t.yaml:7:15: flows[0].position: 'strat' is not known; did you mean 'start'?",
  };
  EXPECT_EQ(problems, expected);
}

TEST(Reader, RootThatIsNoMapAndMissingRequiredKey) {
  EXPECT_EQ(ProblemsOf("- a\n")[0], "t.yaml:1:1: expected a map of keys, found a list");
  EXPECT_EQ(ProblemsOf("port: 1\n"),
            std::vector<std::string>{"t.yaml:1:1: 'flows' is missing (list of maps)"});
  EXPECT_EQ(ProblemsOf("flows: []\n"),
            std::vector<std::string>{
                "t.yaml:1:8: flows: expected at least one item, found an empty list"});
}

TEST(Reader, ProblemsAreBounded) {
  std::string text = "flows: [{source: a, paths: b}]\n";
  for (int i = 0; i < 60; ++i) text += "unknown_key_" + std::to_string(i) + ": 1\n";
  EXPECT_EQ(ProblemsOf(text).size(), Problems::kMaxKept);
}

TEST(Reader, DescribesItsKeysAndDefaults) {
  Settings settings;
  const auto docs = Describe([&](Reader& reader) { Bind(reader, settings); });
  ASSERT_EQ(docs.size(), 12U);
  EXPECT_EQ(docs[0].path, "port");
  EXPECT_EQ(docs[0].type, "integer, 1 to 65535");
  EXPECT_EQ(docs[0].default_value, "9100");
  EXPECT_EQ(docs[6].path, "flows[].source");
  EXPECT_TRUE(docs[6].required);
  EXPECT_EQ(docs[10].path, "tls.ca");
  EXPECT_NE(MarkdownTable(docs).find("| `age` | duration, 1ms to 1m | `1s` | oldest batch |"),
            std::string::npos);
}

}  // namespace
}  // namespace tarn::config
