#include "iceberg/scan.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "base/bytes.h"
#include "base/time.h"
#include "iceberg/commit.h"
#include "iceberg/memory_store_test.h"
#include "iceberg/schema_json.h"
#include "iceberg/update.h"

namespace tarn::iceberg {
namespace {

using event::TypeKind;

constexpr int32_t kTs = 1;
constexpr int32_t kUser = 2;
constexpr int32_t kScore = 3;

event::Schema Columns() {
  event::Schema schema;
  schema.fields.push_back({.id = kTs, .name = "ts", .type = {.kind = TypeKind::kTimestamptz}});
  schema.fields.push_back({.id = kUser, .name = "user", .type = {.kind = TypeKind::kString}});
  schema.fields.push_back({.id = kScore, .name = "score", .type = {.kind = TypeKind::kDouble}});
  event::Field tags{.id = 4, .name = "tags"};
  tags.type.kind = TypeKind::kList;
  tags.type.children.push_back({.id = 5, .name = "element"});
  schema.fields.push_back(tags);
  return schema;
}

class ScanTest : public testing::Test {
 protected:
  void Make(const std::vector<std::pair<const char*, const char*>>& partition) {
    NewTableOptions options{.location = "file:///lake/t", .schema = Columns(), .uuid = "u"};
    for (const auto& [column, transform] : partition) {
      options.partition.push_back(*PartitionBy(options.schema, column, transform));
    }
    auto table = NewTable(std::move(options));
    ASSERT_TRUE(table.ok());
    table_ = *table;
  }

  // A file whose partition values come from these values of the columns.
  DataFile File(const std::string& name, const Value& ts, const Value& user) {
    DataFile file;
    file.path = "file:///lake/t/data/" + name;
    file.spec_id = table_.default_spec_id;
    file.record_count = 10;
    for (const auto& field : table_.spec().fields) {
      const event::Field* source = table_.schema().FindById(field.source_id);
      auto value =
          ApplyTransform(field.transform, source->type, field.source_id == kTs ? ts : user);
      EXPECT_TRUE(value.ok());
      file.partition.push_back(*value);
    }
    return file;
  }

  void Bounds(DataFile& file, int32_t id, const Value& lower, const Value& upper) {
    const event::Type type = table_.schema().FindById(id)->type;
    file.lower_bounds[id] = *LowerBound(type, lower);
    file.upper_bounds[id] = *UpperBound(type, upper);
  }

  void Append(const std::vector<DataFile>& files) {
    SnapshotChange change;
    change.added = files;
    change.operation = "overwrite";
    auto prepared = PrepareSnapshot({store_, clock_, random_, cache_}, table_, change, {});
    ASSERT_TRUE(prepared.ok()) << prepared.error().ToString();
    table_ = prepared->metadata;
  }

  std::string Names(const Filter& filter) {
    auto plan = PlanFiles(store_, cache_, table_, {}, filter);
    EXPECT_TRUE(plan.ok());
    if (!plan.ok()) return plan.error().ToString();
    plan_ = std::move(*plan);
    std::set<std::string> names;
    for (const auto& planned : plan_.files) {
      names.insert(planned.file.path.substr(planned.file.path.rfind('/') + 1));
    }
    std::string all;
    for (const auto& name : names) all += name;
    return all;
  }
  std::string Names(const std::string& column, Op op, const std::vector<Value>& values = {}) {
    return Names({{{.column = column, .op = op, .values = values}}});
  }

  MemoryStore store_;
  os::FakeClock clock_{{1'790'000'000'000'000}};
  os::SeededRandom random_{3};
  ManifestCache cache_;
  TableMetadata table_;
  Plan plan_;
};

TEST_F(ScanTest, OpensOnlyTheHoursOfATimeRange) {
  Make({{"ts", "hour"}});
  for (int64_t hour = -2; hour <= 2; ++hour) {
    Append({File(std::string(1, static_cast<char>('c' + hour)), hour * kMicrosPerHour, Value())});
  }
  const int64_t hour = kMicrosPerHour;
  EXPECT_EQ(Names("ts", Op::kEqual, {int64_t{5}}), "c");
  EXPECT_EQ(plan_.manifests_skipped, 4);
  EXPECT_EQ(Names("ts", Op::kEqual, {int64_t{-5}}), "b");
  EXPECT_EQ(Names("ts", Op::kLess, {int64_t{0}}), "ab");  // midnight is not of the hour before
  EXPECT_EQ(Names("ts", Op::kLessOrEqual, {int64_t{0}}), "abc");
  EXPECT_EQ(Names("ts", Op::kGreater, {2 * hour - 1}), "e");
  EXPECT_EQ(Names("ts", Op::kGreaterOrEqual, {2 * hour - 1}), "de");
  EXPECT_EQ(Names("ts", Op::kIn, {-hour, 2 * hour}), "be");
  EXPECT_EQ(Names("ts", Op::kIn, {}), "");
  EXPECT_EQ(Names("ts", Op::kIsNull), "");
  EXPECT_EQ(Names("ts", Op::kIsNotNull), "abcde");
  EXPECT_EQ(Names("ts", Op::kLess, {std::numeric_limits<int64_t>::min()}), "abcde");
  EXPECT_EQ(Names({{{.column = "ts", .op = Op::kGreaterOrEqual, .values = {int64_t{0}}},
                    {.field_id = kTs, .op = Op::kLess, .values = {hour}}}}),
            "c");
}

TEST_F(ScanTest, CountsRowsFromTheManifestList) {
  const auto count = [&] { return CountRows(store_, cache_, table_).value(); };
  Make({});
  EXPECT_EQ(count(), 0u);
  Append({File("a", int64_t{0}, Value()), File("b", int64_t{0}, Value())});
  Append({File("c", int64_t{0}, Value())});
  EXPECT_EQ(count(), 30u);
  DataFile deletes = File("d", int64_t{0}, Value());
  deletes.content = FileContent::kPositionDeletes;
  Append({deletes});
  EXPECT_FALSE(count());
}

TEST_F(ScanTest, ProjectsThroughEveryTimeTransform) {
  for (const char* transform : {"day", "month", "year"}) {
    Make({{"ts", transform}});
    const int64_t day = kMicrosPerDay;
    Append({File("a", -400 * day, Value()), File("b", int64_t{0}, Value()),
            File("c", 800 * day, Value()), File("n", Value(), Value())});
    EXPECT_EQ(Names("ts", Op::kLess, {int64_t{0}}), "a") << transform;
    EXPECT_EQ(Names("ts", Op::kEqual, {800 * day + 7}), "c") << transform;
    EXPECT_EQ(Names("ts", Op::kIsNull), "n") << transform;
    EXPECT_EQ(Names("ts", Op::kIsNotNull), "abc") << transform;
  }
}

TEST_F(ScanTest, PrunesByBucketForEqualityOnly) {
  Make({{"user", "bucket[64]"}});
  Append({File("a", Value(), std::string("ann")), File("b", Value(), std::string("bob"))});
  EXPECT_EQ(Names("user", Op::kEqual, {std::string("ann")}), "a");
  EXPECT_EQ(Names("user", Op::kIn, {std::string("ann"), std::string("bob")}), "ab");
  EXPECT_EQ(Names("user", Op::kLess, {std::string("a")}), "ab");
}

TEST_F(ScanTest, PrunesByTruncatedAndIdentityPartitions) {
  Make({{"user", "truncate[2]"}});
  Append({File("a", Value(), std::string("anna")), File("b", Value(), std::string("bob"))});
  EXPECT_EQ(Names("user", Op::kEqual, {std::string("andy")}), "a");
  EXPECT_EQ(Names("user", Op::kLess, {std::string("bo")}), "ab");
  EXPECT_EQ(Names("user", Op::kGreater, {std::string("bz")}), "");
  Make({{"user", "identity"}});
  Append({File("a", Value(), std::string("anna")), File("b", Value(), std::string("bob"))});
  EXPECT_EQ(Names("user", Op::kLess, {std::string("bob")}), "a");
}

TEST_F(ScanTest, PrunesByBoundsAndCounts) {
  Make({});
  DataFile a = File("a", {}, {});
  Bounds(a, kUser, std::string("aaaa"), std::string("mmmm"));
  a.value_counts = {{kUser, 10}, {kScore, 10}};
  a.null_value_counts = {{kUser, 0}, {kScore, 10}};
  DataFile b = File("b", {}, {});
  Bounds(b, kUser, std::string("n"), std::string(40, 'z'));
  b.value_counts = {{kUser, 10}};
  b.null_value_counts = {{kUser, 3}};
  Append({a, b, File("u", {}, {})});  // u: nothing known
  EXPECT_EQ(Names("user", Op::kEqual, {std::string("bob")}), "au");
  EXPECT_EQ(Names("user", Op::kEqual, {std::string(40, 'z')}), "bu");
  EXPECT_EQ(Names("user", Op::kGreater, {std::string("mmmm")}), "bu");
  EXPECT_EQ(Names("user", Op::kIsNull), "bu");
  EXPECT_EQ(Names("score", Op::kIsNotNull), "bu");
  EXPECT_EQ(Names("score", Op::kEqual, {1.0}), "bu");
  EXPECT_EQ(Names("tags.element", Op::kEqual, {std::string("x")}), "abu");
  EXPECT_EQ(Names("user", Op::kEqual, {int64_t{4}}), "abu");  // a literal of another type
}

TEST_F(ScanTest, NeverPrunesWhatNaNOrMinusZeroMayMatch) {
  Make({});
  DataFile nan = File("n", {}, {});
  Bounds(nan, kScore, 1.0, 9.0);  // as other writers do: NaN left out of the bounds
  DataFile clean = nan;
  clean.path = "file:///lake/t/data/c";
  clean.nan_value_counts = {{kScore, 0}};
  DataFile zero = clean;
  zero.path = "file:///lake/t/data/z";
  zero.lower_bounds[kScore] = zero.upper_bounds[kScore] = std::string("\0\0\0\0\0\0\0\x80", 8);
  Append({nan, clean, zero});
  EXPECT_EQ(Names("score", Op::kGreater, {10.0}), "n");
  EXPECT_EQ(Names("score", Op::kEqual, {std::nan("")}), "cnz");
  EXPECT_EQ(Names("score", Op::kEqual, {0.0}), "z");
  EXPECT_EQ(Names("score", Op::kGreaterOrEqual, {0.0}), "cnz");
  EXPECT_EQ(Names("score", Op::kEqual, {int64_t{5}}), "cn");
}

TEST_F(ScanTest, ReadsBoundsFromBeforeARename) {
  Make({{"ts", "hour"}});
  DataFile file = File("a", int64_t{0}, {});
  Bounds(file, kUser, std::string("a"), std::string("b"));
  Append({file});
  ASSERT_TRUE(EvolveSchema(table_, [](event::Schema& schema, int32_t&) {
                return RenameColumn(schema, "user", "person");
              }).ok());
  EXPECT_EQ(Names("person", Op::kEqual, {std::string("z")}), "");
  EXPECT_FALSE(
      PlanFiles(store_, cache_, table_, {}, {{{.column = "user", .op = Op::kIsNull}}}).ok());
}

TEST_F(ScanTest, PlansAcrossPartitionSpecs) {
  Make({{"ts", "day"}});
  Append({File("a", int64_t{0}, {}), File("b", 5 * kMicrosPerDay, {})});
  auto spec = AddSpec(table_, {*PartitionBy(table_.schema(), "ts", "hour")});
  ASSERT_TRUE(spec.ok());
  ASSERT_TRUE(SetDefaultSpec(table_, *spec).ok());
  Append({File("c", int64_t{0}, {}), File("d", kMicrosPerHour, {})});
  EXPECT_EQ(Names("ts", Op::kEqual, {int64_t{7}}), "ac");
}

TEST_F(ScanTest, AttachesDeleteFilesBySequenceNumberAndPartition) {
  Make({{"ts", "day"}});
  Append({File("a", int64_t{0}, {}), File("b", kMicrosPerDay, {})});
  DataFile positions = File("p", int64_t{0}, {});
  positions.content = FileContent::kPositionDeletes;
  DataFile equality = File("e", kMicrosPerDay, {});
  equality.content = FileContent::kEqualityDeletes;
  equality.equality_ids = {kUser};
  DataFile same_commit = File("c", kMicrosPerDay, {});
  Append({positions, equality, same_commit});
  Append({File("d", int64_t{0}, {})});
  EXPECT_EQ(Names(Filter{}), "abcd");
  std::map<std::string, size_t> deletes;
  for (const auto& planned : plan_.files) deletes[planned.file.path] = planned.deletes.size();
  EXPECT_EQ(deletes["file:///lake/t/data/a"], 1u);
  EXPECT_EQ(deletes["file:///lake/t/data/b"], 1u);
  EXPECT_EQ(deletes["file:///lake/t/data/c"], 0u);  // equality deletes spare their own commit
  EXPECT_EQ(deletes["file:///lake/t/data/d"], 0u);  // written after the deletes
}

TEST_F(ScanTest, AnswersAnEmptyPlanForATableWithoutSnapshots) {
  Make({});
  EXPECT_EQ(Names(Filter{}), "");
  EXPECT_EQ(PlanFiles(store_, cache_, table_, 5, {}).error().code(), Code::kNotFound);
}

TEST(ManifestCache, StaysBelowItsLimit) {
  MemoryStore store;
  ManifestCache cache(20'000);
  const TableMetadata table;
  for (int64_t i = 1; i <= 100; ++i) {
    Snapshot snapshot{.id = i};
    snapshot.manifest_list = "file:///lake/" + std::to_string(i);
    std::vector<ManifestFile> files(10);
    for (auto& file : files) file.path = std::string(100, 'p');
    store.objects[std::to_string(i)] = EncodeManifestList(snapshot, files);
    ASSERT_TRUE(cache.List(store, snapshot).ok());
    ASSERT_TRUE(cache.List(store, snapshot).ok());
    EXPECT_EQ(store.gets, i);
    EXPECT_LE(cache.bytes(), 20'000u);
  }
}

}  // namespace
}  // namespace tarn::iceberg
