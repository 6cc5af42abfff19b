#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/events.h"
#include "agent/file_table.h"
#include "agent/framer.h"
#include "agent/settings.h"
#include "agent_wire/batch.h"
#include "os/clock.h"

namespace tarn::agent {

// A piece of a file on its way out.
struct PendingBatch {
  uint64_t slot = 0;
  uint32_t epoch = 0;
  agent_wire::BatchHeader header;
  std::string payload;
};

enum class Answer : uint8_t {
  kStored,    // bytes below next_offset are durable
  kExpected,  // the server wants next_offset
  kTooLarge,
  kRefused,  // for a reason of the server's own; the file waits
};

// What became of a batch.
struct Outcome {
  Answer answer = Answer::kStored;
  uint64_t slot = 0;
  uint32_t epoch = 0;
  uint64_t begin_offset = 0;
  uint64_t end_offset = 0;
  uint64_t next_offset = 0;
  int status = 200;
  std::string text;
};

// Turns the tracked files into batches, in order within each file, and moves their acknowledged
// offsets. Reads only what is handed out: what waits stays on disk. Thread-confined.
class Tailer {
 public:
  // An unfinished last line waits for its rest for as long as the file may be written to. It is
  // sent as it is once the file has ended: it was renamed or its name is gone, and it was quiet
  // this long; or it is a compressed file's last. Multi-line records end after kQuietMicros.
  static constexpr int64_t kPartialMicros = 60'000'000;
  static constexpr int64_t kQuietMicros = 2'000'000;
  static constexpr int64_t kHoldMicros = 60'000'000;  // after a refusal
  static constexpr uint64_t kLeastBatchBytes = 64 << 10;

  struct Identity {
    std::string agent_id;
    uint64_t last_batch_number = 0;
  };

  Tailer(FileTable& table, const AgentSettings& settings, const os::Clock& clock, Events& events,
         Identity identity);

  // Everything is due at once, unfinished last lines too.
  void SetFlush(bool flush) { flush_ = flush; }

  // The next batch that is due, files taking turns; nullopt if none is.
  std::optional<PendingBatch> Next();
  void Apply(const Outcome& outcome);

  // Monotonic time when Next() may have something if nothing changes; nullopt: never.
  std::optional<int64_t> NextDue() const;
  // Something is handed out or waits.
  bool Idle() const;
  uint64_t last_batch_number() const { return identity_.last_batch_number; }
  bool changed() const { return changed_; }
  void ClearChanged() { changed_ = false; }

 private:
  bool Due(const TrackedFile& file, int64_t now) const;
  static bool Ended(const TrackedFile& file, int64_t now);
  bool MayInflate(uint64_t slot, int64_t now);
  uint64_t LimitOf(const TrackedFile& file) const;
  std::optional<PendingBatch> Cut(uint64_t slot, TrackedFile& file);
  static bool NothingFollows(const TrackedFile& file, int64_t now);
  // Moves over the lines that the flow skips. False: they are not all there.
  bool PassHeading(TrackedFile& file, int64_t now);
  void Wait(TrackedFile& file, int64_t now);
  void WaitForPacked(TrackedFile& file, int64_t now);
  // Of an open file; what it has grown by since it was looked at is noted.
  Result<size_t> ReadOn(TrackedFile& file, std::span<char> buffer, int64_t now);
  Frame FrameOf(TrackedFile& file, std::string& buffer, int64_t now);
  PendingBatch Make(uint64_t slot, TrackedFile& file, Frame frame, std::string payload);
  static void NoteHandedOut(TrackedFile& file, std::string_view payload,
                            std::vector<uint32_t> lines);
  // Of a plain file; of one that is open, at least `wanted` if it has so much. That it has not is
  // said once.
  uint64_t KnownSize(TrackedFile& file, uint64_t wanted);
  void MoveTo(TrackedFile& file, uint64_t offset);
  // After every acknowledgement; there is something to note if the server has more than was handed
  // out.
  void NoteSkipped(TrackedFile& file);
  void Void(TrackedFile& file);

  FileTable& table_;
  const AgentSettings& settings_;
  const os::Clock& clock_;
  Events& events_;
  Identity identity_;
  std::vector<Framer> framers_;  // by flow
  bool flush_ = false;
  bool changed_ = false;
  uint64_t turn_ = 0;      // slot that was served last
  uint64_t inflated_ = 0;  // slot of the compressed file in work
};

}  // namespace tarn::agent
