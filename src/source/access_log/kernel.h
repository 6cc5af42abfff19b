#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "source/access_log/apache_time.h"
#include "source/access_log/program.h"

namespace tarn::access_log {

// The last "10/Oct/2000:13:55:36 -0700" met; most lines share its second, nearly all its day.
struct TimeCache {
  std::array<char, 28> text{};  // with brackets
  int64_t micros = 0;
  int64_t midnight_micros = 0;  // of the text's day and offset, in UTC
  bool filled = false;
};

// The last timestamp printed.
struct TimeText {
  int64_t second = INT64_MIN;  // since the epoch
  int64_t day = INT64_MIN;
  std::array<char, 32> text{};  // "2026-11-24T13:09:46Z" and padding
};

// What one Parser keeps between and during lines.
struct Scratch {
  std::array<Slot, kMaxSlots> slots;
  Slot nowhere;  // what a step without a column writes to
  std::array<TimeParts, 2> parts;
  TimeCache time_cache;
  TimeText time_text;
  std::string_view reason;
};

// A column as the JSON writer wants it.
struct Emit {
  enum class Form : uint8_t { kString, kInteger, kTime, kBoolean, kDouble };
  uint8_t slot = kNoSlot;
  Form form = Form::kString;
  uint8_t prefix_size = 0;        // 0: too long, in `long_prefix`
  std::array<char, 32> prefix{};  // ,"name":
  std::string_view long_prefix;
};

// The byte loops, built once for the baseline and once for AVX2.
struct Kernel {
  // Fills the slots of a LogFormat's directives. `readable` bytes from the line's start may be
  // read. False with scratch.reason.
  bool (*match)(const Program& program, std::string_view line, size_t readable, Scratch& scratch);
  // Request to method, target and protocol; target to path and query.
  void (*split)(const Program& program, const char* readable_end, Scratch& scratch);
  // Writes one object and newline. nullptr if a value needs escaping or decoding: the slow writer
  // must do this line.
  char* (*write)(const std::vector<Emit>& emits, const char* readable_end, Scratch& scratch,
                 char* out);
};

const Kernel& BaselineKernel();
const Kernel& Avx2Kernel();
// The best this machine can run.
const Kernel& BestKernel();

// Shared by both, too long to build twice.
bool MatchTime(const char* at, TimeCache& cache);  // 28 readable bytes; false: no timestamp
// Whether the escaped text of a log is a host: no white space, control characters, <, >, " nor byte
// order mark.
bool IsHost(std::string_view text);
// What is said of a line that `step` did not match at `at`.
std::string_view ReasonOf(const Step& step, const char* at, const char* end);
bool MatchTimePart(const char*& at, const char* end, const Step& step, TimeParts& parts);
void FormatSecond(int64_t second, TimeText& text);
char* WriteInteger(int64_t value, char* out);
char* WriteDouble(double value, char* out);
inline constexpr size_t kNumberBytes = 40;  // at most, with room for wide stores

}  // namespace tarn::access_log
