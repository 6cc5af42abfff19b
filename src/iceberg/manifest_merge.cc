#include "iceberg/manifest_merge.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

namespace tarn::iceberg {
namespace {

// How many times the entries gathered so far the next manifest may have and still join the merge.
constexpr int64_t kSimilarity = 4;

int64_t EntryCount(const DraftManifest& draft) {
  return draft.carried() ? draft.file.live_files() : static_cast<int64_t>(draft.entries.size());
}

// Positions in `drafts` to merge: the smallest ones, until one is much larger than their sum.
std::vector<size_t> Choose(const std::vector<DraftManifest>& drafts, std::vector<size_t> group,
                           const MergeLimits& limits) {
  std::erase_if(group, [&](size_t at) {
    return drafts[at].carried() && drafts[at].file.length >= limits.target_bytes;
  });
  std::stable_sort(group.begin(), group.end(), [&](size_t left, size_t right) {
    return EntryCount(drafts[left]) < EntryCount(drafts[right]);
  });
  std::vector<size_t> chosen;
  int64_t entries = 0;
  for (const size_t at : group) {
    const int64_t count = EntryCount(drafts[at]);
    if (chosen.size() > 1 && count > kSimilarity * std::max<int64_t>(entries, 1)) break;
    entries += count;
    chosen.push_back(at);
  }
  return chosen.size() > 1 ? chosen : std::vector<size_t>();
}

Status AppendEntries(const Workspace& work, const TableMetadata& table, const DraftManifest& draft,
                     std::vector<ManifestEntry>& out) {
  if (!draft.carried()) {
    out.insert(out.end(), draft.entries.begin(), draft.entries.end());
    return {};
  }
  TARN_ASSIGN_OR_RETURN(const Entries entries, work.cache.Manifest(work.store, table, draft.file));
  for (const auto& entry : *entries) {
    if (entry.live()) out.push_back(AsExisting(entry));
  }
  return {};
}

}  // namespace

ManifestEntry AsExisting(const ManifestEntry& entry) {
  ManifestEntry existing = entry;
  existing.status = EntryStatus::kExisting;
  return existing;
}

Result<std::vector<DraftManifest>> MergeManifests(const Workspace& work, const TableMetadata& table,
                                                  std::vector<DraftManifest> drafts,
                                                  const MergeLimits& limits) {
  std::map<std::pair<int32_t, ManifestContent>, std::vector<size_t>> groups;
  for (size_t i = 0; i < drafts.size(); ++i) {
    groups[{drafts[i].file.spec_id, drafts[i].file.content}].push_back(i);
  }
  std::vector<bool> merged(drafts.size(), false);
  std::vector<DraftManifest> result;
  for (auto& [key, group] : groups) {
    if (static_cast<int64_t>(group.size()) < limits.min_count) continue;
    DraftManifest target;
    target.file.spec_id = key.first;
    target.file.content = key.second;
    int64_t bytes = 0;
    for (const size_t at : Choose(drafts, group, limits)) {
      // The sum of compressed sizes overstates the merged one, so the target is a ceiling.
      const int64_t length = drafts[at].carried() ? drafts[at].file.length : 0;
      if (bytes > 0 && bytes + length > limits.target_bytes) {
        if (!target.entries.empty()) result.push_back(target);
        target.entries.clear();
        bytes = 0;
      }
      TARN_TRY(AppendEntries(work, table, drafts[at], target.entries));
      bytes += length;
      merged[at] = true;
    }
    if (!target.entries.empty()) result.push_back(std::move(target));
  }
  for (size_t i = 0; i < drafts.size(); ++i) {
    if (!merged[i]) result.push_back(std::move(drafts[i]));
  }
  return result;
}

}  // namespace tarn::iceberg
