#include "os/file_system.h"

#include <unistd.h>

#include <memory>
#include <utility>

namespace tarn::os {
namespace {

Status WriteWhole(std::unique_ptr<File> file, std::string_view bytes) {
  TARN_TRY(file->Truncate(0));
  TARN_TRY(file->WriteAt(0, bytes));
  return file->Sync();
}

}  // namespace

bool FileSystem::Exists(const std::string& path) const { return Stat(path).ok(); }

Result<bool> FileSystem::IsLocked(const std::string& path) {
  TARN_TRY(Stat(path));
  const auto lock = Lock(path);
  if (lock.ok()) return false;
  if (lock.error().code() == Code::kConflict) return true;
  return lock.error();
}

Result<bool> FileSystem::IsStillThere(const std::string& path, const FileInfo& file) const {
  const auto info = Stat(path);
  if (info.ok()) return IsSameFile(*info, file);
  if (info.error().code() == Code::kNotFound) return false;
  return info.error();
}

Result<std::string> FileSystem::ReadFile(const std::string& path) {
  TARN_ASSIGN_OR_RETURN(const auto file, Open(path, OpenMode::kRead));
  TARN_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  return file->ReadAt(0, size);
}

Status FileSystem::WriteFileAtomically(const std::string& path, std::string_view bytes) {
  const std::string temporary = path + ".tmp";
  TARN_ASSIGN_OR_RETURN(auto file, Open(temporary, OpenMode::kCreate));
  TARN_TRY(WriteWhole(std::move(file), bytes));
  TARN_TRY(Rename(temporary, path));
  return SyncDirectory(ParentOf(path));
}

Status FileSystem::WritePrivateFileAtomically(const std::string& path, std::string_view bytes) {
  const std::string temporary = path + ".new-" + std::to_string(getpid());
  // Of a process of that number that died.
  const Status removed = Remove(temporary);
  if (!removed.ok() && removed.error().code() != Code::kNotFound) return removed;
  TARN_ASSIGN_OR_RETURN(auto file, Open(temporary, OpenMode::kCreateNewPrivate));
  Status written = WriteWhole(std::move(file), bytes);
  if (written.ok()) written = Rename(temporary, path);
  if (!written.ok()) {
    (void)Remove(temporary);  // no secret stays behind under a name nobody looks for
    return written;
  }
  return SyncDirectory(ParentOf(path));
}

bool IsSameFile(const FileInfo& a, const FileInfo& b) {
  return a.device == b.device && a.inode == b.inode;
}

std::string ParentOf(std::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return std::string(slash == 0 ? "/" : path.substr(0, slash));
}

std::string JoinPath(std::string_view folder, std::string_view name) {
  std::string path(folder);
  if (!path.empty() && path.back() != '/') path.push_back('/');
  return path.append(name);
}

}  // namespace tarn::os
