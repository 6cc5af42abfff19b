#include <fmt/format.h>

#include <cstdio>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"
#include "codec/json.h"
#include "demo/demo.h"

namespace tarn::demo {
namespace {

constexpr std::string_view kHelp =
    R"(usage: tarn demo [FOLDER] [OPTIONS]

Starts a small retail world in FOLDER (default ./tarn-demo): four real Apache servers, people and
bots who visit them, four agents, and the Tarn server. The first run writes some history; running it
again goes on where it stopped. Ctrl-C stops everything in order.

  --seed N         which world (default 1); the same seed is the same world
  --days N         days of history for a new folder (default 30, 0 to 400)
  --rate N         hits a second over all servers, live (default 40)
  --servers N      web servers, 1 to 4 (default 4)
  --for TIME       stop after this long: 60s, 5m, 1h
  --headless       no live view
  --json           one JSON summary on standard output at the end
  --only-traffic   only the web servers and their visitors: no Tarn server, no agents
  --help           this text

examples:
  tarn demo
  tarn demo /tmp/shop --seed 7 --days 2 --rate 200
  tarn demo --headless --for 60s --json
)";

const std::vector<std::string_view> kFlags = {"--seed",    "--days",         "--rate",
                                              "--servers", "--for",          "--headless",
                                              "--json",    "--only-traffic", "--help"};

Error BadValue(std::string_view flag, std::string_view value, std::string_view wanted) {
  return InvalidArgument(fmt::format("{} '{}': {}", flag, value, wanted));
}

Status SetFlag(DemoOptions& options, std::string_view flag, std::string_view value) {
  const auto number = ParseInt64(value);
  if (flag == "--seed") {
    const auto seed = ParseUint64(value);
    if (!seed || *seed > INT64_MAX) return BadValue(flag, value, "a whole number, 0 or more");
    options.seed = *seed;
  } else if (flag == "--days") {
    if (!number || *number < 0 || *number > 400) return BadValue(flag, value, "0 to 400");
    options.days = static_cast<int>(*number);
  } else if (flag == "--servers") {
    if (!number || *number < 1 || *number > 4) return BadValue(flag, value, "1 to 4");
    options.servers = static_cast<int>(*number);
  } else if (flag == "--rate") {
    const auto rate = ParseDouble(value);
    if (!rate || !(*rate >= 0.1 && *rate <= 20'000)) return BadValue(flag, value, "0.1 to 20000");
    options.rate = *rate;
  } else {
    const auto micros = ParseDuration(value);
    if (!micros || *micros <= 0) return BadValue(flag, value, "a time such as 60s, 5m or 1h");
    options.run_micros = *micros;
  }
  return {};
}

bool SetSwitch(DemoOptions& options, std::string_view flag) {
  if (flag == "--headless") {
    options.headless = true;
  } else if (flag == "--json") {
    options.json = true;
  } else if (flag == "--only-traffic") {
    options.only_traffic = true;
  } else {
    return false;
  }
  return true;
}

Error UnknownFlag(std::string_view flag) {
  const auto nearest = NearestWord(flag, kFlags);
  return InvalidArgument(
      fmt::format("unknown option {}{}", flag,
                  nearest ? fmt::format("; did you mean {}?", *nearest) : "; see --help"));
}

}  // namespace

Result<DemoOptions> ParseDemoArguments(int argc, char** argv) {
  DemoOptions options;
  bool folder_given = false;
  for (int i = 1; i < argc; ++i) {
    std::string_view flag = argv[i];
    if (flag == "--help" || flag == "-h") return Cancelled(std::string(kHelp));
    if (!flag.starts_with('-')) {
      if (folder_given) return InvalidArgument(fmt::format("'{}': one folder only", flag));
      folder_given = true;
      options.folder = flag;
      continue;
    }
    if (SetSwitch(options, flag)) continue;
    std::string_view value;
    const size_t equals = flag.find('=');
    const bool inlined = equals != std::string_view::npos;
    if (inlined) value = flag.substr(equals + 1);
    flag = flag.substr(0, equals);
    if (flag != "--seed" && flag != "--days" && flag != "--rate" && flag != "--servers" &&
        flag != "--for") {
      return UnknownFlag(flag);
    }
    if (!inlined) {
      if (i + 1 >= argc) return InvalidArgument(fmt::format("{} needs a value", flag));
      value = argv[++i];
    }
    TARN_TRY(SetFlag(options, flag, value));
  }
  return options;
}

int Run(int argc, char** argv) {
  const auto options = ParseDemoArguments(argc, argv);
  if (!options.ok() && options.error().code() == Code::kCancelled) {
    std::fputs(options.error().message().c_str(), stdout);
    return 0;
  }
  const Status status = options.ok() ? RunDemo(*options) : Status(options.error());
  if (status.ok()) return 0;
  std::fprintf(stderr, "tarn demo: %s\n", status.error().message().c_str());
  return TraitsOf(status.error().code()).exit_status;
}

}  // namespace tarn::demo
