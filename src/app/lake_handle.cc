#include "app/lake_handle.h"

#include <fmt/format.h>

#include <utility>

namespace tarn::app {

Result<std::unique_ptr<LakeHandle>> OpenLake(Machine& machine, const Project& project) {
  if (!machine.files.Exists(project.catalog_file())) {
    return NotFound(
        fmt::format("{} has no lake yet; `tarn serve {}` makes it", project.name, project.folder));
  }
  auto handle = std::make_unique<LakeHandle>();
  TARN_ASSIGN_OR_RETURN(
      handle->store, store::LocalStore::Open(machine.files, machine.random, project.lake_folder));
  catalog::SqliteOptions options;
  options.path = project.catalog_file();
  options.mode = catalog::SqliteMode::kReadOnly;
  TARN_ASSIGN_OR_RETURN(
      handle->catalog,
      catalog::OpenSqliteCatalog(options, {machine.files, machine.clock, machine.random}));
  handle->resolver =
      std::make_unique<lake::LakeResolver>(*handle->store, *handle->catalog, handle->manifests);
  return handle;
}

}  // namespace tarn::app
