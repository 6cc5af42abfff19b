#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/message.h"
#include "http/responder.h"

namespace tarn::http {

// Runs on an I/O thread and must not block: work that takes longer than some 100 µs goes to a
// thread of its owner's, with the responder.
using Receiver = std::function<void(Request&&, Responder)>;

// Decides from the header alone, before a byte of the body is read or counted; `head` has no body
// yet. Runs on an I/O thread, must not block, and may be called beside itself. Its error is
// answered; if a body was to follow, the connection is closed.
using Admission = std::function<Status(const Request& head, std::string_view peer)>;

struct RouteOptions {
  size_t max_body_bytes = size_t{1} << 20;  // a larger one is answered 413 before it is read
  Admission admit = nullptr;                // empty: everybody
};

// Which receiver answers what. Filled before the server starts, then only read. A path is compared
// as sent, percent-encoding and case included. An exact route goes before prefixes, a longer prefix
// before a shorter one.
class Router {
 public:
  struct Route {
    Receiver receiver;
    RouteOptions options;
  };

  // The path itself: "/v1/ingest". Registering a pair twice is a bug and aborts.
  void Exact(Method method, std::string path, Receiver receiver, RouteOptions options = {});
  // Every path that begins with `prefix`, which ends in '/': "/v1/tables/".
  void Prefix(Method method, std::string prefix, Receiver receiver, RouteOptions options = {});

  // nullptr if there is none; `allowed` then lists the methods the path does have ("GET, HEAD"),
  // empty if the path is unknown. HEAD finds the route of GET unless it has one.
  const Route* Find(Method method, std::string_view path, std::string* allowed) const;

 private:
  using Methods = std::map<Method, Route>;
  static const Route* FindIn(const Methods& methods, Method method, std::string* allowed);

  std::map<std::string, Methods, std::less<>> exact_;
  std::vector<std::pair<std::string, Methods>> prefixes_;  // longest first
};

}  // namespace tarn::http
