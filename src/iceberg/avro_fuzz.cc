#include "iceberg/avro.h"
#include "iceberg/manifest.h"
#include "iceberg/update.h"

// Whatever opens can be read to its end or to an error, as a container, a manifest and a list.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tarn::iceberg;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  AvroLimits limits;
  limits.max_block_bytes = 1'000'000;
  limits.max_record_datums = 10'000;
  auto file = AvroFile::Open(bytes, limits);
  if (file.ok()) {
    size_t datums = 0;
    (void)file->ForEach([&](const AvroDatum& record) -> tarn::Status {
      datums += record.items.size();
      return {};
    });
  }
  static const TableMetadata table = [] {
    TableMetadata metadata;
    metadata.schemas.emplace_back();
    metadata.specs.push_back({0, {{1, 1000, "ts_hour", ParseTransform("hour")}}});
    return metadata;
  }();
  (void)DecodeManifest(table, {}, bytes);
  (void)DecodeManifestList(bytes);
  return 0;
}
