#!/usr/bin/env python3
"""Logs that other people published, through agent and server: accounted for to the line, every field
equal to what an independent parse in Python makes of the same line."""
import collections
import datetime
import gzip
import re
import unittest

import harness

QUOTED = r'"((?:[^"\\]|\\.)*)"'
COMMON = r'(\S+) (\S+) (.+?) \[([^\]]+)\] ' + QUOTED + r' (\d{3}|-) (\d+|-)'
# The request line out of its parts, as docs/access-log-formats.md has it.
FROM_PARTS = "method || ' ' || path || coalesce('?' || query, '') || coalesce(' ' || protocol, '')"
NAMES = ["host", "ident", "user", "time", "request", "status", "bytes", "referer", "agent", "extra"]
FORMATS = {  # name → format, its pattern, its last column
    "common": ("common", COMMON, None),
    "combined": ("combined", f"{COMMON} {QUOTED} {QUOTED}", None),
    "shop": (harness.COMBINED + ' "%{X-Forwarded-For}i"', f"{COMMON} {QUOTED} {QUOTED} {QUOTED}",
             "header_x_forwarded_for"),
    "cookie": ("combined+cookie", f"{COMMON} {QUOTED} {QUOTED} {QUOTED}", "header_cookie"),
}
# File → how it is read, and how many of its lines are lines, and good ones (None: the pattern's word).
FILES = {
    "apache-combined-10k.log.gz": ("combined", 10_000, 9_999),  # line 8,899 is cut off in its agent
    "shop-combined-xff-1k.log.gz": ("shop", 1_000, 1_000),
    "nasa-ksc-common-aug95-1880.log.gz": ("common", 1_880, 1_880),
    "nasa-ksc-common-aug95-wrapped.log.gz": ("common", 1_930, 1_841),
    "combined-email-users-2492.log.gz": ("combined", 2_492, 2_492),
    "combined-with-bad-line.log": ("combined", 3, 2),
    "ipv6-long-query-cookie.log": ("cookie", 1, 1),
    "multiformat.access_log": ("combined", 3, 1),
    "attacks/apache-http-probing.log": ("common", None, None),
    "attacks/apache2-http-sensitive-files.log": ("common", None, None),
    # A syslog prefix before each line: by the rule of users with blanks, it is host, ident and user.
    "attacks/http-bf-wordpress-bf.log": ("combined", None, None),
    "attacks/http-dos-bypass-cache.log": ("combined", None, None),
    "attacks/http-dos-switching-ua.log": ("combined", None, None),
    "attacks/http-technology-probing.log": ("combined", None, None),
    "attacks/http-wordpress-scan.log": ("combined", None, None),
    "attacks/http-wordpress_user-enum.log": ("combined", None, None),
    "attacks/nginx-http-generic-bf.log": ("combined", None, None),
    "attacks/nginx-http-malformed.log": ("combined", None, None),
}
ESCAPE = re.compile(rb'\\x([0-9a-fA-F]{2})|\\(.)', re.DOTALL)
LETTERS = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"b": b"\b", b"v": b"\v"}


def decode(text):
    """What Apache escaped; bytes that are no UTF-8 are not compared one by one."""
    def one(match):
        if match.group(1):
            return bytes([int(match.group(1), 16)])
        letter = match.group(2)
        return LETTERS.get(letter, letter if letter in b'"\\' else b"\\" + letter)
    raw = ESCAPE.sub(one, text.encode())
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def expected_fields(line, pattern, extra):
    """The columns of a line, or None if it is no line of the format. A value Python cannot state
    (bytes that are no UTF-8) is left out."""
    match = re.fullmatch(pattern, line)
    if match is None:
        return None
    found = dict(zip(NAMES, match.groups()))
    when = datetime.datetime.strptime(found.pop("time"), "%d/%b/%Y:%H:%M:%S %z")
    fields = {"time": int(when.timestamp()) * 1_000_000}
    for name in ("status", "bytes"):
        fields[name] = None if found[name] == "-" else int(found.pop(name))
        found.pop(name, None)
    if "extra" in found:
        found[extra] = found.pop("extra")
    request = found["request"]
    for name, value in found.items():
        if value == "-":
            fields[name] = None
        elif decode(value) is not None:
            fields[name] = decode(value)
    parts = re.fullmatch(r"([^ ]+) ([^ ]+) (HTTP/\S+)", request)
    if parts and decode(request) is not None:
        fields["method"], fields["protocol"] = parts.group(1), parts.group(3)
        path, mark, query = decode(parts.group(2)).partition("?")
        fields["path"], fields["query"] = path, query if mark else None
    return fields


@unittest.skipIf(harness.shared_data() is None, "no folder ../shared/data with public logs")
class PublicLogs(harness.Case):
    def read(self, name):
        path = harness.shared_data() / "weblogs" / name
        data = path.read_bytes()
        return gzip.decompress(data) if name.endswith(".gz") else data

    def test_every_line_is_accounted_for_and_every_field_is_right(self):
        logs = self.work / "logs"
        sources, flows = {}, []
        for name, (kind, _, _) in FILES.items():
            source = re.sub(r"\W+", "_", name)
            path = logs / source / "access.log"
            path.parent.mkdir(parents=True)
            path.write_bytes(self.read(name))
            sources[source] = FORMATS[kind][0]
            flows.append((source, [path], FORMATS[kind][0]))
        project = self.project(sources=sources).start()
        agent = self.agent(project, "w1", flows=flows).start()
        totals = collections.Counter()
        for (name, (kind, lines, good)), source in zip(FILES.items(), sources):
            with self.subTest(name):
                totals += self.check(project, name, kind, source, lines, good)
        self.assertEqual(agent.stop(), 0, agent.tail())
        self.assertEqual(project.server.stop(), 0, project.server.tail())
        print(f"{len(FILES)} files, {totals['lines']} lines, {totals['good']} good, "
              f"{totals['fields']} fields equal", flush=True)

    def check(self, project, name, kind, source, lines, good):
        _, pattern, extra = FORMATS[kind]
        data = self.read(name)
        written = {}  # offset → line
        at = 0
        for line in data.split(b"\n"):
            if line.rstrip(b"\r"):
                written[at] = line.rstrip(b"\r").decode("utf-8", "replace")
            at += len(line) + 1
        if lines is not None:
            self.assertEqual(len(written), lines, "the file is not the one the test knows")
        if not data.endswith(b"\n"):  # an open line is not yet a line
            written.pop(max(written))
        project.wait_rows(f"raw.{source}", len(written))
        rows = project.sql(f"SELECT *, epoch_us(time) AS micros, {FROM_PARTS} AS parts FROM raw.{source}")
        self.assertEqual({int(row["_position"]): row["_raw"] for row in rows}, written)
        self.assertEqual(len(rows), len(written))
        accepted = fields = 0
        for row in rows:
            expected = expected_fields(row["_raw"], pattern, extra)
            self.assertEqual(row.get("_error") is None, expected is not None, row)
            if expected is None:
                continue
            accepted += 1
            row["time"] = row["micros"]
            # Whole only where the parts do not say the same.
            self.assertTrue(row["request"] is None or row["request"] != row["parts"], row)
            row["request"] = row["request"] or row["parts"]
            for column, value in expected.items():
                seen = row.get(column)
                if isinstance(value, int) and seen is not None:
                    seen = int(seen)
                self.assertEqual(seen, value, f"{column} of {row['_raw']}")
                fields += 1
        if good is not None and data.endswith(b"\n"):
            self.assertEqual(accepted, good)
        counts = project.sql(f"SELECT (SELECT count(*) FROM clean.{source}) AS clean, "
                             f"(SELECT count(*) FROM quarantine.{source}) AS bad")[0]
        self.assertEqual((int(counts["clean"]), int(counts["bad"])),
                         (accepted, len(written) - accepted))
        return collections.Counter(lines=len(written), good=accepted, fields=fields)


if __name__ == "__main__":
    harness.main()
