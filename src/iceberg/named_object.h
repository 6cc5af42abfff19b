#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "store/object_store.h"

namespace tarn::iceberg {

// Metadata, manifests and manifest lists have no checksum of their own, so their names carry one:
// 16 hex digits of XXH3 before the extension (docs/formats/iceberg.md).
// "…/<uuid>-m0" and ".avro" → "…/<uuid>-m0.<hash>.avro".
std::string NameWithHash(std::string_view stem, std::string_view extension, std::string_view bytes);

// The bytes behind an address. DataLoss if its name carries a hash and the bytes have another;
// NotFound if it is missing.
Result<std::string> GetNamed(const store::ObjectStore& store, const std::string& url);

}  // namespace tarn::iceberg
