#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace CLI {  // NOLINT(readability-identifier-naming): CLI11's
class App;
class Option;
class ParseError;
}  // namespace CLI

namespace tarn::app {

// What a word of the command line stands for is written in --help, and completion knows it from
// there: the name of a positional, the type of an option.
inline constexpr std::string_view kFolderWord = "DIR";
inline constexpr std::string_view kFileWord = "FILE";
inline constexpr std::string_view kDatasetWord = "DATASET";
inline constexpr std::string_view kSourceWord = "SOURCE";
inline constexpr std::string_view kKeyWord = "KEY";
inline constexpr std::string_view kLogFormatWord = "FORMAT";

// A positional of that name.
CLI::Option* AddWord(CLI::App& command, std::string_view name, std::string& value,
                     const std::string& help);
// The project's folder, which may be left out.
CLI::Option* AddProjectFolder(CLI::App& command, std::string& folder);
// The option takes one of these words, "{a,b}" in --help; another one is answered with the nearest.
CLI::Option* OneOf(CLI::Option* option, const std::vector<std::string>& words);
// The words OneOf was given; none of another option.
std::vector<std::string> WordsOf(const CLI::Option& option);
// The option takes a whole number, from 0.
CLI::Option* WholeNumber(CLI::Option* option);

// "tarn keys create"
std::string CommandLineOf(const CLI::App& command);
// Of the commands below it.
std::vector<std::string> CommandNames(const CLI::App& app);
// "'chek'; did you mean 'check'?", or where the words are listed.
std::string NoSuch(std::string_view word, const std::vector<std::string>& known,
                   const std::string& see);

// One line for a command line that was not understood: which command, what, and the nearest word.
std::string Explain(const CLI::App& app, const CLI::ParseError& error);

}  // namespace tarn::app
