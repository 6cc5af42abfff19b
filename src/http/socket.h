#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

struct sockaddr_storage;

namespace tarn::http {

// Owns a file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { Reset(); }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept;

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void Reset();

 private:
  int fd_ = -1;
};

// Of a read or write that does not block.
struct IoOutcome {
  enum class Kind : uint8_t { kBytes, kWouldBlock, kEnd, kBroken };
  Kind kind = Kind::kBroken;
  size_t bytes = 0;
};
IoOutcome ReceiveSome(int fd, char* buffer, size_t size);
IoOutcome SendSome(int fd, std::string_view bytes);  // raises no SIGPIPE

// A listening, non-blocking TCP socket on a numeric address. InvalidArgument for the address,
// Conflict if the port is taken, PermissionDenied.
Result<Descriptor> Listen(const std::string& host, uint16_t port);
uint16_t LocalPort(int fd);
std::string FormatPeer(const sockaddr_storage& address);

// A connected, non-blocking socket; tries every address of the name in turn. Unavailable,
// DeadlineExceeded.
Result<Descriptor> Connect(const std::string& host, uint16_t port, int64_t timeout_micros);
// False when the time ran out. `events` as of poll(2).
bool WaitFor(int fd, short events, int64_t timeout_micros);

}  // namespace tarn::http
