#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "catalog/dataset.h"
#include "iceberg/scan.h"
#include "lake/workspace.h"
#include "parquet/file_check.h"
#include "store/object_store.h"

namespace tarn::lake {

// What is said of a table's files that are missing or damaged: DataLoss, which names the table, the
// file, what is out of reach without it and how to go on. Errors that are no damage (a disk that
// cannot be read) only get the table's name.

// From loading a table's metadata, or reading its manifests.
Error MetadataDamage(const std::string& table, Error error);

// Of data files. The end alone costs little and is checked before every query; the rest of a file
// is checked by what reads it (docs/formats/parquet.md).
Status CheckEnd(const store::ObjectStore& store, const std::string& table,
                const iceberg::DataFile& file);
// `go_on` as in parquet::CheckFile.
Result<parquet::Checked> CheckWhole(const store::ObjectStore& store, const std::string& table,
                                    const iceberg::DataFile& file,
                                    const std::function<Status()>& go_on = {});

struct LostFile {
  iceberg::DataFile file;
  std::string description;  // the message of its error
};

// A table as it now is, read to the last byte: its metadata and every data file.
struct Verification {
  int64_t files = 0;
  int64_t bytes = 0;
  int64_t without_checksum = 0;  // of other engines, or of a Tarn that wrote none
  std::vector<LostFile> lost;    // missing, damaged or unreadable
};
// DataLoss if the metadata is lost: then nothing can be said of the data files.
Result<Verification> Verify(const Workspace& work, const catalog::DatasetName& dataset);

// Takes files that are lost out of the table, in a commit with an audit row that names them.
Status AcceptLoss(const Workspace& work, const catalog::DatasetName& dataset,
                  const std::vector<LostFile>& lost);

}  // namespace tarn::lake
