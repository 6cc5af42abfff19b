#include "demo/project.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "codec/json.h"
#include "demo/apache.h"
#include "demo/process.h"

namespace tarn::demo {
namespace {

constexpr int64_t kInitMicros = 60 * kMicrosPerSecond;

Result<std::string> FolderOfThisProgram() {
  std::array<char, 4096> path;
  const ssize_t size = readlink("/proc/self/exe", path.data(), path.size());
  if (size <= 0) return IoError("cannot find out where this program is");
  return os::ParentOf(std::string_view(path.data(), static_cast<size_t>(size)));
}

// A person who watches does not want to wait a minute for a row.
Status LandOften(os::FileSystem& fs, const std::string& path) {
  TARN_ASSIGN_OR_RETURN(std::string text, fs.ReadFile(path));
  constexpr std::string_view kPatient = "buffer_age: 60s";
  const size_t at = text.find(kPatient);
  if (at == std::string::npos) return {};
  text.replace(at, kPatient.size(), "buffer_age: 2s");
  return fs.WriteFileAtomically(path, text);
}

std::string KeyPath(const ProjectOptions& options) { return options.dir + "/secrets/agent.key"; }

}  // namespace

Result<Programs> FindPrograms(os::FileSystem& fs) {
  TARN_ASSIGN_OR_RETURN(const std::string folder, FolderOfThisProgram());
  Programs programs{folder + "/tarn", folder + "/tarn-agent"};
  for (const std::string& path : {programs.tarn, programs.agent}) {
    if (!fs.Exists(path)) {
      return NotFound(fmt::format("{} is missing; build it (./dev build) or install it", path));
    }
  }
  return programs;
}

Status CheckNotServed(os::FileSystem& fs, const ProjectOptions& options) {
  const std::string state = options.dir + "/state";
  if (!fs.Exists(state)) return {};
  const auto lock = fs.Lock(state + "/server.lock");
  if (lock.ok()) return {};
  if (lock.error().code() != Code::kConflict) return lock.error();
  return Conflict(fmt::format("a server has {} open; stop it first, the demo starts one of its own",
                              options.dir));
}

Status MakeProject(os::FileSystem& fs, const Programs& programs, const ProjectOptions& options,
                   const std::string& log_path) {
  if (fs.Exists(KeyPath(options))) return {};
  // A demo that was killed before it had noted the key makes another.
  const bool made = fs.Exists(options.dir + "/tarn.yaml");
  const std::vector<std::string> command =
      made ? std::vector<std::string>{programs.tarn, "keys",
                                      "create",      fmt::format("demo-{}", getpid()),
                                      options.dir,   "--json"}
           : std::vector<std::string>{programs.tarn, "init",   options.dir,
                                      "--template",  "retail", "--json"};
  TARN_TRY(RunProgram(command, log_path, kInitMicros));
  // It holds keys: it does not stay.
  TARN_ASSIGN_OR_RETURN(const std::string output, fs.ReadFile(log_path));
  TARN_TRY(fs.Remove(log_path));
  TARN_ASSIGN_OR_RETURN(const codec::Json json, codec::ParseJson(output));
  TARN_ASSIGN_OR_RETURN(const std::string key, json.GetString(made ? "key" : "ingest_key"));
  TARN_TRY(LandOften(fs, options.dir + "/tarn.yaml"));
  TARN_TRY(fs.CreateDirectories(options.dir + "/secrets"));
  return fs.WritePrivateFileAtomically(KeyPath(options), key);
}

std::string LocalKey(os::FileSystem& fs, const ProjectOptions& options) {
  return fs.ReadFile(options.dir + "/state/local.key").value_or("");
}

std::vector<std::string> ServeCommand(const Programs& programs, const ProjectOptions& options) {
  return {programs.tarn, "serve", options.dir, "--listen",
          fmt::format("127.0.0.1:{}", options.server_port)};
}

Status WriteAgentConfig(os::FileSystem& fs, const ProjectOptions& project,
                        const AgentOptions& options) {
  TARN_TRY(fs.CreateDirectories(options.dir + "/state"));
  const std::string text = fmt::format(
      "# Written by tarn demo at each start.\n"
      "server: http://127.0.0.1:{}\n"
      "key: ${{file:{}}}\n"
      "host: {}\n"
      "state_dir: '{}/state'\n"
      "batch_age: 500ms\n"
      "flows:\n"
      "  - source: web_log\n"
      "    paths: ['{}/access.log*']\n"
      "    format: '{}'\n",
      project.server_port, KeyPath(project), options.host, options.dir, options.log_dir,
      kLogFormat);
  return fs.WriteFileAtomically(options.dir + "/agent.yaml", text);
}

std::vector<std::string> AgentCommand(const Programs& programs, const AgentOptions& options) {
  return {programs.agent, "--config", options.dir + "/agent.yaml"};
}

}  // namespace tarn::demo
