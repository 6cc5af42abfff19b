#include <fmt/format.h>

#include "source/access_log/compile.h"
#include "source/access_log/directives.h"

namespace tarn::access_log {
namespace {

using Class = Directive::Class;
using event::TypeKind;

class StepWriter {
 public:
  explicit StepWriter(std::vector<Directive> items) : items_(std::move(items)) {}

  Result<Program> Write() {
    for (at_ = 0; at_ < items_.size(); ++at_) {
      const Directive& item = items_[at_];
      if (item.kind == Class::kLiteral) {
        WriteLiteral();
      } else {
        if (program_.columns.size() >= kMaxSlots - 8) {
          return InvalidArgument(fmt::format("log format: more than {} columns", kMaxSlots - 8));
        }
        TARN_TRY(WriteDirective(item));
      }
    }
    if (program_.columns.empty()) {
      return InvalidArgument("log format: there is no directive in it, nothing to read");
    }
    Finish(program_);
    return std::move(program_);
  }

 private:
  static bool IsToken(const Directive& item) {
    return item.kind == Class::kToken || item.kind == Class::kHost;
  }
  static bool IsText(const Directive& item) {
    return item.kind == Class::kText || IsToken(item) || item.kind == Class::kUser ||
           item.kind == Class::kUri || item.kind == Class::kQuery;
  }
  const Directive* Next() const { return at_ + 1 < items_.size() ? &items_[at_ + 1] : nullptr; }
  const Directive* AfterNext() const {
    return at_ + 2 < items_.size() ? &items_[at_ + 2] : nullptr;
  }

  // A text directive alone between two quotes takes the quotes into its own step.
  bool StandsInQuotes(size_t index) const {
    if (index == 0 || index + 1 >= items_.size() || !IsText(items_[index])) return false;
    const auto& before = items_[index - 1];
    const auto& after = items_[index + 1];
    return before.kind == Class::kLiteral && before.literal.back() == '"' &&
           after.kind == Class::kLiteral && after.literal.front() == '"' && OpenQuotes(index);
  }
  // Whether an odd number of quotes stands before item `index`.
  bool OpenQuotes(size_t index) const {
    bool open = false;
    for (size_t i = 0; i < index; ++i) {
      for (const char c : items_[i].literal) open ^= c == '"';
    }
    return open;
  }

  void WriteLiteral() {
    std::string literal = items_[at_].literal;
    if (at_ > 0 && StandsInQuotes(at_ - 1)) literal.erase(0, 1);
    if (at_ + 1 < items_.size() && !literal.empty() && StandsInQuotes(at_ + 1)) literal.pop_back();
    if (literal.empty()) return;
    PushLiteral(literal);
  }

  void PushLiteral(std::string_view literal) {
    Step step;
    step.op = Op::kLiteral;
    step.literal = literal;
    step.reason = fmt::format("'{}' is missing", literal);
    if (!program_.steps.empty()) {
      const uint8_t before = program_.steps.back().slot;
      if (before != kNoSlot) {
        step.reason += fmt::format(" after {}", SlotName(before));
      }
    }
    program_.steps.push_back(std::move(step));
  }

  std::string_view SlotName(uint8_t slot) const {
    for (const auto& column : program_.columns) {
      if (column.slot == slot) return column.name;
    }
    return "";
  }

  Status WriteDirective(const Directive& item) {
    Step step;
    step.slot = AddColumn(program_, item.name, item.type, item.doc);
    step.reason = fmt::format("{} is not a number", item.name);
    switch (item.kind) {
      case Class::kNumber:
        step.op = Op::kNumber;
        step.unfit = fmt::format("{} is out of range", item.name);
        step.not_whole = fmt::format("{} is not a whole number", item.name);
        step.narrow = item.type == TypeKind::kInt;
        break;
      case Class::kHex:
        step.op = Op::kHex;
        step.reason = fmt::format("{} is not a hexadecimal number", item.name);
        break;
      case Class::kChar:
        step.op = Op::kChar;
        step.reason = fmt::format("{} is none of X, + and -", item.name);
        break;
      case Class::kTime:
        step.op = Op::kTime;
        step.reason = fmt::format("{} is not a timestamp", item.name);
        break;
      case Class::kTimeFormat:
        return WriteTimeFormat(item, step.slot);
      case Class::kHost:
        return WriteHost(item, std::move(step));
      default:
        TARN_TRY(DescribeText(item, step));
    }
    program_.steps.push_back(std::move(step));
    return {};
  }

  Status WriteHost(const Directive& item, Step step) {
    TARN_TRY(DescribeText(item, step));
    Step check;
    check.slot = step.slot;
    check.op = Op::kHostText;
    check.reason = fmt::format("{} is no name or address", item.name);
    const bool token = step.op == Op::kToken;
    if (token) {
      step.op = Op::kHost;
      step.unfit = check.reason;
    }
    program_.steps.push_back(std::move(step));
    if (!token) program_.steps.push_back(std::move(check));
    return {};
  }

  Status DescribeText(const Directive& item, Step& step) {
    step.list = item.list;
    step.needed = item.name == "vhost";
    step.reason = fmt::format("the line ends before {}", item.name);
    if (item.kind == Class::kUri && Next() != nullptr && Next()->kind == Class::kQuery) {
      step.stop = '?';
      program_.target_from_path = true;
    }
    if (item.kind == Class::kQuery) program_.strip_query_mark = true;
    if (StandsInQuotes(at_)) {
      step.op = Op::kQuoted;
      step.reason = fmt::format("no closing quote after {}", item.name);
      return {};
    }
    const Directive* next = Next();
    if (OpenQuotes(at_) && next != nullptr) {
      step.op = Op::kQuotedText;
      step.reason = fmt::format("no closing quote after {}", item.name);
      if (step.stop == 0) step.stop = next->kind == Class::kLiteral ? next->literal.front() : '"';
      return {};
    }
    return DescribeUnquoted(item, step);
  }

  Status DescribeUnquoted(const Directive& item, Step& step) {
    const Directive* next = Next();
    if (step.stop != 0) {  // %U%q: the terminator is that of %q
      step.op = Op::kText;
      const Directive* after = AfterNext();
      if (after != nullptr && after->kind == Class::kLiteral) step.literal = after->literal;
      return {};
    }
    if (next == nullptr) {
      step.op = Op::kText;
      return {};
    }
    if (next->kind == Class::kTime) {
      step.op = Op::kUser;
      step.reason = item.name + " is not followed by a timestamp";
      return {};
    }
    if (next->kind != Class::kLiteral) {
      return InvalidArgument(
          fmt::format("log format, position {}: nothing separates {} from {}; put a space or a "
                      "quote between them",
                      next->position, item.spelling, next->spelling));
    }
    step.literal = next->literal;
    const Directive* after = AfterNext();
    const char first = next->literal.front();
    if (IsToken(item) && (first == ' ' || first == '\t')) {
      step.op = Op::kToken;
    } else if (item.kind == Class::kUser && after != nullptr && after->kind == Class::kTime) {
      step.op = Op::kUser;
      step.reason = item.name + " is not followed by a timestamp";
    } else if (next->literal == " " || next->literal == "\t") {
      step.op = Op::kToken;
    } else if (IsToken(item) && next->literal == ":") {
      step.op = Op::kHostPort;
    } else {
      step.op = Op::kText;
    }
    return {};
  }

  Status WriteTimeFormat(const Directive& item, uint8_t slot) {
    Step group;
    group.op = Op::kTimeGroup;
    group.slot = slot;
    const size_t group_at = program_.steps.size();
    program_.steps.push_back(group);
    (item.end_time ? program_.end_time_parts : program_.time_parts) = true;
    static constexpr std::pair<std::string_view, char> kEpochs[] = {{"sec", kPartSec},
                                                                    {"msec", kPartMsec},
                                                                    {"usec", kPartUsec},
                                                                    {"msec_frac", kPartMsecFrac},
                                                                    {"usec_frac", kPartUsecFrac}};
    bool done = false;
    for (const auto& [word, part] : kEpochs) {
      if (item.argument == word) {
        PushPart(item, part);
        done = true;
      }
    }
    if (!done) TARN_TRY(WriteStrftime(item, item.argument));
    program_.steps[group_at].skip = static_cast<uint16_t>(program_.steps.size() - group_at - 1);
    return {};
  }

  void PushPart(const Directive& item, char part, bool padded = false) {
    Step step;
    step.op = Op::kTimePart;
    step.part = part;
    step.padded = padded;
    step.end_time = item.end_time;
    step.reason = fmt::format("{} is not a timestamp", item.name);
    program_.steps.push_back(std::move(step));
  }

  void PushTimeLiteral(const Directive& item, std::string& literal) {
    if (literal.empty()) return;
    PushLiteral(literal);
    program_.steps.back().reason = item.name + " is not a timestamp";
    literal.clear();
  }

  // The letters are those of strftime as glibc has it, in the C locale that Apache runs in.
  Status WriteStrftime(const Directive& item, std::string_view format) {
    std::string literal;
    for (size_t i = 0; i < format.size(); ++i) {
      if (format[i] != '%' || i + 1 == format.size()) {
        literal.push_back(format[i]);
        continue;
      }
      ++i;
      bool padded = false;
      for (; i + 1 < format.size() && kTimeFlags.find(format[i]) != std::string_view::npos; ++i) {
        padded |= format[i] == '-' || format[i] == '_';
      }
      if ((format[i] == 'E' || format[i] == 'O') && i + 1 < format.size()) ++i;  // of other locales
      const char letter = format[i];
      if (letter == '%' || letter == 'n' || letter == 't') {
        literal.push_back(letter == '%' ? '%' : letter == 'n' ? '\n' : '\t');
        continue;
      }
      PushTimeLiteral(item, literal);
      TARN_TRY(WriteTimeLetter(item, letter, padded));
    }
    PushTimeLiteral(item, literal);
    return {};
  }

  Status WriteTimeLetter(const Directive& item, char letter, bool padded) {
    if (kTimeLetters.find(letter) != std::string_view::npos) {
      PushPart(item, letter, padded);
      return {};
    }
    for (const auto& [blank, other] : kBlankPadded) {
      if (blank != letter) continue;
      PushPart(item, other, true);
      return {};
    }
    for (const auto& [written, expansion] : kTimeShorts) {
      if (written == letter) return WriteStrftime(item, expansion);
    }
    return InvalidArgument(fmt::format(
        "log format, position {}: %{} in {} cannot be read; known are {}eklhABPDFTRrcxX",
        item.position, letter, item.spelling, kTimeLetters));
  }

  static constexpr std::string_view kTimeFlags = "-_0^#";
  static constexpr std::string_view kTimeLetters = "YCyGgmdjVUWuwHIMSabpZzs";
  static constexpr std::pair<char, char> kBlankPadded[] = {{'e', 'd'}, {'k', 'H'}, {'l', 'I'}};
  // Others that say the same, and what stands for several.
  static constexpr std::pair<char, std::string_view> kTimeShorts[] = {
      {'h', "%b"},          {'A', "%a"},       {'B', "%b"},       {'P', "%p"},
      {'D', "%m/%d/%y"},    {'F', "%Y-%m-%d"}, {'T', "%H:%M:%S"}, {'R', "%H:%M"},
      {'r', "%I:%M:%S %p"}, {'x', "%m/%d/%y"}, {'X', "%H:%M:%S"}, {'c', "%a %b %e %H:%M:%S %Y"}};

  std::vector<Directive> items_;
  size_t at_ = 0;
  Program program_;
};

}  // namespace

Result<Program> CompileLogFormat(std::string_view format) {
  TARN_ASSIGN_OR_RETURN(auto items, ReadLogFormat(format));
  return StepWriter(std::move(items)).Write();
}

}  // namespace tarn::access_log
