#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace tarn {

struct Uuid {
  std::array<uint8_t, 16> bytes{};  // network order, as printed
  auto operator<=>(const Uuid&) const = default;
};

// RFC 9562 version 7: 48 bits of milliseconds, then 74 of the random bits given. Sorts by time.
Uuid MakeUuidV7(Timestamp time, const std::array<uint8_t, 10>& random);
// RFC 9562 version 4 out of 16 random bytes.
Uuid MakeUuidV4(const std::array<uint8_t, 16>& random);

std::string FormatUuid(const Uuid& uuid);  // "0193f2a0-....", lower case
std::optional<Uuid> ParseUuid(std::string_view text);

}  // namespace tarn
