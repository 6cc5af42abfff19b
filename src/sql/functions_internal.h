#pragma once

#include <string_view>
#include <vector>

namespace tarn::sql {

// The scalar functions, aggregates and macros that user SQL may call, in lower case, sorted. What
// is not here is refused: a new version of DuckDB opens no door by itself.
const std::vector<std::string_view>& AllowedFunctions();
// The same for functions in FROM.
const std::vector<std::string_view>& AllowedTableFunctions();

}  // namespace tarn::sql
