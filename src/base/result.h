#pragma once

#include <utility>
#include <variant>

#include "base/check.h"
#include "base/error.h"

namespace tarn {

// A value or an Error. Reading the value of a failed Result is a bug and aborts.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value)
      : state_(std::in_place_index<0>, std::move(value)) {
  }  // NOLINT(google-explicit-constructor): returns
  Result(Error error)
      : state_(std::in_place_index<1>, std::move(error)) {
  }  // NOLINT(google-explicit-constructor): returns

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & { return *Checked(); }
  const T& value() const& {
    TARN_CHECK(ok());
    return *std::get_if<0>(&state_);
  }
  T&& value() && { return std::move(*Checked()); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // The value, or `otherwise` in place of an error.
  T value_or(T otherwise) const& {
    if (ok()) return value();
    return otherwise;
  }

  const Error& error() const& {
    TARN_CHECK(!ok());
    return *std::get_if<1>(&state_);
  }
  Error&& error() && {
    TARN_CHECK(!ok());
    return std::move(*std::get_if<1>(&state_));
  }

 private:
  T* Checked() {
    TARN_CHECK(ok());
    return std::get_if<0>(&state_);
  }
  std::variant<T, Error> state_;
};

// Success or an Error. `return Status();` or `return {};` is success.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : state_(std::move(error)) {}  // NOLINT(google-explicit-constructor): returns

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  const Error& error() const& {
    TARN_CHECK(!ok());
    return *std::get_if<1>(&state_);
  }
  Error&& error() && {
    TARN_CHECK(!ok());
    return std::move(*std::get_if<1>(&state_));
  }

 private:
  std::variant<std::monostate, Error> state_;
};
using Status = Result<void>;

}  // namespace tarn

#define TARN_CONCAT_INNER(a, b) a##b
#define TARN_CONCAT(a, b) TARN_CONCAT_INNER(a, b)

// Return the error of a Result, if it has one.
#define TARN_TRY(expression) TARN_TRY_INNER(TARN_CONCAT(tarn_status_, __LINE__), expression)
#define TARN_TRY_INNER(status, expression)              \
  do {                                                  \
    auto status = (expression);                         \
    if (!status.ok()) return std::move(status).error(); \
  } while (false)

// TARN_ASSIGN_OR_RETURN(auto file, fs.Open(path));
#define TARN_ASSIGN_OR_RETURN(lhs, expression) \
  TARN_ASSIGN_OR_RETURN_INNER(TARN_CONCAT(tarn_result_, __LINE__), lhs, expression)
#define TARN_ASSIGN_OR_RETURN_INNER(result, lhs, expression) \
  auto result = (expression);                                \
  if (!result.ok()) return std::move(result).error();        \
  lhs = std::move(result).value()
