#pragma once

#include <cstdio>
#include <string>

#include "os/file_system.h"
#include "os/random.h"

namespace tarn::app {

// A file that a command writes for its user, as --out names it. A plain file is written beside its
// place under a name of its own, which its owner alone reads, and takes its place in Finish, on
// disk by then; a symbolic link stays, and what it points to is replaced. A new file gets 0640;
// another keeps its permissions, and owner and group where this user may give them: a group that
// cannot be kept passes its rights on to nobody. What is no plain file (a pipe, a terminal, a
// device), has no name, or is our own standard output or error (/dev/stdout) is written to as it
// is.
class OutFile {
 public:
  OutFile(os::Random& random, std::string path);
  // Discards what Finish did not complete.
  ~OutFile();
  OutFile(const OutFile&) = delete;
  OutFile& operator=(const OutFile&) = delete;

  const std::string& path() const { return path_; }  // as given
  // Where it is written until it is whole; empty for what is written to as it is.
  const std::string& partial() const { return partial_; }

  // Call first: makes the file that is written. Errors name the path as given.
  Status Begin();
  std::FILE* stream() const { return file_; }
  Status Finish(os::FileSystem& files);
  // From any thread, when the program ends without Finish: removes what was written.
  void Discard() const;

 private:
  Status Close();
  Status PutInPlace(os::FileSystem& files);

  const std::string path_;
  const std::string place_;  // without symbolic links
  const int own_output_;
  const std::string partial_;
  std::FILE* file_ = nullptr;
};

}  // namespace tarn::app
