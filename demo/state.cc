#include "demo/state.h"

#include <utility>

#include "codec/json.h"

namespace tarn::demo {
namespace {

using codec::Json;

Result<DemoState> FromJson(const Json& json) {
  DemoState state;
  TARN_ASSIGN_OR_RETURN(const int64_t seed, json.GetInt("seed"));
  TARN_ASSIGN_OR_RETURN(const int64_t epoch, json.GetInt("epoch"));
  TARN_ASSIGN_OR_RETURN(const int64_t servers, json.GetInt("servers"));
  TARN_ASSIGN_OR_RETURN(const int64_t port, json.GetInt("server_port"));
  TARN_ASSIGN_OR_RETURN(state.history_done, json.GetBool("history_done"));
  TARN_ASSIGN_OR_RETURN(state.clean_stop, json.GetBool("clean_stop"));
  if (servers < 1 || servers > 4) return InvalidArgument("'servers' is not 1 to 4");
  if (json.Find("days") != nullptr) {
    TARN_ASSIGN_OR_RETURN(const int64_t days, json.GetInt("days"));
    if (days < 0 || days > 400) return InvalidArgument("'days' is not 0 to 400");
    state.days = static_cast<int>(days);
  }
  state.seed = static_cast<uint64_t>(seed);
  state.epoch = static_cast<uint32_t>(epoch);
  state.servers = static_cast<int>(servers);
  state.server_port = static_cast<int>(port);
  const Json* ports = json.Find("ports");
  if (ports == nullptr || ports->AsArray() == nullptr) return InvalidArgument("'ports' is missing");
  for (const Json& entry : *ports->AsArray()) {
    if (entry.AsInt() == nullptr) return InvalidArgument("'ports' is damaged");
    state.ports.push_back(static_cast<int>(*entry.AsInt()));
  }
  return state;
}

}  // namespace

Result<DemoState> LoadState(os::FileSystem& fs, const std::string& path) {
  TARN_ASSIGN_OR_RETURN(const std::string text, fs.ReadFile(path));
  auto json = codec::ParseJson(text);
  auto state = json.ok() ? FromJson(*json) : Result<DemoState>(std::move(json).error());
  if (state.ok()) return state;
  return DataLoss(path + ": " + state.error().message() +
                  "; remove the demo's folder to begin anew");
}

Status SaveState(os::FileSystem& fs, const std::string& path, const DemoState& state) {
  Json::Array ports;
  for (const int port : state.ports) ports.emplace_back(port);
  Json json;
  json.Set("seed", static_cast<int64_t>(state.seed));
  json.Set("epoch", static_cast<int64_t>(state.epoch));
  json.Set("servers", state.servers);
  if (state.days) json.Set("days", *state.days);
  json.Set("history_done", state.history_done);
  json.Set("clean_stop", state.clean_stop);
  json.Set("ports", std::move(ports));
  json.Set("server_port", state.server_port);
  return fs.WriteFileAtomically(path, codec::DumpJson(json, true) + "\n");
}

}  // namespace tarn::demo
