#include "agent/kinesis_settings.h"

#include <fmt/format.h>

#include "base/text.h"

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
    {"skipHeaderLines", "a heading is refused by the format and kept aside on the server"},
    {"fileFooterPattern", "a footer is refused by the format and kept aside on the server"},
    {"truncatedRecordTerminator", "long lines are marked as cut, nothing is added"},
    {"aggregatedRecordSizeBytes", "batches hold many lines anyway"},
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

// Columns of CSV as a format of ours; empty if they cannot be one.
std::string CsvFormat(const std::vector<std::string>& names, std::string_view delimiter) {
  if (names.empty() || (delimiter != "," && delimiter != "\t")) return "";
  std::string format = delimiter == "," ? "csv:" : "tsv:";
  for (const std::string& name : names) {
    if (format.back() != ':') format.push_back(',');
    for (const char c : name) {
      const bool plain =
          (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
      format.push_back(plain ? c : '_');
    }
  }
  return format;
}

// A data processing option says what the lines are; the server needs only the name of the format.
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
  reader.Strings({"customFieldNames", "columns of CSV"}, field_names);
  std::string delimiter = ",";
  reader.String({"delimiter", "between the columns of CSV"}, delimiter);
  constexpr Ignored kShape[] = {{"jsonFormat", kOnServer},
                                {"metadata", "host, path and offset are sent with each record"},
                                {"timestamp", "the read time is sent with each batch"},
                                {"parseOptions", kOnServer}};
  NoteIgnored(reader, kShape, notes);
  if (name == "LOGTOJSON") {
    if (!match_pattern.empty()) {
      flow.format = "regex:" + match_pattern;
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
    flow.format = CsvFormat(field_names, delimiter);
    if (flow.format.empty()) {
      notes.push_back(
          fmt::format("{}: CSVTOJSON without customFieldNames, or with another delimiter "
                      "than ',' and tab; {}",
                      reader.path(), kSourcesFormat));
    }
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
  if (flow.source.empty()) reader.Fail("", "'deliveryStream' or 'kinesisStream' is missing");
  std::string position = "END_OF_FILE";
  reader.Choice({"initialPosition", "where to begin"}, position, {"START_OF_FILE", "END_OF_FILE"});
  flow.from_start = position == "START_OF_FILE";
  reader.String({"multiLineStartPattern", "first line of a record"}, flow.multiline_start);
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
  CheckFlow(reader, flow);
}

// An endpoint may stand without a scheme, as AWS ones do.
std::string WithScheme(std::string endpoint) {
  if (endpoint.find("://") == std::string::npos) return "https://" + endpoint;
  return endpoint;
}

// Two flows into one stream become one flow, if nothing else differs.
void MergeFlows(config::Reader& reader, std::vector<FlowSettings>& flows) {
  std::vector<FlowSettings> merged;
  for (FlowSettings& flow : flows) {
    const auto same = std::find_if(merged.begin(), merged.end(), [&](const FlowSettings& other) {
      return other.source == flow.source;
    });
    if (same == merged.end()) {
      merged.push_back(std::move(flow));
    } else if (same->format == flow.format && same->from_start == flow.from_start &&
               same->multiline_start == flow.multiline_start) {
      same->paths.insert(same->paths.end(), flow.paths.begin(), flow.paths.end());
    } else {
      reader.Fail("flows", fmt::format("two flows into '{}' with different options; give one of "
                                       "them another stream name",
                                       flow.source));
    }
  }
  flows = std::move(merged);
}

void BindTarnKeys(config::Reader& reader, AgentSettings& settings) {
  reader.String({"tarn.key", "key of this agent"}, settings.key);
  reader.String({"tarn.tlsCa", "PEM file"}, settings.tls_ca);
  reader.Bool({"tarn.tlsInsecure", "no certificate check"}, settings.tls_insecure);
  reader.String({"tarn.host", "name of this machine"}, settings.host);
  reader.String({"tarn.stateDir", "folder of the checkpoint"}, settings.state_dir);
  reader.Int({"tarn.metricsPort", "metrics on 127.0.0.1"}, settings.metrics_port, {0, 65'535});
}

}  // namespace

Result<AgentSettings> LoadKinesisSettings(std::string_view text, const std::string& file_name,
                                          const std::string& machine_name) {
  // JSON is YAML, and this way each problem has its place.
  TARN_ASSIGN_OR_RETURN(const config::Node root, config::ParseYaml(text, file_name));
  config::Problems problems(file_name);
  config::Reader reader(root, "", problems);
  AgentSettings settings;
  settings.host = machine_name;
  std::string firehose;
  std::string kinesis;
  reader.String({"firehose.endpoint", "the Tarn server"}, firehose);
  reader.String({"kinesis.endpoint", "the Tarn server"}, kinesis);
  if (firehose.empty()) firehose = kinesis;
  if (firehose.empty()) {
    reader.Fail("", "'firehose.endpoint' is missing: set it to the URL of the Tarn server");
  } else {
    settings.servers = {WithScheme(firehose)};
  }
  BindTarnKeys(reader, settings);
  reader.List({"flows", "what to tail", true}, [&](config::Reader& flow) {
    BindKinesisFlow(flow, settings.flows.emplace_back(), settings);
  });
  MergeFlows(reader, settings.flows);
  NoteIgnored(reader, kIgnoredGlobal, settings.notes);
  CheckSettings(reader, settings, "firehose.endpoint");
  reader.Finish();
  TARN_TRY(problems.ToStatus());
  return settings;
}

}  // namespace tarn::agent
