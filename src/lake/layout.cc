#include "lake/layout.h"

#include <fmt/format.h>

#include "base/text.h"
#include "base/time.h"

namespace tarn::lake {
namespace {

constexpr std::string_view kOwnPrefix = "tarn-";

std::string HourFolder(Hour hour) {
  if (!hour) return "undated";
  const Civil civil = CivilFromTimestamp({*hour * kMicrosPerHour});
  return fmt::format("{:04}/{:02}/{:02}/{:02}", civil.year, civil.month, civil.day, civil.hour);
}

}  // namespace

std::string TablePrefix(const catalog::DatasetName& table) {
  return fmt::format("{}/{}", catalog::ZoneName(table.zone), table.table);
}

std::string DataKey(const catalog::DatasetName& table, Hour hour, const Uuid& id) {
  return fmt::format("{}/data/{}/{}{}.parquet", TablePrefix(table), HourFolder(hour), kOwnPrefix,
                     FormatUuid(id));
}

bool IsWrittenByTarn(std::string_view data_key) {
  return data_key.substr(data_key.rfind('/') + 1).starts_with(kOwnPrefix);
}

std::string JsonPrefix(const catalog::DatasetName& table) { return TablePrefix(table) + "/json/"; }

std::string JsonKey(const catalog::DatasetName& table, Hour hour, uint64_t first, uint64_t last) {
  return fmt::format("{}{}/{:016}-{:016}.json.zst", JsonPrefix(table), HourFolder(hour), first,
                     last);
}

std::optional<uint64_t> FirstPositionOf(const std::string& json_key) {
  const std::string name = json_key.substr(json_key.rfind('/') + 1);
  if (name.size() < 17 || name[16] != '-') return std::nullopt;
  return ParseUint64(name.substr(0, 16));
}

}  // namespace tarn::lake
