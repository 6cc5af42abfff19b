#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/identity.h"
#include "agent/trail.h"
#include "base/result.h"
#include "base/time.h"

namespace tarn::agent {

inline constexpr std::string_view kCheckpointName = "checkpoint";  // in the state folder

// What the agent remembers of one file.
struct FileState {
  std::string source;
  std::string file_id;
  std::string path;          // where it was last seen
  uint32_t head_length = 0;  // bytes that make the id
  uint64_t head_hash = 0;
  Ladder ladder;
  Anchor anchor;       // of the last bytes known; it may lie above acked
  Trail trail;         // what was acknowledged lately
  uint64_t boot = 0;   // of the machine, when the file was last opened; 0: unknown
  bool ended = false;  // in order, in that boot: the server has nothing past `anchor`
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t acked = 0;                  // every byte below is durable at the server
  std::optional<uint64_t> line_begin;  // of the line that `acked` is inside of
  uint64_t size = 0;                   // last seen
  bool renamed = false;                // has another name than it was written under
  bool finished = false;               // nothing will come of it any more
  bool replaced = false;               // its inode has other bytes now
  bool lost = false;                   // gone before its end was sent, and that was told
  Timestamp last_seen;
  bool operator==(const FileState&) const = default;
};

// What kept something from being sent when the checkpoint was written; for people.
struct ProblemNote {
  std::string state;  // "unreadable", "waits", "damaged", "lost"
  std::string source;
  std::string path;
  std::string text;
  bool operator==(const ProblemNote&) const = default;
};

struct Checkpoint {
  std::string agent_id;
  uint64_t batch_number = 0;  // last one used
  std::vector<FileState> files;
  std::vector<ProblemNote> problems;
  bool operator==(const Checkpoint&) const = default;
};

// A line "tarn-agent checkpoint 1 <crc32c as 8 hex digits>", then JSON. docs/formats/
// agent-checkpoint.md.
std::string EncodeCheckpoint(const Checkpoint& checkpoint);
// DataLoss for anything that EncodeCheckpoint did not write.
Result<Checkpoint> DecodeCheckpoint(std::string_view text);

}  // namespace tarn::agent
