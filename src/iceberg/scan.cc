#include "iceberg/scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "iceberg/schema_json.h"

namespace tarn::iceberg {
namespace {

using event::Field;
using event::Type;
using event::TypeKind;

// Of position delete files: the column of data file paths.
constexpr int32_t kDeletedPathFieldId = 2'147'483'546;

// What is known of the values of one column in one file, or of one partition field in one file or
// manifest.
struct Range {
  bool may_be_null = true;
  bool may_be_value = true;
  bool may_be_nan = false;
  std::optional<Value> lower;
  std::optional<Value> upper;
};

// A predicate that can be tested against a Range.
struct Test {
  Op op = Op::kEqual;
  std::vector<Value> values;
};

struct Condition {
  const Field* field = nullptr;
  Test test;
};

// False only if no value of the range can pass. Unordered values (NaN) prove nothing.
bool ValueMayMatch(const Range& range, Op op, const Value& value) {
  const auto lower =
      range.lower ? CompareValues(*range.lower, value) : std::partial_ordering::unordered;
  const auto upper =
      range.upper ? CompareValues(*range.upper, value) : std::partial_ordering::unordered;
  switch (op) {
    case Op::kEqual:
    case Op::kIn:
      return !std::is_gt(lower) && !std::is_lt(upper);
    case Op::kLess:
      return !std::is_gteq(lower);
    case Op::kLessOrEqual:
      return !std::is_gt(lower);
    case Op::kGreater:
      return range.may_be_nan || !std::is_lteq(upper);
    case Op::kGreaterOrEqual:
      return range.may_be_nan || !std::is_lt(upper);
    default:
      return true;
  }
}

bool MayMatch(const Range& range, const Test& test) {
  if (test.op == Op::kIsNull) return range.may_be_null;
  if (!range.may_be_value) return false;
  if (test.op == Op::kIsNotNull) return true;
  return std::any_of(test.values.begin(), test.values.end(),
                     [&](const Value& value) { return ValueMayMatch(range, test.op, value); });
}

// The literal as a value of the column's type; null if it does not fit.
Value Fit(const Type& type, const Value& value) {
  Value fitted = value;
  const bool floating = type.kind == TypeKind::kFloat || type.kind == TypeKind::kDouble;
  if (const auto* integer = std::get_if<int64_t>(&value); integer != nullptr && floating) {
    fitted = static_cast<double>(*integer);
  }
  const auto* number = std::get_if<double>(&fitted);
  if (number != nullptr && std::isnan(*number)) return {};
  // A float column's literal may lie between two floats: compared as double it still orders right.
  return ValueFits(type, fitted) ? fitted : Value();
}

Result<const Field*> ColumnOf(const event::Schema& schema, const Predicate& predicate) {
  const Field* field = predicate.field_id != 0 ? FindField(schema, predicate.field_id)
                                               : FindFieldByPath(schema, predicate.column);
  if (field == nullptr) {
    return InvalidArgument(predicate.field_id != 0
                               ? fmt::format("there is no column {}", predicate.field_id)
                               : "there is no column '" + predicate.column + "'");
  }
  return field;
}

// True for fields reached through structs alone: only those have one value a row.
bool HasOneValue(const std::vector<Field>& fields, int32_t field_id) {
  return std::any_of(fields.begin(), fields.end(), [&](const Field& field) {
    if (field.id == field_id) return true;
    return field.type.kind == TypeKind::kStruct && HasOneValue(field.type.children, field_id);
  });
}

// The conditions that can prune; the others are left out.
Result<std::vector<Condition>> Compile(const event::Schema& schema, const Filter& filter) {
  std::vector<Condition> conditions;
  for (const auto& predicate : filter.all_of) {
    TARN_ASSIGN_OR_RETURN(const Field* field, ColumnOf(schema, predicate));
    const bool null_test = predicate.op == Op::kIsNull || predicate.op == Op::kIsNotNull;
    if (!null_test && predicate.op != Op::kIn && predicate.values.size() != 1) {
      return InvalidArgument("a comparison of '" + field->name + "' needs one value");
    }
    if (field->type.nested() || !HasOneValue(schema.fields, field->id)) continue;
    Condition condition{field, {predicate.op, {}}};
    bool fits = true;
    for (const auto& value : predicate.values) {
      condition.test.values.push_back(Fit(field->type, value));
      fits = fits && !IsNull(condition.test.values.back());
    }
    if (fits || null_test) conditions.push_back(std::move(condition));
  }
  return conditions;
}

// The test that partition values pass wherever rows pass `test`; nullopt if there is none.
std::optional<Test> Project(const Transform& transform, const Type& source, const Test& test) {
  if (test.op == Op::kIsNull || test.op == Op::kIsNotNull) return test;
  const bool equality = test.op == Op::kEqual || test.op == Op::kIn;
  if (transform.kind == TransformKind::kIdentity) return test;
  if (transform.kind == TransformKind::kBucket && !equality) return std::nullopt;
  Test projected{test.op, {}};
  // x < 5 is x <= 4 for integers, which keeps `ts < midnight` out of the next day.
  int64_t step = 0;
  if (test.op == Op::kLess) {
    projected.op = Op::kLessOrEqual;
    step = -1;
  } else if (test.op == Op::kGreater) {
    projected.op = Op::kGreaterOrEqual;
    step = 1;
  }
  for (Value value : test.values) {
    if (auto* integer = std::get_if<int64_t>(&value); integer != nullptr && step != 0) {
      const int64_t end =
          step < 0 ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
      if (*integer == end) return std::nullopt;
      *integer += step;
    }
    auto result = ApplyTransform(transform, source, value);
    if (!result.ok()) return std::nullopt;
    projected.values.push_back(std::move(*result));
  }
  return projected;
}

// A condition as a test of one field of one partition spec.
struct PartitionTest {
  size_t position = 0;
  Test test;
};

std::vector<PartitionTest> ProjectAll(const TableMetadata& table, const PartitionSpec& spec,
                                      const std::vector<Condition>& conditions) {
  std::vector<PartitionTest> tests;
  for (size_t i = 0; i < spec.fields.size(); ++i) {
    const PartitionField& field = spec.fields[i];
    const bool usable = field.transform.kind != TransformKind::kVoid &&
                        field.transform.kind != TransformKind::kUnknown;
    if (!usable) continue;
    for (const auto& condition : conditions) {
      if (condition.field->id != field.source_id) continue;
      const Field* source = table.FindColumnEver(field.source_id);
      auto test = Project(field.transform, source->type, condition.test);
      if (test) tests.push_back({i, std::move(*test)});
    }
  }
  return tests;
}

std::optional<Value> DecodeBound(const Type& type, const std::optional<std::string>& bytes) {
  if (!bytes) return std::nullopt;
  auto value = DecodeValue(type, *bytes);
  if (!value.ok()) return std::nullopt;
  return std::move(*value);
}

bool IsFloating(const Type& type) {
  return type.kind == TypeKind::kFloat || type.kind == TypeKind::kDouble;
}

Range RangeOfSummary(const FieldSummary& summary, const Type& type) {
  Range range;
  range.may_be_null = summary.contains_null;
  range.may_be_nan = IsFloating(type) && summary.contains_nan.value_or(true);
  range.lower = DecodeBound(type, summary.lower_bound);
  range.upper = DecodeBound(type, summary.upper_bound);
  return range;
}

Range RangeOfPartition(const Value& value) {
  Range range;
  range.may_be_null = IsNull(value);
  range.may_be_value = !IsNull(value);
  const auto* number = std::get_if<double>(&value);
  range.may_be_nan = number != nullptr && std::isnan(*number);
  if (!IsNull(value)) range.lower = range.upper = value;
  return range;
}

template <typename Map>
const typename Map::mapped_type* Lookup(const Map& map, int32_t key) {
  const auto found = map.find(key);
  return found == map.end() ? nullptr : &found->second;
}

Range RangeOfColumn(const DataFile& file, const Field& field) {
  Range range;
  const int64_t* values = Lookup(file.value_counts, field.id);
  const int64_t* nulls = Lookup(file.null_value_counts, field.id);
  if (nulls != nullptr) {
    range.may_be_null = *nulls != 0;
    if (values != nullptr) range.may_be_value = *nulls < *values;
  }
  if (IsFloating(field.type)) {
    const int64_t* nans = Lookup(file.nan_value_counts, field.id);
    range.may_be_nan = nans == nullptr || *nans > 0;
  }
  if (const auto* lower = Lookup(file.lower_bounds, field.id)) {
    range.lower = DecodeBound(field.type, *lower);
  }
  if (const auto* upper = Lookup(file.upper_bounds, field.id)) {
    range.upper = DecodeBound(field.type, *upper);
  }
  return range;
}

// Plans one snapshot.
class Planner {
 public:
  Planner(const store::ObjectStore& store, ManifestCache& cache, const TableMetadata& table,
          std::vector<Condition> conditions)
      : store_(store), cache_(cache), table_(table), conditions_(std::move(conditions)) {
    for (const auto& spec : table.specs) {
      tests_[spec.id] = ProjectAll(table, spec, conditions_);
      types_[spec.id] = table.TypesOf(spec);
    }
  }

  Result<Plan> Run(const Snapshot& snapshot) {
    TARN_ASSIGN_OR_RETURN(const ManifestList list, cache_.List(store_, snapshot));
    for (const auto& manifest : *list) {
      if (manifest.content != ManifestContent::kDeletes || manifest.live_files() == 0) continue;
      TARN_TRY(ReadDeletes(manifest));
    }
    for (const auto& manifest : *list) {
      if (manifest.content != ManifestContent::kData || manifest.live_files() == 0) continue;
      if (!MayMatchManifest(manifest)) {
        ++plan_.manifests_skipped;
        continue;
      }
      TARN_TRY(ReadData(manifest));
    }
    return std::move(plan_);
  }

 private:
  bool MayMatchManifest(const ManifestFile& manifest) {
    const auto& types = types_[manifest.spec_id];
    for (const auto& [position, test] : tests_[manifest.spec_id]) {
      if (position >= manifest.partitions.size() || !types[position]) continue;
      if (!MayMatch(RangeOfSummary(manifest.partitions[position], *types[position]), test)) {
        return false;
      }
    }
    return true;
  }

  bool MayMatchFile(const DataFile& file) {
    for (const auto& [position, test] : tests_[file.spec_id]) {
      if (!MayMatch(RangeOfPartition(file.partition[position]), test)) return false;
    }
    return std::all_of(conditions_.begin(), conditions_.end(), [&](const Condition& condition) {
      return MayMatch(RangeOfColumn(file, *condition.field), condition.test);
    });
  }

  Status ReadData(const ManifestFile& manifest) {
    TARN_ASSIGN_OR_RETURN(const Entries entries, cache_.Manifest(store_, table_, manifest));
    ++plan_.manifests_read;
    for (const auto& entry : *entries) {
      if (!entry.live()) continue;
      if (!MayMatchFile(entry.file)) {
        ++plan_.files_skipped;
        continue;
      }
      PlannedFile planned{entry.file, entry.sequence_number.value_or(0), {}};
      AttachDeletes(planned);
      plan_.files.push_back(std::move(planned));
    }
    return {};
  }

  Status ReadDeletes(const ManifestFile& manifest) {
    TARN_ASSIGN_OR_RETURN(const Entries entries, cache_.Manifest(store_, table_, manifest));
    ++plan_.manifests_read;
    held_.push_back(entries);
    for (const auto& entry : *entries) {
      if (!entry.live()) continue;
      const bool global =
          entry.file.content == FileContent::kEqualityDeletes && entry.file.partition.empty();
      deletes_[global ? std::string() : PartitionKey(entry.file)].push_back(&entry);
    }
    return {};
  }

  void AttachDeletes(PlannedFile& planned) {
    if (deletes_.empty()) return;
    for (const std::string& key : {PartitionKey(planned.file), std::string()}) {
      const auto found = deletes_.find(key);
      if (found == deletes_.end()) continue;
      for (const ManifestEntry* entry : found->second) {
        if (Applies(*entry, planned)) planned.deletes.push_back(entry->file);
      }
    }
  }

  static bool Applies(const ManifestEntry& entry, const PlannedFile& planned) {
    const DataFile& file = entry.file;
    const int64_t sequence_number = entry.sequence_number.value_or(0);
    if (file.content == FileContent::kEqualityDeletes) {
      return sequence_number > planned.sequence_number;
    }
    if (sequence_number < planned.sequence_number) return false;
    if (file.referenced_data_file) return *file.referenced_data_file == planned.file.path;
    const std::string* lower = Lookup(file.lower_bounds, kDeletedPathFieldId);
    const std::string* upper = Lookup(file.upper_bounds, kDeletedPathFieldId);
    return (lower == nullptr || *lower <= planned.file.path) &&
           (upper == nullptr || *upper >= planned.file.path);
  }

  const store::ObjectStore& store_;
  ManifestCache& cache_;
  const TableMetadata& table_;
  const std::vector<Condition> conditions_;
  std::map<int32_t, std::vector<PartitionTest>> tests_;
  std::map<int32_t, PartitionTypes> types_;
  std::vector<Entries> held_;                                         // what deletes_ points into
  std::map<std::string, std::vector<const ManifestEntry*>> deletes_;  // "": for all partitions
  Plan plan_;
};

}  // namespace

Result<Plan> PlanFiles(const store::ObjectStore& store, ManifestCache& cache,
                       const TableMetadata& table, std::optional<int64_t> snapshot_id,
                       const Filter& filter) {
  TARN_ASSIGN_OR_RETURN(auto conditions, Compile(table.schema(), filter));
  const Snapshot* snapshot =
      snapshot_id ? table.FindSnapshot(*snapshot_id) : table.current_snapshot();
  if (snapshot == nullptr) {
    if (!snapshot_id) return Plan{};
    return NotFound(fmt::format("there is no snapshot {}", *snapshot_id));
  }
  return Planner(store, cache, table, std::move(conditions)).Run(*snapshot);
}

Result<std::optional<uint64_t>> CountRows(const store::ObjectStore& store, ManifestCache& cache,
                                          const TableMetadata& table) {
  const Snapshot* snapshot = table.current_snapshot();
  if (snapshot == nullptr) return std::optional<uint64_t>(0);
  TARN_ASSIGN_OR_RETURN(const ManifestList list, cache.List(store, *snapshot));
  uint64_t rows = 0;
  for (const ManifestFile& manifest : *list) {
    if (manifest.live_files() == 0) continue;
    const int64_t live = manifest.added_rows + manifest.existing_rows;
    // A writer of version 1 may leave the counts out, which reads as 0.
    if (manifest.content != ManifestContent::kData || live <= 0) return std::optional<uint64_t>();
    rows += static_cast<uint64_t>(live);
  }
  return std::optional<uint64_t>(rows);
}

}  // namespace tarn::iceberg
