#include "base/text.h"

namespace tarn {
namespace {

TEST(Text, NumbersMustFillTheWholeString) {
  EXPECT_EQ(ParseInt64("-12"), -12);
  EXPECT_FALSE(ParseInt64("12 "));
  EXPECT_FALSE(ParseInt64(""));
  EXPECT_FALSE(ParseUint64("-1"));
  EXPECT_FALSE(ParseInt64("9223372036854775808"));
}

TEST(Text, Utf8RefusesOverlongSurrogatesAndCutSequences) {
  EXPECT_TRUE(IsValidUtf8("plain ascii, long enough for a word; caf\xc3\xa9 \xf0\x9f\x98\x80"));
  for (const std::string_view bad :
       {"\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "caf\xc3", "\xff", "\x80"}) {
    EXPECT_FALSE(IsValidUtf8(bad));
  }
  EXPECT_EQ(ReplaceInvalidUtf8("a\xff"
                               "b"),
            "a\xef\xbf\xbd"
            "b");
}

TEST(Text, MalformedBytesAreEscapedOneByOne) {
  EXPECT_EQ(EscapeInvalidUtf8("caf\xe9/\xc3\xa9\\"), "caf\\xe9/\xc3\xa9\\");
  EXPECT_EQ(EscapeInvalidUtf8("\xed\xa0\x80"), "\\xed\\xa0\\x80");
}

TEST(Text, IsCutWhereACharacterEnds) {
  EXPECT_EQ(CutText("short", 5), "short");
  EXPECT_EQ(CutText("longer", 4), "long");
  EXPECT_EQ(CutText("a\xc3\xbc\xc3\xbc", 2), "a");
  EXPECT_EQ(CutText("a\xc3\xbc\xc3\xbc", 3), "a\xc3\xbc");
  EXPECT_EQ(CutText("a\xf0\x9f\x98\x80", 4), "a");
  EXPECT_EQ(CutText("\xc3\xbc", 1), "");
  EXPECT_EQ(CutText("\xc3\xbc", 0), "");
  EXPECT_EQ(CutText(std::string(9, '\x80'), 8).size(), 8U) << "no text: there is no better place";
}

TEST(Text, AnErrorIsSaidLineByLineOfAFile) {
  EXPECT_EQ(SaidBy("tarn", "no"), "tarn: no\n");
  EXPECT_EQ(SaidBy("tarn", "no\nnot at all"), "tarn: no\nnot at all\n");
  EXPECT_EQ(SaidBy("tarn", "a.yaml:1:2: x\na.yaml:3:4: y"),
            "tarn: a.yaml:1:2: x\ntarn: a.yaml:3:4: y\n");
  EXPECT_EQ(SaidBy("tarn", "wrong: SELEC\n       ^"), "tarn: wrong: SELEC\n       ^\n");
}

TEST(Text, NearestWordSuggestsOnlyWhatIsNear) {
  const std::vector<std::string_view> known = {"format", "paths", "server"};
  EXPECT_EQ(NearestWord("fromat", known), "format");
  EXPECT_EQ(NearestWord("path", known), "paths");
  EXPECT_FALSE(NearestWord("zzzzzz", known));
  EXPECT_FALSE(NearestWord("fmt", {"fat_"}));   // half of a short word
  EXPECT_FALSE(NearestWord("x", {"y", "xy"}));  // all of it
  EXPECT_FALSE(NearestWord("no_such_thing_at_all", {"no_other_kind_at_all"}));
}

TEST(Text, NearestWordTakesLettersThatChangedPlacesForOneMistake) {
  EXPECT_EQ(NearestWord("cuont", {"cot", "count"}), "count");
  EXPECT_EQ(NearestWord("cont", {"count", "cot"}), "count");  // as near: the first
  EXPECT_EQ(NearestWord("cont", {"cot", "count"}), "cot");
}

TEST(Text, AWordThatIsNotKnownIsFollowedByTheNearest) {
  const std::vector<std::string_view> known = {"format", "paths"};
  EXPECT_EQ(DidYouMean("fromat", known, "see --help"), "; did you mean 'format'?");
  EXPECT_EQ(DidYouMean("zzzzzz", known, "see --help"), "; see --help");
  EXPECT_EQ(DidYouMean("zzzzzz", known), "");
  EXPECT_EQ(DidYouMean("%f"), "; did you mean '%f'?");
}

TEST(Text, CountsLinesOfAnySize) {
  std::string text;
  uint64_t lines = 0;
  for (size_t i = 0; i < 20'000; ++i) {
    EXPECT_TRUE(i % 997 != 0 || CountLines(text) == lines);
    const bool newline = i % 3 == 0 || i > 12'000;
    text.push_back(newline ? '\n' : 'x');
    lines += newline ? 1 : 0;
  }
  EXPECT_EQ(CountLines(text), lines);
}

TEST(Text, SizesAndDurations) {
  EXPECT_EQ(FormatBytes(999), "999 B");
  EXPECT_EQ(FormatBytes(1'500'000), "1.5 MB");
  EXPECT_EQ(ParseBytes("64MB"), 64'000'000U);
  EXPECT_EQ(ParseBytes("1 GiB"), 1'073'741'824U);
  EXPECT_FALSE(ParseBytes("5 parsecs"));
  EXPECT_EQ(ParseDuration("1.5s"), 1'500'000);
  EXPECT_EQ(ParseDuration("7d"), 604'800'000'000);
  EXPECT_FALSE(ParseDuration("7"));
}

}  // namespace
}  // namespace tarn
