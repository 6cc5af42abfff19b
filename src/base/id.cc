#include "base/id.h"

#include <algorithm>

#include "base/bytes.h"

namespace tarn {
namespace {

void SetVersion(Uuid& uuid, uint8_t version) {
  uuid.bytes[6] = static_cast<uint8_t>((uuid.bytes[6] & 0x0f) | (version << 4));
  uuid.bytes[8] = static_cast<uint8_t>((uuid.bytes[8] & 0x3f) | 0x80);
}

}  // namespace

Uuid MakeUuidV7(Timestamp time, const std::array<uint8_t, 10>& random) {
  Uuid uuid;
  const int64_t millis = FloorDiv(time.micros, 1'000);
  for (size_t i = 0; i < 6; ++i) {
    uuid.bytes[i] = static_cast<uint8_t>(static_cast<uint64_t>(millis) >> (8 * (5 - i)));
  }
  std::copy(random.begin(), random.end(), uuid.bytes.begin() + 6);
  SetVersion(uuid, 7);
  return uuid;
}

Uuid MakeUuidV4(const std::array<uint8_t, 16>& random) {
  Uuid uuid{random};
  SetVersion(uuid, 4);
  return uuid;
}

std::string FormatUuid(const Uuid& uuid) {
  std::string text = ToHex({reinterpret_cast<const char*>(uuid.bytes.data()), uuid.bytes.size()});
  for (const size_t at : {size_t{20}, size_t{16}, size_t{12}, size_t{8}}) text.insert(at, 1, '-');
  return text;
}

std::optional<Uuid> ParseUuid(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  std::string hex;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash != (text[i] == '-')) return std::nullopt;
    if (!dash) hex.push_back(text[i]);
  }
  const auto bytes = FromHex(hex);
  if (!bytes) return std::nullopt;
  Uuid uuid;
  std::transform(bytes->begin(), bytes->end(), uuid.bytes.begin(),
                 [](char c) { return static_cast<uint8_t>(c); });
  return uuid;
}

}  // namespace tarn
