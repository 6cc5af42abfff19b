#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "codec/json.h"
#include "os/clock.h"
#include "os/mutex.h"

namespace tarn::obs {

// ERROR: a person must act, or data was lost. WARN: recovered. INFO: noteworthy, a few a minute.
// DEBUG: off by default.
enum class Level : uint8_t { kDebug, kInfo, kWarn, kError };

enum class LogFormat : uint8_t {
  // "2026-11-24T13:09:46Z INFO  commit.done table=clean.web_log rows=5000"; what has blanks,
  // quotes, controls or no UTF-8 in it is in quotes with JSON's escapes, bytes that are no UTF-8 as
  // \xhh.
  kText,
  kJson,  // {"time":"…","level":"INFO","event":"commit.done","table":"clean.web_log","rows":5000}
};

using LogField = std::pair<std::string_view, codec::Json>;

// Structured log lines to a file descriptor, one write(2) a line. Thread-safe. Modules do not call
// Write themselves: their events.h has one small type per noteworthy event, which emits log line
// and metric together.
class Logger {
 public:
  Logger(const os::Clock& clock, int fd, LogFormat format, Level least)
      : clock_(clock), fd_(fd), format_(format), least_(least) {}

  // `event` is dotted lower case: "journal.recovered".
  void Write(Level level, std::string_view event, std::initializer_list<LogField> fields);

  static std::string Format(LogFormat format, Timestamp time, Level level, std::string_view event,
                            std::initializer_list<LogField> fields);

 private:
  const os::Clock& clock_;
  const int fd_;
  const LogFormat format_;
  const Level least_;
};

}  // namespace tarn::obs
