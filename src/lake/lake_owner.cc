#include "lake/lake_owner.h"

#include <fmt/format.h>

#include <optional>

#include "codec/json.h"

namespace tarn::lake {
namespace {

constexpr int64_t kVersion = 1;

struct Place {
  const store::ObjectStore& store;
  catalog::Catalog& catalog;
  const std::string& catalog_file;

  std::string owner_url() const { return store.UrlOf(kOwnerKey); }
};

Result<std::string> IdOf(const Place& place) {
  TARN_ASSIGN_OR_RETURN(const catalog::CatalogSummary summary, place.catalog.Summary());
  if (!summary.project_id.empty()) return summary.project_id;
  return DataLoss(
      fmt::format("{}: the catalog's setting project_id is gone; restore the file "
                  "from a backup",
                  place.catalog_file));
}

Result<std::string> ParseOwner(const Place& place, const std::string& bytes) {
  const auto json = codec::ParseJson(bytes);
  const auto version = json.ok() ? json->GetInt("version") : Result<int64_t>(json.error());
  if (version.ok() && *version > kVersion) {
    return Unsupported(fmt::format("{} was written by a newer Tarn (version {}, this one knows {})",
                                   place.owner_url(), *version, kVersion));
  }
  if (version.ok()) {
    auto id = json->GetString("catalog_id");
    if (id.ok() && !id->empty()) return id;
  }
  return DataLoss(
      fmt::format("{} is damaged: it names the catalog the lake belongs to. Restore it from a "
                  "backup, or remove it while no server runs: the next start writes it anew",
                  place.owner_url()));
}

// nullopt: the lake is nobody's yet.
Result<std::optional<std::string>> ReadOwner(const Place& place) {
  const auto bytes = place.store.Get(std::string(kOwnerKey));
  if (!bytes.ok()) {
    if (bytes.error().code() == Code::kNotFound) return std::optional<std::string>();
    return bytes.error();
  }
  TARN_ASSIGN_OR_RETURN(std::string id, ParseOwner(place, *bytes));
  return std::optional(std::move(id));
}

Status RequireSame(const Place& place, const std::string& owner, const std::string& id) {
  if (owner == id) return {};
  return Conflict(fmt::format(
      "{} says that this lake belongs to another catalog, {}; {} is {}. A second catalog would "
      "remove what the first one's server has landed, so nothing was changed. Give this project a "
      "lake of its own (lake.path in tarn.yaml); if the lake is this project's, restore its "
      "catalog from a backup (docs/operation.md, section Damage)",
      place.owner_url(), owner, place.catalog_file, id));
}

Result<bool> KnowsATable(const Place& place) {
  TARN_ASSIGN_OR_RETURN(const auto datasets, place.catalog.ListDatasets(std::nullopt));
  for (const catalog::Dataset& dataset : datasets) {
    if (!dataset.metadata_location.empty() && place.store.KeyOf(dataset.metadata_location).ok()) {
      return true;
    }
  }
  return false;
}

// A lake of before there was a lake.json, or a new one.
Status RequireKnown(const Place& place) {
  TARN_ASSIGN_OR_RETURN(const bool known, KnowsATable(place));
  if (known) return {};
  for (const catalog::Zone zone : catalog::kLandingZones) {
    const std::string prefix = fmt::format("{}/", catalog::ZoneName(zone));
    TARN_ASSIGN_OR_RETURN(const auto objects, place.store.List(prefix));
    if (objects.empty()) continue;
    return DataLoss(fmt::format(
        "{} knows no table, but {} has some ({} and others): which of their files count, and how "
        "far each log was read, stood in another catalog. Nothing was changed. Restore that from a "
        "backup; a new project needs a lake of its own (lake.path in tarn.yaml)",
        place.catalog_file, place.store.base_url(), objects.front().key));
  }
  return {};
}

}  // namespace

Status RequireOwnLake(const store::ObjectStore& store, catalog::Catalog& catalog,
                      const std::string& catalog_file) {
  const Place place{store, catalog, catalog_file};
  TARN_ASSIGN_OR_RETURN(const std::string id, IdOf(place));
  TARN_ASSIGN_OR_RETURN(const auto owner, ReadOwner(place));
  return owner ? RequireSame(place, *owner, id) : RequireKnown(place);
}

Status TakeLake(store::ObjectStore& store, catalog::Catalog& catalog,
                const std::string& catalog_file) {
  const Place place{store, catalog, catalog_file};
  TARN_ASSIGN_OR_RETURN(const std::string id, IdOf(place));
  TARN_ASSIGN_OR_RETURN(auto owner, ReadOwner(place));
  if (!owner) {
    TARN_TRY(RequireKnown(place));
    codec::Json json;
    json.Set("version", kVersion);
    json.Set("catalog_id", id);
    Status put = store.PutIfAbsent(std::string(kOwnerKey), codec::DumpJson(json) + "\n");
    if (put.ok()) return {};
    if (put.error().code() != Code::kAlreadyExists) return put;
    TARN_ASSIGN_OR_RETURN(owner, ReadOwner(place));  // another server was first
  }
  return RequireSame(place, owner.value_or(std::string()), id);
}

}  // namespace tarn::lake
