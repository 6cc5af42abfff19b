#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace tarn::sql {

// One statement of a script.
struct ScriptStatement {
  std::string text;  // without the ';' and without space and comments before it
  size_t line = 1;   // of its first word
};

// Cuts a script into statements at each ';' that is in no quotes ('…', E'…', "…", $tag$…$tag$) and
// no comment (--, nested /* */). Takes any bytes; what is no SQL is left for the engine to refuse.
class ScriptReader {
 public:
  // The next whole line, with or without its '\n'.
  void AddLine(std::string_view line);
  // The next statement that its ';' has ended; one of space and comments alone is skipped.
  std::optional<ScriptStatement> Next();
  // At the end: the last statement, which may lack its ';'. A comment that is not closed is one,
  // which the engine will refuse.
  std::optional<ScriptStatement> Rest();
  // Within a statement.
  bool pending() const { return start_ != kNone; }
  // Within quotes or a comment.
  bool quoted() const { return in_ != In::kNothing; }
  // Forgets what is pending.
  void Clear();

  // A statement this long is no longer waited for: the engine will refuse it.
  static constexpr size_t kMaxBytes = 2 << 20;

 private:
  enum class In { kNothing, kQuote, kEscapedQuote, kName, kDollar, kLineComment, kComment };
  static constexpr size_t kNone = static_cast<size_t>(-1);

  // Over what is at at_; true at a ';' that ends a statement.
  bool Step();
  void Open();
  bool At(std::string_view text) const;
  std::optional<ScriptStatement> Take(size_t end);

  std::string text_;  // from the last statement's end on
  size_t at_ = 0;     // looked at up to here
  size_t start_ = kNone;
  size_t start_line_ = 1;
  size_t line_ = 1;
  In in_ = In::kNothing;
  std::string closing_;  // of kDollar
  size_t depth_ = 0;     // of kComment
  size_t comment_line_ = 1;
};

}  // namespace tarn::sql
