#include "source/format_name/format_name.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace tarn::format_name {
namespace {

constexpr NamedFormat kNamed[] = {
    {"common", R"(%h %l %u %t "%r" %>s %b)"},
    {"combined", R"(%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i")"},
    {"vhost_combined", R"(%v:%p %h %l %u %t "%r" %>s %O "%{Referer}i" "%{User-Agent}i")"},
    {"combined+cookie", R"(%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" "%{Cookie}i")"}};
constexpr std::string_view kOthers[] = {"error", "json"};
constexpr std::string_view kPrefixes[] = {"json:", "csv:", "tsv:", "regex:"};
constexpr size_t kShownBytes = 80;

constexpr std::string_view kBlanks = " \t\r\n";

// A line that ends with a backslash goes on in the next.
std::string JoinLines(std::string_view text) {
  std::string joined;
  while (!text.empty()) {
    const bool ends = text.starts_with("\\\n") || text.starts_with("\\\r\n");
    if (!ends) joined.push_back(text.front());
    text.remove_prefix(ends ? text.find('\n') + 1 : 1);
  }
  return joined;
}

// The next word off the front of a line of Apache's configuration, as ap_getword_conf takes it: in
// quotes of either kind or up to a blank, a backslash before that quote or another one undone.
Result<std::string> TakeConfigWord(std::string_view& rest) {
  const char quote = rest.front() == '"' || rest.front() == '\'' ? rest.front() : '\0';
  if (quote != '\0') rest.remove_prefix(1);
  const auto ends = [quote](char c) {
    return quote != '\0' ? c == quote : kBlanks.find(c) != std::string_view::npos;
  };
  std::string word;
  size_t at = 0;
  for (; at < rest.size() && !ends(rest[at]); ++at) {
    const char next = at + 1 < rest.size() ? rest[at + 1] : '\0';
    if (rest[at] == '\\' && next != '\0' && (next == '\\' || next == quote)) ++at;
    word.push_back(rest[at]);
  }
  if (quote != '\0' && at == rest.size()) return InvalidArgument("has a quote that is not closed");
  rest.remove_prefix(quote != '\0' ? at + 1 : at);
  rest.remove_prefix(std::min(rest.find_first_not_of(kBlanks), rest.size()));
  return word;
}

bool SameWord(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return (x | 32) == (y | 32); });
}

// Where the format stands among a line's words, and how many it has at most.
struct ConfigLine {
  std::string_view directive;
  size_t format_word, most_words;
};
constexpr ConfigLine kConfigLines[] = {
    {"LogFormat", 0, 2}, {"CustomLog", 1, 3}, {"GlobalLog", 1, 3}};

Result<std::string> FormatOfWords(const ConfigLine& line, std::string_view rest) {
  std::vector<std::string> words;
  while (!rest.empty()) {
    TARN_ASSIGN_OR_RETURN(auto word, TakeConfigWord(rest));
    words.push_back(std::move(word));
  }
  if (words.size() <= line.format_word || words[line.format_word].empty())
    return InvalidArgument("has no format");
  if (words.size() > line.most_words)
    return InvalidArgument("has more words than it may; put its format in quotes");
  std::string format = std::move(words[line.format_word]);
  const auto known = FormatNames();
  if (format.find('%') == std::string::npos &&
      std::find(known.begin(), known.end(), format) == known.end()) {
    return InvalidArgument(
        fmt::format("names the format '{}'; give the LogFormat line of that name",
                    CutText(format, kShownBytes)));
  }
  return format;
}

}  // namespace

std::span<const NamedFormat> NamedFormats() { return kNamed; }

std::vector<std::string_view> FormatNames() {
  std::vector<std::string_view> names;
  for (const NamedFormat& named : kNamed) names.push_back(named.name);
  names.insert(names.end(), std::begin(kOthers), std::end(kOthers));
  return names;
}

Result<std::string> LogFormatOf(std::string_view format) {
  const std::string joined = JoinLines(format);
  std::string_view rest = joined;
  rest.remove_prefix(std::min(rest.find_first_not_of(kBlanks), rest.size()));
  const std::string_view first = rest.substr(0, rest.find_first_of(kBlanks));
  rest.remove_prefix(first.size());
  rest.remove_prefix(std::min(rest.find_first_not_of(kBlanks), rest.size()));
  for (const ConfigLine& line : kConfigLines) {
    if (!SameWord(first, line.directive)) continue;
    auto found = FormatOfWords(line, rest);
    if (found.ok()) return found;
    return InvalidArgument(fmt::format("the {} line {}", line.directive, found.error().message()));
  }
  if (SameWord(first, "TransferLog")) {
    return InvalidArgument("a TransferLog line has no format; give the LogFormat line before it");
  }
  if (SameWord(first, "ErrorLogFormat")) {
    return InvalidArgument(
        "an ErrorLogFormat is not read; the format 'error' reads what Apache writes by itself");
  }
  return std::string(format);
}

Status CheckFormatName(std::string_view text) {
  TARN_ASSIGN_OR_RETURN(const std::string format, LogFormatOf(text));
  std::vector<std::string_view> words = FormatNames();
  if (std::find(words.begin(), words.end(), format) != words.end()) return {};
  for (const std::string_view prefix : kPrefixes) {
    if (format.starts_with(prefix)) return {};
    words.push_back(prefix);
  }
  if (format.find('%') != std::string_view::npos) return {};
  return InvalidArgument(fmt::format(
      "'{}' is no log format{}", CutText(format, kShownBytes),
      DidYouMean(format, words,
                 "known are common, combined, vhost_combined, combined+cookie, error, "
                 "json[:COLUMNS], csv:COLUMNS, tsv:COLUMNS, regex:EXPRESSION or a LogFormat string "
                 "with % directives")));
}

Status CheckColumnName(std::string_view name) {
  const bool valid = !name.empty() && (name[0] < '0' || name[0] > '9') &&
                     std::all_of(name.begin(), name.end(), [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || c == '_';
                     });
  if (valid) return {};
  return InvalidArgument(
      fmt::format("'{}' is no column name: letters, digits and _, not a digit first", name));
}

}  // namespace tarn::format_name
