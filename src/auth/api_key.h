#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "os/file_system.h"
#include "os/random.h"

namespace tarn::auth {

// What a key may do. A role includes nothing of another, except that admin may do everything.
enum class Role : uint8_t {
  kAdmin,   // everything, keys included
  kIngest,  // send records of its sources
  kReader,  // query, see status
};
std::string_view RoleName(Role role);  // "admin", "ingest", "reader"
std::vector<std::string> RoleNames();
Result<Role> ParseRole(std::string_view name);

// Who is asking, once proven.
struct Principal {
  std::string name;  // of the key: "web-1"
  Role role = Role::kReader;
  std::vector<std::string> sources;  // of an ingest key; empty: all

  // PermissionDenied naming the principal and what is missing.
  Status Require(Role needed) const;
  Status RequireSource(std::string_view source) const;  // ingest (or admin), and that source
};

// What a client of AWS signs its requests with (auth/sigv4.h). The server needs the secret itself
// to check a signature, so it is another secret than the key, whose hash alone is kept.
struct AwsCredentials {
  std::string access_key_id;      // "TARN" and 16 of [A-Z2-7]: 80 random bits
  std::string secret_access_key;  // 40 of the 62 letters and digits: 238 random bits
};

// "tarn_ingest_" and 32 of the 62 letters and digits: 190 random bits.
std::string GenerateKey(Role role, os::Random& random);

// The keys of one server, by their SHA-256 hashes (docs/formats/keys.md). A slow password hash
// would add nothing: it makes guessing dear, and 190 random bits cannot be guessed; a fast one lets
// every request be checked. Not thread-safe; the Authenticator takes a copy.
class KeyRing {
 public:
  struct Key {
    Principal principal;
    std::string hash;  // SHA-256 of the whole key, 32 bytes
    std::optional<AwsCredentials> aws;
  };

  // An absent file is an empty ring. DataLoss with the place for one that does not parse.
  static Result<KeyRing> Load(os::FileSystem& files, const std::string& path);
  // Replaces the file atomically, readable by its owner alone; AWS secrets are in it as they are.
  // Who loads, changes and saves holds a lock meanwhile, or a change of somebody else is lost.
  Status Save(os::FileSystem& files, const std::string& path) const;

  // Makes a key and answers its text, which is kept nowhere: to be shown once. AlreadyExists if the
  // name is taken, InvalidArgument for a name not of [a-z0-9._-]{1,64} or sources on a role other
  // than ingest.
  Result<std::string> Create(Principal principal, os::Random& random);
  // Gives a key AWS credentials, which may what the key may. NotFound; AlreadyExists if it has
  // some.
  Result<AwsCredentials> CreateAws(std::string_view name, os::Random& random);
  Status Revoke(std::string_view name);  // the AWS credentials too; NotFound
  const std::vector<Key>& keys() const { return keys_; }
  bool Knows(std::string_view key) const;
  // The key with these AWS credentials; null if there is none. Lives until the ring changes.
  const Key* FindAws(std::string_view access_key_id) const;

 private:
  std::vector<Key> keys_;
};

}  // namespace tarn::auth
