#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tarn::agent {

struct HttpResponse {
  int status = 0;
  int64_t retry_after_seconds = -1;  // -1: not stated
  std::string body;
};

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

// Carries a batch to the server. One call at a time; Cancel from any thread.
class Transport {
 public:
  virtual ~Transport() = default;
  // Any HTTP answer is a success here. Unavailable, DeadlineExceeded, Cancelled, Unauthenticated
  // (the server's certificate) otherwise; whether the server has the body is then unknown.
  virtual Result<HttpResponse> Post(std::string_view path, const HttpHeaders& headers,
                                    std::string_view body) = 0;
  // The present call and all later ones answer Cancelled, soon.
  virtual void Cancel() = 0;
};

}  // namespace tarn::agent
