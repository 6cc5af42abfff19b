#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace tarn {

// Bytes in memory are std::string and std::string_view throughout; integers in our formats are
// little-endian.
static_assert(std::endian::native == std::endian::little,
              "Tarn's formats assume a little-endian machine");

template <typename T>
  requires std::is_trivially_copyable_v<T>
void PutFixed(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

// The caller has checked that sizeof(T) bytes are there.
template <typename T>
  requires std::is_trivially_copyable_v<T>
T GetFixed(const char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

// LEB128, as in protocol buffers: seven bits a byte, low first, at most ten bytes.
void PutVarint(std::string& out, uint64_t value);
// Length as a varint, then the bytes.
void PutSized(std::string& out, std::string_view bytes);

// Reads values off the front of a string it does not own. Every Take* answers nullopt once the
// bytes run out or are malformed; the position is then unspecified.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  std::string_view rest() const { return rest_; }
  bool empty() const { return rest_.empty(); }

  template <typename T>
    requires std::is_trivially_copyable_v<T>
  std::optional<T> TakeFixed() {
    if (rest_.size() < sizeof(T)) return std::nullopt;
    const T value = GetFixed<T>(rest_.data());
    rest_.remove_prefix(sizeof(T));
    return value;
  }
  std::optional<uint64_t> TakeVarint();
  std::optional<std::string_view> TakeBytes(size_t count);
  std::optional<std::string_view> TakeSized();

 private:
  std::string_view rest_;
};

std::string ToHex(std::string_view bytes);
// nullopt for an odd length or a character that is not a hex digit.
std::optional<std::string> FromHex(std::string_view hex);

}  // namespace tarn
