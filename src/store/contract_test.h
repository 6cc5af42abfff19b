#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "os/thread.h"
#include "store/object_store.h"

namespace tarn::store {

// What every ObjectStore must do. A test program includes this once and instantiates it:
//   INSTANTIATE_TEST_SUITE_P(Local, ObjectStoreContract, testing::Values(StoreMaker{…}));
// The maker answers an empty store; what the store needs is kept alive by `keep`.
struct TestStore {
  std::shared_ptr<void> keep;
  std::unique_ptr<ObjectStore> store;
};
struct StoreMaker {
  std::string name;
  std::function<TestStore()> make;
};
inline void PrintTo(const StoreMaker& maker, std::ostream* out) { *out << maker.name; }

class ObjectStoreContract : public testing::TestWithParam<StoreMaker> {
 protected:
  void SetUp() override { made_ = GetParam().make(); }
  ObjectStore& store() { return *made_.store; }
  std::vector<std::string> Keys(const std::string& prefix) {
    std::vector<std::string> keys;
    const auto objects = store().List(prefix).value();
    for (const auto& object : objects) keys.push_back(object.key);
    return keys;
  }

 private:
  TestStore made_;
};

TEST_P(ObjectStoreContract, GetAnswersWhatWasPut) {
  const std::string bytes("a\0b\xff", 4);
  ASSERT_TRUE(store().Put("x/y/z.bin", bytes).ok());
  EXPECT_EQ(store().Get("x/y/z.bin").value(), bytes);
  EXPECT_EQ(store().Head("x/y/z.bin")->size, 4U);
  EXPECT_EQ(store().Head("x/y/z.bin")->key, "x/y/z.bin");
  ASSERT_TRUE(store().Put("empty", "").ok());
  EXPECT_EQ(store().Get("empty").value(), "");
}

TEST_P(ObjectStoreContract, PutReplacesTheWholeObject) {
  ASSERT_TRUE(store().Put("a", "old and longer").ok());
  ASSERT_TRUE(store().Put("a", "new").ok());
  EXPECT_EQ(store().Get("a").value(), "new");
}

TEST_P(ObjectStoreContract, WhatIsNotThereIsNotFound) {
  ASSERT_TRUE(store().Put("folder/a", "x").ok());
  for (const std::string key : {"none", "none/none", "folder", "folder/a/b"}) {
    EXPECT_EQ(store().Get(key).error().code(), Code::kNotFound) << key;
    EXPECT_EQ(store().GetRange(key, 0, 1).error().code(), Code::kNotFound) << key;
    EXPECT_EQ(store().Head(key).error().code(), Code::kNotFound) << key;
  }
}

TEST_P(ObjectStoreContract, PutIfAbsentTakesAFreeKeyOnly) {
  ASSERT_TRUE(store().PutIfAbsent("a", "first").ok());
  EXPECT_EQ(store().PutIfAbsent("a", "second").error().code(), Code::kAlreadyExists);
  EXPECT_EQ(store().Get("a").value(), "first");
}

TEST_P(ObjectStoreContract, OfSeveralWritersOneWins) {
  std::atomic<int> winners = 0;
  std::atomic<int> losers = 0;
  std::string winner;
  {
    std::vector<os::Thread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back("put", [&, i] {
        const auto status = store().PutIfAbsent("race/a", std::to_string(i));
        if (status.ok()) {
          ++winners;
          winner = std::to_string(i);
        } else if (status.error().code() == Code::kAlreadyExists) {
          ++losers;
        }
      });
    }
  }
  EXPECT_EQ(winners, 1);
  EXPECT_EQ(losers, 7);
  EXPECT_EQ(store().Get("race/a").value(), winner);
}

TEST_P(ObjectStoreContract, RangesEndWithTheObject) {
  ASSERT_TRUE(store().Put("a", "0123456789").ok());
  EXPECT_EQ(store().GetRange("a", 2, 3).value(), "234");
  EXPECT_EQ(store().GetRange("a", 8, 100).value(), "89");
  EXPECT_EQ(store().GetRange("a", 10, 1).value(), "");
  EXPECT_EQ(store().GetRange("a", 3, SIZE_MAX).value(), "3456789");
}

TEST_P(ObjectStoreContract, WriterShowsNothingBeforeFinish) {
  {
    auto writer = store().OpenWriter("a/b").value();
    ASSERT_TRUE(writer->Write("one ").ok());
    ASSERT_TRUE(writer->Write(std::string(1'000'000, 'x')).ok());
    ASSERT_TRUE(writer->Write(" two").ok());
    EXPECT_EQ(writer->written(), 1'000'008U);
    EXPECT_EQ(store().Head("a/b").error().code(), Code::kNotFound);
    EXPECT_EQ(Keys(""), std::vector<std::string>{});
    ASSERT_TRUE(writer->Finish().ok());
    EXPECT_EQ(writer->Finish().error().code(), Code::kInvalidArgument);
    EXPECT_EQ(writer->Write("x").error().code(), Code::kInvalidArgument);
  }
  EXPECT_EQ(store().Get("a/b").value(), "one " + std::string(1'000'000, 'x') + " two");
}

TEST_P(ObjectStoreContract, AbandonedWriterLeavesTheOldObject) {
  ASSERT_TRUE(store().Put("a", "old").ok());
  ASSERT_TRUE(store().OpenWriter("a").value()->Write("new").ok());
  EXPECT_EQ(store().Get("a").value(), "old");
  EXPECT_EQ(Keys(""), std::vector<std::string>{"a"});
}

TEST_P(ObjectStoreContract, ListAnswersThePrefixInOrderOfKeys) {
  for (const char* key : {"a/c", "a-b", "b", "a/b/c"}) ASSERT_TRUE(store().Put(key, "x").ok());
  EXPECT_EQ(Keys(""), (std::vector<std::string>{"a-b", "a/b/c", "a/c", "b"}));
  EXPECT_EQ(Keys("a"), (std::vector<std::string>{"a-b", "a/b/c", "a/c"}));
  EXPECT_EQ(Keys("a/"), (std::vector<std::string>{"a/b/c", "a/c"}));
  EXPECT_EQ(Keys("a/b"), (std::vector<std::string>{"a/b/c"}));
  EXPECT_EQ(Keys("a/b/"), (std::vector<std::string>{"a/b/c"}));
  EXPECT_EQ(Keys("none/"), std::vector<std::string>{});
  EXPECT_EQ(store().List("../").error().code(), Code::kInvalidArgument);
}

TEST_P(ObjectStoreContract, DeleteIsFineTwice) {
  ASSERT_TRUE(store().Put("a/b", "x").ok());
  EXPECT_TRUE(store().Delete("a").ok()) << "a folder is no object";
  EXPECT_EQ(store().Get("a/b").value(), "x");
  EXPECT_TRUE(store().Delete("a/b").ok());
  EXPECT_EQ(store().Get("a/b").error().code(), Code::kNotFound);
  EXPECT_TRUE(store().Delete("a/b").ok());
  EXPECT_TRUE(store().Delete("none/b").ok());
  EXPECT_TRUE(store().Put("a/b", "y").ok());
}

TEST_P(ObjectStoreContract, RefusesBadKeysEverywhere) {
  const std::vector<std::string> bad = {"",
                                        "/a",
                                        "a/",
                                        "a//b",
                                        ".",
                                        "..",
                                        "../a",
                                        "a/../b",
                                        "a/.",
                                        std::string("a\0b", 3),
                                        std::string(1'025, 'x')};
  for (const std::string& key : bad) {
    EXPECT_EQ(store().Put(key, "x").error().code(), Code::kInvalidArgument) << key;
    EXPECT_EQ(store().PutIfAbsent(key, "x").error().code(), Code::kInvalidArgument) << key;
    EXPECT_EQ(store().OpenWriter(key).error().code(), Code::kInvalidArgument) << key;
    EXPECT_EQ(store().Get(key).error().code(), Code::kInvalidArgument) << key;
    EXPECT_EQ(store().GetRange(key, 0, 1).error().code(), Code::kInvalidArgument) << key;
    EXPECT_EQ(store().Head(key).error().code(), Code::kInvalidArgument) << key;
    EXPECT_EQ(store().Delete(key).error().code(), Code::kInvalidArgument) << key;
  }
}

TEST_P(ObjectStoreContract, UnusualKeysWork) {
  for (const std::string key : {"with space", "ü/é", "100%", "a?b#c", "...", "..a", "a=1/b=2",
                                "tab\there", "-", ".hidden"}) {
    ASSERT_TRUE(store().Put(key, key).ok()) << key;
    EXPECT_EQ(store().Get(key).value(), key);
    EXPECT_EQ(store().KeyOf(store().UrlOf(key)).value(), key);
  }
}

TEST_P(ObjectStoreContract, UrlsAreBelowTheBaseUrl) {
  const std::string& base = store().base_url();
  ASSERT_FALSE(base.empty());
  EXPECT_NE(base.back(), '/');
  EXPECT_EQ(store().UrlOf("a/b.parquet"), base + "/a/b.parquet");
  EXPECT_EQ(store().UrlOf("a%b?c#d"), base + "/a%25b%3Fc%23d");
  EXPECT_EQ(store().KeyOf(base + "/a/b").value(), "a/b");
  for (const std::string& url :
       {std::string("a/b"), base, base + "/", base + "x/a", base + "/../a", base + "/a%2",
        base + "/a%zz", base + "/%2E%2E/a", base + "/a//b", std::string("s3://other/a")}) {
    EXPECT_EQ(store().KeyOf(url).error().code(), Code::kInvalidArgument) << url;
  }
}

}  // namespace tarn::store
