#pragma once

#include "os/file_system.h"

namespace tarn::os {

// What a system call's errno says, in FileSystem's codes: "cannot VERB PATH: no space left …".
Error SystemError(std::string_view verb, const std::string& path, int error);

class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  Result<FileInfo> Stat(const std::string& path) const override;
  Result<std::vector<std::string>> List(const std::string& path) const override;
  Status CreateDirectories(const std::string& path) override;
  Status MakeDirectory(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status RenameNoReplace(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status RemoveRecursively(const std::string& path) override;
  Status SyncDirectory(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path) override;
  Result<bool> IsLocked(const std::string& path) override;
  Result<uint64_t> FreeBytes(const std::string& path) const override;
};

}  // namespace tarn::os
