#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "event/predicate.h"
#include "event/schema.h"

namespace tarn::sql {

// "schema"."name", as the catalog writes it.
struct TableName {
  std::string schema;
  std::string name;
  auto operator<=>(const TableName&) const = default;
};

struct TableInfo {
  TableName name;
  event::Schema schema;
  // The resolver's own mark of the state it described (a snapshot id, a metadata location); handed
  // back to Files, so that one query sees one state.
  std::string state;
  std::string comment;
};

// Asked again and again by what takes long: an error ends it.
using GoOn = std::function<Status()>;

// Where queries find their tables. Called on the thread that calls Session::Run, a table's Describe
// at most once a query and before its Files.
class TableResolver {
 public:
  virtual ~TableResolver() = default;

  virtual Result<std::vector<TableName>> List() = 0;
  // The tables of one query, all as they are at one moment: what was committed together is seen
  // together. Names are as the user wrote them; SQL names do not depend on case, so answer the
  // tables whose names match without regard to it, in the order of the names. NotFound if there is
  // none: the message becomes the user's.
  virtual Result<std::vector<TableInfo>> Describe(const std::vector<TableName>& names) = 0;
  // Absolute paths of the Parquet files, below the engine's data_directories, that may hold rows
  // for which `filter` is true. Every file's columns carry field ids. None: an empty table.
  virtual Result<std::vector<std::string>> Files(const TableInfo& table,
                                                 const event::Filter& filter) = 0;
  // The rows of the whole table, if that is known exactly without a look into its files: what
  // answers SELECT count(*). nullopt: it is not.
  virtual Result<std::optional<uint64_t>> CountRows(const TableInfo& /*table*/) {
    return std::optional<uint64_t>();
  }
  // Asked when a query failed while it read these Files: the error that names the file which is not
  // as it was written, if there is one. It may read them all, as long as `go_on` lets it.
  virtual Status FindDamage(const TableInfo& /*table*/, const event::Filter& /*filter*/,
                            const GoOn& /*go_on*/) {
    return {};
  }
};

}  // namespace tarn::sql
