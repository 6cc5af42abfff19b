#include <map>

#include "catalog/catalog_test_internal.h"

namespace tarn::catalog {
namespace {

// What the catalog should say, kept in plain maps.
struct Model {
  struct Table {
    std::string pointer;
    int64_t rows = 0;
  };
  std::map<DatasetName, Table> tables;
  std::map<std::string, std::string> positions;
  std::map<std::string, int64_t> tokens;
  std::map<WatermarkKey, int64_t> marks;
  std::map<std::string, std::string> commits;  // id → pipeline and position
  int64_t events = 0;
};

class Walk {
 public:
  explicit Walk(uint64_t seed) : random_(seed), catalog_(place_.Open()) {}

  void Step() {
    switch (random_.Below(12)) {
      case 0:
        return Create();
      case 1:
        return Drop();
      case 2:
      case 3:
        return Acquire();
      case 4:
        catalog_.reset();
        catalog_ = place_.Open();
        return;
      default:
        return Apply();
    }
  }

  void Compare() {
    const auto datasets = catalog_->ListDatasets(std::nullopt);
    ASSERT_EQ(datasets->size(), model_.tables.size());
    for (const Dataset& dataset : *datasets) {
      ASSERT_EQ(dataset.metadata_location, model_.tables.at(dataset.name).pointer);
      ASSERT_EQ(dataset.rows, model_.tables.at(dataset.name).rows);
    }
    for (const auto& [pipeline, position] : model_.positions) {
      ASSERT_EQ(*catalog_->GetPosition(pipeline), position);
    }
    size_t marks = 0;
    for (const char* source : {"s0", "s1"}) {
      const auto listed = catalog_->ListWatermarks(source);
      for (const Watermark& mark : *listed) {
        ASSERT_EQ(mark.end_offset, model_.marks.at(mark.key));
      }
      marks += listed->size();
    }
    ASSERT_EQ(marks, model_.marks.size());
    ASSERT_EQ(static_cast<int64_t>(catalog_->ReadEvents(0, 1'000'000)->size()), model_.events);
    ASSERT_EQ(catalog_->Summary()->commits, static_cast<int64_t>(model_.commits.size()));
  }

 private:
  std::string Some(const char* prefix, uint64_t count) {
    return prefix + std::to_string(random_.Below(count));
  }
  DatasetName SomeTable() { return {Zone::kClean, Some("t", 4)}; }
  bool Often() { return random_.Below(8) != 0; }

  void Create() {
    DatasetSpec spec;
    spec.name = SomeTable();
    ASSERT_TRUE(catalog_->CreateDataset(spec, kTester).ok());
    model_.tables.try_emplace(spec.name);
  }

  void Drop() {
    if (Often()) return;
    const DatasetName name = SomeTable();
    ASSERT_EQ(catalog_->DropDataset(name, kTester).ok(), model_.tables.erase(name) == 1);
  }

  void Acquire() {
    const std::string pipeline = Some("p", 3);
    const auto fence = catalog_->AcquireFence(pipeline, "h", 1, Acquire::kTake);
    ASSERT_TRUE(fence.ok());
    ASSERT_EQ(fence->token.value, ++model_.tokens[pipeline]);
  }

  Commit SomeCommit() {
    Commit commit;
    commit.commit_id = Often() ? "c" + std::to_string(++made_) : Some("c", made_ + 1);
    commit.pipeline = Some("p", 3);
    commit.token = {model_.tokens[commit.pipeline] - (Often() ? 0 : 1)};
    commit.expected_position = Often() ? model_.positions[commit.pipeline] : "elsewhere";
    commit.new_position = "at " + commit.commit_id;
    for (uint64_t i = random_.Below(3); i > 0; --i) {
      const DatasetName name = SomeTable();
      const bool twice = std::any_of(commit.swaps.begin(), commit.swaps.end(),
                                     [&](const TableSwap& s) { return s.dataset == name; });
      if (twice || (model_.tables.count(name) == 0 && Often())) continue;
      const std::string old = model_.tables.count(name) == 0 ? "" : model_.tables[name].pointer;
      commit.swaps.push_back({name, Often() ? old : "elsewhere", "m " + commit.commit_id, 1,
                              static_cast<int64_t>(random_.Below(100)), 0, std::nullopt});
    }
    const WatermarkKey key{Some("s", 2), "h", Some("f", 3)};
    const int64_t old_end = model_.marks.count(key) == 0 ? 0 : model_.marks[key];
    commit.watermarks = {{key, Often() ? old_end + 5 : std::max<int64_t>(0, old_end - 1), 0, {}}};
    commit.events.resize(random_.Below(3),
                         {0, {Zone::kClean, "t0"}, 1, "append", "{}", "", {}, {}});
    commit.audit.who = "model";
    return commit;
  }

  // The rules once more, in the plainest form.
  bool Allowed(const Commit& commit) {
    if (commit.token.value != model_.tokens[commit.pipeline]) return false;
    if (commit.expected_position != model_.positions[commit.pipeline]) return false;
    for (const TableSwap& swap : commit.swaps) {
      const auto table = model_.tables.find(swap.dataset);
      if (table == model_.tables.end()) return false;
      if (table->second.pointer != swap.expected_metadata_location) return false;
    }
    const Watermark& mark = commit.watermarks[0];
    return model_.marks.count(mark.key) == 0 || model_.marks[mark.key] <= mark.end_offset;
  }

  void Apply() {
    const Commit commit = SomeCommit();
    const auto receipt = catalog_->Apply(commit);
    const std::string target = commit.pipeline + "|" + commit.new_position;
    const auto known = model_.commits.find(commit.commit_id);
    if (known != model_.commits.end()) {
      ASSERT_EQ(receipt.ok(), known->second == target);
      ASSERT_TRUE(!receipt.ok() || receipt->repeated);
      return;
    }
    ASSERT_EQ(receipt.ok(), Allowed(commit)) << (receipt.ok() ? "" : receipt.error().ToString());
    if (!receipt.ok()) return;
    model_.commits[commit.commit_id] = target;
    ASSERT_EQ(receipt->sequence, static_cast<int64_t>(model_.commits.size()));
    model_.positions[commit.pipeline] = commit.new_position;
    for (const TableSwap& swap : commit.swaps) {
      model_.tables[swap.dataset].pointer = swap.new_metadata_location;
      model_.tables[swap.dataset].rows += swap.rows_delta;
    }
    model_.marks[commit.watermarks[0].key] = commit.watermarks[0].end_offset;
    model_.events += static_cast<int64_t>(commit.events.size());
  }

  TestPlace place_;
  os::SeededRandom random_;
  std::unique_ptr<Catalog> catalog_;
  Model model_;
  uint64_t made_ = 0;
};

TEST(SqliteCatalogModel, RandomCommandsGiveWhatTheModelSays) {
  for (const uint64_t seed : {1U, 2U, 3U}) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Walk walk(seed);
    for (int step = 0; step < 400; ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      walk.Step();
      if (step % 10 == 0) walk.Compare();
      if (testing::Test::HasFatalFailure()) return;
    }
    walk.Compare();
  }
}

}  // namespace
}  // namespace tarn::catalog
