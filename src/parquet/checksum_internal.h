#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tarn::parquet {

// The checksum in a file's footer: an entry of its key-value metadata, whose value is XXH3 of all
// bytes before the footer, then XXH3 of the footer with these last digits as '0', 16 hex digits
// each (docs/formats/parquet.md).
inline constexpr std::string_view kChecksumKey = "tarn.xxh3";
inline constexpr size_t kHashDigits = 16;
inline constexpr size_t kChecksumDigits = 2 * kHashDigits;

// Puts the checksum in the place that zeros hold for it. False if there is no such place.
bool SealFooter(std::string& footer, uint64_t body_hash);

struct Checksum {
  std::string body;    // hex
  bool footer_intact;  // the footer is as it was sealed
};
// nullopt if the footer has none.
std::optional<Checksum> ReadChecksum(std::string footer);

}  // namespace tarn::parquet
