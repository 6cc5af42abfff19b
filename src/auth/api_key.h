#pragma once

#include <cstdint>
#include <memory>
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
  };

  // An absent file is an empty ring. DataLoss with the place for one that does not parse.
  static Result<KeyRing> Load(os::FileSystem& files, const std::string& path);
  // Replaces the file atomically, readable by its owner alone. Who loads, changes and saves holds a
  // lock meanwhile, or a change of somebody else is lost.
  Status Save(os::FileSystem& files, const std::string& path) const;

  // Makes a key and answers its text, which is kept nowhere: to be shown once. AlreadyExists if the
  // name is taken, InvalidArgument for a name not of [a-z0-9._-]{1,64} or sources on a role other
  // than ingest.
  Result<std::string> Create(Principal principal, os::Random& random);
  Status Revoke(std::string_view name);  // NotFound
  const std::vector<Key>& keys() const { return keys_; }
  bool Knows(std::string_view key) const;

 private:
  std::vector<Key> keys_;
};

}  // namespace tarn::auth
