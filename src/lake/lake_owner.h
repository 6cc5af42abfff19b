#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "catalog/catalog.h"
#include "store/object_store.h"

namespace tarn::lake {

// A lake belongs to one catalog: what another catalog landed there, a server would take for
// leftovers of its own, and remove. The object lake.json names the catalog by its project_id
// (docs/formats/lake-layout.md, docs/adr/0013-a-lake-has-one-catalog.md).
inline constexpr std::string_view kOwnerKey = "lake.json";

// Fine if the lake is the catalog's, or nobody's yet: without lake.json that is one which holds no
// tables, or whose tables the catalog knows. Conflict if it is another catalog's, DataLoss if it
// has tables of which the catalog knows none, or if lake.json is damaged; both say how to go on.
// Changes nothing. `catalog_file` is what a person is shown.
Status RequireOwnLake(const store::ObjectStore& store, catalog::Catalog& catalog,
                      const std::string& catalog_file);

// The same, and makes the lake the catalog's for good; of several catalogs exactly one gets it.
Status TakeLake(store::ObjectStore& store, catalog::Catalog& catalog,
                const std::string& catalog_file);

}  // namespace tarn::lake
