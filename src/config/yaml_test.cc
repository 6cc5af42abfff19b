#include "config/yaml.h"

#include <fmt/format.h>

namespace tarn::config {
namespace {

std::string ErrorOf(std::string_view text) {
  const auto node = ParseYaml(text, "a.yaml");
  return node.ok() ? "fine" : node.error().message();
}

TEST(Yaml, KeepsOrderPlaceAndQuotes) {
  const Node root = ParseYaml("b: 1\na:\n  - x\n  - 'null'\n  - null\n", "a.yaml").value();
  ASSERT_EQ(root.kind, NodeKind::kMap);
  ASSERT_EQ(root.entries.size(), 2U);
  EXPECT_EQ(root.entries[0].key, "b");
  EXPECT_EQ(root.entries[1].line, 2);
  const Node& list = *root.Find("a");
  ASSERT_EQ(list.items.size(), 3U);
  EXPECT_EQ(list.items[1].scalar, "null");
  EXPECT_TRUE(list.items[1].quoted);
  EXPECT_EQ(list.items[1].line, 4);
  EXPECT_EQ(list.items[1].column, 5);
  EXPECT_EQ(list.items[2].kind, NodeKind::kNull);
}

TEST(Yaml, EmptyTextIsNull) {
  EXPECT_EQ(ParseYaml("", "a.yaml").value().kind, NodeKind::kNull);
  EXPECT_EQ(ParseYaml("# only this\n", "a.yaml").value().kind, NodeKind::kNull);
}

TEST(Yaml, DuplicateKeyNamesBothPlaces) {
  EXPECT_EQ(ErrorOf("a: 1\nb: 2\na: 3\n"), "a.yaml:3:1: 'a' stands twice; first at line 1");
}

TEST(Yaml, RefusesAnchorsAliasesTagsAndComplexKeys) {
  EXPECT_EQ(ErrorOf("a: &x 1\n"), "a.yaml:1:4: anchors are not supported; write the value out");
  EXPECT_NE(ErrorOf("a: *x\n"), "fine");
  EXPECT_NE(ErrorOf("a: !secret x\n"), "fine");
  EXPECT_NE(ErrorOf("? [a]\n: b\n"), "fine");
  EXPECT_NE(ErrorOf("~: b\n"), "fine");
}

TEST(Yaml, SyntaxErrorHasItsPlace) {
  EXPECT_TRUE(ErrorOf("a: [1, 2\nb: 3\n").starts_with("a.yaml:2:")) << ErrorOf("a: [1, 2\nb: 3\n");
  EXPECT_NE(ErrorOf("a: 1\n---\nb: 2\n"), "fine");
}

TEST(Yaml, SyntaxErrorIsToldInPlainWords) {
  const std::pair<std::string_view, std::string_view> kCases[] = {
      {"name: [a, b\nport: 1\n", "a '[' is not closed by ']'"},
      {"name: {a: b\n", "a '{' is not closed by '}'"},
      {"name: 'it''s\nport: 1\n", "a.yaml:1:7: a quote is not closed"},
      {"münchen: \"a \\\" b\nport: 1\n", "a.yaml:1:11: a quote is not closed"},
      {"name: a\n\tport: 1\n", "indent with spaces"},
      {"format: regex: x\n", "put the value in quotes"},
      {"a:\n    b: 1\n  c: 2\n", "indentation fits no key"},
      {"name: @shop\n", "put it in quotes"},
      {"name: a ] b: c\n", "quotes"},
      {"paths: - a\n", "a list begins on a line of its own"},
      {"name: \"\\q\"\n", "'\\q' means nothing in double quotes"},
  };
  for (const auto& [text, words] : kCases) {
    const auto node = ParseYaml(text, "a.yaml");
    ASSERT_FALSE(node.ok()) << text;
    EXPECT_NE(node.error().message().find(words), std::string::npos)
        << text << node.error().message();
  }
}

TEST(Yaml, ATabThatIndentsIsCalledSo) {
  const std::string words =
      ":1: a tab in the indentation: YAML takes none there; indent with spaces";
  EXPECT_EQ(ErrorOf("listen:\n\tport: 1\n"), "a.yaml:2" + words);
  EXPECT_EQ(ErrorOf("a: 1\nflows:\n\t- source: a\n\t  paths: [/x]\n"), "a.yaml:3" + words);
  EXPECT_EQ(ErrorOf("a:\n  b: 1\n\tc: 2\n"), "a.yaml:3" + words);
  EXPECT_EQ(ErrorOf("a:\n  b: x: y\n"),
            "a.yaml:2:7: a ':' within a value; put the value in quotes");
  EXPECT_EQ(ErrorOf("{\n\t\"a\": 1\n}\n"), "fine");
  EXPECT_EQ(ErrorOf("{\n\t\"a\": [1,\n\t\"b\": 2\n}\n").find("tab"), std::string::npos);
}

TEST(Yaml, AByteOrderMarkMovesNothing) {
  const Node root = ParseYaml("\xef\xbb\xbf'name': \"x\"\nport: 1\n", "a.yaml").value();
  ASSERT_EQ(root.entries.size(), 2U);
  EXPECT_EQ(root.entries[0].key, "name");
  EXPECT_EQ(root.Find("name")->scalar, "x");
  EXPECT_EQ(root.Find("name")->column, 9);
  EXPECT_EQ(ErrorOf("\xef\xbb\xbfname: 'it''s\n"), "a.yaml:1:7: a quote is not closed");
  EXPECT_EQ(ErrorOf("\xef\xbb\xbfname: \xff\n"), "a.yaml:1:7: not UTF-8 text");
}

TEST(Yaml, DepthSizeCountAndEncodingAreBounded) {
  EXPECT_EQ(ErrorOf(std::string(32, '[') + std::string(32, ']')), "fine");
  EXPECT_NE(ErrorOf(std::string(33, '[') + std::string(33, ']')), "fine");
  EXPECT_NE(ErrorOf(std::string(100'000, '[')), "fine");
  EXPECT_NE(ErrorOf(std::string(kMaxYamlBytes + 1, '#')), "fine");
  std::string many = "[";
  for (size_t i = 0; i < kMaxYamlNodes; ++i) many += "1,";
  EXPECT_NE(ErrorOf(many + "]"), "fine");
  EXPECT_NE(ErrorOf("a: \xff\n"), "fine");
}

TEST(Yaml, ExpandsReferencesAndReportsAllThatFail) {
  Resolver resolver;
  resolver.env = [](const std::string& name) -> Result<std::string> {
    if (name == "KEY") return std::string("${env:OTHER}");
    return NotFound("environment variable '" + name + "' is not set");
  };
  resolver.file = [](const std::string&) -> Result<std::string> { return std::string("s3cret\n"); };
  Node root =
      ParseYaml("a: x-${env:KEY}-y\nb: ${file:key.txt}\nc: $${env:KEY}\n", "a.yaml").value();
  std::string failures;
  const OnUnresolved failed = [&](const Node& at, const std::string& path,
                                  const std::string& reason) {
    failures += fmt::format("{}:{}: {}: {}\n", at.line, at.column, path, reason);
  };
  ExpandReferences(root, resolver, failed);
  EXPECT_EQ(failures, "");
  EXPECT_EQ(root.Find("a")->scalar, "x-${env:OTHER}-y");  // not expanded again
  EXPECT_EQ(root.Find("b")->scalar, "s3cret");
  EXPECT_EQ(root.Find("c")->scalar, "${env:KEY}");

  Node bad = ParseYaml("a: ${env:NO}\nb: ${vault:x}\nc: ${env:KEY\n", "a.yaml").value();
  ExpandReferences(bad, resolver, failed);
  EXPECT_EQ(failures,
            "1:4: a: environment variable 'NO' is not set\n"
            "2:4: b: '${vault:x}' is neither ${env:NAME} nor ${file:path}\n"
            "3:4: c: '${' without '}'\n");
  for (const Entry& entry : bad.entries) EXPECT_TRUE(entry.value.unresolved) << entry.key;
}

}  // namespace
}  // namespace tarn::config
