#pragma once

#include <cstddef>
#include <string_view>

namespace tarn::access_log {

inline constexpr size_t kMaxLineBytes = size_t{1} << 20;

// Cuts a buffer into lines at '\n'; a '\r' before it is not part of the line.
//   for (std::string_view line; lines.Next(line);) …
//   rest = lines.rest();   // the last line, if its newline is not there yet
class Lines {
 public:
  explicit Lines(std::string_view buffer) : rest_(buffer) {}

  // False once no complete line is left.
  bool Next(std::string_view& line) {
    const size_t end = rest_.find('\n');
    if (end == std::string_view::npos) return false;
    line = rest_.substr(0, end);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    rest_.remove_prefix(end + 1);
    return true;
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

}  // namespace tarn::access_log
