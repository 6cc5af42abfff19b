#pragma once

#include <string>
#include <vector>

#include "app/command.h"

namespace tarn::app {

// The word that a shell gives as first to have a command line completed: `tarn __complete sql --fo`
// prints what the last word may become, a line each: the word, a tab and its meaning; ":files" and
// ":folders" stand for names the shell knows itself. Silent where there is nothing, and about
// errors.
inline constexpr std::string_view kCompleteWord = "__complete";
void PrintCompletions(const CLI::App& app, Context& context, std::vector<std::string> words);

// For `tarn completion`: the script of a shell for one of the programs, tarn or tarn-agent.
std::string CompletionScript(const std::string& shell, const std::string& program);

}  // namespace tarn::app
