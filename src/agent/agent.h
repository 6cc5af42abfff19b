#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/file_table.h"
#include "agent/shipper.h"
#include "agent/tailer.h"
#include "agent/transport.h"
#include "agent/waker.h"
#include "os/mutex.h"
#include "os/queue.h"
#include "os/thread.h"

namespace tarn::agent {

struct FileLag {
  std::string source;
  std::string path;
  uint64_t acked = 0;
  uint64_t lag_bytes = 0;
  double lag_seconds = 0;
};

// Tails the flows and ships them until told to stop. Two threads: the caller's reads, one sends.
// What is read waits in a queue of kQueuedBatches; while it is full nothing is read.
//
// The checkpoint moves only over contiguous acknowledged bytes, at most kCheckpointMicros after the
// acknowledgement. After kill -9 what was acknowledged since is sent again, and the server drops
// it.
class Agent {
 public:
  static constexpr size_t kQueuedBatches = 4;
  static constexpr int64_t kCheckpointMicros = 500'000;
  static constexpr int64_t kSweepMicros = 5'000'000;      // full look at all globs, with inotify
  static constexpr int64_t kBlindSweepMicros = 500'000;   // without
  static constexpr int64_t kMinSweepMicros = 500'000;     // between two looks
  static constexpr int64_t kMinWakeMicros = 100'000;      // between two wake-ups by the kernel
  static constexpr int64_t kStopMicros = 5'000'000;       // a stop takes no longer
  static constexpr int64_t kPatienceMicros = 60'000'000;  // `once` without an acknowledgement
  static constexpr size_t kShownFiles = 100;              // with a lag of their own in metrics

  struct World {
    os::FileSystem& files;
    const os::Clock& clock;
    os::Random& random;
    Events& events;
    Transport& transport;
  };

  // Takes the state folder (Conflict if another agent has it) and reads the checkpoint.
  static Result<std::unique_ptr<Agent>> Open(const AgentSettings& settings, const World& world);
  ~Agent();

  // Asked at each turn and after Wake(); true ends Run().
  using EndCheck = std::function<bool()>;

  // Runs until Stop(), or, `once`, until everything present is acknowledged. The last checkpoint is
  // written on the way out. `once` also ends, with what was wrong, when the server refuses the key
  // or its certificate is refused, and after kPatienceMicros of failures without an
  // acknowledgement. Its error names what could not be sent, if there is such.
  Status Run(bool once, const EndCheck& end = {});
  // Safe in a signal handler.
  void Wake() noexcept { waker_.Wake(); }
  // Safe in a signal handler. Run() returns within kStopMicros.
  void Stop() noexcept;

  // From any thread: files that are not done with, the furthest behind first; at most
  // kShownFiles.
  std::vector<FileLag> Lags() const;
  // From any thread: files of which something cannot be sent, by ProblemKind.
  ProblemCounts Unsent() const;
  uint64_t total_lag_bytes() const { return total_lag_; }
  size_t open_files() const { return open_files_; }

 private:
  Agent(const AgentSettings& settings, const World& world);
  Status LoadCheckpoint();
  void SaveCheckpoint();
  void Look();
  bool Feed();
  void Rest(bool queue_full);
  bool ApplyOutcomes();
  bool Changed() const { return tailer_->changed() || problems_changed_; }
  Status CheckPatience() const;
  void NoteProblem(const Error* problem);
  void MeasureLag();
  void Send();
  bool WaitToSend(int64_t micros);
  void HonourRate(size_t bytes);

  const AgentSettings settings_;
  const World world_;
  std::unique_ptr<os::FileLock> lock_;
  Waker waker_;
  FileTable table_;
  std::optional<Tailer> tailer_;
  std::string agent_id_;

  // The reader's.
  int64_t next_sweep_ = 0;
  int64_t last_sweep_ = 0;
  int64_t next_checkpoint_ = 0;
  int64_t last_wake_ = 0;
  bool once_ = false;
  bool decided_ = false;
  bool problems_changed_ = false;
  int64_t last_progress_ = 0;
  bool watch_failed_ = false;
  std::optional<PendingBatch> held_;  // did not fit the queue

  os::Queue<PendingBatch> batches_{kQueuedBatches};
  os::Queue<Outcome> outcomes_{kQueuedBatches + 4};
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> in_flight_{0};
  std::atomic<uint64_t> total_lag_{0};
  std::atomic<size_t> open_files_{0};

  mutable os::Mutex mutex_;
  os::ConditionVariable send_now_;
  std::vector<FileLag> lags_ TARN_GUARDED_BY(mutex_);
  ProblemCounts unsent_ TARN_GUARDED_BY(mutex_) = {};
  std::optional<Error> problem_ TARN_GUARDED_BY(mutex_);  // of the last try

  // The sender's.
  int64_t rate_free_at_ = 0;
};

// "tarn_agent_file_lag_bytes{…}" and so on: metrics whose labels come and go.
std::string PrintLags(const Agent& agent);

}  // namespace tarn::agent
