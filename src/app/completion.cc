#include "app/completion.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <set>

#include "app/command_line.h"
#include "auth/api_key.h"
#include "source/format_name/format_name.h"

namespace tarn::app {
namespace {

struct Candidate {
  std::string word;
  std::string meaning;
};
using Candidates = std::vector<Candidate>;

// The project that the words name, else the one around the current folder.
Result<Project> ProjectOfWords(Context& context, const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    if (context.machine.files.Exists(os::JoinPath(word, "tarn.yaml")))
      return ProjectOf(context, word);
  }
  return ProjectOf(context, "");
}

Candidates DatasetsOf(Context& context, const Project& project) {
  Candidates found;
  const auto catalog = OpenCatalog(context.machine, project);
  if (!catalog.ok()) return found;
  const auto datasets = (*catalog)->ListDatasets(std::nullopt);
  if (!datasets.ok()) return found;
  for (const catalog::Dataset& dataset : *datasets)
    found.push_back({dataset.name.ToString(), dataset.description});
  return found;
}

Candidates KeysOf(Context& context, const Project& project) {
  Candidates found;
  const auto ring = auth::KeyRing::Load(context.machine.files, project.keys_file());
  if (!ring.ok()) return found;
  for (const auth::KeyRing::Key& key : ring->keys())
    found.push_back({key.principal.name, std::string(auth::RoleName(key.principal.role))});
  return found;
}

Candidates SourcesOf(const Project& project) {
  Candidates found;
  for (std::string& name : project.source_names()) found.push_back({std::move(name), ""});
  return found;
}

// What a value may be.
Candidates ValuesOf(const CLI::Option& option, Context& context,
                    const std::vector<std::string>& words) {
  const std::string kind =
      option.get_type_name().empty() ? option.get_name(true) : option.get_type_name();
  if (kind == kFileWord) return {{":files", ""}};
  if (kind == kFolderWord) return {{":folders", ""}};
  if (kind == kDatasetWord || kind == kKeyWord || kind == kSourceWord) {
    const auto project = ProjectOfWords(context, words);
    if (!project.ok()) return {};
    if (kind == kDatasetWord) return DatasetsOf(context, *project);
    return kind == kKeyWord ? KeysOf(context, *project) : SourcesOf(*project);
  }
  Candidates found;
  if (kind == kLogFormatWord) {
    for (const std::string_view name : format_name::FormatNames())
      found.push_back({std::string(name), ""});
  }
  for (const std::string& word : WordsOf(option)) found.push_back({word, ""});
  return found;
}

// Where the command line stands before the word in question.
struct Place {
  const CLI::App* command;
  const CLI::Option* waiting = nullptr;  // an option that has no value yet
  size_t positionals = 0;                // given to the command so far
  std::set<std::string> options;         // the same
};

Place PlaceAfter(const CLI::App& app, const std::vector<std::string>& words) {
  Place place{&app};
  for (const std::string& word : words) {
    if (place.waiting != nullptr) {
      place.waiting = nullptr;
    } else if (word.starts_with("--")) {
      const std::string name = word.substr(0, word.find('='));
      place.options.insert(name);
      const CLI::Option* option = place.command->get_option_no_throw(name);
      if (option != nullptr && option->get_items_expected_max() > 0 && name == word)
        place.waiting = option;
    } else {
      const auto below = place.command->get_subcommands(
          [&word](const CLI::App* command) { return command->get_name() == word; });
      if (below.empty()) {
        ++place.positionals;
      } else {
        place = Place{below.front()};
      }
    }
  }
  return place;
}

Candidates OptionsAt(const Place& place) {
  Candidates found;
  for (const CLI::Option* option : place.command->get_options()) {
    const bool many = option->get_expected_max() > 1;
    for (const std::string& name : option->get_lnames()) {
      if (many || !place.options.contains("--" + name))
        found.push_back({"--" + name, option->get_description()});
    }
  }
  return found;
}

Candidates WordsAt(const Place& place, Context& context, const std::vector<std::string>& words) {
  Candidates found;
  for (const CLI::App* command : place.command->get_subcommands(nullptr))
    found.push_back({command->get_name(), command->get_description()});
  const auto positionals = place.command->get_options(
      [](const CLI::Option* option) { return option->get_positional(); });
  if (positionals.empty()) return found;
  const CLI::Option& last = *positionals.back();
  const bool more = place.positionals < positionals.size();
  if (!more && last.get_expected_max() <= 1) return found;
  const CLI::Option& option = more ? *positionals[place.positionals] : last;
  Candidates values = ValuesOf(option, context, words);
  std::ranges::move(values, std::back_inserter(found));
  return found;
}

// bash gives "--format=csv" as three words.
void JoinValues(std::vector<std::string>& words) {
  if (words.back() == "=") words.back().clear();
  for (size_t i = 1; i + 1 < words.size(); ++i) {
    if (words[i] == "=" && words[i - 1].starts_with("--"))
      words.erase(words.begin() + static_cast<ptrdiff_t>(i));
  }
}

}  // namespace

void PrintCompletions(const CLI::App& app, Context& context, std::vector<std::string> words) {
  if (words.empty()) return;
  JoinValues(words);
  std::string typed = std::move(words.back());
  words.pop_back();
  std::string before;  // of "--format=cs", "--format="
  if (const size_t equals = typed.find('=');
      typed.starts_with("--") && equals != std::string::npos) {
    before = typed.substr(0, equals + 1);
    words.push_back(typed.substr(0, equals));
    typed.erase(0, equals + 1);
  }
  if (!words.empty() && words.front() == "help") words.erase(words.begin());
  const Place place = PlaceAfter(app, words);
  const Candidates found = place.waiting != nullptr ? ValuesOf(*place.waiting, context, words)
                           : typed.starts_with('-') ? OptionsAt(place)
                                                    : WordsAt(place, context, words);
  for (const Candidate& candidate : found) {
    if (candidate.word.starts_with(':')) {
      fmt::print("{}\n", candidate.word);
    } else if (candidate.word.starts_with(typed)) {
      const std::string meaning = candidate.meaning.substr(0, candidate.meaning.find('\n'));
      fmt::print("{}{}\t{}\n", before, candidate.word, meaning);
    }
  }
}

std::string CompletionScript(const std::string& shell, const std::string& program) {
  constexpr std::string_view kBash = R"sh(_tarn() {
  local word rest typed=${COMP_WORDS[COMP_CWORD]} program=${COMP_WORDS[0]/#\~\//$HOME/}
  [ "$typed" = '=' ] && typed=
  COMPREPLY=()
  while IFS=$'\t' read -r word rest; do
    case $word in
      :files) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$typed") ;;
      :folders) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$typed") ;;
      *) COMPREPLY+=("$word") ;;
    esac
  done < <("$program" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _tarn tarn
)sh";
  constexpr std::string_view kAgentBash = R"sh(_tarn_agent() {
  local typed=${COMP_WORDS[COMP_CWORD]} options program=${COMP_WORDS[0]/#\~\//$HOME/}
  COMPREPLY=()
  if [ "${COMP_WORDS[COMP_CWORD-1]}" = --config ]; then
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -f -- "$typed")
  else
    options=$("$program" --help | grep -oE -- '--[a-z-]+' | sort -u)
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$typed")
  fi
}
complete -F _tarn_agent tarn-agent
)sh";
  constexpr std::string_view kZsh = R"sh(#compdef tarn
_tarn() {
  local line help tab=$'\t'
  local -a found
  for line in "${(@f)$(${~words[1]} __complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)}"; do
    case $line in
      :files) _files ;;
      :folders) _files -/ ;;
      ?*) help=${line#*$tab}; found+=("${${line%%$tab*}//:/\\:}${help:+:$help}") ;;
    esac
  done
  (( $#found )) && _describe -t words tarn found
}
if [[ ${funcstack[1]} = _tarn ]]; then _tarn "$@"
else compdef _tarn tarn; fi
)sh";
  constexpr std::string_view kAgentZsh = R"sh(#compdef tarn-agent
_tarn_agent() {
  if [[ ${words[CURRENT-1]} = --config ]]; then _files; return; fi
  local -aU found=(${(f)"$(${~words[1]} --help | grep -oE -- '--[a-z-]+')"})
  compadd -- $found
}
if [[ ${funcstack[1]} = _tarn-agent ]]; then _tarn_agent "$@"
else compdef _tarn_agent tarn-agent; fi
)sh";
  const bool agent = program == "tarn-agent";
  if (shell == "bash") return std::string(agent ? kAgentBash : kBash);
  return std::string(agent ? kAgentZsh : kZsh);
}

}  // namespace tarn::app
