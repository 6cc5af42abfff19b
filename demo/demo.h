#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tarn::demo {

struct DemoOptions {
  std::string folder = "tarn-demo";
  std::optional<uint64_t> seed;  // 1 for a new folder; must be that of an old one
  std::optional<int> days;       // of history; 30 for a new folder; must be that of an old one
  double history_rate = 0.35;    // hits a second of the history, on average
  double rate = 40;              // hits a second, live, over all servers
  std::optional<int> servers;    // 1 … 4; 4 for a new folder; must be that of an old one
  bool headless = false;         // no live view
  bool json = false;             // one JSON summary on standard output at the end
  int64_t run_micros = 0;        // --for; 0: until Ctrl-C
  bool only_traffic = false;     // world, Apache and traffic; neither server nor agents
  bool help = false;             // only PrintHelp is asked for
};

// Runs the demo until --for is over or SIGINT, SIGTERM or SIGHUP (unless ignored) arrives; all end
// it in order: traffic, Apache, agents (drained), server, within a minute; a second signal, unless
// it is SIGHUP, waits for nothing. Changes the process's signal handling while it runs. Errors say
// what a person can do: Apache missing, another demo on the folder (Conflict), `tarn` or
// `tarn-agent` not beside this program.
Status RunDemo(const DemoOptions& options);

// An option of `tarn demo`.
struct Flag {
  std::string_view name;   // "--seed"
  std::string_view value;  // what stands for its value in the help; empty: it takes none
  std::string_view help;
  Status (*set)(DemoOptions& options, std::string_view value);
};
const std::vector<Flag>& Flags();
// The text of --help, to standard output.
void PrintHelp();

// Arguments of the command line behind `tarn demo` into options. InvalidArgument names the flag and
// the nearest one there is.
Result<DemoOptions> ParseDemoArguments(int argc, char** argv);

// `tarn demo ARGS`: parses, runs, prints; argv[0] is skipped. The exit status is that of the error
// table (base/error.h).
int Run(int argc, char** argv);

}  // namespace tarn::demo
