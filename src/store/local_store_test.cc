#include "store/local_store.h"

#include <map>

#include "os/posix_file_system.h"
#include "os/sim_file_system.h"
#include "store/contract_test.h"

namespace tarn::store {
namespace {

using Call = os::SimFileSystem::Call;

struct PosixParts {
  PosixParts() { root = testing::TempDir() + "tarn store " + std::to_string(random.Next()); }
  ~PosixParts() { EXPECT_TRUE(files.RemoveRecursively(root).ok()); }
  os::PosixFileSystem files;
  os::SystemRandom random;
  std::string root;
};

struct SimParts {
  os::SimFileSystem files{1};
  os::SeededRandom random{1};
};

TestStore MakePosix() {
  auto parts = std::make_shared<PosixParts>();
  auto store = LocalStore::Open(parts->files, parts->random, parts->root + "/lake").value();
  return {parts, std::move(store)};
}

TestStore MakeSim() {
  auto parts = std::make_shared<SimParts>();
  auto store = LocalStore::Open(parts->files, parts->random, "/srv/lake/").value();
  return {parts, std::move(store)};
}

INSTANTIATE_TEST_SUITE_P(Local, ObjectStoreContract,
                         testing::Values(StoreMaker{"Posix", MakePosix},
                                         StoreMaker{"Sim", MakeSim}),
                         [](const auto& made) { return made.param.name; });

// What lies in .tmp but the locks of stores that are open.
std::vector<std::string> TemporariesOf(const os::FileSystem& files) {
  auto names = files.List("/lake/.tmp").value();
  std::erase_if(names, [](const std::string& name) { return name.ends_with(".owner"); });
  return names;
}

TEST(LocalStore, OpenWantsAnAbsolutePath) {
  SimParts parts;
  for (const char* root : {"", "/", "lake", "./lake"})
    EXPECT_EQ(LocalStore::Open(parts.files, parts.random, root).error().code(),
              Code::kInvalidArgument);
  EXPECT_EQ(LocalStore::Open(parts.files, parts.random, "/srv/a #1/")->get()->base_url(),
            "file:///srv/a %231");
}

TEST(LocalStore, KeyCannotBeAnObjectAndAFolder) {
  SimParts parts;
  auto store = LocalStore::Open(parts.files, parts.random, "/lake").value();
  ASSERT_TRUE(store->Put("a/b", "x").ok());
  EXPECT_EQ(store->Put("a", "x").error().code(), Code::kInvalidArgument);
  EXPECT_EQ(store->PutIfAbsent("a", "x").error().code(), Code::kInvalidArgument);
  EXPECT_EQ(store->Put("a/b/c", "x").error().code(), Code::kInvalidArgument);
  EXPECT_EQ(store->PutIfAbsent("a/b/c", "x").error().code(), Code::kInvalidArgument);
  EXPECT_EQ(store->Put(".tmp/a", "x").error().code(), Code::kInvalidArgument);
  EXPECT_EQ(store->Put("a/" + std::string(256, 'x'), "x").error().code(), Code::kInvalidArgument);
  EXPECT_EQ(store->List("").value().size(), 1U);
  EXPECT_TRUE(TemporariesOf(parts.files).empty()) << "no temporaries stay behind";
}

TEST(LocalStore, SweepRemovesTheTemporariesOfTheDeadAndNoOthers) {
  SimParts parts;
  auto store = LocalStore::Open(parts.files, parts.random, "/lake").value();
  ASSERT_TRUE(store->Put("a", "x").ok());
  auto writer = store->OpenWriter("b").value();
  ASSERT_TRUE(writer->Write(std::string(1 << 20, 'x')).ok());
  // Another process starts and sweeps while this one writes.
  auto other = LocalStore::Open(parts.files, parts.random, "/lake").value();
  EXPECT_EQ(other->Sweep().value(), 0U);
  ASSERT_TRUE(other->Put("c", "y").ok());
  EXPECT_EQ(store->Sweep().value(), 0U);
  ASSERT_TRUE(writer->Finish().ok());
  EXPECT_EQ(store->Get("b")->size(), 1U << 20);
  // What a process leaves that died in the midst of it.
  ASSERT_TRUE(parts.files.Open("/lake/.tmp/00000000000000aa-1", os::OpenMode::kCreateNew).ok());
  ASSERT_TRUE(parts.files.Open("/lake/.tmp/00000000000000aa.owner", os::OpenMode::kCreate).ok());
  ASSERT_TRUE(parts.files.Open("/lake/.tmp/00000000000000bb-2", os::OpenMode::kCreateNew).ok());
  EXPECT_EQ(store->Sweep().value(), 2U);
  writer.reset();
  store.reset();
  other.reset();
  EXPECT_EQ(parts.files.List("/lake/.tmp").value(), std::vector<std::string>{});
}

// What the caller of a store on a disk that dies may expect of one key.
struct Expected {
  std::string value;             // the last acknowledged value; empty: none
  std::vector<std::string> may;  // values of calls that failed or never came back
};

void Check(LocalStore& store, const std::string& key, const Expected& expected) {
  const auto got = store.Get(key);
  if (!got.ok()) {
    ASSERT_EQ(got.error().code(), Code::kNotFound);
    const bool may_be_gone =
        expected.value.empty() ||
        std::find(expected.may.begin(), expected.may.end(), "") != expected.may.end();
    ASSERT_TRUE(may_be_gone) << key << " was acknowledged and is gone";
    return;
  }
  const bool known = *got == expected.value || std::find(expected.may.begin(), expected.may.end(),
                                                         *got) != expected.may.end();
  ASSERT_TRUE(known) << key << " holds something that was never put there whole";
}

TEST(LocalStore, AcknowledgedWritesSurviveEveryCrash) {
  for (uint64_t seed = 1; seed <= 1'500; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    os::SimFileSystem files(seed);
    os::SeededRandom random(seed);
    std::map<std::string, Expected> model;
    for (int life = 0; life < 3; ++life) {
      auto store = LocalStore::Open(files, random, "/srv/lake").value();
      for (auto& [key, expected] : model) {
        Check(*store, key, expected);
        if (testing::Test::HasFatalFailure()) return;
        const auto got = store->Get(key);
        expected = {.value = got.ok() ? *got : "", .may = {}};
      }
      ASSERT_TRUE(store->Sweep().ok());
      ASSERT_TRUE(files.List("/srv/lake/.tmp").value().empty());
      files.PowerOffAfter(random.Below(60));
      for (int step = 0; step < 20; ++step) {
        const std::string key =
            "t" + std::to_string(random.Below(3)) + "/data/" + std::to_string(random.Below(3));
        const std::string value =
            std::to_string(random.Next()) + std::string(random.Below(3'000), 'v');
        Expected& expected = model[key];
        const uint64_t action = random.Below(10);
        const std::string wanted = action < 8 ? value : "";
        Status status;
        if (action < 5) {
          status = store->Put(key, value);
        } else if (action < 8) {
          status = store->PutIfAbsent(key, value);
          if (!status.ok() && status.error().code() == Code::kAlreadyExists) continue;
        } else {
          status = store->Delete(key);
        }
        if (status.ok()) {
          expected = {.value = wanted, .may = {}};
        } else {
          expected.may.push_back(wanted);
        }
      }
      store.reset();
      files.Crash();
    }
  }
}

TEST(LocalStore, FailureAtEveryCallIsAnErrorAndLeavesOldOrNew) {
  for (const Call call : {Call::kOpen, Call::kWrite, Call::kSync, Call::kRename,
                          Call::kSyncDirectory, Call::kCreateDirectories}) {
    for (const Code code : {Code::kIo, Code::kResourceExhausted}) {
      SimParts parts;
      auto store = LocalStore::Open(parts.files, parts.random, "/lake").value();
      parts.files.FailCall(call, 1, code);
      EXPECT_EQ(store->Put("folder/a", "new").error().code(), code);
      parts.files.ClearFaults();
      EXPECT_TRUE(TemporariesOf(parts.files).empty());
      ASSERT_TRUE(store->Put("folder/a", "newer").ok()) << "goes on once the disk does";
      EXPECT_EQ(store->Get("folder/a").value(), "newer");
    }
  }
  SimParts parts;
  auto store = LocalStore::Open(parts.files, parts.random, "/lake").value();
  ASSERT_TRUE(store->Put("a", "x").ok());
  parts.files.FailCall(Call::kRead, 1, Code::kIo);
  EXPECT_EQ(store->Get("a").error().code(), Code::kIo);
}

TEST(LocalStore, FullDiskIsResourceExhaustedAndKeepsTheOldObject) {
  SimParts parts;
  auto store = LocalStore::Open(parts.files, parts.random, "/lake").value();
  ASSERT_TRUE(store->Put("a", "old").ok());
  parts.files.SetCapacity(1'000);
  EXPECT_EQ(store->Put("a", std::string(2'000, 'x')).error().code(), Code::kResourceExhausted);
  EXPECT_EQ(store->Get("a").value(), "old");
  EXPECT_EQ(parts.files.UsedBytes(), 3U) << "the temporary is gone";
  EXPECT_TRUE(store->Put("a", std::string(900, 'x')).ok());
}

}  // namespace
}  // namespace tarn::store
