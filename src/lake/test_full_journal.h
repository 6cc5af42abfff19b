#pragma once

#include <ctime>

#include "lake/journal_record.h"
#include "lake/test_lake.h"

namespace tarn::lake {

// A server that starts with a journal of `bytes`, full of batches that are not in the lake yet, is
// there within `seconds` of CPU time: what the door must know is read, nothing is landed first.
inline void StartWithFullJournal(TestLake& lake, uint64_t bytes, int64_t seconds) {
  journal::Options& options = lake.journal_options();
  options = {.max_bytes = bytes};
  os::SeededRandom random(1);
  std::string payload;
  while (payload.size() < (120 << 10)) payload += std::to_string(random.Next()) + "\n";
  codec::ZstdCompressor zstd;
  const auto batch = agent_wire::Encode(TestLake::Header("w1", 0, payload, 6'000), payload, zstd);
  ASSERT_TRUE(batch.ok()) << batch.error().ToString();
  const std::string record = EncodeJournalRecord(RecordKind::kAgentBatch, Timestamp{1}, *batch);
  uint64_t records = 0;
  {
    const auto journal = lake.OpenJournal();
    ASSERT_TRUE(journal.ok()) << journal.error().ToString();
    while ((*journal)->Append(record).ok()) ++records;
    ASSERT_TRUE((*journal)->stats().full);
  }
  EXPECT_GT(records * record.size() + options.segment_bytes * 5 / 4, bytes) << "it is not full";
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  seconds *= 4;
#endif
  const std::clock_t started = std::clock();  // of all threads
  const Status opened = lake.Open();
  const int64_t took = (std::clock() - started) * (kMicrosPerSecond / CLOCKS_PER_SEC);
  ASSERT_TRUE(opened.ok()) << opened.error().ToString();
  std::cout << records << " records of " << bytes / 1'000'000 << " MB: open in " << took / 1'000
            << " ms" << std::endl;
  EXPECT_LT(took, seconds * kMicrosPerSecond);
  EXPECT_EQ(lake.door().files(), 1U);
}

}  // namespace tarn::lake
