#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/message.h"

namespace tarn::http {

class Inbox;         // of one I/O thread (inbox.h)
struct StreamState;  // shared by a ResponseStream and its connection (inbox.h)

// The body of a response that is too long to build first, sent in chunks while it is produced.
// Thread-confined; never used on an I/O thread, because Write waits. Dropped without Finish, it
// cuts the connection, so that the client cannot take a part for the whole.
class ResponseStream {
 public:
  ResponseStream(ResponseStream&&) noexcept;
  ResponseStream& operator=(ResponseStream&&) noexcept;
  ~ResponseStream();

  // Blocks while the client is more than 256 KiB behind. Cancelled once the client has gone away,
  // stopped reading for the write timeout, or the server was stopped: stop producing.
  Status Write(std::string_view bytes);
  // The body is complete. Cancelled as above.
  Status Finish();
  // True once Write would answer Cancelled. For producers that work long before their first byte.
  bool cancelled() const;

 private:
  friend class Responder;
  explicit ResponseStream(std::shared_ptr<StreamState> state);
  std::shared_ptr<StreamState> state_;
};

// The right and duty to answer one request, once, from any thread, at any time, even after the
// server is gone (then nothing happens). Dropped unused, it answers 500. Move-only.
class Responder {
 public:
  Responder(Responder&&) noexcept;
  Responder& operator=(Responder&&) noexcept;
  ~Responder();

  // Never blocks. Answers of many requests sent in a row from one thread wake the I/O thread once.
  void Send(Response response) &&;
  void SendError(const Error& error) &&;
  // Starts a streamed response; `head.body` goes out as its first bytes.
  ResponseStream Stream(Response head) &&;

 private:
  friend class Connection;
  Responder(std::shared_ptr<Inbox> inbox, uint64_t connection, uint64_t sequence);
  std::shared_ptr<Inbox> inbox_;
  uint64_t connection_ = 0;
  uint64_t sequence_ = 0;
};

}  // namespace tarn::http
