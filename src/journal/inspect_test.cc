#include "journal/inspect.h"

#include <fmt/format.h>

#include <algorithm>

#include "journal/test_journal.h"

namespace tarn::journal {
namespace {

const std::string kFolder = "/journal";

std::string SegmentPath(int number) {
  return fmt::format("{}/segment-{:012}.journal", kFolder, number);
}

// Ten records, three to a segment.
void Fill(TestWorld& world) {
  const auto journal = world.Open().value();
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(journal->Append(std::string(4'000, static_cast<char>('a' + i))).ok());
  }
}

// What a start answers, and a cursor from `next` on: "begin..end" or the error.
std::string Start(TestWorld& world, uint64_t next) {
  world.options.resume_at = next;
  const auto journal = world.Open();
  if (!journal.ok()) return journal.error().message();
  const Held held{(*journal)->begin().value, (*journal)->end().value};
  const auto cursor = (*journal)->ReadFrom({std::clamp(next, held.begin, held.end)}).value();
  for (;;) {
    const auto record = cursor->Next();
    if (!record.ok()) return record.error().message();
    if (!*record) break;
  }
  const Status there = RequireNext(next, held);
  if (!there.ok()) return there.error().message();
  return fmt::format("{}..{}", held.begin, held.end);
}

std::string Look(TestWorld& world, uint64_t next) {
  const auto held = Inspect(world.files, kFolder, next);
  return held.ok() ? fmt::format("{}..{}", held->begin, held->end) : held.error().message();
}

TEST(JournalInspect, SaysWhatIsThere) {
  TestWorld world(1);
  EXPECT_EQ(Look(world, 0), "0..0");
  EXPECT_FALSE(world.files.Exists(kFolder));
  Fill(world);
  EXPECT_EQ(Look(world, 4), "0..10");
  EXPECT_EQ(Inspect(world.files, kFolder, std::nullopt).value().end, 10U);
}

TEST(JournalInspect, SaysOfDamageWhatAStartWouldSay) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    TestWorld world(seed);
    Fill(world);
    os::SeededRandom draw(seed);
    for (uint64_t times = draw.Next() % 3; times > 0; --times) {
      const std::string path = SegmentPath(static_cast<int>(draw.Next() % 4));
      if (draw.Next() % 8 == 0) {
        (void)world.files.Remove(path);
      } else if (world.files.Exists(path)) {
        const uint64_t offset = draw.Next() % (draw.Next() % 2 == 0 ? 64 : 16'384);
        world.files.Damage(path, offset, "!");
      }
    }
    const uint64_t next = draw.Next() % 12;
    const auto before = world.files.List(kFolder).value();
    const std::string looked = Look(world, next);
    EXPECT_EQ(world.files.List(kFolder).value(), before);
    EXPECT_EQ(looked, Start(world, next));
  }
}

TEST(JournalInspect, DamageThatTheLakeHasPassedIsNone) {
  TestWorld world(3);
  Fill(world);
  world.files.Damage(SegmentPath(0), 5'000, "!");
  EXPECT_NE(Look(world, 2).find("record 0 was stored and cannot be read"), std::string::npos);
  EXPECT_EQ(Look(world, 3), "0..10");
}

TEST(JournalInspect, JournalThatIsGoneOrTooShortIsDataLoss) {
  TestWorld world(4);
  EXPECT_NE(Look(world, 5).find("the journal is gone or has no segment"), std::string::npos);
  Fill(world);
  EXPECT_NE(Look(world, 11).find("the lake expects record 11"), std::string::npos);
}

}  // namespace
}  // namespace tarn::journal
