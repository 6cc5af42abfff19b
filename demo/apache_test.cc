#include "demo/apache.h"

#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "base/text.h"
#include "demo/backfill.h"
#include "demo/broken.h"
#include "demo/process.h"
#include "demo/socket.h"
#include "demo/temp_folder.h"
#include "demo/traffic.h"
#include "os/posix_file_system.h"

namespace tarn::demo {
namespace {

constexpr int64_t kStopMicros = 5 * kMicrosPerSecond;

class ApacheTest : public testing::Test {
 protected:
  Apache Start(const std::string& name) {
    if (!site_written_) {
      EXPECT_TRUE(WriteSite(fs_, folder_ / "site", 1, MakeProducts(1)).ok());
      site_written_ = true;
    }
    auto apache = Apache::Start(fs_, {folder_ / name, folder_ / ("logs/" + name), folder_ / "site",
                                      name, FreePort().value()});
    EXPECT_TRUE(apache.ok()) << apache.error().ToString();
    return std::move(apache).value();
  }
  // Waits for the line of an answered request: it is written after the answer.
  std::string LastLine(const Apache& apache, size_t lines) {
    const os::SystemClock clock;
    const int64_t deadline = clock.MonotonicMicros() + kStopMicros;
    for (;;) {
      const std::string text = fs_.ReadFile(apache.LogPath()).value();
      const auto all = Split(text, '\n');
      if (all.size() == lines + 1) return std::string(all[lines - 1]);
      if (clock.MonotonicMicros() > deadline) {
        ADD_FAILURE() << all.size() - 1 << " lines, not " << lines;
        return "";
      }
      usleep(5'000);
    }
  }
  os::PosixFileSystem fs_;
  TempFolder folder_;
  bool site_written_ = false;
};

// The table of broken.cc is what Apache does, over IPv4 and IPv6: the back-fill writes from it.
TEST_F(ApacheTest, LogsBrokenClientsAsTheTableSays) {
  Apache apache = Start("w1");
  size_t lines = 0;
  for (uint32_t i = 0; i < BrokenClientCount(); ++i) {
    const BrokenClient& client = BrokenClientAt(i);
    for (const bool over_ipv6 : {false, true}) {
      const auto answer = PlayBrokenClient(client, apache.port(), over_ipv6);
      ASSERT_TRUE(answer.ok()) << client.name << ": " << answer.error().ToString();
      EXPECT_EQ(answer->status, client.status) << client.name;
      EXPECT_EQ(answer->time_micros > 0, client.answered) << client.name;
      const std::string line = LastLine(apache, ++lines);
      EXPECT_TRUE(line.starts_with(over_ipv6 ? "::1 - - [" : "127.0.0.1 - - [")) << line;
      const std::string request =
          "] \"" + LoggedRequest(client) + "\" " + std::to_string(client.status) + " ";
      EXPECT_NE(line.find(request), std::string::npos) << client.name << ": " << line;
      const std::string agent = " \"" + std::string(client.agent) + "\" \"-\" ";
      EXPECT_NE(line.find(agent), std::string::npos) << client.name << ": " << line;
    }
  }
  EXPECT_TRUE(apache.Stop(kStopMicros).ok());
}

TEST_F(ApacheTest, TruthIsTheLogUnderLoadAndRotation) {
  os::SystemClock clock;
  auto truth = Truth::Open(fs_, folder_ / "truth.jsonl").value();
  TrafficOptions options;
  std::vector<Apache> apaches;
  std::vector<std::string> log_dirs;
  for (int i = 1; i <= kServerCount; ++i) {
    const std::string name = "w" + std::to_string(i);
    apaches.push_back(Start(name));
    options.ports.push_back(apaches.back().port());
    options.logs.push_back(apaches.back().LogPath());
    log_dirs.push_back(folder_ / ("logs/" + name));
  }
  options.world.start = clock.Now();
  options.world.hits_per_second = 600;
  options.world.think_scale = 0.05;
  Traffic traffic(clock, options, *truth);
  traffic.Start();
  const auto wait_for = [&](uint64_t hits) {
    const int64_t deadline = clock.MonotonicMicros() + 60 * kMicrosPerSecond;
    while (traffic.hits(0) + traffic.hits(1) + traffic.hits(2) + traffic.hits(3) < hits) {
      ASSERT_LT(clock.MonotonicMicros(), deadline);
      usleep(10'000);
    }
  };
  for (uint64_t turn = 1; turn <= 3; ++turn) {
    wait_for(turn * 1'000);
    for (Apache& apache : apaches) {
      ASSERT_TRUE(apache.Rotate("access.log." + std::to_string(turn)).ok());
    }
  }
  wait_for(4'000);
  traffic.Stop();
  for (Apache& apache : apaches) EXPECT_TRUE(apache.Stop(kStopMicros).ok());
  ASSERT_TRUE(truth->Flush().ok());
  EXPECT_EQ(truth->uncertain(), 0U);
  EXPECT_EQ(RecoverTruth(fs_, log_dirs, *truth).value(), 0U);
  const Status recount =
      RunProgram({"/usr/bin/env", "python3", std::string(TARN_SOURCE_DIR) + "/demo/recount.py",
                  folder_.path(), "--compare"},
                 folder_ / "recount.log", 60 * kMicrosPerSecond);
  EXPECT_TRUE(recount.ok()) << recount.error().ToString();
}

TEST_F(ApacheTest, AnswersShopPathsAsAShopDoes) {
  Apache apache = Start("w1");
  const std::string sku = MakeProducts(1)[0].sku;
  for (const auto& [path, status] :
       std::vector<std::pair<std::string, int>>{{"/", 200},
                                                {"/search?q=tent", 200},
                                                {"/p/" + sku + "/any-name", 200},
                                                {"/img/" + sku + "-m.jpg", 200},
                                                {"/shop/tents", 301},
                                                {"/account", 401},
                                                {"/.env", 404}}) {
    const auto answer = HttpGet(apache.port(), path, "", kStopMicros);
    ASSERT_TRUE(answer.ok()) << path;
    EXPECT_EQ(answer->status, status) << path;
  }
  EXPECT_TRUE(apache.Stop(kStopMicros).ok());
}

// Of a demo that was killed the Apaches may still be ending.
TEST_F(ApacheTest, WaitsForTheOneBeforeItToEnd) {
  const std::string root = folder_ / "w1";
  ASSERT_TRUE(fs_.CreateDirectories(root + "/run").ok());
  const std::string gate = folder_ / "gate";
  auto before = Child::Spawn({"/bin/sh", "-c", "while [ ! -e \"$1\" ]; do sleep 0.02; done", "sh",
                              gate, root + "/httpd.conf"},
                             folder_ / "log");
  ASSERT_TRUE(before.ok());
  ASSERT_TRUE(fs_.WriteFileAtomically(root + "/run/httpd.pid", std::to_string(before->pid())).ok());
  std::thread ends([this, &gate] {
    usleep(100'000);
    EXPECT_TRUE(fs_.WriteFileAtomically(gate, "").ok());
  });
  const Apache apache = Start("w1");
  EXPECT_TRUE(fs_.Exists(gate)) << "it did not wait";
  ends.join();
  EXPECT_FALSE(before->Running());
}

TEST_F(ApacheTest, APortInUseIsAnErrorNotAHang) {
  Apache first = Start("w1");
  const auto second = Apache::Start(
      fs_, {folder_ / "w2", folder_ / "logs/w2", folder_ / "site", "w2", first.port()});
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().message().find("error.log"), std::string::npos);
}

}  // namespace
}  // namespace tarn::demo
