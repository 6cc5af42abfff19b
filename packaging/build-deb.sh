#!/usr/bin/env bash
# build-deb.sh BUILD_DIR [OUTPUT_DIR]: the Debian packages tarn and tarn-agent from a finished build (./dev deb).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
readonly here="$PWD"
readonly build="$(cd - >/dev/null && cd "${1:?usage: build-deb.sh BUILD_DIR [OUTPUT_DIR]}" && pwd)"
readonly out="$(cd - >/dev/null && mkdir -p "${2:-$build}" && cd "${2:-$build}" && pwd)"
version="$(sed -n 's/^project(tarn VERSION \([0-9.]*\).*/\1/p' "$here/../CMakeLists.txt")-1"
arch="$(dpkg --print-architecture)"
SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git -C "$here" log -1 --format=%ct 2>/dev/null || date +%s)}"
export SOURCE_DATE_EPOCH
umask 022
work="$(mktemp -d "$out/deb.XXXXXX")"
trap 'rm -rf "$work"' EXIT

control() {  # control PACKAGE "Depends beyond libraries" "synopsis" "description"; libraries of what is in PACKAGE/usr
  local root="$work/$1" depends
  mkdir -p "$work/debian" "$root/DEBIAN"
  printf 'Source: tarn\nPackage: %s\nArchitecture: any\n' "$1" > "$work/debian/control"
  mapfile -t binaries < <(find "$root/usr/bin" "$root/usr/lib" -type f \( -perm -u+x -o -name '*.so*' \) 2>/dev/null)
  depends="$(cd "$work" && dpkg-shlibdeps -O --ignore-missing-info -l"$root/usr/lib/tarn" "${binaries[@]}" 2>/dev/null |
    sed -n 's/^shlibs:Depends=//p')"
  cat > "$root/DEBIAN/control" <<C
Package: $1
Version: $version
Architecture: $arch
Maintainer: The Tarn authors <tarn@localhost>
Section: database
Priority: optional
Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f1)
Depends: $depends, $2
Description: $3
 $4
C
  (cd "$root" && find etc -type f 2>/dev/null | sed 's|^|/|') > "$root/DEBIAN/conffiles"
  (cd "$root" && find . -type f -not -path './DEBIAN/*' -printf '%P\0' | sort -z | xargs -0 md5sum) > "$root/DEBIAN/md5sums"
  for script in postinst prerm postrm; do install -m 0755 "$here/deb/$1.$script" "$root/DEBIAN/$script"; done
  find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  dpkg-deb --root-owner-group -Zxz -z2 --build "$root" "$out/$1_${version}_$arch.deb" >/dev/null
  echo "$out/$1_${version}_$arch.deb"
}

cmake --install "$build" --prefix "$work/tarn/usr" --strip >/dev/null
mkdir -p "$work"/tarn/{etc/default,lib/systemd/system} "$work"/tarn-agent/{etc/tarn-agent,lib/systemd/system} \
  "$work"/tarn-agent/usr/{bin,share/doc/tarn-agent/examples}
mv "$work/tarn/usr/bin/tarn-agent" "$work/tarn-agent/usr/bin/"
rm -rf "$work/tarn/usr/share/doc/tarn/packaging"
mv "$work/tarn/usr/share/zsh/site-functions" "$work/tarn/usr/share/zsh/vendor-completions"
for file in bash-completion/completions/tarn-agent zsh/vendor-completions/_tarn-agent; do
  install -D -m 0644 "$work/tarn/usr/share/$file" "$work/tarn-agent/usr/share/$file"
  rm "$work/tarn/usr/share/$file"
done
install -m 0644 "$here/tarn.default" "$work/tarn/etc/default/tarn"
install -m 0644 "$here/tarn.service" "$work/tarn/lib/systemd/system/"
install -m 0644 "$here/tarn-agent.service" "$work/tarn-agent/lib/systemd/system/"
install -m 0644 "$here/agent.yaml" "$work/tarn-agent/etc/tarn-agent/"
install -m 0644 "$here/logrotate-apache2" "$work/tarn-agent/usr/share/doc/tarn-agent/examples/"
install -m 0644 "$here/../docs/agent.md" "$here/../LICENSE" "$work/tarn-agent/usr/share/doc/tarn-agent/"
for package in tarn tarn-agent; do
  install -m 0644 "$here/../LICENSE" "$work/$package/usr/share/doc/$package/copyright"
done

control tarn adduser "customer data platform: web logs into open lake tables" \
  "The server, the SQL command line and the demo. Tables are Parquet and Apache Iceberg."
control tarn-agent adduser "ships log files to a Tarn server, each line exactly once" \
  "The small program for web servers: tails, compresses, sends, remembers."
