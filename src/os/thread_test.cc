#include "os/thread.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

namespace tarn::os {
namespace {

int OwnNiceness() { return getpriority(PRIO_PROCESS, static_cast<id_t>(gettid())); }

TEST(Thread, InTheBackgroundItGivesWayAndSoDoWhatItStarts) {
  const int before = OwnNiceness();
  int background = 0;
  int child = 0;
  int normal = 0;
  Thread(
      "quiet",
      [&] {
        background = OwnNiceness();
        Thread("child", [&] { child = OwnNiceness(); }).Join();
      },
      Priority::kBackground)
      .Join();
  Thread("normal", [&] { normal = OwnNiceness(); }).Join();
  EXPECT_EQ(background, std::max(before, 10));
  EXPECT_EQ(child, background);
  EXPECT_EQ(normal, before);
  EXPECT_EQ(OwnNiceness(), before);
}

}  // namespace
}  // namespace tarn::os
