#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "app/command.h"

namespace tarn::app {
namespace {

struct Verb {
  std::string name;
  std::vector<std::string> words;  // options and sub-verbs
  std::string help;
};

// What there is to complete, read from the same objects that parse.
std::vector<Verb> VerbsOf(const CLI::App& app) {
  std::vector<Verb> verbs;
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    Verb verb{command->get_name(), {}, command->get_description()};
    for (const CLI::Option* option : command->get_options()) {
      for (const std::string& name : option->get_lnames()) verb.words.push_back("--" + name);
    }
    for (const CLI::App* sub : command->get_subcommands(nullptr)) {
      verb.words.push_back(sub->get_name());
    }
    verbs.push_back(std::move(verb));
  }
  return verbs;
}

std::string Bash(const std::vector<Verb>& verbs) {
  std::string names;
  std::string cases;
  for (const Verb& verb : verbs) {
    names += verb.name + " ";
    std::string words;
    for (const std::string& word : verb.words) words += word + " ";
    cases += fmt::format("    {}) words=\"{}\" ;;\n", verb.name, words);
  }
  return fmt::format(
      "_tarn() {{\n  local word=\"${{COMP_WORDS[COMP_CWORD]}}\" words=\"\"\n"
      "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
      "    COMPREPLY=($(compgen -W \"{}\" -- \"$word\")); return\n  fi\n"
      "  case \"${{COMP_WORDS[1]}}\" in\n{}  esac\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$word\") $(compgen -f -- \"$word\"))\n}}\n"
      "complete -o filenames -F _tarn tarn\n",
      names, cases);
}

std::string Zsh(const std::vector<Verb>& verbs) {
  std::string names;
  std::string cases;
  for (const Verb& verb : verbs) {
    std::string help = verb.help;
    for (char& c : help) {
      if (c == ':' || c == '\'') c = ' ';
    }
    names += fmt::format("    '{}:{}'\n", verb.name, help);
    std::string words;
    for (const std::string& word : verb.words) words += word + " ";
    cases += fmt::format("    {}) compadd -- {}; _files ;;\n", verb.name, words);
  }
  return fmt::format(
      "#compdef tarn\n_tarn() {{\n  local -a verbs=(\n{}  )\n"
      "  if (( CURRENT == 2 )); then _describe verb verbs; return; fi\n"
      "  case \"$words[2]\" in\n{}  esac\n}}\ncompdef _tarn tarn\n",
      names, cases);
}

}  // namespace

void AddConfigReference(CLI::App& app, Context& /*context*/, Run& run) {
  CLI::App* command = app.add_subcommand(
      "config-reference", "Print every key of tarn.yaml with type, default and meaning");
  command->footer("A table in Markdown. The keys of agent.yaml: tarn-agent --help-config");
  command->callback([&run] {
    run = []() -> Status {
      fmt::print("{}", config::MarkdownTable(DescribeProject()));
      return {};
    };
  });
}

void AddCompletion(CLI::App& app, Context& /*context*/, Run& run) {
  auto shell = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("completion", "Print a completion script for a shell");
  command->add_option("SHELL", *shell, "bash or zsh")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh"}));
  command->footer("Example:\n  source <(tarn completion bash)");
  command->callback([&app, &run, shell] {
    run = [&app, shell]() -> Status {
      const std::vector<Verb> verbs = VerbsOf(app);
      fmt::print("{}", *shell == "bash" ? Bash(verbs) : Zsh(verbs));
      return {};
    };
  });
}

}  // namespace tarn::app
