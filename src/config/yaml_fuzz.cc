#include "config/yaml.h"

// Any text is a tree or an error; expanding it asks only for what is named.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auto node = tarn::config::ParseYaml(text, "fuzz.yaml");
  if (!node.ok()) return 0;
  tarn::config::Resolver resolver;
  resolver.env = [](const std::string& name) -> tarn::Result<std::string> { return name; };
  resolver.file = [](const std::string&) -> tarn::Result<std::string> {
    return tarn::NotFound("no files here");
  };
  tarn::config::ExpandReferences(*node, resolver, [](const auto&, const auto&, const auto&) {});
  return 0;
}
