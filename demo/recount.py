#!/usr/bin/env python3
"""Counts what lies in the Apache logs of a demo folder, with a parser of its own.

usage: recount.py FOLDER [--compare] [--truth FILE]

Prints one JSON object: per server and hour (UTC) hits, hits by status, bytes, distinct sessions and
visitors; per server the lines no parser of the demo's LogFormat accepts. With --compare it also
reads truth.jsonl and ends with status 1 if the two differ, saying where. Rotated files count too,
.gz as well.
"""
import argparse
import collections
import datetime
import glob
import gzip
import json
import os
import re
import sys

QUOTED = rb'"((?:[^"\\]|\\.)*)"'
LINE = re.compile(
    rb"(\S+) (\S+) (.+?) \[(\d\d)/(\w\w\w)/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-]\d{4})\] "
    + QUOTED + rb" (\d\d\d) (\d+|-) " + QUOTED + b" " + QUOTED + b" " + QUOTED + rb" (\d+)")
MONTHS = {m: i + 1 for i, m in enumerate(
    b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split())}


class Hour:
    def __init__(self):
        self.hits, self.bytes, self.status = 0, 0, collections.Counter()
        self.sessions, self.visitors = set(), set()

    def as_json(self):
        return {"hits": self.hits, "bytes": self.bytes,
                "status": {str(k): v for k, v in sorted(self.status.items())},
                "sessions": len(self.sessions), "visitors": len(self.visitors)}


def lines_of(path):
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as f:
        for line in f.read().split(b"\n")[:-1]:
            yield line


def hour_of(day, month, year, hour, zone):
    at = datetime.datetime(int(year), MONTHS[month], int(day), int(hour))
    sign = -1 if zone.startswith(b"-") else 1
    at -= sign * datetime.timedelta(hours=int(zone[1:3]), minutes=int(zone[3:5]))
    return at.strftime("%Y-%m-%dT%H")


def recount(folder):
    out = {}
    for log_dir in sorted(glob.glob(os.path.join(folder, "logs", "w*"))):
        hours, rejected, total = {}, 0, 0
        for path in sorted(glob.glob(os.path.join(log_dir, "access.log*"))):
            for line in lines_of(path):
                total += 1
                m = LINE.fullmatch(line)
                if not m:
                    rejected += 1
                    continue
                (_, _, _, day, month, year, hour, _, _, zone, _, status, size, _, _, cookie,
                 _) = m.groups()
                slot = hours.setdefault(hour_of(day, month, year, hour, zone), Hour())
                slot.hits += 1
                slot.status[int(status)] += 1
                slot.bytes += 0 if size == b"-" else int(size)
                if cookie != b"-":
                    slot.sessions.add(cookie)
                    slot.visitors.add(cookie.split(b".")[0])
        out[os.path.basename(log_dir)] = {
            "lines": total, "rejected": rejected,
            "hours": {h: c.as_json() for h, c in sorted(hours.items())}}
    return out


def read_truth(path):
    """The same shape, out of truth.jsonl; docs/formats/demo-truth.md."""
    out = {}
    uncertain = 0
    with open(path, encoding="utf-8") as f:
        for line in f.read().split("\n")[:-1]:
            if not line:
                continue
            entry = json.loads(line)
            if "uncertain" in entry:
                uncertain += entry["uncertain"]
                continue
            server = out.setdefault(entry["server"], {"rejected": 0, "hours": {}})
            server["rejected"] += entry["rejected"]
            hour = server["hours"].setdefault(
                entry["hour"], {"hits": 0, "status": collections.Counter(), "sessions": 0,
                                "visitors": 0})
            for key in ("hits", "sessions", "visitors"):
                hour[key] += entry[key]
            hour["status"].update(entry.get("status", {}))
    return out, uncertain


def differences(counted, truth):
    for server in sorted(set(counted) | set(truth)):
        a = counted.get(server, {"rejected": 0, "hours": {}})
        b = truth.get(server, {"rejected": 0, "hours": {}})
        if a["rejected"] != b["rejected"]:
            yield f"{server}: {a['rejected']} rejected lines in the logs, {b['rejected']} in truth"
        for hour in sorted(set(a["hours"]) | set(b["hours"])):
            x, y = a["hours"].get(hour, {}), b["hours"].get(hour, {})
            for key in ("hits", "status", "sessions", "visitors"):
                left, right = x.get(key) or 0, y.get(key) or 0
                if (dict(left) if left else {}) != (dict(right) if right else {}) \
                        if key == "status" else left != right:
                    yield f"{server} {hour} {key}: {left} in the logs, {right} in truth"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--truth")
    args = parser.parse_args()
    counted = recount(args.folder)
    json.dump(counted, sys.stdout, indent=1)
    print()
    if not args.compare:
        return 0
    truth, uncertain = read_truth(args.truth or os.path.join(args.folder, "truth.jsonl"))
    wrong = list(differences(counted, truth))
    if uncertain:
        wrong.append(f"{uncertain} hits whose answer was never seen")
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
