#pragma once

#include "app/interrupter.h"
#include "app/lake_handle.h"
#include "app/project.h"
#include "sql/engine.h"

namespace tarn::app {

// What the prompt works with.
struct PromptParts {
  Machine& machine;
  const Project& project;
  Interrupter& interrupter;
  sql::Session& session;
  sql::TableResolver& tables;
};

// The interactive prompt: line editing, history (state/sql_history), completion of tables, columns,
// functions and keywords with Tab. A statement ends with ';'. Ctrl-C cancels a running query or
// drops what was typed; Ctrl-D or \q leaves, \? tells the other commands.
Status RunPrompt(const PromptParts& parts);

}  // namespace tarn::app
