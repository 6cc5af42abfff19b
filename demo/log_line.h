#pragma once

#include <string>
#include <string_view>

#include "demo/hit.h"

namespace tarn::demo {

// Appends the line Apache would write for the hit with kLogFormat (time zone +0000), newline
// included; for stray text that text.
void AppendLogLine(std::string& out, const Hit& hit);

// Apache's escaping of a quoted field: \" \\ \n \t … and \xhh.
void AppendEscaped(std::string& out, std::string_view text);

}  // namespace tarn::demo
