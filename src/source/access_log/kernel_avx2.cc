#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "source/access_log/kernel.h"

// Only what kernel_impl.h defines is built for AVX2; what the headers above define stays baseline,
// so that no copy of it can be picked by the linker for other files.
#define TARN_KERNEL avx2
#define TARN_KERNEL_AVX2
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,bmi"))), apply_to = function)
#include "source/access_log/kernel_impl.h"
#pragma clang attribute pop
#else
#pragma GCC push_options
#pragma GCC target("avx2,bmi")
#include "source/access_log/kernel_impl.h"
#pragma GCC pop_options
#endif

namespace tarn::access_log {

const Kernel& Avx2Kernel() {
  static constexpr Kernel kKernel{avx2::Match, avx2::Split, avx2::Write};
  return kKernel;
}

const Kernel& BestKernel() {
  static const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi");
  return has_avx2 ? Avx2Kernel() : BaselineKernel();
}

}  // namespace tarn::access_log
