#include "source/format_name/format_name.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

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

}  // namespace

std::span<const NamedFormat> NamedFormats() { return kNamed; }

Status CheckFormatName(std::string_view format) {
  std::vector<std::string_view> words;
  for (const NamedFormat& named : kNamed) words.push_back(named.name);
  words.insert(words.end(), std::begin(kOthers), std::end(kOthers));
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
