#pragma once

#include <string>

#include "app/lake_handle.h"
#include "app/project.h"
#include "codec/json.h"
#include "http/message.h"

namespace tarn::app {

// Asks the project's running server, with the key that this machine's commands use. NotFound if no
// server runs (or it was killed), the server's own error otherwise.
Result<codec::Json> AskServer(Machine& machine, const Project& project, http::Method method,
                              const std::string& target);

}  // namespace tarn::app
