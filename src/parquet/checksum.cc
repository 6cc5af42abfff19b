#include <fmt/format.h>

#include "codec/hash.h"
#include "parquet/checksum_internal.h"

namespace tarn::parquet {
namespace {

std::string Hex(uint64_t hash) { return fmt::format("{:016x}", hash); }

// Thrift's compact protocol writes an entry as: field 1, length, key, field 2, length, value. What
// stands between key and value is not looked at, so that damage there is a wrong checksum, not
// none.
std::optional<size_t> FindDigits(std::string_view footer) {
  constexpr size_t kBetween = 2;
  const size_t at = footer.rfind(kChecksumKey);
  if (at == std::string_view::npos) return std::nullopt;
  const size_t digits = at + kChecksumKey.size() + kBetween;
  if (digits + kChecksumDigits > footer.size()) return std::nullopt;
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
