#include <emmintrin.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "source/access_log/kernel.h"

#define TARN_KERNEL baseline
#include "source/access_log/kernel_impl.h"

namespace tarn::access_log {

const Kernel& BaselineKernel() {
  static constexpr Kernel kKernel{baseline::Match, baseline::Split, baseline::Write};
  return kKernel;
}

}  // namespace tarn::access_log
