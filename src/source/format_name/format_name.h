#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tarn::format_name {

struct NamedFormat {
  std::string_view name;
  std::string_view log_format;
};

// Names for LogFormat strings.
std::span<const NamedFormat> NamedFormats();

// All that are whole by a name: those, error and json.
std::vector<std::string_view> FormatNames();

// The format of a line of Apache's configuration (LogFormat, CustomLog, GlobalLog), its quotes
// undone; any other text as it is. InvalidArgument if such a line has none.
Result<std::string> LogFormatOf(std::string_view format);

// Whether a format is one of its kinds by its name, its prefix or a '%': what a program without a
// parser can tell of it; also as a line of Apache's configuration. InvalidArgument names the
// nearest valid word.
Status CheckFormatName(std::string_view format);

// What a column of json:, csv: and tsv: is called. InvalidArgument names the rule.
Status CheckColumnName(std::string_view name);

}  // namespace tarn::format_name
