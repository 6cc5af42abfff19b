#include <fmt/format.h>
#include <re2/re2.h>

#include <cmath>
#include <memory>

#include "base/text.h"
#include "source/access_log/compile.h"
#include "source/access_log/directives.h"
#include "source/access_log/match.h"
#include "source/format_name/format_name.h"

namespace tarn::access_log {
namespace {

using event::TypeKind;

struct Known {
  std::string_view name;
  TypeKind type;
};
// The columns every kind knows by name.
constexpr Known kKnown[] = {{"vhost", TypeKind::kString},
                            {"port", TypeKind::kInt},
                            {"host", TypeKind::kString},
                            {"ident", TypeKind::kString},
                            {"user", TypeKind::kString},
                            {"time", TypeKind::kTimestamptz},
                            {"request", TypeKind::kString},
                            {"method", TypeKind::kString},
                            {"target", TypeKind::kString},
                            {"path", TypeKind::kString},
                            {"query", TypeKind::kString},
                            {"protocol", TypeKind::kString},
                            {"status", TypeKind::kInt},
                            {"bytes", TypeKind::kLong},
                            {"referer", TypeKind::kString},
                            {"agent", TypeKind::kString},
                            {"end_time", TypeKind::kTimestamptz},
                            {"duration_us", TypeKind::kLong},
                            {"duration_ms", TypeKind::kLong},
                            {"duration_s", TypeKind::kLong},
                            {"bytes_in", TypeKind::kLong},
                            {"bytes_out", TypeKind::kLong},
                            {"bytes_total", TypeKind::kLong},
                            {"pid", TypeKind::kLong},
                            {"tid", TypeKind::kLong},
                            {"local_port", TypeKind::kInt},
                            {"remote_port", TypeKind::kInt},
                            {"keepalive_requests", TypeKind::kLong},
                            {"first_byte_us", TypeKind::kLong}};
constexpr size_t kStandardColumns = 16;

TypeKind TypeOfName(std::string_view name) {
  for (const auto& known : kKnown) {
    if (known.name == name) return known.type;
  }
  return TypeKind::kString;
}

Result<TypeKind> TypeOfWord(std::string_view word, std::string_view column) {
  static constexpr std::pair<std::string_view, TypeKind> kTypes[] = {
      {"int", TypeKind::kInt},       {"long", TypeKind::kLong},
      {"double", TypeKind::kDouble}, {"boolean", TypeKind::kBoolean},
      {"string", TypeKind::kString}, {"timestamptz", TypeKind::kTimestamptz}};
  std::vector<std::string_view> words;
  for (const auto& [name, type] : kTypes) {
    if (name == word) return type;
    words.push_back(name);
  }
  return InvalidArgument(fmt::format(
      "column '{}' cannot have the type '{}'{}", column, word,
      DidYouMean(word, words, "choose int, long, double, boolean, string or timestamptz")));
}

// What stands before and behind the first `separator`; all and nothing if there is none.
std::pair<std::string_view, std::string_view> Cut(std::string_view text, char separator) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == separator) return {text.substr(0, i), text.substr(i + 1)};
  }
  return {text, {}};
}

// name[:type][=key],…
Status AddColumns(std::string_view list, Program& program) {
  for (const std::string_view item : Split(list, ',')) {
    const auto [head, key] = Cut(item, '=');
    const auto [name, type_word] = Cut(head, ':');
    TARN_TRY(format_name::CheckColumnName(name));
    if (key.empty() && head.size() < item.size()) {
      return InvalidArgument(fmt::format("column '{}' has no key behind its '='", name));
    }
    if (type_word.empty() && head.ends_with(':')) {
      return InvalidArgument(fmt::format("column '{}' has no type behind its ':'", name));
    }
    TypeKind type = TypeOfName(name);
    if (!type_word.empty()) {
      TARN_ASSIGN_OR_RETURN(type, TypeOfWord(type_word, name));
    }
    const size_t before = program.columns.size();
    AddColumn(program, name, type, "");
    if (program.columns.size() == before) {
      return InvalidArgument(fmt::format("column '{}' is named twice", name));
    }
    if (program.columns.size() > kMaxSlots - 8) {
      return InvalidArgument(fmt::format("more than {} columns", kMaxSlots - 8));
    }
    program.columns.back().key = key.empty() ? name : key;
  }
  return {};
}

bool Fail(Scratch& scratch, std::string_view reason) {
  scratch.reason = reason;
  return false;
}

// Why a number's column does not take a text.
std::string_view ReasonAgainst(std::string_view text, const Column& column) {
  if (!IsNumber(text)) return column.reason;
  const auto real = ParseDouble(text);
  const double limit = column.type == TypeKind::kInt ? 0x1p31 : 0x1p63;
  return !real || std::abs(*real) >= limit ? column.out_of_range : column.not_whole;
}

}  // namespace

bool IsNumber(std::string_view text) {
  const auto take_digits = [&text] {
    const size_t count = std::min(text.find_first_not_of("0123456789"), text.size());
    text.remove_prefix(count);
    return count > 0;
  };
  const auto take = [&text](std::string_view one_of) {
    if (text.empty() || one_of.find(text.front()) == std::string_view::npos) return false;
    text.remove_prefix(1);
    return true;
  };
  take("-");
  if (!take_digits()) return false;
  if (take(".") && !take_digits()) return false;
  if (take("eE")) {
    take("+-");
    if (!take_digits()) return false;
  }
  return text.empty();
}

bool SetTyped(const Column& column, std::string_view text, Encoding encoding, Scratch& scratch) {
  Slot& slot = scratch.slots[column.slot];
  if (column.type == TypeKind::kString) {
    slot.data = text.data();
    slot.size = static_cast<uint32_t>(text.size());
    slot.encoding = encoding;
    return true;
  }
  if (text.empty() || text == "-") return true;
  std::optional<int64_t> number;
  if (column.type == TypeKind::kTimestamptz) {
    number = ParseAnyTime(text);
  } else if (column.type == TypeKind::kBoolean) {
    if (text == "true" || text == "1") number = 1;
    if (text == "false" || text == "0") number = 0;
  } else if (column.type == TypeKind::kDouble) {
    const auto real = ParseDouble(text);
    if (!real) return Fail(scratch, ReasonAgainst(text, column));
    slot.real = *real;
    slot.encoding = Encoding::kDouble;
    return true;
  } else {
    number = ParseInt64(text);
    if (column.type == TypeKind::kInt && number && (*number > INT32_MAX || *number < INT32_MIN)) {
      number.reset();
    }
  }
  if (!number) {
    const bool whole = column.type == TypeKind::kInt || column.type == TypeKind::kLong;
    return Fail(scratch, whole ? ReasonAgainst(text, column) : std::string_view(column.reason));
  }
  slot.number = *number;
  slot.encoding = Encoding::kNumber;
  return true;
}

Result<Program> CompileJson(std::string_view columns) {
  Program program;
  program.kind = Kind::kJson;
  if (columns.empty()) {
    for (size_t i = 0; i < kStandardColumns; ++i) {
      AddColumn(program, kKnown[i].name, kKnown[i].type, "");
      program.columns.back().key = kKnown[i].name;
    }
  } else {
    TARN_TRY(AddColumns(columns, program));
  }
  Finish(program);
  return program;
}

Result<Program> CompileCsv(std::string_view columns, char delimiter) {
  Program program;
  program.kind = Kind::kCsv;
  program.delimiter = delimiter;
  TARN_TRY(AddColumns(columns, program));
  Finish(program);
  return program;
}

Result<Program> CompileRegex(std::string_view expression) {
  Program program;
  program.kind = Kind::kRegex;
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_encoding(re2::RE2::Options::EncodingLatin1);  // bytes: a log need not be UTF-8
  auto regex =
      std::make_shared<re2::RE2>(re2::StringPiece(expression.data(), expression.size()), options);
  if (!regex->ok()) {
    return InvalidArgument(
        fmt::format("regular expression: {} in '{}'", regex->error(), regex->error_arg()));
  }
  const auto& names = regex->CapturingGroupNames();
  if (names.empty()) {
    return InvalidArgument("regular expression: no named group (?P<name>…), nothing to read");
  }
  if (regex->NumberOfCapturingGroups() > static_cast<int>(kMaxSlots - 8)) {
    return InvalidArgument(fmt::format("regular expression: more than {} groups", kMaxSlots - 8));
  }
  program.groups.assign(static_cast<size_t>(regex->NumberOfCapturingGroups()), kNoSlot);
  for (const auto& [index, name] : names) {
    program.groups[static_cast<size_t>(index) - 1] = AddColumn(program, name, TypeOfName(name), "");
  }
  program.regex = std::move(regex);
  Finish(program);
  return program;
}

bool MatchRegex(const Program& program, std::string_view line, Scratch& scratch) {
  std::array<re2::StringPiece, kMaxSlots> groups;
  const int count = static_cast<int>(program.groups.size()) + 1;
  if (!program.regex->Match(re2::StringPiece(line.data(), line.size()), 0, line.size(),
                            re2::RE2::ANCHOR_BOTH, groups.data(), count)) {
    return Fail(scratch, "the expression does not match");
  }
  for (const auto& column : program.columns) {
    for (size_t i = 0; i < program.groups.size(); ++i) {
      if (program.groups[i] != column.slot || groups[i + 1].data() == nullptr) continue;
      const std::string_view text(groups[i + 1].data(), groups[i + 1].size());
      if (text == "-") continue;
      const bool escaped = text.find('\\') != std::string_view::npos;
      if (!SetTyped(column, text, escaped ? Encoding::kApache : Encoding::kPlain, scratch)) {
        return false;
      }
    }
  }
  return true;
}

namespace {

struct CsvField {
  std::string_view value;
  Encoding encoding = Encoding::kPlain;
  bool quoted = false;
};

// One field off the front of `rest`, up to its delimiter. False with scratch.reason.
bool TakeCsvField(std::string_view& rest, char delimiter, CsvField& field, Scratch& scratch) {
  field = {};
  if (rest.empty() || rest.front() != '"') {
    const size_t end = std::min(rest.find(delimiter), rest.size());
    field.value = rest.substr(0, end);
    // RFC 4180. Values between tabs have no such rule.
    if (delimiter == ',' && field.value.find('"') != std::string_view::npos) {
      return Fail(scratch, "a quote inside a field without quotes");
    }
    rest.remove_prefix(end);
    return true;
  }
  field.quoted = true;
  rest.remove_prefix(1);
  size_t close = 0;
  for (; close < rest.size(); ++close) {
    if (rest[close] != '"') continue;
    if (close + 1 == rest.size() || rest[close + 1] != '"') break;
    field.encoding = Encoding::kCsv;
    ++close;
  }
  if (close >= rest.size()) return Fail(scratch, "no closing quote");
  field.value = rest.substr(0, close);
  rest.remove_prefix(close + 1);
  if (!rest.empty() && rest.front() != delimiter) {
    return Fail(scratch, "text after a closing quote");
  }
  return true;
}

}  // namespace

bool MatchCsv(const Program& program, std::string_view line, Scratch& scratch) {
  size_t wanted = 0;
  for (const auto& column : program.columns) wanted += column.key.empty() ? size_t{0} : size_t{1};
  std::string_view rest = line;
  size_t index = 0;
  for (;; ++index) {
    CsvField field;
    if (!TakeCsvField(rest, program.delimiter, field, scratch)) return false;
    for (const auto& column : program.columns) {
      if (column.slot != index || column.key.empty()) continue;
      if ((field.value.empty() && !field.quoted) || field.value == "-") continue;
      if (!SetTyped(column, field.value, field.encoding, scratch)) return false;
    }
    if (rest.empty()) break;
    rest.remove_prefix(1);
  }
  if (index + 1 < wanted) return Fail(scratch, "fewer fields than columns");
  if (index + 1 > wanted) return Fail(scratch, "more fields than columns");
  return true;
}

}  // namespace tarn::access_log
