#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "event/schema.h"
#include "iceberg/value.h"

namespace tarn::iceberg {

enum class TransformKind : uint8_t {
  kIdentity,
  kBucket,    // `parameter` buckets, murmur3
  kTruncate,  // to `parameter`
  kYear,
  kMonth,
  kDay,
  kHour,
  kVoid,
  kUnknown,  // another writer's; `name` keeps it. Never pruned by, never written to.
};

struct Transform {
  TransformKind kind = TransformKind::kIdentity;
  int32_t parameter = 0;
  std::string name;  // kUnknown only
  bool operator==(const Transform&) const = default;
};

// "identity", "bucket[16]", "truncate[4]", "hour", …
Transform ParseTransform(std::string_view text);
std::string TransformText(const Transform& transform);

// The type of the partition value; nullopt if the transform cannot be applied to `source`.
std::optional<event::Type> TransformResultType(const Transform& transform,
                                               const event::Type& source);
// Null gives null. Rounds towards minus infinity, before 1970 too. The value must fit `source`.
Result<Value> ApplyTransform(const Transform& transform, const event::Type& source,
                             const Value& value);
// A partition value as people write it: "2026-10-26-07" for an hour, "2026-10" for a month.
std::string PartitionValueText(const Transform& transform, const event::Type& result_type,
                               const Value& value);

struct PartitionField {
  int32_t source_id = 0;
  int32_t field_id = 0;  // >= 1000, unique in the table for ever
  std::string name;
  Transform transform;
  bool operator==(const PartitionField&) const = default;
};

struct PartitionSpec {
  int32_t id = 0;
  std::vector<PartitionField> fields;
  bool operator==(const PartitionSpec&) const = default;
};

inline constexpr int32_t kFirstPartitionFieldId = 1000;

// One entry of a partition tuple: nothing known of the source column any more → type is nullopt.
using PartitionTypes = std::vector<std::optional<event::Type>>;

codec::Json SpecToJson(const PartitionSpec& spec);
Result<PartitionSpec> SpecFromJson(const codec::Json& json);

// Murmur3 x86 32-bit, seed 0, as the bucket transform uses it.
uint32_t Murmur3(std::string_view bytes);

}  // namespace tarn::iceberg
