#include "app/server_client.h"

#include <fmt/format.h>

#include <utility>

#include "http/client.h"

namespace tarn::app {
namespace {

Error ErrorOf(const http::Response& response) {
  const auto json = codec::ParseJson(response.body);
  const codec::Json* error = json.ok() ? json->Find("error") : nullptr;
  std::string message = fmt::format("the server answered {}", response.status);
  if (error != nullptr) message = error->GetString("message").value_or(message);
  if (response.status == 401) return Unauthenticated(std::move(message));
  if (response.status == 403) return PermissionDenied(std::move(message));
  if (response.status == 404) return NotFound(std::move(message));
  if (response.status == 429) return ResourceExhausted(std::move(message));
  if (response.status == 503) return Unavailable(std::move(message));
  if (response.status == 504) return DeadlineExceeded(std::move(message));
  return Internal(std::move(message));
}

}  // namespace

Result<codec::Json> AskServer(Machine& machine, const Project& project, http::Method method,
                              const std::string& target, int64_t timeout_micros) {
  TARN_ASSIGN_OR_RETURN(const RunningServer running, FindServer(machine, project));
  return AskServer(machine, project, running, method, target, timeout_micros);
}

Result<codec::Json> AskServer(Machine& machine, const Project& project,
                              const RunningServer& running, http::Method method,
                              const std::string& target, int64_t timeout_micros) {
  TARN_ASSIGN_OR_RETURN(http::ClientOptions options, http::ParseEndpoint(running.url));
  auto key = machine.files.ReadFile(project.local_key_file());
  if (!key.ok()) return std::move(key).error().In("cannot read the key for commands");
  options.authorization = "Bearer " + *key;
  options.io_timeout_micros = timeout_micros;
  // The server wrote down which certificate it shows: that one is trusted, whoever signed it and
  // whatever name it is for, and also if the file has been renewed since.
  if (options.tls) {
    if (running.certificate_sha256.empty())
      return DataLoss(fmt::format("{}: 'certificate_sha256' is missing", project.server_file()));
    options.tls->pinned_sha256 = running.certificate_sha256;
  }
  http::Client client(std::move(options));
  auto response = client.Send({.method = method, .target = target});
  if (!response.ok()) {
    return std::move(response).error().In(
        fmt::format("the server of {} (process {}, {}) gave no answer; is it starting or ending?",
                    project.folder, running.pid, running.url));
  }
  if (response->status != 200) return ErrorOf(*response);
  return codec::ParseJson(response->body);
}

}  // namespace tarn::app
