#pragma once

#include "catalog/catalog.h"
#include "iceberg/commit.h"
#include "iceberg/manifest_cache.h"
#include "obs/log.h"
#include "obs/metrics.h"
#include "os/clock.h"
#include "os/random.h"
#include "store/object_store.h"

namespace tarn::lake {

// What the lake works with. Borrowed; everything outlives the lake.
struct Workspace {
  store::ObjectStore& store;
  catalog::Catalog& catalog;
  const os::Clock& clock;
  os::Random& random;
  iceberg::ManifestCache& manifests;
  obs::Logger& log;
  obs::Registry& metrics;

  iceberg::Workspace ForIceberg() const { return {store, clock, random, manifests}; }
};

}  // namespace tarn::lake
