// Counts what the whole program allocates, so it stands alone in its file.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "source/access_log/parser.h"

namespace {

std::atomic<uint64_t> allocations{0};

}  // namespace

void* operator new(size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  std::abort();
}
void* operator new(size_t size, const std::nothrow_t& /*tag*/) noexcept {
  ++allocations;
  return std::malloc(size);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t /*size*/) noexcept { std::free(memory); }

namespace tarn::access_log {
namespace {

// Plain, escaped, TLS bytes, and two that are refused. (Text that is no UTF-8 is repaired in a
// copy.)
std::vector<std::string> Lines() {
  std::vector<std::string> lines;
  for (int i = 0; i < 500; ++i) {
    const std::string n = std::to_string(i);
    const std::string head = "192.0.2." + std::to_string(i % 256) +
                             " - frank [24/Nov/2026:13:00:" + std::to_string(10 + i % 50) +
                             " +0000] ";
    lines.push_back(head + "\"GET /a/" + n + "?q=" + n + " HTTP/1.1\" 200 5 \"-\" \"Mozilla/5.0\"");
    lines.push_back(head + "\"GET /\\\"" + n + "\\x41 HTTP/1.1\" 200 - \"http://a/\" \"-\"");
    lines.push_back(head + "\"\\x16\\x03\" 400 226 \"-\" \"" + n + "\"");
    lines.push_back("no line " + n);
    lines.push_back(head + "\"GET / HTTP/1.1\" 200 99999999999999999999 \"-\" \"-\"");
  }
  return lines;
}

TEST(Allocation, NoneIsMadePerLine) {
  Parser parser(Format::Compile("combined").value());
  event::ColumnBatch rows(parser.format().schema());
  const std::vector<std::string> lines = Lines();
  std::string buffer(parser.JsonBound(1'000), '\0');
  std::string_view reason;
  const auto parse_all = [&] {
    rows.Clear();
    size_t accepted = 0;
    for (const std::string& line : lines) {
      accepted += parser.Parse(line, rows, reason);
      accepted += !parser.WriteJson(line, buffer.data(), reason).empty();
    }
    return accepted;
  };
  const size_t accepted = parse_all();  // the scratch grows to the longest line
  EXPECT_GT(accepted, lines.size());
  const uint64_t before = allocations;
  EXPECT_EQ(parse_all(), accepted);
  EXPECT_EQ(allocations - before, 0U);
}

}  // namespace
}  // namespace tarn::access_log
