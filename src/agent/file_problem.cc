#include "agent/file_problem.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace tarn::agent {
namespace {

constexpr size_t kNamed = 10;  // in one message

bool Same(const FileProblem& a, const FileProblem& b) {
  return a.kind == b.kind && a.error.message() == b.error.message();
}

}  // namespace

std::string_view NameOf(ProblemKind kind) {
  switch (kind) {
    case ProblemKind::kUnreadable:
      return "unreadable";
    case ProblemKind::kWaits:
      return "waits";
    case ProblemKind::kDamaged:
      return "damaged";
    case ProblemKind::kLost:
      return "lost";
  }
  return "";
}

std::string FileProblem::Text() const {
  const std::string& text = error.message();
  return text.find(path) == std::string::npos ? fmt::format("{}: {}", path, text) : text;
}

FileProblems::Key FileProblems::KeyOf(const FileProblem& problem) {
  return {problem.source, problem.kind, problem.slot, problem.slot == 0 ? problem.path : ""};
}

void FileProblems::BeginPass() {
  before_ = std::exchange(now_, {});
  counts_ = {};
}

void FileProblems::EndPass() {
  for (const auto& [key, problem] : before_) changed_ |= !now_.contains(key);
  before_.clear();
}

void FileProblems::Note(FileProblem problem) {
  Key key = KeyOf(problem);
  const auto known = now_.find(key);
  if (known == now_.end() && now_.size() >= kMost) {
    if (!std::exchange(full_told_, true)) events_.LimitReached("problems with files", kMost);
    return;
  }
  if (known != now_.end() && Same(known->second, problem)) return;
  const auto before = before_.find(key);
  if (before == before_.end() || !Same(before->second, problem)) {
    changed_ = true;
    Tell(problem);
  }
  if (known != now_.end()) --CountOf(known->second.kind);
  ++CountOf(problem.kind);
  now_.insert_or_assign(std::move(key), std::move(problem));
}

void FileProblems::Drop(const FileProblem& problem) {
  const auto known = now_.find(KeyOf(problem));
  if (known == now_.end()) return;
  changed_ = true;
  --CountOf(known->second.kind);
  now_.erase(known);
}

void FileProblems::Tell(const FileProblem& problem) {
  switch (problem.kind) {
    case ProblemKind::kUnreadable:
      return events_.FileUnreadable(problem.path, problem.error);
    case ProblemKind::kWaits:
      return events_.FileWaits(problem.path, problem.error);
    case ProblemKind::kDamaged:
      return events_.FileDamaged(problem.path, problem.error);
    case ProblemKind::kLost:
      return;  // with its offsets, by whoever found it out
  }
}

std::vector<FileProblem> FileProblems::All() const {
  std::vector<FileProblem> all;
  for (const auto& [key, problem] : now_) all.push_back(problem);
  std::ranges::stable_sort(
      all, {}, [](const FileProblem& problem) { return std::tie(problem.source, problem.path); });
  return all;
}

Status ToStatus(const std::vector<FileProblem>& problems) {
  if (problems.empty()) return {};
  std::vector<std::string> lines;
  for (const FileProblem& problem : problems) {
    if (lines.size() < kNamed) lines.push_back(problem.Text());
  }
  if (problems.size() > kNamed) lines.push_back(fmt::format("{} more", problems.size() - kNamed));
  return Error(problems.front().error.code(), Join(lines, "\n"));
}

}  // namespace tarn::agent
