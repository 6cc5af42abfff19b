#pragma once

#include <string>

#include "app/project.h"

namespace tarn::app {

// Where a path leads: a symbolic link, also one to what is not there yet, is followed.
std::string Followed(const std::string& path);

// Whether the place is the folder or in it, links followed.
bool IsWithin(const std::string& place, const std::string& folder);

// What two names of one file have in common, through links of either kind; also of a file that is
// not there yet. Empty for what holds nothing to lose: a pipe, a terminal, /dev/null.
std::string FileIdentity(const std::string& path);
// The same of an open file.
std::string FileIdentity(int fd);

// InvalidArgument if a file of the user's, as an option like --out names it, would lie among the
// project's own: its lake, its state, its tarn.yaml.
Status RequireOutside(const Project& project, const std::string& option, const std::string& file);
// The same of the project that the file's folder is in, if any. An empty name is no file.
Status RequireOutsideProjects(os::FileSystem& files, const std::string& option,
                              const std::string& file);

}  // namespace tarn::app
