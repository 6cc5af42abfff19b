#include "base/error.h"

#include <array>
#include <utility>

namespace tarn {
namespace {

constexpr std::array<CodeTraits, 15> kTraits = {{
    {"InvalidArgument", 400, "22023", 2, false},
    {"NotFound", 404, "42704", 3, false},
    {"AlreadyExists", 409, "42710", 4, false},
    {"Conflict", 409, "40001", 5, true},
    {"Unauthenticated", 401, "28000", 6, false},
    {"PermissionDenied", 403, "42501", 7, false},
    {"ResourceExhausted", 429, "53000", 8, true},
    {"Unavailable", 503, "57P03", 9, true},
    {"DeadlineExceeded", 504, "57014", 10, true},
    {"Cancelled", 499, "57014", 130, false},
    {"ReaderGone", 499, "57014", 141, false},  // as of a command that SIGPIPE ends
    {"DataLoss", 500, "XX001", 11, false},
    {"Unsupported", 501, "0A000", 12, false},
    {"Io", 500, "58030", 13, true},
    {"Internal", 500, "XX000", 70, false},
}};

}  // namespace

const CodeTraits& TraitsOf(Code code) { return kTraits.at(static_cast<size_t>(code)); }

std::string Error::ToString() const { return std::string(TraitsOf(code_).name) + ": " + message_; }

Error Error::In(std::string_view context) && {
  message_.insert(0, ": ");
  message_.insert(0, context);
  return std::move(*this);
}

Error InvalidArgument(std::string message) { return {Code::kInvalidArgument, std::move(message)}; }
Error NotFound(std::string message) { return {Code::kNotFound, std::move(message)}; }
Error AlreadyExists(std::string message) { return {Code::kAlreadyExists, std::move(message)}; }
Error Conflict(std::string message) { return {Code::kConflict, std::move(message)}; }
Error Unauthenticated(std::string message) { return {Code::kUnauthenticated, std::move(message)}; }
Error PermissionDenied(std::string message) {
  return {Code::kPermissionDenied, std::move(message)};
}
Error ResourceExhausted(std::string message) {
  return {Code::kResourceExhausted, std::move(message)};
}
Error Unavailable(std::string message) { return {Code::kUnavailable, std::move(message)}; }
Error DeadlineExceeded(std::string message) {
  return {Code::kDeadlineExceeded, std::move(message)};
}
Error Cancelled(std::string message) { return {Code::kCancelled, std::move(message)}; }
Error DataLoss(std::string message) { return {Code::kDataLoss, std::move(message)}; }
Error Unsupported(std::string message) { return {Code::kUnsupported, std::move(message)}; }
Error IoError(std::string message) { return {Code::kIo, std::move(message)}; }
Error Internal(std::string message) { return {Code::kInternal, std::move(message)}; }

}  // namespace tarn
