#!/usr/bin/env bash
# Installs the programs bench/run.sh measures beside us: GoAccess and rsyslog from Debian, DuckDB and pyarrow into a
# virtual environment under $TARN_BENCH_DIR. Starts no daemon. What is missing is skipped by run.sh, visibly.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
dir=${TARN_BENCH_DIR:-build/bench-data}
. bench/packages.sh
install_packages goaccess rsyslog
if ! "${TARN_BENCH_PYTHON:-$dir/venv/bin/python}" -c 'import duckdb' 2>/dev/null; then
  mkdir -p "$dir"
  python3 -m venv "$dir/venv"
  "$dir/venv/bin/pip" install -q duckdb==1.5.5
fi
