#pragma once

#include <cstdio>
#include <memory>
#include <string>

#include "app/interrupter.h"
#include "app/lake_handle.h"
#include "app/result_writer.h"
#include "sql/engine.h"

namespace tarn::app {

// Columns of the terminal that standard output is; 0: it is none.
size_t TerminalWidth();

// Runs statements and writes their rows to standard output or to one file, as --format and --out
// say. Of parquet there is one result. A file is written beside its place under a name of its own
// and takes its place in Finish, on disk by then, with the permissions of the file that was there
// (a new one: 0640); a symbolic link stays, and what it points to is replaced.
class SqlOutput {
 public:
  // As given on the command line; empty: not given. InvalidArgument for what does not go together.
  static Result<std::unique_ptr<SqlOutput>> Open(os::Random& random, const std::string& format,
                                                 const std::string& out);
  // Discards what Finish did not complete.
  ~SqlOutput();
  SqlOutput(const SqlOutput&) = delete;
  SqlOutput& operator=(const SqlOutput&) = delete;

  // Call first: makes the file that is written.
  Status Begin();
  // Ctrl-C cancels it.
  Status Run(Interrupter& interrupter, sql::Session& session, const std::string& statement);
  // InvalidArgument if nothing ran and a file was wanted: it is left alone.
  Status Finish(os::FileSystem& files);
  // From any thread, when the program ends without Finish: removes what was written.
  void Discard() const;

 private:
  SqlOutput() = default;
  Status RunParquet(sql::Session& session, const std::string& statement);
  Status Close();
  Status PutInPlace(os::FileSystem& files);

  bool parquet_ = false;
  ResultStyle style_;
  std::string out_;      // as given; empty: standard output
  std::string place_;    // without symbolic links
  std::string partial_;  // empty: out_ is written itself, being no plain file
  std::FILE* file_ = nullptr;
  uint64_t results_ = 0;
};

}  // namespace tarn::app
