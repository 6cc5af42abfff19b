#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"
#include "codec/json.h"
#include "demo/demo.h"

namespace tarn::demo {
namespace {

constexpr std::string_view kUsage =
    R"(usage: tarn demo [DIR] [OPTIONS]

Starts a small retail world in DIR (default ./tarn-demo; new, empty or an earlier demo's): four
real Apache servers, people and bots who visit them, four agents, and the Tarn server. The first run
writes some history; running it again goes on where it stopped, with the seed, days and servers it
began with. Ctrl-C, or closing the terminal, stops everything in order.

)";
constexpr std::string_view kExamples = R"(
examples:
  tarn demo
  tarn demo /tmp/shop --seed 7 --days 2 --rate 200
  tarn demo --headless --for 60s --json
)";

const Flag* FindFlag(std::string_view name) {
  const auto flag =
      std::ranges::find_if(Flags(), [name](const Flag& known) { return known.name == name; });
  return flag == Flags().end() ? nullptr : &*flag;
}

Error BadValue(std::string_view flag, std::string_view value, std::string_view wanted) {
  return InvalidArgument(fmt::format("{} '{}': {}", flag, value, wanted));
}

Status SetSeed(DemoOptions& options, std::string_view value) {
  const auto seed = ParseUint64(value);
  if (!seed || *seed > INT64_MAX) return BadValue("--seed", value, "a whole number, 0 or more");
  options.seed = seed;
  return {};
}

Status SetDays(DemoOptions& options, std::string_view value) {
  const auto days = ParseInt64(value);
  if (!days || *days < 0 || *days > 400) return BadValue("--days", value, "0 to 400");
  options.days = static_cast<int>(*days);
  return {};
}

Status SetRate(DemoOptions& options, std::string_view value) {
  const auto rate = ParseDouble(value);
  if (!rate || !(*rate >= 0.1 && *rate <= 20'000)) return BadValue("--rate", value, "0.1 to 20000");
  options.rate = *rate;
  return {};
}

Status SetServers(DemoOptions& options, std::string_view value) {
  const auto servers = ParseInt64(value);
  if (!servers || *servers < 1 || *servers > 4) return BadValue("--servers", value, "1 to 4");
  options.servers = static_cast<int>(*servers);
  return {};
}

Status SetFor(DemoOptions& options, std::string_view value) {
  const auto micros = ParseDuration(value);
  if (!micros || *micros <= 0) return BadValue("--for", value, "a time such as 60s, 5m or 1h");
  options.run_micros = *micros;
  return {};
}

template <bool DemoOptions::* kSwitch>
Status TurnOn(DemoOptions& options, std::string_view /*value*/) {
  options.*kSwitch = true;
  return {};
}

Error UnknownFlag(std::string_view flag) {
  std::vector<std::string_view> names;
  for (const Flag& known : Flags()) names.push_back(known.name);
  return InvalidArgument(
      fmt::format("no option '{}'{}", flag, DidYouMean(flag, names, "see tarn demo --help")));
}

}  // namespace

const std::vector<Flag>& Flags() {
  static const std::vector<Flag> kFlags = {
      {"--seed", "N", "which world (default 1); the same seed is the same world", SetSeed},
      {"--days", "N", "days of history for a new folder (default 30, 0 to 400)", SetDays},
      {"--rate", "N", "hits a second over all servers, live (default 40)", SetRate},
      {"--servers", "N", "web servers, 1 to 4 (default 4)", SetServers},
      {"--for", "TIME", "stop after this long: 60s, 5m, 1h", SetFor},
      {"--headless", "", "no live view", TurnOn<&DemoOptions::headless>},
      {"--json", "", "one JSON summary on standard output at the end", TurnOn<&DemoOptions::json>},
      {"--only-traffic", "", "only the web servers and their visitors: no Tarn server, no agents",
       TurnOn<&DemoOptions::only_traffic>},
      {"--help", "", "this text", TurnOn<&DemoOptions::help>},
  };
  return kFlags;
}

void PrintHelp() {
  std::string text(kUsage);
  for (const Flag& flag : Flags())
    text += fmt::format("  {:<15}  {}\n", fmt::format("{} {}", flag.name, flag.value), flag.help);
  fmt::print("{}{}", text, kExamples);
}

Result<DemoOptions> ParseDemoArguments(int argc, char** argv) {
  DemoOptions options;
  bool folder_given = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i] == std::string_view("-h") ? "--help" : argv[i];
    if (!word.starts_with('-')) {
      if (folder_given) return InvalidArgument(fmt::format("'{}': one folder only", word));
      folder_given = true;
      options.folder = word;
      continue;
    }
    const size_t equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    const Flag* flag = FindFlag(name);
    if (flag == nullptr) return UnknownFlag(name);
    if (flag->value.empty()) {
      if (equals != std::string_view::npos)
        return InvalidArgument(fmt::format("{} takes no value", name));
      TARN_TRY(flag->set(options, {}));
      if (options.help) return options;
    } else if (equals != std::string_view::npos) {
      TARN_TRY(flag->set(options, word.substr(equals + 1)));
    } else if (i + 1 < argc) {
      TARN_TRY(flag->set(options, argv[++i]));
    } else {
      return InvalidArgument(fmt::format("{} needs a value", name));
    }
  }
  return options;
}

int Run(int argc, char** argv) {
  const auto options = ParseDemoArguments(argc, argv);
  if (options.ok() && options->help) {
    PrintHelp();
    return 0;
  }
  const Status status = options.ok() ? RunDemo(*options) : Status(options.error());
  if (status.ok()) return 0;
  std::fprintf(stderr, "tarn demo: %s\n", status.error().message().c_str());
  return TraitsOf(status.error().code()).exit_status;
}

}  // namespace tarn::demo
