#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>

#include "agent_wire/batch.h"
#include "catalog/commit.h"
#include "journal/journal.h"
#include "lake/workspace.h"
#include "os/mutex.h"

namespace tarn::lake {

// The server's answer to an agent's batch.
struct BatchAnswer {
  enum class Kind : uint8_t {
    kStored,     // durable now
    kDuplicate,  // was here already
    kGap,        // bytes before it are missing: send from `offset` on
    kOverLimit,  // a new file of a key that has brought all it may: `reason`; others may go on
  };
  Kind kind = Kind::kStored;
  uint64_t offset = 0;  // what the server has of the file, without a gap
  std::string reason;
};

// Where agents' batches enter: checks them, drops what is already here, and acknowledges after the
// journal's sync. One watermark per (source, host, file): a batch at or below it is a duplicate,
// one that straddles it is stored (the landing takes what is new), one past it is a gap, unless the
// file is unknown. One batch of a file is under way at a time. Memory: about 300 bytes a file;
// files untouched for longest are forgotten past kMaxFiles. What one key may invent is limited, so
// that an agent gone wild, or a stolen key, fills neither memory nor the catalog. Thread-safe.
class AgentDoor {
 public:
  using Done = std::function<void(Result<BatchAnswer>)>;

  // Reads the catalog's watermarks and what the journal holds past `position`.
  static Result<std::unique_ptr<AgentDoor>> Open(const Workspace& work, journal::Journal& journal,
                                                 const std::set<std::string>& sources,
                                                 uint64_t position);

  // `done` is called once, from this call or from the journal's thread. Errors: NotFound (source),
  // InvalidArgument (a name that is too long), those of agent_wire::Decode, Unavailable and
  // ResourceExhausted (send again later).
  void Submit(std::string_view encoded, Done done);
  // The same for a caller that has just decoded the whole of `encoded`, whose header this is, and
  // knows the key it came with.
  void Submit(const agent_wire::BatchHeader& header, std::string_view encoded, Done done,
              std::string_view key = {});

  size_t files() const;

  static constexpr size_t kMaxFiles = 200'000;
  // Of one key, since the server started, not counting files untouched for kKeepMicros: several
  // agents of a fleet may share it, of 10,000 files at most each.
  static constexpr size_t kMaxFilesOfKey = 100'000;
  static constexpr size_t kMaxHostsOfKey = 10'000;
  static constexpr size_t kMaxNameBytes = 255;  // of a host, and of a file id
  static constexpr int64_t kKeepMicros = 7 * kMicrosPerDay;

 private:
  // What came with one key.
  struct Sender {
    size_t files = 0;
    std::map<std::string, size_t, std::less<>> hosts;  // with the number of their files
    std::optional<int64_t> refused;                    // monotonic; when last looked for old ones
  };
  using Senders = std::map<std::string, Sender, std::less<>>;
  struct File {
    uint64_t end = 0;    // durable
    bool known = false;  // something of it is durable: until then it may begin anywhere
    bool under_way = false;
    int64_t touched = 0;       // monotonic
    Sender* sender = nullptr;  // null: nothing came since the start
  };
  using Files = std::map<catalog::WatermarkKey, File>;
  AgentDoor(const Workspace& work, journal::Journal& journal, std::set<std::string> sources)
      : work_(work), journal_(journal), sources_(std::move(sources)) {}

  Status LoadCatalog();
  Status LoadJournal(uint64_t position);
  Status CheckHeader(const agent_wire::BatchHeader& header) const;
  // Nothing if the key may bring one more file, for which old ones of it may be forgotten; else why
  // not, which is told to the log, too.
  std::optional<std::string> Admit(const agent_wire::BatchHeader& header,
                                   Senders::value_type& entry) TARN_REQUIRES(mutex_);
  static void Own(Files::value_type& file, Sender& sender);
  Files::iterator Forget(Files::iterator file) TARN_REQUIRES(mutex_);
  // The answer that needs no journal, or the file, marked as under way: it stays where it is until
  // End.
  std::variant<Result<BatchAnswer>, File*> Begin(const agent_wire::BatchHeader& header,
                                                 std::string_view key);
  void End(File& file, std::optional<uint64_t> durable_end);
  void ForgetOldest(const File& keep) TARN_REQUIRES(mutex_);

  const Workspace work_;
  journal::Journal& journal_;
  const std::set<std::string> sources_;

  mutable os::Mutex mutex_;
  Files files_ TARN_GUARDED_BY(mutex_);
  Senders senders_ TARN_GUARDED_BY(mutex_);  // as many as there are keys
};

}  // namespace tarn::lake
