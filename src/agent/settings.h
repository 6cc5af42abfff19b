#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/reader.h"
#include "os/file_system.h"

namespace tarn::agent {

// What to tail and how it is called.
struct FlowSettings {
  std::string source;              // names the raw table on the server
  std::vector<std::string> paths;  // globs; * ? [a-z] in folders and names
  std::string format = "combined";
  bool from_start = true;       // files found at the very first start: from the start, or the end
  std::string multiline_start;  // RE2; empty: each line is a record
  int64_t skip_lines = 0;       // at the beginning of each file: a heading, which is not sent
  bool operator==(const FlowSettings&) const = default;
};

// agent.yaml. Checked values only: see LoadSettings.
struct AgentSettings {
  std::vector<std::string> servers;  // "https://host:port"; the next one is tried when one fails
  std::string key;                   // sent as a bearer token; empty: none
  std::string tls_ca;                // PEM file; empty: the system's. Below the file's folder
  bool tls_insecure = false;         // accept any certificate (logged at each start)
  std::string host;                  // name sent with each batch; default: the machine's
  std::string state_dir = "/var/lib/tarn-agent";  // below the file's folder too
  std::string relative_state_dir;                 // as it was written; empty: it was absolute
  uint64_t batch_bytes = 1'000'000;
  int64_t batch_age_micros = 1'000'000;
  int64_t metrics_port = 0;  // on 127.0.0.1; 0: no metrics
  uint64_t rate_limit = 0;   // bytes of log a second; 0: none
  std::vector<FlowSettings> flows;
  std::vector<std::string> notes;  // what a person should know of the file: ignored keys, and why
  bool operator==(const AgentSettings&) const = default;
};

struct SettingsFile {
  std::string name;  // as given on the command line; for messages
  std::string text;
};

// The file at `path`; after the agent.json of a Kinesis Agent also the files of the folder agent.d
// beside it, whose flows count as well: all but those that begin with a dot, by name.
Result<std::vector<SettingsFile>> ReadSettingsFiles(os::FileSystem& files, const std::string& path);

// agent.yaml, or a Kinesis Agent's agent.json (told apart by how it begins: '{', // or /*) and the
// files of its agent.d. All problems at once in InvalidArgument, each with file, line, column, key
// path and nearest word. `machine_name` is the default of `host`. Relative paths are below the
// folder of the first file. Reads the file of `tls_ca`.
Result<AgentSettings> LoadSettings(const std::vector<SettingsFile>& files,
                                   const std::string& machine_name,
                                   const config::Resolver& resolver);

// A relative state_dir was one from the working directory before it was one from the folder of the
// file. InvalidArgument with both paths if a checkpoint is only there: without it all is sent
// again.
Status CheckStateDir(const os::FileSystem& files, const AgentSettings& settings);

// The reference table of agent.yaml.
std::vector<config::FieldDoc> DescribeSettings();

struct Url {
  bool tls = false;
  std::string host;
  int port = 0;
};
// "http://host[:port]", "https://…"; no path, no user. Ports default to 80 and 443.
Result<Url> ParseUrl(std::string_view text);

}  // namespace tarn::agent
