#include "serve/rest/operation_routes.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "base/text.h"
#include "serve/rest/source_metrics.h"

namespace tarn::serve::rest {
namespace {

using codec::Json;

constexpr int64_t kFlushTimeoutMicros = 60 * kMicrosPerSecond;
// No route here needs a body, but some clients send {} with every POST.
constexpr size_t kMaxBodyBytes = 1024;

Json TimeOrNull(Timestamp time) { return time.micros == 0 ? Json() : Json(FormatTimestamp(time)); }

Json HostJson(const lake::HostStatus& host, Timestamp now) {
  Json json;
  json.Set("host", host.host);
  json.Set("lines", static_cast<int64_t>(host.lines));
  json.Set("rejected", static_cast<int64_t>(host.rejected));
  json.Set("bytes", static_cast<int64_t>(host.bytes));
  json.Set("last_error", host.last_error);
  json.Set("last_error_time", host.last_error.empty() ? Json() : TimeOrNull(host.last_error_at));
  json.Set("lines_per_second", host.lines_per_second);
  json.Set("lag_seconds", host.lag_seconds);
  json.Set("last_read", TimeOrNull(host.last_read));
  json.Set("silent_seconds",
           static_cast<double>(now.micros - host.last_ingested.micros) / kMicrosPerSecond);
  return json;
}

Json SourcesJson(const lake::LandingStatus& landing, Timestamp now) {
  const auto by_source = HostsBySource(landing);
  Json::Array sources;
  for (const auto& [name, counts] : landing.sources) {
    const HostsOfSource& hosts = by_source.at(name);
    Json::Array host_list;
    for (const lake::HostStatus* host : hosts) host_list.push_back(HostJson(*host, now));
    Json source;
    source.Set("name", name);
    source.Set("lines", static_cast<int64_t>(counts.lines));
    source.Set("rejected", static_cast<int64_t>(counts.rejected));
    source.Set("lag_seconds", counts.lag_seconds);
    source.Set("last_read", TimeOrNull(counts.last_read));
    source.Set("last_error", ErrorOf(landing, hosts));
    source.Set("hosts", std::move(host_list));
    sources.push_back(std::move(source));
  }
  return sources;
}

Result<Json> StatusJson(const Backend& backend, Timestamp started) {
  TARN_ASSIGN_OR_RETURN(const auto datasets, backend.catalog.ListDatasets(std::nullopt));
  const lake::LandingStatus landing = backend.landing.status();
  const journal::Stats journal = backend.journal.stats();
  const Timestamp now = backend.clock.Now();
  Json json;
  json.Set("version", backend.version);
  json.Set("time", FormatTimestamp(now));
  json.Set("started", FormatTimestamp(started));
  json.Set("sources", SourcesJson(landing, now));
  json.Set("datasets", DatasetsJson(datasets));
  Json log;
  log.Set("begin", static_cast<int64_t>(backend.journal.begin().value));
  log.Set("end", static_cast<int64_t>(backend.journal.end().value));
  log.Set("bytes", static_cast<int64_t>(backend.journal.size_bytes()));
  log.Set("healthy", journal.healthy);
  log.Set("full", journal.full);
  log.Set("last_error", journal.reason);
  json.Set("journal", std::move(log));
  Json lander;
  lander.Set("position", static_cast<int64_t>(landing.position));
  lander.Set("waiting", static_cast<int64_t>(backend.journal.end().value - landing.position));
  lander.Set("buffered_bytes", static_cast<int64_t>(landing.buffered_bytes));
  lander.Set("late", landing.late);
  lander.Set("commits", static_cast<int64_t>(landing.commits));
  lander.Set("last_commit",
             landing.last_commit ? Json(FormatTimestamp(*landing.last_commit)) : Json());
  lander.Set("last_error", landing.last_error);
  json.Set("landing", std::move(lander));
  return json;
}

Result<Json> Flush(const Backend& backend, int64_t came_micros) {
  const int64_t waited = backend.clock.MonotonicMicros() - came_micros;
  TARN_TRY(backend.landing.FlushAll(kFlushTimeoutMicros - waited));
  Json json;
  json.Set("position", static_cast<int64_t>(backend.landing.position()));
  return json;
}

http::Response ReadyAnswer(const Backend& backend) {
  const journal::Stats journal = backend.journal.stats();
  const std::string landing_error = backend.landing.last_error();
  Json::Array reasons;
  if (!journal.healthy) {
    reasons.emplace_back(fmt::format("the journal cannot be written: {}", journal.reason));
  }
  if (journal.full) reasons.emplace_back(fmt::format("the journal is full: {}", journal.reason));
  if (!landing_error.empty()) reasons.emplace_back(fmt::format("landing fails: {}", landing_error));
  http::Response response;
  response.status = reasons.empty() ? 200 : 503;
  Json body;
  body.Set("ready", reasons.empty());
  body.Set("reasons", std::move(reasons));
  response.body = codec::DumpJson(body) + "\n";
  return response;
}

// Runs `answer` on the worker; it is told when the request came.
http::Receiver On(Worker& worker, const os::Clock& clock,
                  std::function<http::Response(int64_t came_micros)> answer) {
  return [&worker, &clock, answer = std::move(answer)](http::Request&& /*request*/,
                                                       http::Responder responder) {
    auto shared = std::make_shared<http::Responder>(std::move(responder));
    const bool posted = worker.Post([shared, answer, came = clock.MonotonicMicros()] {
      std::move(*shared).Send(answer(came));
    });
    if (!posted) std::move(*shared).SendError(Unavailable("too many requests are waiting"));
  };
}

http::Response AnswerOf(const Result<Json>& json) {
  if (!json.ok()) return http::ErrorResponse(json.error());
  return {.body = codec::DumpJson(*json) + "\n"};
}

http::Response MetricsAnswer(const Backend& backend) {
  return {.content_type = "text/plain; version=0.0.4; charset=utf-8",
          .body = backend.metrics.Print() + PrintSourceMetrics(backend.landing.status())};
}

}  // namespace

codec::Json DatasetsJson(const std::vector<catalog::Dataset>& datasets) {
  Json::Array list;
  for (const catalog::Dataset& dataset : datasets) {
    if (dataset.kind != catalog::DatasetKind::kTable) continue;
    Json json;
    json.Set("zone", catalog::ZoneName(dataset.name.zone));
    json.Set("name", dataset.name.table);
    json.Set("rows", dataset.rows);
    json.Set("bytes", dataset.bytes);
    json.Set("commits", dataset.commits);
    list.push_back(std::move(json));
  }
  return list;
}

void AddOperationRoutes(const Backend& backend, const Workers& workers, http::Router& router) {
  const Timestamp started = backend.clock.Now();
  const http::RouteOptions for_all{.max_body_bytes = 0};
  const http::RouteOptions for_readers{.max_body_bytes = kMaxBodyBytes,
                                       .admit = Admit(backend, auth::Role::kReader)};
  const auto health = [](http::Request&&, http::Responder responder) {
    std::move(responder).Send({.body = "{\"status\":\"ok\"}\n"});
  };
  const auto ready = [&backend](http::Request&&, http::Responder responder) {
    std::move(responder).Send(ReadyAnswer(backend));
  };
  const auto metrics = [&backend](int64_t /*came_micros*/) { return MetricsAnswer(backend); };
  const auto status = [&backend, started](int64_t /*came_micros*/) {
    return AnswerOf(StatusJson(backend, started));
  };
  const auto flush = [&backend](int64_t came_micros) {
    return AnswerOf(Flush(backend, came_micros));
  };
  router.Exact(http::Method::kGet, "/health", health, for_all);
  router.Exact(http::Method::kGet, "/ready", ready, for_all);
  router.Exact(http::Method::kGet, "/metrics", On(workers.reading, backend.clock, metrics),
               for_all);
  router.Exact(http::Method::kGet, "/v1/status", On(workers.reading, backend.clock, status),
               for_readers);
  router.Exact(http::Method::kPost, "/v1/flush", On(workers.flushing, backend.clock, flush),
               for_readers);
}

}  // namespace tarn::serve::rest
