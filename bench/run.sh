#!/usr/bin/env bash
# run.sh [NAME…]: prints one table, ours and its peers on the same bytes, in one run, in turns. Without names all of:
#   parse agent ingest landing backfill freshness sql growth        (and build, only when named)
# BENCH_MB (256) is the size of the log, BENCH_FULL=1 means 1024 and the 1x/4x/16x growth rows, BENCH_RUNS (3) how often
# each is run. Data is made once below TARN_BENCH_DIR (build/bench-data). bench/peers.sh installs the peers, and
# bench/shippers.sh builds those of `agent` (below TARN_PEERS_DIR); one that is missing is named and skipped.
# BENCH_RECORD=1 appends the table to bench/RESULTS.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=${TARN_BUILD_DIR:-build/release}
if [ ! -f "$build/build.ninja" ]; then cmake --preset release >/dev/null; fi
ninja -C "$build" tarn tarn-agent bench/all >&2  # those run by hand too, so that they go on building
export TARN_BENCH_DIR=${TARN_BENCH_DIR:-build/bench-data}
mkdir -p "$TARN_BENCH_DIR"
python=${TARN_BENCH_PYTHON:-$TARN_BENCH_DIR/venv/bin/python}
"$python" -c '' 2>/dev/null || python=python3
exec "$python" bench/run.py "$build" "$@"
