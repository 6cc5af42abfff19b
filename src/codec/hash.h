#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct XXH3_state_s;

namespace tarn::codec {

// CRC-32C (Castagnoli, RFC 3720 appendix B.4), by the SSE4.2 instruction. Crc32c(b, Crc32c(a)) ==
// Crc32c(a + b).
uint32_t Crc32c(std::string_view bytes, uint32_t crc = 0);

// Of bytes that follow others: `both` is the checksum of all of them, `first` that of the others,
// `size` the number of the bytes. Takes a time that grows with the logarithm of `size`.
uint32_t Crc32cBehind(uint32_t both, uint32_t first, uint64_t size);

// XXH3, 64 bits; stable across machines and versions (xxHash specification 0.8).
uint64_t Xxh3(std::string_view bytes);

// The same of bytes that come piece by piece.
class Xxh3Stream {
 public:
  Xxh3Stream();
  ~Xxh3Stream();
  Xxh3Stream(Xxh3Stream&&) noexcept;
  Xxh3Stream& operator=(Xxh3Stream&&) noexcept;

  void Add(std::string_view bytes);
  uint64_t Digest() const;  // of what was added so far

 private:
  struct Free {
    void operator()(XXH3_state_s* state) const;
  };
  std::unique_ptr<XXH3_state_s, Free> state_;
};

std::string Sha256(std::string_view bytes);  // 32 bytes
std::string HmacSha256(std::string_view key, std::string_view bytes);

// True if equal; takes as long whatever the content. For secrets.
bool ConstantTimeEqual(std::string_view a, std::string_view b);

}  // namespace tarn::codec
