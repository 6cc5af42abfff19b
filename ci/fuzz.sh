#!/usr/bin/env bash
# Runs every fuzzer under libFuzzer for N seconds (default 20), starting from its corpus. What breaks one is left in
# build/fuzz/found/: once the code is right, add it to the fuzzer's corpus, which every test run replays.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds="${1:-20}"
cmake -S . -B build/fuzz -G Ninja -DCMAKE_BUILD_TYPE=Release -DTARN_LIBFUZZER=ON -DTARN_SANITIZE=address,undefined \
  -DCMAKE_CXX_COMPILER=clang++-19 -DCMAKE_C_COMPILER=clang-19 >/dev/null
mkdir -p build/fuzz/found
mapfile -t sources < <(git ls-files 'src/**_fuzz.cc')
for source in "${sources[@]}"; do
  name=$(basename "$source" .cc)
  cmake --build build/fuzz --target "$name" >&2
  work=$(mktemp -d)
  echo "== $name"
  "build/fuzz/bin/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=0 -verbosity=0 \
    -artifact_prefix="build/fuzz/found/$name-" "$work" "$(dirname "$source")/corpus/$name"
  rm -rf "$work"
done
echo "${#sources[@]} passed, 0 failed"
