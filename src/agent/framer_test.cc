#include "agent/framer.h"

#include <fmt/format.h>

#include "agent/checkpoint.h"
#include "agent_wire/batch.h"
#include "base/check.h"
#include "codec/hash.h"

namespace tarn::agent {
namespace {

TEST(Framer, TakesWholeLinesOnly) {
  const Framer framer("");
  EXPECT_EQ(framer.Find("a\nb\nc", false, false).size, 4U);
  EXPECT_EQ(framer.Find("abc", true, false).size, 0U);
  const Frame final = framer.Find("abc", true, true);
  EXPECT_EQ(final.size, 3U);
  EXPECT_TRUE(final.cut);
}

TEST(Framer, CutsAtTheLineLimit) {
  const Framer framer("");
  const std::string line(agent_wire::kMaxLineBytes, 'x');
  EXPECT_EQ(framer.Find(std::string_view(line).substr(1), false, false).size, 0U);
  const Frame frame = framer.Find(line, false, false);
  EXPECT_EQ(frame.size, agent_wire::kMaxLineBytes);
  EXPECT_TRUE(frame.cut);
}

TEST(Framer, RecordEndsBeforeTheNextStart) {
  const Framer framer("^E");
  EXPECT_EQ(framer.Find("E1\n at\nE2\n", false, false).record_ends, std::vector<uint32_t>{7});
  EXPECT_EQ(framer.Find("E1\n at\nE2\n", true, false).record_ends, (std::vector<uint32_t>{7, 10}));
  EXPECT_EQ(framer.Find(" stray\nE1\n", false, false).record_ends, std::vector<uint32_t>{7});
  EXPECT_EQ(framer.Find("E1\n at\n", false, false).size, 0U);
}

TEST(Framer, EndlessRecordIsBounded) {
  const Framer framer("^E");
  std::string text = "E1\n";
  while (text.size() < agent_wire::kMaxLineBytes) text += " more\n";
  EXPECT_EQ(framer.Find(text, false, false).size, text.size());
}

TEST(Checkpoint, ReadsBackWhatWasWritten) {
  Checkpoint checkpoint;
  checkpoint.agent_id = "a1";
  checkpoint.batch_number = 12;
  FileState file;
  file.source = "shop";
  file.file_id = "00ff";
  file.path = "/var/log/\xff.log";
  file.head_length = 40;
  file.head_hash = ~uint64_t{0};
  file.ladder = {{256, 1}, {512, ~uint64_t{1}}};
  file.anchor = {100, 64, ~uint64_t{2}};
  file.trail = {{90, {95, 5, 7}, {}}, {95, {100, 10, ~uint64_t{0}}, {1, ~uint32_t{0}}}};
  file.boot = ~uint64_t{3};
  file.ended = true;
  file.line_begin = 99;
  file.inode = 77;
  file.acked = 123;
  file.size = 456;
  file.renamed = true;
  file.finished = true;
  file.last_seen = {1'795'525'200'000'000};
  checkpoint.files = {file};
  EXPECT_EQ(DecodeCheckpoint(EncodeCheckpoint(checkpoint)).value(), checkpoint);
}

// The text with `from` replaced and a checksum that says so.
std::string Forged(std::string text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  TARN_CHECK(at != std::string::npos);
  text.replace(at, from.size(), to);
  const size_t body = text.find('\n') + 1;
  const std::string sum = fmt::format("{:08x}", codec::Crc32c(std::string_view(text).substr(body)));
  return text.replace(body - 1 - sum.size(), sum.size(), sum);
}

TEST(Checkpoint, TrailOrBootThatCannotBeIsRefused) {
  FileState file;
  file.head_length = 1;
  file.boot = 1;
  file.trail.push_back({100, {140, 40, 7}, {0x04030201}});
  const std::string text = EncodeCheckpoint({"a1", 12, {file}});
  ASSERT_TRUE(DecodeCheckpoint(Forged(text, "\"01020304\"", "\"0102030405060708\"")).ok());
  for (const auto& [from, to] : std::initializer_list<std::pair<const char*, const char*>>{
           {"\"01020304\"", "\"010203\""},  // no whole hash
           {"\"01020304\"", "\"0102030x\""},
           {"\"begin\": 100", "\"begin\": 140"},  // nothing in it
           {"\"begin\": 100", "\"begin\": -1"},
           {"\"anchor_end\": 140", "\"anchor_end\": 20000000"},  // no batch is that large
           {"\"anchor_length\": 40", "\"anchor_length\": 257"},
           {"\"boot\": \"0000000000000001\"", "\"boot\": \"1\""},
           {"\"boot\": \"0000000000000001\"", "\"boot\": 1"}}) {
    SCOPED_TRACE(to);
    EXPECT_FALSE(DecodeCheckpoint(Forged(text, from, to)).ok());
  }
}

TEST(Checkpoint, AnyDamageIsSeen) {
  Checkpoint checkpoint;
  checkpoint.agent_id = "a1";
  checkpoint.files.resize(1);
  checkpoint.files[0].head_length = 1;
  const std::string text = EncodeCheckpoint(checkpoint);
  for (size_t i = 0; i < text.size(); ++i) {
    std::string broken = text;
    broken[i] = static_cast<char>(broken[i] ^ 1);
    EXPECT_FALSE(DecodeCheckpoint(broken).ok()) << i;
    EXPECT_FALSE(DecodeCheckpoint(text.substr(0, i)).ok()) << i;
  }
}

}  // namespace
}  // namespace tarn::agent
