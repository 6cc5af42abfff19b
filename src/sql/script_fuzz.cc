#include "base/check.h"
#include "sql/script.h"

// Whatever the bytes, the statements are pieces of them.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  tarn::sql::ScriptReader reader;
  size_t taken = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    reader.AddLine(text.substr(at, end - at));
    at = end + 1;
    while (const auto statement = reader.Next()) taken += statement->text.size();
  }
  while (const auto statement = reader.Rest()) taken += statement->text.size();
  TARN_CHECK(taken <= size);
  return 0;
}
