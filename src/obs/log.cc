#include "obs/log.h"

#include <unistd.h>

#include <array>

namespace tarn::obs {
namespace {

constexpr std::array<std::string_view, 4> kLevels = {"DEBUG", "INFO", "WARN", "ERROR"};

void AppendTextValue(std::string& line, const codec::Json& value) {
  const std::string* text = value.AsString();
  const bool plain =
      text != nullptr && !text->empty() && text->find_first_of(" \"=\\\n\t") == std::string::npos;
  line.append(plain ? *text : codec::DumpJson(value));
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
