#include "store/object_store.h"

#include <algorithm>
#include <optional>

namespace tarn::store {
namespace {

constexpr std::string_view kHexDigits = "0123456789ABCDEF";

// Iceberg readers take a location as it is written: they do not decode it (PyIceberg, DuckDB and
// Hadoop's Path alike). So only what would end or change the path of a URL is encoded.
bool MustEncode(char c) {
  return c == '%' || c == '?' || c == '#' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> DecodePath(std::string_view path) {
  std::string decoded;
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] != '%') {
      decoded.push_back(path[i]);
      continue;
    }
    if (path.size() - i < 3) return std::nullopt;
    const int high = HexValue(path[i + 1]);
    const int low = HexValue(path[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    decoded.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return decoded;
}

Error BadKey(std::string_view key, std::string_view rule) {
  std::string message = "object key '";
  message.append(key.substr(0, 200)).append("' ").append(rule);
  return InvalidArgument(std::move(message));
}

// A batch of a store that gains nothing by one.
class SingleObjects final : public ObjectBatch {
 public:
  explicit SingleObjects(ObjectStore& store) : store_(store) {}
  Result<std::unique_ptr<ObjectWriter>> OpenWriter(const std::string& key) override {
    return store_.OpenWriter(key);
  }
  Status Publish() override { return {}; }

 private:
  ObjectStore& store_;
};

}  // namespace

std::unique_ptr<ObjectBatch> ObjectStore::OpenBatch() {
  return std::make_unique<SingleObjects>(*this);
}

std::string EncodeUrlPath(std::string_view path) {
  std::string encoded;
  encoded.reserve(path.size());
  for (const char c : path) {
    if (!MustEncode(c)) {
      encoded.push_back(c);
      continue;
    }
    encoded.push_back('%');
    encoded.push_back(kHexDigits[static_cast<unsigned char>(c) >> 4]);
    encoded.push_back(kHexDigits[static_cast<unsigned char>(c) & 15]);
  }
  return encoded;
}

Status CheckKey(std::string_view key) {
  constexpr size_t kMostBytes = 1'024;
  if (key.empty()) return InvalidArgument("an object key must not be empty");
  if (key.size() > kMostBytes) return BadKey(key, "… is longer than 1,024 bytes");
  if (key.find('\0') != std::string_view::npos) return BadKey(key, "contains a NUL byte");
  size_t at = 0;
  while (at <= key.size()) {
    const size_t slash = std::min(key.find('/', at), key.size());
    const std::string_view part = key.substr(at, slash - at);
    if (part.empty()) return BadKey(key, "has an empty part (a '/' too many)");
    if (part == "." || part == "..") return BadKey(key, "has a part '.' or '..'");
    at = slash + 1;
  }
  return {};
}

std::string ObjectStore::UrlOf(std::string_view key) const {
  return base_url() + "/" + EncodeUrlPath(key);
}

Result<std::string> ObjectStore::KeyOf(std::string_view url) const {
  const std::string& base = base_url();
  const auto refuse = [&](std::string_view reason) {
    std::string message = "'";
    message.append(url.substr(0, 300)).append("' ").append(reason);
    return InvalidArgument(std::move(message));
  };
  if (!url.starts_with(base) || url.size() <= base.size() || url[base.size()] != '/')
    return refuse("is not below " + base);
  auto key = DecodePath(url.substr(base.size() + 1));
  if (!key) return refuse("has a '%' that two hex digits do not follow");
  TARN_TRY(CheckKey(*key));
  return *std::move(key);
}

}  // namespace tarn::store
