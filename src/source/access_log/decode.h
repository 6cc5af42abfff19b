#pragma once

#include <string>

#include "source/access_log/program.h"

namespace tarn::access_log {

// Appends the text of a slot, decoded; its encoding must not be a number's. Bytes that are no
// UTF-8 come out as U+FFFD each. A backslash that begins no known escape stands for itself.
// `ascii`: the line is known to have no byte above 0x7f.
void AppendDecoded(const Slot& slot, bool ascii, std::string& out);

}  // namespace tarn::access_log
