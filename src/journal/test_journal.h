#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/text.h"
#include "journal/journal.h"
#include "os/sim_file_system.h"

namespace tarn::journal {

// What the tests of the journal share: a simulated disk and a small journal on it.
struct TestWorld {
  explicit TestWorld(uint64_t seed) : files(seed), random(seed) {}
  ~TestWorld() { ::close(log_fd); }
  TestWorld(const TestWorld&) = delete;
  TestWorld& operator=(const TestWorld&) = delete;

  Result<std::unique_ptr<Journal>> Open() {
    return Journal::Open({files, random, clock, log, metrics}, "/journal", options);
  }

  // Lines of the log with `event`.
  std::vector<std::string> Logged(std::string_view event) const {
    std::string text(1 << 20, '\0');
    const ssize_t size = ::pread(log_fd, text.data(), text.size(), 0);
    text.resize(size > 0 ? static_cast<size_t>(size) : 0);
    std::vector<std::string> lines;
    for (const std::string_view line : Split(text, '\n')) {
      if (line.find(event) != std::string_view::npos) lines.emplace_back(line);
    }
    return lines;
  }

  const int log_fd = ::memfd_create("log", 0);
  os::SimFileSystem files;
  os::SeededRandom random;
  os::FakeClock clock{Timestamp{0}};
  obs::Logger log{clock, log_fd, obs::LogFormat::kText, obs::Level::kWarn};
  obs::Registry metrics;
  Options options{.segment_bytes = 16'384,
                  .max_bytes = 16'384 * 8,
                  .max_record_bytes = 8'192,
                  .max_in_flight_bytes = 65'536,
                  .max_spare_segments = 2,
                  .retry_micros = 0};
};

// A disk whose syncs wait until they are let go.
class GatedFiles final : public os::FileSystem {
 public:
  explicit GatedFiles(os::FileSystem& files) : files_(files) {}
  void Shut() {
    os::MutexLock lock(mutex_);
    shut_ = true;
  }
  void LetGo() {
    os::MutexLock lock(mutex_);
    shut_ = false;
    changed_.NotifyAll();
  }
  // Until a sync waits, or `otherwise` (looked at again after every Poke) holds.
  void Await(const std::function<bool()>& otherwise) {
    os::MutexLock lock(mutex_);
    while (waiting_ == 0 && !otherwise()) changed_.Wait(mutex_);
  }
  void Poke() {
    os::MutexLock lock(mutex_);
    changed_.NotifyAll();
  }

  Result<std::unique_ptr<os::File>> Open(const std::string& path, os::OpenMode mode) override {
    TARN_ASSIGN_OR_RETURN(auto file, files_.Open(path, mode));
    return std::unique_ptr<os::File>(std::make_unique<GatedFile>(*this, std::move(file)));
  }
  Result<os::FileInfo> Stat(const std::string& path) const override { return files_.Stat(path); }
  Result<std::vector<std::string>> List(const std::string& path) const override {
    return files_.List(path);
  }
  Status CreateDirectories(const std::string& path) override {
    return files_.CreateDirectories(path);
  }
  Status Rename(const std::string& from, const std::string& to) override {
    return files_.Rename(from, to);
  }
  Status RenameNoReplace(const std::string& from, const std::string& to) override {
    return files_.RenameNoReplace(from, to);
  }
  Status Remove(const std::string& path) override { return files_.Remove(path); }
  Status RemoveRecursively(const std::string& path) override {
    return files_.RemoveRecursively(path);
  }
  Status SyncDirectory(const std::string& path) override { return files_.SyncDirectory(path); }
  Result<std::unique_ptr<os::FileLock>> Lock(const std::string& path) override {
    return files_.Lock(path);
  }
  Result<uint64_t> FreeBytes(const std::string& path) const override {
    return files_.FreeBytes(path);
  }

 private:
  class GatedFile final : public os::File {
   public:
    GatedFile(GatedFiles& gate, std::unique_ptr<os::File> file)
        : gate_(gate), file_(std::move(file)) {}
    Result<std::string> ReadAt(uint64_t offset, size_t size) const override {
      return file_->ReadAt(offset, size);
    }
    Result<size_t> ReadInto(uint64_t offset, std::span<char> buffer) const override {
      return file_->ReadInto(offset, buffer);
    }
    Status WriteAt(uint64_t offset, std::string_view bytes) override {
      return file_->WriteAt(offset, bytes);
    }
    Status Sync() override {
      gate_.Pass();
      return file_->Sync();
    }
    Status Preallocate(uint64_t size) override { return file_->Preallocate(size); }
    Status Truncate(uint64_t size) override { return file_->Truncate(size); }
    Result<uint64_t> Size() const override { return file_->Size(); }

   private:
    GatedFiles& gate_;
    std::unique_ptr<os::File> file_;
  };

  void Pass() {
    os::MutexLock lock(mutex_);
    ++waiting_;
    changed_.NotifyAll();
    while (shut_) changed_.Wait(mutex_);
    --waiting_;
  }

  os::FileSystem& files_;
  os::Mutex mutex_;
  os::ConditionVariable changed_;
  bool shut_ = false;
  int waiting_ = 0;
};

inline std::string RandomBytes(os::Random& random, size_t size) {
  std::string bytes;
  while (bytes.size() < size) bytes.push_back(static_cast<char>(random.Next()));
  return bytes;
}

// All records from `from` on.
inline Result<std::vector<std::string>> ReadAll(Journal& journal, Position from) {
  TARN_ASSIGN_OR_RETURN(const auto cursor, journal.ReadFrom(from));
  std::vector<std::string> all;
  while (true) {
    TARN_ASSIGN_OR_RETURN(auto record, cursor->Next());
    if (!record) return all;
    if (record->position.value != from.value + all.size()) return Internal("positions have a gap");
    all.push_back(std::move(record->bytes));
  }
}

}  // namespace tarn::journal
