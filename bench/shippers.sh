#!/usr/bin/env bash
# Builds the two log shippers that `bench/run.sh agent` measures beside tarn-agent, from their public sources, for
# measuring only: Fluent Bit 5.1.1 (Apache-2.0) and the Kinesis Agent 2.0.13 (Amazon Software License). Nothing of
# theirs comes into this repository; all of it is below TARN_PEERS_DIR ($TARN_BENCH_DIR/peers). The sources are cloned, at
# the pinned commits, or taken from FLUENT_BIT_SRC and KINESIS_AGENT_SRC, work trees of the same commits. Fluent Bit is
# built with the plugins that the bench needs and with -O3; it takes 8 minutes of CPU, the other half a minute.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
peers=${TARN_PEERS_DIR:-${TARN_BENCH_DIR:-build/bench-data}/peers}
mkdir -p "$peers"; peers=$(realpath "$peers")
. bench/packages.sh

source_of() {  # source_of FOLDER URL COMMIT GIVEN: the work tree's path
  local tree="${4:-$peers/src/$1}"
  if [ ! -e "$tree/.git" ]; then
    git init -q "$tree" && git -C "$tree" fetch -q --depth 1 "$2" "$3" && git -C "$tree" checkout -q FETCH_HEAD ||
      { echo "shippers.sh: no source from $2; give a work tree" >&2; exit 1; }
  fi
  [ "$(git -C "$tree" rev-parse HEAD)" = "$3" ] || { echo "shippers.sh: $tree is not at $3" >&2; exit 1; }
  echo "$tree"
}

install_packages flex bison cmake ninja-build g++ libyaml-dev libssl-dev maven

fluent=$(source_of fluent-bit https://github.com/fluent/fluent-bit 6315162a8d4b1ef42b038834e639697f8cb44912 \
  "${FLUENT_BIT_SRC:-}")
cmake -G Ninja -S "$fluent" -B "$peers/fb-build" -DCMAKE_BUILD_TYPE=Release -DFLB_RELEASE=On -DFLB_DEBUG=Off \
  -DFLB_MINIMAL=On -DFLB_IN_TAIL=On -DFLB_OUT_HTTP=On -DFLB_OUT_NULL=On -DFLB_OUT_FILE=On -DFLB_FILTER_PARSER=On \
  -DFLB_WASM=Off -DFLB_LUAJIT=Off -DFLB_KAFKA=Off -DFLB_EXAMPLES=Off -DFLB_SHARED_LIB=Off -DFLB_CHUNK_TRACE=Off \
  -DFLB_JEMALLOC=On >"$peers/fluent-bit.log" 2>&1
ninja -C "$peers/fb-build" >>"$peers/fluent-bit.log" 2>&1 || { tail -20 "$peers/fluent-bit.log" >&2; exit 1; }
mkdir -p "$peers/fluent-bit"
cp "$peers/fb-build/bin/fluent-bit" "$fluent/conf/parsers.conf" "$peers/fluent-bit/"

kinesis=$(source_of kinesis-agent https://github.com/awslabs/amazon-kinesis-agent \
  aa0d9089ed6b0ce9c10871f403bfcf20b74a461f "${KINESIS_AGENT_SRC:-}")
rm -rf "$peers/kinesis-agent"; mkdir -p "$peers/kinesis-agent"
mvn -q -B -f "$kinesis/pom.xml" -DskipTests package dependency:copy-dependencies -DincludeScope=runtime \
  -DoutputDirectory="$peers/kinesis-agent/lib" >"$peers/kinesis-agent.log" 2>&1 ||
  { tail -20 "$peers/kinesis-agent.log" >&2; exit 1; }
cp "$kinesis"/target/amazon-kinesis-agent-2.0.13.jar "$peers/kinesis-agent/lib/"
# Its jar lacks this file, without which it drops every record.
resource=com/amazon/kinesis/streaming/agent/versionInfo.properties
mkdir -p "$peers/kinesis-agent/classes/$(dirname "$resource")"
cp "$kinesis/src/$resource" "$peers/kinesis-agent/classes/$resource"
echo "built: $peers/fluent-bit, $peers/kinesis-agent"
