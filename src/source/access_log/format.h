#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "event/schema.h"

namespace tarn::access_log {

struct Program;

// How the lines of one log are laid out, compiled. Cheap to copy, immutable, safe to share between
// threads. The whole table of directives, column names and types: docs/access-log-formats.md.
class Format {
 public:
  // One of
  //   common, combined, vhost_combined, combined+cookie   names for LogFormat strings
  //   error                     Apache 2.2 and 2.4 error logs
  //   %h %l %u %t "%r" …        any LogFormat string of mod_log_config, mod_logio and mod_ssl
  //   LogFormat "…" name        a line of Apache's configuration with one (format_name.h)
  //   json[:COLUMNS]            JSON lines; Apache's \xhh inside strings is accepted
  //   csv:COLUMNS, tsv:COLUMNS  RFC 4180 with ',' or a tab; "-" and the empty field are null
  //   regex:EXPRESSION          RE2 with named groups, must match the whole line
  // COLUMNS is name[:type][=key],… with types int, long, double, boolean, string, timestamptz;
  // names of the standard columns have their types by themselves, others are strings.
  // InvalidArgument names the position and the nearest valid word.
  static Result<Format> Compile(std::string_view name_or_log_format);

  // A csv: or tsv: format with the columns a header line names.
  static Result<Format> FromCsvHeader(std::string_view header_line, char delimiter);

  // Columns a line yields, all optional, ids 1.. in order.
  const event::Schema& schema() const;
  // What Compile was given.
  const std::string& text() const;

  const Program& program() const { return *program_; }  // for Parser

 private:
  explicit Format(std::shared_ptr<const Program> program) : program_(std::move(program)) {}
  std::shared_ptr<const Program> program_;
};

}  // namespace tarn::access_log
