#include <chrono>
#include <thread>

#include "codec/hash.h"
#include "journal/segment.h"
#include "journal/test_journal.h"

namespace tarn::journal {
namespace {

using Call = os::SimFileSystem::Call;

const std::string kFirst = "/journal/segment-000000000000.journal";
const std::string kSecond = "/journal/segment-000000000001.journal";
const std::string kThird = "/journal/segment-000000000002.journal";

bool IsRefusal(const Error& error) {
  return error.code() == Code::kUnavailable || error.code() == Code::kResourceExhausted;
}

// Appends records of 4,000 bytes, three to a segment, with the position in front.
void Fill(Journal& journal, int records) {
  for (int i = 0; i < records; ++i) {
    std::string bytes = std::to_string(journal.end().value) + ":";
    bytes.resize(4'000, 'f');
    ASSERT_TRUE(journal.Append(bytes).ok());
  }
}

TEST(JournalFault, SyncErrorPoisonsUntilRecovered) {
  TestWorld world(1);
  auto journal = world.Open().value();
  ASSERT_TRUE(journal->Append("kept").ok());
  world.files.FailCall(Call::kSync, 1, Code::kIo);
  EXPECT_EQ(journal->Append("lost").error().code(), Code::kUnavailable);
  EXPECT_FALSE(journal->stats().healthy);
  EXPECT_EQ(journal->Append("refused").error().code(), Code::kUnavailable);
  EXPECT_EQ(ReadAll(*journal, {0}).value(), std::vector<std::string>{"kept"});
  EXPECT_TRUE(journal->Recover().ok());
  EXPECT_TRUE(journal->stats().healthy);
  EXPECT_EQ(journal->Append("next").value(), Position{1});
  const std::vector<std::string> expected = {"kept", "next"};
  EXPECT_EQ(ReadAll(*journal, {0}).value(), expected);
  journal.reset();
  world.files.Crash();
  EXPECT_EQ(ReadAll(*world.Open().value(), {0}).value(), expected);
}

TEST(JournalFault, RecoverySaysWhyItFails) {
  TestWorld world(2);
  auto journal = world.Open().value();
  world.files.FailAlways(Call::kSync, Code::kIo);
  EXPECT_FALSE(journal->Append("x").ok());
  const Status recovered = journal->Recover();
  EXPECT_EQ(recovered.error().code(), Code::kUnavailable);
  EXPECT_NE(recovered.error().message().find("fault on demand"), std::string::npos);
  const uint64_t used = world.files.UsedBytes();
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(journal->Recover().ok());
  EXPECT_EQ(world.files.UsedBytes(), used) << "attempts leave no files behind";
  world.files.ClearFaults();
  EXPECT_TRUE(journal->Recover().ok());
  EXPECT_TRUE(journal->Append("x").ok());
}

TEST(JournalFault, RecoversByItself) {
  TestWorld world(3);
  world.options.retry_micros = 1'000;
  auto journal = world.Open().value();
  world.files.FailCall(Call::kSync, 1, Code::kIo, 3);
  EXPECT_FALSE(journal->Append("x").ok());
  while (!journal->stats().healthy) std::this_thread::yield();
  EXPECT_TRUE(journal->Append("y").ok());
}

// What is written into a file without a name is gone with the process.
TEST(JournalFault, SegmentThatIsMovedAwayTakesNothingUntilItIsBack) {
  TestWorld world(4);
  auto journal = world.Open().value();
  ASSERT_TRUE(journal->Append("kept").ok());
  ASSERT_TRUE(world.files.Rename(kFirst, "/aside").ok());
  EXPECT_EQ(journal->Append("lost").error().code(), Code::kUnavailable);
  EXPECT_FALSE(journal->stats().healthy);
  for (const char* word : {kFirst.c_str(), "removed", "--accept-loss"}) {
    EXPECT_NE(journal->stats().reason.find(word), std::string::npos) << word;
  }
  EXPECT_EQ(world.Logged("journal.poisoned").size(), 1U);
  EXPECT_EQ(journal->Recover().error().code(), Code::kUnavailable);
  EXPECT_FALSE(world.files.Exists(kSecond)) << "it must not go on as if nothing were missing";
  ASSERT_TRUE(world.files.Rename("/aside", kFirst).ok());
  EXPECT_TRUE(journal->Recover().ok());
  EXPECT_EQ(journal->Append("next").value(), Position{1});
  EXPECT_EQ(journal->stats().reason, "");
  const std::vector<std::string> expected = {"kept", "next"};
  EXPECT_EQ(ReadAll(*journal, {0}).value(), expected);
}

TEST(JournalFault, FolderThatIsRemovedTakesNothing) {
  for (const bool full : {false, true}) {  // the last segment
    for (const bool made_again : {false, true}) {
      TestWorld world(5);
      auto journal = world.Open().value();
      Fill(*journal, full ? 3 : 1);
      ASSERT_TRUE(world.files.RemoveRecursively("/journal").ok());
      if (made_again) {
        ASSERT_TRUE(world.files.CreateDirectories("/journal").ok());
      }
      const std::string record(4'000, 'x');
      EXPECT_EQ(journal->Append(record).error().code(), Code::kUnavailable);
      EXPECT_EQ(journal->Recover().error().code(), Code::kUnavailable);
      EXPECT_EQ(journal->Append(record).error().code(), Code::kUnavailable);
      EXPECT_FALSE(journal->stats().healthy);
      EXPECT_EQ(journal->end().value, full ? 3U : 1U);
    }
  }
}

TEST(JournalFault, AnotherFileInTheSegmentsPlaceTakesNothing) {
  TestWorld world(7);
  auto journal = world.Open().value();
  ASSERT_TRUE(journal->Append("kept").ok());
  ASSERT_TRUE(world.files.WriteFileAtomically(kFirst, *world.files.ReadFile(kFirst)).ok());
  EXPECT_EQ(journal->Append("lost").error().code(), Code::kUnavailable);
  EXPECT_FALSE(journal->stats().healthy);
}

TEST(JournalFault, NoticesByItselfThatItsSegmentIsGone) {
  TestWorld world(6);
  world.options.retry_micros = 1'000;
  auto journal = world.Open().value();
  ASSERT_TRUE(journal->Append("kept").ok());
  ASSERT_TRUE(world.files.Remove(kFirst).ok());
  const auto late = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (journal->stats().healthy && std::chrono::steady_clock::now() < late) {
    std::this_thread::yield();
  }
  EXPECT_FALSE(journal->Append("lost").ok());
}

TEST(JournalFault, EveryCallMayFailOnce) {
  for (const Call call : {Call::kWrite, Call::kSync, Call::kPreallocate, Call::kRename,
                          Call::kRemove, Call::kSyncDirectory, Call::kOpen}) {
    for (uint64_t nth = 1; nth <= 40; ++nth) {
      SCOPED_TRACE("call " + std::to_string(static_cast<int>(call)) + ", " + std::to_string(nth));
      TestWorld world(nth);
      auto journal = world.Open().value();
      world.files.FailCall(call, nth, nth % 2 == 0 ? Code::kIo : Code::kResourceExhausted);
      std::vector<std::string> kept;
      for (int i = 0; i < 20; ++i) {
        const std::string bytes = std::to_string(i) + std::string(4'000, 'x');
        const auto position = journal->Append(bytes);
        if (position.ok()) {
          ASSERT_EQ(position->value, kept.size());
          kept.push_back(bytes);
        } else {
          ASSERT_TRUE(IsRefusal(position.error())) << position.error().ToString();
          ASSERT_TRUE(journal->Recover().ok());
        }
      }
      const Position before{kept.size() / 2};
      const bool trimmed = journal->TrimBefore(before).ok() || journal->TrimBefore(before).ok();
      ASSERT_TRUE(trimmed);
      world.files.ClearFaults();
      for (int life = 0; life < 2; ++life) {
        const uint64_t begin = journal->begin().value;
        ASSERT_LE(begin, before.value);
        ASSERT_EQ(ReadAll(*journal, {begin}).value(),
                  std::vector<std::string>(kept.begin() + static_cast<std::ptrdiff_t>(begin),
                                           kept.end()));
        journal.reset();
        world.files.Crash();
        journal = world.Open().value();
      }
    }
  }
}

TEST(JournalFault, DiskFullAtEveryPointIsRefusedAndOvercome) {
  for (uint64_t capacity = 0; capacity <= 16'384 * 5; capacity += 1'024) {
    SCOPED_TRACE("capacity " + std::to_string(capacity));
    TestWorld world(capacity);
    world.files.SetCapacity(capacity);
    auto opened = world.Open();
    if (!opened.ok()) {
      ASSERT_LT(capacity, 16'384U);
      ASSERT_EQ(opened.error().code(), Code::kResourceExhausted);
      ASSERT_EQ(world.files.UsedBytes(), 0U);
      continue;
    }
    auto journal = std::move(opened).value();
    uint64_t stored = 0;
    Result<Position> last = Position{0};
    while ((last = journal->Append(std::string(4'000, 'x'))).ok()) ++stored;
    ASSERT_EQ(last.error().code(), Code::kResourceExhausted);
    ASSERT_EQ(stored, capacity / 16'384 * 3);
    ASSERT_EQ(journal->Recover().error().code(), Code::kResourceExhausted);
    ASSERT_EQ(ReadAll(*journal, {0}).value().size(), stored);
    world.files.SetCapacity(os::SimFileSystem::kUnlimited);
    ASSERT_TRUE(journal->Recover().ok());
    ASSERT_EQ(journal->Append("room again").value(), Position{stored});
  }
}

TEST(JournalFault, WriteOnAFullDiskIsNotAcknowledged) {
  // A file system that copies on write can be out of room for bytes that were preallocated.
  TestWorld world(5);
  auto journal = world.Open().value();
  world.files.FailCall(Call::kWrite, 1, Code::kResourceExhausted);
  EXPECT_TRUE(IsRefusal(journal->Append("lost").error()));
  EXPECT_EQ(journal->end(), Position{0});
  ASSERT_TRUE(journal->Recover().ok());
  EXPECT_EQ(journal->Append("kept").value(), Position{0});
  EXPECT_EQ(journal->stats().segments, 1U) << "the segment without a record was replaced";
}

TEST(JournalFault, ReadErrorIsReportedAndCanBeRetried) {
  TestWorld world(6);
  auto journal = world.Open().value();
  Fill(*journal, 6);
  auto cursor = journal->ReadFrom({0}).value();
  for (uint64_t i = 0; i < 6; ++i) {
    world.files.FailCall(Call::kRead, 1, Code::kIo);
    const auto failed = cursor->Next();
    // What is read ahead needs no call.
    if (!failed.ok()) {
      ASSERT_EQ(failed.error().code(), Code::kIo);
    } else {
      ASSERT_EQ((*failed)->position, Position{i});
    }
    world.files.ClearFaults();
    if (failed.ok()) continue;
    ASSERT_EQ(cursor->Next().value()->position, Position{i});
  }
  cursor.reset();
  journal.reset();
  world.files.FailCall(Call::kRead, 1, Code::kIo);
  EXPECT_EQ(world.Open().error().code(), Code::kIo);
  EXPECT_EQ(ReadAll(*world.Open().value(), {0}).value().size(), 6U);
}

TEST(JournalFault, DamageInTheMiddleOfTheLastSegmentIsDataLossAndChangesNothing) {
  TestWorld world(7);
  Fill(*world.Open().value(), 3);
  const uint64_t second_record = kSegmentHeaderBytes + StoredBytes(4'000);
  world.files.Damage(kFirst, second_record + 100, "!");
  const std::string before = world.files.ReadFile(kFirst).value();
  const auto opened = world.Open();
  ASSERT_EQ(opened.error().code(), Code::kDataLoss);
  for (const std::string& part : {kFirst, "offset " + std::to_string(second_record),
                                  std::string("record 1"), std::string("--accept-loss")})
    EXPECT_NE(opened.error().message().find(part), std::string::npos) << opened.error().message();
  EXPECT_EQ(world.files.ReadFile(kFirst).value(), before);

  world.options.accept_loss = true;
  auto journal = world.Open().value();
  EXPECT_EQ(journal->end(), Position{3});
  auto cursor = journal->ReadFrom({0}).value();
  EXPECT_EQ(cursor->Next().value()->position, Position{0});
  EXPECT_EQ(cursor->Next().value()->position, Position{2});
  EXPECT_EQ(cursor->Next().value(), std::nullopt);
  EXPECT_EQ(world.metrics.GetCounter("tarn_journal_lost_records_total", "").value(), 1U);
  EXPECT_EQ(journal->Append("goes on").value(), Position{3});
  EXPECT_EQ(cursor->Next().value()->bytes, "goes on");
}

TEST(JournalFault, DamageInAnOlderSegmentIsDataLossWhenRead) {
  TestWorld world(8);
  Fill(*world.Open().value(), 9);
  world.files.Damage(kSecond, kSegmentHeaderBytes + 50, "!");
  auto journal = world.Open().value();
  auto cursor = journal->ReadFrom({0}).value();
  for (uint64_t i = 0; i < 3; ++i) EXPECT_EQ(cursor->Next().value()->position, Position{i});
  for (int again = 0; again < 2; ++again) {
    const auto next = cursor->Next();
    ASSERT_EQ(next.error().code(), Code::kDataLoss) << "never skipped silently";
    EXPECT_NE(next.error().message().find(kSecond + ", offset 4096: record 3"), std::string::npos)
        << next.error().message();
  }
  EXPECT_EQ(cursor->position(), Position{3});
  cursor.reset();
  journal.reset();
  world.options.accept_loss = true;
  journal = world.Open().value();
  cursor = journal->ReadFrom({0}).value();
  std::vector<uint64_t> read;
  while (auto record = cursor->Next().value()) read.push_back(record->position.value);
  EXPECT_EQ(read, (std::vector<uint64_t>{0, 1, 2, 4, 5, 6, 7, 8}));
}

TEST(JournalFault, DamagedLastRecordsOfASealedSegmentAreMissed) {
  TestWorld world(9);
  Fill(*world.Open().value(), 6);
  world.files.Damage(kFirst, kSegmentHeaderBytes + 2 * StoredBytes(4'000), std::string(64, '\0'));
  auto journal = world.Open().value();
  auto cursor = journal->ReadFrom({2}).value();
  EXPECT_EQ(cursor->Next().error().code(), Code::kDataLoss);
}

TEST(JournalFault, DamagedHeaderIsDataLossAndCanBeSetAside) {
  for (const std::string& path : {kFirst, kSecond}) {
    SCOPED_TRACE(path);
    TestWorld world(10);
    Fill(*world.Open().value(), 5);
    world.files.Damage(path, 20, "!!");
    ASSERT_EQ(world.Open().error().code(), Code::kDataLoss);
    EXPECT_NE(world.Open().error().message().find(path), std::string::npos);
    world.options.accept_loss = true;
    auto journal = world.Open().value();
    EXPECT_GE(journal->end(), Position{5}) << "no position is given twice";
    const Position next = journal->end();
    EXPECT_EQ(journal->Append("goes on").value(), next);
    auto cursor = journal->ReadFrom(journal->begin()).value();
    std::vector<uint64_t> read;
    while (auto record = cursor->Next().value()) read.push_back(record->position.value);
    EXPECT_EQ(read, path == kFirst ? (std::vector<uint64_t>{3, 4, 5})
                                   : (std::vector<uint64_t>{0, 1, 2, next.value}));
  }
}

std::string Only(const std::vector<std::string>& lines) {
  return lines.size() == 1 ? lines.front() : std::to_string(lines.size()) + " lines";
}

bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(JournalFault, FolderInPlaceOfASegmentIsDataLossAndCanBeSetAside) {
  for (const std::string& path : {kFirst, kSecond}) {
    TestWorld world(21);
    auto journal = world.Open().value();
    Fill(*journal, 4);
    journal.reset();
    ASSERT_TRUE(world.files.Remove(path).ok());
    ASSERT_TRUE(world.files.CreateDirectories(path).ok());
    const auto refused = world.Open();
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code(), Code::kDataLoss);
    for (const char* word : {path.c_str(), "folder", "--accept-loss"}) {
      EXPECT_NE(refused.error().message().find(word), std::string::npos) << word;
    }
    world.options.accept_loss = true;
    auto opened = world.Open();
    ASSERT_TRUE(opened.ok()) << opened.error().ToString();
    EXPECT_TRUE((*opened)->Append("more").ok());
    EXPECT_EQ(world.Logged("journal.loss_accepted").size(), 1U);
  }
}

TEST(JournalFault, SegmentSetAsideIsToldWithTheRecordsThatWent) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {kFirst, "from=0 to=3"}, {kSecond, "from=3 to=6"}, {kThird, "from=6 to=unknown"}};
  for (const auto& [path, lost] : cases) {
    SCOPED_TRACE(path);
    TestWorld world(20);
    Fill(*world.Open().value(), 8);
    world.files.Damage(path, 20, "!!");
    world.options.accept_loss = true;
    auto journal = world.Open().value();
    ASSERT_TRUE(journal->Append("goes on").ok());
    auto cursor = journal->ReadFrom(journal->begin()).value();
    while (cursor->Next().value()) continue;
    const std::string line = Only(world.Logged("journal.loss_accepted"));
    EXPECT_TRUE(Contains(line, lost)) << line;
    EXPECT_TRUE(Contains(line, "damaged-segment")) << line;
    EXPECT_EQ(world.metrics.GetCounter("tarn_journal_lost_records_total", "").value(),
              path == kThird ? 0U : 3U);
  }
}

TEST(JournalFault, RecordThatSeveralCursorsSkipIsToldOnce) {
  TestWorld world(21);
  Fill(*world.Open().value(), 6);
  world.files.Damage(kSecond, kSegmentHeaderBytes + 50, "!");
  world.options.accept_loss = true;
  auto journal = world.Open().value();
  for (int reader = 0; reader < 2; ++reader) {
    auto cursor = journal->ReadFrom({0}).value();
    while (cursor->Next().value()) continue;
  }
  const std::string line = Only(world.Logged("journal.loss_accepted"));
  EXPECT_TRUE(Contains(line, "from=3 to=4")) << line;
  EXPECT_TRUE(world.Logged("journal.tail_cut").empty()) << "it was no unfinished write";
  EXPECT_EQ(world.metrics.GetCounter("tarn_journal_lost_records_total", "").value(), 1U);
}

TEST(JournalFault, TornTailIsToldWithItsPlaceAndSize) {
  TestWorld world(22);
  Fill(*world.Open().value(), 3);
  const uint64_t last = kSegmentHeaderBytes + 2 * StoredBytes(4'000);
  world.files.Damage(kFirst, last + 100, std::string(StoredBytes(4'000) - 100, '\0'));
  EXPECT_EQ(world.Open().value()->end(), Position{2});
  const std::string line = Only(world.Logged("journal.tail_cut"));
  EXPECT_TRUE(Contains(line, "file=" + kFirst)) << line;
  EXPECT_TRUE(Contains(line, "offset=" + std::to_string(last))) << line;
  EXPECT_TRUE(Contains(line, "bytes=" + std::to_string(StoredBytes(4'000)))) << line;
  EXPECT_TRUE(Contains(line, "were not acknowledged")) << line;
}

TEST(JournalFault, LostFolderGoesOnWhereItsReadersAre) {
  TestWorld world(19);
  Fill(*world.Open().value(), 5);
  ASSERT_TRUE(world.files.RemoveRecursively("/journal").ok());
  world.options.resume_at = 5;
  const auto refused = world.Open();
  ASSERT_EQ(refused.error().code(), Code::kDataLoss) << "not without leave";
  EXPECT_TRUE(Contains(refused.error().message(), "records from 5 on are missing, if there were"));
  EXPECT_FALSE(world.files.Stat("/journal").ok()) << "a start that is refused makes nothing";
  world.options.accept_loss = true;
  auto journal = world.Open().value();
  EXPECT_EQ(journal->Append("goes on").value(), Position{5});
  journal.reset();
  world.options.accept_loss = false;
  journal = world.Open().value();
  EXPECT_EQ(journal->end(), Position{6});
  EXPECT_EQ(ReadAll(*journal, {5}).value().size(), 1U);
  EXPECT_TRUE(journal->TrimBefore({6}).ok());
}

TEST(JournalFault, MissingSegmentIsDataLoss) {
  TestWorld world(11);
  Fill(*world.Open().value(), 9);
  ASSERT_TRUE(world.files.Remove(kSecond).ok());
  const auto opened = world.Open();
  ASSERT_EQ(opened.error().code(), Code::kDataLoss);
  EXPECT_NE(opened.error().message().find(kSecond + " is missing"), std::string::npos);
}

TEST(JournalFault, CutOffFileIsDataLoss) {
  TestWorld world(18);
  Fill(*world.Open().value(), 3);
  const uint64_t size = kSegmentHeaderBytes + StoredBytes(4'000) + 10;
  ASSERT_TRUE(world.files.Open(kFirst, os::OpenMode::kReadWrite).value()->Truncate(size).ok());
  const auto opened = world.Open();
  ASSERT_EQ(opened.error().code(), Code::kDataLoss);
  EXPECT_NE(opened.error().message().find("cut off"), std::string::npos);
  world.options.accept_loss = true;
  auto journal = world.Open().value();
  EXPECT_TRUE(journal->stats().loss_accepted);
  ASSERT_TRUE(journal->Append("goes on").ok());
  EXPECT_EQ(ReadAll(*journal, {0}).value().size(), 2U);
  const std::string line = Only(world.Logged("journal.loss_accepted"));
  EXPECT_TRUE(Contains(line, "from=1 to=unknown")) << line;
  EXPECT_TRUE(Contains(line, kFirst)) << line;
  EXPECT_TRUE(world.Logged("journal.tail_cut").empty()) << "that says nothing was acknowledged";
  // The file that was cut off is not needed for ever.
  ASSERT_TRUE(journal->TrimBefore({1}).ok());
  journal.reset();
  world.options.accept_loss = false;
  EXPECT_EQ(world.Open().value()->end(), Position{2});
}

TEST(JournalFault, RecordsThatReadersHaveHadAreNoUnfinishedWrite) {
  TestWorld world(23);
  Fill(*world.Open().value(), 3);
  const uint64_t last = kSegmentHeaderBytes + 2 * StoredBytes(4'000);
  world.files.Damage(kFirst, last + 100, std::string(StoredBytes(4'000) - 100, '\0'));
  world.options.resume_at = 3;
  world.options.accept_loss = true;
  EXPECT_EQ(world.Open().value()->end(), Position{3});
  EXPECT_TRUE(Contains(Only(world.Logged("journal.loss_accepted")), "from=3 to=unknown"));
  EXPECT_TRUE(world.Logged("journal.tail_cut").empty());
}

TEST(JournalFault, TornTailIsCutToTheLastWholeRecord) {
  for (uint64_t cut = 0; cut <= StoredBytes(4'000); cut += 8) {
    TestWorld world(12);
    Fill(*world.Open().value(), 3);
    // The last record's bytes from `cut` on never reached the disk.
    const uint64_t last = kSegmentHeaderBytes + 2 * StoredBytes(4'000);
    world.files.Damage(kFirst, last + cut, std::string(StoredBytes(4'000) - cut, '\0'));
    auto journal = world.Open().value();
    ASSERT_EQ(journal->end().value, cut == StoredBytes(4'000) ? 3U : 2U) << cut;
    ASSERT_TRUE(journal->Append("goes on").ok());
    const uint64_t end = journal->end().value;
    journal.reset();
    ASSERT_EQ(world.Open().value()->end().value, end);
  }
}

// A batch of two is torn in its first record; after recovery a record of the same size takes that
// place. The second record lies whole right behind it and must not come back.
TEST(JournalFault, WholeRecordBehindATornOneIsNotResurrected) {
  TestWorld world(13);
  GatedFiles gate(world.files);
  const Environment environment{gate, world.random, world.clock, world.log, world.metrics};
  auto journal = Journal::Open(environment, "/journal", world.options).value();
  gate.Shut();
  journal->AppendAsync("first", [](const Result<Position>&) {});
  gate.Await([] { return false; });
  journal->AppendAsync("torn!!", [](const Result<Position>&) {});
  journal->AppendAsync("stale", [](const Result<Position>&) {});
  gate.LetGo();
  journal.reset();
  const uint64_t torn = kSegmentHeaderBytes + StoredBytes(5);
  world.files.Damage(kFirst, torn + kRecordHeaderBytes, "?");
  journal = world.Open().value();
  ASSERT_EQ(journal->end(), Position{1});
  ASSERT_TRUE(journal->Append("fresh!").ok());
  journal.reset();
  EXPECT_EQ(ReadAll(*world.Open().value(), {0}).value(),
            (std::vector<std::string>{"first", "fresh!"}));
}

TEST(JournalFault, RecycledSegmentDoesNotBringBackOldRecords) {
  TestWorld world(14);
  auto journal = world.Open().value();
  Fill(*journal, 10);
  ASSERT_TRUE(journal->TrimBefore(journal->end()).ok());
  Fill(*journal, 3);  // goes into files full of old records of the same size
  EXPECT_LT(journal->stats().spares, 2U);
  const uint64_t end = journal->end().value;
  journal.reset();
  journal = world.Open().value();
  EXPECT_EQ(journal->end().value, end);
  EXPECT_EQ(ReadAll(*journal, journal->begin()).value().size(), end - journal->begin().value);
}

TEST(JournalFault, OldRecordsUnderANewHeaderAreNotRecords) {
  // The same file, its header rewritten for a new use, everything behind it from the old one.
  TestWorld world(15);
  Fill(*world.Open().value(), 3);
  world.files.Damage(kFirst, 0,
                     EncodeSegmentHeader({.number = 0, .salt = 77, .first = 0, .bytes = 16'384}));
  EXPECT_EQ(world.Open().value()->end(), Position{0});
}

TEST(JournalFault, UnknownFormatVersionIsUnsupported) {
  TestWorld world(16);
  world.options.accept_loss = true;
  Fill(*world.Open().value(), 1);
  std::string header = EncodeSegmentHeader({.number = 0, .salt = 1, .first = 0, .bytes = 16'384});
  header[8] = 2;
  world.files.Damage(kFirst, 0, header);
  world.options.accept_loss = false;
  EXPECT_EQ(world.Open().error().code(), Code::kDataLoss) << "its checksum says otherwise";
  const std::string_view bytes = header;
  const uint32_t checksum = codec::Crc32c(bytes.substr(16, 32), codec::Crc32c(bytes.substr(0, 12)));
  for (size_t i = 0; i < 4; ++i) header[12 + i] = static_cast<char>(checksum >> (8 * i) & 0xff);
  world.files.Damage(kFirst, 0, header);
  world.options.accept_loss = true;
  EXPECT_EQ(world.Open().error().code(), Code::kUnsupported) << "a newer file is not damage";
}

TEST(JournalFault, SegmentsOfAnotherSizeAreReadAndNotReused) {
  TestWorld world(17);
  Fill(*world.Open().value(), 7);
  world.options.segment_bytes = 32'768;
  auto journal = world.Open().value();
  Fill(*journal, 10);
  EXPECT_EQ(ReadAll(*journal, {0}).value().size(), 17U);
  ASSERT_TRUE(journal->TrimBefore(journal->end()).ok());
  journal.reset();
  EXPECT_TRUE(world.Open().ok());
}

}  // namespace
}  // namespace tarn::journal
