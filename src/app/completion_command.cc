#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "app/command.h"
#include "app/command_line.h"
#include "app/completion.h"

namespace tarn::app {

void AddConfigReference(CLI::App& app, Context& /*context*/, Run& run) {
  CLI::App* command = app.add_subcommand(
      "config-reference", "Print every key of tarn.yaml with type, default and meaning");
  command->footer(
      "A table in Markdown. The keys of agent.yaml: tarn-agent --help-config\n"
      "Examples:\n  tarn config-reference\n  tarn config-reference | grep landing");
  command->callback([&run] {
    run = []() -> Status {
      fmt::print("{}", config::MarkdownTable(DescribeProject()));
      return {};
    };
  });
}

void AddCompletion(CLI::App& app, Context& /*context*/, Run& run) {
  auto shell = std::make_shared<std::string>();
  auto program = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("completion", "Print a completion script for a shell");
  OneOf(AddWord(*command, "SHELL", *shell, "The shell")->required(), {"bash", "zsh"});
  OneOf(AddWord(*command, "PROGRAM", *program, "For this one alone (default: both)"),
        {"tarn", "tarn-agent"});
  command->footer(
      "Completes commands, options, their values, and names of datasets, sources, keys and\n"
      "log formats.\n"
      "zsh: after `autoload -U compinit; compinit`.\n"
      "Examples:\n"
      "  source <(tarn completion bash)\n"
      "  tarn completion zsh tarn > ~/.zfunc/_tarn     (a folder of $fpath)");
  command->callback([&run, shell, program] {
    run = [shell, program]() -> Status {
      for (const std::string name : {"tarn", "tarn-agent"}) {
        if (program->empty() || *program == name) fmt::print("{}", CompletionScript(*shell, name));
      }
      return {};
    };
  });
}

}  // namespace tarn::app
