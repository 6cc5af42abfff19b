#include "agent/status.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/tracked_file.h"
#include "base/text.h"
#include "codec/json.h"

namespace tarn::agent {
namespace {

// A file that was read, or one that could not be.
struct FileStatus {
  const FileState* file = nullptr;  // null: nothing of it was ever read
  std::string source;
  std::string path;
  std::string state;
  std::string problem;
  uint64_t sent = 0;
  std::optional<uint64_t> size;    // none: nobody knows
  std::optional<uint64_t> behind;  // likewise
};

FileStatus StatusOf(os::FileSystem& files, const FileState& file) {
  const auto info = files.Stat(file.path);
  const bool there =
      !file.replaced && info.ok() && info->inode == file.inode && info->device == file.device;
  const uint64_t size = there && !file.path.ends_with(".gz") ? info->size : file.size;
  uint64_t behind = 0;
  if (there) {
    behind = BytesBehind(files, file, size);
  } else if (!file.finished && !file.lost && size > file.acked) {
    behind = size - file.acked;
  }
  const std::string_view state = file.finished ? "finished"
                                 : there       ? "tailing"
                                 : file.lost   ? "lost"
                                               : "gone";
  return {&file, file.source, file.path, std::string(state), "", file.acked, size, behind};
}

FileStatus StatusOf(os::FileSystem& files, const ProblemNote& problem) {
  FileStatus status;
  status.source = problem.source;
  status.path = problem.path;
  status.state = problem.state;
  status.problem = problem.text;
  const auto info = files.Stat(problem.path);
  if (info.ok() && !info->is_directory && !problem.path.ends_with(".gz")) {
    status.size = info->size;
    status.behind = info->size;
  }
  return status;
}

std::vector<FileStatus> StatusOfAll(os::FileSystem& files, const Checkpoint& checkpoint) {
  std::vector<FileStatus> all;
  for (const FileState& file : checkpoint.files) all.push_back(StatusOf(files, file));
  for (const ProblemNote& problem : checkpoint.problems) {
    const auto known = std::ranges::find_if(all, [&](const FileStatus& status) {
      const bool gone = status.state == "lost" || status.state == "gone";
      return status.source == problem.source && status.path == problem.path &&
             status.problem.empty() && gone == (problem.state == "lost");
    });
    if (known == all.end()) {
      all.push_back(StatusOf(files, problem));
    } else {
      known->state = problem.state;
      known->problem = problem.text;
    }
  }
  return all;
}

std::string Number(const std::optional<uint64_t>& number) {
  return number ? std::to_string(*number) : "?";
}

std::string PrintAsTable(const std::string& agent_id, const std::vector<FileStatus>& files,
                         uint64_t behind) {
  std::string out = fmt::format("agent {}\n{:<10} {:>14} {:>14}  {:<10} {}\n", agent_id, "source",
                                "sent", "behind", "state", "path");
  size_t problems = 0;
  for (const FileStatus& status : files) {
    out += fmt::format("{:<10} {:>14} {:>14}  {:<10} {}\n", status.source, status.sent,
                       Number(status.behind), status.state, EscapeInvalidUtf8(status.path));
    if (status.problem.empty()) continue;
    ++problems;
    out += fmt::format("  {}\n", EscapeInvalidUtf8(status.problem));
  }
  out += fmt::format("{} file{}, {} behind", files.size(), files.size() == 1 ? "" : "s",
                     FormatBytes(behind));
  if (problems > 0) out += fmt::format(", {} with a problem", problems);
  return out + "\n";
}

std::string PrintAsJson(const std::string& agent_id, const std::vector<FileStatus>& files,
                        uint64_t behind) {
  codec::Json::Array all;
  for (const FileStatus& status : files) {
    codec::Json file;
    file.Set("source", status.source);
    file.Set("path", EscapeInvalidUtf8(status.path));
    if (status.file != nullptr) file.Set("file_id", status.file->file_id);
    file.Set("state", status.state);
    if (!status.problem.empty()) file.Set("problem", EscapeInvalidUtf8(status.problem));
    if (status.size) file.Set("size_bytes", static_cast<int64_t>(*status.size));
    file.Set("sent_bytes", static_cast<int64_t>(status.sent));
    if (status.behind) file.Set("behind_bytes", static_cast<int64_t>(*status.behind));
    if (status.file != nullptr) file.Set("last_seen", FormatTimestamp(status.file->last_seen));
    all.push_back(std::move(file));
  }
  codec::Json json;
  json.Set("agent_id", agent_id);
  json.Set("behind_bytes", static_cast<int64_t>(behind));
  json.Set("files", std::move(all));
  return codec::DumpJson(json, true) + "\n";
}

}  // namespace

std::string PrintStatus(os::FileSystem& files, const Checkpoint& checkpoint, bool as_json) {
  const std::vector<FileStatus> all = StatusOfAll(files, checkpoint);
  uint64_t behind = 0;
  for (const FileStatus& status : all) behind += status.behind.value_or(0);
  return (as_json ? PrintAsJson : PrintAsTable)(checkpoint.agent_id, all, behind);
}

}  // namespace tarn::agent
