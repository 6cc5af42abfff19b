#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tarn::demo {

// A blocking TCP connection to this machine, with one time limit for connecting and for each read
// and write. Thread-confined.
class Socket {
 public:
  // 127.0.0.1, or ::1 with over_ipv6. Unavailable if nobody listens.
  static Result<Socket> Connect(int port, bool over_ipv6, int64_t timeout_micros);

  Socket() = default;
  ~Socket() { Close(); }
  Socket(Socket&& other) noexcept;
  Socket& operator=(Socket&& other) noexcept;

  bool open() const { return fd_ >= 0; }
  Status Write(std::string_view bytes);
  // Appends up to 64 KiB to `buffer`; 0 at the end of the stream. DeadlineExceeded on silence.
  Result<size_t> Read(std::string& buffer);
  void Close();

 private:
  explicit Socket(int fd) : fd_(fd) {}
  int fd_ = -1;
};

// A port on which nothing listens now, on 127.0.0.1 and ::1 alike.
Result<int> FreePort();
bool PortIsFree(int port);

// What the demo needs of an HTTP answer.
struct HttpAnswer {
  int status = 0;
  bool close = false;       // the server closes the connection
  int64_t time_micros = 0;  // of the X-Time header; 0: none
  uint64_t body_bytes = 0;
  std::string body;  // at most 1 MiB is kept
};

// Reads one answer; `buffer` keeps what was read beyond it. `head_only`: no body follows. An end of
// the stream before the first byte is Unavailable, later DataLoss.
Result<HttpAnswer> ReadAnswer(Socket& socket, std::string& buffer, bool head_only);

// GET on 127.0.0.1 with one connection of its own.
Result<HttpAnswer> HttpGet(int port, std::string_view path, std::string_view bearer,
                           int64_t timeout_micros);

}  // namespace tarn::demo
