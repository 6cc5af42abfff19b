#pragma once

#include <string_view>
#include <vector>

namespace tarn::app {

// A file of a project template; "{{name}}" in it stands for the project's name.
struct TemplateFile {
  std::string_view path;  // "retail/tarn.yaml"
  std::string_view text;
};

// Generated from src/app/templates at build time.
const std::vector<TemplateFile>& TemplateFiles();

}  // namespace tarn::app
