#include "auth/api_key.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/text.h"
#include "codec/hash.h"
#include "codec/json.h"

namespace tarn::auth {
namespace {

constexpr std::array<std::string_view, 3> kRoleNames = {"admin", "ingest", "reader"};
constexpr std::string_view kDigits =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr size_t kSecretDigits = 32;
constexpr int64_t kFormatVersion = 1;

bool ValidName(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  });
}

Result<KeyRing::Key> ParseKey(const codec::Json& json) {
  KeyRing::Key key;
  TARN_ASSIGN_OR_RETURN(key.principal.name, json.GetString("name"));
  if (!ValidName(key.principal.name)) return InvalidArgument("'name' must be [a-z0-9._-]{1,64}");
  TARN_ASSIGN_OR_RETURN(const std::string role, json.GetString("role"));
  TARN_ASSIGN_OR_RETURN(key.principal.role, ParseRole(role));
  TARN_ASSIGN_OR_RETURN(const std::string hex, json.GetString("sha256"));
  key.hash = FromHex(hex).value_or(std::string());
  if (key.hash.size() != 32) return InvalidArgument("'sha256' must be 64 hex digits");
  const codec::Json* sources = json.Find("sources");
  if (sources == nullptr) return key;
  if (sources->AsArray() == nullptr) return InvalidArgument("'sources' is not an array");
  for (const codec::Json& source : *sources->AsArray()) {
    if (source.AsString() == nullptr) return InvalidArgument("'sources' must hold strings");
    key.principal.sources.push_back(*source.AsString());
  }
  // Else a list emptied by hand would open everything.
  if (key.principal.sources.empty()) return InvalidArgument("'sources' is empty");
  return key;
}

}  // namespace

std::string_view RoleName(Role role) { return kRoleNames.at(static_cast<size_t>(role)); }

std::vector<std::string> RoleNames() { return {kRoleNames.begin(), kRoleNames.end()}; }

Result<Role> ParseRole(std::string_view name) {
  for (size_t i = 0; i < kRoleNames.size(); ++i) {
    if (kRoleNames.at(i) == name) return static_cast<Role>(i);
  }
  return InvalidArgument("role '" + std::string(name) + "' is none of " + Join(RoleNames(), ", "));
}

Status Principal::Require(Role needed) const {
  if (role == needed || role == Role::kAdmin) return {};
  return PermissionDenied("key '" + name + "' has role " + std::string(RoleName(role)) +
                          ", this needs " + std::string(RoleName(needed)));
}

Status Principal::RequireSource(std::string_view source) const {
  TARN_TRY(Require(Role::kIngest));
  if (role == Role::kAdmin || sources.empty() ||
      std::find(sources.begin(), sources.end(), source) != sources.end()) {
    return {};
  }
  return PermissionDenied("key '" + name + "' may not send to source '" + std::string(source) +
                          "'");
}

std::string GenerateKey(Role role, os::Random& random) {
  std::string key = "tarn_" + std::string(RoleName(role)) + "_";
  const size_t length = key.size() + kSecretDigits;
  while (key.size() < length) {
    // Six bits at a time, those over 61 thrown away, so that every digit is as likely.
    uint64_t bits = random.Next();
    for (int i = 0; i < 10 && key.size() < length; ++i, bits >>= 6) {
      const uint64_t digit = bits & 63;
      if (digit < kDigits.size()) key.push_back(kDigits[digit]);
    }
  }
  return key;
}

Result<KeyRing> KeyRing::Load(os::FileSystem& files, const std::string& path) {
  KeyRing ring;
  auto text = files.ReadFile(path);
  if (!text.ok()) {
    if (text.error().code() == Code::kNotFound) return ring;
    return std::move(text).error();
  }
  const auto broken = [&](const std::string& why) {
    return DataLoss(path + ": " + why + " (restore the file, or remove it and make new keys)");
  };
  const auto json = codec::ParseJson(*text);
  if (!json.ok()) return broken(json.error().message());
  const auto version = json->GetInt("version");
  if (!version.ok() || *version != kFormatVersion) return broken("'version' is not 1");
  const codec::Json* keys = json->Find("keys");
  if (keys == nullptr || keys->AsArray() == nullptr) return broken("'keys' is not an array");
  for (size_t i = 0; i < keys->AsArray()->size(); ++i) {
    auto key = ParseKey((*keys->AsArray())[i]);
    if (!key.ok()) return broken("keys[" + std::to_string(i) + "]: " + key.error().message());
    ring.keys_.push_back(*std::move(key));
  }
  return ring;
}

Status KeyRing::Save(os::FileSystem& files, const std::string& path) const {
  codec::Json::Array keys;
  for (const Key& key : keys_) {
    codec::Json one;
    one.Set("name", key.principal.name);
    one.Set("role", RoleName(key.principal.role));
    one.Set("sha256", ToHex(key.hash));
    if (!key.principal.sources.empty()) {
      codec::Json::Array sources(key.principal.sources.begin(), key.principal.sources.end());
      one.Set("sources", std::move(sources));
    }
    keys.push_back(std::move(one));
  }
  codec::Json json;
  json.Set("version", kFormatVersion);
  json.Set("keys", std::move(keys));
  return files.WritePrivateFileAtomically(path, codec::DumpJson(json, true) + "\n");
}

Result<std::string> KeyRing::Create(Principal principal, os::Random& random) {
  if (!ValidName(principal.name))
    return InvalidArgument("key name '" + principal.name + "' must be [a-z0-9._-]{1,64}");
  if (!principal.sources.empty() && principal.role != Role::kIngest)
    return InvalidArgument("only a key of role ingest can be limited to sources");
  for (const Key& key : keys_) {
    if (key.principal.name == principal.name)
      return AlreadyExists("a key '" + principal.name + "' exists; revoke it first");
  }
  std::string text = GenerateKey(principal.role, random);
  keys_.push_back({std::move(principal), codec::Sha256(text)});
  return text;
}

bool KeyRing::Knows(std::string_view key) const {
  const std::string hash = codec::Sha256(key);
  return std::ranges::any_of(
      keys_, [&](const Key& known) { return codec::ConstantTimeEqual(known.hash, hash); });
}

Status KeyRing::Revoke(std::string_view name) {
  const auto gone =
      std::erase_if(keys_, [&](const Key& key) { return key.principal.name == name; });
  if (gone == 0) return NotFound("there is no key '" + std::string(name) + "'");
  return {};
}

}  // namespace tarn::auth
