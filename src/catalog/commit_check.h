#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/result.h"
#include "catalog/commit.h"

namespace tarn::catalog {

// What a commit is checked against: the rows it names, as one transaction saw them.
struct CommitState {
  std::optional<CommitReceipt> receipt;  // of this commit id
  FencingToken token;                    // the pipeline's newest; 0: nobody has asked for one
  std::string token_holder;
  std::string position;                         // empty: none
  std::map<DatasetName, std::string> pointers;  // datasets that exist, of those named
  std::map<WatermarkKey, int64_t> watermarks;   // end offsets
  std::map<DatasetName, std::map<std::string, std::string>> replays;  // item → commit id
};

enum class CommitDecision : uint8_t {
  kApply,
  kRepeated,  // applied before: answer state.receipt
};

// Whether a commit is well-formed by itself: InvalidArgument.
Status ValidateCommit(const Commit& commit);

// Whether a valid commit may be applied to the state. Pure: no I/O, no clock. Refusals, in the
// order they are looked for; each message starts with the quoted word:
// - Conflict "commit id": the id belongs to another commit.
// - Conflict "fenced": a younger worker has the pipeline. Stop, do not retry.
// - Conflict "position": the pipeline is elsewhere. Reload it; the rows may be in the lake already.
// - NotFound: a dataset does not exist.
// - Conflict "pointer": somebody else committed to the table. Rebase on its new pointer, try again.
// - Conflict "watermark": a file's end would move back.
// - AlreadyExists: a quarantined item was replayed before.
Result<CommitDecision> CheckCommit(const Commit& commit, const CommitState& state);

}  // namespace tarn::catalog
