#include "app/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "base/text.h"

namespace tarn::app {
namespace {

// The command that the words chose: of `tarn keys create x`, create.
const CLI::App& Chosen(const CLI::App& app) {
  const CLI::App* command = &app;
  while (!command->get_subcommands().empty()) command = command->get_subcommands().back();
  return *command;
}

// The first command with words it did not know; nullptr if there is none.
const CLI::App* Puzzled(const CLI::App& app) {
  for (const CLI::App* command = &app;; command = command->get_subcommands().back()) {
    if (!command->remaining().empty()) return command;
    if (command->get_subcommands().empty()) return nullptr;
  }
}

std::vector<std::string> OptionNames(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::string ExplainWord(const CLI::App& command) {
  const std::vector<std::string> words = command.remaining();
  const std::string see = fmt::format("see {} --help", CommandLineOf(command));
  const auto option = std::ranges::find_if(words, [](const auto& w) { return w.starts_with('-'); });
  if (option != words.end())
    return "no option " + NoSuch(option->substr(0, option->find('=')), OptionNames(command), see);
  const std::vector<std::string> commands = CommandNames(command);
  if (!commands.empty()) return "no command " + NoSuch(words.front(), commands, see);
  return fmt::format("'{}' is a word too many; {}", words.front(), see);
}

// The first thing that the command requires and did not get.
std::string ExplainMissing(const CLI::App& command) {
  for (const CLI::Option* option : command.get_options()) {
    if (option->get_required() && option->count() == 0)
      return fmt::format("{} is missing; see {} --help", option->get_name(),
                         CommandLineOf(command));
  }
  return fmt::format("say which: {}; see {} --help", Join(CommandNames(command), ", "),
                     CommandLineOf(command));
}

std::string ExplainError(const CLI::App& command, const CLI::ParseError& error) {
  std::string text = error.what();
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) return ExplainMissing(command);
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) {
    const std::string option = text.substr(0, text.find(':'));
    return fmt::format(
        "{} {}", option,
        text.find("missing") != std::string::npos ? "needs a value" : "is given more than once");
  }
  if (dynamic_cast<const CLI::ConversionError*>(&error) != nullptr) {
    // "…: --json = maybe"; where a value is wanted, a check has refused it before.
    const size_t name = text.find("--");
    if (name != std::string::npos)
      return fmt::format("{} takes no value", text.substr(name, text.find(' ', name) - name));
  }
  return text;
}

}  // namespace

CLI::Option* AddWord(CLI::App& command, std::string_view name, std::string& value,
                     const std::string& help) {
  return command.add_option(std::string(name), value, help)->type_name("");
}

CLI::Option* AddProjectFolder(CLI::App& command, std::string& folder) {
  return AddWord(command, kFolderWord, folder,
                 "Project folder (default: this one, or the nearest above)");
}

CLI::Option* OneOf(CLI::Option* option, const std::vector<std::string>& words) {
  option->type_name("{" + Join(words, ",") + "}");
  option->check([words](const std::string& word) -> std::string {
    if (std::ranges::find(words, word) != words.end()) return {};
    const std::string choose = "choose " + Join(words, " or ");
    if (words.size() <= 2) return fmt::format("there is no '{}'; {}", word, choose);
    return "there is no " + NoSuch(word, words, "choose " + Join(words, ", "));
  });
  return option;
}

std::vector<std::string> WordsOf(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  if (!type.starts_with('{')) return {};
  std::vector<std::string> words;
  for (const std::string_view word : Split(std::string_view(type).substr(1, type.size() - 2), ','))
    words.emplace_back(word);
  return words;
}

CLI::Option* WholeNumber(CLI::Option* option) {
  return option->type_name("NUMBER")->check([](const std::string& word) {
    if (ParseUint64(word)) return std::string();
    const bool negative = word.starts_with('-') && ParseUint64(word.substr(1));
    return fmt::format("'{}' {}", word, negative ? "must not be negative" : "is no whole number");
  });
}

std::vector<std::string> CommandNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands(nullptr)) names.push_back(command->get_name());
  return names;
}

std::string CommandLineOf(const CLI::App& command) {
  if (command.get_parent() == nullptr) return command.get_name();
  return CommandLineOf(*command.get_parent()) + " " + command.get_name();
}

std::string NoSuch(std::string_view word, const std::vector<std::string>& known,
                   const std::string& see) {
  return fmt::format("'{}'{}", ReplaceInvalidUtf8(word),
                     DidYouMean(word, {known.begin(), known.end()}, see));
}

std::string Explain(const CLI::App& app, const CLI::ParseError& error) {
  if (const CLI::App* command = Puzzled(app))
    return fmt::format("{}: {}", CommandLineOf(*command), ExplainWord(*command));
  const CLI::App& command = Chosen(app);
  return fmt::format("{}: {}", CommandLineOf(command), ExplainError(command, error));
}

}  // namespace tarn::app
