#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "store/object_store.h"

namespace tarn::parquet {

// Whether a data file is as it was written, by the checksum our writer leaves in its footer
// (docs/formats/parquet.md). DataLoss says what is wrong with "it": the caller knows the file.
// NotFound if there is no such object.

// What a manifest says of a file.
struct ExpectedFile {
  std::string key;
  uint64_t size = 0;
  bool has_checksum = false;  // one without it is damaged; otherwise it may be another writer's
};

// The end of the file: its size and its footer. Reads little else.
Status CheckFooter(const store::ObjectStore& store, const ExpectedFile& expected);

enum class Checked : uint8_t { kEveryByte, kHasNoChecksum };
// The whole file, read once in pieces. Of a file of another writer, or of a Tarn that wrote no
// checksum, only the end is checked. `go_on` (may be empty) is asked before each piece; its error
// ends the check.
Result<Checked> CheckFile(const store::ObjectStore& store, const ExpectedFile& expected,
                          const std::function<Status()>& go_on = {});

}  // namespace tarn::parquet
