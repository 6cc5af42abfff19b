#pragma once

#include "agent/settings.h"

namespace tarn::agent {

// Begins as JSON does, with comments or without.
bool IsKinesisFile(std::string_view text);

// Reads a Kinesis Agent's agent.json, in which // and /* */ are comments: flows, filePattern,
// deliveryStream or kinesisStream, initialPosition (END_OF_FILE unless stated, as there),
// multiLineStartPattern, skipHeaderLines, dataProcessingOptions, maxBufferAgeMillis,
// firehose.endpoint or kinesis.endpoint; ${env:NAME} and ${file:path} as in agent.yaml. Of the
// files after the first, those of agent.d, the flows alone. Every other key is listed in `notes`
// with the reason why it is not needed.
Result<AgentSettings> LoadKinesisSettings(const std::vector<SettingsFile>& files,
                                          const std::string& machine_name,
                                          const config::Resolver& resolver);

// What the keys of the file are called.
struct FlowKeys {
  std::string_view paths;
  std::string_view format;
  std::string_view multiline_start;
};
struct SettingsKeys {
  std::string_view server;
  std::string_view host;
  std::string_view key;
  std::string_view state_dir;
  std::string_view tls_ca;
};

// Relative ones are below that folder.
void PlacePaths(AgentSettings& settings, const std::string& folder);

// Checks across keys, shared by both kinds of file.
void CheckSource(config::Reader& reader, std::string_view key, std::string_view source);
void CheckFlow(config::Reader& reader, const FlowSettings& flow, const FlowKeys& keys);
void CheckSettings(config::Reader& reader, const AgentSettings& settings, const SettingsKeys& keys);

}  // namespace tarn::agent
