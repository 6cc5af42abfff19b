#!/usr/bin/env bash
# Installs the programs bench/run.sh measures beside us: GoAccess and rsyslog from Debian, DuckDB and pyarrow into a
# virtual environment under $TARN_BENCH_DIR. Starts no daemon. What is missing is skipped by run.sh, visibly.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
dir=${TARN_BENCH_DIR:-build/bench-data}
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
missing=()
for package in goaccess rsyslog; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  # RUNLEVEL=1 keeps the packages' scripts from starting anything.
  as_root apt-get update -qq
  as_root env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    "${missing[@]}" >/dev/null
fi
if ! "${TARN_BENCH_PYTHON:-$dir/venv/bin/python}" -c 'import duckdb' 2>/dev/null; then
  mkdir -p "$dir"
  python3 -m venv "$dir/venv"
  "$dir/venv/bin/pip" install -q duckdb==1.5.5
fi
