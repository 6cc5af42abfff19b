#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "event/schema.h"

namespace re2 {
class RE2;
}

namespace tarn::access_log {

// A Format compiled: internal to this module, shared by the compilers (log_format.cc, format.cc)
// and the matchers (tokenize_impl.h, structured.cc, error_log.cc).

// How the text of a slot is to be decoded.
enum class Encoding : uint8_t {
  kNull,    // no value
  kPlain,   // as it stands
  kApache,  // has backslash escapes as mod_log_config writes them
  kJson,    // has JSON escapes, and perhaps Apache's \xhh
  kCsv,     // has doubled quotes
  kNumber,  // `number` is the value: integers, booleans, timestamps in µs
  kDouble,  // `real` is the value
};

// One value of a line, as found: a slice of the line or a number.
struct Slot {
  const char* data;
  uint32_t size;
  Encoding encoding;
  union {
    int64_t number;
    double real;
  };

  std::string_view text() const { return {data, size}; }
};

inline constexpr size_t kMaxSlots = 128;
inline constexpr uint8_t kNoSlot = 255;

enum class Op : uint8_t {
  kLiteral,     // `literal` must stand here; a space also stands for a tab
  kQuoted,      // "…" with escapes, or a bare -
  kQuotedText,  // text up to an unescaped stop character inside quotes
  kToken,       // text up to white space
  kHost,        // a name or an address up to white space
  kHostText,    // the text before is a name or an address
  kText,        // text up to `literal` (the rest of the line if that is empty)
  kUser,        // text up to `literal` and a timestamp
  kHostPort,    // text up to the last `literal` before white space
  kNumber,      // decimal digits, or -
  kHex,         // hex digits, or -
  kTime,        // %t: [dd/Mon/yyyy:hh:mm:ss ±hhmm], or -, or [-]
  kTimeGroup,   // what %{…}t begins: if a - stands here, `skip` steps are left out
  kTimePart,    // one strftime or epoch part, code in `part`
  kChar,        // %X: one of X + -
};

struct Step {
  Op op = Op::kLiteral;
  uint8_t slot = kNoSlot;
  char stop = 0;          // kQuotedText: ends here or at a quote (U before q)
  char part = 0;          // kTimePart
  bool narrow = false;    // kNumber: 32 bits
  bool end_time = false;  // kTimePart belongs to end_time
  bool padded = false;    // kTimePart: blanks, or nothing, may stand for leading zeros
  bool list = false;      // kToken: a comma before white space goes on (X-Forwarded-For)
  bool needed = false;    // kToken: an empty text is refused
  uint16_t skip = 0;
  std::string literal;    // kLiteral, and the terminator of kText and kUser
  std::string reason;     // what is said when this step fails
  std::string unfit;      // kHost, kNumber: the same where there is something, but it cannot be one
  std::string not_whole;  // kNumber: where it goes on behind a '.'
};

// Epoch parts share Step::part with strftime letters, so they are upper control codes.
inline constexpr char kPartSec = 1;
inline constexpr char kPartMsec = 2;
inline constexpr char kPartUsec = 3;
inline constexpr char kPartMsecFrac = 4;
inline constexpr char kPartUsecFrac = 5;

enum class Kind : uint8_t { kLogFormat, kError, kJson, kCsv, kRegex };

struct Column {
  std::string name;
  event::TypeKind type = event::TypeKind::kString;
  std::string doc;
  uint8_t slot = kNoSlot;
  std::string key;                      // json: the member; csv: unused
  std::string json_prefix;              // ,"name":
  std::string reason;                   // "status is not a number"
  std::string out_of_range, not_whole;  // the same of a number the column does not hold
};

struct Program {
  Kind kind = Kind::kLogFormat;
  std::string text;  // as given to Compile
  std::vector<Step> steps;
  std::vector<Column> columns;
  event::Schema schema;
  size_t slots = 0;  // in use; derived ones included
  // Slots the request line is split into; kNoSlot where not wanted.
  uint8_t request = kNoSlot, method = kNoSlot, target = kNoSlot, path = kNoSlot, query = kNoSlot,
          protocol = kNoSlot;
  uint8_t time = kNoSlot, end_time = kNoSlot;
  bool time_parts = false, end_time_parts = false;
  bool split_request = false;     // derive method … protocol from `request`
  bool target_is_split = false;   // derive path and query from `target`
  bool target_from_path = false;  // %U%q stand together: target is both
  bool strip_query_mark = false;  // `query` comes from %q
  char delimiter = ',';
  std::shared_ptr<const re2::RE2> regex;
  std::vector<uint8_t> groups;  // regex: slot of group i + 1, kNoSlot if unnamed
};

// Adds a column and its slot, or finds the one of that name.
uint8_t AddColumn(Program& program, std::string_view name, event::TypeKind type,
                  std::string_view doc);
// Adds method, target, path, query and protocol where they can be derived; fills in schema and
// prefixes. The last step of every compiler.
void Finish(Program& program);

}  // namespace tarn::access_log
