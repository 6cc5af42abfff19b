#include "agent/kinesis_settings.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <set>
#include <span>

#include "base/text.h"
#include "source/format_name/format_name.h"

namespace tarn::agent {
namespace {

struct Ignored {
  std::string_view key;
  std::string_view why;
};

constexpr std::string_view kAws = "AWS credentials and regions are not used; the key is tarn.key";
constexpr std::string_view kMetrics =
    "metrics are served on tarn.metricsPort instead of CloudWatch";
constexpr std::string_view kThreads = "one thread reads and one sends";
constexpr std::string_view kForever = "retries go on for ever, 100 ms to 10 s apart";
constexpr std::string_view kWakeup = "the kernel says when a file grows";
constexpr std::string_view kOnServer = "conversion happens on the server, which keeps the raw line";

constexpr size_t kMaxColumns = 120;  // of a format on the server
constexpr int64_t kMaxHeadingLines = 10'000;

constexpr std::string_view kSourcesFormat = "lines are read with the source's format in tarn.yaml";

constexpr Ignored kIgnoredGlobal[] = {
    {"kinesis.region", kAws},
    {"firehose.region", kAws},
    {"sts.endpoint", kAws},
    {"sts.region", kAws},
    {"awsAccessKeyId", kAws},
    {"awsSecretAccessKey", kAws},
    {"assumeRoleARN", kAws},
    {"assumeRoleExternalId", kAws},
    {"userDefinedCredentialsProvider.classname", kAws},
    {"userDefinedCredentialsProvider.location", kAws},
    {"cloudwatch.endpoint", kMetrics},
    {"cloudwatch.emitMetrics", kMetrics},
    {"cloudwatch.namespace", kMetrics},
    {"cloudwatch.tagInstance", kMetrics},
    {"cloudwatch.metricsBufferTimeMillis", kMetrics},
    {"cloudwatch.metricsQueueSize", kMetrics},
    {"log.emitMetrics", kMetrics},
    {"log.emitInternalMetrics", kMetrics},
    {"log.statusReportingPeriodSeconds", kMetrics},
    {"checkpointFile", "the checkpoint is a file in tarn.stateDir"},
    {"checkpointTimeToLiveDays", "files that are gone are forgotten after 7 days"},
    {"shutdownTimeoutMillis", "shutdown takes 5 s at most; nothing is lost by it"},
    {"maxSendingThreadsPerCore", kThreads},
    {"maxSendingThreads", kThreads},
    {"sendingThreadsMaxQueueSize", kThreads},
    {"sendingThreadsKeepAliveMillis", kThreads},
    {"maxConnections", kThreads},
    {"connectionTimeoutMillis", "10 s"},
    {"socketTimeoutMillis", "30 s"},
    {"useTcpKeepAlive", "connections are kept alive"},
    {"useHttpGzip", "batches are always compressed"},
};

constexpr Ignored kIgnoredFlow[] = {
    {"partitionKeyOption", "order within a file is always kept"},
    {"maxBufferSizeRecords", "batches are bounded by bytes and age"},
    {"minTimeBetweenFilePollsMillis", kWakeup},
    {"maxTimeBetweenFileTrackerRefreshMillis", kWakeup},
    {"waitOnFullPublishQueueMillis", kWakeup},
    {"waitOnEmptyPublishQueueMillis", kWakeup},
    {"retryInitialBackoffMillis", kForever},
    {"retryMaxBackoffMillis", kForever},
    {"publishQueueCapacity", "reading stops while four batches wait"},
    {"fileFooterPattern", "a footer is sent as any other line"},
    {"truncatedRecordTerminator", "long lines are marked as cut, nothing is added"},
    {"aggregatedRecordSizeBytes", "batches hold many lines anyway"},
};

constexpr std::string_view kOfAgentJson = "it counts in agent.json alone";

constexpr Ignored kIgnoredInAgentD[] = {
    {"firehose.endpoint", kOfAgentJson}, {"kinesis.endpoint", kOfAgentJson},
    {"tarn.key", kOfAgentJson},          {"tarn.tlsCa", kOfAgentJson},
    {"tarn.tlsInsecure", kOfAgentJson},  {"tarn.host", kOfAgentJson},
    {"tarn.stateDir", kOfAgentJson},     {"tarn.metricsPort", kOfAgentJson},
};

// Keys of the reader's map that are known but without use here.
void NoteIgnored(config::Reader& reader, std::span<const Ignored> keys,
                 std::vector<std::string>& notes) {
  for (const Ignored& ignored : keys) {
    if (reader.Raw({ignored.key, ignored.why}) == nullptr) continue;
    const std::string path = reader.path().empty() ? "" : reader.path() + ".";
    notes.push_back(fmt::format("{}{} is ignored: {}", path, ignored.key, ignored.why));
  }
}

// A name as columns and groups may have it.
std::string PlainName(std::string_view name) {
  std::string plain;
  for (const char c : name) {
    const bool word =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    plain.push_back(word ? c : '_');
  }
  return plain;
}

// Names of fields as they are here: what is changed in them is noted.
void TakeFieldNames(config::Reader& reader, const std::vector<std::string>& names,
                    std::vector<std::string>& notes) {
  std::set<std::string> different;
  for (const std::string& name : names) {
    const std::string plain = PlainName(name);
    if (!different.insert(plain).second) {
      return reader.Fail("customFieldNames", fmt::format("'{}' stands twice", name));
    }
    if (plain != name) {
      notes.push_back(
          fmt::format("{}.customFieldNames: '{}' is called '{}' here", reader.path(), name, plain));
    }
  }
}

// Columns of CSV as a format of ours; empty if they cannot be one.
std::string CsvFormat(const std::vector<std::string>& names, std::string_view delimiter) {
  if (names.empty() || (delimiter != "," && delimiter != "\t")) return "";
  std::string format = delimiter == "," ? "csv:" : "tsv:";
  for (const std::string& name : names) {
    if (format.back() != ':') format.push_back(',');
    format += PlainName(name);
  }
  return format;
}

// Where a class or a quotation that begins at `at` ends; `at` if none begins there.
size_t EndOfLiteral(std::string_view pattern, size_t at) {
  if (pattern.substr(at).starts_with("\\Q")) {
    const size_t end = pattern.find("\\E", at + 2);
    return end == std::string_view::npos ? pattern.size() : end + 2;
  }
  if (pattern[at] == '\\') return std::min(at + 2, pattern.size());
  if (pattern[at] != '[') return at;
  size_t i = at + 1;
  if (i < pattern.size() && pattern[i] == '^') ++i;
  if (i < pattern.size() && pattern[i] == ']') ++i;
  while (i < pattern.size() && pattern[i] != ']') i += pattern[i] == '\\' ? size_t{2} : size_t{1};
  return std::min(i + 1, pattern.size());
}

// A group of Java's expression that captures: "(", "(?<name>" or "(?P<name>".
struct Group {
  size_t size = 0;  // of its beginning; 0: none
  std::string_view name;
};
Group GroupAt(std::string_view text) {
  if (!text.starts_with('(')) return {};
  if (!text.starts_with("(?")) return {1, ""};
  const size_t name = text.starts_with("(?P<") ? 4 : 3;
  const size_t end = text.find('>');
  if (end == std::string_view::npos || !(name == 4 || text.starts_with("(?<")) ||
      text.starts_with("(?<=") || text.starts_with("(?<!")) {
    return {};
  }
  return {end + 1, text.substr(name, end - name)};
}

// The Kinesis Agent counts groups and takes names from customFieldNames; here a group has its name.
std::string NameGroups(std::string_view pattern, const std::vector<std::string>& names,
                       size_t& groups) {
  std::string out;
  groups = 0;
  for (size_t i = 0; i < pattern.size();) {
    const size_t literal_end = EndOfLiteral(pattern, i);
    const Group group = literal_end > i ? Group() : GroupAt(pattern.substr(i));
    if (group.size == 0) {
      const size_t end = std::max(literal_end, i + 1);
      out += pattern.substr(i, end - i);
      i = end;
      continue;
    }
    const std::string name = PlainName(groups < names.size() ? names[groups] : group.name);
    out += name.empty() ? "(" : fmt::format("(?P<{}>", name);
    ++groups;
    i += group.size;
  }
  return out;
}

// The format of a matchPattern; the server's checks are made here, where the file is at hand.
void TakeMatchPattern(config::Reader& reader, std::string_view pattern,
                      const std::vector<std::string>& names, FlowSettings& flow) {
  size_t groups = 0;
  const std::string named = NameGroups(pattern, names, groups);
  flow.format = "regex:" + named;
  if (!names.empty() && names.size() != groups) {
    return reader.Fail("customFieldNames", fmt::format("{} names for the {} groups of matchPattern",
                                                       names.size(), groups));
  }
  re2::RE2::Options options(re2::RE2::Quiet);
  options.set_encoding(re2::RE2::Options::EncodingLatin1);
  const re2::RE2 regex(named, options);
  if (!regex.ok()) {
    return reader.Fail("matchPattern",
                       fmt::format("RE2 does not take it: {} (it has no lookaround, no back "
                                   "references and no possessive quantifiers)",
                                   regex.error()));
  }
  if (regex.NamedCapturingGroups().empty()) {
    reader.Fail("matchPattern", "needs customFieldNames, a name for each group");
  }
}

// The columns of CSV; what the server would refuse is refused here.
void TakeCsv(config::Reader& reader, const std::vector<std::string>& names,
             std::string_view delimiter, FlowSettings& flow, std::vector<std::string>& notes) {
  flow.format = CsvFormat(names, delimiter);
  if (flow.format.empty()) {
    notes.push_back(
        fmt::format("{}: CSVTOJSON without customFieldNames, or with another delimiter "
                    "than ',' and tab; {}",
                    reader.path(), kSourcesFormat));
    return;
  }
  if (names.size() > kMaxColumns) {
    return reader.Fail("customFieldNames", fmt::format("more than {} columns", kMaxColumns));
  }
  for (const std::string& name : names) {
    const Status valid = format_name::CheckColumnName(PlainName(name));
    if (!valid.ok()) return reader.Fail("customFieldNames", valid.error().message());
  }
  TakeFieldNames(reader, names, notes);
}

// A data processing option says what the lines are; the server needs only the
// name of the format.
void TakeOption(config::Reader& reader, FlowSettings& flow, std::vector<std::string>& notes) {
  std::string name;
  std::string log_format;
  std::string match_pattern;
  reader.Choice({"optionName", "kind of conversion", true}, name,
                {"LOGTOJSON", "CSVTOJSON", "SINGLELINE", "ADDMETADATA", "ADDEC2METADATA",
                 "ADDBRACKETS", "USINGPLUGGIN"});
  reader.Choice(
      {"logFormat", "format of the lines"}, log_format,
      {"COMMONAPACHELOG", "COMBINEDAPACHELOG", "APACHEERRORLOG", "SYSLOG", "RFC3339SYSLOG"});
  reader.String({"matchPattern", "expression for the whole line"}, match_pattern);
  std::vector<std::string> field_names;
  reader.Strings({"customFieldNames", "columns of CSV, or names of the groups of matchPattern"},
                 field_names);
  std::string delimiter = ",";
  reader.String({"delimiter", "between the columns of CSV"}, delimiter);
  constexpr Ignored kShape[] = {{"jsonFormat", kOnServer},
                                {"metadata", "host, path and offset are sent with each record"},
                                {"timestamp", "the read time is sent with each batch"},
                                {"parseOptions", kOnServer}};
  NoteIgnored(reader, kShape, notes);
  if (name == "LOGTOJSON") {
    if (match_pattern.empty() && !field_names.empty()) {
      notes.push_back(
          fmt::format("{}.customFieldNames is ignored: fields keep the names they have "
                      "here (docs/access-log-formats.md)",
                      reader.path()));
    }
    if (!match_pattern.empty()) {
      TakeFieldNames(reader, field_names, notes);
      TakeMatchPattern(reader, match_pattern, field_names, flow);
    } else if (log_format == "COMMONAPACHELOG") {
      flow.format = "common";
    } else if (log_format == "APACHEERRORLOG") {
      flow.format = "error";
    } else if (log_format == "SYSLOG" || log_format == "RFC3339SYSLOG") {
      notes.push_back(
          fmt::format("{}: {} is not known here; {}", reader.path(), log_format, kSourcesFormat));
    } else {
      flow.format = "combined";
    }
  } else if (name == "CSVTOJSON") {
    TakeCsv(reader, field_names, delimiter, flow, notes);
  } else {
    notes.push_back(fmt::format("{}: {} is ignored: {}", reader.path(), name, kOnServer));
  }
}

void BindKinesisFlow(config::Reader& reader, FlowSettings& flow, AgentSettings& settings) {
  flow.format.clear();  // the format of the source in tarn.yaml
  std::string pattern;
  reader.String({"filePattern", "files to tail", true}, pattern);
  flow.paths = {pattern};
  std::string firehose;
  std::string kinesis;
  reader.String({"deliveryStream", "name of the source"}, firehose);
  reader.String({"kinesisStream", "name of the source"}, kinesis);
  flow.source = firehose.empty() ? kinesis : firehose;
  CheckSource(reader, firehose.empty() ? "kinesisStream" : "deliveryStream", flow.source);
  if (!firehose.empty() && !kinesis.empty()) {
    settings.notes.push_back(
        fmt::format("{}.kinesisStream is ignored: the source is deliveryStream", reader.path()));
  }
  if (flow.source.empty()) reader.Fail("", "'deliveryStream' or 'kinesisStream' is missing");
  std::string position = "END_OF_FILE";
  reader.Choice({"initialPosition", "where to begin"}, position, {"START_OF_FILE", "END_OF_FILE"});
  flow.from_start = position == "START_OF_FILE";
  reader.String({"multiLineStartPattern", "first line of a record"}, flow.multiline_start);
  reader.Int({"skipHeaderLines", "lines of a heading"}, flow.skip_lines, {0, kMaxHeadingLines});
  int64_t age_millis = settings.batch_age_micros / 1000;
  reader.Int({"maxBufferAgeMillis", "age of a batch"}, age_millis, {1, 900'000});
  settings.batch_age_micros =
      std::min(settings.batch_age_micros, std::max<int64_t>(age_millis, 10) * 1000);
  uint64_t bytes = settings.batch_bytes;
  reader.Bytes({"maxBufferSizeBytes", "size of a batch"}, bytes, {1, 8'000'000});
  settings.batch_bytes = std::max<uint64_t>(std::min(settings.batch_bytes, bytes), 4'096);
  reader.List({"dataProcessingOptions", "conversions"},
              [&](config::Reader& option) { TakeOption(option, flow, settings.notes); });
  NoteIgnored(reader, kIgnoredFlow, settings.notes);
  CheckFlow(reader, flow, {"filePattern", "dataProcessingOptions", "multiLineStartPattern"});
}

// An endpoint may stand without a scheme, as AWS ones do.
std::string WithScheme(std::string endpoint) {
  if (endpoint.find("://") == std::string::npos) return "https://" + endpoint;
  return endpoint;
}

// The flows of all files, as they stand there.
class Flows {
 public:
  explicit Flows(AgentSettings& settings) : settings_(settings) {}

  void Take(config::Reader& reader, const std::string& file, bool required) {
    reader.List({"flows", "what to tail", required}, [&](config::Reader& item) {
      FlowSettings flow;
      BindKinesisFlow(item, flow, settings_);
      const auto other = std::find_if(placed_.begin(), placed_.end(), [&](const Placed& placed) {
        return placed.flow.source == flow.source;
      });
      if (other != placed_.end() && !flow.source.empty()) {
        const std::string in = other->file == file ? "" : other->file + ": ";
        CheckShared(item, flow, other->flow, in + other->path);
      }
      placed_.push_back({std::move(flow), file, item.path()});
    });
  }

  // Those into one stream become one.
  std::vector<FlowSettings> Merged() const {
    std::vector<FlowSettings> merged;
    for (const Placed& placed : placed_) {
      const auto same = std::find_if(merged.begin(), merged.end(), [&](const FlowSettings& flow) {
        return flow.source == placed.flow.source;
      });
      if (same == merged.end()) {
        merged.push_back(placed.flow);
      } else {
        const auto& paths = placed.flow.paths;
        same->paths.insert(same->paths.end(), paths.begin(), paths.end());
      }
    }
    return merged;
  }

 private:
  struct Placed {
    FlowSettings flow;
    std::string file;
    std::string path;  // "flows[0]"
  };

  // As they become one, they must agree in all but their files.
  static void CheckShared(config::Reader& reader, const FlowSettings& flow,
                          const FlowSettings& other, const std::string& other_place) {
    const std::pair<std::string_view, bool> options[] = {
        {"dataProcessingOptions", flow.format == other.format},
        {"initialPosition", flow.from_start == other.from_start},
        {"multiLineStartPattern", flow.multiline_start == other.multiline_start},
        {"skipHeaderLines", flow.skip_lines == other.skip_lines}};
    for (const auto& [key, same] : options) {
      if (same) continue;
      reader.Fail(key, fmt::format("differs from that of {}, and both go into '{}'; give one of "
                                   "them another stream name",
                                   other_place, flow.source));
    }
  }

  AgentSettings& settings_;
  std::vector<Placed> placed_;
};

// The key of the endpoint that is used.
std::string_view TakeEndpoint(config::Reader& reader, AgentSettings& settings) {
  constexpr std::string_view kFirehose = "firehose.endpoint";
  constexpr std::string_view kKinesis = "kinesis.endpoint";
  std::string firehose;
  std::string kinesis;
  reader.String({kFirehose, "the Tarn server"}, firehose);
  reader.String({kKinesis, "the Tarn server"}, kinesis);
  const std::string_view used = firehose.empty() ? kKinesis : kFirehose;
  const std::string& endpoint = firehose.empty() ? kinesis : firehose;
  if (endpoint.empty()) {
    reader.Fail("", "'firehose.endpoint' is missing: set it to the URL of the Tarn server");
    return used;
  }
  if (endpoint.find(".amazonaws.com") != std::string::npos) {
    reader.Fail(used, fmt::format("'{}' is still AWS; write the URL of the Tarn server", endpoint));
  }
  if (!firehose.empty() && !kinesis.empty()) {
    settings.notes.emplace_back("kinesis.endpoint is ignored: the server is firehose.endpoint");
  }
  settings.servers = {WithScheme(endpoint)};
  return used;
}

size_t EndOfString(std::string_view text, size_t at) {
  for (++at; at < text.size() && text[at] != '"'; ++at) {
    if (text[at] == '\\') ++at;
  }
  return std::min(at + 1, text.size());
}

// Where the comment that begins at `at` ends; `at` if none begins there, npos if it has no
// end.
size_t EndOfComment(std::string_view text, size_t at) {
  if (text.substr(at).starts_with("//")) return std::min(text.find('\n', at), text.size());
  if (!text.substr(at).starts_with("/*")) return at;
  const size_t end = text.find("*/", at + 2);
  return end == std::string_view::npos ? end : end + 2;
}

// With spaces in place of comments, so that all else keeps its line and column.
Result<std::string> WithoutComments(std::string_view text, const std::string& file_name) {
  std::string plain(text);
  for (size_t i = 0; i < text.size();) {
    const bool quoted = text[i] == '"';
    const size_t end = quoted ? EndOfString(text, i) : EndOfComment(text, i);
    if (end == std::string_view::npos) {
      const auto line =
          1 + std::count(plain.begin(), plain.begin() + static_cast<int64_t>(i), '\n');
      const size_t column = i - text.substr(0, i).rfind('\n');  // npos is -1
      return InvalidArgument(
          fmt::format("{}:{}:{}: this comment has no end", file_name, line, column));
    }
    for (size_t at = quoted ? end : i; at < end; ++at) {
      if (plain[at] != '\n') plain[at] = ' ';
    }
    i = std::max(end, i + 1);
  }
  return plain;
}

void BindTarnKeys(config::Reader& reader, AgentSettings& settings) {
  reader.String({"tarn.key", "key of this agent"}, settings.key);
  reader.String({"tarn.tlsCa", "PEM file"}, settings.tls_ca);
  reader.Bool({"tarn.tlsInsecure", "no certificate check"}, settings.tls_insecure);
  reader.String({"tarn.host", "name of this machine"}, settings.host);
  reader.String({"tarn.stateDir", "folder of the checkpoint"}, settings.state_dir);
  reader.Int({"tarn.metricsPort", "metrics on 127.0.0.1"}, settings.metrics_port, {0, 65'535});
}

// JSON is YAML, and this way each problem has its place.
Result<config::Node> ParseFile(const SettingsFile& file) {
  TARN_ASSIGN_OR_RETURN(const std::string plain, WithoutComments(file.text, file.name));
  return config::ParseYaml(plain, file.name);
}

// A file of agent.d. What it says beside flows has no meaning there either.
Status TakeFlowFile(const SettingsFile& file, const config::Resolver& resolver, Flows& flows,
                    AgentSettings& settings) {
  TARN_ASSIGN_OR_RETURN(config::Node root, ParseFile(file));
  config::Problems problems(file.name);
  config::ExpandReferences(root, resolver, problems.AddUnresolved());
  config::Reader reader(root, "", problems);
  const size_t noted = settings.notes.size();
  flows.Take(reader, file.name, false);
  NoteIgnored(reader, kIgnoredInAgentD, settings.notes);
  NoteIgnored(reader, kIgnoredGlobal, settings.notes);
  for (size_t i = noted; i < settings.notes.size(); ++i) {
    settings.notes[i] = fmt::format("{}: {}", file.name, settings.notes[i]);
  }
  reader.Finish();
  return problems.ToStatus();
}

}  // namespace

bool IsKinesisFile(std::string_view text) {
  if (text.starts_with(config::kByteOrderMark)) text.remove_prefix(config::kByteOrderMark.size());
  const size_t first = std::min(text.find_first_not_of(" \t\r\n"), text.size());
  return text.substr(first).starts_with('{') || EndOfComment(text, first) != first;
}

Result<AgentSettings> LoadKinesisSettings(const std::vector<SettingsFile>& files,
                                          const std::string& machine_name,
                                          const config::Resolver& resolver) {
  const SettingsFile& main = files.front();
  const std::span more = std::span(files).subspan(1);
  TARN_ASSIGN_OR_RETURN(config::Node root, ParseFile(main));
  config::Problems problems(main.name);
  config::ExpandReferences(root, resolver, problems.AddUnresolved());
  config::Reader reader(root, "", problems);
  AgentSettings settings;
  settings.host = machine_name;
  const std::string_view endpoint = TakeEndpoint(reader, settings);
  BindTarnKeys(reader, settings);
  Flows flows(settings);
  flows.Take(reader, main.name, more.empty());
  NoteIgnored(reader, kIgnoredGlobal, settings.notes);
  if (settings.key.empty()) {
    settings.notes.emplace_back(
        "tarn.key is missing: the server wants a key of the role ingest, unless it runs without "
        "keys");
  }
  std::vector<std::string> wrong;  // file by file
  for (const SettingsFile& file : more) {
    const Status taken = TakeFlowFile(file, resolver, flows, settings);
    if (!taken.ok()) wrong.push_back(taken.error().message());
  }
  settings.flows = flows.Merged();
  if (!more.empty() && settings.flows.empty() && wrong.empty()) {
    reader.Fail("flows", "none here and none in agent.d");
  }
  PlacePaths(settings, os::ParentOf(main.name));
  CheckSettings(reader, settings,
                {endpoint, "tarn.host", "tarn.key", "tarn.stateDir", "tarn.tlsCa"});
  reader.Finish();
  if (const Status fine = problems.ToStatus(); !fine.ok()) {
    wrong.insert(wrong.begin(), fine.error().message());
  }
  if (wrong.empty()) return settings;
  return InvalidArgument(Join(wrong, "\n"));
}

}  // namespace tarn::agent
