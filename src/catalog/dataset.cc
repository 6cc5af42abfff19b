#include "catalog/dataset.h"

#include <array>

#include "base/text.h"
#include "catalog/commit.h"

namespace tarn::catalog {
namespace {

constexpr std::array<std::string_view, 5> kZones = {"raw", "clean", "curated", "quarantine",
                                                    "system"};
constexpr std::array<std::string_view, 2> kKinds = {"table", "objects"};
constexpr std::array<std::string_view, 3> kStatuses = {"running", "succeeded", "failed"};
constexpr size_t kMaxNameBytes = 128;

template <typename Enum, size_t kSize>
std::optional<Enum> Parse(const std::array<std::string_view, kSize>& names, std::string_view name) {
  for (size_t i = 0; i < kSize; ++i) {
    if (names[i] == name) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsNamePart(char c) { return IsLetter(c) || (c >= '0' && c <= '9') || c == '-'; }

}  // namespace

std::string_view ZoneName(Zone zone) { return kZones.at(static_cast<size_t>(zone)); }
std::optional<Zone> ParseZone(std::string_view name) { return Parse<Zone>(kZones, name); }

std::string_view DatasetKindName(DatasetKind kind) { return kKinds.at(static_cast<size_t>(kind)); }
std::optional<DatasetKind> ParseDatasetKind(std::string_view name) {
  return Parse<DatasetKind>(kKinds, name);
}

std::string_view RunStatusName(RunStatus status) {
  return kStatuses.at(static_cast<size_t>(status));
}
std::optional<RunStatus> ParseRunStatus(std::string_view name) {
  return Parse<RunStatus>(kStatuses, name);
}

std::string DatasetName::ToString() const { return std::string(ZoneName(zone)) + "." + table; }

Status ValidateDatasetName(const DatasetName& name) {
  if (name.table.empty() || name.table.size() > kMaxNameBytes) {
    return InvalidArgument("a dataset's name has 1 to 128 bytes after its zone");
  }
  if (!IsLetter(name.table[0])) {
    return InvalidArgument("dataset '" + ReplaceInvalidUtf8(name.ToString()) +
                           "': the name must start with a letter or '_'");
  }
  for (const char c : name.table) {
    if (!IsNamePart(c)) {
      return InvalidArgument("dataset '" + ReplaceInvalidUtf8(name.ToString()) +
                             "': only letters, digits, '_' and '-' may be in a name");
    }
  }
  return {};
}

Result<DatasetName> ParseDatasetName(std::string_view text) {
  const size_t dot = text.find('.');
  if (dot == std::string_view::npos) {
    return InvalidArgument("dataset '" + ReplaceInvalidUtf8(text) +
                           "': write the zone first, as in clean.web_log");
  }
  const auto zone = ParseZone(text.substr(0, dot));
  if (!zone) {
    const std::string_view word = text.substr(0, dot);
    return InvalidArgument("'" + ReplaceInvalidUtf8(word) + "' is no zone" +
                           DidYouMean(word, {kZones.begin(), kZones.end()},
                                      "zones are raw, clean, curated, quarantine, system"));
  }
  DatasetName name{*zone, std::string(text.substr(dot + 1))};
  TARN_TRY(ValidateDatasetName(name));
  return name;
}

}  // namespace tarn::catalog
