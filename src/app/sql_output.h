#pragma once

#include <cstdio>
#include <memory>
#include <string>

#include "app/interrupter.h"
#include "app/lake_handle.h"
#include "app/out_file.h"
#include "app/result_writer.h"
#include "sql/engine.h"

namespace tarn::app {

// Columns of the terminal that standard output is; 0: it is none.
size_t TerminalWidth();

// Runs statements and writes their rows to standard output or to one file, as --format and --out
// say. Of parquet there is one result.
class SqlOutput {
 public:
  // As given on the command line; empty: not given. InvalidArgument for what does not go together.
  static Result<std::unique_ptr<SqlOutput>> Open(os::Random& random, const std::string& format,
                                                 const std::string& out);
  ~SqlOutput();
  SqlOutput(const SqlOutput&) = delete;
  SqlOutput& operator=(const SqlOutput&) = delete;

  // As those of OutFile.
  Status Begin();
  // Ctrl-C cancels it.
  Status Run(Interrupter& interrupter, sql::Session& session, const std::string& statement);
  // InvalidArgument if nothing ran and a file was wanted: it is left alone.
  Status Finish(os::FileSystem& files);
  void Discard() const;

 private:
  SqlOutput() = default;
  Status RunParquet(sql::Session& session, const std::string& statement);

  bool parquet_ = false;
  uint64_t parquet_rows_ = 0;
  ResultStyle style_;
  std::unique_ptr<OutFile> file_;  // null: standard output
  uint64_t results_ = 0;
};

}  // namespace tarn::app
