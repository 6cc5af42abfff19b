#include "base/check.h"
#include "iceberg/table_metadata.h"

// Metadata that parses must print and parse again to the same text.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tarn::iceberg;
  const auto table = ParseMetadata({reinterpret_cast<const char*>(data), size});
  if (table.ok()) {
    const std::string text = PrintMetadata(*table);
    const auto again = ParseMetadata(text);
    TARN_CHECK(again.ok() && PrintMetadata(*again) == text);
  }
  return 0;
}
