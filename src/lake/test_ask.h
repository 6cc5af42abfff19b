#pragma once

#include <string>

#include "lake/table_resolver.h"
#include "os/file_system.h"
#include "sql/engine.h"

namespace tarn::lake {

// For tests: the first column of the first row of a statement over the tables below `folder`, as
// text; or the error.
inline std::string AskTables(const std::string& folder, os::FileSystem& files,
                             sql::TableResolver& tables, const std::string& statement) {
  sql::EngineOptions options;
  options.threads = 1;
  options.data_directories = {folder};
  auto engine = sql::Engine::Open(options, files);
  if (!engine.ok()) return engine.error().ToString();
  const auto session = sql::Session::Open(**engine, tables);
  auto result = session->Run(statement);
  if (!result.ok()) return result.error().ToString();
  auto chunk = (*result)->Next();
  if (!chunk.ok()) return chunk.error().ToString();
  if (*chunk == nullptr) return "no rows";
  std::string text;
  (*chunk)->At(0, 0).AppendText(text);
  return text;
}

}  // namespace tarn::lake
