#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/id.h"
#include "catalog/dataset.h"

namespace tarn::lake {

// Hours since 1970-01-01T00Z, as Iceberg's hour transform counts them; nullopt: no event time.
using Hour = std::optional<int64_t>;

// Where things lie below the object store. Paths are for people; engines follow the metadata.
std::string TablePrefix(const catalog::DatasetName& table);  // "clean/web_log"
// "clean/web_log/data/2026/11/24/13/tarn-<uuid>.parquet"; rows without an event time lie under
// "data/undated/".
std::string DataKey(const catalog::DatasetName& table, Hour hour, const Uuid& id);
// A data file by a name of DataKey; other engines give theirs other names.
bool IsWrittenByTarn(std::string_view data_key);
// "raw/web_log/json/2026/11/24/13/<first>-<last>.json.zst": the journal positions it holds, so that
// what an interrupted flush left behind is known by its name.
std::string JsonPrefix(const catalog::DatasetName& table);
std::string JsonKey(const catalog::DatasetName& table, Hour hour, uint64_t first, uint64_t last);
// The first position in a name of JsonKey; nullopt for other names.
std::optional<uint64_t> FirstPositionOf(const std::string& json_key);

}  // namespace tarn::lake
