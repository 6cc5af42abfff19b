#!/usr/bin/env bash
# http.sh PROGRAM [SECONDS]: requests/s, p50, p99 and requests per CPU second of bench_http under wrk:
# 256 connections, POST of 1 KB, the server on the first core and wrk on the second.
set -euo pipefail
program=$1 seconds=${2:-5}
script=$(mktemp) out=$(mktemp)
trap 'rm -f "$script" "$out"; kill "$pid" 2>/dev/null || true' EXIT
printf 'wrk.method = "POST"\nwrk.body = string.rep("x", 1024)\n' >"$script"
exec 3< <(exec taskset -c 0 "$program" 0 1000)
pid=$!
read -r port <&3
cpu_ticks() { awk '{print $14 + $15}' "/proc/$pid/stat"; }
printf '%-10s %10s %10s %10s %14s\n' path requests/s p50 p99 'per CPU s'
for path in inline grouped; do
  before=$(cpu_ticks)
  taskset -c 1 wrk -t1 -c256 -d"${seconds}s" --latency -s "$script" "http://127.0.0.1:$port/$path" >"$out"
  ticks=$(($(cpu_ticks) - before))
  awk -v path="$path" -v ticks="$ticks" -v hz="$(getconf CLK_TCK)" '
    /requests in/ {count = $1} /Requests\/sec/ {rate = $2} /50%/ {p50 = $2} /99%/ {p99 = $2}
    /Non-2xx|Socket errors/ {print "ERROR " $0}
    END {printf "%-10s %10d %10s %10s %14d\n", path, rate, p50, p99, count * hz / ticks}' "$out"
done
