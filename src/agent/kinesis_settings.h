#pragma once

#include "agent/settings.h"

namespace tarn::agent {

// Begins as JSON does, with comments or without.
bool IsKinesisFile(std::string_view text);

// Reads a Kinesis Agent's agent.json, in which // and /* */ are comments: flows, filePattern,
// deliveryStream or kinesisStream, initialPosition (END_OF_FILE unless stated, as there),
// multiLineStartPattern, skipHeaderLines, dataProcessingOptions, maxBufferAgeMillis,
// firehose.endpoint or kinesis.endpoint. Of the files after the first, those of agent.d, the flows
// alone. Every other key is listed in `notes` with the reason why it is not needed. A relative
// `state_dir` never results.
Result<AgentSettings> LoadKinesisSettings(const std::vector<SettingsFile>& files,
                                          const std::string& machine_name);

// Checks across keys, shared by both kinds of file.
void CheckSource(config::Reader& reader, std::string_view key, std::string_view source);
void CheckFlow(config::Reader& reader, const FlowSettings& flow);
void CheckSettings(config::Reader& reader, const AgentSettings& settings,
                   std::string_view server_key);

}  // namespace tarn::agent
