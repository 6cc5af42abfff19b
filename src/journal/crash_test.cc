#include <map>
#include <set>

#include "journal/test_journal.h"

namespace tarn::journal {
namespace {

using Call = os::SimFileSystem::Call;

// What a journal must and may hold, seen from outside.
class Ledger {
 public:
  // A new record of at least `size` bytes, unlike every other.
  std::string Make(size_t size) {
    std::string bytes = std::to_string(next_++) + ":";
    if (bytes.size() < size) bytes.resize(size, 'r');
    return bytes;
  }
  void Sent(const std::string& bytes) { unsure_.insert(bytes); }
  void Acknowledged(Position position, const std::string& bytes) {
    unsure_.erase(bytes);
    EXPECT_TRUE(records_.emplace(position.value, bytes).second) << "a position was given twice";
  }
  void Trimmed(Position before) { trimmed_ = std::max(trimmed_, before.value); }

  // Every acknowledged record is there, in its place; what else is there was sent. From now on it
  // is there to stay.
  void Check(Journal& journal) {
    const uint64_t begin = journal.begin().value;
    ASSERT_LE(begin, trimmed_) << "records are gone that nobody trimmed";
    const auto read = ReadAll(journal, {begin});
    ASSERT_TRUE(read.ok()) << read.error().ToString();
    ASSERT_EQ(begin + read->size(), journal.end().value);
    for (uint64_t at = 0; at < read->size(); ++at) {
      const auto known = records_.find(begin + at);
      if (known != records_.end()) {
        ASSERT_EQ(known->second, (*read)[at]) << "position " << begin + at;
      } else {
        ASSERT_EQ(unsure_.erase((*read)[at]), 1U) << "invented or doubled: " << (*read)[at];
        records_.emplace(begin + at, (*read)[at]);
      }
    }
    if (records_.empty()) return;
    ASSERT_LT(records_.rbegin()->first, journal.end().value) << "acknowledged and lost";
  }

 private:
  uint64_t next_ = 0;
  uint64_t trimmed_ = 0;
  std::map<uint64_t, std::string> records_;
  std::set<std::string> unsure_;
};

// One life of a journal under a seed, made of batches whose members do not depend on timing.
class Life {
 public:
  Life(TestWorld& world, Ledger& ledger, os::Random& random)
      : world_(world), ledger_(ledger), random_(random), gate_(world.files) {}

  Result<std::unique_ptr<Journal>> Open() {
    return Journal::Open({gate_, world_.random, world_.clock, world_.log, world_.metrics},
                         "/journal", world_.options);
  }

  void AppendBatch(Journal& journal, uint64_t records) {
    std::vector<std::string> sent;
    std::atomic<uint64_t> done = 0;
    gate_.Shut();
    for (uint64_t i = 0; i < records; ++i) {
      const std::string bytes = ledger_.Make(random_.Below(random_.Below(4) == 0 ? 6'000 : 200));
      ledger_.Sent(bytes);
      journal.AppendAsync(bytes, [this, bytes, &done](const Result<Position>& position) {
        if (position.ok()) ledger_.Acknowledged(*position, bytes);
        ++done;
        gate_.Poke();
      });
      // The first is in the disk's hands before the others come: they are the next batch.
      if (i == 0) gate_.Await([&] { return done > 0; });
    }
    gate_.LetGo();
    while (done < records) std::this_thread::yield();
  }

 private:
  TestWorld& world_;
  Ledger& ledger_;
  os::Random& random_;
  GatedFiles gate_;
};

void RunCrashes(uint64_t seed, bool faults) {
  TestWorld world(seed);
  world.options.max_bytes = 16'384 * 4;
  os::SeededRandom random(seed ^ 0x5eed);
  Ledger ledger;
  for (int round = 0; round < 4; ++round) {
    Life life(world, ledger, random);
    if (random.Below(4) == 0) world.files.PowerOffAfter(random.Below(12));  // while opening
    auto opened = life.Open();
    if (!opened.ok()) {
      ASSERT_EQ(opened.error().code(), Code::kIo) << opened.error().ToString();
      world.files.Crash();
      continue;
    }
    auto journal = std::move(opened).value();
    if (!world.files.Exists("/journal")) continue;  // the power went off right behind the open
    ASSERT_NO_FATAL_FAILURE(ledger.Check(*journal));
    world.files.PowerOffAfter(random.Below(80));
    if (faults) {
      constexpr Call kCalls[] = {Call::kWrite, Call::kSync, Call::kSyncDirectory, Call::kRename,
                                 Call::kPreallocate};
      for (int i = 0; i < 3; ++i) {
        world.files.FailCall(kCalls[random.Below(5)], 1 + random.Below(15),
                             random.Below(2) == 0 ? Code::kIo : Code::kResourceExhausted);
      }
    }
    for (int step = 0; step < 12; ++step) {
      life.AppendBatch(*journal, 1 + random.Below(6));
      if (random.Below(4) == 0) {
        const Position before{random.Below(journal->end().value + 1)};
        ledger.Trimmed(before);
        [[maybe_unused]] const Status trimmed = journal->TrimBefore(before);
      }
      if (faults) [[maybe_unused]]
        const Status recovered = journal->Recover();
    }
    if (random.Below(3) == 0) journal.reset();  // sometimes it closes first, if it can
    // Sometimes only the process ends, and what the kernel shows may not be on the disk.
    if (random.Below(3) > 0 || !world.files.Exists("/journal")) world.files.Crash();
    journal.reset();
    world.files.ClearFaults();
  }
  auto journal = world.Open();
  ASSERT_TRUE(journal.ok()) << journal.error().ToString();
  ASSERT_NO_FATAL_FAILURE(ledger.Check(**journal));
  ASSERT_TRUE((*journal)->TrimBefore((*journal)->end()).ok());
  EXPECT_TRUE((*journal)->Append("and it goes on").ok());
}

TEST(JournalCrash, AcknowledgedRecordsSurviveAndNothingIsInvented) {
  for (uint64_t seed = 1; seed <= 2'000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    ASSERT_NO_FATAL_FAILURE(RunCrashes(seed, false));
  }
}

TEST(JournalCrash, AlsoWhenTheDiskFailsInBetween) {
  for (uint64_t seed = 1; seed <= 2'000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    ASSERT_NO_FATAL_FAILURE(RunCrashes(seed, true));
  }
}

}  // namespace
}  // namespace tarn::journal
