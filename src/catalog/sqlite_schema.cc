#include <array>

#include "catalog/sqlite_catalog_internal.h"

namespace tarn::catalog {
namespace {

// Times are UTC microseconds. Dataset columns outside `dataset` hold names, not references, where
// the row must outlive the dataset. What each table is for: docs/formats/catalog.md.
constexpr const char* kVersion1 = R"sql(
CREATE TABLE setting(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE dataset(
  name TEXT PRIMARY KEY,
  zone TEXT NOT NULL,
  kind TEXT NOT NULL,
  location TEXT NOT NULL,
  table_uuid TEXT NOT NULL UNIQUE,
  metadata_location TEXT NOT NULL,
  schema_summary TEXT NOT NULL,
  owner TEXT NOT NULL,
  description TEXT NOT NULL,
  source TEXT NOT NULL,
  snapshot_id INTEGER NOT NULL DEFAULT 0,
  row_count INTEGER NOT NULL DEFAULT 0,
  byte_count INTEGER NOT NULL DEFAULT 0,
  commit_count INTEGER NOT NULL DEFAULT 0,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL) STRICT;
CREATE TABLE tag(
  dataset TEXT NOT NULL REFERENCES dataset(name) ON DELETE CASCADE,
  column_name TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY(dataset, column_name, key)) STRICT, WITHOUT ROWID;
CREATE INDEX tag_key ON tag(key);
CREATE TABLE pipeline(
  pipeline TEXT PRIMARY KEY,
  position TEXT NOT NULL DEFAULT '',
  token INTEGER NOT NULL DEFAULT 0,
  holder TEXT NOT NULL DEFAULT '',
  lease_expires INTEGER NOT NULL DEFAULT 0,
  last_commit_id TEXT NOT NULL DEFAULT '',
  last_commit INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE watermark(
  source TEXT NOT NULL,
  host TEXT NOT NULL,
  file_id TEXT NOT NULL,
  end_offset INTEGER NOT NULL,
  last_batch INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  PRIMARY KEY(source, host, file_id)) STRICT;
CREATE INDEX watermark_updated ON watermark(updated);
CREATE TABLE receipt(
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  commit_id TEXT NOT NULL UNIQUE,
  committed INTEGER NOT NULL,
  pipeline TEXT NOT NULL,
  position TEXT NOT NULL,
  first_event INTEGER NOT NULL,
  last_event INTEGER NOT NULL) STRICT;
CREATE TABLE run(
  run_id TEXT PRIMARY KEY,
  job TEXT NOT NULL,
  started INTEGER NOT NULL,
  ended INTEGER NOT NULL,
  row_count INTEGER NOT NULL,
  byte_count INTEGER NOT NULL,
  status TEXT NOT NULL,
  code_version TEXT NOT NULL,
  message TEXT NOT NULL) STRICT;
CREATE INDEX run_job ON run(job, ended);
CREATE INDEX run_ended ON run(ended);
CREATE TABLE run_dataset(
  run_id TEXT NOT NULL REFERENCES run(run_id) ON DELETE CASCADE,
  is_output INTEGER NOT NULL,
  ordinal INTEGER NOT NULL,
  dataset TEXT NOT NULL,
  snapshot_id INTEGER NOT NULL,
  PRIMARY KEY(run_id, is_output, ordinal)) STRICT, WITHOUT ROWID;
CREATE INDEX run_dataset_name ON run_dataset(dataset, run_id);
CREATE TABLE event(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  dataset TEXT NOT NULL,
  snapshot_id INTEGER NOT NULL,
  kind TEXT NOT NULL,
  payload TEXT NOT NULL,
  commit_id TEXT NOT NULL,
  created INTEGER NOT NULL,
  delivered INTEGER) STRICT;
CREATE INDEX event_waiting ON event(id) WHERE delivered IS NULL;
CREATE TABLE consumer(
  consumer TEXT PRIMARY KEY,
  position INTEGER NOT NULL,
  updated INTEGER NOT NULL) STRICT;
CREATE TABLE replay(
  dataset TEXT NOT NULL REFERENCES dataset(name) ON DELETE CASCADE,
  item TEXT NOT NULL,
  row_count INTEGER NOT NULL,
  commit_id TEXT NOT NULL,
  replayed INTEGER NOT NULL,
  PRIMARY KEY(dataset, item)) STRICT, WITHOUT ROWID;
CREATE TABLE audit(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  who TEXT NOT NULL,
  action TEXT NOT NULL,
  object TEXT NOT NULL,
  detail TEXT NOT NULL) STRICT;
CREATE TABLE user(
  name TEXT PRIMARY KEY,
  password_hash TEXT NOT NULL,
  roles TEXT NOT NULL,
  disabled INTEGER NOT NULL,
  created INTEGER NOT NULL) STRICT;
CREATE TABLE access_key(
  key_id TEXT PRIMARY KEY,
  secret_hash TEXT NOT NULL,
  user TEXT REFERENCES user(name) ON DELETE CASCADE,
  scopes TEXT NOT NULL,
  expires INTEGER,
  disabled INTEGER NOT NULL,
  created INTEGER NOT NULL) STRICT;
CREATE INDEX access_key_user ON access_key(user);
PRAGMA user_version = 1;
)sql";

// The checksum of sqlite_watermarks.cc; 0 in a row that was last written before.
constexpr const char* kVersion2 = R"sql(
ALTER TABLE watermark ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
PRAGMA user_version = 2;
)sql";

// Step i leads from version i to i + 1. A released step is never edited.
constexpr std::array<const char*, kSchemaVersion> kSteps = {kVersion1, kVersion2};

}  // namespace

Status MigrateSchema(SqliteDb& db) {
  TARN_ASSIGN_OR_RETURN(auto transaction, SqlTransaction::Begin(db, SqlTransaction::Kind::kWrite));
  TARN_ASSIGN_OR_RETURN(const int64_t version, db.QueryInt("PRAGMA user_version"));
  for (auto step = static_cast<size_t>(version); step < kSteps.size(); ++step) {
    TARN_TRY(db.Script(kSteps.at(step)));
  }
  return transaction.Commit();
}

}  // namespace tarn::catalog
