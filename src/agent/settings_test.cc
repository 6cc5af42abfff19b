#include "agent/settings.h"

#include <fmt/format.h>

#include "agent/identity.h"
#include "agent/socket_transport.h"
#include "agent/test_rig.h"
#include "codec/json.h"

namespace tarn::agent {
namespace {

Result<AgentSettings> LoadText(std::string_view text) {
  config::Resolver resolver;
  resolver.env = [](const std::string&) -> Result<std::string> { return std::string("k1"); };
  resolver.file = resolver.env;
  return LoadSettings({{"agent.yaml", std::string(text)}}, "box", resolver);
}

std::string ProblemOf(const Result<AgentSettings>& settings) {
  return settings.ok() ? "fine" : settings.error().message();
}

TEST(Settings, NameOfTheMachineMustBeUtf8) {
  const std::string text = "server: http://a\nkey: k\nflows: [{source: s, paths: /l}]\n";
  const auto settings = LoadSettings({{"agent.yaml", text}}, "b\xe9", {});
  ASSERT_FALSE(settings.ok());
  EXPECT_NE(settings.error().message().find("host: 'b\\xe9' is no UTF-8"), std::string::npos)
      << settings.error().message();
  EXPECT_TRUE(LoadSettings({{"agent.yaml", text + "host: box\n"}}, "b\xe9", {}).ok());
}

TEST(Settings, ReadsAgentYaml) {
  const auto settings =
      LoadText(
          "server: [https://a:8443, 'http://[::1]:80']\nkey: ${env:KEY}\nbatch_age: 500ms\n"
          "flows:\n  - source: shop\n    paths: /var/log/a*.log\n    initial_position: end\n"
          "    multiline_start: '^\\['\n")
          .value();
  EXPECT_EQ(settings.servers.size(), 2U);
  EXPECT_EQ(settings.key, "k1");
  EXPECT_EQ(settings.host, "box");
  EXPECT_EQ(settings.batch_age_micros, 500'000);
  ASSERT_EQ(settings.flows.size(), 1U);
  EXPECT_FALSE(settings.flows[0].from_start);
  EXPECT_EQ(settings.flows[0].format, "combined");
}

TEST(Settings, SaysEverythingThatIsWrong) {
  const auto settings = LoadText(
      "server: tarn:8443\nbatch_age: 1ms\nflows:\n  - source: a b\n    pahts: [x]\n"
      "  - source: s\n    paths: [x]\n    multiline_start: '('\n  - {source: s, paths: [/y]}\n");
  const std::string& text = settings.error().message();
  for (const char* part :
       {"agent.yaml:1:9: server: 'tarn:8443' begins with neither http:// nor https://",
        "agent.yaml:2:12: batch_age: expected duration", "agent.yaml:4:13: flows[0].source:",
        "'paths' is missing", "unknown key 'pahts'; did you mean 'paths'?",
        "agent.yaml:7:12: flows[1].paths: 'x' is no absolute path",
        "flows[1].multiline_start: no valid pattern", "source 's' stands twice"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\nin\n" << text;
  }
}

TEST(Settings, SaysReferencesThatFailWithAllElseInTheFilesOrder) {
  config::Resolver nothing;
  nothing.env = [](const std::string& name) -> Result<std::string> {
    return NotFound("environment variable '" + name + "' is not set");
  };
  nothing.file = [](const std::string& path) -> Result<std::string> {
    return NotFound(path + " is missing");
  };
  const auto settings = LoadSettings(
      {{"agent.yaml",
        "server: ${env:SERVER}\nbatch_age: 1ms\nkey: ${file:key}\nflows:\n"
        "  - source: ${env:ONE}\n    paths: [x]\n  - source: ${env:TWO}\n    paths: [/y]\n"
        "hots: web1\n"}},
      "box", nothing);
  EXPECT_EQ(ProblemOf(settings),
            "agent.yaml:1:9: server: environment variable 'SERVER' is not set\n"
            "agent.yaml:2:12: batch_age: expected duration, 10ms to 1m (like 250ms, 90s, 2m, 1h, "
            "7d), found '1ms'\n"
            "agent.yaml:3:6: key: key is missing\n"
            "agent.yaml:5:13: flows[0].source: environment variable 'ONE' is not set\n"
            "agent.yaml:6:12: flows[0].paths: 'x' is no absolute path\n"
            "agent.yaml:7:13: flows[1].source: environment variable 'TWO' is not set\n"
            "agent.yaml:9:1: unknown key 'hots'; did you mean 'host'?");
}

// The key's own place says it; there is no second problem of the same kind.
TEST(Settings, FlowsWithoutSourceAreNotCalledTheSame) {
  const auto settings =
      LoadText("server: http://a\nflows:\n  - {paths: [/x]}\n  - {paths: [/y]}\n");
  EXPECT_EQ(ProblemOf(settings).find("stands twice"), std::string::npos) << ProblemOf(settings);
}

TEST(Settings, EmptyListsAndFoldersAreToldWithTheirPlaces) {
  EXPECT_EQ(ProblemOf(LoadText("server: []\nstate_dir: ''\nflows:\n  - {source: a, paths: []}\n")),
            "agent.yaml:1:9: server: expected at least one string, found an empty list\n"
            "agent.yaml:2:12: state_dir: is empty; name the folder that the checkpoint is kept in\n"
            "agent.yaml:4:24: flows[0].paths: expected at least one string, found an empty list");
  EXPECT_EQ(ProblemOf(LoadText(R"({"firehose.endpoint": "http://x", "tarn.stateDir": "",
      "flows": [{"filePattern": "/a", "deliveryStream": "w"}]})")),
            "agent.yaml:1:52: tarn.stateDir: is empty; name the folder that the checkpoint is kept "
            "in");
}

TEST(Settings, RelativePathsAreBelowTheFolderOfTheFile) {
  testing::TempFolder folder;
  const auto load = [&](const std::string& text) {
    return LoadSettings({{folder / "agent.yaml", text}}, "box", {});
  };
  const std::string flows = "flows: [{source: s, paths: /l}]\n";
  const auto settings = load("server: http://a\nstate_dir: state/here\n" + flows);
  EXPECT_EQ(settings.value().state_dir, folder / "state/here");
  const auto kinesis = load(R"({"firehose.endpoint": "http://x", "tarn.stateDir": "state",
      "flows": [{"filePattern": "/a", "deliveryStream": "w"}]})");
  EXPECT_EQ(kinesis.value().state_dir, folder / "state");
  testing::Append(folder / "ca.pem", "hello\n");
  EXPECT_EQ(ProblemOf(load("server: http://a\ntls_ca: ca.pem\n" + flows)),
            (folder / "agent.yaml:2:9: tls_ca: no PEM certificate can be read from '") +
                (folder / "ca.pem': no certificate or crl found"));
  EXPECT_NE(ProblemOf(load("server: http://a\ntls_ca: none.pem\n" + flows))
                .find("none.pem': No such file or directory"),
            std::string::npos);
}

TEST(Settings, CheckpointBelowTheWorkingDirectoryIsNotLeftBehind) {
  testing::TempFolder folder;
  const std::string here = std::filesystem::relative(folder / "old");
  const auto settings =
      LoadSettings({{folder / "in/agent.yaml", "server: http://a\nstate_dir: " + here +
                                                   "\nflows: [{source: s, paths: /l}]\n"}},
                   "box", {})
          .value();
  testing::GuardedFiles files;
  EXPECT_TRUE(CheckStateDir(files, settings).ok()) << "the first start";
  std::filesystem::create_directory(folder / "old");
  testing::Append(folder / "old/checkpoint", "x");
  const Status refused = CheckStateDir(files, settings);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), Code::kInvalidArgument);
  EXPECT_NE(refused.error().message().find(settings.state_dir), std::string::npos);
  EXPECT_NE(refused.error().message().find("./" + here), std::string::npos)
      << refused.error().message();
  AgentSettings absolute = settings;
  absolute.relative_state_dir.clear();
  EXPECT_TRUE(CheckStateDir(files, absolute).ok());
  std::filesystem::create_directories(settings.state_dir);
  testing::Append(settings.state_dir + "/checkpoint", "x");
  EXPECT_TRUE(CheckStateDir(files, settings).ok());
}

TEST(Settings, HasAtMostFifteenKeys) {
  size_t keys = 0;
  for (const auto& field : DescribeSettings()) {
    if (field.path != "flows") ++keys;
  }
  EXPECT_LE(keys, 15U);
}

TEST(Settings, AcceptsAKinesisAgentFile) {
  const auto settings = LoadText(R"({
    "firehose.endpoint": "http://127.0.0.1:8080",
    "cloudwatch.emitMetrics": false,
    "awsAccessKeyId": "AKIA",
    "flows": [
      {"filePattern": "/var/log/apache2/access.log*", "deliveryStream": "web",
       "initialPosition": "START_OF_FILE", "maxBufferAgeMillis": "2000",
       "maxBufferSizeRecords": 500,
       "dataProcessingOptions": [{"optionName": "LOGTOJSON", "logFormat": "COMMONAPACHELOG"}]},
      {"filePattern": "/tmp/x.csv", "kinesisStream": "csv",
       "dataProcessingOptions": [{"optionName": "CSVTOJSON", "customFieldNames": ["a", "b"]}]},
      {"filePattern": "/tmp/y.log", "kinesisStream": "app", "multiLineStartPattern": "^\\d",
       "dataProcessingOptions": [{"optionName": "SINGLELINE"}]}
    ]})")
                            .value();
  EXPECT_EQ(settings.servers, std::vector<std::string>{"http://127.0.0.1:8080"});
  ASSERT_EQ(settings.flows.size(), 3U);
  EXPECT_EQ(settings.flows[0].source, "web");
  EXPECT_EQ(settings.flows[0].format, "common");
  EXPECT_TRUE(settings.flows[0].from_start);
  EXPECT_FALSE(settings.flows[1].from_start);
  EXPECT_EQ(settings.flows[1].format, "csv:a,b");
  EXPECT_EQ(settings.flows[2].multiline_start, "^\\d");
  EXPECT_EQ(settings.flows[2].format, "") << "the source's own";
  std::string notes;
  for (const std::string& note : settings.notes) notes += note + "\n";
  for (const char* part :
       {"cloudwatch.emitMetrics is ignored: metrics are served", "awsAccessKeyId is ignored",
        "flows[0].maxBufferSizeRecords is ignored", "SINGLELINE is ignored"}) {
    EXPECT_NE(notes.find(part), std::string::npos) << part << "\nin\n" << notes;
  }
}

// Each must compile on the server, or all lines end in quarantine.
TEST(Settings, KinesisConversionsWithoutAFormatOfOursUseTheSources) {
  const auto settings = LoadText(R"({"firehose.endpoint": "https://x", "flows": [
      {"filePattern": "/a", "deliveryStream": "a",
       "dataProcessingOptions": [{"optionName": "LOGTOJSON", "logFormat": "SYSLOG"}]},
      {"filePattern": "/b", "deliveryStream": "b",
       "dataProcessingOptions": [{"optionName": "CSVTOJSON"}]},
      {"filePattern": "/c", "deliveryStream": "c", "dataProcessingOptions": [
        {"optionName": "CSVTOJSON", "customFieldNames": ["first name", "b"], "delimiter": "\t"}]}
    ]})")
                            .value();
  EXPECT_EQ(settings.flows[0].format, "");
  EXPECT_EQ(settings.flows[1].format, "");
  EXPECT_EQ(settings.flows[2].format, "tsv:first_name,b");
  ASSERT_EQ(settings.notes.size(), 4U);
  EXPECT_NE(settings.notes[0].find("SYSLOG is not known here"), std::string::npos);
}

// A flow with one option of LOGTOJSON.
Result<AgentSettings> LoadOption(std::string_view option) {
  std::string text =
      R"~({"firehose.endpoint": "https://x", "flows": [{"filePattern": "/a",
           "deliveryStream": "w", "dataProcessingOptions": [{"optionName": "LOGTOJSON", )~";
  return LoadText(text.append(option).append("}]}]}"));
}
std::string FormatOf(std::string_view option) {
  const auto settings = LoadOption(option);
  return settings.ok() ? settings->flows[0].format : settings.error().message();
}

// The Kinesis Agent counts groups; the server wants them named.
TEST(Settings, KinesisMatchPatternGetsItsFieldNames) {
  EXPECT_EQ(FormatOf(R"~("logFormat": "COMMONAPACHELOG",
                         "matchPattern": "^([\\d.]+) (\\S+) \\[(.+?)\\]",
                         "customFieldNames": ["host", "user name", "datetime"])~"),
            R"~(regex:^(?P<host>[\d.]+) (?P<user_name>\S+) \[(?P<datetime>.+?)\])~");
  EXPECT_EQ(FormatOf(R"~("matchPattern":
                         "(?:x|\\()([(\\]]+)([^](]*)(?<q>\\Q(\\E)(?i)(?P<r>y)",
                         "customFieldNames": ["a", "b", "c", "d"])~"),
            R"~(regex:(?:x|\()(?P<a>[(\]]+)(?P<b>[^](]*)(?P<c>\Q(\E)(?i)(?P<d>y))~");
  EXPECT_EQ(FormatOf(R"~("matchPattern": "(?<a>x)(y)")~"), "regex:(?P<a>x)(y)");
}

TEST(Settings, KinesisMatchPatternThatWouldNotCompileIsNamed) {
  constexpr std::pair<std::string_view, std::string_view> kBad[] = {
      {R"~("matchPattern": "(a)(b)", "customFieldNames": ["a"])~", "1 names for the 2 groups"},
      {R"~("matchPattern": "(a)(b)")~", "needs customFieldNames"},
      {R"~("matchPattern": "(a)(?=b)", "customFieldNames": ["a"])~", "RE2 does not take it"},
      {R"~("matchPattern": "(a)(b)", "customFieldNames": ["a", "a"])~", "'a' stands twice"},
      {R"~("matchPattern": "(a[")~", "RE2 does not take it"},
      {R"~("matchPattern": "(a\\")~", "RE2 does not take it"}};
  for (const auto& [option, problem] : kBad) {
    EXPECT_NE(FormatOf(option).find(problem), std::string::npos) << option << FormatOf(option);
  }
}

TEST(Settings, KinesisFieldNamesOfAKnownFormatAreNotedAsIgnored) {
  const auto settings =
      LoadOption(R"~("logFormat": "COMMONAPACHELOG", "customFieldNames": ["a"])~").value();
  EXPECT_EQ(settings.flows[0].format, "common");
  EXPECT_NE(settings.notes[0].find("customFieldNames is ignored"), std::string::npos);
}

// A file with one flow into `stream`; `more` are further members of the flow.
Result<AgentSettings> LoadFlow(std::string_view stream, std::string_view more) {
  return LoadText(
      fmt::format("{{\"firehose.endpoint\": \"https://x\", \"tarn.key\": \"k\", \"flows\": [\n"
                  "{{\"filePattern\": \"/a\", \"deliveryStream\": \"{}\"{}}}]}}",
                  stream, more));
}

TEST(Settings, KinesisHeadingIsSkippedAndAFooterIsALine) {
  const auto settings =
      LoadFlow("w", R"(, "skipHeaderLines": 2, "fileFooterPattern": "^EOF")").value();
  EXPECT_EQ(settings.flows[0].skip_lines, 2);
  ASSERT_EQ(settings.notes.size(), 1U);
  EXPECT_EQ(settings.notes[0],
            "flows[0].fileFooterPattern is ignored: a footer is sent as any other line");
}

TEST(Settings, KinesisFileMayHaveComments) {
  const auto settings = LoadText(R"(/* of
  the old agent */ // one more
  { // the server
    "firehose.endpoint": "https://x", /* "flows": [] */ "tarn.key": "a//b/*c*/\"//d",
    "flows": [ {"filePattern": "/var/log/*/*.log", // all of them
                "deliveryStream": "w"} /**/ ] } // end)");
  ASSERT_TRUE(settings.ok()) << settings.error().message();
  EXPECT_EQ(settings->key, "a//b/*c*/\"//d");
  EXPECT_EQ(settings->flows[0].paths, std::vector<std::string>{"/var/log/*/*.log"});
  EXPECT_EQ(
      ProblemOf(LoadText("\xef\xbb\xbf{\"firehose.endpoint\": \"https://x\", \"flows\": []}")),
      ProblemOf(LoadText("{\"firehose.endpoint\": \"https://x\", \"flows\": []}")));
  EXPECT_EQ(ProblemOf(LoadText("{ // one\n /* two\n \"flows\": [] }")),
            "agent.yaml:2:2: this comment has no end");
  EXPECT_NE(
      ProblemOf(LoadText("/* a\n */ // b\n{\n \"flos\": [] }")).find("agent.yaml:4:2: unknown"),
      std::string::npos)
      << ProblemOf(LoadText("/* a\n */ // b\n{\n \"flos\": [] }"));
}

TEST(Settings, KinesisFlowsThatCannotShareAStreamAreNamed) {
  const auto load = [](std::string_view second, std::string_view third) {
    return LoadText(
        fmt::format("{{\"firehose.endpoint\": \"https://x\", \"flows\": [\n"
                    "{{\"filePattern\": \"/a\", \"deliveryStream\": \"w\"}},\n"
                    "{{\"filePattern\": \"/b\", \"deliveryStream\": \"w\"{}}},\n"
                    "{{\"filePattern\": \"/c\", \"deliveryStream\": \"w\"{}}}]}}",
                    second, third));
  };
  const auto same = load("", "").value();
  ASSERT_EQ(same.flows.size(), 1U);
  EXPECT_EQ(same.flows[0].paths, (std::vector<std::string>{"/a", "/b", "/c"}));
  EXPECT_EQ(
      ProblemOf(load(R"(, "initialPosition": "START_OF_FILE", "skipHeaderLines": 1)",
                     R"(, "multiLineStartPattern": "^x")")),
      "agent.yaml:3:65: flows[1].initialPosition: differs from that of flows[0], and both go "
      "into 'w'; give one of them another stream name\n"
      "agent.yaml:3:101: flows[1].skipHeaderLines: differs from that of flows[0], and both go "
      "into 'w'; give one of them another stream name\n"
      "agent.yaml:4:71: flows[2].multiLineStartPattern: differs from that of flows[0], and "
      "both go into 'w'; give one of them another stream name");
  EXPECT_NE(ProblemOf(load(R"(, "dataProcessingOptions": [{"optionName": "LOGTOJSON"}])", ""))
                .find("flows[1].dataProcessingOptions: differs from that of flows[0]"),
            std::string::npos);
}

// agent.json and agent.d of a Kinesis Agent in a folder.
class KinesisFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    Write("agent.json", R"({"firehose.endpoint": "https://x", "tarn.key": "k",
                            "flows": [{"filePattern": "/a", "deliveryStream": "w"}]})");
  }
  void Write(const std::string& path, std::string_view text) {
    ASSERT_TRUE(files_.CreateDirectories(os::ParentOf(folder_ / path)).ok());
    testing::Append(folder_ / path, std::string(text));
  }
  Result<AgentSettings> Load() {
    TARN_ASSIGN_OR_RETURN(const auto read, ReadSettingsFiles(files_, folder_ / "agent.json"));
    return LoadSettings(read, "box", config::Resolver());
  }

  testing::TempFolder folder_;
  os::PosixFileSystem files_;
};

TEST_F(KinesisFolder, FlowsOfAgentDCount) {
  Write("agent.d/20.json", R"({"flows": [{"filePattern": "/c", "deliveryStream": "w"}]})");
  Write("agent.d/10", R"(// as it is there, by whatever name
      {"flows": [{"filePattern": "/b", "deliveryStream": "v", "skipHeaderLines": 1,
                  "partitionKeyOption": "RANDOM"}],
       "cloudwatch.emitMetrics": true, "firehose.endpoint": "https://y"})");
  Write("agent.d/.20.json.swp", "{");
  Write("agent.d/old/x.json", "{");
  Write("agent.d/empty.json", "");
  const auto settings = Load();
  ASSERT_TRUE(settings.ok()) << settings.error().message();
  EXPECT_EQ(settings->servers, std::vector<std::string>{"https://x"});
  ASSERT_EQ(settings->flows.size(), 2U);
  EXPECT_EQ(settings->flows[0].paths, (std::vector<std::string>{"/a", "/c"}));
  EXPECT_EQ(settings->flows[1].source, "v");
  EXPECT_EQ(settings->flows[1].skip_lines, 1);
  const std::string file = folder_ / "agent.d/10";
  EXPECT_EQ(settings->notes,
            (std::vector<std::string>{
                file + ": flows[0].partitionKeyOption is ignored: order within a file is always "
                       "kept",
                file + ": firehose.endpoint is ignored: it counts in agent.json alone",
                file + ": cloudwatch.emitMetrics is ignored: metrics are served on "
                       "tarn.metricsPort instead of CloudWatch"}));
}

TEST_F(KinesisFolder, ProblemsOfAllFilesAreToldEachWithItsFile) {
  Write("agent.d/a.json", R"({"flows": [{"deliveryStream": "v"}], "flos": 1})");
  Write("agent.d/b.json", "{");
  Write("agent.d/c.json", R"({"flows": [{"filePattern": "/c", "deliveryStream": "w",
                              "skipHeaderLines": 1}]})");
  const std::string problem = ProblemOf(Load());
  const std::string folder = folder_ / "agent.d";
  for (const std::string& part :
       {folder + "/a.json:1:12: flows[0]: 'filePattern' is missing",
        folder + "/a.json:1:38: unknown key 'flos'; did you mean 'flows'?", folder + "/b.json:",
        folder + "/c.json:2:50: flows[0].skipHeaderLines: differs from that of " +
            (folder_ / "agent.json") + ": flows[0], and both go into 'w'"}) {
    EXPECT_NE(problem.find(part), std::string::npos) << part << "\nin\n" << problem;
  }
}

TEST_F(KinesisFolder, AllFlowsMayBeInAgentD) {
  ASSERT_TRUE(files_.Remove(folder_ / "agent.json").ok());
  Write("agent.json", R"({"firehose.endpoint": "https://x", "flows": []})");
  EXPECT_NE(ProblemOf(Load()).find("flows: expected at least one item"), std::string::npos);
  Write("agent.d/a.json", R"({"flows": []})");
  EXPECT_NE(ProblemOf(Load()).find("agent.json:1:45: flows: none here and none in agent.d"),
            std::string::npos)
      << ProblemOf(Load());
  Write("agent.d/b.json", R"({"flows": [{"filePattern": "/b", "deliveryStream": "v"}]})");
  EXPECT_EQ(Load().value().flows.size(), 1U);
}

TEST_F(KinesisFolder, AgentDIsOfNoConcernToAgentYaml) {
  Write("agent.d/b.json", "{");
  Write("agent.yaml", "server: http://a\nflows:\n  - {source: w, paths: /a}\n");
  EXPECT_EQ(ReadSettingsFiles(files_, folder_ / "agent.yaml").value().size(), 1U);
}

TEST(Settings, KinesisFileOfAnAgentForAwsIsToldWhatItLacks) {
  const auto load = [](std::string_view keys) {
    return LoadText(
        fmt::format(R"({{{}, "flows": [{{"filePattern": "/a", "deliveryStream": "w"}}]}})", keys));
  };
  EXPECT_EQ(load(R"("firehose.endpoint": "tarn:8700")").value().notes,
            std::vector<std::string>{"tarn.key is missing: the server wants a key of the role "
                                     "ingest, unless it runs without keys"});
  for (const char* key : {"firehose.endpoint", "kinesis.endpoint"}) {
    EXPECT_EQ(ProblemOf(load(fmt::format(R"("{}": "firehose.eu-west-1.amazonaws.com")", key))),
              fmt::format("agent.yaml:1:{}: {}: 'firehose.eu-west-1.amazonaws.com' is still AWS; "
                          "write the URL of the Tarn server",
                          std::string_view(key).size() + 6, key));
  }
  EXPECT_EQ(load(R"("firehose.endpoint": "tarn", "tarn.key": "k",
                    "kinesis.endpoint": "kinesis.eu-west-1.amazonaws.com")")
                .value()
                .notes,
            std::vector<std::string>{"kinesis.endpoint is ignored: the server is "
                                     "firehose.endpoint"});
}

TEST(Settings, KinesisFlowOfTwoStreamsSaysWhichIsTaken) {
  const auto settings = LoadText(R"({"firehose.endpoint": "http://x", "tarn.key": "k", "flows":
      [{"filePattern": "/a", "deliveryStream": "w", "kinesisStream": "v"}]})")
                            .value();
  EXPECT_EQ(settings.flows[0].source, "w");
  EXPECT_EQ(settings.notes, std::vector<std::string>{
                                "flows[0].kinesisStream is ignored: the source is deliveryStream"});
}

TEST(Settings, KinesisFileMayHaveReferencesAsAgentYaml) {
  const auto load = [](std::string_view key, std::string_view pattern) {
    return LoadText(
        fmt::format("{{\"firehose.endpoint\": \"https://${{env:HOST}}\",\n"
                    "\"tarn.key\": \"{}\", \"flows\": [\n"
                    "{{\"filePattern\": \"{}\", \"deliveryStream\": \"w\"}}]}}",
                    key, pattern));
  };
  const auto settings = load("${file:agent.key}", "/${env:A}/$${x}");
  ASSERT_TRUE(settings.ok()) << ProblemOf(settings);
  EXPECT_EQ(settings->key, "k1");
  EXPECT_EQ(settings->servers, std::vector<std::string>{"https://k1"});
  EXPECT_EQ(settings->flows[0].paths, std::vector<std::string>{"/k1/${x}"});
  EXPECT_TRUE(settings->notes.empty());
  EXPECT_EQ(ProblemOf(load("${vault:key}", "x")),
            "agent.yaml:2:13: tarn.key: '${vault:key}' is neither ${env:NAME} nor ${file:path}\n"
            "agent.yaml:3:17: flows[0].filePattern: 'x' is no absolute path");
}

TEST(Settings, KinesisMistakesAreToldUnderTheKeysOfTheFile) {
  const std::string name(256, 'h');
  const std::string columns(4'200, 'c');
  EXPECT_EQ(ProblemOf(LoadText("{\"kinesis.endpoint\": \"https://x:y\",\n\"tarn.host\": \"" + name +
                               "\",\n\"tarn.key\": \"a\\nb\", \"flows\": [\n"
                               "{\"deliveryStream\": \"w\",\n\"filePattern\": \"x.log\",\n"
                               "\"multiLineStartPattern\": \"(\",\n"
                               "\"dataProcessingOptions\": [{\"optionName\": \"CSVTOJSON\", "
                               "\"customFieldNames\": [\"" +
                               columns + "\"]}]}]}")),
            "agent.yaml:1:22: kinesis.endpoint: 'https://x:y' has no valid port\n"
            "agent.yaml:2:14: tarn.host: 1 to 255 bytes\n"
            "agent.yaml:3:13: tarn.key: must be one line\n"
            "agent.yaml:5:16: flows[0].filePattern: 'x.log' is no absolute path\n"
            "agent.yaml:6:26: flows[0].multiLineStartPattern: no valid pattern: missing ): (\n"
            "agent.yaml:7:26: flows[0].dataProcessingOptions: is too long");
}

TEST(Settings, SourceIsCalledAsTarnYamlMayCallIt) {
  for (const char* good : {"w", "_w", "Web-log_1"}) EXPECT_TRUE(LoadFlow(good, "").ok()) << good;
  for (const char* bad : {"s.1", "1s", "-s", "a b"}) {
    EXPECT_EQ(ProblemOf(LoadFlow(bad, "")),
              "agent.yaml:2:41: flows[0].deliveryStream: letters, digits, '_' and '-' only, a "
              "letter or '_' first, 1 to 128 of them, as sources in tarn.yaml are called")
        << bad;
  }
}

TEST(Settings, KinesisColumnsThatTheServerRefusesAreNamed) {
  const auto load = [](std::string_view names) {
    return LoadFlow("w", fmt::format(R"(, "dataProcessingOptions": [{{"optionName": "CSVTOJSON",
                                         "customFieldNames": [{}]}}])",
                                     names));
  };
  const auto renamed = load(R"("First Name", "b")").value();
  EXPECT_EQ(renamed.flows[0].format, "csv:First_Name,b");
  EXPECT_EQ(renamed.notes, std::vector<std::string>{
                               "flows[0].dataProcessingOptions[0].customFieldNames: 'First Name' "
                               "is called 'First_Name' here"});
  constexpr std::pair<std::string_view, std::string_view> kBad[] = {
      {R"("a", "2nd")",
       "customFieldNames: '2nd' is no column name: letters, digits and _, not a "
       "digit first"},
      {R"("a", "")", "'' is no column name"},
      {R"("a b", "a_b")", "'a_b' stands twice"}};
  for (const auto& [names, problem] : kBad) {
    EXPECT_NE(ProblemOf(load(names)).find(problem), std::string::npos) << ProblemOf(load(names));
  }
}

TEST(Settings, KinesisTypoIsNamed) {
  const auto settings = LoadText(
      "{\"firehose.endpoint\": \"https://x\", \"flows\": [{\"filePatern\": \"/a\", "
      "\"deliveryStream\": \"w\"}]}");
  EXPECT_NE(settings.error().message().find("did you mean 'filePattern'?"), std::string::npos);
}

TEST(Settings, FormatThatIsNoneIsNamedWithTheNearest) {
  const std::string flow = "server: https://x\nflows:\n  - {source: w, paths: [/a], format: '";
  for (const char* good : {"", "combined+cookie", "json", "csv:a,b", "regex:(?P<a>x)", "%h %b"}) {
    EXPECT_TRUE(LoadText(flow + good + "'}\n").ok()) << good;
  }
  const auto settings = LoadText(flow + "combind'}\n");
  ASSERT_FALSE(settings.ok());
  EXPECT_NE(settings.error().message().find(
                ":3:38: flows[0].format: 'combind' is no log format; did you mean 'combined'?"),
            std::string::npos)
      << settings.error().message();
}

TEST(Settings, UrlsAreStrict) {
  EXPECT_EQ(ParseUrl("https://a").value().port, 443);
  EXPECT_EQ(ParseUrl("http://[::1]:81/").value().host, "::1");
  for (const char* bad : {"a", "ftp://a", "http://", "http://a:0", "http://a:99999", "http://a/b",
                          "http://u@a", "http://a b"}) {
    EXPECT_FALSE(ParseUrl(bad).ok()) << bad;
  }
}

TEST(Identity, HeadIsTheFirstLineThatIsNoComment) {
  EXPECT_EQ(BaseHeadLength(""), 0U);
  EXPECT_EQ(BaseHeadLength("abc"), 0U);
  EXPECT_EQ(BaseHeadLength("abc\ndef\n"), 4U);
  EXPECT_EQ(BaseHeadLength("#v\n"), 0U);
  EXPECT_EQ(BaseHeadLength("#v\n#f\nabc\nx"), 10U);
  EXPECT_EQ(BaseHeadLength(std::string(5000, 'x')), kBaseHeadBytes);
  EXPECT_EQ(BaseHeadLength(std::string(1023, 'x')), 0U);
  EXPECT_NE(FileIdOf("a", "x\n"), FileIdOf("b", "x\n"));
}

TEST(Identity, GlobsMatchFoldersAndNames) {
  testing::TempFolder folder;
  os::PosixFileSystem files;
  for (const char* path : {"v1/access.log", "v2/access.log", "v2/error.log", "v2/.hidden.log"}) {
    ASSERT_TRUE(files.CreateDirectories(os::ParentOf(folder / path)).ok());
    testing::Append(folder / path, "x\n");
  }
  EXPECT_EQ(ExpandGlob(files, folder / "v*/*.log", 100).paths,
            (std::vector<std::string>{folder / "v1/access.log", folder / "v2/access.log",
                                      folder / "v2/error.log"}));
  EXPECT_EQ(ExpandGlob(files, folder / "v[2]/a*", 100).paths.size(), 1U);
  EXPECT_EQ(ExpandGlob(files, folder / "v*/*.log", 2).paths.size(), 2U);
  const GlobMatches none = ExpandGlob(files, folder / "none/*", 2);
  EXPECT_TRUE(none.paths.empty() && none.failures.empty());
  const GlobMatches absent = ExpandGlob(files, folder / "v1/error.log", 2);
  ASSERT_EQ(absent.failures.size(), 1U);
  EXPECT_EQ(absent.failures[0].second.code(), Code::kNotFound);
}

TEST(ResponseHead, IsParsedStrictly) {
  const auto head = ParseResponseHead(
                        "HTTP/1.1 503 Busy\r\ncontent-length: 12\r\nRetry-After: 7\r\n"
                        "Connection: close")
                        .value();
  EXPECT_EQ(head.status, 503);
  EXPECT_EQ(head.content_length, 12);
  EXPECT_EQ(head.retry_after_seconds, 7);
  EXPECT_TRUE(head.close);
  for (const char* bad : {"", "HTTP/2 200", "HTTP/1.1 2x0 OK", "HTTP/1.1 999 OK",
                          "HTTP/1.1 200 OK\r\nContent-Length: -1", "HTTP/1.1 200 OK\r\nnocolon",
                          "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2"}) {
    EXPECT_FALSE(ParseResponseHead(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace tarn::agent
