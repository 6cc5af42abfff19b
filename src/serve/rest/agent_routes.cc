#include "serve/rest/agent_routes.h"

#include <memory>
#include <string>
#include <utility>

#include "agent_wire/batch.h"

namespace tarn::serve::rest {
namespace {

// Of a limit of the key's files its other files know nothing: no 403, which an agent takes for the
// end of its key, and no 429, the status of the code, after which it would send the same again.
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
    case lake::BatchAnswer::Kind::kOverLimit:
      return http::ErrorResponse(422, TraitsOf(Code::kResourceExhausted).name, answer.reason);
  }
  return response;
}

// A batch that is refused for what it is will be so the next time: no status after which it is sent
// again as it is.
http::Response RefusalOf(const Error& error) {
  const std::string_view name = TraitsOf(error.code()).name;
  if (error.code() == Code::kDataLoss || error.code() == Code::kUnsupported) {
    return http::ErrorResponse(422, name, error.message());
  }
  if (error.code() == Code::kResourceExhausted) {  // a smaller one may do
    return http::ErrorResponse(413, name, error.message());
  }
  return http::ErrorResponse(error);
}

struct Sent {
  std::string key;  // its name
  agent_wire::Batch batch;
};

// The batch of a request that may be stored, checked in all its parts. The key was looked at before
// the body came; it may have been revoked since.
Result<Sent> BatchOf(const Backend& backend, const http::Request& request) {
  TARN_ASSIGN_OR_RETURN(
      const auth::Principal who,
      Authorize(backend, request.headers.Find("authorization"), request.peer, auth::Role::kIngest));
  TARN_ASSIGN_OR_RETURN(agent_wire::Batch batch, agent_wire::Decode(request.body));
  TARN_TRY(who.RequireSource(batch.header.source));
  TARN_TRY(agent_wire::CheckRows(batch));
  return Sent{who.name, std::move(batch)};
}

}  // namespace

void AddAgentRoutes(const Backend& backend, http::Router& router) {
  const auto receive = [&backend](http::Request&& request, http::Responder responder) {
    const auto sent = BatchOf(backend, request);
    if (!sent.ok()) {
      std::move(responder).Send(RefusalOf(sent.error()));
      return;
    }
    // std::function wants a copyable callback; the responder is not.
    auto shared = std::make_shared<http::Responder>(std::move(responder));
    backend.door.Submit(
        sent->batch.header, request.body,
        [shared](const Result<lake::BatchAnswer>& answer) {
          std::move(*shared).Send(answer.ok() ? AnswerOf(*answer)
                                              : http::ErrorResponse(answer.error()));
        },
        sent->key);
  };
  router.Exact(
      http::Method::kPost, std::string(agent_wire::kPath), receive,
      {.max_body_bytes = agent_wire::kMaxBatchBytes, .admit = Admit(backend, auth::Role::kIngest)});
}

}  // namespace tarn::serve::rest
