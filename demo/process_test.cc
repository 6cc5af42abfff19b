#include "demo/process.h"

#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "demo/temp_folder.h"
#include "os/clock.h"
#include "os/posix_file_system.h"

namespace tarn::demo {
namespace {

constexpr int64_t kSecond = 1'000'000;

TEST(Child, EndsOnTermAndIsKilledAtTheDeadline) {
  const TempFolder folder;
  auto polite = Child::Spawn({"/bin/sleep", "60"}, folder / "log");
  ASSERT_TRUE(polite.ok());
  EXPECT_TRUE(polite->Running());
  EXPECT_TRUE(polite->Stop(5 * kSecond));
  EXPECT_EQ(polite->exit_status(), 128 + SIGTERM);
  auto deaf = Child::Spawn(
      {"/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"}, folder / "deaf");
  ASSERT_TRUE(deaf.ok());
  os::PosixFileSystem fs;
  while (fs.ReadFile(folder / "deaf").value() != "ready\n") ASSERT_TRUE(deaf->Running());
  EXPECT_FALSE(deaf->Stop(kSecond / 5));
  EXPECT_EQ(deaf->exit_status(), 128 + SIGKILL);
}

TEST(Child, AProgramThatIsNotThereEndsWith127) {
  const TempFolder folder;
  auto child = Child::Spawn({"/no/such/program"}, folder / "log");
  ASSERT_TRUE(child.ok());
  EXPECT_TRUE(child->WaitFor(5 * kSecond));
  EXPECT_EQ(child->exit_status(), 127);
}

// As kill -9 of an Apache does, whose worker would keep the port.
TEST(Child, WhatItStartedEndsWithItHoweverItEnds) {
  const TempFolder folder;
  os::PosixFileSystem fs;
  auto child = Child::Spawn({"/bin/sh", "-c", "sleep 60 & echo $!; wait"}, folder / "log");
  ASSERT_TRUE(child.ok());
  while (!fs.ReadFile(folder / "log").value().ends_with('\n')) ASSERT_TRUE(child->Running());
  const int started = std::atoi(fs.ReadFile(folder / "log")->c_str());
  // What has ended has no command line.
  const auto runs = [started] {
    std::ifstream words("/proc/" + std::to_string(started) + "/cmdline");
    return words.peek() != std::ifstream::traits_type::eof();
  };
  EXPECT_TRUE(runs());
  child->Signal(SIGTERM);  // to it alone
  EXPECT_TRUE(child->WaitFor(5 * kSecond));
  EXPECT_EQ(child->exit_status(), 128 + SIGTERM);
  const os::SystemClock clock;
  const int64_t deadline = clock.MonotonicMicros() + 5 * kSecond;
  while (runs() && clock.MonotonicMicros() < deadline) usleep(10'000);
  EXPECT_FALSE(runs());
}

TEST(RunProgram, TellsWhatTheProgramSaid) {
  const TempFolder folder;
  EXPECT_TRUE(RunProgram({"/bin/true"}, folder / "log", 5 * kSecond).ok());
  const Status status = RunProgram({"/bin/sh", "-c", "echo no template of that name; exit 3"},
                                   folder / "log", 5 * kSecond);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message().find("status 3: no template of that name"), std::string::npos);
}

TEST(Supervised, IsStartedAgainWithLongerAndLongerWaits) {
  const TempFolder folder;
  Supervised program("p", {"/bin/false"}, folder / "log");
  int64_t now = 0;
  const auto die = [&program] { ASSERT_TRUE(program.WaitFor(5 * kSecond)); };
  program.Poll(now);
  die();
  program.Poll(now);  // the first time at once
  EXPECT_EQ(program.restarts(), 1);
  die();
  program.Poll(now);
  EXPECT_EQ(program.restarts(), 1) << "it waits 0.2 s";
  program.Poll(now += kSecond / 5);
  EXPECT_EQ(program.restarts(), 2);
  die();
  program.Poll(now);
  program.Poll(now += kSecond / 5);
  EXPECT_EQ(program.restarts(), 2) << "it waits 0.4 s";
  program.Poll(now + kSecond / 5);
  EXPECT_EQ(program.restarts(), 3);
}

}  // namespace
}  // namespace tarn::demo
