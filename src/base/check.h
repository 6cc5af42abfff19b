#pragma once

#include <cstdio>
#include <cstdlib>

// TARN_CHECK(x): a bug, not an error, if x is false. Prints where and aborts, in every build. Never
// applied to bytes from outside; those are validated and answered with an Error.
#define TARN_CHECK(condition)                                                            \
  do {                                                                                   \
    if (!(condition)) [[unlikely]] {                                                     \
      std::fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)
