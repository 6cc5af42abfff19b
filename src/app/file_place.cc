#include "app/file_place.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <filesystem>
#include <system_error>

namespace tarn::app {
namespace {

namespace fs = std::filesystem;

std::string IdentityOf(const struct stat& info) {
  return S_ISREG(info.st_mode) ? fmt::format("{}:{}", info.st_dev, info.st_ino) : std::string();
}

fs::path Canonical(const std::string& path) {
  std::error_code failed;
  const fs::path absolute = fs::absolute(Followed(path), failed);
  const fs::path canonical = fs::weakly_canonical(absolute, failed);
  const fs::path place = (failed ? absolute : canonical).lexically_normal();
  return place.has_filename() ? place : place.parent_path();  // "a/" is "a"
}

}  // namespace

std::string Followed(const std::string& path) {
  constexpr int kMostLinks = 40;  // as the kernel
  fs::path place(path);
  std::error_code failed;
  for (int i = 0; i < kMostLinks && fs::is_symlink(place, failed); ++i) {
    const auto target = fs::read_symlink(place, failed);
    if (failed) break;
    place = place.parent_path() / target;
  }
  return place.string();
}

bool IsWithin(const std::string& place, const std::string& folder) {
  const fs::path relative = Canonical(place).lexically_relative(Canonical(folder));
  return !relative.empty() && *relative.begin() != "..";
}

std::string FileIdentity(const std::string& path) {
  struct stat info{};
  return stat(path.c_str(), &info) == 0 ? IdentityOf(info) : Canonical(path).string();
}

std::string FileIdentity(int fd) {
  struct stat info{};
  return fstat(fd, &info) == 0 ? IdentityOf(info) : std::string();
}

Status RequireOutside(const Project& project, const std::string& option, const std::string& file) {
  for (const std::string& own :
       {project.lake_folder, project.state_folder, os::JoinPath(project.folder, "tarn.yaml")}) {
    if (!IsWithin(file, own)) continue;
    return InvalidArgument(fmt::format("{} {} is a place of the project's own ({}); choose another",
                                       option, file, own));
  }
  return {};
}

Status RequireOutsideProjects(os::FileSystem& files, const std::string& option,
                              const std::string& file) {
  if (file.empty()) return {};
  const auto folder = FindProject(files, Canonical(file).parent_path().string());
  if (!folder.ok()) return {};
  auto project = LoadProject(files, *folder);
  // Of one with mistakes these are the usual places.
  if (!project.ok()) {
    project = Project{.folder = *folder,
                      .lake_folder = os::JoinPath(*folder, "lake"),
                      .state_folder = os::JoinPath(*folder, "state")};
  }
  return RequireOutside(*project, option, file);
}

}  // namespace tarn::app
