#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/time.h"

namespace tarn::event {

// A calendar day: days since 1970-01-01.
struct Date {
  int32_t days = 0;
  auto operator<=>(const Date&) const = default;
};

// A constant a column is compared with. Its alternative fits the column's type: int64_t for int and
// long (and time, in microseconds), double for float and double, std::string for string, bool for
// boolean, Timestamp for timestamp and timestamptz, Date for date. Other types are never compared.
using Literal = std::variant<int64_t, double, std::string, bool, Timestamp, Date>;

enum class Comparison : uint8_t {
  kEqual,
  kLess,
  kLessOrEqual,
  kGreater,
  kGreaterOrEqual,
  kIn,         // equal to one of the literals
  kIsNull,     // no literal
  kIsNotNull,  // no literal
};

// One condition on one top-level column. A null value satisfies kIsNull alone.
struct Predicate {
  std::string column;
  Comparison op = Comparison::kEqual;
  std::vector<Literal> literals;  // exactly one, unless op says otherwise; kIn: at least one

  bool operator==(const Predicate&) const = default;
};

// What is known about the rows a reader wants: all predicates hold (AND). It is a promise about
// rows, not a request: a file that can hold no such row may be left out, nothing must be. Empty:
// all rows.
using Filter = std::vector<Predicate>;

}  // namespace tarn::event
