// tarn: one program, one subcommand each for what a person does with it.

#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <exception>

#include "app/command.h"
#include "app/version.h"
#include "demo/demo.h"

namespace tarn::app {
namespace {

std::string SelfPath() {
  std::array<char, 4096> buffer{};
  const ssize_t length = readlink("/proc/self/exe", buffer.data(), buffer.size());
  return length > 0 ? std::string(buffer.data(), static_cast<size_t>(length)) : "tarn";
}

void AddCommands(CLI::App& app, Context& context, Run& run) {
  AddInit(app, context, run);
  AddCheck(app, context, run);
  AddServe(app, context, run);
  AddStatus(app, context, run);
  AddSql(app, context, run);
  AddDatasets(app, context, run);
  AddDataset(app, context, run);
  AddQuarantine(app, context, run);
  AddMaintain(app, context, run);
  AddParse(app, context, run);
  AddKeys(app, context, run);
  AddConfigReference(app, context, run);
  AddCompletion(app, context, run);
  app.add_subcommand("demo", "A small shop with four Apache servers, live (tarn demo --help)")
      ->allow_extras()
      ->prefix_command();
}

int Main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "demo") return demo::Run(argc - 1, argv + 1);
  CLI::App app("Tarn: web logs into open lake tables, exactly once.", "tarn");
  app.set_version_flag("--version", "tarn " + std::string(kVersion));
  app.require_subcommand(1);
  app.failure_message(CLI::FailureMessage::simple);
  app.footer(
      "Examples:\n"
      "  tarn demo                                     see it work\n"
      "  tarn init shop --template retail              start a project\n"
      "  tarn serve shop                               run it\n"
      "  tarn sql shop \"SELECT count(*) FROM clean.web_log\"\n"
      "Each command has --help with examples.\n"
      "Exit status: 0 success, 2 wrong use or configuration, others in docs/exit-codes.md");
  // What a project holds is its owner's and group's business.
  umask(027);
  Machine machine;
  Context context{machine, SelfPath()};
  Run run;
  AddCommands(app, context, run);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : TraitsOf(Code::kInvalidArgument).exit_status;
  }
  Status status = Internal("the command did not run");
  try {
    status = run();
  } catch (const std::bad_alloc&) {
    status = ResourceExhausted("out of memory");
  } catch (const std::exception& error) {  // fmt's, when the terminal or pipe is gone
    status = IoError(error.what());
  }
  // What was printed counts only once it is written.
  if (status.ok() && (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)) {
    status = IoError("cannot write the output: is the disk full, or the reader gone?");
  }
  if (status.ok()) return 0;
  std::fprintf(stderr, "tarn: %s\n", status.error().message().c_str());
  return TraitsOf(status.error().code()).exit_status;
}

}  // namespace
}  // namespace tarn::app

int main(int argc, char** argv) { return tarn::app::Main(argc, argv); }
