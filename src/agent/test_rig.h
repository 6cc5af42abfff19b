#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <atomic>
#include <deque>
#include <filesystem>
#include <fstream>

#include "agent/file_table.h"
#include "agent/shipper.h"
#include "agent/tailer.h"
#include "base/check.h"
#include "os/clock.h"
#include "os/posix_file_system.h"
#include "os/random.h"

// What the agent's tests share: a folder, a clock that moves when told, and a server in memory.
namespace tarn::agent::testing {

class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "agent_test_XXXXXX").string();
    TARN_CHECK(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline void Append(const std::string& path, std::string_view text) {
  std::ofstream out(path, std::ios::binary | std::ios::app);
  out << text;
}
inline void CopyTruncate(const std::string& from, const std::string& to) {
  std::filesystem::copy_file(from, to);
  std::filesystem::resize_file(from, 0);
}
inline void Gzip(const std::string& from) {
  std::ifstream in(from, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  gzFile out = gzopen((from + ".gz").c_str(), "wb");
  TARN_CHECK(gzwrite(out, bytes.data(), static_cast<unsigned>(bytes.size())) ==
             static_cast<int>(bytes.size()));
  gzclose(out);
  std::filesystem::remove(from);
}

inline std::string Lines(int from, int count) {
  std::string text;
  for (int i = from; i < from + count; ++i) text += "line " + std::to_string(i) + " of the log\n";
  return text;
}

// A log that is truncated in place and begins again as before: a CSV heading, "server started".
struct Refill {
  const char* what;
  std::string before;
  std::string after;
};
inline std::vector<Refill> Refills() {
  const std::string heading = "date,time,path,status\n";
  const std::string large = "#Version: 1.0\n" + Lines(0, 2000);
  return {
      {"longer", heading + Lines(0, 100), heading + Lines(500, 150)},
      {"shorter", heading + Lines(0, 100), heading + Lines(500, 40)},
      {"same size", heading + Lines(100, 100), heading + Lines(500, 100)},
      {"a few bytes", "up\nanna\n", "up\nbert\nclara\n"},
      {"differs at its end only", heading + Lines(0, 9) + "x\n", heading + Lines(0, 9) + "y\nz\n"},
      {"16 KiB alike", large + "last 1\n", large + "last 2\n" + Lines(9000, 9)},
      {"16 KiB alike, shorter", large + Lines(9000, 9), large + "last 2\n"},
  };
}

inline void Fill(const std::string& path, const Refill& refill) {
  std::filesystem::resize_file(path, 0);
  Append(path, refill.after);
}

// The disk, but for what is not permitted: root may read everything, and tests run as root.
class GuardedFiles final : public os::FileSystem {
 public:
  std::set<std::string> unreadable;  // files and folders
  std::set<std::string> closed;      // folders that may not be entered

  Result<std::unique_ptr<os::File>> Open(const std::string& path, os::OpenMode mode) override {
    if (unreadable.contains(path) || IsBehindClosed(path)) return Refused("open", path);
    return disk_.Open(path, mode);
  }
  Result<os::FileInfo> Stat(const std::string& path) const override {
    if (IsBehindClosed(path)) return Refused("stat", path);
    return disk_.Stat(path);
  }
  Result<std::vector<std::string>> List(const std::string& path) const override {
    if (unreadable.contains(path) || IsBehindClosed(path)) return Refused("list", path);
    return disk_.List(path);
  }
  Status CreateDirectories(const std::string& path) override {
    return disk_.CreateDirectories(path);
  }
  Status Rename(const std::string& from, const std::string& to) override {
    return disk_.Rename(from, to);
  }
  Status RenameNoReplace(const std::string& from, const std::string& to) override {
    return disk_.RenameNoReplace(from, to);
  }
  Status Remove(const std::string& path) override { return disk_.Remove(path); }
  Status RemoveRecursively(const std::string& path) override {
    return disk_.RemoveRecursively(path);
  }
  Status SyncDirectory(const std::string& path) override { return disk_.SyncDirectory(path); }
  Result<std::unique_ptr<os::FileLock>> Lock(const std::string& path) override {
    return disk_.Lock(path);
  }
  Result<uint64_t> FreeBytes(const std::string& path) const override {
    return disk_.FreeBytes(path);
  }

 private:
  static Error Refused(const std::string& verb, const std::string& path) {
    return PermissionDenied("cannot " + verb + " " + path + ": Permission denied");
  }
  bool IsBehindClosed(const std::string& path) const {
    for (std::string up = os::ParentOf(path); up.size() > 1; up = os::ParentOf(up)) {
      if (closed.contains(up)) return true;
    }
    return false;
  }
  os::PosixFileSystem disk_;
};

// Log lines in memory.
class LogPaper {
 public:
  LogPaper() { TARN_CHECK(fd_ >= 0); }
  ~LogPaper() { close(fd_); }
  LogPaper(const LogPaper&) = delete;
  LogPaper& operator=(const LogPaper&) = delete;
  int fd() const { return fd_; }
  std::string Text() const {
    std::string text(static_cast<size_t>(lseek(fd_, 0, SEEK_CUR)), '\0');
    TARN_CHECK(pread(fd_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
    return text;
  }
  // How often `word` stands there.
  size_t Count(std::string_view word) const {
    const std::string text = Text();
    size_t count = 0;
    for (size_t at = 0; (at = text.find(word, at)) != std::string::npos; at += word.size()) ++count;
    return count;
  }

 private:
  const int fd_ = memfd_create("log", MFD_CLOEXEC);
};

// The server's side of docs/formats/agent-batch.md: a watermark per file id. Fails on request.
class FakeServer final : public Transport {
 public:
  struct File {
    uint64_t first = 0;
    std::string bytes;
    std::vector<std::string> records;
    uint64_t mark() const { return first + bytes.size(); }
  };

  Result<HttpResponse> Post(std::string_view path, const HttpHeaders& headers,
                            std::string_view body) override {
    TARN_CHECK(path == agent_wire::kPath);
    last_headers = headers;
    ++requests;
    if (!script.empty()) {
      const HttpResponse response = script.front();
      script.pop_front();
      if (response.status == 0) return Unavailable("cannot connect");
      return response;
    }
    if (loses_answers) {
      (void)Take(body);
      return Unavailable("stored, but the answer is lost");
    }
    if (faults != nullptr) {
      const uint64_t dice = faults->Below(10);
      if (dice == 0) return Unavailable("cannot connect");
      if (dice == 1) return HttpResponse{503, 1, "busy"};
      if (dice == 2) {
        (void)Take(body);
        return Unavailable("stored, but the answer is lost");
      }
    }
    return Take(body);
  }
  void Cancel() override {}

  HttpResponse Take(std::string_view body) {
    const auto batch = agent_wire::Decode(body);
    TARN_CHECK(batch.ok());
    const agent_wire::BatchHeader& header = batch->header;
    headers_seen.push_back(header);
    const bool too_large = batch->payload.size() > largest_payload;
    if (too_large || !agent_wire::CheckRows(*batch).ok()) return {413, -1, "{}"};
    auto [entry, is_new] = files.try_emplace(header.file_id);
    File& file = entry->second;
    if (is_new) file.first = header.begin_offset;
    if (header.begin_offset > file.mark()) {
      return {409, -1, "{\"expected_offset\":" + std::to_string(file.mark()) + "}"};
    }
    if (header.end_offset <= file.mark()) return Stored("duplicate", file.mark());
    uint32_t begin = 0;
    for (const uint32_t end : header.record_ends) {
      file.records.push_back(batch->payload.substr(begin, end - begin));
      begin = end;
    }
    file.bytes += batch->payload.substr(static_cast<size_t>(file.mark() - header.begin_offset));
    return Stored("stored", header.end_offset);
  }
  static HttpResponse Stored(std::string_view status, uint64_t next) {
    return {200, -1,
            "{\"status\":\"" + std::string(status) + "\",\"next_offset\":" + std::to_string(next) +
                "}"};
  }

  // All files' bytes, in the order of their ids.
  std::string AllBytes() const {
    std::string all;
    for (const auto& [id, file] : files) all += file.bytes;
    return all;
  }

  std::map<std::string, File> files;
  std::deque<HttpResponse> script;  // answered first; status 0: no connection
  os::Random* faults = nullptr;
  bool loses_answers = false;
  size_t largest_payload = agent_wire::kMaxPayloadBytes;
  std::vector<agent_wire::BatchHeader> headers_seen;
  HttpHeaders last_headers;
  std::atomic<int> requests = 0;
};

// An agent without threads: the test is the scheduler.
class Rig {
 public:
  explicit Rig(AgentSettings settings) : settings_(std::move(settings)) {
    clock.Advance(kMicrosPerSecond);
    Start();
  }
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;

  // As after kill -9: what was saved is all that is known.
  void Kill() {
    queue_.clear();
    shipper_.reset();
    tailer_.reset();
    table_.reset();
    Start();
  }
  void Save() {
    saved_ = EncodeCheckpoint({"agent", tailer_->last_batch_number(), table_->States()});
  }
  // As after SIGTERM.
  void End() {
    table_->NoteEnd();
    Save();
  }
  void LoseState() { saved_.clear(); }
  // As after a power cut.
  void Reboot() {
    ++boot_;
    Kill();
  }

  // The checkpoint's devices have other numbers now, as they may after a reboot.
  void RenumberDevices() {
    Checkpoint checkpoint = DecodeCheckpoint(saved_).value();
    for (FileState& file : checkpoint.files) ++file.device;
    saved_ = EncodeCheckpoint(checkpoint);
  }

  // Looks at the disk, then reads and sends all that is due, with up to `tries` each.
  void Step(int tries = 1) {
    table_->Discover();
    table_->RefreshSizes();
    Pump(tries);
  }
  void Pump(int tries) {
    for (;;) {
      while (queue_.size() < 4) {
        auto batch = tailer_->Next();
        if (!batch) break;
        queue_.push_back(*std::move(batch));
      }
      if (!sending_ && queue_.empty()) return;
      if (!sending_) {
        sending_ = shipper_->Begin(std::move(queue_.front()));
        queue_.pop_front();
        if (!sending_) continue;
      }
      std::optional<Outcome> outcome;
      for (int i = 0; i < tries && !outcome; ++i) outcome = shipper_->Try();
      if (!outcome) return;
      sending_ = false;
      tailer_->Apply(*outcome);
    }
  }
  // Steps until nothing moves, with time for every wait of the agent's.
  void Settle(int steps = 8) {
    for (int i = 0; i < steps; ++i) {
      Step(3);
      clock.Advance(30 * kMicrosPerSecond);
      Step(3);
    }
  }

  FileTable& table() { return *table_; }
  Tailer& tailer() { return *tailer_; }
  Shipper& shipper() { return *shipper_; }
  obs::Registry registry;
  os::FakeClock clock{Timestamp{1'795'525'200'000'000}};
  FakeServer server;
  LogPaper log;
  GuardedFiles files;

 private:
  void Start() {
    sending_ = false;
    Checkpoint checkpoint;
    if (!saved_.empty()) checkpoint = DecodeCheckpoint(saved_).value();
    table_.emplace(files, clock, settings_.flows, events_, boot_);
    table_->Load(checkpoint.files, saved_.empty());
    tailer_.emplace(*table_, settings_, clock, events_,
                    Tailer::Identity{"agent", checkpoint.batch_number});
    shipper_.emplace(server, settings_, clock, random_, events_);
  }

  const AgentSettings settings_;
  os::SeededRandom random_{1};
  obs::Logger logger_{clock, log.fd(), obs::LogFormat::kText, obs::Level::kInfo};
  Events events_{logger_, registry};
  std::string saved_;
  uint64_t boot_ = 1;
  std::optional<FileTable> table_;
  std::optional<Tailer> tailer_;
  std::optional<Shipper> shipper_;
  std::deque<PendingBatch> queue_;
  bool sending_ = false;
};

inline AgentSettings SettingsFor(const std::string& glob) {
  AgentSettings settings;
  settings.servers = {"http://127.0.0.1:1"};
  settings.host = "web-1";
  settings.key = "secret";
  FlowSettings flow;
  flow.source = "shop";
  flow.paths = {glob};
  settings.flows = {flow};
  return settings;
}

}  // namespace tarn::agent::testing
