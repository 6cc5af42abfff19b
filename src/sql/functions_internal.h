#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace tarn::sql {

// The scalar functions, aggregates and macros that user SQL may call, in lower case, sorted. What
// is not here is refused: a new version of DuckDB opens no door by itself.
const std::vector<std::string_view>& AllowedFunctions();
// The same for functions in FROM.
const std::vector<std::string_view>& AllowedTableFunctions();

// What somebody meant who wrote `name` (lower case), a function that is not there: the nearest that
// is allowed; of several as near, the one that is used most.
std::optional<std::string_view> NearestFunction(std::string_view name);

}  // namespace tarn::sql
