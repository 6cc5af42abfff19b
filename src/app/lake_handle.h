#pragma once

#include <memory>

#include "app/project.h"
#include "catalog/sqlite_catalog.h"
#include "iceberg/manifest_cache.h"
#include "lake/table_resolver.h"
#include "obs/log.h"
#include "obs/metrics.h"
#include "os/clock.h"
#include "os/posix_file_system.h"
#include "os/random.h"
#include "sql/engine.h"
#include "store/local_store.h"

namespace tarn::app {

// The machine a command runs on: what every module borrows.
struct Machine {
  os::PosixFileSystem files;
  os::SystemClock clock;
  os::SystemRandom random;
};

// Waits a little for a lock that others hold only for a moment. Conflict if it stays taken.
Result<std::unique_ptr<os::FileLock>> LockSoon(Machine& machine, const std::string& path);

// PermissionDenied if `folder` is another user's: what we wrote there, the server (which runs as
// that user) could not change. Root is no exception; the message says how to become the owner.
Status RequireOwner(Machine& machine, const std::string& folder);
// The same of a project's state and lake, wherever they are; of its folder before there are any.
Status RequireOwnerOf(Machine& machine, const Project& project);

// A project's lake, opened for reading beside a running or stopped server. Members are in order of
// use: the later borrow the earlier.
struct LakeHandle {
  std::unique_ptr<store::LocalStore> store;
  std::unique_ptr<catalog::Catalog> catalog;
  iceberg::ManifestCache manifests;
  std::unique_ptr<lake::LakeResolver> resolver;
};

// DataLoss if the catalog is missing while the lake has tables: made anew, it would not know them.
// NotFound if there is neither.
Status RequireCatalog(Machine& machine, const Project& project);
// InvalidArgument, saying what to do, if the tables were written under another path than the lake
// now has: Iceberg metadata holds absolute addresses.
Status RequireSamePlace(const store::LocalStore& store, catalog::Catalog& catalog);

// Conflict: what to say of the lock on the lake's folder, which a server holds while it works
// there: two copies of one state would both be the lake's own catalog.
Error LakeInUse(const Project& project);
// For a command that changes the lake. The errors of lake::RequireOwnLake, and Conflict if a server
// that is not this project's works on the lake.
Status RequireOwnLake(Machine& machine, const Project& project, const LakeHandle& lake);

// The catalog alone, to be read, wherever the project lies.
Result<std::unique_ptr<catalog::Catalog>> OpenCatalog(Machine& machine, const Project& project);

// The errors of RequireCatalog and RequireSamePlace, and those of opening the catalog.
Result<std::unique_ptr<LakeHandle>> OpenLake(Machine& machine, const Project& project);

// The catalog for a command that changes something, beside a running or stopped server. Only for
// the project's owner.
Result<std::unique_ptr<catalog::Catalog>> OpenWritableCatalog(Machine& machine,
                                                              const Project& project);

// An engine within the project's limits, over its lake. `on_stuck` as in EngineOptions. It makes
// state/tmp, so not for root in a project of somebody else.
Result<std::unique_ptr<sql::Engine>> OpenEngine(Machine& machine, const Project& project,
                                                std::function<void(const Error&)> on_stuck = {});

}  // namespace tarn::app
