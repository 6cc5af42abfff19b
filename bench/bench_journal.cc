// Durable appends per second, by threads, and bytes per second for large records.
//   bench_journal FOLDER [SECONDS]     FOLDER is made, and removed afterwards
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "base/text.h"
#include "journal/journal.h"
#include "os/posix_file_system.h"
#include "os/thread.h"

namespace tarn::journal {
namespace {

struct World {
  os::PosixFileSystem files;
  os::SystemRandom random;
  os::SystemClock clock;
  obs::Logger log{clock, 2, obs::LogFormat::kText, obs::Level::kWarn};
  obs::Registry metrics;
  Environment environment{files, random, clock, log, metrics};
};

void Measure(World& world, Journal& journal, size_t threads, size_t bytes, int64_t seconds) {
  const std::string record(bytes, 'b');
  const uint64_t records_before = journal.stats().appended_records;
  const uint64_t syncs_before = journal.stats().syncs;
  const int64_t started = world.clock.MonotonicMicros();
  const int64_t deadline = started + seconds * 1'000'000;
  std::vector<std::vector<int64_t>> latencies(threads);
  {
    std::vector<os::Thread> running;
    for (auto& mine : latencies) {
      running.emplace_back("append", [&] {
        int64_t before = world.clock.MonotonicMicros();
        while (before < deadline) {
          const auto position = journal.Append(record);
          if (!position.ok()) {
            std::fprintf(stderr, "%s\n", position.error().ToString().c_str());
            std::exit(1);
          }
          const int64_t after = world.clock.MonotonicMicros();
          mine.push_back(after - before);
          before = after;
          // What the lake does behind its commit: most of the journal is recycled all the time.
          if (position->value % 4'096 == 0) {
            [[maybe_unused]] const Status trimmed = journal.TrimBefore(*position);
          }
        }
      });
    }
  }
  const double elapsed = static_cast<double>(world.clock.MonotonicMicros() - started) / 1e6;
  const auto records = static_cast<double>(journal.stats().appended_records - records_before);
  const auto syncs = static_cast<double>(journal.stats().syncs - syncs_before);
  std::vector<int64_t> all;
  for (const auto& mine : latencies) all.insert(all.end(), mine.begin(), mine.end());
  std::sort(all.begin(), all.end());
  const auto at = [&](double share) {
    return static_cast<double>(
               all[static_cast<size_t>(share * static_cast<double>(all.size() - 1))]) /
           1e3;
  };
  fmt::print("{:>8} {:>10} {:>12.0f} {:>10.1f} {:>9.0f} {:>12.1f} {:>8.2f} {:>8.2f}\n", threads,
             bytes, records / elapsed, records * static_cast<double>(bytes) / elapsed / 1e6,
             syncs / elapsed, records / syncs, at(0.5), at(0.99));
  std::fflush(stdout);
}

void MeasureOpen(World& world, const std::string& folder, const Options& options) {
  {
    auto journal = Journal::Open(world.environment, folder, options).value();
    const std::string record(1'000'000, 'o');
    while (journal->Append(record).ok()) {
    }
  }
  const int64_t started = world.clock.MonotonicMicros();
  auto journal = Journal::Open(world.environment, folder, options).value();
  fmt::print("open of a full journal ({:.1f} GB, {} segments): {:.0f} ms\n",
             static_cast<double>(journal->size_bytes()) / 1e9, journal->stats().segments,
             static_cast<double>(world.clock.MonotonicMicros() - started) / 1e3);
  const int64_t read_started = world.clock.MonotonicMicros();
  auto cursor = journal->ReadFrom(journal->begin()).value();
  uint64_t bytes = 0;
  while (auto record = cursor->Next().value()) bytes += record->bytes.size();
  fmt::print("read of all of it: {:.0f} MB/s\n",
             static_cast<double>(bytes) /
                 static_cast<double>(world.clock.MonotonicMicros() - read_started));
}

int Main(const std::string& folder, int64_t seconds) {
  World world;
  fmt::print("{:>8} {:>10} {:>12} {:>10} {:>9} {:>12} {:>8} {:>8}\n", "threads", "bytes",
             "appends/s", "MB/s", "syncs/s", "appends/sync", "p50 ms", "p99 ms");
  {
    auto journal = Journal::Open(world.environment, folder, Options{}).value();
    for (const size_t threads : {1U, 4U, 16U, 64U, 256U})
      Measure(world, *journal, threads, 1'000, seconds);
    for (const size_t threads : {1U, 4U, 16U})
      Measure(world, *journal, threads, 1'000'000, seconds);
  }
  if (!world.files.RemoveRecursively(folder).ok()) return 1;
  MeasureOpen(world, folder, Options{});
  return world.files.RemoveRecursively(folder).ok() ? 0 : 1;
}

}  // namespace
}  // namespace tarn::journal

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: bench_journal FOLDER [SECONDS]\n");
    return 2;
  }
  return tarn::journal::Main(argv[1], argc > 2 ? tarn::ParseInt64(argv[2]).value_or(3) : 3);
}
