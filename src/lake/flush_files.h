#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lake/committer.h"
#include "lake/data_files.h"
#include "lake/log_buffer.h"
#include "lake/log_source.h"

namespace tarn::lake {

// A source with the names of its tables.
struct SourceTables {
  explicit SourceTables(LogSource source)
      : config(std::move(source)),
        raw{catalog::Zone::kRaw, config.name},
        clean{catalog::Zone::kClean, config.name},
        quarantine{catalog::Zone::kQuarantine, config.name} {}

  LogSource config;
  catalog::DatasetName raw;
  catalog::DatasetName clean;
  catalog::DatasetName quarantine;
};

// The files of one flush: what buffers hold of the journal's records [first, last], encoded and
// published, ready for one commit. Thread-confined; encodes on several threads, which ask `go_on`
// before every hour: an error of it ends the flush.
class FlushFiles {
 public:
  struct Records {
    uint64_t first = 0;
    uint64_t last = 0;
  };
  FlushFiles(const Workspace& work, Committer& committer, Records records,
             std::function<Status()> go_on)
      : work_(work),
        committer_(committer),
        records_(records),
        go_on_(std::move(go_on)),
        writer_(work) {}

  // All rows of a buffer; takes them out of it.
  Status Write(const SourceTables& source, LogBuffer& buffer);
  // What was written is durable.
  Status Publish() { return writer_.Publish(); }
  // For the commit, by table; once.
  std::vector<TableChange> TakeChanges();

  // After a failure, where no commit was made. Data files that stay are orphans; JSON objects that
  // stay would count double, which is the error.
  void DropData();
  Status DropJson();

 private:
  struct HourJob;
  struct Layouts;

  Status WriteHour(const SourceTables& source, LogBuffer& buffer, const Layouts& layouts,
                   HourJob& job);
  Status WriteQuarantine(const SourceTables& source, LogBuffer& buffer);
  std::string NewJsonKey(const SourceTables& source, Hour hour);

  const Workspace work_;
  Committer& committer_;
  const Records records_;
  const std::function<Status()> go_on_;
  DataFiles writer_;
  std::map<catalog::DatasetName, std::vector<iceberg::DataFile>> files_;
  std::set<std::string> json_keys_;
};

}  // namespace tarn::lake
