#include "source/access_log/parser.h"

#include <cstring>

#include "base/text.h"
#include "base/time.h"
#include "codec/json.h"
#include "source/access_log/decode.h"
#include "source/access_log/kernel.h"
#include "source/access_log/match.h"

namespace tarn::access_log {
namespace {

Emit::Form FormOf(event::TypeKind type) {
  switch (type) {
    case event::TypeKind::kInt:
    case event::TypeKind::kLong:
      return Emit::Form::kInteger;
    case event::TypeKind::kTimestamptz:
      return Emit::Form::kTime;
    case event::TypeKind::kBoolean:
      return Emit::Form::kBoolean;
    case event::TypeKind::kDouble:
      return Emit::Form::kDouble;
    default:
      return Emit::Form::kString;
  }
}

std::vector<Emit> EmitsOf(const Program& program) {
  std::vector<Emit> emits;
  for (const auto& column : program.columns) {
    Emit emit;
    emit.slot = column.slot;
    emit.form = FormOf(column.type);
    const std::string& prefix = column.json_prefix;
    if (prefix.size() <= emit.prefix.size()) {
      emit.prefix_size = static_cast<uint8_t>(prefix.size());
      std::memcpy(emit.prefix.data(), prefix.data(), prefix.size());
    } else {
      emit.long_prefix = prefix;
    }
    emits.push_back(emit);
  }
  return emits;
}

}  // namespace

struct Parser::State {
  State(Format format_, Shape shape_)
      : format(std::move(format_)),
        program(format.program()),
        shape(shape_),
        kernel(BestKernel()),
        emits(EmitsOf(program)) {
    for (const auto& emit : emits) overhead += 2 + kNumberBytes + emit.long_prefix.size() + 32;
  }

  // Fills the slots; false with scratch.reason.
  bool Match(std::string_view line, bool split);
  bool FinishTimes();
  // Leaves out `request` and `target` where their parts say the same.
  void MakeCompact();
  void WriteSlowly(std::string& out);
  std::string_view Decoded(const Slot& slot);
  void AppendText(const Slot& slot, event::Column& column);

  const Format format;
  const Program& program;
  const Shape shape;
  const Kernel& kernel;
  const std::vector<Emit> emits;
  size_t overhead = 64;
  size_t slack = 0;
  bool lines_are_ascii = false;
  uint64_t copied_bytes = 0;
  Scratch scratch;
  std::string decoded;
  std::string slow;
  std::string raw;  // AppendJson's buffer, only ever grown
  const char* readable = nullptr;
};

bool Parser::State::Match(std::string_view line, bool split) {
  const size_t readable_bytes = line.size() + slack;
  readable = line.data() + readable_bytes;
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  if (line.size() > UINT32_MAX) {
    scratch.reason = "the line is longer than 4 GiB";
    return false;
  }
  for (size_t i = 0; i < program.slots; ++i) scratch.slots[i].encoding = Encoding::kNull;
  if (program.time_parts || program.end_time_parts) scratch.parts = {};
  bool matched = false;
  switch (program.kind) {
    case Kind::kLogFormat:
      matched = kernel.match(program, line, readable_bytes, scratch);
      break;
    case Kind::kError:
      matched = MatchErrorLog(program, line, scratch);
      break;
    case Kind::kJson:
      matched = MatchJson(program, line, scratch);
      break;
    case Kind::kCsv:
      matched = MatchCsv(program, line, scratch);
      break;
    case Kind::kRegex:
      matched = MatchRegex(program, line, scratch);
      break;
  }
  if (!matched) return false;
  if ((program.time_parts || program.end_time_parts) && !FinishTimes()) return false;
  if (split) kernel.split(program, readable, scratch);
  return true;
}

bool Parser::State::FinishTimes() {
  const std::pair<bool, uint8_t> wanted[] = {{program.time_parts, program.time},
                                             {program.end_time_parts, program.end_time}};
  for (size_t i = 0; i < 2; ++i) {
    const auto [has_parts, index] = wanted[i];
    if (!has_parts || !scratch.parts[i].any) continue;
    Slot& slot = scratch.slots[index];
    if (slot.encoding == Encoding::kNumber) {  // %t beside %{msec_frac}t: only the fraction is new
      if (slot.number % 1'000'000 == 0) slot.number += scratch.parts[i].fraction_us;
      continue;
    }
    const auto micros = MicrosOf(scratch.parts[i]);
    if (!micros) {
      scratch.reason = i == 0 ? "time is not a timestamp" : "end_time is not a timestamp";
      return false;
    }
    slot.number = *micros;
    slot.encoding = Encoding::kNumber;
  }
  return true;
}

void Parser::State::MakeCompact() {
  const auto slot = [this](uint8_t index) -> Slot* {
    if (index == kNoSlot || scratch.slots[index].encoding == Encoding::kNull) return nullptr;
    return &scratch.slots[index];
  };
  Slot* target = slot(program.target);
  const Slot* path = slot(program.path);
  if (target == nullptr || path == nullptr) return;
  const Slot* query = slot(program.query);
  const size_t parts = path->size + (query == nullptr ? size_t{0} : size_t{1} + query->size);
  if (target->size != parts) return;
  const Slot* method = slot(program.method);
  const Slot* protocol = slot(program.protocol);
  if (Slot* request = slot(program.request); request != nullptr && method != nullptr) {
    const size_t whole = method->size + size_t{1} + target->size +
                         (protocol == nullptr ? size_t{0} : size_t{1} + protocol->size);
    if (whole == request->size) request->encoding = Encoding::kNull;
  }
  target->encoding = Encoding::kNull;
}

std::string_view Parser::State::Decoded(const Slot& slot) {
  decoded.clear();
  AppendDecoded(slot, lines_are_ascii, decoded);
  return decoded;
}

void Parser::State::AppendText(const Slot& slot, event::Column& column) {
  if (slot.encoding == Encoding::kPlain && (lines_are_ascii || IsValidUtf8(slot.text()))) {
    column.AppendBorrowed(slot.text());
    return;
  }
  const std::string_view text = Decoded(slot);
  copied_bytes += text.size();
  column.AppendBytes(text);
}

void Parser::State::WriteSlowly(std::string& out) {
  out.clear();
  for (const auto& column : program.columns) {
    const Slot& slot = scratch.slots[column.slot];
    if (slot.encoding == Encoding::kNull) continue;
    out.append(column.json_prefix);
    if (slot.encoding == Encoding::kDouble) {
      char digits[kNumberBytes];
      out.append(digits, static_cast<size_t>(WriteDouble(slot.real, digits) - digits));
    } else if (slot.encoding != Encoding::kNumber) {
      codec::AppendJsonString(out, Decoded(slot));
    } else if (column.type == event::TypeKind::kBoolean) {
      out.append(slot.number != 0 ? "true" : "false");
    } else if (column.type == event::TypeKind::kTimestamptz) {
      out.push_back('"');
      AppendTimestamp(out, {slot.number});
      out.push_back('"');
    } else {
      char digits[kNumberBytes];
      out.append(digits, static_cast<size_t>(WriteInteger(slot.number, digits) - digits));
    }
  }
  if (out.empty()) out.push_back('{');
  out.front() = '{';
  out.append("}\n");
}

Parser::Parser(Format format, Shape shape)
    : state_(std::make_unique<State>(std::move(format), shape)) {}
Parser::~Parser() = default;
Parser::Parser(Parser&&) noexcept = default;
Parser& Parser::operator=(Parser&&) noexcept = default;

const Format& Parser::format() const { return state_->format; }
void Parser::set_readable_slack(size_t bytes) { state_->slack = bytes; }
uint64_t Parser::copied_bytes() const { return state_->copied_bytes; }
void Parser::set_lines_are_ascii(bool ascii) { state_->lines_are_ascii = ascii; }

bool Parser::Check(std::string_view line, std::string_view& reason) {
  if (state_->Match(line, false)) return true;
  reason = state_->scratch.reason;
  return false;
}

bool Parser::Parse(std::string_view line, event::ColumnBatch& rows, std::string_view& reason) {
  State& state = *state_;
  if (!state.Match(line, true)) {
    reason = state.scratch.reason;
    return false;
  }
  if (state.shape == Shape::kCompact) state.MakeCompact();
  const auto& columns = state.program.columns;
  for (size_t i = 0; i < columns.size(); ++i) {
    const Slot& slot = state.scratch.slots[columns[i].slot];
    event::Column& column = rows.column(i);
    switch (slot.encoding) {
      case Encoding::kNull:
        column.AppendNull();
        break;
      case Encoding::kNumber:
        column.AppendInt(slot.number);
        break;
      case Encoding::kDouble:
        column.AppendDouble(slot.real);
        break;
      default:
        state.AppendText(slot, column);
    }
  }
  return true;
}

size_t Parser::JsonBound(size_t line_size) const {
  // Every byte of a line stands in at most one column but for request = target = path + query;
  // groups of an expression may nest.
  const Program& program = state_->program;
  const size_t copies = program.kind == Kind::kRegex ? program.columns.size() : 3;
  return state_->overhead + copies * line_size;
}

std::string_view Parser::WriteJson(std::string_view line, char* buffer, std::string_view& reason) {
  State& state = *state_;
  if (!state.Match(line, true)) {
    reason = state.scratch.reason;
    return {};
  }
  if (state.shape == Shape::kCompact) state.MakeCompact();
  if (const char* end = state.kernel.write(state.emits, state.readable, state.scratch, buffer)) {
    return {buffer, static_cast<size_t>(end - buffer)};
  }
  state.WriteSlowly(state.slow);
  return state.slow;
}

bool Parser::AppendJson(std::string_view line, std::string& out, std::string_view& reason) {
  const size_t bound = JsonBound(line.size());
  if (state_->raw.size() < bound) state_->raw.resize(bound * 2);
  const std::string_view json = WriteJson(line, state_->raw.data(), reason);
  out.append(json);
  return !json.empty();
}

}  // namespace tarn::access_log
