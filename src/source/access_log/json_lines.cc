#include <cstring>

#include "base/text.h"
#include "source/access_log/match.h"

namespace tarn::access_log {
namespace {

constexpr int kMaxDepth = 64;

// Walks one JSON object without building it. Laxer than RFC 8259 in one thing only: \xhh inside
// strings, which Apache writes.
class ObjectWalk {
 public:
  ObjectWalk(const Program& program, std::string_view line, Scratch& scratch)
      : program_(program), at_(line.data()), end_(line.data() + line.size()), scratch_(scratch) {}

  bool Run() {
    SkipSpace();
    if (!Take('{')) return Fail("the line is no JSON object");
    SkipSpace();
    if (Take('}')) return AtEnd();
    for (;;) {
      SkipSpace();
      std::string_view key;
      bool escaped = false;
      if (!TakeString(key, escaped)) return Fail("a JSON member has no name");
      SkipSpace();
      if (!Take(':')) return Fail("a JSON member has no ':'");
      SkipSpace();
      if (!TakeMember(FindColumn(key))) return false;
      SkipSpace();
      if (Take('}')) return AtEnd();
      if (!Take(',')) return Fail("the JSON object does not end");
    }
  }

 private:
  bool Fail(std::string_view reason) {
    scratch_.reason = reason;
    return false;
  }
  bool AtEnd() {
    SkipSpace();
    return at_ == end_ || Fail("text after the JSON object");
  }
  void SkipSpace() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\t' || *at_ == '\r')) ++at_;
  }
  bool Take(char c) {
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    return true;
  }

  // Members come in the same order on every line, so the search begins behind the last hit.
  const Column* FindColumn(std::string_view key) {
    const auto& columns = program_.columns;
    for (size_t i = 0; i < columns.size(); ++i) {
      const size_t index = (next_ + i) % columns.size();
      if (columns[index].key == key && !key.empty()) {
        next_ = index + 1;
        return &columns[index];
      }
    }
    return nullptr;
  }

  bool TakeString(std::string_view& text, bool& escaped) {
    if (!Take('"')) return false;
    const char* begin = at_;
    for (;; ++at_) {
      const auto* quote =
          static_cast<const char*>(std::memchr(at_, '"', static_cast<size_t>(end_ - at_)));
      if (quote == nullptr) return false;
      const auto* slash =
          static_cast<const char*>(std::memchr(at_, '\\', static_cast<size_t>(quote - at_)));
      if (slash == nullptr) {
        text = {begin, static_cast<size_t>(quote - begin)};
        at_ = quote + 1;
        return true;
      }
      escaped = true;
      at_ = slash + 1;
      if (at_ == end_) return false;
    }
  }

  bool TakeMember(const Column* column) {
    if (at_ == end_) return Fail("a JSON member has no value");
    std::string_view text;
    bool escaped = false;
    if (*at_ == '"') {
      if (!TakeString(text, escaped)) return Fail("no closing quote");
      if (column == nullptr || text == "-") return true;
      return SetTyped(*column, text, escaped ? Encoding::kJson : Encoding::kPlain, scratch_);
    }
    const char* begin = at_;
    if (*at_ == '{' || *at_ == '[') {
      if (!SkipNested()) return false;
      if (column != nullptr && column->type != event::TypeKind::kString) {
        return Fail(column->reason);
      }
    } else {
      while (at_ != end_ && *at_ != ',' && *at_ != '}' && *at_ != ' ' && *at_ != '\t') ++at_;
    }
    text = {begin, static_cast<size_t>(at_ - begin)};
    if (*begin != '{' && *begin != '[' && !IsLiteral(text))
      return Fail("a JSON value is malformed");
    if (column == nullptr || text == "null") return true;
    return SetTyped(*column, text, Encoding::kPlain, scratch_);
  }

  static bool IsLiteral(std::string_view text) {
    return text == "null" || text == "true" || text == "false" || ParseDouble(text).has_value() ||
           IsNumber(text);
  }

  bool SkipNested() {
    int depth = 0;
    while (at_ != end_) {
      const char c = *at_;
      if (c == '"') {
        std::string_view text;
        bool escaped = false;
        if (!TakeString(text, escaped)) return Fail("no closing quote");
        continue;
      }
      ++at_;
      if (c == '{' || c == '[') {
        if (++depth > kMaxDepth) return Fail("JSON is nested too deep");
      } else if (c == '}' || c == ']') {
        if (--depth == 0) return true;
      }
    }
    return Fail("the JSON object does not end");
  }

  const Program& program_;
  const char* at_;
  const char* end_;
  Scratch& scratch_;
  size_t next_ = 0;
};

}  // namespace

bool MatchJson(const Program& program, std::string_view line, Scratch& scratch) {
  return ObjectWalk(program, line, scratch).Run();
}

}  // namespace tarn::access_log
