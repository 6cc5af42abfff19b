#include "catalog/commit_check.h"

#include <fmt/format.h>

#include <initializer_list>
#include <set>

namespace tarn::catalog {
namespace {

Status CheckText(std::string_view what, std::string_view text) {
  if (text.size() > kMaxTextBytes) {
    return InvalidArgument(
        fmt::format("{} has {} bytes; the limit is {}", what, text.size(), kMaxTextBytes));
  }
  return {};
}

Status CheckCount(std::string_view what, size_t count, size_t limit) {
  if (count > limit) {
    return InvalidArgument(fmt::format("{} {} in one commit; the limit is {}", count, what, limit));
  }
  return {};
}

std::string Shown(std::string_view position) {
  return position.empty() ? "none" : fmt::format("'{}'", position);
}

Status ValidateSwaps(const Commit& commit) {
  std::set<DatasetName> seen;
  for (const TableSwap& swap : commit.swaps) {
    TARN_TRY(ValidateDatasetName(swap.dataset));
    if (swap.new_metadata_location.empty()) {
      return InvalidArgument(swap.dataset.ToString() + ": the new metadata location is empty");
    }
    TARN_TRY(CheckText("a metadata location", swap.new_metadata_location));
    if (swap.schema_summary) TARN_TRY(CheckText("a schema summary", *swap.schema_summary));
    if (!seen.insert(swap.dataset).second) {
      return InvalidArgument(swap.dataset.ToString() + " is swapped twice in one commit");
    }
  }
  return {};
}

Status ValidateWatermarks(const Commit& commit) {
  std::set<WatermarkKey> seen;
  for (const Watermark& mark : commit.watermarks) {
    if (mark.end_offset < 0) return InvalidArgument("a watermark's end offset is negative");
    for (const std::string* part : {&mark.key.source, &mark.key.host, &mark.key.file_id}) {
      TARN_TRY(CheckText("a watermark's key", *part));
    }
    if (!seen.insert(mark.key).second) {
      return InvalidArgument(fmt::format("two watermarks for file {} of host {} in one commit",
                                         mark.key.file_id, mark.key.host));
    }
  }
  return {};
}

Status ValidateReplays(const Commit& commit) {
  std::set<std::pair<DatasetName, std::string_view>> seen;
  for (const ReplayMark& replay : commit.replays) {
    TARN_TRY(ValidateDatasetName(replay.dataset));
    TARN_TRY(CheckText("a replayed item", replay.item));
    if (!seen.emplace(replay.dataset, replay.item).second) {
      return InvalidArgument(
          fmt::format("{}: '{}' is replayed twice", replay.dataset.ToString(), replay.item));
    }
  }
  return {};
}

Status CheckPipeline(const Commit& commit, const CommitState& state) {
  if (commit.pipeline.empty()) return {};
  if (commit.token != state.token) {
    return Conflict(fmt::format(
        "fenced: pipeline {} was taken over: this commit carries token {}, the newest is {}{}",
        commit.pipeline, commit.token.value, state.token.value,
        state.token_holder.empty() ? "" : " of " + state.token_holder));
  }
  if (commit.expected_position != state.position) {
    return Conflict(fmt::format("position: pipeline {} is at {}, the commit expects {}",
                                commit.pipeline, Shown(state.position),
                                Shown(commit.expected_position)));
  }
  return {};
}

Status CheckSwap(const TableSwap& swap, const CommitState& state) {
  const auto found = state.pointers.find(swap.dataset);
  if (found == state.pointers.end()) {
    return NotFound(swap.dataset.ToString() + " does not exist; create the dataset first");
  }
  if (found->second != swap.expected_metadata_location) {
    return Conflict(fmt::format("pointer: {} is at {}, the commit expects {}",
                                swap.dataset.ToString(), Shown(found->second),
                                Shown(swap.expected_metadata_location)));
  }
  return {};
}

Status CheckReplay(const ReplayMark& replay, const CommitState& state) {
  const auto dataset = state.replays.find(replay.dataset);
  if (dataset == state.replays.end()) return {};
  const auto item = dataset->second.find(replay.item);
  if (item == dataset->second.end()) return {};
  return AlreadyExists(fmt::format("{}: '{}' was replayed before, by commit {}",
                                   replay.dataset.ToString(), replay.item, item->second));
}

}  // namespace

Status ValidateCommit(const Commit& commit) {
  if (commit.commit_id.empty()) return InvalidArgument("a commit needs a commit id");
  if (commit.audit.who.empty()) return InvalidArgument("a commit's audit row must say who");
  if (commit.pipeline.empty() && (commit.token.value != 0 || !commit.expected_position.empty() ||
                                  !commit.new_position.empty())) {
    return InvalidArgument("a commit with a token or a position must name its pipeline");
  }
  TARN_TRY(CheckCount("tables", commit.swaps.size(), kMaxSwaps));
  TARN_TRY(CheckCount("watermarks", commit.watermarks.size(), kMaxWatermarks));
  TARN_TRY(CheckCount("events", commit.events.size(), kMaxEvents));
  TARN_TRY(CheckCount("replayed items", commit.replays.size(), kMaxReplays));
  TARN_TRY(CheckText("the commit id", commit.commit_id));
  TARN_TRY(CheckText("the pipeline", commit.pipeline));
  TARN_TRY(CheckText("the position", commit.new_position));
  TARN_TRY(CheckText("the audit row", commit.audit.detail));
  for (const DatasetEvent& event : commit.events) {
    TARN_TRY(ValidateDatasetName(event.dataset));
    TARN_TRY(CheckText("an event", event.payload));
  }
  TARN_TRY(ValidateSwaps(commit));
  TARN_TRY(ValidateWatermarks(commit));
  return ValidateReplays(commit);
}

Result<CommitDecision> CheckCommit(const Commit& commit, const CommitState& state) {
  if (state.receipt) {
    if (state.receipt->pipeline == commit.pipeline &&
        state.receipt->new_position == commit.new_position) {
      return CommitDecision::kRepeated;
    }
    return Conflict(fmt::format("commit id: {} belongs to a commit of pipeline {} to position {}",
                                commit.commit_id, Shown(state.receipt->pipeline),
                                Shown(state.receipt->new_position)));
  }
  TARN_TRY(CheckPipeline(commit, state));
  for (const TableSwap& swap : commit.swaps) TARN_TRY(CheckSwap(swap, state));
  for (const Watermark& mark : commit.watermarks) {
    const auto found = state.watermarks.find(mark.key);
    if (found != state.watermarks.end() && mark.end_offset < found->second) {
      return Conflict(fmt::format("watermark: file {} of host {} would go back from {} to {}",
                                  mark.key.file_id, mark.key.host, found->second, mark.end_offset));
    }
  }
  for (const ReplayMark& replay : commit.replays) TARN_TRY(CheckReplay(replay, state));
  return CommitDecision::kApply;
}

}  // namespace tarn::catalog
