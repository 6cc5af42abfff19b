#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "agent/events.h"
#include "base/error.h"

namespace tarn::agent {

// Why something that is to be sent is not.
enum class ProblemKind : uint8_t {
  kUnreadable,  // the file, or the folder that leads to some
  kWaits,       // for more bytes
  kDamaged,
  kLost,
};
inline constexpr size_t kProblemKinds = 4;
using ProblemCounts = std::array<size_t, kProblemKinds>;  // by ProblemKind
std::string_view NameOf(ProblemKind kind);                // "unreadable", "waits", …

struct FileProblem {
  ProblemKind kind = ProblemKind::kUnreadable;
  std::string source;
  std::string path;  // a file's, a folder's or a pattern's
  Error error;
  uint64_t slot = 0;  // of the tracked file that has it, by whatever name; 0: of the path itself

  // "/l/a.log: …", without the path where the error names it.
  std::string Text() const;
};

// The problems of all files at present: one of a kind of each tracked file, and of each path. A
// pass over the disk notes them anew; each is told in the log as it comes up, and again only if it
// was gone meanwhile. Past kMost one message says that there are more. Thread-confined.
class FileProblems {
 public:
  static constexpr size_t kMost = 1'000;

  explicit FileProblems(Events& events) : events_(events) {}

  void BeginPass();
  void EndPass();
  void Note(FileProblem problem);
  void Drop(const FileProblem& problem);

  // By source and path.
  std::vector<FileProblem> All() const;
  const ProblemCounts& counts() const { return counts_; }
  // Whether they are others than when this was asked last.
  bool TakeChanged() { return std::exchange(changed_, false); }

 private:
  using Key = std::tuple<std::string, ProblemKind, uint64_t, std::string>;
  static Key KeyOf(const FileProblem& problem);
  void Tell(const FileProblem& problem);
  size_t& CountOf(ProblemKind kind) { return counts_[static_cast<size_t>(kind)]; }

  Events& events_;
  std::map<Key, FileProblem> now_;
  std::map<Key, FileProblem> before_;  // while a pass runs
  ProblemCounts counts_ = {};          // of now_
  bool changed_ = false;
  bool full_told_ = false;
};

// All of them as the one error that `once` ends with: the first one's code. No problems: fine.
Status ToStatus(const std::vector<FileProblem>& problems);

}  // namespace tarn::agent
