#include "lake/log_source.h"

#include <fmt/format.h>

#include "base/text.h"

namespace tarn::lake {

Error NoSuchSource(std::string_view name, const std::vector<std::string_view>& known) {
  const auto nearest = NearestWord(name, known);
  return NotFound(fmt::format("no source '{}' in tarn.yaml{}", name,
                              nearest ? fmt::format("; did you mean '{}'?", *nearest) : ""));
}

}  // namespace tarn::lake
