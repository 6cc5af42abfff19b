#!/usr/bin/env bash
# boot-test.sh FOLDER PACKAGE…: boots a Debian 12 of its own (debootstrap, systemd-nspawn) with the packages of build-deb.sh
# installed, and runs server and agent under its systemd. Needs root, debootstrap, systemd-container; takes a minute.
# FOLDER is made if it is not there, and kept: remove it yourself.
set -euo pipefail
readonly root="${1:?usage: boot-test.sh FOLDER PACKAGE…}"
shift
readonly mirror="${DEBIAN_MIRROR:-http://deb.debian.org/debian}"
if [ ! -d "$root" ]; then
  debootstrap --variant=minbase --include=systemd,systemd-sysv,adduser,ca-certificates,logrotate bookworm "$root" "$mirror"
fi
rm -rf "$root/root/packages" "$root/root/failed" "$root/root/passed"
mkdir "$root/root/packages"
cp "$@" "$root/root/packages/"
mount --bind /proc "$root/proc"
trap 'umount "$root/proc"' EXIT
chroot "$root" sh -c 'apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
  --reinstall /root/packages/*.deb && systemd-analyze verify tarn.service tarn-agent.service'
umount "$root/proc"
trap - EXIT

cat > "$root/root/inside.sh" <<'INSIDE'
#!/bin/sh
as_tarn() { runuser -u tarn -- tarn "$@"; }
fail() { echo "$*" > /root/failed; journalctl --no-pager -u tarn -u tarn-agent >> /root/failed; exit 1; }
rows() { as_tarn sql /var/lib/tarn/shop --fresh 'SELECT count(*) n FROM raw.web_log' --format csv | tail -n 1; }
until_true() { for _ in $(seq 60); do "$@" && return 0; sleep 0.5; done; fail "waited in vain for: $*"; }
all_there() { [ "$(rows)" = 500 ]; }
restarted() { [ "$(systemctl show -p NRestarts --value tarn)" -gt 0 ] && systemctl -q is-active tarn; }
rm -rf /var/lib/tarn/shop /var/lib/tarn-agent/*
key=$(as_tarn init /var/lib/tarn/shop --json | sed -n 's/.*"ingest_key":"\([^"]*\)".*/\1/p')
[ -n "$key" ] || fail "no key"
systemctl start tarn || fail "tarn.service does not start"
if tarn keys create k /var/lib/tarn/shop; then fail "root may write in the project"; fi
install -d -g adm -m 0750 /var/log/apache2
seq -f '192.0.2.1 - - [24/Nov/2026:13:00:00 +0000] "GET /%g HTTP/1.1" 200 5 "-" "-"' 500 > /var/log/apache2/access.log
chown root:adm /var/log/apache2/access.log
chmod 640 /var/log/apache2/access.log
echo "$key" > /etc/tarn-agent/key
chown root:tarn-agent /etc/tarn-agent/key
chmod 640 /etc/tarn-agent/key
sed -i 's|^server:.*|server: http://127.0.0.1:8700|' /etc/tarn-agent/agent.yaml
systemctl start tarn-agent || fail "tarn-agent.service does not start"
until_true all_there
systemctl kill -s KILL tarn
until_true restarted
until_true all_there
logrotate -d /usr/share/doc/tarn-agent/examples/logrotate-apache2 || fail "logrotate refuses the example"
systemctl stop tarn-agent tarn || fail "no clean end"
systemctl show -p Result tarn tarn-agent | grep -v -e Result=success -e '^$' && fail "a unit failed"
touch /root/passed
INSIDE
chmod +x "$root/root/inside.sh"
cat > "$root/etc/systemd/system/boot-test.service" <<'UNIT'
[Service]
Type=oneshot
TimeoutStartSec=120
ExecStart=/root/inside.sh
ExecStopPost=/bin/systemctl poweroff --no-block
UNIT
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
ln -sf ../boot-test.service "$root/etc/systemd/system/multi-user.target.wants/boot-test.service"
# In a mount name space of its own: nspawn wants a tmpfs there, and no system bus.
timeout 200 unshare -m sh -c 'mount --make-rprivate / && mkdir -p /run/systemd && mount -t tmpfs none /run/systemd &&
  exec systemd-nspawn --register=no --keep-unit -q -D "$0" -b' "$root" > "$root/root/boot.log" 2>&1 || true
if [ -e "$root/root/passed" ]; then echo "boot-test: passed"; exit 0; fi
cat "$root/root/failed" 2>/dev/null || tail -n 30 "$root/root/boot.log"
exit 1
