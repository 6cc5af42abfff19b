#pragma once

#include <string_view>

#include "base/result.h"
#include "source/access_log/program.h"

namespace tarn::access_log {

// One compiler per kind; each fills in a Program whose `text` the caller sets.
Result<Program> CompileLogFormat(std::string_view format);
Program CompileErrorLog();
Result<Program> CompileJson(std::string_view columns);
Result<Program> CompileCsv(std::string_view columns, char delimiter);
Result<Program> CompileRegex(std::string_view expression);

}  // namespace tarn::access_log
