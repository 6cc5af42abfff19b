#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "os/file_system.h"

namespace tarn::journal {

// The records a journal holds: [begin, end).
struct Held {
  uint64_t begin = 0;
  uint64_t end = 0;
};

// DataLoss unless `next`, which the lake expects, is one of the records or follows the last.
Status RequireNext(uint64_t next, const Held& held);

// Reads a journal that no server has open as a start would: all segments' headers, and the records
// from `next` on (nullopt: all), which the lake does not have. Errors are those of the
// start, or of the landing's first read; nothing is changed, made or locked. A folder that is not
// there holds nothing.
Result<Held> Inspect(os::FileSystem& files, const std::string& folder,
                     std::optional<uint64_t> next);

}  // namespace tarn::journal
