#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tarn {

// The conditions a program branches on. ErrorTraits() maps each to HTTP status, SQLSTATE, exit
// status and retry.
enum class Code : uint8_t {
  kInvalidArgument,
  kNotFound,
  kAlreadyExists,
  kConflict,
  kUnauthenticated,
  kPermissionDenied,
  kResourceExhausted,
  kUnavailable,
  kDeadlineExceeded,
  kCancelled,
  kReaderGone,  // `| head` has enough: no failure to speak of
  kDataLoss,
  kUnsupported,
  kIo,
  kInternal,
};

struct CodeTraits {
  std::string_view name;      // "InvalidArgument"
  int http_status;            // 400
  std::string_view sqlstate;  // "22023"
  int exit_status;            // what a command returns
  bool retry;                 // the same call may succeed later
};

// The one table of error codes; docs/exit-codes.md is made from it.
const CodeTraits& TraitsOf(Code code);

// An error: code and message. Context is put in front, once per layer, where it is known:
//   return std::move(error).In("segment 17, offset 4096");   →  "segment 17, offset 4096: bad
//   checksum"
class [[nodiscard]] Error {
 public:
  Error(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  Code code() const { return code_; }
  const std::string& message() const { return message_; }
  // "DataLoss: segment 17, offset 4096: bad checksum"
  std::string ToString() const;

  Error In(std::string_view context) &&;

 private:
  Code code_;
  std::string message_;
};

Error InvalidArgument(std::string message);
Error NotFound(std::string message);
Error AlreadyExists(std::string message);
Error Conflict(std::string message);
Error Unauthenticated(std::string message);
Error PermissionDenied(std::string message);
Error ResourceExhausted(std::string message);
Error Unavailable(std::string message);
Error DeadlineExceeded(std::string message);
Error Cancelled(std::string message);
Error DataLoss(std::string message);
Error Unsupported(std::string message);
Error IoError(std::string message);
Error Internal(std::string message);

}  // namespace tarn
