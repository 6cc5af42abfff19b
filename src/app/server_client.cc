#include "app/server_client.h"

#include <fmt/format.h>

#include <utility>

#include "app/server.h"
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
  if (response.status == 503) return Unavailable(std::move(message));
  if (response.status == 504) return DeadlineExceeded(std::move(message));
  return Internal(std::move(message));
}

}  // namespace

Result<codec::Json> AskServer(Machine& machine, const Project& project, http::Method method,
                              const std::string& target) {
  TARN_ASSIGN_OR_RETURN(const RunningServer running, FindServer(machine, project));
  TARN_ASSIGN_OR_RETURN(http::ClientOptions options, http::ParseEndpoint(running.url));
  auto key = machine.files.ReadFile(project.local_key_file());
  if (!key.ok()) return std::move(key).error().In("cannot read the key for commands");
  options.authorization = "Bearer " + *key;
  options.io_timeout_micros = 120'000'000;
  if (project.tls.enabled()) {
    // The server's own certificate is trusted: it lies in the project.
    TARN_ASSIGN_OR_RETURN(const std::string pem,
                          machine.files.ReadFile(project.tls.certificate_file));
    options.tls = http::ClientTls{pem};
  }
  http::Client client(std::move(options));
  auto response = client.Send({.method = method, .target = target});
  if (!response.ok()) {
    if (response.error().code() != Code::kUnavailable) return std::move(response).error();
    return NotFound(
        fmt::format("no server runs on {}: {}", project.folder, response.error().message()));
  }
  if (response->status != 200) return ErrorOf(*response);
  return codec::ParseJson(response->body);
}

}  // namespace tarn::app
