#include "demo/demo.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "base/text.h"
#include "demo/apache.h"
#include "demo/backfill.h"
#include "demo/lake_status.h"
#include "demo/process.h"
#include "demo/project.h"
#include "demo/state.h"
#include "demo/traffic.h"
#include "demo/view.h"
#include "os/clock.h"
#include "os/posix_file_system.h"
#include "os/random.h"

namespace tarn::demo {
namespace {

constexpr int64_t kTickMicros = 100'000;
constexpr int64_t kStatusMicros = 500'000;  // for the server to answer GET /v1/status
constexpr int64_t kApacheStopMicros = 5 * kMicrosPerSecond;
constexpr int64_t kAgentStopMicros = 8 * kMicrosPerSecond;
constexpr int64_t kServerStopMicros = 20 * kMicrosPerSecond;
constexpr int64_t kOldServerMicros = 10 * kMicrosPerSecond;
constexpr int64_t kDrainMicros = 20 * kMicrosPerSecond;
// An hour whose ids of visitors are still needed: requests and clocks are not that late.
constexpr int64_t kRecentMicros = 3 * kMicrosPerHour;
// People in the live view click faster than people do, so that sessions are seen whole.
constexpr double kLiveThinkScale = 0.25;
constexpr int kDays = 30;

constexpr std::string_view kLockName = "demo.lock";
constexpr std::string_view kStateName = "state.json";

volatile sig_atomic_t signals_seen = 0;  // NOLINT: the one thing a signal handler may touch
extern "C" void CountSignal(int) { signals_seen = signals_seen + 1; }
// Of a terminal that closes, the kernel and the shell tell: that is nobody in a hurry.
extern "C" void NoteHangUp(int) {
  if (signals_seen == 0) signals_seen = 1;
}

// SIGINT and SIGTERM are counted, SIGHUP is the first of them unless it is ignored (nohup), SIGPIPE
// is ignored, for as long as this lives.
class SignalScope {
 public:
  SignalScope() {
    signals_seen = 0;
    struct sigaction action{};
    action.sa_handler = CountSignal;
    sigaction(SIGINT, &action, &old_int_);
    sigaction(SIGTERM, &action, &old_term_);
    sigaction(SIGHUP, nullptr, &old_hang_up_);
    action.sa_handler = NoteHangUp;
    if (old_hang_up_.sa_handler != SIG_IGN) sigaction(SIGHUP, &action, nullptr);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, &old_pipe_);
  }
  ~SignalScope() {
    sigaction(SIGINT, &old_int_, nullptr);
    sigaction(SIGTERM, &old_term_, nullptr);
    sigaction(SIGHUP, &old_hang_up_, nullptr);
    sigaction(SIGPIPE, &old_pipe_, nullptr);
  }
  SignalScope(const SignalScope&) = delete;
  SignalScope& operator=(const SignalScope&) = delete;

 private:
  struct sigaction old_int_{};
  struct sigaction old_term_{};
  struct sigaction old_hang_up_{};
  struct sigaction old_pipe_{};
};

std::string NameOf(int server) { return fmt::format("w{}", server + 1); }

void Say(const std::string& text) { std::fprintf(stderr, "demo: %s\n", text.c_str()); }

// True if the workers of a web server (another user, when we are root) can reach the folder.
bool ReachableByAnybody(std::string folder) {
  for (;;) {
    struct stat info{};
    if (stat(folder.c_str(), &info) != 0 || (info.st_mode & S_IXOTH) == 0) return false;
    if (folder == "/") return true;
    folder = os::ParentOf(folder);
    if (folder.empty()) return true;
  }
}

class Demo {
 public:
  explicit Demo(const DemoOptions& options) : options_(options) {}

  Status Run() {
    TARN_TRY(Open());
    TARN_TRY(History());
    TARN_TRY(StartAll());
    Live();
    return StopAll();
  }

 private:
  Status Open();
  Status AwaitFreeProject();
  Status OpenState();
  Status CheckSameWorld() const;
  Status History();
  Status ResumeTruth();
  Status BeginTruth();
  Status WriteHistory();
  Status ChoosePorts();
  Status ChooseSite();
  Status StartAll();
  Status StartLake();
  void Live();
  void Second(int64_t now);
  void ReviveApaches();
  void PollStatus();
  ProjectOptions Project() const;
  bool Drained() const;
  void Drain();
  Status StopAll();
  void StopApaches();
  void PrintSummary(bool ok) const;
  ViewInput View(int64_t now);
  std::string QueryCommand() const;
  WorldOptions WorldOf(uint32_t epoch) const;
  std::string Path(std::string_view name) const { return os::JoinPath(folder_, name); }
  std::string StatePath() const { return Path(kStateName); }
  uint64_t TruthHits() const;
  uint64_t TruthRejected() const;

  const DemoOptions& options_;
  os::PosixFileSystem fs_;
  os::SystemClock clock_;
  std::string folder_;  // absolute
  std::string site_;    // the web servers' documents
  std::unique_ptr<os::FileLock> lock_;
  DemoState state_;
  Programs programs_;
  std::unique_ptr<Truth> truth_;
  std::vector<std::string> log_dirs_;
  std::vector<Apache> apaches_;
  std::unique_ptr<Supervised> server_;
  std::vector<std::unique_ptr<Supervised>> agents_;
  std::unique_ptr<Traffic> traffic_;
  Screen screen_;
  LakeStatus status_;
  std::string local_key_;  // shown to the server for its status
  bool status_known_ = false;
  int64_t started_ = 0;  // monotonic
  int64_t compacted_hour_ = 0;
  std::vector<uint64_t> last_hits_;
  int64_t last_second_ = 0;
};

uint64_t Demo::TruthHits() const {
  uint64_t total = 0;
  for (int server = 0; server < state_.servers; ++server) total += truth_->Total(server).hits;
  return total;
}

uint64_t Demo::TruthRejected() const {
  uint64_t total = 0;
  for (int server = 0; server < state_.servers; ++server) total += truth_->Total(server).rejected;
  return total;
}

WorldOptions Demo::WorldOf(uint32_t epoch) const {
  WorldOptions world;
  world.seed = state_.seed;
  world.epoch = epoch;
  world.servers = state_.servers;
  return world;
}

// As it is typed in the folder this program was started in.
std::string FromHere(const std::string& path) {
  char here[PATH_MAX];
  if (getcwd(here, sizeof here) == nullptr) return path;
  const std::string below = std::string(here) + "/";
  return path.starts_with(below) ? path.substr(below.size()) : path;
}

// A folder of other people's files is not the demo's to fill.
Status CheckFolder(os::FileSystem& fs, const std::string& folder) {
  const auto info = fs.Stat(folder);
  if (!info.ok()) return info.error().code() == Code::kNotFound ? Status() : info.error();
  if (!info->is_directory) return AlreadyExists(folder + " is no folder");
  if (fs.Exists(os::JoinPath(folder, kStateName))) return {};
  TARN_ASSIGN_OR_RETURN(const auto names, fs.List(folder));
  for (const std::string& name : names) {
    // A demo that was killed at its very start, or a file system of its own.
    if (name == kLockName || name.starts_with(kStateName) || name == "lost+found") continue;
    const bool project = fs.Exists(os::JoinPath(folder, "tarn.yaml"));
    return AlreadyExists(fmt::format(
        "{} {}; give the demo a folder of its own: new, empty or an earlier demo's", folder,
        project ? "is a project" : fmt::format("holds other files ({})", name)));
  }
  return {};
}

Status Demo::Open() {
  TARN_TRY(CheckFolder(fs_, options_.folder));
  if (const auto apache = FindApache(); !apache.ok()) return apache.error();
  if (!options_.only_traffic) {
    TARN_ASSIGN_OR_RETURN(programs_, FindPrograms(fs_));
  }
  TARN_TRY(fs_.CreateDirectories(options_.folder));
  char absolute[PATH_MAX];
  if (realpath(options_.folder.c_str(), absolute) == nullptr) {
    return IoError(options_.folder + ": cannot resolve the path");
  }
  folder_ = absolute;
  auto lock = fs_.Lock(Path(kLockName));
  if (!lock.ok()) {
    if (lock.error().code() != Code::kConflict) return std::move(lock).error();
    return Conflict(fmt::format(
        "another demo runs in {}; stop it first, or give this one a folder of its own", folder_));
  }
  lock_ = std::move(lock).value();
  if (!options_.only_traffic) TARN_TRY(AwaitFreeProject());
  TARN_TRY(OpenState());
  for (int server = 0; server < state_.servers; ++server) {
    log_dirs_.push_back(Path("logs/" + NameOf(server)));
    TARN_TRY(fs_.CreateDirectories(log_dirs_.back()));
  }
  return {};
}

// The server of a run that was killed takes a moment to stop.
Status Demo::AwaitFreeProject() {
  const int64_t deadline = clock_.MonotonicMicros() + kOldServerMicros;
  for (bool said = false;; said = true) {
    Status free = CheckNotServed(fs_, Project());
    const bool served = !free.ok() && free.error().code() == Code::kConflict;
    if (!served || signals_seen > 0 || clock_.MonotonicMicros() >= deadline) return free;
    if (!said) Say("a server has the project open; waiting for it to stop");
    usleep(kTickMicros);
  }
}

Status Demo::OpenState() {
  auto state = LoadState(fs_, StatePath());
  if (state.ok()) {
    state_ = std::move(state).value();
    TARN_TRY(CheckSameWorld());
  } else {
    if (state.error().code() != Code::kNotFound) return std::move(state).error();
    state_.seed = options_.seed.value_or(1);
    state_.servers = options_.servers.value_or(kServerCount);
  }
  if (!state_.history_done) state_.days = options_.days.value_or(state_.days.value_or(kDays));
  return SaveState(fs_, StatePath(), state_);
}

// What the folder was made with stays: another value would be another world.
Status Demo::CheckSameWorld() const {
  const auto check = [this](std::string_view flag, const auto& given, const auto& has) -> Status {
    if (!given || *given == has) return {};
    return InvalidArgument(
        fmt::format("{} was made with {} {}, not {}; leave {} out, or give another folder", folder_,
                    flag, has, *given, flag));
  };
  TARN_TRY(check("--seed", options_.seed, state_.seed));
  TARN_TRY(check("--servers", options_.servers, state_.servers));
  // An unfinished history is begun anew. Folders of before do not say their days: nobody could know
  // the right value, so any is taken.
  return state_.history_done && state_.days ? check("--days", options_.days, *state_.days)
                                            : Status();
}

Status Demo::History() { return state_.history_done ? ResumeTruth() : BeginTruth(); }

// After a kill, brings the truth up to what lies in the logs.
Status Demo::ResumeTruth() {
  for (int server = 0; server < state_.servers; ++server) {
    TARN_TRY(WaitForOldApache(fs_, Path("apache/" + NameOf(server))));
  }
  TARN_ASSIGN_OR_RETURN(truth_, Truth::Open(fs_, Path("truth.jsonl")));
  if (state_.clean_stop) return {};
  Say("the last run was killed; counting its log files");
  TARN_ASSIGN_OR_RETURN(const uint64_t added, RecoverTruth(fs_, log_dirs_, *truth_));
  if (added > 0) Say(fmt::format("{} lines were written after the last note of it", added));
  return {};
}

// A new folder, or one whose history was not finished: that is begun anew.
Status Demo::BeginTruth() {
  for (const std::string& dir : log_dirs_) {
    TARN_TRY(fs_.RemoveRecursively(dir));
    TARN_TRY(fs_.CreateDirectories(dir));
  }
  const std::string path = Path("truth.jsonl");
  if (fs_.Exists(path)) TARN_TRY(fs_.Remove(path));
  TARN_ASSIGN_OR_RETURN(truth_, Truth::Open(fs_, path));
  if (*state_.days > 0) TARN_TRY(WriteHistory());
  TARN_TRY(truth_->Compact({clock_.Now().micros - kRecentMicros}));
  state_.history_done = true;
  return SaveState(fs_, StatePath(), state_);
}

Status Demo::WriteHistory() {
  const int days = *state_.days;
  Say(fmt::format("writing {} days of history (seconds)", days));
  const int64_t began = clock_.MonotonicMicros();
  const Timestamp now = clock_.Now();
  WorldOptions world = WorldOf(0);
  // From a midnight on, so that runs of one day have the same history.
  world.start.micros = (FloorDiv(now.micros, kMicrosPerDay) - days) * kMicrosPerDay;
  world.hits_per_second = options_.history_rate;
  world.seasonal = true;
  TARN_ASSIGN_OR_RETURN(const BackfillReport report, Backfill(fs_, world, now, log_dirs_, *truth_));
  const auto micros = static_cast<double>(clock_.MonotonicMicros() - began);
  Say(fmt::format("{} lines, {:.0f} MB in {:.1f} s", report.lines,
                  static_cast<double>(report.bytes) / 1e6, micros / 1e6));
  return {};
}

// The ports of the last run, where they are still free.
Status Demo::ChoosePorts() {
  state_.ports.resize(static_cast<size_t>(state_.servers));
  std::vector<int> taken;
  const auto choose = [&taken](int& port) -> Status {
    while (port == 0 || !PortIsFree(port) || std::ranges::count(taken, port) > 0) {
      TARN_ASSIGN_OR_RETURN(port, FreePort());
    }
    taken.push_back(port);
    return {};
  };
  for (int& port : state_.ports) TARN_TRY(choose(port));
  return choose(state_.server_port);
}

// The documents lie in the folder, or, if it is in a place closed to others (/root), in /tmp for as
// long as the demo runs.
Status Demo::ChooseSite() {
  site_ = Path("site");
  if (geteuid() != 0) return {};
  if (chmod(folder_.c_str(), 0755) != 0) return IoError(folder_ + ": cannot make it readable");
  if (ReachableByAnybody(folder_)) return {};
  std::string made = "/tmp/tarn-demo-site-XXXXXX";
  if (mkdtemp(made.data()) == nullptr) return IoError("/tmp: cannot make a folder");
  site_ = made;
  return {};
}

Status Demo::StartAll() {
  ++state_.epoch;
  state_.clean_stop = false;
  TARN_TRY(ChoosePorts());
  TARN_TRY(SaveState(fs_, StatePath(), state_));
  TARN_TRY(ChooseSite());
  TARN_TRY(WriteSite(fs_, site_, state_.seed, MakeProducts(state_.seed)));
  TrafficOptions traffic;
  traffic.ports = state_.ports;
  for (int server = 0; server < state_.servers; ++server) {
    const auto i = static_cast<size_t>(server);
    TARN_ASSIGN_OR_RETURN(Apache apache,
                          Apache::Start(fs_, {Path("apache/" + NameOf(server)), log_dirs_[i], site_,
                                              NameOf(server), state_.ports[i]}));
    apaches_.push_back(std::move(apache));
    traffic.logs.push_back(apaches_.back().LogPath());
  }
  if (!options_.only_traffic) TARN_TRY(StartLake());
  traffic.world = WorldOf(state_.epoch);
  traffic.world.start = clock_.Now();
  traffic.world.hits_per_second = options_.rate;
  traffic.world.think_scale = kLiveThinkScale;
  traffic_ = std::make_unique<Traffic>(clock_, traffic, *truth_);
  traffic_->Start();
  started_ = clock_.MonotonicMicros();
  last_second_ = started_;
  last_hits_.assign(static_cast<size_t>(state_.servers), 0);
  Say(fmt::format(
      "running; web servers on ports {}{}", fmt::join(state_.ports, ", "),
      server_ == nullptr ? "" : fmt::format("; Tarn on http://127.0.0.1:{}", state_.server_port)));
  return {};
}

ProjectOptions Demo::Project() const { return {Path("project"), state_.server_port}; }

Status Demo::StartLake() {
  const ProjectOptions project = Project();
  TARN_TRY(fs_.CreateDirectories(Path("output")));
  TARN_TRY(MakeProject(fs_, programs_, project, Path("output/init.log")));
  server_ = std::make_unique<Supervised>("server", ServeCommand(programs_, project),
                                         Path("output/server.log"));
  server_->Poll(clock_.MonotonicMicros());
  for (int server = 0; server < state_.servers; ++server) {
    const std::string name = NameOf(server);
    const AgentOptions agent{Path("agents/" + name), name, log_dirs_[static_cast<size_t>(server)]};
    TARN_TRY(WriteAgentConfig(fs_, project, agent));
    agents_.push_back(std::make_unique<Supervised>("agent-" + name, AgentCommand(programs_, agent),
                                                   Path("output/agent-" + name + ".log")));
    agents_.back()->Poll(clock_.MonotonicMicros());
  }
  return {};
}

void Demo::Live() {
  while (signals_seen == 0) {
    const int64_t now = clock_.MonotonicMicros();
    if (options_.run_micros > 0 && now - started_ >= options_.run_micros) return;
    if (server_ != nullptr) server_->Poll(now);
    for (const auto& agent : agents_) agent->Poll(now);
    if (now - last_second_ >= kMicrosPerSecond) Second(now);
    usleep(kTickMicros);
  }
}

void Demo::Second(int64_t now) {
  const int64_t hour = FloorDiv(clock_.Now().micros, kMicrosPerHour);
  const bool compact = compacted_hour_ != 0 && hour != compacted_hour_;
  compacted_hour_ = hour;
  const Status written =
      compact ? truth_->Compact({clock_.Now().micros - kRecentMicros}) : truth_->Flush();
  if (!written.ok()) Say("the truth cannot be written: " + written.error().message());
  ReviveApaches();
  if (server_ != nullptr) PollStatus();
  if (!options_.headless && isatty(STDOUT_FILENO) != 0) {
    screen_.Draw(RenderView(View(now), Screen::Columns()));
  }
  last_second_ = now;
  for (int server = 0; server < state_.servers; ++server) {
    last_hits_[static_cast<size_t>(server)] = traffic_->hits(server);
  }
}

void Demo::ReviveApaches() {
  for (Apache& apache : apaches_) {
    if (apache.Running()) continue;
    Say(fmt::format("Apache {} died; starting it again", apache.options().name));
    const Status revived = apache.Restart(fs_);
    if (!revived.ok()) Say(revived.error().message());
  }
}

void Demo::PollStatus() {
  if (local_key_.empty()) local_key_ = LocalKey(fs_, Project());
  auto answer = HttpGet(state_.server_port, "/v1/status", local_key_, kStatusMicros);
  if (!answer.ok() || answer->status != 200) return;
  auto status = ParseLakeStatus(answer->body);
  if (!status.ok()) return;
  status_ = std::move(status).value();
  status_known_ = true;
}

ViewInput Demo::View(int64_t now) {
  ViewInput view;
  view.folder = folder_;
  view.running_seconds = (now - started_) / kMicrosPerSecond;
  view.lake = server_ != nullptr;
  view.server_up = server_ != nullptr && server_->Running();
  view.server_port = state_.server_port;
  view.status = status_;
  view.status_known = status_known_;
  view.now_micros = clock_.Now().micros;
  view.query = QueryCommand();
  const double seconds = static_cast<double>(now - last_second_) / 1e6;
  for (int server = 0; server < state_.servers; ++server) {
    const auto i = static_cast<size_t>(server);
    ServerLine line;
    line.name = NameOf(server);
    line.port = state_.ports[i];
    line.up = apaches_[i].Running();
    line.hits_per_second =
        static_cast<double>(traffic_->hits(server) - last_hits_[i]) / std::max(seconds, 0.001);
    const HourCounts total = truth_->Total(server);
    line.hits = total.hits;
    line.rejected = total.rejected;
    if (i < agents_.size()) {
      line.agent_up = agents_[i]->Running();
      line.restarts = agents_[i]->restarts();
    }
    view.servers.push_back(std::move(line));
  }
  return view;
}

std::string Demo::QueryCommand() const {
  std::string program = FromHere(programs_.tarn);
  if (program.find('/') == std::string::npos) program.insert(0, "./");
  return fmt::format("{} sql {}", ShellWord(program), ShellWord(FromHere(Project().dir)));
}

// Everything the web servers wrote is in the clean zone or in quarantine, as far as the status
// says.
bool Demo::Drained() const {
  const auto clean = status_.zone_rows.find("clean");
  const auto quarantine = status_.zone_rows.find("quarantine");
  if (clean == status_.zone_rows.end()) return false;
  const int64_t refused = quarantine == status_.zone_rows.end() ? 0 : quarantine->second;
  return clean->second == static_cast<int64_t>(TruthHits()) &&
         refused == static_cast<int64_t>(TruthRejected());
}

void Demo::Drain() {
  const int64_t deadline = clock_.MonotonicMicros() + kDrainMicros;
  while (signals_seen < 2 && clock_.MonotonicMicros() < deadline) {
    server_->Poll(clock_.MonotonicMicros());
    for (const auto& agent : agents_) agent->Poll(clock_.MonotonicMicros());
    PollStatus();
    if (Drained()) return;
    usleep(kTickMicros);
  }
}

void Demo::StopApaches() {
  const int64_t deadline = clock_.MonotonicMicros() + kApacheStopMicros;
  for (Apache& apache : apaches_) apache.BeginStop();
  for (Apache& apache : apaches_) {
    const Status stopped =
        apache.Stop(std::max<int64_t>(deadline - clock_.MonotonicMicros(), kTickMicros));
    if (!stopped.ok()) Say(stopped.error().message());
  }
  if (site_ == Path("site")) return;
  const Status removed = fs_.RemoveRecursively(site_);
  if (!removed.ok()) Say(removed.error().message());
}

Status Demo::StopAll() {
  if (!options_.json) Say("stopping");
  traffic_->Stop();
  TARN_TRY(truth_->Compact({clock_.Now().micros - kRecentMicros}));
  StopApaches();
  bool ok = truth_->uncertain() == 0;
  if (server_ != nullptr) {
    Drain();
    ok = ok && Drained();
    for (const auto& agent : agents_) agent->Signal(SIGTERM);
    for (const auto& agent : agents_) {
      if (!agent->Stop(kAgentStopMicros)) Say(agent->name() + " did not stop in time");
    }
    if (!server_->Stop(kServerStopMicros)) Say("the server did not stop in time");
  }
  state_.clean_stop = true;
  TARN_TRY(SaveState(fs_, StatePath(), state_));
  if (options_.json) PrintSummary(ok);
  if (!options_.json && server_ != nullptr) {
    Say(fmt::format("all of it stays in {}; ask it: {}", folder_, QueryCommand()));
  }
  if (ok || !options_.headless) return {};
  return DeadlineExceeded(
      "not all that was written had landed when the demo stopped; the next run lands the rest");
}

void Demo::PrintSummary(bool ok) const {
  codec::Json json;
  json.Set("ok", ok);
  json.Set("folder", folder_);
  json.Set("seed", static_cast<int64_t>(state_.seed));
  json.Set("epoch", static_cast<int64_t>(state_.epoch));
  json.Set("seconds", static_cast<double>(clock_.MonotonicMicros() - started_) / 1e6);
  json.Set("truth", TruthSummary(*truth_, state_.servers));
  json.Set("lake", status_known_ ? LakeStatusJson(status_) : codec::Json());
  codec::Json restarts{codec::Json::Object{}};
  if (server_ != nullptr) restarts.Set("server", server_->restarts());
  for (const auto& agent : agents_) restarts.Set(agent->name(), agent->restarts());
  for (const Apache& apache : apaches_) {
    restarts.Set("apache-" + apache.options().name, apache.restarts());
  }
  json.Set("restarts", std::move(restarts));
  std::printf("%s\n", codec::DumpJson(json).c_str());
  std::fflush(stdout);
}

}  // namespace

Status RunDemo(const DemoOptions& options) {
  const SignalScope signals;
  Demo demo(options);
  return demo.Run();
}

}  // namespace tarn::demo
