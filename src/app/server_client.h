#pragma once

#include <string>

#include "app/lake_handle.h"
#include "app/project.h"
#include "app/server.h"
#include "codec/json.h"
#include "http/message.h"

namespace tarn::app {

inline constexpr int64_t kAnswerMicros = 10 * kMicrosPerSecond;

// Asks the project's running server, with the key that this machine's commands use. NotFound if no
// server runs (or it was killed); Unavailable if it is there and cannot be reached, or went away
// before it had answered; DeadlineExceeded if it says nothing for so long; the server's own error
// otherwise.
Result<codec::Json> AskServer(Machine& machine, const Project& project,
                              const RunningServer& running, http::Method method,
                              const std::string& target, int64_t timeout_micros = kAnswerMicros);
// The same, of the server that FindServer finds.
Result<codec::Json> AskServer(Machine& machine, const Project& project, http::Method method,
                              const std::string& target, int64_t timeout_micros = kAnswerMicros);

}  // namespace tarn::app
