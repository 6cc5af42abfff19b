#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace tarn::demo {

// A folder in the system's place for temporary files; removed with all in it. For tests.
class TempFolder {
 public:
  TempFolder() {
    std::string made = std::filesystem::temp_directory_path() / "tarn-demo-test-XXXXXX";
    if (mkdtemp(made.data()) != nullptr) path_ = made;
    std::filesystem::permissions(path_, std::filesystem::perms{0755});
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace tarn::demo
