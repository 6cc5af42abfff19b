#!/usr/bin/env bash
# Installs the engines of the nightly tests below $TARN_DEPS_DIR: Spark into spark/, Trino into trino/. Versions are
# pinned in spark/ and trino/ beside this file, and every jar and wheel is checked against a checksum there. Needs
# python3 with venv, unzip, and Maven (which brings a Java 17 or later). Runs again only if something there changed.
#   install.sh            both
#   install.sh --pin      after a change of a pom.xml: fetches, and writes jars.sha256 anew instead of checking it
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
: "${TARN_DEPS_DIR:?is not set; ./dev sets it}"
pin=0; [ "${1:-}" = --pin ] && pin=1

jars() {  # jars ENGINE: its jars, from the registry into lib/
  local target="$TARN_DEPS_DIR/$1/lib" log="$TARN_DEPS_DIR/$1/maven.log"
  mvn -q -B -f "$here/$1/pom.xml" dependency:copy-dependencies -DoutputDirectory="$target" >"$log" 2>&1 ||
    { tail -20 "$log" >&2; echo "install.sh: Maven could not fetch the jars of $1" >&2; exit 1; }
  if [ $pin = 1 ]; then (cd "$target" && LC_ALL=C sha256sum -- *.jar) >"$here/$1/jars.sha256"; fi
  (cd "$target" && sha256sum -c --quiet --strict "$here/$1/jars.sha256") ||
    { echo "install.sh: jars of $1 are not the pinned ones" >&2; exit 1; }
  # Nothing beside the list gets onto the class path.
  diff <(cd "$target" && printf '%s\n' *.jar | LC_ALL=C sort) <(cut -c67- "$here/$1/jars.sha256" | LC_ALL=C sort) >&2 ||
    { echo "install.sh: jars of $1 that no list names" >&2; exit 1; }
}

spark() {
  python3 -m venv "$TARN_DEPS_DIR/spark/venv"
  "$TARN_DEPS_DIR/spark/venv/bin/pip" install -q --disable-pip-version-check --require-hashes --no-deps \
    -r "$here/spark/requirements.txt"
  jars spark
}

trino() {
  local root="$TARN_DEPS_DIR/trino" class_path
  python3 -m pip download -q --disable-pip-version-check --require-hashes --no-deps --only-binary :all: \
    --python-version 3.11 --implementation cp --abi cp311 --platform manylinux_2_34_x86_64 -d "$root/wheel" \
    -r "$here/trino/requirements.txt"
  unzip -q "$root"/wheel/*.whl 'arcadedb_embedded/jre/*' -d "$root/wheel"
  mv "$root/wheel/arcadedb_embedded/jre" "$root/java"
  rm -rf "$root/wheel"
  chmod +x "$root/java/bin/java" "$root"/java/lib/jspawnhelper 2>/dev/null || true
  jars trino
  class_path=$(printf '%s:' "$root"/lib/*.jar)
  "$root/java/bin/java" -jar "$root"/lib/ecj-*.jar -source 25 -target 25 -nowarn -cp "$class_path" -d "$root/classes" \
    "$here/trino/TrinoServer.java"
}

for engine in spark trino; do
  stamp="$TARN_DEPS_DIR/$engine/.ok.$(cat "$here/install.sh" "$here/$engine"/* | sha256sum | cut -c1-16)"
  [ -f "$stamp" ] && continue
  echo "installing $engine for the nightly tests (1-3 minutes)" >&2
  rm -rf "${TARN_DEPS_DIR:?}/$engine"; mkdir -p "$TARN_DEPS_DIR/$engine"
  $engine
  stamp="$TARN_DEPS_DIR/$engine/.ok.$(cat "$here/install.sh" "$here/$engine"/* | sha256sum | cut -c1-16)"
  touch "$stamp"
done
