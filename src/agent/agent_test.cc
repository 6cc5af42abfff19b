// The agent with its threads: how it ends.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "agent/metrics_door.h"
#include "agent/test_agent.h"

namespace tarn::agent {
namespace {

using namespace testing;

TEST(Agent, OnceEndsWhenAllIsAcknowledged) {
  TempFolder logs;
  Append(logs / "a.log", "one\ntwo\nthr");
  Fixture fixture(logs / "a.log");
  fixture.server.script = {{503, 0, "busy"}, {0, -1, ""}};
  EXPECT_TRUE(fixture.Run(true).ok());
  EXPECT_EQ(fixture.server.AllBytes(), "one\ntwo\nthr");
}

TEST(Agent, CheckpointKnowsTheBootOfThisMachine) {
  TempFolder logs;
  Append(logs / "a.log", "one\n");
  Fixture fixture(logs / "a.log");
  std::optional<Checkpoint> checkpoint;
  fixture.end = [&] {
    checkpoint =
        DecodeCheckpoint(fixture.files.ReadFile(fixture.folder / "state/checkpoint").value())
            .value();
    return true;
  };
  EXPECT_TRUE(fixture.Run(false).ok());
  ASSERT_EQ(checkpoint->files.size(), 1U);
  EXPECT_NE(checkpoint->files[0].boot, 0U);
}

TEST(Agent, OnceEndsAtOnceWhenTheKeyIsRefused) {
  TempFolder logs;
  Append(logs / "a.log", "one\n");
  Fixture fixture(logs / "a.log");
  for (const auto& [status, code] :
       {std::pair{401, Code::kUnauthenticated}, std::pair{403, Code::kPermissionDenied}}) {
    fixture.server.script.assign(1000, {status, -1, "no such key\n"});
    const Status ended = fixture.Run(true);
    ASSERT_FALSE(ended.ok());
    EXPECT_EQ(ended.error().code(), code);
    EXPECT_TRUE(ended.error().message().ends_with("no such key")) << ended.error().message();
  }
  EXPECT_EQ(fixture.server.requests, 2);
  fixture.server.script.clear();
  EXPECT_TRUE(fixture.Run(true).ok());
  EXPECT_EQ(fixture.server.AllBytes(), "one\n");
}

TEST(Agent, OnceGivesUpAfterAMinuteWithoutAnAcknowledgement) {
  TempFolder logs;
  Append(logs / "a.log", "one\n");
  Fixture fixture(logs / "a.log");
  for (const auto& [status, code] :
       {std::pair{0, Code::kUnavailable}, std::pair{503, Code::kUnavailable},
        std::pair{404, Code::kNotFound}, std::pair{400, Code::kInvalidArgument}}) {
    SCOPED_TRACE(status);
    fixture.server.script.assign(1000, {status, -1, "not here"});
    const int64_t begin = fixture.clock.MonotonicMicros();
    const Status ended = fixture.Run(true);
    ASSERT_FALSE(ended.ok());
    EXPECT_EQ(ended.error().code(), code) << ended.error().message();
    EXPECT_NE(ended.error().message().find("nothing was acknowledged for 60 s"), std::string::npos);
    EXPECT_GE(fixture.clock.MonotonicMicros() - begin, Agent::kPatienceMicros);
  }
}

TEST(Agent, FileThatIsNotBehindHasALagOfZero) {
  TempFolder logs;
  constexpr int kFiles = Agent::kShownFiles + 20;
  for (int i = 0; i < kFiles; ++i) {
    Append(logs / std::to_string(i), "line " + std::to_string(i) + "\n");
  }
  Fixture fixture(logs / "*");
  std::vector<FileLag> lags;
  fixture.look = [&](const Agent& agent) {
    lags = agent.Lags();
    return agent.total_lag_bytes() == 0 && fixture.server.requests >= kFiles;
  };
  EXPECT_TRUE(fixture.Run(false).ok());
  ASSERT_EQ(lags.size(), Agent::kShownFiles);
  EXPECT_EQ(lags[0].lag_bytes, 0U);
  EXPECT_EQ(lags[0].lag_seconds, 0.0);
}

// A log that was truncated before all of it was sent, and the one that began in its place.
TEST(Agent, FilesOfOnePathAreOneSeries) {
  TempFolder logs;
  const std::string path = logs / "a\"b.log";
  Append(path, Lines(0, 10));
  Fixture fixture(path);
  fixture.server.script.assign(100'000, {503, 0, "busy"});
  std::string printed;
  bool truncated = false;
  fixture.look = [&](const Agent& agent) {
    if (!truncated && agent.Lags().size() == 1 && fixture.server.requests > 0) {
      std::filesystem::resize_file(path, 0);
      Append(path, Lines(20, 2));
      truncated = true;
    }
    printed = PrintLags(agent);
    return agent.Lags().size() == 2 && agent.Lags()[1].lag_bytes > 0;
  };
  EXPECT_TRUE(fixture.Run(false).ok());
  const std::string series =
      "tarn_agent_file_lag_bytes{source=\"shop\",path=\"" + logs.path() + "/a\\\"b.log\"} ";
  const size_t found = printed.find(series);
  ASSERT_NE(found, std::string::npos) << printed;
  EXPECT_EQ(printed.find(series, found + 1), std::string::npos) << printed;
  const std::string all = std::to_string((Lines(0, 10) + Lines(20, 2)).size());
  EXPECT_EQ(printed.substr(found + series.size(), all.size() + 1), all + "\n") << printed;
  EXPECT_NE(printed.find("\ntarn_agent_lag_bytes " + all + "\n"), std::string::npos) << printed;
}

// `tarn-agent --status` and the metrics say the same of a log.
TEST(Agent, UnfinishedLastLineIsNotBehind) {
  TempFolder logs;
  const std::string path = logs / "a.log";
  Append(path, "one\ntwo\nthr");
  Fixture fixture(path);
  fixture.look = [&](const Agent& agent) {
    return agent.total_lag_bytes() == 0 && fixture.server.requests > 0;
  };
  EXPECT_TRUE(fixture.Run(false).ok());
  const std::string text = fixture.files.ReadFile(fixture.folder / "state/checkpoint").value();
  const FileState state = DecodeCheckpoint(text).value().files.at(0);
  ASSERT_EQ(state.acked, 8U);
  const auto behind = [&] {
    return BytesBehind(fixture.files, state, std::filesystem::file_size(path));
  };
  EXPECT_EQ(behind(), 0U);
  Append(path, "ee\nfour\nfi");
  EXPECT_EQ(behind(), std::string("three\nfour\n").size());
  std::filesystem::resize_file(path, 8);
  Append(path, std::string(agent_wire::kMaxLineBytes, 'x'));  // goes in pieces
  EXPECT_EQ(behind(), agent_wire::kMaxLineBytes);
  std::filesystem::rename(path, path + ".1");
  Append(path, "one\n");  // another file
  EXPECT_EQ(BytesBehind(fixture.files, state, 11), 3U);
}

TEST(Agent, EndsWhenItIsAsked) {
  TempFolder logs;
  Append(logs / "a.log", "one\n");
  Fixture fixture(logs / "a.log");
  fixture.end = [&] { return fixture.server.requests > 0; };
  EXPECT_TRUE(fixture.Run(false).ok());
}

int ConnectTo(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  TARN_CHECK(fd >= 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  TARN_CHECK(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  return fd;
}

TEST(MetricsDoor, AnswersAndLimitsAWholeRequest) {
  auto door = MetricsDoor::Open(0, [] { return std::string(3'000'000, 'x'); }).value();
  const int fd = ConnectTo(door->port());
  ASSERT_EQ(write(fd, "GET /metrics HTTP/1.1\r\n\r\n", 25), 25);
  std::string answer;
  char buffer[64 << 10];
  for (ssize_t n = 0; (n = read(fd, buffer, sizeof(buffer))) > 0;) {
    answer.append(buffer, static_cast<size_t>(n));
  }
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_GT(answer.size(), 3'000'000U);
  close(fd);
}

TEST(MetricsDoor, PortThatIsTakenIsAConflictAsTheServersIs) {
  const auto door = MetricsDoor::Open(0, [] { return std::string(); }).value();
  const auto other = MetricsDoor::Open(door->port(), [] { return std::string(); });
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().code(), Code::kConflict);
}

// A byte now and then kept each wait below its limit, and the door busy for ever.
TEST(MetricsDoor, ATricklingClientNeitherStaysNorDelaysTheEnd) {
  auto door = MetricsDoor::Open(0, [] { return std::string("x"); }).value();
  const os::SystemClock clock;
  const int fd = ConnectTo(door->port());
  const int64_t begin = clock.MonotonicMicros();
  for (;;) {
    if (send(fd, "G", 1, MSG_NOSIGNAL) <= 0) break;
    pollfd entry{fd, POLLIN, 0};
    if (poll(&entry, 1, 100) > 0) break;  // it hung up
    ASSERT_LT(clock.MonotonicMicros() - begin, 3 * MetricsDoor::kCallMicros);
  }
  close(fd);
  const int other = ConnectTo(door->port());
  ASSERT_EQ(send(other, "G", 1, MSG_NOSIGNAL), 1);
  const int64_t stop = clock.MonotonicMicros();
  door.reset();
  EXPECT_LT(clock.MonotonicMicros() - stop, MetricsDoor::kCallMicros / 2);
  close(other);
}

}  // namespace
}  // namespace tarn::agent
