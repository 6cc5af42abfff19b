#include "source/access_log/format.h"

#include "base/text.h"
#include "source/access_log/compile.h"
#include "source/format_name/format_name.h"

namespace tarn::access_log {
namespace {

using event::TypeKind;

// Columns come in this order, then the others in the order of the format.
constexpr std::string_view kOrder[] = {"vhost",   "port",   "host",    "ident", "user",  "time",
                                       "request", "method", "target",  "path",  "query", "protocol",
                                       "status",  "bytes",  "referer", "agent"};

size_t RankOf(std::string_view name) {
  for (size_t i = 0; i < std::size(kOrder); ++i) {
    if (kOrder[i] == name) return i;
  }
  return std::size(kOrder);
}

uint8_t SlotOf(const Program& program, std::string_view name) {
  for (const auto& column : program.columns) {
    if (column.name == name) return column.slot;
  }
  return kNoSlot;
}

uint8_t AddDerived(Program& program, std::string_view name, std::string_view doc) {
  return AddColumn(program, name, TypeKind::kString, doc);
}

Result<Program> CompileProgram(std::string_view given) {
  TARN_ASSIGN_OR_RETURN(const std::string text, format_name::LogFormatOf(given));
  TARN_TRY(format_name::CheckFormatName(text));
  for (const auto& named : format_name::NamedFormats()) {
    if (named.name == text) return CompileLogFormat(named.log_format);
  }
  if (text == "error") return CompileErrorLog();
  if (text == "json") return CompileJson("");
  if (text == "json:")
    return InvalidArgument("'json:' names no column; write json for the standard ones");
  const size_t colon = std::min(text.find(':'), text.size());
  const std::string_view kind = std::string_view(text).substr(0, colon);
  const std::string_view rest = std::string_view(text).substr(std::min(colon + 1, text.size()));
  if (kind == "json") return CompileJson(rest);
  if (kind == "csv") return CompileCsv(rest, ',');
  if (kind == "tsv") return CompileCsv(rest, '\t');
  if (kind == "regex") return CompileRegex(rest);
  return CompileLogFormat(text);
}

}  // namespace

uint8_t AddColumn(Program& program, std::string_view name, event::TypeKind type,
                  std::string_view doc) {
  if (const uint8_t slot = SlotOf(program, name); slot != kNoSlot) return slot;
  Column column;
  column.name = name;
  column.type = type;
  column.doc = doc;
  column.slot = static_cast<uint8_t>(program.slots++);
  program.columns.push_back(std::move(column));
  return program.columns.back().slot;
}

void Finish(Program& program) {
  program.request = SlotOf(program, "request");
  program.split_request = program.request != kNoSlot;
  const bool has_target = SlotOf(program, "target") != kNoSlot;
  if (program.split_request) {
    program.method = AddDerived(program, "method", "method of the request");
    program.target =
        AddDerived(program, "target",
                   "target of the request as sent, where path and query do not give it back");
    program.protocol = AddDerived(program, "protocol", "protocol of the request");
  } else if (program.target_from_path) {
    program.target = AddDerived(program, "target", "path and query");
  } else {
    program.target = SlotOf(program, "target");
  }
  program.target_is_split = has_target;
  if (program.split_request || program.target_is_split) {
    program.path = AddDerived(program, "path", "target up to '?'");
    program.query = AddDerived(program, "query", "target behind '?'");
  }
  if (program.path == kNoSlot) program.path = SlotOf(program, "path");
  if (program.query == kNoSlot) program.query = SlotOf(program, "query");
  program.time = SlotOf(program, "time");
  program.end_time = SlotOf(program, "end_time");

  std::stable_sort(
      program.columns.begin(), program.columns.end(),
      [](const Column& a, const Column& b) { return RankOf(a.name) < RankOf(b.name); });
  int32_t id = 0;
  for (auto& column : program.columns) {
    column.json_prefix = ",\"" + column.name + "\":";
    const bool is_time = column.type == TypeKind::kTimestamptz;
    const bool is_boolean = column.type == TypeKind::kBoolean;
    column.reason = column.name + (is_time      ? " is not a timestamp"
                                   : is_boolean ? " is not a boolean"
                                                : " is not a number");
    column.out_of_range = column.name + " is out of range";
    column.not_whole = column.name + " is not a whole number";
    event::Field field;
    field.id = ++id;
    field.name = column.name;
    field.type.kind = column.type;
    field.doc = column.doc;
    program.schema.fields.push_back(std::move(field));
  }
}

Result<Format> Format::Compile(std::string_view name_or_log_format) {
  TARN_ASSIGN_OR_RETURN(auto program, CompileProgram(name_or_log_format));
  program.text = name_or_log_format;
  return Format(std::make_shared<const Program>(std::move(program)));
}

Result<Format> Format::FromCsvHeader(std::string_view header_line, char delimiter) {
  if (delimiter != ',' && delimiter != '\t') {
    return InvalidArgument("a CSV delimiter must be ',' or a tab");
  }
  while (!header_line.empty() && (header_line.back() == '\r' || header_line.back() == '\n')) {
    header_line.remove_suffix(1);
  }
  std::string text = delimiter == ',' ? "csv:" : "tsv:";
  bool first = true;
  for (std::string_view name : Split(header_line, delimiter)) {
    if (name.size() >= 2 && name.front() == '"' && name.back() == '"') {
      name = name.substr(1, name.size() - 2);
    }
    if (!first) text.push_back(',');
    first = false;
    for (const char c : name) {
      const char lower = static_cast<char>(c | 32);
      const bool word = (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'z');
      text.push_back(word ? c : '_');
    }
  }
  return Compile(text);
}

const event::Schema& Format::schema() const { return program_->schema; }
const std::string& Format::text() const { return program_->text; }

}  // namespace tarn::access_log
