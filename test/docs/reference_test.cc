// The generated parts of the pages equal what the programs would print. After a change:
//   TARN_WRITE_DOCS=1 build/release/bin/docs_reference_test
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "agent/settings.h"
#include "app/project.h"
#include "base/error.h"
#include "config/reader.h"

namespace tarn {
namespace {

std::string ReadPage(const std::string& page) {
  std::ifstream file(std::string(TARN_SOURCE_DIR) + "/docs/" + page);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// What stands between the marks of that part.
void ExpectPart(const std::string& page, const std::string& part, const std::string& wanted) {
  const std::string text = ReadPage(page);
  const std::string begin_mark = "<!-- generated: " + part + " -->\n";
  size_t begin = text.find(begin_mark);
  ASSERT_NE(begin, std::string::npos) << page << " has no part " << part;
  begin += begin_mark.size();
  const size_t end = text.find("<!-- end -->", begin);
  ASSERT_NE(end, std::string::npos);
  if (std::getenv("TARN_WRITE_DOCS") != nullptr) {
    std::ofstream(std::string(TARN_SOURCE_DIR) + "/docs/" + page)
        << text.substr(0, begin) << wanted << text.substr(end);
    return;
  }
  EXPECT_EQ(text.substr(begin, end - begin), wanted)
      << "docs/" << page << " is old; TARN_WRITE_DOCS=1 rewrites it";
}

TEST(Reference, PageOfExitCodesIsTheTableOfErrors) {
  constexpr std::string_view kMeanings[] = {
      "something given is wrong: a command line, a file, a value",
      "it is not there: a project, a table, a source, a server",
      "it is there already",
      "somebody else was first: another server or agent, another commit",
      "no key, or an unknown one",
      "the key may not do this; SQL that is not allowed",
      "full: disk, memory, a limit",
      "not now: the other side is down or busy",
      "it took too long",
      "ended by Ctrl-C",
      "the reader of the output has enough: a closed pipe",
      "data is damaged or missing; a person must act",
      "not possible here, or written by a newer Tarn",
      "the operating system failed to read or write",
      "a bug; please report it",
  };
  std::string table =
      "| exit | code | HTTP | SQLSTATE | again | what it means |\n|---|---|---|---|---|---|\n";
  for (uint8_t i = 0; i < std::size(kMeanings); ++i) {
    const CodeTraits& traits = TraitsOf(static_cast<Code>(i));
    table += "| " + std::to_string(traits.exit_status) + " | " + std::string(traits.name) + " | " +
             std::to_string(traits.http_status) + " | " + std::string(traits.sqlstate) + " | " +
             (traits.retry ? "yes" : "no") + " | " + std::string(kMeanings[i]) + " |\n";
  }
  static_assert(std::size(kMeanings) == static_cast<size_t>(Code::kInternal) + 1);
  ExpectPart("exit-codes.md", "exit codes", table);
}

TEST(Reference, PageOfConfigurationHasEveryKeyOfTheProject) {
  ExpectPart("configuration.md", "tarn.yaml", config::MarkdownTable(app::DescribeProject()));
}

TEST(Reference, PageOfConfigurationHasEveryKeyOfTheAgent) {
  ExpectPart("configuration.md", "agent.yaml", config::MarkdownTable(agent::DescribeSettings()));
}

}  // namespace
}  // namespace tarn
