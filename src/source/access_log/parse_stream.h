#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "base/result.h"
#include "source/access_log/lines.h"
#include "source/access_log/parser.h"

namespace tarn::access_log {

struct ParseCounts {
  uint64_t bytes = 0;  // read
  uint64_t lines = 0;  // parsed + rejected + empty
  uint64_t parsed = 0;
  uint64_t rejected = 0;
  uint64_t empty = 0;  // lines of no byte (or one '\r'): neither written nor rejected
};

// Where ParseStream reads and writes; all calls come from the calling thread.
struct ParseStreamIo {
  // Fills the front of the buffer and returns the count; 0 ends the input.
  std::function<Result<size_t>(std::span<char>)> read;
  // Whether that would have to wait for more: what was parsed is then written first. Empty: never.
  // A read that fills the buffer, as one of compressed data does, waits by itself.
  std::function<bool()> waits;
  // Whole JSON lines, about 1 MiB at a time.
  std::function<Status(std::string_view)> write;
  // One rejected line without its newline; a line over the limit comes as its first
  // max_line_bytes. Empty: rejects are only counted.
  std::function<Status(uint64_t line_number, std::string_view line, std::string_view reason)>
      reject;
  // After every read; empty: not called. An error (Cancelled) stops the run.
  std::function<Status(const ParseCounts&)> progress;
};

struct ParseStreamOptions {
  Shape shape = Shape::kCompact;
  size_t max_line_bytes = kMaxLineBytes;
};

// Log text to JSON lines. A last line without newline is parsed like the others; an error of `read`
// is returned once the whole lines before it are written. Memory is about 2 × max_line_bytes + 3
// MiB whatever the input.
Result<ParseCounts> ParseStream(const Format& format, const ParseStreamIo& io,
                                const ParseStreamOptions& options = {});

}  // namespace tarn::access_log
