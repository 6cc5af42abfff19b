#include "base/check.h"
#include "codec/json.h"

// Whatever parses must print and parse again to the same value.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto json = tarn::codec::ParseJson(text);
  if (json.ok()) {
    const auto again = tarn::codec::ParseJson(tarn::codec::DumpJson(*json));
    TARN_CHECK(again.ok() && *again == *json);
  }
  return 0;
}
