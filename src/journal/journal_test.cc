#include "journal/journal.h"

#include "journal/log_journal.h"
#include "journal/test_journal.h"
#include "os/posix_file_system.h"

namespace tarn::journal {
namespace {

using Call = os::SimFileSystem::Call;

TEST(Journal, ReadsWhatWasAppendedInOrder) {
  TestWorld world(1);
  auto journal = world.Open().value();
  EXPECT_EQ(journal->Append("a").value(), Position{0});
  EXPECT_EQ(journal->Append("").value(), Position{1});
  EXPECT_EQ(journal->Append(std::string(8'192, 'x')).value(), Position{2});
  EXPECT_EQ(journal->end(), Position{3});
  EXPECT_EQ(ReadAll(*journal, {0}).value(),
            (std::vector<std::string>{"a", "", std::string(8'192, 'x')}));
  EXPECT_EQ(ReadAll(*journal, {1}).value().size(), 2U);
  EXPECT_EQ(journal->ReadFrom({4}).error().code(), Code::kInvalidArgument);
}

TEST(Journal, ReopensWithTheSamePositions) {
  TestWorld world(2);
  for (uint64_t life = 0; life < 20; ++life) {
    auto journal = world.Open().value();
    EXPECT_EQ(journal->end(), Position{life * 3});
    for (uint64_t i = 0; i < 3; ++i)
      EXPECT_EQ(journal->Append(std::string(1'000, 'a')).value(), Position{life * 3 + i});
  }
  EXPECT_EQ(ReadAll(*world.Open().value(), {0}).value().size(), 60U);
}

TEST(Journal, CallbacksComeInOrderAfterTheSync) {
  TestWorld world(3);
  GatedFiles gate(world.files);
  auto journal = Journal::Open({gate, world.random, world.clock, world.log, world.metrics},
                               "/journal", world.options)
                     .value();
  const uint64_t syncs_before = journal->stats().syncs;
  std::vector<uint64_t> order;
  gate.Shut();
  for (int i = 0; i < 200; ++i) {
    journal->AppendAsync("record", [&](Result<Position> position) {
      EXPECT_LE(position.value().value, journal->end().value);
      order.push_back(position.value().value);
    });
  }
  gate.LetGo();
  ASSERT_TRUE(journal->Append("last").ok());
  ASSERT_EQ(order.size(), 200U);
  for (uint64_t i = 0; i < 200; ++i) EXPECT_EQ(order[i], i);
  EXPECT_LE(journal->stats().syncs - syncs_before, 3U)
      << "what comes during a sync shares the next";
}

TEST(Journal, DestructionFinishesWhatIsInFlight) {
  TestWorld world(4);
  int done = 0;
  auto journal = world.Open().value();
  for (int i = 0; i < 100; ++i)
    journal->AppendAsync("record",
                         [&](const Result<Position>& position) { done += position.ok(); });
  journal.reset();
  EXPECT_EQ(done, 100);
  EXPECT_EQ(world.Open().value()->end(), Position{100});
}

TEST(Journal, SecondOpenerIsRefused) {
  TestWorld world(5);
  auto journal = world.Open().value();
  EXPECT_EQ(world.Open().error().code(), Code::kConflict);
  journal.reset();
  EXPECT_TRUE(world.Open().ok());
}

TEST(Journal, RefusesARecordOverTheLimit) {
  TestWorld world(6);
  auto journal = world.Open().value();
  EXPECT_EQ(journal->Append(std::string(8'193, 'x')).error().code(), Code::kInvalidArgument);
}

TEST(Journal, RefusesSillyOptions) {
  TestWorld world(7);
  const Options good = world.options;
  world.options.segment_bytes = 10'000;
  EXPECT_EQ(world.Open().error().code(), Code::kInvalidArgument);
  world.options = good;
  world.options.max_bytes = good.segment_bytes;
  EXPECT_EQ(world.Open().error().code(), Code::kInvalidArgument);
  world.options = good;
  world.options.max_record_bytes = good.segment_bytes;
  EXPECT_EQ(world.Open().error().code(), Code::kInvalidArgument);
  world.options = good;
  world.options.max_in_flight_bytes = 100;
  EXPECT_EQ(world.Open().error().code(), Code::kInvalidArgument);
}

TEST(Journal, NothingIsAcknowledgedOrReadableBeforeTheSyncReturns) {
  TestWorld world(8);
  GatedFiles gate(world.files);
  auto journal = Journal::Open({gate, world.random, world.clock, world.log, world.metrics},
                               "/journal", world.options)
                     .value();
  auto cursor = journal->ReadFrom({0}).value();
  gate.Shut();
  std::atomic<bool> done = false;
  journal->AppendAsync("a", [&](const Result<Position>&) { done = true; });
  gate.Await([] { return false; });
  EXPECT_FALSE(done);
  EXPECT_FALSE(cursor->Next().value().has_value());
  EXPECT_FALSE(cursor->Wait(0));
  gate.LetGo();
  EXPECT_TRUE(cursor->Wait(60'000'000));
  EXPECT_EQ(cursor->Next().value()->bytes, "a");
  ASSERT_TRUE(journal->Append("b").ok());
  EXPECT_TRUE(done);
}

TEST(Journal, InFlightBytesAreBounded) {
  TestWorld world(9);
  GatedFiles gate(world.files);
  auto journal = Journal::Open({gate, world.random, world.clock, world.log, world.metrics},
                               "/journal", world.options)
                     .value();
  gate.Shut();
  int refused = 0;
  int accepted = 0;
  for (int i = 0; i < 20; ++i) {
    bool at_once = false;
    journal->AppendAsync(std::string(8'000, 'x'), [&, i](const Result<Position>& position) {
      if (position.ok()) return;
      EXPECT_EQ(position.error().code(), Code::kResourceExhausted) << i;
      at_once = true;
    });
    (at_once ? refused : accepted) += 1;
  }
  EXPECT_EQ(accepted, 8) << "64 KiB of 8,032 bytes each";
  EXPECT_EQ(refused, 12);
  gate.LetGo();
  ASSERT_TRUE(journal->Append("the blocking form waits for room").ok());
  EXPECT_EQ(journal->end(), Position{9});
}

TEST(Journal, ManyThreadsEachGetTheirOwnPosition) {
  TestWorld world(10);
  world.options.max_bytes = 16'384 * 64;
  auto journal = world.Open().value();
  std::vector<std::vector<uint64_t>> got(8);
  {
    std::vector<os::Thread> threads;
    for (size_t t = 0; t < got.size(); ++t) {
      threads.emplace_back("append", [&, t] {
        for (int i = 0; i < 200; ++i)
          got[t].push_back(journal->Append("thread " + std::to_string(t)).value().value);
      });
    }
  }
  const auto all = ReadAll(*journal, {0}).value();
  ASSERT_EQ(all.size(), 1'600U);
  for (size_t t = 0; t < got.size(); ++t) {
    EXPECT_TRUE(std::is_sorted(got[t].begin(), got[t].end()));
    for (const uint64_t position : got[t]) EXPECT_EQ(all[position], "thread " + std::to_string(t));
  }
}

TEST(Journal, TrimRecyclesWholeSegmentsOnly) {
  TestWorld world(11);
  auto journal = world.Open().value();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(journal->Append(std::string(4'000, 'x')).ok());
  EXPECT_EQ(journal->stats().segments, 7U) << "three records fill one";
  ASSERT_TRUE(journal->TrimBefore({5}).ok());
  EXPECT_EQ(journal->begin(), Position{3});
  EXPECT_EQ(journal->stats().spares, 1U);
  EXPECT_EQ(journal->ReadFrom({2}).error().code(), Code::kNotFound);
  EXPECT_EQ(ReadAll(*journal, {3}).value().size(), 17U);
  ASSERT_TRUE(journal->TrimBefore({20}).ok());
  EXPECT_EQ(journal->begin(), Position{18});
  EXPECT_EQ(journal->stats().spares, 2U) << "no more than max_spare_segments are kept";
  EXPECT_EQ(journal->size_bytes(), 3 * 16'384U);
  EXPECT_EQ(world.files.List("/journal").value().size(), 4U) << "the lock and three files";
  EXPECT_EQ(journal->TrimBefore({21}).error().code(), Code::kInvalidArgument);
  for (int i = 0; i < 7; ++i) ASSERT_TRUE(journal->Append(std::string(4'000, 'x')).ok());
  EXPECT_EQ(journal->stats().spares, 0U) << "spares are used first";
}

TEST(Journal, CursorBehindTheTrimIsToldSo) {
  TestWorld world(12);
  auto journal = world.Open().value();
  for (int i = 0; i < 9; ++i) ASSERT_TRUE(journal->Append(std::string(4'000, 'x')).ok());
  auto cursor = journal->ReadFrom({0}).value();
  ASSERT_TRUE(cursor->Next().ok());
  ASSERT_TRUE(journal->TrimBefore({9}).ok());
  for (int i = 0; i < 9; ++i) ASSERT_TRUE(journal->Append(std::string(4'000, 'y')).ok());
  EXPECT_EQ(cursor->Next().error().code(), Code::kNotFound);
}

TEST(Journal, FullJournalRefusesUntilTrimmed) {
  TestWorld world(13);
  auto journal = world.Open().value();
  uint64_t stored = 0;
  Result<Position> last = Position{0};
  while ((last = journal->Append(std::string(4'000, 'x'))).ok()) ++stored;
  EXPECT_EQ(last.error().code(), Code::kResourceExhausted);
  EXPECT_EQ(stored, 24U) << "eight segments of three";
  EXPECT_TRUE(journal->stats().full);
  EXPECT_EQ(journal->Append("small").error().code(), Code::kResourceExhausted);
  EXPECT_LE(journal->size_bytes(), world.options.max_bytes);
  EXPECT_EQ(ReadAll(*journal, {0}).value().size(), stored) << "nothing acknowledged is given up";
  ASSERT_TRUE(journal->TrimBefore({3}).ok());
  EXPECT_FALSE(journal->stats().full);
  EXPECT_EQ(journal->Append("small").value(), Position{stored});
  EXPECT_LE(journal->size_bytes(), world.options.max_bytes);
}

TEST(Journal, OpensWhenFullAndTakesAppendsAfterATrim) {
  TestWorld world(14);
  {
    auto journal = world.Open().value();
    while (journal->Append(std::string(4'000, 'x')).ok()) {
    }
  }
  auto journal = world.Open().value();
  EXPECT_EQ(journal->end(), Position{24});
  EXPECT_EQ(journal->Append(std::string(8'000, 'y')).error().code(), Code::kResourceExhausted);
  ASSERT_TRUE(journal->TrimBefore({24}).ok());
  EXPECT_TRUE(journal->Append(std::string(8'000, 'y')).ok());
}

TEST(Journal, CursorWaitsForTheNextCommitAndCanBeClosed) {
  TestWorld world(15);
  auto journal = world.Open().value();
  auto cursor = journal->ReadFrom({0}).value();
  EXPECT_FALSE(cursor->Wait(1));
  std::vector<std::string> read;
  {
    os::Thread reader("reader", [&] {
      while (cursor->Wait(60'000'000)) read.push_back(cursor->Next().value()->bytes);
    });
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(journal->Append(std::to_string(i)).ok());
    EXPECT_TRUE(journal->ReadFrom({0}).value()->Wait(0));
    cursor->Close();
  }
  EXPECT_FALSE(cursor->Wait(60'000'000)) << "closed for good";
  for (size_t i = 0; i < read.size(); ++i) EXPECT_EQ(read[i], std::to_string(i));
}

TEST(Journal, WorksOnThePosixFileSystem) {
  os::PosixFileSystem files;
  const std::string folder = testing::TempDir() + "tarn_journal_" +
                             std::to_string(testing::UnitTest::GetInstance()->random_seed()) +
                             std::to_string(os::SystemRandom().Next());
  TestWorld world(17);
  const Environment environment{files, world.random, world.clock, world.log, world.metrics};
  for (uint64_t life = 0; life < 3; ++life) {
    auto journal = Journal::Open(environment, folder, world.options).value();
    EXPECT_EQ(Journal::Open(environment, folder, world.options).error().code(), Code::kConflict);
    EXPECT_EQ(journal->end(), Position{life * 5});
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(journal->Append(std::string(5'000, 'x')).ok());
    EXPECT_EQ(ReadAll(*journal, journal->begin()).value().size(),
              journal->end().value - journal->begin().value);
    ASSERT_TRUE(journal->TrimBefore({life * 5}).ok());
  }
  ASSERT_TRUE(files.RemoveRecursively(folder).ok());
}

TEST(Journal, MatchesAModelUnderRandomActions) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    TestWorld world(seed);
    os::SeededRandom random(seed * 7);
    std::vector<std::string> model;
    auto journal = world.Open().value();
    for (int step = 0; step < 300; ++step) {
      const uint64_t action = random.Below(100);
      if (action < 70) {
        const std::string bytes =
            RandomBytes(random, random.Below(random.Below(8) == 0 ? 8'192 : 400));
        const auto position = journal->Append(bytes);
        if (position.ok()) {
          ASSERT_EQ(position->value, model.size());
          model.push_back(bytes);
        } else {
          ASSERT_EQ(position.error().code(), Code::kResourceExhausted);
          ASSERT_TRUE(journal->TrimBefore(journal->end()).ok());
        }
      } else if (action < 85) {
        const uint64_t begin = journal->begin().value;
        const uint64_t from = begin + random.Below(model.size() - begin + 1);
        const auto read = ReadAll(*journal, {from}).value();
        ASSERT_EQ(read, std::vector<std::string>(model.begin() + static_cast<std::ptrdiff_t>(from),
                                                 model.end()));
      } else if (action < 92) {
        const uint64_t before = random.Below(model.size() + 1);
        const uint64_t begin = journal->begin().value;
        ASSERT_TRUE(journal->TrimBefore({before}).ok());
        ASSERT_LE(journal->begin().value, std::max(before, begin));
      } else {
        const Position begin = journal->begin();
        journal.reset();
        journal = world.Open().value();
        ASSERT_EQ(journal->begin(), begin);
      }
      ASSERT_EQ(journal->end().value, model.size());
      ASSERT_LE(journal->size_bytes(), world.options.max_bytes);
    }
  }
}

}  // namespace
}  // namespace tarn::journal
