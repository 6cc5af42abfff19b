#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/time.h"

namespace tarn::catalog {

struct User {
  std::string name;
  std::string
      password_hash;  // what auth made of the password (a SCRAM verifier); never the password
  std::vector<std::string> roles;
  bool disabled = false;
  Timestamp created;  // set by the catalog
  bool operator==(const User&) const = default;
};

// A secret for programs. Only its hash is kept.
struct AccessKey {
  std::string key_id;  // the public half
  std::string secret_hash;
  std::string user;  // empty: belongs to no user (an agent's key)
  std::vector<std::string> scopes;
  std::optional<Timestamp> expires;
  bool disabled = false;
  Timestamp created;  // set by the catalog
  bool operator==(const AccessKey&) const = default;
};

}  // namespace tarn::catalog
