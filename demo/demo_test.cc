#include "demo/demo.h"

#include "demo/state.h"
#include "demo/temp_folder.h"
#include "demo/view.h"
#include "os/posix_file_system.h"

namespace tarn::demo {
namespace {

Result<DemoOptions> Parse(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "demo");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  return ParseDemoArguments(static_cast<int>(argv.size()), argv.data());
}

TEST(DemoArguments, AreRead) {
  const auto options = Parse({"shop", "--seed", "7", "--days=2", "--rate", "12.5", "--for", "60s",
                              "--headless", "--json", "--servers", "2"});
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->folder, "shop");
  EXPECT_EQ(options->seed, 7U);
  EXPECT_EQ(options->days, 2);
  EXPECT_EQ(options->rate, 12.5);
  EXPECT_EQ(options->run_micros, 60 * kMicrosPerSecond);
  EXPECT_EQ(options->servers, 2);
  EXPECT_TRUE(options->headless && options->json && !options->only_traffic);
}

TEST(DemoArguments, WrongOnesAreNamedWithTheNearest) {
  EXPECT_NE(Parse({"--sed", "7"}).error().message().find("did you mean '--seed'?"),
            std::string::npos);
  EXPECT_FALSE(Parse({"--servers", "5"}).ok());
  EXPECT_FALSE(Parse({"--for", "soon"}).ok());
  EXPECT_FALSE(Parse({"--rate", "nan"}).ok());
  EXPECT_FALSE(Parse({"--seed"}).ok());
  EXPECT_FALSE(Parse({"a", "b"}).ok());
}

TEST(DemoArguments, HelpIsNoRun) { EXPECT_TRUE(Parse({"--help"}).value().help); }

TEST(DemoState, ComesBackAsItWas) {
  os::PosixFileSystem fs;
  const TempFolder folder;
  const std::string path = folder / "state.json";
  EXPECT_EQ(LoadState(fs, path).error().code(), Code::kNotFound);
  DemoState state;
  state.seed = 42;
  state.epoch = 3;
  state.servers = 2;
  state.days = 9;
  state.history_done = true;
  state.clean_stop = false;
  state.ports = {4001, 4002};
  state.server_port = 4003;
  ASSERT_TRUE(SaveState(fs, path, state).ok());
  const auto loaded = LoadState(fs, path);
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded->seed, 42U);
  EXPECT_EQ(loaded->epoch, 3U);
  EXPECT_EQ(loaded->days, 9);
  EXPECT_EQ(loaded->ports, state.ports);
  EXPECT_FALSE(loaded->clean_stop);
}

TEST(DemoState, MayBeOfBeforeDaysWereNoted) {
  os::PosixFileSystem fs;
  const TempFolder folder;
  const std::string path = folder / "state.json";
  ASSERT_TRUE(fs.WriteFileAtomically(path, R"({"seed":1,"epoch":1,"servers":4,"server_port":0,
      "history_done":true,"clean_stop":true,"ports":[]})")
                  .ok());
  const auto loaded = LoadState(fs, path);
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded->days, std::nullopt);
  ASSERT_TRUE(SaveState(fs, path, *loaded).ok());
  EXPECT_EQ(LoadState(fs, path)->days, std::nullopt);
}

TEST(DemoState, DamageIsSaidNotReset) {
  os::PosixFileSystem fs;
  const TempFolder folder;
  const std::string path = folder / "state.json";
  ASSERT_TRUE(fs.WriteFileAtomically(path, "{\"seed\":1").ok());
  EXPECT_EQ(LoadState(fs, path).error().code(), Code::kDataLoss);
}

TEST(DemoView, FitsTheTerminalAndShowsWhatMatters) {
  ViewInput input;
  input.folder = "/tmp/shop";
  input.server_up = true;
  input.status_known = true;
  input.now_micros = 10 * kMicrosPerSecond;
  input.status.last_commit_micros = 8 * kMicrosPerSecond;
  input.status.zone_rows = {{"raw", 1'234'567}, {"clean", 1'234'560}};
  input.status.sources["w1"].lag_seconds = 0.4;
  input.query = "tarn sql shop/project";
  ServerLine line;
  line.name = "w1";
  line.up = line.agent_up = true;
  line.hits = 1'000;
  line.rejected = 7;
  input.servers.push_back(line);
  std::string all;
  for (const std::string& text : RenderView(input, 100)) all += text + "\n";
  for (const std::string_view part :
       {"1,234,567", "1,000", "0.4 s", "2.0 s ago", "tarn sql shop/project"}) {
    EXPECT_NE(all.find(part), std::string::npos) << part << " in\n" << all;
  }
  for (const std::string& text : RenderView(input, 20)) EXPECT_LE(text.size(), 20U);
}

}  // namespace
}  // namespace tarn::demo
