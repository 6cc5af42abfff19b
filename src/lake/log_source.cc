#include "lake/log_source.h"

#include <fmt/format.h>

#include "base/text.h"

namespace tarn::lake {

Error NoSuchSource(std::string_view name, const std::vector<std::string_view>& known) {
  return NotFound(fmt::format("no source '{}' in tarn.yaml{}", name, DidYouMean(name, known)));
}

}  // namespace tarn::lake
