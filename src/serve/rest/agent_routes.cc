#include "serve/rest/agent_routes.h"

#include <memory>
#include <utility>

#include "agent_wire/batch.h"
#include "codec/json.h"

namespace tarn::serve::rest {
namespace {

http::Response AnswerOf(const lake::BatchAnswer& answer) {
  http::Response response;
  const auto offset = static_cast<int64_t>(answer.offset);
  codec::Json body;
  switch (answer.kind) {
    case lake::BatchAnswer::Kind::kStored:
      body = codec::Json::Object{{"status", "stored"}, {"next_offset", offset}};
      break;
    case lake::BatchAnswer::Kind::kDuplicate:
      body = codec::Json::Object{{"status", "duplicate"}, {"next_offset", offset}};
      break;
    case lake::BatchAnswer::Kind::kGap:
      response.status = 409;
      body = codec::Json::Object{{"expected_offset", offset}};
      break;
  }
  response.body = codec::DumpJson(body);
  return response;
}

// Broken bytes will be as broken the next time: not the server's fault, not to be sent again.
http::Response AnswerOf(const Error& error) {
  if (error.code() == Code::kDataLoss || error.code() == Code::kUnsupported) {
    return http::ErrorResponse(422, TraitsOf(error.code()).name, error.message());
  }
  return http::ErrorResponse(error);
}

Status Authorize(const Backend& backend, const http::Request& request) {
  TARN_ASSIGN_OR_RETURN(const auth::Principal who,
                        backend.keys.Check(request.headers.Find("authorization"), request.peer));
  // A key that may not send at all learns nothing about the bytes.
  if (who.role != auth::Role::kAdmin) TARN_TRY(who.Require(auth::Role::kIngest));
  TARN_ASSIGN_OR_RETURN(const auto header, agent_wire::DecodeHeader(request.body));
  return who.RequireSource(header.source);
}

}  // namespace

void AddAgentRoutes(const Backend& backend, http::Router& router) {
  const auto receive = [&backend](http::Request&& request, http::Responder responder) {
    if (const Status allowed = Authorize(backend, request); !allowed.ok()) {
      std::move(responder).Send(AnswerOf(allowed.error()));
      return;
    }
    // std::function wants a copyable callback; the responder is not.
    auto shared = std::make_shared<http::Responder>(std::move(responder));
    backend.door.Submit(request.body, [shared](const Result<lake::BatchAnswer>& answer) {
      std::move(*shared).Send(answer.ok() ? AnswerOf(*answer) : AnswerOf(answer.error()));
    });
  };
  router.Exact(http::Method::kPost, std::string(agent_wire::kPath), receive,
               {.max_body_bytes = agent_wire::kMaxBatchBytes});
}

}  // namespace tarn::serve::rest
