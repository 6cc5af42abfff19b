#pragma once

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

// Public test logs live beside the repository, not in it.
namespace tarn::access_log {

inline std::optional<std::filesystem::path> WeblogsFolder() {
  const std::filesystem::path source = TARN_SOURCE_DIR;
  for (const char* up : {"..", "../.."}) {
    const auto folder = source / up / "shared/data/weblogs";
    if (std::filesystem::exists(folder)) return folder;
  }
  return std::nullopt;
}

inline std::vector<std::string> LinesOf(const std::filesystem::path& path) {
  std::string text;
  if (path.extension() == ".gz") {
    const std::string command = "gzip -dc '" + path.string() + "'";
    if (FILE* pipe = popen(command.c_str(), "r")) {
      char buffer[65536];
      for (size_t n = 0; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) text.append(buffer, n);
      pclose(pipe);
    }
  } else {
    std::ostringstream out;
    out << std::ifstream(path, std::ios::binary).rdbuf();
    text = out.str();
  }
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace tarn::access_log

// For tests that need the public logs.
#define TARN_WEBLOGS_OR_SKIP(folder)                       \
  const auto folder = ::tarn::access_log::WeblogsFolder(); \
  if (!folder) GTEST_SKIP() << "shared/data/weblogs is not beside the repository"
