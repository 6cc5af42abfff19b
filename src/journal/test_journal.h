#pragma once

#include <memory>
#include <string>
#include <vector>

#include "journal/journal.h"
#include "os/sim_file_system.h"

namespace tarn::journal {

// What the tests of the journal share: a simulated disk and a small journal on it.
struct TestWorld {
  explicit TestWorld(uint64_t seed) : files(seed), random(seed) {}

  Result<std::unique_ptr<Journal>> Open() {
    return Journal::Open({files, random, clock, log, metrics}, "/journal", options);
  }

  os::SimFileSystem files;
  os::SeededRandom random;
  os::FakeClock clock{Timestamp{0}};
  obs::Logger log{clock, -1, obs::LogFormat::kText, obs::Level::kError};
  obs::Registry metrics;
  Options options{.segment_bytes = 16'384,
                  .max_bytes = 16'384 * 8,
                  .max_record_bytes = 8'192,
                  .max_in_flight_bytes = 65'536,
                  .max_spare_segments = 2,
                  .retry_micros = 0};
};

inline std::string RandomBytes(os::Random& random, size_t size) {
  std::string bytes;
  while (bytes.size() < size) bytes.push_back(static_cast<char>(random.Next()));
  return bytes;
}

// All records from `from` on.
inline Result<std::vector<std::string>> ReadAll(Journal& journal, Position from) {
  TARN_ASSIGN_OR_RETURN(const auto cursor, journal.ReadFrom(from));
  std::vector<std::string> all;
  while (true) {
    TARN_ASSIGN_OR_RETURN(auto record, cursor->Next());
    if (!record) return all;
    if (record->position.value != from.value + all.size()) return Internal("positions have a gap");
    all.push_back(std::move(record->bytes));
  }
}

}  // namespace tarn::journal
