#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace tarn::os {

// An open file. Thread-confined, except that ReadAt may run beside anything.
class File {
 public:
  virtual ~File() = default;

  // Up to `size` bytes from `offset`, fewer only at the end of the file.
  virtual Result<std::string> ReadAt(uint64_t offset, size_t size) const = 0;
  // The same into memory of the caller's; answers the bytes read. For hot paths.
  virtual Result<size_t> ReadInto(uint64_t offset, std::span<char> buffer) const = 0;
  virtual Status WriteAt(uint64_t offset, std::string_view bytes) = 0;
  // Data (and the size, if it changed) is on disk when this returns: fdatasync.
  virtual Status Sync() = 0;
  // A hint that Sync will follow: the disk may begin now. Promises nothing.
  virtual void StartSync() {}
  // Reserves space and extends the file with zeros, so that later writes need no new blocks.
  virtual Status Preallocate(uint64_t size) = 0;
  virtual Status Truncate(uint64_t size) = 0;
  virtual Result<uint64_t> Size() const = 0;
};

enum class OpenMode : uint8_t {
  kRead,              // must exist
  kReadWrite,         // must exist
  kCreate,            // read and write; made if it is not there
  kCreateNew,         // read and write; AlreadyExists if it is there
  kCreateNewPrivate,  // the same, and nobody but its owner can ever open it: mode 0600
};

struct FileInfo {
  uint64_t size = 0;
  bool is_directory = false;
  Timestamp modified;
  uint64_t device = 0;
  uint64_t inode = 0;
  uint32_t mode = 0;   // permission bits, 0 where there are none
  uint32_t owner = 0;  // user id, 0 where there are none
};

// Held for as long as it lives; the kernel lets go when the process dies.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

// The disk. The one seam between Tarn and the operating system's files: SimFileSystem drops
// unsynced bytes, tears writes and fails on demand. Thread-safe. Errors name the path and the
// kernel's reason; ENOSPC is ResourceExhausted, ENOENT is NotFound, EEXIST is AlreadyExists, EACCES
// is PermissionDenied, the rest Io.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  virtual Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) = 0;
  virtual Result<FileInfo> Stat(const std::string& path) const = 0;
  // Names (not paths) in a folder, sorted; without "." and "..".
  virtual Result<std::vector<std::string>> List(const std::string& path) const = 0;
  // Makes the folder and its parents; fine if it is there. New entries are synced into their
  // parents.
  virtual Status CreateDirectories(const std::string& path) = 0;
  // The same for one folder whose parent is there, without any sync: durable only after
  // SyncDirectory of the parent. For many folders at once.
  virtual Status MakeDirectory(const std::string& path) { return CreateDirectories(path); }
  // Replaces `to` atomically. Durable only after SyncDirectory of the parent.
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  // The same, but AlreadyExists if `to` is there; of several callers exactly one wins.
  virtual Status RenameNoReplace(const std::string& from, const std::string& to) = 0;
  virtual Status Remove(const std::string& path) = 0;  // a file or an empty folder
  virtual Status RemoveRecursively(const std::string& path) = 0;
  virtual Status SyncDirectory(const std::string& path) = 0;
  // Exclusive, does not wait: Conflict if another process holds it. A file is made if there is
  // none; a folder has a lock, too.
  virtual Result<std::unique_ptr<FileLock>> Lock(const std::string& path) = 0;
  // Whether somebody holds that lock just now. Several may ask at once; NotFound if there is no
  // such file, which is not made.
  virtual Result<bool> IsLocked(const std::string& path);
  // Bytes an unprivileged process can still write.
  virtual Result<uint64_t> FreeBytes(const std::string& path) const = 0;

  // Conveniences over the above.
  bool Exists(const std::string& path) const;
  // Whether the file at the path is the one that was looked at: not removed, moved or replaced.
  Result<bool> IsStillThere(const std::string& path, const FileInfo& file) const;
  // As many bytes as the file's size says: none of what the kernel makes up (/proc).
  Result<std::string> ReadFile(const std::string& path);
  // Writes a temporary sibling, syncs it, renames it, syncs the folder: after a crash the old or
  // the new file is there.
  Status WriteFileAtomically(const std::string& path, std::string_view bytes);
  // The same for secrets: never readable by others, not even before the rename. The temporary's
  // name is this process's own.
  Status WritePrivateFileAtomically(const std::string& path, std::string_view bytes);
};

bool IsSameFile(const FileInfo& a, const FileInfo& b);  // whatever their content is now
std::string ParentOf(std::string_view path);
std::string JoinPath(std::string_view folder, std::string_view name);

}  // namespace tarn::os
