#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "app/command.h"
#include "app/command_line.h"
#include "app/version.h"

namespace tarn::app {
namespace {

Status PrintHelp(const CLI::App& app, const std::vector<std::string>& words) {
  const CLI::App* command = &app;
  for (const std::string& word : words) {
    const auto below =
        command->get_subcommands([&word](const CLI::App* sub) { return sub->get_name() == word; });
    if (below.empty()) {
      return InvalidArgument("no command " +
                             NoSuch(word, CommandNames(*command),
                                    fmt::format("see {} --help", CommandLineOf(*command))));
    }
    command = below.front();
  }
  // Not help(): of the program it shows the command that was chosen, which is `help`.
  fmt::print("{}", command->get_formatter()->make_help(command, CommandLineOf(*command),
                                                       CLI::AppFormatMode::Normal));
  return {};
}

}  // namespace

void AddHelp(CLI::App& app, Context& /*context*/, Run& run) {
  auto words = std::make_shared<std::vector<std::string>>();
  CLI::App* command = app.add_subcommand("help", "What there is, or how a command is used");
  command->add_option("COMMAND", *words, "A command, and one below it")->type_name("");
  command->footer("Examples:\n  tarn help\n  tarn help sql\n  tarn help keys create");
  command->callback(
      [&app, &run, words] { run = [&app, words] { return PrintHelp(app, *words); }; });
}

void AddVersion(CLI::App& app, Context& /*context*/, Run& run) {
  CLI::App* command = app.add_subcommand("version", "Print the version");
  command->footer("Example:\n  tarn version");
  command->callback([&run] {
    run = []() -> Status {
      fmt::print("tarn {}\n", kVersion);
      return {};
    };
  });
}

}  // namespace tarn::app
