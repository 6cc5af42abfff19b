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
// RFC 4648's base32: no digits that look like letters.
constexpr std::string_view kAwsIdDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
constexpr std::string_view kAwsIdPrefix = "TARN";
constexpr size_t kAwsIdSize = 20;
constexpr size_t kAwsSecretSize = 40;
// Of files without AWS credentials. A Tarn that knows no others would drop them from a file it
// changes; the higher version has it refuse the file instead.
constexpr int64_t kFormatVersion = 1;
constexpr int64_t kFormatVersionWithAws = 2;

bool ValidName(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  });
}

// `out` with digits, each as likely, until it has `size` characters.
void AppendDigits(std::string& out, size_t size, std::string_view digits, os::Random& random) {
  while (out.size() < size) {
    // Six bits at a time, those that are no digit thrown away.
    uint64_t bits = random.Next();
    for (int i = 0; i < 10 && out.size() < size; ++i, bits >>= 6) {
      const uint64_t digit = bits & 63;
      if (digit < digits.size()) out.push_back(digits[digit]);
    }
  }
}

bool ValidAws(const AwsCredentials& aws) {
  const auto consists_of = [](std::string_view text, std::string_view digits) {
    return text.find_first_not_of(digits) == std::string_view::npos;
  };
  return aws.access_key_id.size() == kAwsIdSize && aws.access_key_id.starts_with(kAwsIdPrefix) &&
         consists_of(std::string_view(aws.access_key_id).substr(kAwsIdPrefix.size()),
                     kAwsIdDigits) &&
         aws.secret_access_key.size() == kAwsSecretSize &&
         consists_of(aws.secret_access_key, kDigits);
}

Result<std::optional<AwsCredentials>> ParseAws(const codec::Json& json) {
  if (json.Find("aws_access_key_id") == nullptr && json.Find("aws_secret_access_key") == nullptr)
    return std::optional<AwsCredentials>();
  AwsCredentials aws;
  TARN_ASSIGN_OR_RETURN(aws.access_key_id, json.GetString("aws_access_key_id"));
  TARN_ASSIGN_OR_RETURN(aws.secret_access_key, json.GetString("aws_secret_access_key"));
  if (!ValidAws(aws)) {
    return InvalidArgument(
        "'aws_access_key_id' must be TARN and 16 of [A-Z2-7], 'aws_secret_access_key' 40 of "
        "[0-9A-Za-z]");
  }
  return std::optional(std::move(aws));
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
  TARN_ASSIGN_OR_RETURN(key.aws, ParseAws(json));
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
  AppendDigits(key, key.size() + kSecretDigits, kDigits, random);
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
  if (!version.ok() || *version < kFormatVersion || *version > kFormatVersionWithAws)
    return broken("'version' is neither 1 nor 2");
  const codec::Json* keys = json->Find("keys");
  if (keys == nullptr || keys->AsArray() == nullptr) return broken("'keys' is not an array");
  for (size_t i = 0; i < keys->AsArray()->size(); ++i) {
    auto key = ParseKey((*keys->AsArray())[i]);
    if (!key.ok()) return broken("keys[" + std::to_string(i) + "]: " + key.error().message());
    if (key->aws && ring.FindAws(key->aws->access_key_id) != nullptr)
      return broken("keys[" + std::to_string(i) + "]: 'aws_access_key_id' is that of another key");
    ring.keys_.push_back(*std::move(key));
  }
  return ring;
}

Status KeyRing::Save(os::FileSystem& files, const std::string& path) const {
  codec::Json::Array keys;
  int64_t version = kFormatVersion;
  for (const Key& key : keys_) {
    codec::Json one;
    one.Set("name", key.principal.name);
    one.Set("role", RoleName(key.principal.role));
    one.Set("sha256", ToHex(key.hash));
    if (!key.principal.sources.empty()) {
      codec::Json::Array sources(key.principal.sources.begin(), key.principal.sources.end());
      one.Set("sources", std::move(sources));
    }
    if (key.aws) {
      version = kFormatVersionWithAws;
      one.Set("aws_access_key_id", key.aws->access_key_id);
      one.Set("aws_secret_access_key", key.aws->secret_access_key);
    }
    keys.push_back(std::move(one));
  }
  codec::Json json;
  json.Set("version", version);
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
  keys_.push_back({std::move(principal), codec::Sha256(text), std::nullopt});
  return text;
}

Result<AwsCredentials> KeyRing::CreateAws(std::string_view name, os::Random& random) {
  const auto key =
      std::ranges::find_if(keys_, [&](const Key& known) { return known.principal.name == name; });
  if (key == keys_.end()) return NotFound("there is no key '" + std::string(name) + "'");
  if (key->aws)
    return AlreadyExists("key '" + std::string(name) + "' has AWS credentials; revoke it first");
  AwsCredentials aws;
  do {
    aws.access_key_id = kAwsIdPrefix;
    AppendDigits(aws.access_key_id, kAwsIdSize, kAwsIdDigits, random);
  } while (FindAws(aws.access_key_id) != nullptr);
  AppendDigits(aws.secret_access_key, kAwsSecretSize, kDigits, random);
  key->aws = aws;
  return aws;
}

const KeyRing::Key* KeyRing::FindAws(std::string_view access_key_id) const {
  for (const Key& key : keys_) {
    if (key.aws && key.aws->access_key_id == access_key_id) return &key;
  }
  return nullptr;
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
