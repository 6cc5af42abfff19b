#include "http/server.h"

#include <gtest/gtest.h>

#include "http/client.h"
#include "http/test_server.h"

namespace tarn::http {
namespace {

using testing::Test;

constexpr std::string_view kGetHello = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";

std::string Post(std::string_view path, std::string_view body, std::string_view fields = "") {
  return "POST " + std::string(path) + " HTTP/1.1\r\nHost: x\r\n" + std::string(fields) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

int StatusOf(std::string_view answer) {
  return answer.starts_with("HTTP/1.1 ") ? std::stoi(std::string(answer.substr(9, 3))) : 0;
}

bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

TEST(Server, AnswersWithLengthTypeAndDate) {
  TestServer server;
  RawClient client(server.port());
  client.Send(kGetHello);
  const std::string answer = client.ReadAnswer();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
  EXPECT_TRUE(Contains(answer, "Content-Length: 6\r\n")) << answer;
  EXPECT_TRUE(Contains(answer, "Content-Type: text/plain\r\n")) << answer;
  EXPECT_TRUE(Contains(answer, "Date: Tue, 24 Nov 2026 14:20:00 GMT\r\n")) << answer;
  EXPECT_TRUE(answer.ends_with("\r\n\r\nhello\n")) << answer;
}

TEST(Server, KeepsTheConnectionForTheNextRequest) {
  TestServer server;
  RawClient client(server.port());
  for (int i = 0; i < 3; ++i) {
    client.Send(Post("/echo", "body " + std::to_string(i)));
    EXPECT_TRUE(client.ReadAnswer().ends_with("body " + std::to_string(i)));
  }
}

TEST(Server, ClosesWhenAsked) {
  TestServer server;
  RawClient client(server.port());
  const std::string answer =
      client.Exchange("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(Contains(answer, "Connection: close\r\n")) << answer;
  EXPECT_TRUE(answer.ends_with("hello\n"));
  EXPECT_FALSE(client.was_reset());
}

TEST(Server, SpeaksHttp10) {
  TestServer server;
  RawClient closing(server.port());
  EXPECT_TRUE(closing.Exchange("GET /hello HTTP/1.0\r\n\r\n").ends_with("hello\n"));
  RawClient keeping(server.port());
  keeping.Send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_TRUE(Contains(keeping.ReadAnswer(), "Connection: keep-alive\r\n"));
  keeping.Send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(StatusOf(keeping.ReadAnswer()), 200);
}

TEST(Server, AnswersARequestThatComesByteByByte) {
  TestServer server;
  RawClient client(server.port());
  for (const char c : Post("/echo", "slow")) client.Send({&c, 1});
  EXPECT_TRUE(client.ReadAnswer().ends_with("slow"));
}

TEST(Server, AnswersPipelinedRequestsInTheirOrder) {
  TestServer server;
  RawClient client(server.port());
  client.Send(Post("/hold", "first") + Post("/echo", "second") + Post("/hold", "third"));
  auto first = server.NextHeld();
  auto third = server.NextHeld();
  std::move(third.responder).Send(TestServer::Text("3"));
  std::move(first.responder).Send(TestServer::Text("1"));
  EXPECT_TRUE(client.ReadAnswer().ends_with("\r\n\r\n1"));
  EXPECT_TRUE(client.ReadAnswer().ends_with("\r\n\r\nsecond"));
  EXPECT_TRUE(client.ReadAnswer().ends_with("\r\n\r\n3"));
}

TEST(Server, TakesNoMoreThanTheLimitOfPipelinedRequests) {
  TestServer server({.limits = {.max_pipelined = 2}});
  RawClient client(server.port());
  client.Send(Post("/hold", "1") + Post("/hold", "2") + Post("/hold", "3"));
  auto first = server.NextHeld();
  auto second = server.NextHeld();
  // Another connection is served meanwhile: the third has been left lying, not just not come yet.
  RawClient other(server.port());
  other.Send(kGetHello);
  EXPECT_EQ(StatusOf(other.ReadAnswer()), 200);
  EXPECT_EQ(server.held.size(), 0U);
  std::move(first.responder).Send(TestServer::Text("1"));
  auto third = server.NextHeld();
  EXPECT_EQ(third.request.body, "3");
}

TEST(Server, AnswersWhatAHalfClosedClientAskedFor) {
  TestServer server;
  RawClient client(server.port());
  client.Send(Post("/hold", "x"));
  client.HalfClose();
  std::move(server.NextHeld().responder).Send(TestServer::Text("late"));
  EXPECT_TRUE(client.ReadToEnd().ends_with("late"));
}

TEST(Server, SendsNoBodyForHead) {
  TestServer server;
  RawClient client(server.port());
  client.Send("HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n" + std::string(kGetHello));
  const std::string both = [&] {
    client.HalfClose();
    return client.ReadToEnd();
  }();
  EXPECT_TRUE(Contains(both, "Content-Length: 6\r\n\r\nHTTP/1.1 200 OK")) << both;
}

TEST(Server, Answers404And405WithAllowedMethods) {
  TestServer server;
  RawClient client(server.port());
  client.Send("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string missing = client.ReadAnswer();
  EXPECT_EQ(StatusOf(missing), 404);
  EXPECT_TRUE(Contains(missing, R"({"error":{"code":"NotFound","message":")")) << missing;
  client.Send("DELETE /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string wrong = client.ReadAnswer();
  EXPECT_EQ(StatusOf(wrong), 405);
  EXPECT_TRUE(Contains(wrong, "Allow: GET, HEAD\r\n")) << wrong;
}

TEST(Server, RoutesByPrefixAndAbsoluteTarget) {
  TestServer server;
  RawClient client(server.port());
  client.Send("GET http://x:1/under/a%2Fb?q=1 HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(client.ReadAnswer().ends_with("\r\n\r\n/under/a%2Fb"));
}

TEST(Server, ReadsChunkedBodies) {
  TestServer server;
  const std::string request =
      "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5;name=value\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\nTrailer: dropped\r\n\r\n";
  RawClient whole(server.port());
  whole.Send(request);
  EXPECT_TRUE(whole.ReadAnswer().ends_with("\r\n\r\nhello world"));
  RawClient pieces(server.port());
  for (const char c : request) pieces.Send({&c, 1});
  EXPECT_TRUE(pieces.ReadAnswer().ends_with("\r\n\r\nhello world"));
}

TEST(Server, AnswersExpectContinueOnlyIfItWantsTheBody) {
  TestServer server;
  RawClient client(server.port());
  client.Send(
      "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.ReadAnswer(), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send("ok");
  EXPECT_TRUE(client.ReadAnswer().ends_with("\r\n\r\nok"));
  RawClient large(server.port());
  const std::string refused = large.Exchange(
      "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2000\r\n\r\n");
  EXPECT_EQ(StatusOf(refused), 413) << refused;
}

TEST(Server, RefusesBodiesOverTheRoutesLimit) {
  TestServer server;
  RawClient declared(server.port());
  EXPECT_EQ(StatusOf(declared.Exchange(Post("/echo", std::string(1001, 'x')))), 413);
  RawClient fits(server.port());
  fits.Send(Post("/echo", std::string(1000, 'x')));
  EXPECT_EQ(StatusOf(fits.ReadAnswer()), 200);
  RawClient chunked(server.port());
  EXPECT_EQ(StatusOf(chunked.Exchange(
                "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                "3E7\r\n" +
                std::string(999, 'x') + "\r\n2\r\nxx\r\n0\r\n\r\n")),
            413);
}

TEST(Server, GetsTheRefusalThroughToAClientThatIsStillSending) {
  TestServer server;
  RawClient client(server.port());
  const std::string answer = client.Exchange(Post("/echo", std::string(3'000'000, 'x')));
  EXPECT_EQ(StatusOf(answer), 413);
  EXPECT_FALSE(client.was_reset());
}

TEST(Server, BoundsTheBodiesOfAllConnectionsTogether) {
  TestServer server({.limits = {.max_buffered_body_bytes = 100}});
  RawClient first(server.port());
  const std::string request = Post("/echo", std::string(90, 'x'));
  first.Send(std::string_view(request).substr(0, request.size() - 1));
  first.Send("");
  RawClient second(server.port());
  // The first's 89 bytes may not have been read yet; its own answer shows that they were released.
  second.Send(Post("/echo", std::string(101, 'y')));
  const std::string refused = second.ReadToEnd();
  EXPECT_EQ(StatusOf(refused), 503) << refused;
  EXPECT_TRUE(Contains(refused, "Retry-After: 1\r\n")) << refused;
  first.Send("x");
  EXPECT_EQ(StatusOf(first.ReadAnswer()), 200);
  first.Send(request);
  EXPECT_EQ(StatusOf(first.ReadAnswer()), 200);
}

TEST(Server, RefusesWhoIsNotAdmittedBeforeTheBody) {
  TestServer server({.limits = {.max_buffered_body_bytes = 1000}});
  std::vector<std::unique_ptr<RawClient>> strangers;
  for (int i = 0; i < 5; ++i) {
    strangers.push_back(std::make_unique<RawClient>(server.port()));
    RawClient& stranger = *strangers.back();
    stranger.Send("POST /guarded HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n" +
                  std::string(800, 'x'));
    const std::string answer = stranger.ReadAnswer();
    EXPECT_EQ(StatusOf(answer), 401);
    EXPECT_TRUE(Contains(answer, "Connection: close\r\n"));
    EXPECT_TRUE(Contains(answer, "say yes"));
  }
  // None of that counts against those who may send.
  RawClient known(server.port());
  known.Send(
      "POST /guarded HTTP/1.1\r\nHost: x\r\nAuthorization: yes\r\nContent-Length: 900\r\n\r\n" +
      std::string(900, 'x'));
  auto held = server.NextHeld();
  EXPECT_EQ(held.request.body.size(), 900U);
  std::move(held.responder).Send(TestServer::Text("x"));
  EXPECT_EQ(StatusOf(known.ReadAnswer()), 200);
}

TEST(Server, AsksNobodyForABodyItWillNotTake) {
  TestServer server;
  RawClient client(server.port());
  client.Send(
      "POST /guarded HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n");
  EXPECT_EQ(StatusOf(client.ReadAnswer()), 401);
  EXPECT_EQ(client.ReadToEnd(), "");
}

TEST(Server, KeepsTheConnectionOfWhoIsNotAdmittedWithoutABody) {
  TestServer server;
  RawClient client(server.port());
  client.Send("GET /guarded HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(StatusOf(client.ReadAnswer()), 401);
  client.Send(kGetHello);
  const std::string answer = client.ReadAnswer();
  EXPECT_EQ(StatusOf(answer), 200);
}

TEST(Server, RefusesLongHeaders) {
  TestServer server({.limits = {.max_header_bytes = 1024, .max_header_fields = 10}});
  const auto status = [&](const std::string& fields) {
    RawClient client(server.port());
    return StatusOf(client.Exchange("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" +
                                    fields + "\r\n"));
  };
  EXPECT_EQ(status("A: " + std::string(800, 'a') + "\r\n"), 200);
  EXPECT_EQ(status("A: " + std::string(1100, 'a') + "\r\n"), 431);
  // Each field is short, the sum is not.
  EXPECT_EQ(status("A: " + std::string(500, 'a') + "\r\nB: " + std::string(500, 'a') + "\r\n"),
            431);
  std::string many;
  for (int i = 0; i < 10; ++i) many += "A: 1\r\n";
  EXPECT_EQ(status(many), 431);
  RawClient endless(server.port());
  EXPECT_EQ(StatusOf(endless.Exchange("GET /" + std::string(200'000, 'a'))), 431);
}

TEST(Server, RefusesWhatAProxyCouldReadOtherwise) {
  TestServer server;
  const std::pair<std::string, int> cases[] = {
      {"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", 400},
      {"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde", 400},
      {"Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd", 400},
      {"Content-Length: 4, 4\r\n\r\nabcd", 400},
      {"Content-Length: +4\r\n\r\nabcd", 400},
      {"Content-Length: 0x4\r\n\r\nabcd", 400},
      {"Content-Length: -1\r\n\r\n", 400},
      {"Content-Length: 99999999999999999999\r\n\r\n", 400},
      {"Content-Length:\r\n\r\n", 400},
      {"Content-Length : 4\r\n\r\nabcd", 400},
      {"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
      {"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 501},
      {"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501},
      {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n", 400},
      {"Transfer-Encoding: chunked\r\n\r\n2\r\nabX\r\n0\r\n\r\n", 400},
      {"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n", 400},
      {"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n", 413},
      {"Host: y\r\n\r\n", 400},
      {"A: 1\r\n folded\r\n\r\n", 400},
      {"A\r\n\r\n", 400},
      {": 1\r\n\r\n", 400},
      {std::string("A: x\0y\r\n\r\n", 10), 400},
      {"A: x\ny\r\n\r\n", 400},
      {"Expect: 200-ok\r\n\r\n", 417},
  };
  for (const auto& [rest, status] : cases) {
    RawClient client(server.port());
    const std::string answer =
        client.Exchange("POST /echo HTTP/1.1\r\nHost: x\r\n" + rest + std::string(kGetHello));
    EXPECT_EQ(StatusOf(answer), status) << rest << answer;
    EXPECT_FALSE(Contains(answer, "hello")) << "what followed was answered: " << rest;
    EXPECT_TRUE(Contains(answer, "Connection: close\r\n")) << rest << answer;
  }
}

TEST(Server, RefusesWhatIsNoHttp) {
  TestServer server;
  const std::pair<std::string, int> cases[] = {
      {"GET /hello HTTP/2.0\r\nHost: x\r\n\r\n", 505},
      {"GET /hello HTTP/1.2\r\nHost: x\r\n\r\n", 505},
      {"GET /hello\r\n\r\n", 400},
      {"GET /hello HTTP/1.1\r\n\r\n", 400},  // no Host
      {"GET hello HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"BREW /hello HTTP/1.1\r\nHost: x\r\n\r\n", 501},
      {"get /hello HTTP/1.1\r\nHost: x\r\n\r\n", 501},
      {"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", 501},
      {"\x16\x03\x01\x02\x01\x01\r\n\r\n", 400},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
  };
  for (const auto& [request, status] : cases) {
    RawClient client(server.port());
    EXPECT_EQ(StatusOf(client.Exchange(request)), status) << request;
  }
}

TEST(Server, TellsASlowHeader408) {
  TestServer server;
  RawClient client(server.port());
  client.Send("GET /hello HTTP/1.1\r\nHos");
  RawClient other(server.port());
  other.Send(kGetHello);
  EXPECT_EQ(StatusOf(other.ReadAnswer()), 200);
  // Every byte is progress of a kind, and does not help.
  client.Send("t");
  server.clock.Advance(10'100'000);
  EXPECT_EQ(StatusOf(client.ReadToEnd()), 408);
}

TEST(Server, TellsASlowBody408) {
  TestServer server;
  RawClient client(server.port());
  client.Send(
      "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n");
  EXPECT_EQ(StatusOf(client.ReadAnswer()), 100);
  server.clock.Advance(21'000'000);
  EXPECT_EQ(StatusOf(client.ReadToEnd()), 408);
}

std::string ReceivedBytes(const TestServer& server) {
  const std::string text = server.metrics.Print();
  const size_t begin = text.find("\ntarn_http_received_bytes_total ");
  return text.substr(begin, text.find('\n', begin + 1) - begin);
}

// Sends a piece of a body, `pieces` times, each `apart` after the other, and tells when the server
// has read it.
void Trickle(TestServer& server, RawClient& client, int pieces, int64_t apart_micros,
             size_t piece_bytes) {
  for (int i = 0; i < pieces && !client.Answered(); ++i) {
    const std::string before = ReceivedBytes(server);
    client.Send(std::string(piece_bytes, 'x'));
    while (ReceivedBytes(server) == before && !client.Answered()) std::this_thread::yield();
    server.clock.Advance(apart_micros);
  }
}

TEST(Server, ABodyThatBeganFastMayNotTrickle) {
  TestServer server;
  RawClient client(server.port());
  client.Send("POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" +
              std::string(900'000, 'x'));
  Trickle(server, client, 8, 9'000'000, 100);
  ASSERT_TRUE(client.Answered());
  EXPECT_EQ(StatusOf(client.ReadToEnd()), 408);
}

// A burst at the beginning of one stretch and at the end of the next one.
TEST(Server, ABodyMayNotRestOverTheEndOfAStretch) {
  TestServer server({.limits = {.min_body_rate = 100}});
  RawClient client(server.port());
  RawClient other(server.port());
  const std::string before = ReceivedBytes(server);
  client.Send("POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" +
              std::string(10'000, 'x'));
  while (ReceivedBytes(server) == before) std::this_thread::yield();
  for (int second = 0; second < 38 && !client.Answered(); ++second) {
    server.clock.Advance(1'000'000);
    other.Send(kGetHello);
    EXPECT_EQ(StatusOf(other.ReadAnswer()), 200);  // so the server has looked at its clock
  }
  ASSERT_TRUE(client.Answered());
  EXPECT_EQ(StatusOf(client.ReadToEnd()), 408);
}

TEST(Server, ABodyIsOnTimeAtTheLeastRate) {
  TestServer server({.limits = {.min_body_rate = 5}});
  RawClient client(server.port());
  client.Send("POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n");
  Trickle(server, client, 20, 9'000'000, 100);
  EXPECT_FALSE(client.Answered());
  EXPECT_EQ(server.NextHeld().request.body.size(), 2000U);
}

TEST(Server, ABodyMustBeCompleteInTime) {
  TestServer server({.limits = {.min_body_rate = 10}});
  RawClient client(server.port());
  client.Send("POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
  Trickle(server, client, 100, 9'000'000, 1000);
  ASSERT_TRUE(client.Answered());
  EXPECT_EQ(StatusOf(client.ReadToEnd()), 408);
}

TEST(Server, ABodyMayNotHideBehindARequestInWork) {
  TestServer server;
  RawClient client(server.port());
  client.Send(Post("/hold", "x"));
  auto held = server.NextHeld();
  client.Send("POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx");
  while (!Contains(server.metrics.Print(), "tarn_http_timeouts_total 1")) {
    server.clock.Advance(1'000'000);
    std::this_thread::yield();
  }
  std::move(held.responder).Send(TestServer::Text("x"));
  EXPECT_EQ(StatusOf(client.ReadAnswer()), 200);
  EXPECT_EQ(StatusOf(client.ReadToEnd()), 408);
}

TEST(Server, ClosesIdleConnectionsSilently) {
  TestServer server;
  RawClient client(server.port());
  client.Send(kGetHello);
  EXPECT_EQ(StatusOf(client.ReadAnswer()), 200);
  server.clock.Advance(61'000'000);
  EXPECT_EQ(client.ReadToEnd(), "");
  EXPECT_FALSE(client.was_reset());
}

TEST(Server, DoesNotTimeOutWhileTheReceiverWorks) {
  TestServer server;
  RawClient client(server.port());
  client.Send(Post("/hold", "x"));
  auto held = server.NextHeld();
  server.clock.Advance(3'600'000'000);
  std::move(held.responder).Send(TestServer::Text("at last"));
  EXPECT_TRUE(client.ReadAnswer().ends_with("at last"));
}

TEST(Server, Answers503OverTheLimitOfConnections) {
  TestServer server({.limits = {.max_connections = 2}});
  RawClient first(server.port());
  RawClient second(server.port());
  for (RawClient* client : {&first, &second}) {
    client->Send(kGetHello);
    EXPECT_EQ(StatusOf(client->ReadAnswer()), 200);
  }
  RawClient third(server.port());
  const std::string refused = third.Exchange(kGetHello);
  EXPECT_EQ(StatusOf(refused), 503);
  EXPECT_TRUE(Contains(refused, "Retry-After: 1\r\n"));
  third.Close();
  first.Send(kGetHello);
  EXPECT_EQ(StatusOf(first.ReadAnswer()), 200);
  EXPECT_TRUE(Contains(server.metrics.Print(), "tarn_http_connections_refused_total 1"));
}

TEST(Server, OneAddressCannotTakeAllConnections) {
  TestServer server({.listen = {{"127.0.0.1", 0}, {"::1", 0}},
                     .limits = {.max_connections = 10, .max_connections_per_address = 2}});
  std::optional<RawClient> first(server.port());
  RawClient second(server.port());
  for (RawClient* client : {&*first, &second}) {
    client->Send(kGetHello);
    EXPECT_EQ(StatusOf(client->ReadAnswer()), 200);
  }
  RawClient third(server.port());
  EXPECT_EQ(StatusOf(third.Exchange(kGetHello)), 503);
  third.Close();
  Client elsewhere({.host = "::1", .port = server.server->port(1)});
  const auto answer = elsewhere.Send({.target = "/hello"});
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->status, 200);
  // A place that was left can be taken again.
  first.reset();
  for (int status = 0; status != 200;) {
    RawClient again(server.port());
    again.Send(kGetHello);
    status = StatusOf(again.ReadAnswer());
  }
}

TEST(Server, StopLetsRequestsInWorkFinish) {
  TestServer server;
  RawClient client(server.port());
  client.Send(Post("/hold", "x"));
  auto held = server.NextHeld();
  RawClient idle(server.port());
  idle.Send(kGetHello);
  EXPECT_EQ(StatusOf(idle.ReadAnswer()), 200);
  os::Thread stopping("stop", [&] { server.server->Stop(60'000'000); });
  EXPECT_EQ(idle.ReadToEnd(), "");
  std::move(held.responder).Send(TestServer::Text("done"));
  const std::string answer = client.ReadToEnd();
  EXPECT_TRUE(answer.ends_with("done"));
  EXPECT_TRUE(Contains(answer, "Connection: close\r\n"));
  client.Close();
  stopping.Join();
  EXPECT_FALSE(Connect("127.0.0.1", server.port(), kPatienceMicros).ok());
}

TEST(Server, StopCutsWhatDoesNotFinishInTime) {
  TestServer server;
  RawClient client(server.port());
  client.Send(Post("/hold", "x"));
  auto held = server.NextHeld();
  server.server->Stop(0);
  EXPECT_EQ(client.ReadToEnd(), "");
  std::move(held.responder).Send(TestServer::Text("too late"));  // harmless
}

TEST(Server, RefusesBadOptions) {
  const os::SystemClock clock;
  obs::Registry metrics;
  const auto code = [&](ServerOptions options) {
    return Server::Create(std::move(options), {}, clock, metrics).error().code();
  };
  EXPECT_EQ(code({.listen = {}}), Code::kInvalidArgument);
  EXPECT_EQ(code({.listen = {{"localhost", 0}}}), Code::kInvalidArgument);
  EXPECT_EQ(code({.io_threads = 0}), Code::kInvalidArgument);
  TestServer server;
  EXPECT_EQ(code({.listen = {{"127.0.0.1", server.port()}}}), Code::kConflict);
}

TEST(Server, ListensOnIpv6AndTellsThePeer) {
  TestServer server({.listen = {{"127.0.0.1", 0}, {"::1", 0}}, .io_threads = 2});
  auto socket = Connect("::1", server.server->port(1), kPatienceMicros);
  ASSERT_TRUE(socket.ok());
  SendSome(socket->get(), Post("/hold", "x"));
  auto held = server.NextHeld();
  EXPECT_TRUE(held.request.peer.starts_with("[::1]:")) << held.request.peer;
  EXPECT_FALSE(held.request.tls);
}

TEST(Responder, DroppedAnswers500) {
  TestServer server;
  RawClient client(server.port());
  client.Send(Post("/hold", "x"));
  {
    const auto dropped = server.NextHeld();
  }
  EXPECT_EQ(StatusOf(client.ReadAnswer()), 500);
}

TEST(Responder, MayAnswerAfterTheClientHasGone) {
  TestServer server;
  RawClient client(server.port());
  client.Send(Post("/hold", "x"));
  auto held = server.NextHeld();
  client.Close();
  RawClient other(server.port());
  other.Send(kGetHello);
  EXPECT_EQ(StatusOf(other.ReadAnswer()), 200);
  std::move(held.responder).Send(TestServer::Text("x"));
  other.Send(kGetHello);
  EXPECT_EQ(StatusOf(other.ReadAnswer()), 200);
}

TEST(Responder, ErrorsAreJsonWithTheirStatus) {
  TestServer server;
  RawClient client(server.port());
  client.Send(Post("/hold", "x"));
  std::move(server.NextHeld().responder).SendError(Unauthenticated("who \"are\" you"));
  const std::string answer = client.ReadAnswer();
  EXPECT_EQ(StatusOf(answer), 401);
  EXPECT_TRUE(Contains(answer, "WWW-Authenticate: Bearer realm=\"tarn\"\r\n"));
  EXPECT_TRUE(answer.ends_with(
      "{\"error\":{\"code\":\"Unauthenticated\",\"message\":\"who \\\"are\\\" you\"}}\n"))
      << answer;
}

TEST(Responder, HeaderValuesCannotSplitTheAnswer) {
  TestServer server;
  RawClient client(server.port());
  client.Send(Post("/hold", "x"));
  Response response = TestServer::Text("x");
  response.headers.Add("Location", "/a\r\nSet-Cookie: evil=1");
  std::move(server.NextHeld().responder).Send(std::move(response));
  EXPECT_TRUE(Contains(client.ReadAnswer(), "Location: /a  Set-Cookie: evil=1\r\n"));
}

TEST(ResponseStream, SendsChunks) {
  TestServer server;
  RawClient client(server.port());
  client.Send("GET /hold HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  auto stream = std::move(server.NextHeld().responder).Stream(TestServer::Text("begin,"));
  ASSERT_TRUE(stream.Write("0123456789").ok());
  ASSERT_TRUE(stream.Finish().ok());
  const std::string answer = client.ReadToEnd();
  EXPECT_TRUE(Contains(answer, "Transfer-Encoding: chunked\r\n"));
  EXPECT_TRUE(answer.ends_with("\r\n\r\n6\r\nbegin,\r\na\r\n0123456789\r\n0\r\n\r\n")) << answer;
}

TEST(ResponseStream, HoldsBackWhenTheClientDoesNotRead) {
  TestServer server;
  RawClient client(server.port());
  client.Send("GET /hold HTTP/1.0\r\n\r\n");
  auto stream = std::move(server.NextHeld().responder).Stream(TestServer::Text(""));
  constexpr size_t kTotal = 64 << 20;
  std::atomic<size_t> written = 0;
  os::Thread producer("producer", [&] {
    const std::string block(1 << 20, 'x');
    while (written < kTotal && stream.Write(block).ok()) written += block.size();
    EXPECT_TRUE(stream.Finish().ok());
  });
  // The producer is far ahead of a client that has not read a byte only if nothing holds it.
  ASSERT_TRUE(client.ReadMore());
  EXPECT_LT(written, kTotal / 2);
  const std::string body = client.ReadToEnd();
  producer.Join();
  EXPECT_EQ(written, kTotal);
  EXPECT_GT(body.size(), kTotal);
  EXPECT_EQ(std::count(body.begin() + 500, body.end(), 'x'),
            static_cast<ptrdiff_t>(body.size() - 500));
}

TEST(ResponseStream, IsCancelledWhenTheClientGoesAway) {
  TestServer server;
  RawClient client(server.port());
  client.Send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
  auto stream = std::move(server.NextHeld().responder).Stream(TestServer::Text(""));
  client.ReadAnswer();
  EXPECT_FALSE(stream.cancelled());
  client.Close();
  const std::string block(1 << 16, 'x');
  Status status;
  while (status.ok()) status = stream.Write(block);
  EXPECT_EQ(status.error().code(), Code::kCancelled);
  EXPECT_TRUE(stream.cancelled());
}

TEST(ResponseStream, IsCancelledWhenTheClientStopsReading) {
  TestServer server;
  RawClient client(server.port());
  client.Send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
  auto stream = std::move(server.NextHeld().responder).Stream(TestServer::Text(""));
  std::atomic<bool> ended = false;
  os::Thread producer("producer", [&] {
    const std::string block(1 << 20, 'x');
    while (stream.Write(block).ok()) {
    }
    ended = true;
  });
  while (!ended) {
    server.clock.Advance(1'000'000);
    std::this_thread::yield();
  }
}

TEST(ResponseStream, IsCancelledByStop) {
  TestServer server;
  RawClient client(server.port());
  client.Send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
  auto stream = std::move(server.NextHeld().responder).Stream(TestServer::Text(""));
  server.server->Stop(0);
  EXPECT_EQ(stream.Write("x").error().code(), Code::kCancelled);
  EXPECT_EQ(stream.Finish().error().code(), Code::kCancelled);
}

TEST(ResponseStream, DroppedHalfwayCutsTheConnection) {
  TestServer server;
  RawClient client(server.port());
  client.Send("GET /hold HTTP/1.0\r\n\r\n");
  {
    auto stream = std::move(server.NextHeld().responder).Stream(TestServer::Text("part"));
    client.ReadMore();
  }
  client.ReadToEnd();
  EXPECT_TRUE(client.was_reset());
}

}  // namespace
}  // namespace tarn::http
