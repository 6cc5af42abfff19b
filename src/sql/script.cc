#include "sql/script.h"

#include <utility>

namespace tarn::sql {
namespace {

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

bool IsWord(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

// The "$tag$" that text begins with; empty if it begins with none.
std::string_view DollarTag(std::string_view text) {
  size_t end = 1;
  while (end < text.size() && IsWord(text[end])) ++end;
  const bool digit = text.size() > 1 && text[1] >= '0' && text[1] <= '9';
  if (digit || end == text.size() || text[end] != '$') return {};
  return text.substr(0, end + 1);
}

}  // namespace

void ScriptReader::AddLine(std::string_view line) {
  text_.append(line);
  if (!line.ends_with('\n')) text_.push_back('\n');
}

bool ScriptReader::At(std::string_view text) const {
  return std::string_view(text_).substr(at_).starts_with(text);
}

// Outside of quotes and comments, at a character that is no space.
void ScriptReader::Open() {
  const char c = text_[at_];
  if (At("--")) {
    in_ = In::kLineComment;
    return;
  }
  if (At("/*")) {
    in_ = In::kComment;
    depth_ = 0;  // Step counts this one
    comment_line_ = line_;
    return;
  }
  if (start_ == kNone) {
    start_ = at_;
    start_line_ = line_;
  }
  if (c == '\'') {
    const bool escapes = at_ > start_ && (text_[at_ - 1] == 'e' || text_[at_ - 1] == 'E') &&
                         (at_ - 1 == start_ || !IsWord(text_[at_ - 2]));
    in_ = escapes ? In::kEscapedQuote : In::kQuote;
  } else if (c == '"') {
    in_ = In::kName;
  } else if (c == '$' && (at_ == start_ || !IsWord(text_[at_ - 1]))) {
    closing_ = DollarTag(std::string_view(text_).substr(at_));
    if (closing_.empty()) return;
    in_ = In::kDollar;
    at_ += closing_.size() - 1;
  }
}

bool ScriptReader::Step() {
  const char c = text_[at_];
  size_t width = 1;
  bool ends = false;
  switch (in_) {
    case In::kNothing:
      if (c == ';') {
        ends = true;
      } else if (!IsSpace(c)) {
        Open();
        if (in_ == In::kComment) width = 0;
      }
      break;
    case In::kQuote:
    case In::kEscapedQuote:
      if (in_ == In::kEscapedQuote && c == '\\' && text_[at_ + 1] != '\n') {
        width = 2;
      } else if (At("''")) {
        width = 2;
      } else if (c == '\'') {
        in_ = In::kNothing;
      }
      break;
    case In::kName:
      if (c == '"') in_ = In::kNothing;
      break;
    case In::kDollar:
      if (c == '$' && At(closing_)) {
        width = closing_.size();
        in_ = In::kNothing;
      }
      break;
    case In::kLineComment:
      if (c == '\n') in_ = In::kNothing;
      break;
    case In::kComment:
      if (At("/*")) {
        ++depth_;
        width = 2;
      } else if (At("*/")) {
        if (--depth_ == 0) in_ = In::kNothing;
        width = 2;
      }
      break;
  }
  if (c == '\n') ++line_;
  at_ += width;
  return ends;
}

std::optional<ScriptStatement> ScriptReader::Take(size_t end) {
  std::optional<ScriptStatement> taken;
  if (start_ != kNone) {
    while (end > start_ && IsSpace(text_[end - 1])) --end;
    taken = {text_.substr(start_, end - start_), start_line_};
  }
  text_.erase(0, at_);
  at_ = 0;
  start_ = kNone;
  return taken;
}

std::optional<ScriptStatement> ScriptReader::Next() {
  while (at_ < text_.size()) {
    const size_t before = at_;
    const bool ends = Step();
    if (!ends && (start_ == kNone || at_ - start_ < kMaxBytes)) continue;
    if (auto taken = Take(ends ? before : at_)) return taken;
  }
  // Comments alone need not be kept.
  if (start_ == kNone) (void)Take(at_);
  return std::nullopt;
}

std::optional<ScriptStatement> ScriptReader::Rest() {
  if (auto next = Next()) return next;
  const bool open_comment = std::exchange(in_, In::kNothing) == In::kComment;
  if (open_comment && start_ == kNone) return ScriptStatement{"/*", comment_line_};
  return Take(text_.size());
}

void ScriptReader::Clear() {
  text_.clear();
  at_ = 0;
  start_ = kNone;
  in_ = In::kNothing;
}

}  // namespace tarn::sql
