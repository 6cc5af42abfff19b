#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "event/column_batch.h"
#include "iceberg/manifest.h"
#include "iceberg/table_metadata.h"
#include "lake/layout.h"
#include "lake/workspace.h"
#include "store/object_store.h"

namespace tarn::lake {

// A table as it is being written to: its name, its state, and the columns the rows have, which
// carry the table's ids (WithIdsOf). Borrowed.
struct TableTarget {
  const catalog::DatasetName& name;
  const iceberg::TableMetadata& table;
  const event::Schema& columns;
};

// Writes the data files of one commit. They are durable once Publish has returned, which must be
// before the commit; dropped without it, what was written goes again, as far as it can. Write and
// Put are thread-safe beside each other.
class DataFiles {
 public:
  explicit DataFiles(const Workspace& work) : work_(work), batch_(work.store.OpenBatch()) {}

  // Rows of one hour, as one file.
  Result<iceberg::DataFile> Write(const TableTarget& target, Hour hour,
                                  const event::ColumnBatch& rows);
  // Rows of any hours, sorted out by the table's partition column: a file an hour.
  Result<std::vector<iceberg::DataFile>> WriteByHour(const TableTarget& target,
                                                     const event::ColumnBatch& rows);
  // Any other object of the commit.
  Status Put(const std::string& key, std::string_view bytes);

  Status Publish() { return batch_->Publish(); }

 private:
  const Workspace work_;
  std::unique_ptr<store::ObjectBatch> batch_;
};

}  // namespace tarn::lake
