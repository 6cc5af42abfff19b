#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "event/schema.h"

namespace tarn::access_log {

// One piece of a LogFormat string.
struct Directive {
  enum class Class : uint8_t {
    kLiteral,
    kToken,  // never holds white space: vhost, ident, …
    kHost,   // a token that is a name or an address
    kText,   // anything
    kUser,   // a user name: may hold spaces
    kUri,    // %U: ends where %q begins
    kQuery,  // %q
    kNumber,
    kHex,
    kTime,        // %t
    kTimeFormat,  // %{…}t; the strftime text is in `argument`
    kChar,
  };
  Class kind = Class::kLiteral;
  std::string literal;   // kLiteral
  size_t position = 0;   // in the format string, from 1
  std::string spelling;  // "%{Referer}i"
  std::string name;      // column
  event::TypeKind type = event::TypeKind::kString;
  std::string doc;
  std::string argument;
  char modifier = 0;  // '<', '>' or 0
  bool list = false;  // a header: may hold ", "
  bool end_time = false;
};

// Reads a LogFormat string; names are final. InvalidArgument says the position and what is near.
Result<std::vector<Directive>> ReadLogFormat(std::string_view format);

}  // namespace tarn::access_log
