#include "codec/hash.h"

#include <nmmintrin.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <xxhash.h>

#include <array>
#include <cstring>

#include "base/check.h"

namespace tarn::codec {

namespace {

// Checksums are polynomials over GF(2) modulo this one, with the coefficient of x^0 in bit 31.
constexpr uint32_t kCastagnoli = 0x82f63b78;

constexpr uint32_t MultiplyPolynomials(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (uint32_t bit = 1U << 31; bit != 0; bit >>= 1) {
    if ((a & bit) != 0) product ^= b;
    b = (b >> 1) ^ ((b & 1) != 0 ? kCastagnoli : 0);
  }
  return product;
}

// x^(8 * 2^n)
constexpr std::array<uint32_t, 64> MakePowers() {
  std::array<uint32_t, 64> powers{};
  powers[0] = 1U << 23;
  for (size_t n = 1; n < powers.size(); ++n) {
    powers[n] = MultiplyPolynomials(powers[n - 1], powers[n - 1]);
  }
  return powers;
}
constexpr std::array<uint32_t, 64> kPowers = MakePowers();

constexpr uint32_t ShiftBy(uint32_t crc, uint64_t bytes) {
  for (size_t n = 0; bytes != 0; ++n, bytes >>= 1) {
    if ((bytes & 1) != 0) crc = MultiplyPolynomials(crc, kPowers[n]);
  }
  return crc;
}

// The instruction answers after three cycles and starts one a cycle: three lanes keep it busy.
constexpr size_t kLaneBytes = 256;
constexpr size_t kLanes = 3;

// ShiftBy(byte << 8 * i, kLaneBytes) for the four bytes of a checksum.
constexpr std::array<std::array<uint32_t, 256>, 4> MakeLaneShift() {
  std::array<std::array<uint32_t, 256>, 4> table{};
  for (uint32_t i = 0; i < 4; ++i) {
    for (uint32_t byte = 0; byte < 256; ++byte) {
      table[i][byte] = ShiftBy(byte << (8 * i), kLaneBytes);
    }
  }
  return table;
}
constexpr std::array<std::array<uint32_t, 256>, 4> kLaneShift = MakeLaneShift();

uint32_t ShiftByLane(uint32_t crc) {
  return kLaneShift[0][crc & 0xff] ^ kLaneShift[1][crc >> 8 & 0xff] ^
         kLaneShift[2][crc >> 16 & 0xff] ^ kLaneShift[3][crc >> 24];
}

uint64_t AddWord(uint64_t state, const char* at) {
  uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  return _mm_crc32_u64(state, word);
}

uint64_t AddLanes(uint64_t state, const char* at) {
  uint64_t second = 0;
  uint64_t third = 0;
  for (size_t i = 0; i < kLaneBytes; i += 8) {
    state = AddWord(state, at + i);
    second = AddWord(second, at + kLaneBytes + i);
    third = AddWord(third, at + 2 * kLaneBytes + i);
  }
  const uint32_t two = ShiftByLane(static_cast<uint32_t>(state)) ^ static_cast<uint32_t>(second);
  return ShiftByLane(two) ^ static_cast<uint32_t>(third);
}

}  // namespace

uint32_t Crc32c(std::string_view bytes, uint32_t crc) {
  uint64_t state = ~crc;
  const char* at = bytes.data();
  size_t left = bytes.size();
  constexpr size_t kBlockBytes = kLanes * kLaneBytes;
  for (; left >= kBlockBytes; left -= kBlockBytes, at += kBlockBytes) state = AddLanes(state, at);
  for (; left >= 8; left -= 8, at += 8) state = AddWord(state, at);
  auto narrow = static_cast<uint32_t>(state);
  for (; left > 0; --left, ++at) narrow = _mm_crc32_u8(narrow, static_cast<uint8_t>(*at));
  return ~narrow;
}

uint32_t Crc32cBehind(uint32_t both, uint32_t first, uint64_t size) {
  return both ^ ShiftBy(first, size);
}

uint64_t Xxh3(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

void Xxh3Stream::Free::operator()(XXH3_state_s* state) const { XXH3_freeState(state); }

Xxh3Stream::Xxh3Stream() : state_(XXH3_createState()) {
  TARN_CHECK(state_ != nullptr);
  XXH3_64bits_reset(state_.get());
}
Xxh3Stream::~Xxh3Stream() = default;
Xxh3Stream::Xxh3Stream(Xxh3Stream&&) noexcept = default;
Xxh3Stream& Xxh3Stream::operator=(Xxh3Stream&&) noexcept = default;

void Xxh3Stream::Add(std::string_view bytes) {
  XXH3_64bits_update(state_.get(), bytes.data(), bytes.size());
}

uint64_t Xxh3Stream::Digest() const { return XXH3_64bits_digest(state_.get()); }

std::string Sha256(std::string_view bytes) {
  std::string digest(32, '\0');
  unsigned size = 0;
  TARN_CHECK(EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()),
                        &size, EVP_sha256(), nullptr) == 1);
  return digest;
}

std::string HmacSha256(std::string_view key, std::string_view bytes) {
  std::string digest(32, '\0');
  unsigned size = 0;
  TARN_CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                  reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                  reinterpret_cast<unsigned char*>(digest.data()), &size) != nullptr);
  return digest;
}

bool ConstantTimeEqual(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace tarn::codec
