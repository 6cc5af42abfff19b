#pragma once

#include <string_view>

#include "source/access_log/kernel.h"

namespace tarn::access_log {

// The kinds that are no LogFormat: each fills slots as Kernel::match does.
bool MatchErrorLog(const Program& program, std::string_view line, Scratch& scratch);
bool MatchJson(const Program& program, std::string_view line, Scratch& scratch);
bool MatchCsv(const Program& program, std::string_view line, Scratch& scratch);
bool MatchRegex(const Program& program, std::string_view line, Scratch& scratch);

// Whether it is a number as JSON writes one, of any size; zeros may stand before it.
bool IsNumber(std::string_view text);

// Gives a slot the value `text` has as the column's type. False with scratch.reason.
bool SetTyped(const Column& column, std::string_view text, Encoding encoding, Scratch& scratch);

}  // namespace tarn::access_log
