#include <fmt/format.h>

#include "catalog/sqlite_catalog_internal.h"
#include "codec/json.h"

namespace tarn::catalog {
namespace {

User UserOf(const SqlRow& row) {
  return {row.Text(0), row.Text(1), StringsFromJson(row.Text(2)), row.Bool(3), row.Time(4)};
}

AccessKey KeyOf(const SqlRow& row) {
  return {row.Text(0),         row.Text(1), row.Text(2), StringsFromJson(row.Text(3)),
          row.OptionalTime(4), row.Bool(5), row.Time(6)};
}

}  // namespace

std::string StringsToJson(const std::vector<std::string>& strings) {
  codec::Json::Array array;
  for (const std::string& text : strings) array.emplace_back(text);
  return codec::DumpJson(codec::Json(std::move(array)));
}

std::vector<std::string> StringsFromJson(const std::string& json) {
  std::vector<std::string> strings;
  const auto value = codec::ParseJson(json);
  // Ours by construction; a damaged list grants nothing.
  if (!value.ok() || value->AsArray() == nullptr) return strings;
  for (const codec::Json& item : *value->AsArray()) {
    if (item.AsString() != nullptr) strings.push_back(*item.AsString());
  }
  return strings;
}

Status SqliteCatalog::PutUser(const User& user, const Actor& who) {
  if (user.name.empty()) return InvalidArgument("a user needs a name");
  return Write([&](SqliteDb& db) -> Status {
    const std::string roles = StringsToJson(user.roles);
    TARN_TRY(
        db.Run("INSERT INTO user(name, password_hash, roles, disabled, created) "
               "VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT(name) DO UPDATE SET "
               "password_hash = ?2, roles = ?3, disabled = ?4",
               {user.name, user.password_hash, roles, user.disabled, clock_.Now()}));
    return AddAudit(
        db, {.who = who.name,
             .action = "user.put",
             .object = user.name,
             .detail = fmt::format("roles {}{}", roles, user.disabled ? ", disabled" : "")});
  });
}

Result<User> SqliteCatalog::GetUser(const std::string& name) {
  return Read([&](SqliteDb& db) -> Result<User> {
    std::optional<User> user;
    TARN_TRY(
        db.Query("SELECT name, password_hash, roles, disabled, created FROM user WHERE name = ?",
                 {name}, [&](const SqlRow& row) { user = UserOf(row); }));
    if (!user) return NotFound("there is no user '" + name + "'");
    return *std::move(user);
  });
}

Result<std::vector<User>> SqliteCatalog::ListUsers() {
  return Read([&](SqliteDb& db) -> Result<std::vector<User>> {
    std::vector<User> users;
    TARN_TRY(
        db.Query("SELECT name, password_hash, roles, disabled, created FROM user ORDER BY name", {},
                 [&](const SqlRow& row) { users.push_back(UserOf(row)); }));
    return users;
  });
}

Status SqliteCatalog::DropUser(const std::string& name, const Actor& who) {
  return Write([&](SqliteDb& db) -> Status {
    TARN_TRY(db.Run("DELETE FROM user WHERE name = ?", {name}));
    if (db.changes() == 0) return NotFound("there is no user '" + name + "'");
    return AddAudit(db, {.who = who.name, .action = "user.drop", .object = name});
  });
}

Status SqliteCatalog::PutKey(const AccessKey& key, const Actor& who) {
  if (key.key_id.empty()) return InvalidArgument("a key needs an id");
  return Write([&](SqliteDb& db) -> Status {
    if (!key.user.empty()) {
      TARN_ASSIGN_OR_RETURN(const int64_t known,
                            db.QueryInt("SELECT count(*) FROM user WHERE name = ?", {key.user}));
      if (known == 0) return NotFound("there is no user '" + key.user + "'");
    }
    const std::string scopes = StringsToJson(key.scopes);
    TARN_TRY(db.Run(
        "INSERT INTO access_key(key_id, secret_hash, user, scopes, expires, disabled, "
        "created) VALUES(?1, ?2, nullif(?3, ''), ?4, ?5, ?6, ?7) "
        "ON CONFLICT(key_id) DO UPDATE SET secret_hash = ?2, user = nullif(?3, ''), "
        "scopes = ?4, expires = ?5, disabled = ?6",
        {key.key_id, key.secret_hash, key.user, scopes, key.expires, key.disabled, clock_.Now()}));
    return AddAudit(
        db, {.who = who.name,
             .action = "key.put",
             .object = key.key_id,
             .detail = fmt::format("scopes {}{}", scopes, key.disabled ? ", disabled" : "")});
  });
}

Result<AccessKey> SqliteCatalog::GetKey(const std::string& key_id) {
  return Read([&](SqliteDb& db) -> Result<AccessKey> {
    std::optional<AccessKey> key;
    TARN_TRY(
        db.Query("SELECT key_id, secret_hash, user, scopes, expires, disabled, created "
                 "FROM access_key WHERE key_id = ?",
                 {key_id}, [&](const SqlRow& row) { key = KeyOf(row); }));
    if (!key) return NotFound("there is no key '" + key_id + "'");
    return *std::move(key);
  });
}

Result<std::vector<AccessKey>> SqliteCatalog::ListKeys() {
  return Read([&](SqliteDb& db) -> Result<std::vector<AccessKey>> {
    std::vector<AccessKey> keys;
    TARN_TRY(
        db.Query("SELECT key_id, secret_hash, user, scopes, expires, disabled, created "
                 "FROM access_key ORDER BY key_id",
                 {}, [&](const SqlRow& row) { keys.push_back(KeyOf(row)); }));
    return keys;
  });
}

Status SqliteCatalog::DropKey(const std::string& key_id, const Actor& who) {
  return Write([&](SqliteDb& db) -> Status {
    TARN_TRY(db.Run("DELETE FROM access_key WHERE key_id = ?", {key_id}));
    if (db.changes() == 0) return NotFound("there is no key '" + key_id + "'");
    return AddAudit(db, {.who = who.name, .action = "key.drop", .object = key_id});
  });
}

// ---- settings and audit

Result<std::optional<std::string>> SqliteCatalog::GetSetting(const std::string& key) {
  return Read([&](SqliteDb& db) -> Result<std::optional<std::string>> {
    std::optional<std::string> value;
    TARN_TRY(db.Query("SELECT value FROM setting WHERE key = ?", {key},
                      [&](const SqlRow& row) { value = row.Text(0); }));
    return value;
  });
}

Status SqliteCatalog::SetSetting(const std::string& key, const std::string& value,
                                 const Actor& who) {
  if (key.empty()) return InvalidArgument("a setting needs a key");
  return Write([&](SqliteDb& db) -> Status {
    TARN_TRY(
        db.Run("INSERT INTO setting(key, value) VALUES(?1, ?2) "
               "ON CONFLICT(key) DO UPDATE SET value = ?2",
               {key, value}));
    return AddAudit(db, {.who = who.name, .action = "setting.set", .object = key});
  });
}

Status SqliteCatalog::Audit(const AuditRow& row) {
  if (row.who.empty()) return InvalidArgument("an audit row must say who");
  return Write([&](SqliteDb& db) { return AddAudit(db, row); });
}

Result<std::vector<AuditRow>> SqliteCatalog::ListAudit(const AuditFilter& filter) {
  return Read([&](SqliteDb& db) -> Result<std::vector<AuditRow>> {
    std::vector<AuditRow> rows;
    TARN_TRY(
        db.Query("SELECT id, at, who, action, object, detail FROM audit "
                 "WHERE (?1 = '' OR who = ?1) AND (?2 = '' OR object = ?2) "
                 "ORDER BY id DESC LIMIT ?3",
                 {filter.who, filter.object, SqlLimit(filter.limit)}, [&](const SqlRow& row) {
                   rows.push_back({row.Int(0), row.Time(1), row.Text(2), row.Text(3), row.Text(4),
                                   row.Text(5)});
                 }));
    return rows;
  });
}

}  // namespace tarn::catalog
