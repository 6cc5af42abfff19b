#include "base/text.h"
#include "source/access_log/compile.h"
#include "source/access_log/match.h"

namespace tarn::access_log {
namespace {

using event::TypeKind;

// Slots in the order CompileErrorLog adds them.
enum ErrorSlot : uint8_t {
  kTimeSlot,
  kModuleSlot,
  kLevelSlot,
  kPidSlot,
  kTidSlot,
  kClientSlot,
  kClientPortSlot,
  kCodeSlot,
  kOsErrorSlot,
  kMessageSlot,
};

void SetSlot(Scratch& scratch, ErrorSlot index, std::string_view text) {
  if (text.empty() || text == "-") return;
  Slot& slot = scratch.slots[index];
  slot.data = text.data();
  slot.size = static_cast<uint32_t>(text.size());
  slot.encoding = text.find('\\') == std::string_view::npos ? Encoding::kPlain : Encoding::kApache;
}

bool SetInteger(Scratch& scratch, ErrorSlot index, std::string_view text) {
  const auto number = ParseInt64(text);
  if (!number || (index == kClientPortSlot && (*number < 0 || *number > 65'535))) return false;
  scratch.slots[index].number = *number;
  scratch.slots[index].encoding = Encoding::kNumber;
  return true;
}

// "[…]" and the blanks behind it off the front of `rest`.
bool TakeBracket(std::string_view& rest, std::string_view& inside) {
  if (rest.empty() || rest.front() != '[') return false;
  const size_t close = rest.find(']');
  if (close == std::string_view::npos) return false;
  inside = rest.substr(1, close - 1);
  rest.remove_prefix(close + 1);
  while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
  return true;
}

// Apache 2.4 writes the port behind every address, IPv6 without brackets; 2.2 wrote none.
void SetClient(std::string_view client, bool with_port, Scratch& scratch) {
  const size_t colon = client.rfind(':');
  const bool has_port = colon != std::string_view::npos && (with_port || client.find(':') == colon);
  if (has_port && SetInteger(scratch, kClientPortSlot, client.substr(colon + 1))) {
    client = client.substr(0, colon);
  }
  if (client.size() > 1 && client.front() == '[' && client.back() == ']') {
    client = client.substr(1, client.size() - 2);
  }
  SetSlot(scratch, kClientSlot, client);
}

// "pid 4803:tid 3814" or "pid 4803".
bool SetProcess(std::string_view inside, Scratch& scratch) {
  if (!inside.starts_with("pid ")) return false;
  inside.remove_prefix(4);
  const size_t colon = std::min(inside.find(':'), inside.size());
  const std::string_view tid = inside.substr(colon);
  if (!SetInteger(scratch, kPidSlot, inside.substr(0, colon))) return false;
  return tid.empty() || (tid.starts_with(":tid ") && SetInteger(scratch, kTidSlot, tid.substr(5)));
}

bool IsMessageCode(std::string_view text) {
  if (text.size() < 9 || !text.starts_with("AH") || text[7] != ':' || text[8] != ' ') return false;
  for (size_t i = 2; i < 7; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
  }
  return true;
}

// "(70008)Partial results are valid: " off the front.
void TakeOsError(std::string_view& rest, Scratch& scratch) {
  if (rest.size() < 4 || rest.front() != '(') return;
  const size_t close = rest.find(')');
  if (close == std::string_view::npos || !ParseInt64(rest.substr(1, close - 1))) return;
  const size_t colon = rest.find(": ", close);
  if (colon == std::string_view::npos) return;
  SetSlot(scratch, kOsErrorSlot, rest.substr(0, colon));
  rest.remove_prefix(colon + 2);
}

}  // namespace

Program CompileErrorLog() {
  Program program;
  program.kind = Kind::kError;
  AddColumn(program, "time", TypeKind::kTimestamptz,
            "time of the message; local time is read as UTC");
  AddColumn(program, "module", TypeKind::kString, "module that wrote it");
  AddColumn(program, "level", TypeKind::kString, "severity");
  AddColumn(program, "pid", TypeKind::kLong, "process id");
  AddColumn(program, "tid", TypeKind::kLong, "thread id");
  AddColumn(program, "client", TypeKind::kString, "client address");
  AddColumn(program, "client_port", TypeKind::kInt, "client port");
  AddColumn(program, "code", TypeKind::kString, "AH number of the message");
  AddColumn(program, "os_error", TypeKind::kString, "(number)text of the operating system or APR");
  AddColumn(program, "message", TypeKind::kString, "the text");
  Finish(program);
  return program;
}

bool MatchErrorLog(const Program&, std::string_view line, Scratch& scratch) {
  std::string_view rest = line;
  std::string_view inside;
  if (!TakeBracket(rest, inside)) {
    scratch.reason = "the line does not begin with [time]";
    return false;
  }
  const auto time = ParseAnyTime(inside);
  if (!time) {
    scratch.reason = "time is not a timestamp";
    return false;
  }
  scratch.slots[kTimeSlot].number = *time;
  scratch.slots[kTimeSlot].encoding = Encoding::kNumber;

  bool from_2_4 = false;
  std::string_view before = rest;
  for (bool first = true; TakeBracket(rest, inside); first = false, before = rest) {
    if (inside.starts_with("client ")) {
      SetClient(inside.substr(7), from_2_4, scratch);
    } else if (first) {
      const size_t colon = inside.find(':');
      from_2_4 = colon != std::string_view::npos;
      if (from_2_4) SetSlot(scratch, kModuleSlot, inside.substr(0, colon));
      SetSlot(scratch, kLevelSlot, from_2_4 ? inside.substr(colon + 1) : inside);
    } else if (!SetProcess(inside, scratch)) {
      break;  // a bracket of the message's own
    }
  }
  rest = before;
  TakeOsError(rest, scratch);
  if (rest.starts_with("[client ") && TakeBracket(rest, inside)) {
    SetClient(inside.substr(7), from_2_4, scratch);
  }
  if (IsMessageCode(rest)) {
    SetSlot(scratch, kCodeSlot, rest.substr(0, 7));
    rest.remove_prefix(9);
  }
  SetSlot(scratch, kMessageSlot, rest);
  return true;
}

}  // namespace tarn::access_log
