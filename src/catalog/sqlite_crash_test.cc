#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "catalog/catalog_test_internal.h"

namespace tarn::catalog {
namespace {

// Commits until it is killed, from wherever the catalog stands.
[[noreturn]] void CommitForEver(TestPlace& place, int ready_fd) {
  const auto catalog = place.Open();
  const int64_t start = ChainLength(*catalog);
  const auto fence = catalog->AcquireFence("land:web", "child", 1, Acquire::kTake);
  if (start < 0 || !fence.ok() || ::write(ready_fd, "r", 1) != 1) ::_exit(1);
  for (int64_t n = start + 1;; ++n) {
    if (!catalog->Apply(ChainCommit(n, fence->token)).ok()) ::_exit(1);
    // Acknowledged: the parent holds us to it.
    if (::write(ready_fd, "a", 1) != 1) ::_exit(1);
  }
}

TEST(SqliteCatalogCrash, AfterAnyKillTheStateIsBeforeOrAfterACommit) {
  TestPlace place;
  {
    StartChain(*place.Open());
  }
  os::SeededRandom random(20'261'124);
  int64_t length = 0;
  for (int round = 0; round < 60; ++round) {
    int pipe_fds[2];
    ASSERT_EQ(::pipe(pipe_fds), 0);
    const pid_t child = ::fork();
    if (child == 0) CommitForEver(place, pipe_fds[1]);
    ::close(pipe_fds[1]);
    char byte = 0;
    ASSERT_EQ(::read(pipe_fds[0], &byte, 1), 1);
    ASSERT_EQ(byte, 'r');
    ::usleep(static_cast<useconds_t>(random.Below(20'000)));
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "round " << round;
    int64_t acknowledged = 0;
    while (::read(pipe_fds[0], &byte, 1) == 1) ++acknowledged;
    ::close(pipe_fds[0]);

    const auto catalog = place.Open(round % 2 == 0 ? SqliteMode::kExisting : SqliteMode::kReadOnly);
    const int64_t now = ChainLength(*catalog);
    ASSERT_GE(now, length + acknowledged) << "round " << round;
    ASSERT_LE(now, length + acknowledged + 1) << "round " << round;
    length = now;
  }
  EXPECT_GT(length, 60);
}

}  // namespace
}  // namespace tarn::catalog
