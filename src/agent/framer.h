#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace re2 {
class RE2;
}

namespace tarn::agent {

// What of a buffer becomes a batch.
struct Frame {
  size_t size = 0;                    // bytes from the front; 0: nothing is complete yet
  bool cut = false;                   // they end inside a line
  std::vector<uint32_t> record_ends;  // multi-line only
};

// Where the first `count` lines end; 0 if there are fewer.
size_t EndOfFirstLines(std::string_view bytes, int64_t count);
// What is left of a frame that ends after its first record.
Frame FirstRecord(Frame frame, std::string_view bytes);

// Finds where records end. Thread-confined.
class Framer {
 public:
  // An empty pattern: each line is a record. The pattern must be valid RE2.
  explicit Framer(const std::string& multiline_start);
  ~Framer();
  Framer(Framer&&) noexcept;

  bool multiline() const { return start_ != nullptr; }

  // `bytes` begin a record. `quiet`: nothing was added for a while, so the last whole line ends its
  // record. `final`: nothing will be added for good, or so long that a line without newline is sent
  // as it is. A line that reaches kMaxLineBytes is cut there; so is a record, between lines. At
  // most agent_wire::kMaxRows records.
  Frame Find(std::string_view bytes, bool quiet, bool final) const;
  // The same of bytes that begin inside a line. Of a multi-line flow its rest is a record.
  Frame FindInside(std::string_view bytes, bool quiet, bool final) const;

 private:
  Frame FindRecords(std::string_view bytes, bool quiet) const;
  std::unique_ptr<re2::RE2> start_;
};

}  // namespace tarn::agent
