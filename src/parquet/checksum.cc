#include <fmt/format.h>

#include "codec/hash.h"
#include "parquet/checksum_internal.h"

namespace tarn::parquet {
namespace {

std::string Hex(uint64_t hash) { return fmt::format("{:016x}", hash); }

// How a footer of ours ends, in Thrift's compact protocol: the entry, whose value are the digits;
// after them the end of the entry, field 6 with our name, and field 7, a list of an order for each
// column.
constexpr std::string_view kBeforeDigits = "\x18\x09tarn.xxh3\x18\x20";
constexpr std::string_view kAfterDigits("\0\x18\x04Tarn\x19", 8);
constexpr std::string_view kColumnOrder("\x1c\0\0", 3);

// Found from the end, at a distance that nothing in the file but its number of columns decides: no
// value of a column can be taken for it. A footer that another engine wrote has another name there,
// whatever it copied.
std::optional<size_t> FindDigits(std::string_view footer) {
  constexpr size_t kStop = 1;
  constexpr size_t kOrder = kColumnOrder.size();
  size_t columns = 0;
  while (footer.size() >= kStop + (columns + 1) * kOrder &&
         footer.substr(footer.size() - kStop - (columns + 1) * kOrder, kOrder) == kColumnOrder) {
    ++columns;
  }
  if (columns == 0) return std::nullopt;
  // The list's length: within its type's byte, or in bytes of 7 bits behind it.
  size_t length_bytes = 1;
  if (columns >= 15) {
    for (size_t rest = columns; rest > 0; rest >>= 7U) ++length_bytes;
  }
  const size_t after_bytes = kAfterDigits.size() + length_bytes + columns * kOrder + kStop;
  if (footer.size() < kBeforeDigits.size() + kChecksumDigits + after_bytes) return std::nullopt;
  const size_t after = footer.size() - after_bytes;
  const size_t digits = after - kChecksumDigits;
  if (!footer.substr(0, digits).ends_with(kBeforeDigits) ||
      !footer.substr(after).starts_with(kAfterDigits)) {
    return std::nullopt;
  }
  return digits;
}

}  // namespace

bool SealFooter(std::string& footer, uint64_t body_hash) {
  const auto digits = FindDigits(footer);
  if (!digits) return false;
  footer.replace(*digits, kHashDigits, Hex(body_hash));
  footer.replace(*digits + kHashDigits, kHashDigits, Hex(codec::Xxh3(footer)));
  return true;
}

std::optional<Checksum> ReadChecksum(std::string footer) {
  const auto digits = FindDigits(footer);
  if (!digits) return std::nullopt;
  Checksum checksum{.body = footer.substr(*digits, kHashDigits), .footer_intact = false};
  const size_t own = *digits + kHashDigits;
  const std::string said = footer.substr(own, kHashDigits);
  footer.replace(own, kHashDigits, kHashDigits, '0');
  checksum.footer_intact = said == Hex(codec::Xxh3(footer));
  return checksum;
}

}  // namespace tarn::parquet
