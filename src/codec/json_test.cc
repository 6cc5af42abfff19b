#include "codec/json.h"

namespace tarn::codec {
namespace {

TEST(Json, KeepsAll63BitsOfAnInteger) {
  const auto json =
      ParseJson(R"({"id": 3815101088947099032, "big": 18446744073709551615})").value();
  EXPECT_EQ(json.GetInt("id").value(), 3815101088947099032);
  EXPECT_EQ(DumpJson(*json.Find("id")), "3815101088947099032");
  EXPECT_NE(json.Find("big")->AsDouble(), nullptr);
}

TEST(Json, DumpReadsBackEqual) {
  const std::string text = R"({"a":[1,-2.5,true,null,"x\n\"\\\u0001"],"b":{},"c":1.0})";
  const auto json = ParseJson(text).value();
  EXPECT_EQ(DumpJson(json), text);
  EXPECT_EQ(ParseJson(DumpJson(json, true)).value(), json);
}

TEST(Json, ErrorsNameLineAndColumn) {
  EXPECT_EQ(ParseJson("{\n  \"a\": tru }").error().message(), "line 2, column 11: not JSON");
  EXPECT_NE(ParseJson(R"({"a":1,"a":2})").error().message().find("'a' stands twice"),
            std::string::npos);
  EXPECT_FALSE(ParseJson("").ok());
  EXPECT_FALSE(ParseJson("1 2").ok());
  EXPECT_FALSE(ParseJson("\"\xff\"").ok());
}

TEST(Json, DeepNestingIsRefused) {
  EXPECT_TRUE(ParseJson(std::string(128, '[') + std::string(128, ']')).ok());
  EXPECT_FALSE(ParseJson(std::string(129, '[') + std::string(129, ']')).ok());
  EXPECT_FALSE(ParseJson(std::string(1'000'000, '[')).ok());
}

TEST(Json, MissingAndMistypedMembersSaySo) {
  const auto json = ParseJson(R"({"n": 1})").value();
  EXPECT_EQ(json.GetString("n").error().message(), "'n' is not a string");
  EXPECT_EQ(json.GetInt("m").error().message(), "'m' is missing");
}

TEST(Json, InvalidUtf8IsWrittenAsReplacementCharacter) {
  std::string out;
  AppendJsonString(out, "a\xff");
  EXPECT_EQ(out, "\"a\xef\xbf\xbd\"");
}

TEST(Json, EscapesEveryByteThatNeedsItWhereverItStands) {
  for (const std::string_view plain : {"", "a", "abcdefg", "abcdefgh", "abcdefghijklmno"}) {
    for (int byte = 0; byte < 0x80; ++byte) {
      const std::string text = std::string(plain) + static_cast<char>(byte) + "\xc3\xa9 tail of it";
      std::string out;
      AppendJsonString(out, text);
      const auto back = ParseJson(out);
      ASSERT_TRUE(back.ok()) << out;
      EXPECT_EQ(*back->AsString(), text);
      const bool escaped = byte < 0x20 || byte == '"' || byte == '\\';
      EXPECT_EQ(out.size() > text.size() + 2, escaped) << out;
    }
  }
}

}  // namespace
}  // namespace tarn::codec
