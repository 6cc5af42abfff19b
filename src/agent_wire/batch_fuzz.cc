#include "agent_wire/batch.h"
#include "base/check.h"

// What decodes must encode and decode again to the same batch.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)tarn::agent_wire::DecodeHeader(bytes).ok();
  const auto batch = tarn::agent_wire::Decode(bytes);
  if (!batch.ok()) return 0;
  tarn::codec::ZstdCompressor compressor;
  const auto encoded = tarn::agent_wire::Encode(batch->header, batch->payload, compressor);
  TARN_CHECK(encoded.ok());
  const auto again = tarn::agent_wire::Decode(*encoded);
  TARN_CHECK(again.ok() && again->header == batch->header && again->payload == batch->payload);
  return 0;
}
