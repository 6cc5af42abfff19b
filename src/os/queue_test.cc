#include "os/queue.h"

#include "os/thread.h"

namespace tarn::os {
namespace {

TEST(Queue, FullQueueBlocksThePusherUntilPopped) {
  Queue<int> queue(1);
  ASSERT_TRUE(queue.Push(1));
  int two = 2;
  EXPECT_FALSE(queue.TryPush(two));
  Thread pusher("pusher", [&] { queue.Push(2); });
  EXPECT_EQ(queue.Pop(), 1);
  EXPECT_EQ(queue.Pop(), 2);
}

TEST(Queue, CloseDrainsThenEnds) {
  Queue<int> queue(4);
  ASSERT_TRUE(queue.Push(1));
  queue.Close();
  EXPECT_FALSE(queue.Push(2));
  EXPECT_EQ(queue.Pop(), 1);
  EXPECT_EQ(queue.Pop(), std::nullopt);
  EXPECT_EQ(queue.PopFor(1), std::nullopt);
}

TEST(Queue, CloseWakesABlockedPopper) {
  Queue<int> queue(1);
  std::optional<int> popped = 7;
  Thread popper("popper", [&] { popped = queue.Pop(); });
  queue.Close();
  popper.Join();
  EXPECT_EQ(popped, std::nullopt);
}

}  // namespace
}  // namespace tarn::os
