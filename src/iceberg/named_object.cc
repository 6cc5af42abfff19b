#include "iceberg/named_object.h"

#include <fmt/format.h>

#include <array>

#include "codec/hash.h"

namespace tarn::iceberg {
namespace {

constexpr size_t kDigits = 16;
constexpr std::array<std::string_view, 2> kExtensions = {".metadata.json", ".avro"};

std::string HashOf(std::string_view bytes) { return fmt::format("{:016x}", codec::Xxh3(bytes)); }

// The hash a name carries; empty for a name that carries none: of another engine, or of a Tarn
// that did not write it.
std::string_view HashIn(std::string_view name) {
  for (const std::string_view extension : kExtensions) {
    if (!name.ends_with(extension)) continue;
    name.remove_suffix(extension.size());
    if (name.size() <= kDigits || name[name.size() - kDigits - 1] != '.') return {};
    const std::string_view digits = name.substr(name.size() - kDigits);
    return digits.find_first_not_of("0123456789abcdef") == std::string_view::npos ? digits : "";
  }
  return {};
}

}  // namespace

std::string NameWithHash(std::string_view stem, std::string_view extension,
                         std::string_view bytes) {
  return fmt::format("{}.{}{}", stem, HashOf(bytes), extension);
}

Result<std::string> GetNamed(const store::ObjectStore& store, const std::string& url) {
  TARN_ASSIGN_OR_RETURN(const std::string key, store.KeyOf(url));
  auto bytes = store.Get(key);
  if (!bytes.ok()) {
    if (bytes.error().code() != Code::kNotFound) return bytes;
    return NotFound(url + " is missing");
  }
  const std::string_view hash = HashIn(url);
  if (!hash.empty() && HashOf(*bytes) != hash) {
    return DataLoss(url + " is damaged: its bytes do not match the checksum in its name");
  }
  return bytes;
}

}  // namespace tarn::iceberg
