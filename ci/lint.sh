#!/usr/bin/env bash
# clang-format, clang-tidy and ci/tidy.py over what git tracks. --fix rewrites the layout.
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -t files < <(git ls-files 'src/**.cc' 'src/**.h' 'demo/**.cc' 'demo/**.h' 'bench/*.cc')
if [ "${1:-}" = --fix ]; then clang-format-19 -i "${files[@]}"; fi
clang-format-19 --dry-run -Werror "${files[@]}"
python3 ci/tidy.py
[ -f build/dev/compile_commands.json ] || cmake --preset dev -DCMAKE_CXX_COMPILER=clang++-19 >/dev/null
printf '%s\n' "${files[@]}" | grep '\.cc$' | xargs -P 2 -n 4 clang-tidy-19 -p build/dev --quiet
