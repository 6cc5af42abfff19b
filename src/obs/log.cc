#include "obs/log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>

#include "base/text.h"

namespace tarn::obs {
namespace {

constexpr std::array<std::string_view, 4> kLevels = {"DEBUG", "INFO", "WARN", "ERROR"};

// DEL, and the controls behind ASCII (U+0080 to U+009F), which a terminal obeys as it does ESC.
// JSON escapes the others itself.
bool IsHighControl(std::string_view text, size_t at) {
  if (text[at] == '\x7f') return true;
  return text[at] == '\xc2' && at + 1 < text.size() && static_cast<uint8_t>(text[at + 1]) < 0xa0;
}

bool IsPlain(std::string_view text) {
  if (text.empty() || !IsValidUtf8(text)) return false;
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    const bool ends = static_cast<uint8_t>(c) <= ' ' || c == '"' || c == '=' || c == '\\';
    if (ends || IsHighControl(text, at)) return false;
  }
  return true;
}

// Names and formats come from whoever may send: nothing of them is to reach a terminal as it is.
void AppendTextValue(std::string& line, const codec::Json& value) {
  const std::string* text = value.AsString();
  if (text != nullptr && IsPlain(*text)) {
    line.append(*text);
    return;
  }
  const std::string dumped =
      codec::DumpJson(text == nullptr ? value : codec::Json(EscapeInvalidUtf8(*text)));
  for (size_t at = 0; at < dumped.size(); ++at) {
    if (!IsHighControl(dumped, at)) {
      line.push_back(dumped[at]);
      continue;
    }
    if (dumped[at] == '\xc2') ++at;
    line.append(fmt::format("\\u{:04x}", static_cast<uint8_t>(dumped[at])));
  }
}

}  // namespace

std::string Logger::Format(LogFormat format, Timestamp time, Level level, std::string_view event,
                           std::initializer_list<LogField> fields) {
  const std::string_view level_name = kLevels.at(static_cast<size_t>(level));
  if (format == LogFormat::kJson) {
    codec::Json line;
    line.Set("time", FormatTimestamp(time));
    line.Set("level", level_name);
    line.Set("event", event);
    for (const auto& [key, value] : fields) line.Set(key, value);
    return codec::DumpJson(line) + "\n";
  }
  std::string line = FormatTimestamp(time);
  line.append(" ").append(level_name).append(6 - level_name.size(), ' ').append(event);
  for (const auto& [key, value] : fields) {
    line.append(" ").append(key).append("=");
    AppendTextValue(line, value);
  }
  line.push_back('\n');
  return line;
}

void Logger::Write(Level level, std::string_view event, std::initializer_list<LogField> fields) {
  if (level < least_) return;
  const std::string line = Format(format_, clock_.Now(), level, event, fields);
  // A log that cannot be written must not stop the work it reports on.
  [[maybe_unused]] const ssize_t written = write(fd_, line.data(), line.size());
}

}  // namespace tarn::obs
