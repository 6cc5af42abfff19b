#include "serve/rest/agent_routes.h"

#include <memory>
#include <string>
#include <utility>

#include "agent_wire/batch.h"

namespace tarn::serve::rest {
namespace {

http::Response AnswerOf(const lake::BatchAnswer& answer) {
  http::Response response;
  const std::string offset = std::to_string(answer.offset);
  switch (answer.kind) {
    case lake::BatchAnswer::Kind::kStored:
      response.body = R"({"status":"stored","next_offset":)" + offset + "}";
      break;
    case lake::BatchAnswer::Kind::kDuplicate:
      response.body = R"({"status":"duplicate","next_offset":)" + offset + "}";
      break;
    case lake::BatchAnswer::Kind::kGap:
      response.status = 409;
      response.body = R"({"expected_offset":)" + offset + "}";
      break;
  }
  return response;
}

// Broken bytes will be as broken the next time: not the server's fault, not to be sent again.
http::Response AnswerOf(const Error& error) {
  if (error.code() == Code::kDataLoss || error.code() == Code::kUnsupported) {
    return http::ErrorResponse(422, TraitsOf(error.code()).name, error.message());
  }
  return http::ErrorResponse(error);
}

// The batch of a request that may be stored, checked in all its parts. The key was looked at before
// the body came; it may have been revoked since.
Result<agent_wire::Batch> BatchOf(const Backend& backend, const http::Request& request) {
  TARN_ASSIGN_OR_RETURN(
      const auth::Principal who,
      Authorize(backend, request.headers.Find("authorization"), request.peer, auth::Role::kIngest));
  TARN_ASSIGN_OR_RETURN(agent_wire::Batch batch, agent_wire::Decode(request.body));
  TARN_TRY(who.RequireSource(batch.header.source));
  return batch;
}

}  // namespace

void AddAgentRoutes(const Backend& backend, http::Router& router) {
  const auto receive = [&backend](http::Request&& request, http::Responder responder) {
    const auto batch = BatchOf(backend, request);
    if (!batch.ok()) {
      std::move(responder).Send(AnswerOf(batch.error()));
      return;
    }
    // std::function wants a copyable callback; the responder is not.
    auto shared = std::make_shared<http::Responder>(std::move(responder));
    backend.door.Submit(
        batch->header, request.body, [shared](const Result<lake::BatchAnswer>& answer) {
          std::move(*shared).Send(answer.ok() ? AnswerOf(*answer) : AnswerOf(answer.error()));
        });
  };
  router.Exact(
      http::Method::kPost, std::string(agent_wire::kPath), receive,
      {.max_body_bytes = agent_wire::kMaxBatchBytes, .admit = Admit(backend, auth::Role::kIngest)});
}

}  // namespace tarn::serve::rest
