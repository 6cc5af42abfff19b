#include "app/lake_handle.h"

#include <fmt/format.h>
#include <poll.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "lake/lake_owner.h"

namespace tarn::app {

namespace {

constexpr int kLooks = 100;
constexpr int kLookMillis = 50;
constexpr int kSureLooks = 3;  // at a server that holds both locks and says that it is up

std::string UserName(uint32_t id) {
  const passwd* entry = getpwuid(id);
  return entry != nullptr ? std::string(entry->pw_name) : fmt::format("'#{}'", id);
}

}  // namespace

Result<std::unique_ptr<os::FileLock>> LockSoon(Machine& machine, const std::string& path) {
  auto lock = machine.files.Lock(path);
  for (int look = 0; look < kLooks && !lock.ok(); ++look) {
    if (lock.error().code() != Code::kConflict) break;
    poll(nullptr, 0, kLookMillis);
    lock = machine.files.Lock(path);
  }
  return lock;
}

Status RequireOwnerOf(Machine& machine, const Project& project) {
  bool any = false;
  for (const std::string& folder : {project.state_folder, project.lake_folder}) {
    if (!machine.files.Exists(folder)) continue;
    any = true;
    TARN_TRY(RequireOwner(machine, folder));
  }
  return any ? Status() : RequireOwner(machine, project.folder);
}

Status RequireOwner(Machine& machine, const std::string& folder) {
  TARN_ASSIGN_OR_RETURN(const os::FileInfo info, machine.files.Stat(folder));
  if (info.owner == geteuid()) return {};
  const std::string owner = UserName(info.owner);
  return PermissionDenied(
      fmt::format("{} belongs to {}, and the server could not change what {} writes there; run "
                  "this as its owner: sudo -u {} tarn …",
                  folder, owner, UserName(geteuid()), owner));
}

Status RequireCatalog(Machine& machine, const Project& project) {
  if (machine.files.Exists(project.catalog_file())) return {};
  const auto has = [&](std::string_view name) {
    return machine.files.Exists(os::JoinPath(project.lake_folder, name));
  };
  const bool has_tables = std::ranges::any_of(
      catalog::kLandingZones, [&](catalog::Zone zone) { return has(catalog::ZoneName(zone)); });
  if (has_tables || has(lake::kOwnerKey)) {
    return DataLoss(fmt::format(
        "{0} is missing, and with it what is known of the tables below {1}: which of their files "
        "count, and how far each log was read. Nothing was changed. Restore it from a backup; to "
        "begin anew, first move the folders {1} and {2} away (docs/operation.md, section Damage); "
        "if the lake is another project's, give this one a lake of its own (lake.path in "
        "tarn.yaml)",
        project.catalog_file(), project.lake_folder, project.journal_folder()));
  }
  return NotFound(
      fmt::format("{} has no lake yet; `tarn serve {}` makes it", project.name, project.folder));
}

Status RequireSamePlace(const store::LocalStore& store, catalog::Catalog& catalog) {
  TARN_ASSIGN_OR_RETURN(const auto datasets, catalog.ListDatasets(std::nullopt));
  for (const catalog::Dataset& dataset : datasets) {
    if (dataset.metadata_location.empty() || store.KeyOf(dataset.metadata_location).ok()) continue;
    const size_t zone = dataset.metadata_location.rfind("/" + dataset.location);
    return InvalidArgument(fmt::format(
        "the lake is at {}, but its tables were written at {}, and Iceberg metadata holds absolute "
        "addresses. Nothing was changed. Move the project back to that path, or make that path a "
        "symbolic link to where it is now and name it in commands",
        store.base_url(), dataset.metadata_location.substr(0, zone)));
  }
  return {};
}

Error LakeInUse(const Project& project) {
  return Conflict(fmt::format(
      "a server works on the lake at {}, and it is not this project's: {} is a copy of its state. "
      "Nothing was changed. Use the project whose server that is, or stop it first",
      project.lake_folder, project.state_folder));
}

Status RequireOwnLake(Machine& machine, const Project& project, const LakeHandle& lake) {
  TARN_TRY(lake::RequireOwnLake(*lake.store, *lake.catalog, project.catalog_file()));
  if (!machine.files.Exists(project.lake_folder)) return {};
  // A server takes its own lock before the lake's, and lets go of it after. Another command may
  // hold either for the moment it looks.
  bool ours = true;
  int up = 0;
  for (int look = 0; look < kLooks; ++look) {
    const auto free = machine.files.Lock(project.lake_folder);
    if (free.ok()) return {};
    if (free.error().code() != Code::kConflict) return free.error();
    {  // nobody else is to see it held while we wait
      const auto stopped = machine.files.Lock(project.lock_file());
      if (!stopped.ok() && stopped.error().code() != Code::kConflict) return stopped.error();
      ours &= !stopped.ok();
    }
    up = ours && machine.files.Exists(project.server_file()) ? up + 1 : 0;
    if (up == kSureLooks) return {};
    poll(nullptr, 0, kLookMillis);
  }
  return ours ? Status() : LakeInUse(project);
}

Result<std::unique_ptr<catalog::Catalog>> OpenCatalog(Machine& machine, const Project& project) {
  catalog::SqliteOptions options;
  options.path = project.catalog_file();
  options.mode = catalog::SqliteMode::kReadOnly;
  return catalog::OpenSqliteCatalog(options, {machine.files, machine.clock, machine.random});
}

Result<std::unique_ptr<LakeHandle>> OpenLake(Machine& machine, const Project& project) {
  TARN_TRY(RequireCatalog(machine, project));
  auto handle = std::make_unique<LakeHandle>();
  TARN_ASSIGN_OR_RETURN(
      handle->store, store::LocalStore::Open(machine.files, machine.random, project.lake_folder));
  TARN_ASSIGN_OR_RETURN(handle->catalog, OpenCatalog(machine, project));
  TARN_TRY(RequireSamePlace(*handle->store, *handle->catalog));
  handle->resolver =
      std::make_unique<lake::LakeResolver>(*handle->store, *handle->catalog, handle->manifests);
  return handle;
}

Result<std::unique_ptr<catalog::Catalog>> OpenWritableCatalog(Machine& machine,
                                                              const Project& project) {
  TARN_TRY(RequireOwnerOf(machine, project));
  catalog::SqliteOptions options;
  options.path = project.catalog_file();
  options.mode = catalog::SqliteMode::kExisting;
  options.check_pages = false;  // the server does it
  return catalog::OpenSqliteCatalog(options, {machine.files, machine.clock, machine.random});
}

Result<std::unique_ptr<sql::Engine>> OpenEngine(Machine& machine, const Project& project,
                                                std::function<void(const Error&)> on_stuck) {
  if (geteuid() == 0) TARN_TRY(RequireOwnerOf(machine, project));
  sql::EngineOptions options;
  options.threads = static_cast<int>(project.sql_threads);
  options.memory_limit_bytes = project.sql_memory_bytes;
  options.temp_directory = project.temp_folder();
  options.data_directories = {project.lake_folder};
  options.on_stuck = std::move(on_stuck);
  return sql::Engine::Open(options, machine.files);
}

}  // namespace tarn::app
