#include <algorithm>

#include "base/check.h"
#include "http/request_parser.h"

namespace {

using tarn::http::RequestParser;

// The requests that the parser takes from `text` when it comes in pieces of `piece` bytes. Whether
// it refuses what follows them or waits for the rest of it is not told: Beast judges the lines of
// an unfinished header in its first piece only, and then again when the header is whole.
std::string Describe(std::string_view text, size_t piece) {
  RequestParser parser({.max_header_bytes = 512, .max_header_fields = 8});
  std::string out;
  std::string pending;
  size_t given = 0;
  for (;;) {
    size_t consumed = 0;
    const auto step = parser.Feed(pending, &consumed);
    TARN_CHECK(consumed <= pending.size());
    pending.erase(0, consumed);
    if (step == RequestParser::Step::kFailed) {
      TARN_CHECK(parser.failure().status >= 400);
      return out;
    }
    if (step == RequestParser::Step::kHeader) parser.set_max_body_bytes(64);
    if (step == RequestParser::Step::kDone ||
        (step == RequestParser::Step::kHeader && !parser.has_body())) {
      const tarn::http::Request request = parser.TakeRequest();
      TARN_CHECK(request.body.size() <= 64);
      TARN_CHECK(request.headers.Count("transfer-encoding") == 0 ||
                 request.headers.Count("content-length") == 0);
      out += request.target + "\n";
      for (size_t i = 0; i < request.headers.size(); ++i) out += request.headers.at(i).second;
      out += "\n" + request.body + "\n";
      continue;
    }
    if (step == RequestParser::Step::kHeader) continue;
    if (given == text.size()) return out;
    const std::string_view next = text.substr(given, piece);
    given += next.size();
    pending += next;
  }
}

}  // namespace

// However the bytes are cut into pieces, they are the same requests.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string whole = Describe(text, std::max<size_t>(text.size(), 1));
  TARN_CHECK(Describe(text, 1) == whole);
  TARN_CHECK(Describe(text, size_t{data[0]} + 1) == whole);
  return 0;
}
