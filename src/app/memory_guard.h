#pragma once

#include <cstdint>

namespace tarn::app {

// Bounds the memory this process may take from now on (RLIMIT_DATA). The engine's own limit counts
// what queries keep, not the values that one function makes: repeat('x', 4000000000) takes 4 GB
// past it. Half of `sql_memory` more than the engine's limit, 512 MB and 16 MB for each of
// `threads` (0: one a core) beyond what is taken already; an allocation past that fails, which the
// engine answers as ResourceExhausted. A lower limit of the machine's stays.
void LimitMemory(uint64_t sql_memory, uint64_t threads);

}  // namespace tarn::app
