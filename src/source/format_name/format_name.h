#pragma once

#include <span>
#include <string_view>

#include "base/result.h"

namespace tarn::format_name {

struct NamedFormat {
  std::string_view name;
  std::string_view log_format;
};

// Names for LogFormat strings.
std::span<const NamedFormat> NamedFormats();

// Whether a format is one of its kinds by its name, its prefix or a '%': what a program without a
// parser can tell of it. InvalidArgument names the nearest valid word.
Status CheckFormatName(std::string_view format);

// What a column of json:, csv: and tsv: is called. InvalidArgument names the rule.
Status CheckColumnName(std::string_view name);

}  // namespace tarn::format_name
