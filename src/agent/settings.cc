#include "agent/settings.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <set>

#include "agent/checkpoint.h"
#include "agent/kinesis_settings.h"
#include "agent/socket_transport.h"
#include "agent_wire/batch.h"
#include "base/text.h"
#include "source/format_name/format_name.h"

namespace tarn::agent {
namespace {

void BindFlow(config::Reader& reader, FlowSettings& flow) {
  reader.String({"source", "name of the source on the server; letters, digits, _ and -", true},
                flow.source);
  reader.Strings({"paths", "files to tail; * ? [a-z] work in folders and names", true}, flow.paths);
  reader.String({"format", "a format's name or an Apache LogFormat string"}, flow.format);
  std::string position = flow.from_start ? "start" : "end";
  reader.Choice({"initial_position", "where to begin in files found at the very first start"},
                position, {"start", "end"});
  flow.from_start = position == "start";
  reader.String({"multiline_start", "RE2 that the first line of each record matches"},
                flow.multiline_start);
}

void Bind(config::Reader& reader, AgentSettings& s) {
  reader.Strings({"server", "URL of the Tarn server; more than one: tried in turn", true},
                 s.servers);
  reader.String({"key", "key of this agent; write ${file:/etc/tarn-agent/key}"}, s.key);
  reader.String(
      {"tls_ca",
       "PEM file of the authority that signed the server's certificate; a relative path is one "
       "from the folder of this file"},
      s.tls_ca);
  reader.Bool({"tls_insecure", "do not check the server's certificate"}, s.tls_insecure);
  reader.String({"host", "name of this machine in the data; none: its own"}, s.host);
  reader.String({"state_dir", "folder of the checkpoint; a relative path as in `tls_ca`"},
                s.state_dir);
  reader.Bytes({"batch_bytes", "a batch of lines leaves when it is this large"}, s.batch_bytes,
               {4'096, 8'000'000});
  reader.Duration({"batch_age", "or when its first line waited this long"}, s.batch_age_micros,
                  {10'000, 60'000'000});
  reader.Int({"metrics_port", "port of Prometheus metrics on 127.0.0.1; 0: none"}, s.metrics_port,
             {0, 65'535});
  reader.Bytes({"rate_limit", "bytes of log sent per second at most; 0: no limit"}, s.rate_limit);
  reader.List({"flows", "what to tail", true}, [&](config::Reader& flow) {
    BindFlow(flow, s.flows.emplace_back());
    CheckSource(flow, "source", s.flows.back().source);
    CheckFlow(flow, s.flows.back(), {"paths", "format", "multiline_start"});
  });
}

constexpr std::string_view kFlowFolder = "agent.d";
constexpr size_t kMaxFlowFiles = 1'000;
constexpr size_t kMaxSourceBytes = 128;

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

// As catalog::ValidateDatasetName on the server.
bool ValidSource(std::string_view name) {
  return !name.empty() && name.size() <= kMaxSourceBytes && IsLetter(name[0]) &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return IsLetter(c) || (c >= '0' && c <= '9') || c == '-'; });
}

Result<SettingsFile> ReadSettingsFile(os::FileSystem& files, const std::string& path) {
  TARN_ASSIGN_OR_RETURN(const auto file, files.Open(path, os::OpenMode::kRead));
  // One byte past what the parser takes: then it says that it is too long.
  TARN_ASSIGN_OR_RETURN(std::string text, file->ReadAt(0, config::kMaxYamlBytes + 1));
  return SettingsFile{path, std::move(text)};
}

}  // namespace

void CheckSource(config::Reader& reader, std::string_view key, std::string_view source) {
  if (!reader.Has(key) || ValidSource(source)) return;
  reader.Fail(key, fmt::format("letters, digits, '_' and '-' only, a letter or '_' first, 1 to {} "
                               "of them, as sources in tarn.yaml are called",
                               kMaxSourceBytes));
}

void CheckFlow(config::Reader& reader, const FlowSettings& flow, const FlowKeys& keys) {
  for (const std::string& path : flow.paths) {
    if (!path.starts_with('/')) {
      reader.Fail(keys.paths, fmt::format("'{}' is no absolute path", path));
    }
  }
  if (flow.format.size() > agent_wire::kMaxNameBytes) {
    reader.Fail(keys.format, "is too long");
  } else if (!flow.format.empty()) {  // none: the source's own
    const Status known = format_name::CheckFormatName(flow.format);
    if (!known.ok()) reader.Fail(keys.format, known.error().message());
  }
  if (!flow.multiline_start.empty()) {
    re2::RE2::Options options;
    options.set_log_errors(false);
    const re2::RE2 pattern(flow.multiline_start, options);
    if (!pattern.ok()) {
      reader.Fail(keys.multiline_start, fmt::format("no valid pattern: {}", pattern.error()));
    }
  }
}

void PlacePaths(AgentSettings& settings, const std::string& folder) {
  if (!settings.state_dir.starts_with('/')) settings.relative_state_dir = settings.state_dir;
  for (std::string* path : {&settings.state_dir, &settings.tls_ca}) {
    if (!path->empty() && !path->starts_with('/')) *path = os::JoinPath(folder, *path);
  }
}

Status CheckStateDir(const os::FileSystem& files, const AgentSettings& settings) {
  const std::string& old = settings.relative_state_dir;
  const auto has_checkpoint = [&](const std::string& folder) {
    return files.Exists(os::JoinPath(folder, kCheckpointName));
  };
  if (old.empty() || has_checkpoint(settings.state_dir) || !has_checkpoint(old)) return {};
  return InvalidArgument(
      fmt::format("state_dir '{}' is {}, below the folder of the file that names it, but the "
                  "checkpoint is in {}, below the working directory: move that folder to its new "
                  "place, or name it by its absolute path",
                  old, settings.state_dir, os::JoinPath(".", old)));
}

void CheckSettings(config::Reader& reader, const AgentSettings& settings,
                   const SettingsKeys& keys) {
  for (const std::string& server : settings.servers) {
    const auto url = ParseUrl(server);
    if (!url.ok()) reader.Fail(keys.server, url.error().message());
  }
  if (settings.host.empty() || settings.host.size() > 255) {
    reader.Fail(keys.host, "1 to 255 bytes");
  }
  if (!IsValidUtf8(settings.host)) {
    reader.Fail(keys.host,
                fmt::format("'{}' is no UTF-8; say here what the machine is to be called",
                            EscapeInvalidUtf8(settings.host)));
  }
  if (settings.state_dir.empty()) {
    reader.Fail(keys.state_dir, "is empty; name the folder that the checkpoint is kept in");
  }
  if (const Status usable = CheckAuthorities(settings.tls_ca); !usable.ok()) {
    reader.Fail(keys.tls_ca, usable.error().message());
  }
  if (settings.key.find_first_of("\r\n") != std::string::npos) {
    reader.Fail(keys.key, "must be one line");
  }
  std::set<std::string_view> sources;
  for (const FlowSettings& flow : settings.flows) {
    if (!flow.source.empty() && !sources.insert(flow.source).second) {
      reader.Fail("flows", fmt::format("source '{}' stands twice; put all its paths in one flow",
                                       flow.source));
    }
  }
}

Result<std::vector<SettingsFile>> ReadSettingsFiles(os::FileSystem& files,
                                                    const std::string& path) {
  std::vector<SettingsFile> read;
  TARN_ASSIGN_OR_RETURN(read.emplace_back(), ReadSettingsFile(files, path));
  if (!IsKinesisFile(read.front().text)) return read;
  const std::string folder = os::JoinPath(os::ParentOf(path), kFlowFolder);
  if (!files.Exists(folder)) return read;
  TARN_ASSIGN_OR_RETURN(const auto names, files.List(folder));
  for (const std::string& name : names) {
    const std::string file = os::JoinPath(folder, name);
    if (name.starts_with('.')) continue;
    TARN_ASSIGN_OR_RETURN(const os::FileInfo info, files.Stat(file));
    if (info.is_directory) continue;
    if (read.size() > kMaxFlowFiles) {
      return InvalidArgument(fmt::format("{} holds more than {} files", folder, kMaxFlowFiles));
    }
    TARN_ASSIGN_OR_RETURN(read.emplace_back(), ReadSettingsFile(files, file));
  }
  return read;
}

Result<AgentSettings> LoadSettings(const std::vector<SettingsFile>& files,
                                   const std::string& machine_name,
                                   const config::Resolver& resolver) {
  const auto& [file_name, text] = files.front();
  if (IsKinesisFile(text)) return LoadKinesisSettings(files, machine_name, resolver);
  TARN_ASSIGN_OR_RETURN(config::Node root, config::ParseYaml(text, file_name));
  config::Problems problems(file_name);
  config::ExpandReferences(root, resolver, problems.AddUnresolved());
  config::Reader reader(root, "", problems);
  AgentSettings settings;
  settings.host = machine_name;
  Bind(reader, settings);
  PlacePaths(settings, os::ParentOf(file_name));
  CheckSettings(reader, settings, {"server", "host", "key", "state_dir", "tls_ca"});
  reader.Finish();
  TARN_TRY(problems.ToStatus());
  return settings;
}

std::vector<config::FieldDoc> DescribeSettings() {
  AgentSettings settings;
  return config::Describe([&](config::Reader& reader) { Bind(reader, settings); });
}

Result<Url> ParseUrl(std::string_view text) {
  Url url;
  const std::string shown(text);
  if (text.starts_with("https://")) {
    url.tls = true;
    text.remove_prefix(8);
  } else if (text.starts_with("http://")) {
    text.remove_prefix(7);
  } else {
    return InvalidArgument(fmt::format("'{}' begins with neither http:// nor https://", shown));
  }
  if (text.ends_with('/')) text.remove_suffix(1);
  url.port = url.tls ? 443 : 80;
  const size_t bracket = text.starts_with('[') ? text.find(']') : 0;
  const size_t colon = bracket == std::string_view::npos ? bracket : text.find(':', bracket);
  if (colon != std::string_view::npos) {
    const auto port = ParseInt64(text.substr(colon + 1));
    if (!port || *port < 1 || *port > 65'535) {
      return InvalidArgument(fmt::format("'{}' has no valid port", shown));
    }
    url.port = static_cast<int>(*port);
    text = text.substr(0, colon);
  }
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  if (text.empty() || text.find_first_of("/@?# \t\r\n[]") != std::string_view::npos) {
    return InvalidArgument(
        fmt::format("'{}' is not of the form https://host:port (no path, no user)", shown));
  }
  url.host = text;
  return url;
}

}  // namespace tarn::agent
