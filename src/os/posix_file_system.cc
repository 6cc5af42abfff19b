#include "os/posix_file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace tarn::os {
namespace {

Code CodeOf(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return Code::kNotFound;
    case EEXIST:
      return Code::kAlreadyExists;
    case EACCES:
    case EPERM:
    case EROFS:
      return Code::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
      return Code::kResourceExhausted;
    case EPIPE:
      return Code::kReaderGone;
    default:
      return Code::kIo;
  }
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

class PosixFile final : public File {
 public:
  PosixFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  Result<std::string> ReadAt(uint64_t offset, size_t size) const override {
    std::string bytes(size, '\0');
    TARN_ASSIGN_OR_RETURN(const size_t count, ReadInto(offset, bytes));
    bytes.resize(count);
    return bytes;
  }

  Result<size_t> ReadInto(uint64_t offset, std::span<char> buffer) const override {
    size_t done = 0;
    while (done < buffer.size()) {
      const ssize_t count = pread(fd_.get(), buffer.data() + done, buffer.size() - done,
                                  static_cast<off_t>(offset + done));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return SystemError("read", path_, errno);
      if (count == 0) break;
      done += static_cast<size_t>(count);
    }
    return done;
  }

  Status WriteAt(uint64_t offset, std::string_view bytes) override {
    size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t count = pwrite(fd_.get(), bytes.data() + done, bytes.size() - done,
                                   static_cast<off_t>(offset + done));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return SystemError("write", path_, errno);
      done += static_cast<size_t>(count);
    }
    return {};
  }

  Status Sync() override {
    if (fdatasync(fd_.get()) != 0) return SystemError("sync", path_, errno);
    return {};
  }

  void StartSync() override { sync_file_range(fd_.get(), 0, 0, SYNC_FILE_RANGE_WRITE); }

  Status Preallocate(uint64_t size) override {
    const int error = posix_fallocate(fd_.get(), 0, static_cast<off_t>(size));
    if (error != 0) return SystemError("reserve space for", path_, error);
    return {};
  }

  Status Truncate(uint64_t size) override {
    if (ftruncate(fd_.get(), static_cast<off_t>(size)) != 0)
      return SystemError("truncate", path_, errno);
    return {};
  }

  Result<uint64_t> Size() const override {
    struct stat info{};
    if (fstat(fd_.get(), &info) != 0) return SystemError("stat", path_, errno);
    return static_cast<uint64_t>(info.st_size);
  }

 private:
  const std::string path_;
  const Descriptor fd_;
};

class PosixLock final : public FileLock {
 public:
  explicit PosixLock(int fd) : fd_(fd) {}

 private:
  const Descriptor fd_;
};

int FlagsOf(OpenMode mode) {
  switch (mode) {
    case OpenMode::kRead:
      return O_RDONLY;
    case OpenMode::kReadWrite:
      return O_RDWR;
    case OpenMode::kCreate:
      return O_RDWR | O_CREAT;
    case OpenMode::kCreateNew:
    case OpenMode::kCreateNewPrivate:
      return O_RDWR | O_CREAT | O_EXCL;
  }
  return O_RDONLY;
}

}  // namespace

Error SystemError(std::string_view verb, const std::string& path, int error) {
  return {CodeOf(error),
          fmt::format("cannot {} {}: {}", verb, path, std::generic_category().message(error))};
}

Result<std::unique_ptr<File>> PosixFileSystem::Open(const std::string& path, OpenMode mode) {
  const int fd = open(path.c_str(), FlagsOf(mode) | O_CLOEXEC,
                      mode == OpenMode::kCreateNewPrivate ? 0600 : 0640);
  if (fd < 0) return SystemError("open", path, errno);
  return std::unique_ptr<File>(std::make_unique<PosixFile>(path, fd));
}

Result<FileInfo> PosixFileSystem::Stat(const std::string& path) const {
  struct stat info{};
  if (stat(path.c_str(), &info) != 0) return SystemError("stat", path, errno);
  return FileInfo{
      .size = static_cast<uint64_t>(info.st_size),
      .is_directory = S_ISDIR(info.st_mode),
      .modified = {info.st_mtim.tv_sec * kMicrosPerSecond + info.st_mtim.tv_nsec / 1'000},
      .device = info.st_dev,
      .inode = info.st_ino,
      .mode = static_cast<uint32_t>(info.st_mode & 07777),
      .owner = static_cast<uint32_t>(info.st_uid)};
}

Result<std::vector<std::string>> PosixFileSystem::List(const std::string& path) const {
  DIR* folder = opendir(path.c_str());
  if (folder == nullptr) return SystemError("list", path, errno);
  std::vector<std::string> names;
  while (const dirent* entry = readdir(folder)) {
    std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(std::move(name));
  }
  closedir(folder);
  std::sort(names.begin(), names.end());
  return names;
}

Status PosixFileSystem::CreateDirectories(const std::string& path) {
  if (path.empty() || path == "/") return {};
  if (const auto info = Stat(path); info.ok()) {
    if (info->is_directory) return {};
    return AlreadyExists(fmt::format("cannot make folder {}: a file of that name is there", path));
  }
  const std::string parent = ParentOf(path);
  if (parent != path && parent != ".") TARN_TRY(CreateDirectories(parent));
  if (mkdir(path.c_str(), 0750) != 0 && errno != EEXIST)
    return SystemError("make folder", path, errno);
  return SyncDirectory(parent);
}

Status PosixFileSystem::MakeDirectory(const std::string& path) {
  if (mkdir(path.c_str(), 0750) == 0) return {};
  const int error = errno;
  if (const auto info = Stat(path); info.ok() && info->is_directory) return {};
  return SystemError("make folder", path, error);
}

Status PosixFileSystem::Rename(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) != 0)
    return SystemError("rename", from + " to " + to, errno);
  return {};
}

Status PosixFileSystem::RenameNoReplace(const std::string& from, const std::string& to) {
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return {};
  if (errno != EINVAL && errno != ENOSYS) return SystemError("rename", from + " to " + to, errno);
  // A file system without the flag (NFS, older FUSE): link(2) refuses a taken name just as well.
  if (link(from.c_str(), to.c_str()) != 0) return SystemError("link", from + " to " + to, errno);
  return Remove(from);
}

Status PosixFileSystem::Remove(const std::string& path) {
  if (remove(path.c_str()) != 0) return SystemError("remove", path, errno);
  return {};
}

Status PosixFileSystem::RemoveRecursively(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) return SystemError("remove", path, error.value());
  return {};
}

Status PosixFileSystem::SyncDirectory(const std::string& path) {
  const Descriptor fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0) return SystemError("open folder", path, errno);
  if (fsync(fd.get()) != 0) return SystemError("sync folder", path, errno);
  return {};
}

Result<std::unique_ptr<FileLock>> PosixFileSystem::Lock(const std::string& path) {
  int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (fd < 0 && errno == EISDIR) fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return SystemError("open", path, errno);
  auto lock = std::make_unique<PosixLock>(fd);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return Conflict(fmt::format("{} is locked by another process", path));
    return SystemError("lock", path, errno);
  }
  return std::unique_ptr<FileLock>(std::move(lock));
}

Result<bool> PosixFileSystem::IsLocked(const std::string& path) {
  const Descriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return SystemError("open", path, errno);
  // Shared, so that two who ask do not see each other.
  if (flock(fd.get(), LOCK_SH | LOCK_NB) == 0) return false;
  if (errno == EWOULDBLOCK) return true;
  return SystemError("lock", path, errno);
}

Result<uint64_t> PosixFileSystem::FreeBytes(const std::string& path) const {
  struct statvfs info{};
  if (statvfs(path.c_str(), &info) != 0) return SystemError("stat", path, errno);
  return static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
}

}  // namespace tarn::os
