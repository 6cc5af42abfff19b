#include "app/server.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <set>
#include <utility>

#include "app/local_key.h"
#include "app/version.h"
#include "base/bytes.h"
#include "base/text.h"
#include "http/client.h"
#include "journal/journal.h"
#include "lake/agent_door.h"
#include "lake/lake_owner.h"
#include "lake/landing.h"
#include "lake/maintenance.h"
#include "serve/rest/rest_server.h"

namespace tarn::app {
namespace {

// How long one step waits for a command that writes to the catalog beside the server. It is the
// only wait: what got no answer fails, is said, and is tried again later, and a stop has nothing
// else to wait for.
constexpr int64_t kCatalogWaitMillis = 5'000;
constexpr int64_t kRequestGraceMicros = 10 * kMicrosPerSecond;
constexpr timespec kKeysLookEvery{.tv_sec = 0, .tv_nsec = 200'000'000};

// Blocks the signals that end the server, so that every thread made later blocks them too and
// sigwait alone takes them.
sigset_t BlockEndSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file size limit is an error of the write, not an end
  return signals;
}

// The running server, part by part; destroyed from the last to the first.
struct Parts {
  Parts(Machine& machine, const Project& project)
      : log(machine.clock, STDERR_FILENO, project.log_format, project.log_level) {}

  obs::Logger log;
  obs::Registry metrics;
  std::unique_ptr<os::FileLock> lock;
  std::unique_ptr<os::FileLock> lake_lock;
  std::unique_ptr<store::LocalStore> store;
  std::unique_ptr<catalog::Catalog> catalog;
  iceberg::ManifestCache manifests;
  std::unique_ptr<lake::Workspace> work;
  // The journal's end finishes appends, whose answers come back to the door.
  std::unique_ptr<lake::AgentDoor> door;
  std::unique_ptr<journal::Journal> journal;
  std::unique_ptr<lake::Landing> landing;
  std::unique_ptr<lake::Maintenance> maintenance;
  std::unique_ptr<auth::Authenticator> keys;
  bool keys_lost = false;                  // when the server started
  std::pair<uint64_t, int64_t> keys_seen;  // of the file that was loaded
  std::unique_ptr<serve::rest::RestServer> rest;
};

// Refuses, before anything is changed, what a moved folder, a lost catalog or a lake that is
// another catalog's makes of the project. Other troubles are those of opening it.
Status CheckPlace(Machine& machine, const Project& project) {
  const Status there = RequireCatalog(machine, project);
  if (!there.ok()) return there.error().code() == Code::kNotFound ? Status() : there;
  const auto lake = OpenLake(machine, project);
  if (lake.ok()) {
    return lake::RequireOwnLake(*(*lake)->store, *(*lake)->catalog, project.catalog_file());
  }
  if (lake.error().code() == Code::kInvalidArgument) return lake.error();
  return {};
}

// Before anything in the lake is changed, leftovers removed or journal records read.
Status TakeLake(Machine& machine, const Project& project, Parts& parts) {
  TARN_TRY(RequireSamePlace(*parts.store, *parts.catalog));
  auto lock = LockSoon(machine, project.lake_folder);
  if (!lock.ok()) {
    if (lock.error().code() == Code::kConflict) return LakeInUse(project);
    return std::move(lock).error();
  }
  parts.lake_lock = std::move(*lock);
  return lake::TakeLake(*parts.store, *parts.catalog, project.catalog_file());
}

Status OpenStorage(Machine& machine, const Project& project, const ServeOptions& options,
                   Parts& parts) {
  TARN_TRY(RequireOwnerOf(machine, project));
  TARN_TRY(CheckPlace(machine, project));
  parts.keys_lost = KeysLost(machine, project);
  TARN_TRY(machine.files.CreateDirectories(project.state_folder));
  // A command that looks whether a server runs holds the lock for a moment.
  auto lock = LockSoon(machine, project.lock_file());
  if (!lock.ok()) {
    if (lock.error().code() != Code::kConflict) return std::move(lock).error();
    return Conflict(fmt::format("another server has {} open; `tarn status {}` shows it",
                                project.folder, project.folder));
  }
  parts.lock = std::move(*lock);
  // Of a server that was killed; with the lock held it would be taken for ours, and anybody may
  // listen at its address since.
  (void)machine.files.Remove(project.server_file());
  TARN_ASSIGN_OR_RETURN(
      parts.store, store::LocalStore::Open(machine.files, machine.random, project.lake_folder));
  catalog::SqliteOptions sqlite;
  sqlite.path = project.catalog_file();
  sqlite.tarn_version = kVersion;
  sqlite.busy_timeout_ms = kCatalogWaitMillis;
  sqlite.lost_log = options.accept_loss ? catalog::LostLog::kAccept : catalog::LostLog::kRefuse;
  TARN_ASSIGN_OR_RETURN(parts.catalog, catalog::OpenSqliteCatalog(
                                           sqlite, {machine.files, machine.clock, machine.random}));
  TARN_TRY(TakeLake(machine, project, parts));
  // Temporaries of a server that was killed; those of a running command stay.
  TARN_TRY(parts.store->Sweep());
  journal::Options journal;
  journal.max_bytes = project.journal_max_bytes;
  journal.accept_loss = options.accept_loss;
  TARN_ASSIGN_OR_RETURN(const std::string landed,
                        parts.catalog->GetPosition(std::string(lake::Landing::kPipeline)));
  journal.resume_at = ParseUint64(landed).value_or(0);
  TARN_ASSIGN_OR_RETURN(
      parts.journal, journal::Journal::Open(
                         {machine.files, machine.random, machine.clock, parts.log, parts.metrics},
                         project.journal_folder(), journal));
  parts.work = std::make_unique<lake::Workspace>(
      lake::Workspace{*parts.store, *parts.catalog, machine.clock, machine.random, parts.manifests,
                      parts.log, parts.metrics});
  return {};
}

// The door reads the journal before the landing may trim it.
Status OpenLanding(const Project& project, const ServeOptions& options, Parts& parts) {
  std::set<std::string> sources;
  for (const lake::LogSource& source : project.sources) sources.insert(source.name);
  TARN_ASSIGN_OR_RETURN(const std::string position,
                        parts.catalog->GetPosition(std::string(lake::Landing::kPipeline)));
  const uint64_t begin = parts.journal->begin().value;
  const uint64_t next = ParseUint64(position).value_or(begin);
  TARN_ASSIGN_OR_RETURN(parts.door,
                        lake::AgentDoor::Open(*parts.work, *parts.journal, sources,
                                              std::clamp(next, begin, parts.journal->end().value)));
  lake::LandingOptions landing;
  landing.sources = project.sources;
  landing.buffer_bytes = project.landing_buffer_bytes;
  landing.buffer_age_micros = project.landing_buffer_age_micros;
  landing.accept_loss = options.accept_loss;
  TARN_ASSIGN_OR_RETURN(parts.landing,
                        lake::Landing::Start(*parts.work, *parts.journal, std::move(landing)));
  return {};
}

// Inode and time of the keys' file, which is replaced as a whole: others mean another content.
std::pair<uint64_t, int64_t> LookAtKeys(Machine& machine, const Project& project) {
  const auto info = machine.files.Stat(project.keys_file());
  if (!info.ok()) return {0, 0};
  return {info->inode, info->modified.micros};
}

Status OpenDoor(Machine& machine, const Project& project, const auth::TlsFiles& tls, Parts& parts) {
  TARN_TRY(EnsureLocalKey(machine, project));
  // Looked at before it is read: a change in between is then seen as one.
  parts.keys_seen = LookAtKeys(machine, project);
  TARN_ASSIGN_OR_RETURN(auto ring, auth::KeyRing::Load(machine.files, project.keys_file()));
  if (parts.keys_lost) {
    parts.log.Write(
        obs::Level::kError, "server.keys_lost",
        {{"file", project.keys_file()},
         {"note", "it is gone, and all keys with it: whoever has one, agents too, is refused"},
         {"hint",
          "stop the server, restore the file and start again; or make new keys "
          "with `tarn keys create`"}});
  } else if (OnlyLocalKey(ring)) {
    parts.log.Write(obs::Level::kWarn, "server.no_keys",
                    {{"file", project.keys_file()},
                     {"hint", "nobody can send or read; `tarn keys create` makes keys"}});
  }
  parts.keys = std::make_unique<auth::Authenticator>(
      std::move(ring), machine.clock, [&log = parts.log](const auth::FailureReport& report) {
        log.Write(obs::Level::kWarn, "auth.failed",
                  {{"failures", static_cast<int64_t>(report.failures)},
                   {"last_peer", report.last_peer},
                   {"last_reason", report.last_reason}});
      });
  http::ServerOptions options;
  options.listen = {{project.listen_address, project.listen_port}};
  if (project.tls.enabled()) {
    for (const std::string& warning : tls.warnings) {
      parts.log.Write(obs::Level::kWarn, "tls.warning", {{"warning", warning}});
    }
    options.tls = http::ServerTls{tls.certificate_chain_pem, tls.private_key_pem};
  }
  const serve::rest::Backend backend{*parts.keys,    *parts.door,          *parts.landing,
                                     *parts.journal, *parts.catalog,       parts.metrics,
                                     machine.clock,  std::string(kVersion)};
  TARN_ASSIGN_OR_RETURN(parts.rest, serve::rest::RestServer::Start(backend, std::move(options)));
  return {};
}

void StartMaintenance(Machine& machine, const Project& project, Parts& parts) {
  lake::MaintenanceOptions options;
  options.temp_directory = os::JoinPath(project.state_folder, "maintenance");
  options.data_directory = project.lake_folder;
  parts.maintenance =
      lake::Maintenance::Start(*parts.work, *parts.store, machine.files, std::move(options));
}

std::string UrlOf(const Project& project, uint16_t port) {
  const bool six = project.listen_address.find(':') != std::string::npos;
  std::string host = six ? "[" + project.listen_address + "]" : project.listen_address;
  if (host == "0.0.0.0") host = "127.0.0.1";
  if (host == "[::]") host = "[::1]";
  return fmt::format("{}://{}:{}", project.tls.enabled() ? "https" : "http", host, port);
}

Result<RunningServer> ParseRunning(std::string_view text) {
  TARN_ASSIGN_OR_RETURN(const codec::Json json, codec::ParseJson(text));
  RunningServer running;
  TARN_ASSIGN_OR_RETURN(running.pid, json.GetInt("pid"));
  TARN_ASSIGN_OR_RETURN(running.url, json.GetString("url"));
  TARN_TRY(http::ParseEndpoint(running.url));
  running.certificate_sha256 =
      FromHex(json.GetString("certificate_sha256").value_or("")).value_or(std::string());
  return running;
}

// An absent file is none that somebody wrote.
Result<auth::KeyRing> LoadKeysThere(Machine& machine, const Project& project) {
  TARN_TRY(machine.files.Stat(project.keys_file()));
  return auth::KeyRing::Load(machine.files, project.keys_file());
}

// Waits for a signal that ends the server. Meanwhile keys made or revoked by `tarn keys` are taken
// up.
int WaitForEnd(Machine& machine, const Project& project, const sigset_t& signals, Parts& parts) {
  for (;;) {
    const int signal = sigtimedwait(&signals, nullptr, &kKeysLookEvery);
    if (signal > 0) return signal;
    const auto now = LookAtKeys(machine, project);
    if (now == parts.keys_seen) continue;
    parts.keys_seen = now;
    auto ring = LoadKeysThere(machine, project);
    if (ring.ok()) {
      parts.log.Write(obs::Level::kInfo, "server.keys_reloaded",
                      {{"keys", static_cast<int64_t>(ring->keys().size())}});
      parts.keys->Replace(*std::move(ring));
    } else {
      parts.log.Write(
          obs::Level::kError, "server.keys_unreadable",
          {{"error", ring.error().ToString()}, {"note", "the keys before still count"}});
    }
  }
}

}  // namespace

Status Serve(Machine& machine, const Project& project, const ServeOptions& options) {
  const sigset_t signals = BlockEndSignals();
  const int64_t started = machine.clock.MonotonicMicros();
  Parts parts(machine, project);
  for (const std::string& warning : WarningsOf(project)) {
    parts.log.Write(obs::Level::kWarn, "settings.unsafe", {{"reason", warning}});
  }
  TARN_TRY(OpenStorage(machine, project, options, parts));
  TARN_TRY(OpenLanding(project, options, parts));
  TARN_TRY(OpenDoor(machine, project, options.tls, parts));
  StartMaintenance(machine, project, parts);
  const std::string url = UrlOf(project, parts.rest->port());
  codec::Json running;
  running.Set("pid", int64_t{getpid()});
  running.Set("url", url);
  if (!options.tls.certificate_sha256.empty())
    running.Set("certificate_sha256", ToHex(options.tls.certificate_sha256));
  TARN_TRY(
      machine.files.WriteFileAtomically(project.server_file(), codec::DumpJson(running) + "\n"));
  parts.log.Write(obs::Level::kInfo, "server.ready",
                  {{"project", project.name},
                   {"url", url},
                   {"version", kVersion},
                   {"took_ms", (machine.clock.MonotonicMicros() - started) / 1'000}});
  const int signal = WaitForEnd(machine, project, signals, parts);
  parts.log.Write(obs::Level::kInfo, "server.stopping",
                  {{"signal", signal == SIGINT ? "SIGINT" : "SIGTERM"}});
  parts.maintenance->Stop();
  parts.rest->Stop(kRequestGraceMicros);
  parts.landing->Stop(true);  // ends flushes that requests wait for
  parts.rest.reset();
  (void)machine.files.Remove(project.server_file());
  parts.log.Write(obs::Level::kInfo, "server.stopped", {});
  return {};
}

Result<RunningServer> FindServer(Machine& machine, const Project& project) {
  const Error none = NotFound(fmt::format("no server runs on {}", project.folder));
  const auto text = machine.files.ReadFile(project.server_file());
  if (!text.ok()) return none;
  // A server that was killed leaves the file behind, whatever is in it, and anybody may listen on
  // its port since: it must not be shown our key.
  const auto runs = machine.files.IsLocked(project.lock_file());
  if (!runs.ok()) return runs.error().code() == Code::kNotFound ? none : runs.error();
  if (!*runs) return none;
  auto running = ParseRunning(*text);
  if (running.ok()) return running;
  return Unavailable(fmt::format(
      "{} is damaged ({}): a server runs, and nobody can tell where. Stop it, its process has {} "
      "open, and start it again: it writes the file anew",
      project.server_file(), running.error().message(), project.lock_file()));
}

}  // namespace tarn::app
