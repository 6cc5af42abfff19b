#pragma once

#include "app/lake_handle.h"
#include "app/project.h"
#include "sql/engine.h"

namespace tarn::app {

// The interactive prompt: line editing, history (state/sql_history), completion of tables, columns
// and keywords with Tab. A statement ends with ';' or an empty line. Ctrl-C cancels a running query
// or drops the line; Ctrl-D or \q leaves. Reads statements from a pipe as well.
Status RunPrompt(Machine& machine, const Project& project, sql::Session& session,
                 sql::TableResolver& tables);

}  // namespace tarn::app
