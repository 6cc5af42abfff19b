#pragma once

#include <array>
#include <string>
#include <string_view>

#include "obs/metrics.h"

namespace tarn::http {

// What the server counts. Names begin with tarn_http_.
class Events {
 public:
  explicit Events(obs::Registry& registry)
      : connections_(registry.GetGauge("tarn_http_connections", "Open connections")),
        refused_(registry.GetCounter("tarn_http_connections_refused_total",
                                     "Connections over the limit")),
        timeouts_(registry.GetCounter("tarn_http_timeouts_total",
                                      "Connections closed or answered 408 for being slow")),
        received_(registry.GetCounter("tarn_http_received_bytes_total", "Bytes read")),
        sent_(registry.GetCounter("tarn_http_sent_bytes_total", "Bytes written")),
        seconds_(registry.GetHistogram("tarn_http_request_seconds",
                                       "From the last byte of a request to its answer")) {
    for (size_t i = 0; i < responses_.size(); ++i) {
      responses_.at(i) = &registry.GetCounter("tarn_http_responses_total", "Answers by status",
                                              {{"class", std::to_string(i + 1) + "xx"}});
    }
  }

  void Connections(size_t count) { connections_.Set(static_cast<double>(count)); }
  void Refused() { refused_.Add(); }
  void TimedOut() { timeouts_.Add(); }
  void Received(size_t bytes) { received_.Add(bytes); }
  void Sent(size_t bytes) { sent_.Add(bytes); }
  void Answered(int status, int64_t micros) {
    const auto index = static_cast<size_t>(status / 100 - 1);
    if (index < responses_.size()) responses_.at(index)->Add();
    seconds_.Observe(static_cast<double>(micros) / 1e6);
  }

 private:
  obs::Gauge& connections_;
  obs::Counter& refused_;
  obs::Counter& timeouts_;
  obs::Counter& received_;
  obs::Counter& sent_;
  obs::Histogram& seconds_;
  std::array<obs::Counter*, 5> responses_{};
};

}  // namespace tarn::http
