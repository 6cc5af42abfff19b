#!/usr/bin/env bash
# clang-format, clang-tidy and ci/tidy.py over what git tracks. --fix rewrites the layout.
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -t files < <(git ls-files 'src/**.cc' 'src/**.h' 'demo/**.cc' 'demo/**.h' 'bench/*.cc')
if [ "${1:-}" = --fix ]; then clang-format-19 -i "${files[@]}"; fi
clang-format-19 --dry-run -Werror "${files[@]}"
python3 ci/tidy.py
# clang reads only a precompiled header of its own.
cmake -S . -B build/lint -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_EXPORT_COMPILE_COMMANDS=ON \
  -DCMAKE_CXX_COMPILER=clang++-19 -DCMAKE_C_COMPILER=clang-19 >/dev/null
cmake --build build/lint --target tarn_pch tarn_test_pch >/dev/null
echo "clang-tidy over ${#files[@]} files; takes about half an hour on two cores" >&2
printf '%s\n' "${files[@]}" | grep '\.cc$' | xargs -P 2 -n 4 clang-tidy-19 -p build/lint --quiet
