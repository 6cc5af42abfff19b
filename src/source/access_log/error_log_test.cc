#include <gtest/gtest.h>

#include "source/access_log/parser.h"

namespace tarn::access_log {
namespace {

std::string Read(std::string_view line) {
  Parser parser(*Format::Compile("error"));
  std::string json;
  std::string_view reason;
  return parser.AppendJson(line, json, reason) ? json : std::string(reason);
}

TEST(ErrorLog, ReadsApache24) {
  EXPECT_EQ(
      Read("[Thu Oct 13 12:24:49.880562 2022] [auth_basic:error] [pid 10:tid 140120579262208] "
           "[client 31.33.58.75:50229] AH01618: user sss not found: /"),
      R"({"time":"2022-10-13T12:24:49.880562Z","module":"auth_basic","level":"error","pid":10,)"
      R"("tid":140120579262208,"client":"31.33.58.75","client_port":50229,"code":"AH01618",)"
      R"("message":"user sss not found: /"})"
      "\n");
  EXPECT_EQ(
      Read(
          "[Wed Apr 16 16:09:40.056610 2025] [ssl:info] [pid 120974:tid 120974] (70014)End of file "
          "found: [client 2001:db8::1:17036] AH02006: SSL handshake stopped"),
      R"({"time":"2025-04-16T16:09:40.056610Z","module":"ssl","level":"info","pid":120974,)"
      R"("tid":120974,"client":"2001:db8::1","client_port":17036,"code":"AH02006",)"
      R"("os_error":"(70014)End of file found","message":"SSL handshake stopped"})"
      "\n");
}

TEST(ErrorLog, ReadsApache22) {
  EXPECT_EQ(Read("[Wed Oct 11 14:32:52 2000] [error] [client ::1] client denied [by] server"),
            R"({"time":"2000-10-11T14:32:52Z","level":"error","client":"::1",)"
            R"("message":"client denied [by] server"})"
            "\n");
  EXPECT_EQ(Read("[Wed Oct 11 14:32:52 2000] [notice] resuming"),
            R"({"time":"2000-10-11T14:32:52Z","level":"notice","message":"resuming"})"
            "\n");
}

TEST(ErrorLog, RefusesWhatHasNoTime) {
  EXPECT_EQ(Read("PHP Notice: x"), "the line does not begin with [time]");
  EXPECT_EQ(Read("[client ::1] x"), "time is not a timestamp");
}

}  // namespace
}  // namespace tarn::access_log
