// tarn-agent: tails log files and ships them to a Tarn server.
#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "agent/agent.h"
#include "agent/metrics_door.h"
#include "agent/settings.h"
#include "agent/socket_transport.h"
#include "agent/status.h"
#include "base/text.h"
#include "os/posix_file_system.h"

namespace tarn::agent {
namespace {

constexpr std::string_view kUsage =
    R"(tarn-agent ships log files to a Tarn server, each line exactly once.

usage: tarn-agent --config FILE [--once | --check | --status [--json]]

  --config FILE  agent.yaml, or a Kinesis Agent's agent.json; then agent.d beside it counts too
  --once         ship everything that is there, unfinished last lines too, then exit
  --check        say what is wrong with the file, start nothing
  --status       files, what was sent of them and what was not; also beside a running agent
  --json         the same as JSON
  --json-log     log lines as JSON
  --debug        log more
  --help-config  the keys of agent.yaml
  --help, --version

examples:
  tarn-agent --config /etc/tarn-agent/agent.yaml
  tarn-agent --config agent.yaml --check
  tarn-agent --config old-logs.yaml --once
  watch tarn-agent --config agent.yaml --status

an agent.yaml for a project of the template retail (agent.example.yaml there is one):
  server: http://127.0.0.1:8700
  key: ${file:/etc/tarn-agent/key}
  state_dir: /var/lib/tarn-agent
  flows:
    - source: web_log
      paths: [/var/log/apache2/access.log*]
      format: '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" "%{visitor}C" %D'

SIGHUP reads FILE again; a file with mistakes is named in the log and the old one stays.

exit codes: 0 done or stopped; others as in docs/exit-codes.md (2 for a wrong command line)
  --once ends with 6 or 7 when the key is refused, and after 60 s without an acknowledgement with 9,
  or what the server says; a file that could not be sent, or not all of it, is named, and the exit
  is 3 for not there, 7 not permitted, 8 past 10,000 files, 9 waits, 11 damaged, cut off or lost,
  13 trouble of the disk
)";

constexpr int kUsageExit = 2;
constexpr int64_t kStatusLineMicros = 1'000'000;

struct Arguments {
  std::string config;
  bool once = false;
  bool check = false;
  bool status = false;
  bool json = false;
  bool json_log = false;
  bool debug = false;
};

// For the signal handler alone: the running agent, and what it was told.
std::atomic<Agent*> signalled{nullptr};
std::atomic<bool> told_to_stop{false};
std::atomic<bool> hung_up{false};

void OnSignal(int signal) {
  (signal == SIGHUP ? hung_up : told_to_stop) = true;
  Agent* agent = signalled.load();
  if (agent == nullptr) return;
  if (signal == SIGHUP) {
    agent->Wake();
  } else {
    agent->Stop();
  }
}

int Fail(const Error& error) {
  fmt::print(stderr, "{}", SaidBy("tarn-agent", error.message()));
  return TraitsOf(error.code()).exit_status;
}

std::string MachineName() {
  char name[256] = {};
  gethostname(name, sizeof(name) - 1);
  return name;
}

Result<AgentSettings> ReadSettings(os::FileSystem& files, const std::string& path) {
  TARN_ASSIGN_OR_RETURN(const auto read, ReadSettingsFiles(files, path));
  TARN_ASSIGN_OR_RETURN(
      auto settings, LoadSettings(read, MachineName(), config::SystemResolver(os::ParentOf(path))));
  TARN_TRY(CheckStateDir(files, settings));
  return settings;
}

std::string Files(size_t count) { return fmt::format("{} file{}", count, count == 1 ? "" : "s"); }

int TellStatus(os::FileSystem& files, const AgentSettings& settings, bool as_json) {
  const auto text = files.ReadFile(os::JoinPath(settings.state_dir, kCheckpointName));
  if (!text.ok()) return Fail(text.error());
  auto checkpoint = DecodeCheckpoint(*text);
  if (!checkpoint.ok()) return Fail(std::move(checkpoint).error().In("checkpoint"));
  fmt::print("{}", PrintStatus(files, *checkpoint, as_json));
  return 0;
}

// A line that rewrites itself, for a person who watches. Runs on its own thread until told.
class StatusLine {
 public:
  StatusLine(const Agent& agent, obs::Registry& registry)
      : agent_(agent),
        bytes_(registry.GetCounter("tarn_agent_bytes_total", "")),
        lines_(registry.GetCounter("tarn_agent_lines_total", "")),
        thread_("status", [this] { Run(); }) {}
  ~StatusLine() {
    {
      os::MutexLock lock(mutex_);
      done_ = true;
      wake_.NotifyAll();
    }
    thread_.Join();
    fmt::print(stdout, "\n");
  }

 private:
  void Run() {
    uint64_t bytes = bytes_.value();
    uint64_t lines = lines_.value();
    for (;;) {
      {
        os::MutexLock lock(mutex_);
        if (!done_) wake_.WaitFor(mutex_, kStatusLineMicros);
        if (done_) return;
      }
      fmt::print(stdout, "\r\033[K{}  {} lines/s  {}/s  sent {}  behind {}",
                 Files(agent_.open_files()), lines_.value() - lines,
                 FormatBytes(bytes_.value() - bytes), FormatBytes(bytes_.value()),
                 FormatBytes(agent_.total_lag_bytes()));
      std::fflush(stdout);
      bytes = bytes_.value();
      lines = lines_.value();
    }
  }

  const Agent& agent_;
  obs::Counter& bytes_;
  obs::Counter& lines_;
  os::Mutex mutex_;
  os::ConditionVariable wake_;
  bool done_ TARN_GUARDED_BY(mutex_) = false;
  os::Thread thread_;
};

// What stays when the settings change.
struct Process {
  os::FileSystem& files;
  const os::Clock& clock;
  os::Random& random;
  obs::Registry& registry;
  Events& events;
};

// One agent from its start to its end; `started` once it runs.
Status RunOnce(const Process& process, const AgentSettings& settings, bool once,
               const Agent::EndCheck& end, bool& started) {
  for (const std::string& note : settings.notes) process.events.SettingNoted(note);
  if (settings.tls_insecure) process.events.CertificateUnchecked();
  std::vector<Url> servers;
  for (const std::string& server : settings.servers) {
    TARN_ASSIGN_OR_RETURN(Url url, ParseUrl(server));
    servers.push_back(std::move(url));
  }
  TARN_ASSIGN_OR_RETURN(
      const auto transport,
      SocketTransport::Make(std::move(servers), {settings.tls_ca, settings.tls_insecure},
                            process.clock));
  TARN_ASSIGN_OR_RETURN(const auto agent,
                        Agent::Open(settings, {process.files, process.clock, process.random,
                                               process.events, *transport}));
  std::unique_ptr<MetricsDoor> door;
  if (settings.metrics_port > 0) {
    TARN_ASSIGN_OR_RETURN(door, MetricsDoor::Open(static_cast<int>(settings.metrics_port), [&] {
                            return process.registry.Print() + PrintLags(*agent);
                          }));
  }
  std::unique_ptr<StatusLine> line;
  if (isatty(STDOUT_FILENO) == 1) line = std::make_unique<StatusLine>(*agent, process.registry);
  started = true;
  signalled = agent.get();
  if (told_to_stop) agent->Stop();
  const Status status = agent->Run(once, end);
  signalled = nullptr;
  return status;
}

// Runs until told to stop; after a SIGHUP with what its file says then, if that is sound.
int RunAgent(os::FileSystem& files, AgentSettings settings, const Arguments& arguments) {
  const os::SystemClock clock;
  os::SystemRandom random;
  obs::Registry registry;
  obs::Logger logger(clock, STDERR_FILENO,
                     arguments.json_log ? obs::LogFormat::kJson : obs::LogFormat::kText,
                     arguments.debug ? obs::Level::kDebug : obs::Level::kInfo);
  Events events(logger, registry);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) std::signal(signal, OnSignal);
  std::signal(SIGPIPE, SIG_IGN);
  std::optional<AgentSettings> old;  // those to go back to
  for (;;) {
    std::optional<AgentSettings> fresh;
    const auto reread = [&] {
      if (!hung_up.exchange(false) || arguments.once) return false;
      auto read = ReadSettings(files, arguments.config);
      if (!read.ok()) return events.SettingsRefused(read.error()), false;
      if (*read == settings) return events.SettingsUnchanged(), false;
      fresh = *std::move(read);
      return true;
    };
    bool started = false;
    const Status status = RunOnce({files, clock, random, registry, events}, settings,
                                  arguments.once, reread, started);
    if (!started && old && !told_to_stop) {
      events.SettingsRefused(status.error());
      settings = *std::exchange(old, std::nullopt);
      continue;
    }
    if (!status.ok()) return Fail(status.error());
    if (!fresh || told_to_stop) return 0;
    events.SettingsRead();
    old = std::exchange(settings, *std::move(fresh));
  }
}

Result<Arguments> ParseArguments(int argc, char** argv) {
  Arguments arguments;
  const std::pair<std::string_view, bool*> flags[] = {
      {"--once", &arguments.once},         {"--check", &arguments.check},
      {"--status", &arguments.status},     {"--json", &arguments.json},
      {"--json-log", &arguments.json_log}, {"--debug", &arguments.debug},
  };
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    constexpr std::string_view kConfig = "--config";
    if (argument == kConfig) {
      if (i + 1 == argc) return InvalidArgument("--config needs a value");
      arguments.config = argv[++i];
      continue;
    }
    if (argument.starts_with(kConfig) && argument.substr(kConfig.size()).starts_with('=')) {
      arguments.config = argument.substr(kConfig.size() + 1);
      continue;
    }
    const auto* flag = std::find_if(std::begin(flags), std::end(flags),
                                    [&](const auto& f) { return f.first == argument; });
    if (flag == std::end(flags)) {
      return InvalidArgument(
          fmt::format("no option '{}'{}", argument,
                      DidYouMean(argument,
                                 {"--config", "--once", "--check", "--status", "--json",
                                  "--json-log", "--debug", "--help", "--help-config", "--version"},
                                 "see tarn-agent --help")));
    }
    *flag->second = true;
  }
  if (arguments.config.empty())
    return InvalidArgument("--config FILE is missing; see tarn-agent --help");
  if (arguments.json && !arguments.status) return InvalidArgument("--json is for --status");
  return arguments;
}

// Buffers of a batch come and go ten times a second: taken from the system and given back each
// time, clearing their pages costs more than reading the log. What is kept is bounded by the queue.
void KeepBuffers() {
  constexpr int kKeptBytes = 24 << 20;
  mallopt(M_MMAP_THRESHOLD, kKeptBytes);
  mallopt(M_TRIM_THRESHOLD, kKeptBytes);
  mallopt(M_ARENA_MAX, 1);  // one thread gives back what another took
}

// What was asked for is the output, so it must get there.
int Say(std::string_view text) {
  fmt::print("{}", text);
  if (std::fflush(stdout) == 0) return 0;
  return Fail(os::SystemError("write", "the output", errno));
}

int Main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--help" || argument == "-h") return Say(kUsage);
    if (argument == "--version") return Say(fmt::format("tarn-agent {}\n", TARN_VERSION));
    if (argument == "--help-config") return Say(config::MarkdownTable(DescribeSettings()));
  }
  const auto arguments = ParseArguments(argc, argv);
  if (!arguments.ok()) {
    fmt::print(stderr, "tarn-agent: {}\n", arguments.error().message());
    return kUsageExit;
  }
  os::PosixFileSystem files;
  const auto settings = ReadSettings(files, arguments->config);
  if (!settings.ok()) return Fail(settings.error());
  if (arguments->check) {
    for (const std::string& note : settings->notes) fmt::print("{}\n", note);
    fmt::print("{}: fine; {} flow{}\n", arguments->config, settings->flows.size(),
               settings->flows.size() == 1 ? "" : "s");
    return 0;
  }
  if (arguments->status) return TellStatus(files, *settings, arguments->json);
  KeepBuffers();
  return RunAgent(files, *settings, *arguments);
}

}  // namespace
}  // namespace tarn::agent

int main(int argc, char** argv) { return tarn::agent::Main(argc, argv); }
