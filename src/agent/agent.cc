#include "agent/agent.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/id.h"
#include "base/text.h"
#include "codec/hash.h"
#include "obs/metrics.h"

namespace tarn::agent {
namespace {

constexpr int64_t kSlice = 100'000;  // how soon a waiting sender sees a stop
constexpr size_t kBootIdBytes = 64;  // more than a UUID and its newline

// Tells one run of the machine from the next; 0: it does not say.
uint64_t BootOf(os::FileSystem& files) {
  const auto file = files.Open("/proc/sys/kernel/random/boot_id", os::OpenMode::kRead);
  if (!file.ok()) return 0;
  const auto text = (*file)->ReadAt(0, kBootIdBytes);
  return text.ok() && !text->empty() ? codec::Xxh3(*text) : 0;
}

}  // namespace

Agent::Agent(const AgentSettings& settings, const World& world)
    : settings_(settings),
      world_(world),
      table_(world.files, world.clock, settings_.flows, world.events, BootOf(world.files)) {}

Agent::~Agent() = default;

Result<std::unique_ptr<Agent>> Agent::Open(const AgentSettings& settings, const World& world) {
  std::unique_ptr<Agent> agent(new Agent(settings, world));
  TARN_TRY(world.files.CreateDirectories(settings.state_dir));
  auto lock = world.files.Lock(os::JoinPath(settings.state_dir, "lock"));
  if (!lock.ok()) {
    return std::move(lock).error().In(fmt::format("state_dir {}", settings.state_dir));
  }
  agent->lock_ = *std::move(lock);
  TARN_TRY(agent->LoadCheckpoint());
  return agent;
}

Status Agent::LoadCheckpoint() {
  const std::string path = os::JoinPath(settings_.state_dir, kCheckpointName);
  Checkpoint checkpoint;
  bool first_start = false;
  const auto text = world_.files.ReadFile(path);
  if (text.ok()) {
    auto decoded = DecodeCheckpoint(*text);
    if (decoded.ok()) {
      checkpoint = *std::move(decoded);
    } else {
      // Nothing is skipped for it: all files from their start, and the server has their watermarks.
      const std::string aside = fmt::format("{}.damaged-{}", path, world_.clock.Now().micros);
      TARN_TRY(world_.files.Rename(path, aside));
      world_.events.CheckpointDamaged(aside, decoded.error());
    }
  } else if (text.error().code() == Code::kNotFound) {
    first_start = true;
  } else {
    return text.error();
  }
  if (checkpoint.agent_id.empty()) {
    checkpoint.agent_id = FormatUuid(world_.random.NewUuidV7(world_.clock.Now()));
  }
  agent_id_ = checkpoint.agent_id;
  // Numbers used since the last checkpoint are unknown; the clock is past them.
  const auto now = static_cast<uint64_t>(world_.clock.Now().micros);
  table_.Load(checkpoint.files, first_start);
  tailer_.emplace(table_, settings_, world_.clock, world_.events,
                  Tailer::Identity{agent_id_, std::max(checkpoint.batch_number, now)});
  world_.events.Started(agent_id_, checkpoint.files.size(), settings_.flows.size());
  return {};
}

void Agent::SaveCheckpoint() {
  Checkpoint checkpoint{agent_id_, tailer_->last_batch_number(), table_.States(), {}};
  for (const FileProblem& problem : table_.Problems()) {
    checkpoint.problems.push_back(
        {std::string(NameOf(problem.kind)), problem.source, problem.path, problem.error.message()});
  }
  const Status status = world_.files.WriteFileAtomically(
      os::JoinPath(settings_.state_dir, kCheckpointName), EncodeCheckpoint(checkpoint));
  next_checkpoint_ = world_.clock.MonotonicMicros() + kCheckpointMicros;
  if (status.ok()) {
    tailer_->ClearChanged();
    problems_changed_ = false;
  } else {
    world_.events.CheckpointFailed(status.error());
    next_checkpoint_ += 10 * kCheckpointMicros;
  }
}

// Error: `once` gives up.
Status Agent::CheckPatience() const {
  os::MutexLock lock(mutex_);
  if (!problem_) return {};
  const Code code = problem_->code();
  if (code == Code::kUnauthenticated || code == Code::kPermissionDenied) return *problem_;
  if (world_.clock.MonotonicMicros() - last_progress_ < kPatienceMicros) return {};
  return Error(*problem_).In(
      fmt::format("nothing was acknowledged for {} s (run it again to go on from there)",
                  kPatienceMicros / kMicrosPerSecond));
}

void Agent::NoteProblem(const Error* problem) {
  {
    os::MutexLock lock(mutex_);
    problem_ = problem == nullptr ? std::nullopt : std::optional<Error>(*problem);
  }
  if (problem != nullptr && once_) waker_.Wake();
}

Status Agent::Run(bool once, const EndCheck& end) {
  once_ = once;
  last_progress_ = world_.clock.MonotonicMicros();
  if (!waker_.watching()) world_.events.NotificationsUnavailable(IoError(waker_.why()));
  tailer_->SetFlush(once);
  os::Thread sender("sender", [this] { Send(); });
  table_.Discover();
  SaveCheckpoint();  // from here on a restart knows that this was not the first start
  Status status;
  while (!stopping_) {
    if (end && end()) break;
    if (ApplyOutcomes()) last_progress_ = world_.clock.MonotonicMicros();
    if (once) status = CheckPatience();
    if (!status.ok()) break;
    Look();
    const bool full = Feed();
    MeasureLag();
    if (Changed() && world_.clock.MonotonicMicros() >= next_checkpoint_) SaveCheckpoint();
    if (once && !full && in_flight_ == 0 && outcomes_.size() == 0 && tailer_->Idle()) {
      // What was just read may tell others, or make them wait.
      const bool found = table_.Decide();
      if (decided_ && !found) break;
      decided_ = true;
      continue;
    }
    Rest(full);
  }
  stopping_ = true;
  batches_.Close();
  world_.transport.Cancel();
  send_now_.NotifyAll();
  sender.Join();
  ApplyOutcomes();
  table_.NoteEnd();
  SaveCheckpoint();
  if (decided_ && status.ok()) status = ToStatus(table_.Problems());
  world_.events.Stopped(tailer_->Idle() && status.ok());
  return status;
}

void Agent::Stop() noexcept {
  stopping_ = true;
  waker_.Wake();
}

bool Agent::ApplyOutcomes() {
  bool any = false;
  while (outcomes_.size() > 0) {
    if (const auto outcome = outcomes_.PopFor(0)) {
      tailer_->Apply(*outcome);
      --in_flight_;
      any |= outcome->answer == Answer::kStored;
    }
  }
  return any;
}

// Finds out what changed on disk.
void Agent::Look() {
  const Waker::Changes changes = waker_.Drain();
  const int64_t now = world_.clock.MonotonicMicros();
  bool sweep = now >= next_sweep_ || changes.structure;
  if (!sweep && !changes.modified.empty()) {
    size_t open = 0;
    for (const auto& [slot, file] : table_.files()) {
      if (file.reader && changes.modified.contains(file.state.path)) ++open;
    }
    sweep = open < changes.modified.size();  // one of them is closed, or unknown
  }
  if (sweep && now - last_sweep_ < kMinSweepMicros) {
    next_sweep_ = std::min(next_sweep_, last_sweep_ + kMinSweepMicros);
    sweep = false;
  }
  if (!sweep) return table_.RefreshSizes();
  table_.Discover();
  table_.RefreshSizes();
  const Status watched = waker_.Watch(table_.folders());
  if (!watched.ok() && !watch_failed_) world_.events.NotificationsUnavailable(watched.error());
  watch_failed_ = !watched.ok();
  last_sweep_ = now;
  const bool blind = watch_failed_ || !waker_.watching();
  next_sweep_ = now + (blind ? kBlindSweepMicros : kSweepMicros);
}

// Hands out what is due. True if the queue is full.
bool Agent::Feed() {
  for (;;) {
    if (!held_) held_ = tailer_->Next();
    if (!held_) return false;
    if (!batches_.TryPush(*held_)) return true;
    held_.reset();
    ++in_flight_;
  }
}

void Agent::Rest(bool queue_full) {
  int64_t now = world_.clock.MonotonicMicros();
  int64_t until = next_sweep_;
  const int64_t patient_until = last_progress_ + kPatienceMicros;
  if (once_ && patient_until > now) until = std::min(until, patient_until);
  if (Changed()) until = std::min(until, next_checkpoint_);
  const auto due = tailer_->NextDue();
  if (due && !queue_full) until = std::min(until, *due);
  const bool asleep = !due && !queue_full;
  if (asleep && now < last_wake_ + kMinWakeMicros) {
    waker_.Sleep(std::min(until, last_wake_ + kMinWakeMicros) - now, false);
    now = world_.clock.MonotonicMicros();
    if (stopping_ || outcomes_.size() > 0) return;
  }
  if (outcomes_.size() == 0) waker_.Sleep(until - now, asleep);
  last_wake_ = world_.clock.MonotonicMicros();
}

void Agent::MeasureLag() {
  const int64_t now = world_.clock.MonotonicMicros();
  std::vector<FileLag> lags;
  uint64_t total = 0;
  size_t open = 0;
  for (auto& [slot, file] : table_.files()) {
    if (file.reader) ++open;
    const uint64_t size = file.reader ? file.size : file.state.size;
    if (file.state.acked >= file.mark_size) {
      file.mark_size = size;
      file.mark_time = now;
    }
    if (file.state.finished) continue;
    // An unfinished line cannot be sent yet: it is not behind.
    const bool waits =
        file.reader && size == file.stuck_size && file.read_offset == file.state.acked;
    const bool none = waits || file.state.lost || size < file.state.acked;
    const uint64_t behind = none ? 0 : size - file.state.acked;
    total += behind;
    const int64_t age = behind == 0 ? 0 : now - file.mark_time;
    lags.push_back({file.state.source, file.state.path, file.state.acked, behind,
                    static_cast<double>(age) / 1e6});
  }
  std::stable_sort(lags.begin(), lags.end(),
                   [](const FileLag& a, const FileLag& b) { return a.lag_bytes > b.lag_bytes; });
  if (lags.size() > kShownFiles) lags.resize(kShownFiles);
  total_lag_ = total;
  open_files_ = open;
  problems_changed_ |= table_.TakeProblemsChanged();
  os::MutexLock lock(mutex_);
  lags_ = std::move(lags);
  unsent_ = table_.problem_counts();
}

ProblemCounts Agent::Unsent() const {
  os::MutexLock lock(mutex_);
  return unsent_;
}

std::vector<FileLag> Agent::Lags() const {
  os::MutexLock lock(mutex_);
  return lags_;
}

// Waits in slices, so that a stop is seen soon. False: stopping.
bool Agent::WaitToSend(int64_t micros) {
  const int64_t until = world_.clock.MonotonicMicros() + micros;
  for (;;) {
    if (stopping_) return false;
    const int64_t left = until - world_.clock.MonotonicMicros();
    if (left <= 0) return true;
    os::MutexLock lock(mutex_);
    send_now_.WaitFor(mutex_, std::min(left, kSlice));
  }
}

void Agent::HonourRate(size_t bytes) {
  if (settings_.rate_limit == 0) return;
  const int64_t now = world_.clock.MonotonicMicros();
  WaitToSend(rate_free_at_ - now);
  const auto cost = static_cast<int64_t>(bytes * 1'000'000 / settings_.rate_limit);
  rate_free_at_ = std::max(rate_free_at_, now) + cost;
}

void Agent::Send() {
  Shipper shipper(world_.transport, settings_, world_.clock, world_.random, world_.events);
  while (auto batch = batches_.Pop()) {
    if (stopping_) return;
    if (!shipper.Begin(*std::move(batch))) {
      --in_flight_;
      waker_.Wake();
      continue;
    }
    batch = std::nullopt;
    HonourRate(shipper.file_bytes());
    std::optional<Outcome> outcome;
    while (!stopping_ && !(outcome = shipper.Try())) {
      NoteProblem(shipper.problem());
      if (!WaitToSend(shipper.wait_micros())) return;
    }
    if (!outcome) return;
    NoteProblem(shipper.problem());
    outcomes_.Push(*std::move(outcome));
    waker_.Wake();
  }
}

std::string PrintLags(const Agent& agent) {
  obs::Registry series;
  series.GetGauge("tarn_agent_lag_bytes", "Bytes on disk that are not acknowledged, all files.")
      .Set(static_cast<double>(agent.total_lag_bytes()));
  series.GetGauge("tarn_agent_open_files", "Files that are open.")
      .Set(static_cast<double>(agent.open_files()));
  const auto unsent = agent.Unsent();
  for (size_t kind = 0; kind < unsent.size(); ++kind) {
    series
        .GetGauge("tarn_agent_unsent_files", "Files of which something cannot be sent.",
                  {{"reason", std::string(NameOf(static_cast<ProblemKind>(kind)))}})
        .Set(static_cast<double>(unsent[kind]));
  }
  for (const FileLag& lag : agent.Lags()) {
    const obs::Labels labels = {{"source", lag.source}, {"path", EscapeInvalidUtf8(lag.path)}};
    obs::Gauge& bytes = series.GetGauge("tarn_agent_file_lag_bytes",
                                        "Bytes of the file that are not acknowledged.", labels);
    obs::Gauge& seconds = series.GetGauge(
        "tarn_agent_file_lag_seconds", "Age of the oldest byte that is not acknowledged.", labels);
    // A path may have led to another file before, of which something is left to be sent.
    bytes.Set(bytes.value() + static_cast<double>(lag.lag_bytes));
    seconds.Set(std::max(seconds.value(), lag.lag_seconds));
  }
  return series.Print();
}

}  // namespace tarn::agent
