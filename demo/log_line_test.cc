#include "demo/log_line.h"

namespace tarn::demo {
namespace {

TEST(LogLine, IsCombinedWithCookieAndDuration) {
  Hit hit;
  hit.time = {1'795'530'057'946'802};
  hit.address = "2001:db8::7";
  hit.user = "anna@example.org";
  hit.target = "/account?x=\"1\"";
  hit.status = 200;
  hit.body_bytes = 6;
  hit.micros = 551;
  hit.agent = "A \"B\" \\C\\ tab\there \xc3\xa9";
  hit.cookie = "v0001.2.3";
  std::string line;
  AppendLogLine(line, hit);
  EXPECT_EQ(line,
            "2001:db8::7 - anna@example.org [24/Nov/2026:14:20:57 +0000] "
            "\"GET /account?x=\\\"1\\\" HTTP/1.1\" 200 6 \"-\" "
            "\"A \\\"B\\\" \\\\C\\\\ tab\\there \\xc3\\xa9\" \"v0001.2.3\" 551\n");
}

TEST(LogLine, WritesADashForNoBytesAndNoUser) {
  Hit hit;
  hit.address = "127.0.0.1";
  hit.target = "/";
  hit.status = 304;
  std::string line;
  AppendLogLine(line, hit);
  EXPECT_EQ(line,
            "127.0.0.1 - - [01/Jan/1970:00:00:00 +0000] \"GET / HTTP/1.1\" 304 - \"-\" \"-\" \"-\" "
            "0\n");
}

TEST(LogLine, StrayTextIsTheLine) {
  Hit hit;
  hit.kind = HitKind::kStrayText;
  hit.text = "Use of uninitialized value";
  std::string line;
  AppendLogLine(line, hit);
  EXPECT_EQ(line, "Use of uninitialized value\n");
}

}  // namespace
}  // namespace tarn::demo
