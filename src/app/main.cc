// tarn: one program, one subcommand each for what a person does with it.

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <sstream>
#include <system_error>

#include "app/command.h"
#include "app/command_line.h"
#include "app/completion.h"
#include "app/version.h"
#include "base/text.h"
#include "demo/demo.h"
#include "os/posix_file_system.h"

namespace tarn::app {
namespace {

std::string SelfPath() {
  std::array<char, 4096> buffer{};
  const ssize_t length = readlink("/proc/self/exe", buffer.data(), buffer.size());
  return length > 0 ? std::string(buffer.data(), static_cast<size_t>(length)) : "tarn";
}

// The demo reads its own arguments; these are for --help and completion.
void AddDemo(CLI::App& app, Context& /*context*/, Run& /*run*/) {
  CLI::App* command = app.add_subcommand("demo", "A small shop with four Apache servers, live");
  const auto ignore = [](const std::string&) {};
  command->add_option_function<std::string>(std::string(kFolderWord), ignore)->type_name("");
  for (const demo::Flag& flag : demo::Flags()) {
    const std::string name(flag.name);
    if (name == "--help") continue;  // every command has it
    if (flag.value.empty()) {
      command->add_flag_callback(name, [] {}, std::string(flag.help));
    } else {
      command->add_option_function<std::string>(name, ignore, std::string(flag.help))
          ->type_name(std::string(flag.value));
    }
  }
}

using Add = void (*)(CLI::App&, Context&, Run&);

// Commands that --help lists together.
void AddGroup(const std::string& title, const std::vector<Add>& commands, CLI::App& app,
              Context& context, Run& run) {
  for (const Add add : commands) {
    add(app, context, run);
    app.get_subcommands(nullptr).back()->group(title);
  }
}

void AddCommands(CLI::App& app, Context& context, Run& run) {
  AddGroup("Commands for a project", {AddInit, AddCheck, AddServe, AddStatus, AddKeys, AddMaintain},
           app, context, run);
  AddGroup("Commands for its data", {AddSql, AddDatasets, AddDataset, AddQuarantine}, app, context,
           run);
  AddGroup("Commands without a project",
           {AddDemo, AddParse, AddConfigReference, AddCompletion, AddHelp, AddVersion}, app,
           context, run);
}

// The exit status.
Result<int> RunWords(CLI::App& app, Run& run, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const bool asked = error.get_exit_code() == 0;  // for --help, --version
    if (asked && app.remaining().empty()) {
      std::ostringstream text;
      app.exit(error, text, text);
      fmt::print("{}", text.str());
      return 0;
    }
    std::fprintf(stderr, "%s\n", Explain(app, error).c_str());
    return TraitsOf(Code::kInvalidArgument).exit_status;
  }
  TARN_TRY(run());
  return 0;
}

Result<int> RunProgram(int argc, char** argv) {
  const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  if (!words.empty() && words[0] == "demo") return demo::Run(argc - 1, argv + 1);
  if (words == std::vector<std::string>{"help", "demo"}) {
    demo::PrintHelp();
    return 0;
  }
  CLI::App app("Tarn: web logs into open lake tables, exactly once.", "tarn");
  app.set_version_flag("--version", "tarn " + std::string(kVersion));
  app.require_subcommand(1);
  app.footer(
      "Examples:\n"
      "  tarn demo                                     see it work\n"
      "  tarn init shop --template retail              start a project\n"
      "  tarn serve shop                               run it\n"
      "  tarn sql shop \"SELECT count(*) FROM clean.web_log\"\n"
      "`tarn help COMMAND` shows how a command is used, with examples.\n"
      "Exit status: 0 success, 2 wrong use or configuration, others in docs/exit-codes.md");
  // What a project holds is its owner's and group's business.
  umask(027);
  Machine machine;
  Context context{machine, SelfPath()};
  Run run;
  AddCommands(app, context, run);
  if (words.empty()) {
    fmt::print("{}", app.help());
    return 0;
  }
  if (words[0] == kCompleteWord) {
    PrintCompletions(app, context, {words.begin() + 1, words.end()});
    return 0;
  }
  return RunWords(app, run, argc, argv);
}

// What was printed counts only once it is written.
Status FlushOutput() {
  errno = 0;
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return {};
  return os::SystemError("write", "the output", errno != 0 ? errno : EIO);
}

Result<int> Guarded(int argc, char** argv) {
  try {
    return RunProgram(argc, argv);
  } catch (const std::bad_alloc&) {
    return ResourceExhausted("out of memory");
  } catch (const std::system_error& error) {  // fmt's, when the output cannot be written
    return Error(os::SystemError("", "", error.code().value()).code(), error.what());
  } catch (const std::exception& error) {
    return IoError(error.what());
  }
}

int Main(int argc, char** argv) {
  Result<int> ended = Guarded(argc, argv);
  if (ended.ok() && *ended == 0) {
    if (const Status flushed = FlushOutput(); !flushed.ok()) ended = flushed.error();
  }
  if (ended.ok()) return *ended;
  if (ended.error().code() != Code::kReaderGone)
    std::fputs(SaidBy("tarn", ended.error().message()).c_str(), stderr);
  return TraitsOf(ended.error().code()).exit_status;
}

}  // namespace
}  // namespace tarn::app

int main(int argc, char** argv) { return tarn::app::Main(argc, argv); }
