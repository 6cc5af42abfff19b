#include "app/out_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "app/file_place.h"
#include "os/posix_file_system.h"

namespace tarn::app {
namespace {

// The descriptor of our own output that the path leads to, as /dev/stdout does; -1 if to neither.
int OwnOutput(const std::string& path) {
  struct stat wanted{};
  if (stat(path.c_str(), &wanted) != 0) return -1;  // not there yet
  for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
    struct stat own{};
    if (fstat(fd, &own) != 0) continue;
    if (own.st_dev == wanted.st_dev && own.st_ino == wanted.st_ino) return fd;
  }
  return -1;
}

// Whether a new file can take the place. A file that links of /proc lead to may have no name, or
// its name may be another's.
bool CanTakePlace(const std::string& path, const std::string& place) {
  struct stat info{};
  if (stat(path.c_str(), &info) != 0) return true;
  return S_ISREG(info.st_mode) && FileIdentity(path) == FileIdentity(place);
}

// Owner, group and permissions of the file whose place it takes, as far as they can be given.
void MakeLike(const std::string& place, const std::string& partial) {
  constexpr mode_t kNewMode = 0640;
  constexpr mode_t kGroup = 0070;
  struct stat old{};
  mode_t mode = kNewMode;
  if (stat(place.c_str(), &old) == 0) {
    mode = old.st_mode & 0777;
    // Root gives a file to anybody, others only to a group of theirs.
    const bool kept = chown(partial.c_str(), old.st_uid, old.st_gid) == 0 ||
                      chown(partial.c_str(), static_cast<uid_t>(-1), old.st_gid) == 0;
    if (!kept) mode = (mode & ~kGroup) | (mode & kGroup & (mode << 3));
  }
  (void)chmod(partial.c_str(), mode);  // where that cannot be said, it stays private
}

}  // namespace

OutFile::OutFile(os::Random& random, std::string path)
    : path_(std::move(path)),
      place_(Followed(path_)),
      own_output_(OwnOutput(path_)),
      partial_(
          own_output_ < 0 && CanTakePlace(path_, place_)
              ? os::JoinPath(os::ParentOf(place_), fmt::format(".tarn-out-{:016x}", random.Next()))
              : std::string()) {}

OutFile::~OutFile() {
  if (file_ == nullptr) return;
  std::fclose(file_);
  Discard();
}

void OutFile::Discard() const {
  if (!partial_.empty()) std::remove(partial_.c_str());
}

Status OutFile::Begin() {
  if (own_output_ >= 0) {
    // Behind what is there already.
    const int fd = fcntl(own_output_, F_DUPFD_CLOEXEC, 0);
    if (fd >= 0) file_ = fdopen(fd, "w");
  } else if (partial_.empty()) {
    file_ = std::fopen(path_.c_str(), "w");
  } else {
    const int fd = open(partial_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) file_ = fdopen(fd, "w");
  }
  return file_ != nullptr ? Status() : os::SystemError("write", path_, errno);
}

Status OutFile::Finish(os::FileSystem& files) {
  Status written = Close();
  if (written.ok() && !partial_.empty()) written = PutInPlace(files);
  if (!written.ok()) Discard();
  return written;
}

Status OutFile::Close() {
  bool good = std::fflush(file_) == 0;
  if (good && !partial_.empty()) good = fsync(fileno(file_)) == 0;
  const int error = errno;
  if (std::fclose(std::exchange(file_, nullptr)) != 0 && good)
    return os::SystemError("write", path_, errno);
  return good ? Status() : os::SystemError("write", path_, error);
}

Status OutFile::PutInPlace(os::FileSystem& files) {
  MakeLike(place_, partial_);
  TARN_TRY(files.Rename(partial_, place_));
  return files.SyncDirectory(os::ParentOf(place_));
}

}  // namespace tarn::app
