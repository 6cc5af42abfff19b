#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "codec/json.h"
#include "os/file_system.h"
#include "os/mutex.h"

namespace tarn::demo {

// What happened at one server within one hour (UTC, by the start of the request).
struct HourCounts {
  std::map<int, uint64_t> by_status;
  uint64_t hits = 0;      // sum of by_status: well-formed lines in the access log
  uint64_t rejected = 0;  // lines the combined parser must refuse; hour of writing
  uint64_t visitors = 0;  // distinct first parts of the cookie
  uint64_t sessions = 0;  // distinct cookies
};

// The ground truth of a demo folder: counts per server and hour, in truth.jsonl (one JSON object a
// line, each the growth since the line before; a reader adds them up). Flush appends what was added
// and survives a kill up to the last Flush; docs/formats/demo-truth.md. Thread-safe.
class Truth {
 public:
  using Key = std::pair<int, int64_t>;  // server, hours since 1970

  // Reads the file if it is there. A torn last line (a killed demo) is dropped.
  static Result<std::unique_ptr<Truth>> Open(os::FileSystem& fs, std::string path);

  void AddHit(int server, Timestamp time, int status, std::string_view cookie);
  void AddRejected(int server, Timestamp time);
  // A hit whose answer was never seen, so its status is the expected one. Zero when all is well.
  void AddUncertain();
  // Corrections after a kill; they add, they never take away.
  void AddMissing(Key key, int status, uint64_t count);
  void AddMissingRejected(Key key, uint64_t count);
  // Counts the ids of a cookie once an hour. Nothing for hours whose ids were dropped.
  void AddCookie(Key key, std::string_view cookie);

  Status Flush();
  // Rewrites the file as one line per server and hour. Ids of hours before `recent` are dropped.
  Status Compact(Timestamp recent);

  std::map<Key, HourCounts> Counts() const;
  HourCounts Total(int server) const;
  uint64_t uncertain() const;

 private:
  struct Hour {
    HourCounts counts;
    HourCounts flushed;
    bool ids_known = true;
    std::unordered_set<uint64_t> visitor_ids;
    std::unordered_set<uint64_t> session_ids;
    std::vector<uint64_t> new_visitors;  // since the last flush
    std::vector<uint64_t> new_sessions;
  };
  Truth(os::FileSystem& fs, std::string path) : fs_(fs), path_(std::move(path)) {}
  Status Load();
  Status Apply(const codec::Json& line);
  void AddIds(const Key& key, Hour& hour, std::string_view cookie) TARN_REQUIRES(mutex_);
  Hour& Changed(const Key& key) TARN_REQUIRES(mutex_);
  Status Append(const std::string& text) TARN_REQUIRES(mutex_);

  os::FileSystem& fs_;
  const std::string path_;
  mutable os::Mutex mutex_;
  std::map<Key, Hour> hours_ TARN_GUARDED_BY(mutex_);
  std::set<Key> changed_ TARN_GUARDED_BY(mutex_);
  uint64_t size_ TARN_GUARDED_BY(mutex_) = 0;  // bytes of the file
  uint64_t uncertain_ TARN_GUARDED_BY(mutex_) = 0;
  uint64_t uncertain_flushed_ TARN_GUARDED_BY(mutex_) = 0;
};

// {"hits":…,"rejected":…,"servers":{"w1":{"hits":…,"status":{"200":…},…}}}
codec::Json TruthSummary(const Truth& truth, int servers);

}  // namespace tarn::demo
