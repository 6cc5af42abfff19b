#include "base/check.h"
#include "codec/json.h"
#include "event/column_batch.h"
#include "source/access_log/parser.h"

using namespace tarn;
using namespace tarn::access_log;

namespace {

// Parse, Check and AppendJson must agree, and the JSON must be JSON.
void TryLine(const Format& format, std::string_view line) {
  Parser parser(format, Shape::kFull);
  event::ColumnBatch rows(format.schema());
  std::string_view reason;
  std::string json;
  const bool parsed = parser.Parse(line, rows, reason);
  TARN_CHECK(parsed || !reason.empty());
  TARN_CHECK(parser.Check(line, reason) == parsed);
  TARN_CHECK(parser.AppendJson(line, json, reason) == parsed);
  TARN_CHECK(rows.rows() == (parsed ? 1U : 0U));
  if (parsed) TARN_CHECK(codec::ParseJson(json).ok());
}

}  // namespace

// The first line is a format, the second a line of it; the second is also tried with the names.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t newline = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(std::min(newline + 1, text.size()));
  static const std::vector<Format> kNamed = [] {
    std::vector<Format> formats;
    for (const char* name : {"combined", "vhost_combined", "error", "json", "csv:host,status,agent",
                             R"(regex:(?P<host>\S+) (?P<status>\d+) (?P<agent>.*))"}) {
      formats.push_back(*Format::Compile(name));
    }
    return formats;
  }();
  for (const auto& format : kNamed) TryLine(format, line);
  if (const auto format = Format::Compile(text.substr(0, newline)); format.ok()) {
    TryLine(*format, line);
  }
  return 0;
}
