#!/usr/bin/env python3
"""Every table of a lake that Tarn made, read by Spark or Trino (TARN_E2E_ENGINE): the same rows and values as `tarn
sql`, the same counts by filter, after many commits, a wider schema, a replayed quarantine, compaction and expiry; and
each remembered snapshot again by time travel, as long as it is there."""
import datetime
import json
import os
import subprocess
import sys
import unittest

import harness

sys.path.insert(0, str(harness.HERE.parent / "oracles"))
import engines  # noqa: E402

ENGINE = os.environ.get("TARN_E2E_ENGINE", "trino")
WIDER = harness.COMBINED + ' "%{visitor}C" %D'
START = datetime.datetime(2026, 11, 20, 10, 0, tzinfo=datetime.timezone.utc)  # a closed hour, whenever this runs
# Columns of every kind that a format can have; `took` meets the doubles that engines disagree on.
API = "json:host=client,time,status,took:double,flag:boolean,big:long,note:string"
TOOK = ["-0.0", "0.0", "1.5", "-2.25", "5e-324", "1.7976931348623157e308", "-1e300", "null", '"NaN"', "0.1"]


def api_line(number):
    when = (START + datetime.timedelta(minutes=13 * number)).isoformat().replace("+00:00", ".123457Z")
    return (f'{{"client": "2001:db8::{number:x}", "time": "{when}", "status": {200 + number % 5}, '
            f'"took": {TOOK[number % len(TOOK)]}, "flag": {["true", "false", "null"][number % 3]}, '
            f'"big": {9_223_372_036_854_775_807 - number}, "note": "{"é" * (3_000 if number % 9 == 4 else number)}"}}\n')


@unittest.skipUnless(engines.installed(ENGINE), f"{ENGINE} is not installed: test/oracles/install.sh, or ./dev test-all")
class Engines(harness.Case):
    """One test: the steps build on one another, and an engine takes long to start."""

    def setUp(self):
        super().setUp()
        self.catalog = engines.Catalog(self.work / "engines.db")
        self.engine = engines.ENGINES[ENGINE](self.catalog)
        self.addCleanup(self.engine.close)
        self.remembered = {}  # table → {snapshot: (fields, rows)}
        self.compared = self.travelled = 0

    def ours(self, project, table, fields, where=""):
        select = []
        for field in fields:
            quoted = f'"{field["name"]}"'
            form = {"timestamptz": "epoch_us({})", "binary": "base64({})"}.get(field["type"], "{}")
            select.append(f"{form.format(quoted)} AS {quoted}")
        return engines.texts(project.sql(f"SELECT {', '.join(select)} FROM {table} {where}"), fields)

    def register(self, project, table):
        location = project.metadata(table)
        return self.catalog.register(*table.split("."), location), engines.metadata_of(location)

    def compare_all(self, project, what):
        counted = {}
        for dataset in json.loads(harness.tarn("datasets", project.folder, "--json").stdout):
            if dataset["kind"] != "table":
                continue
            table = dataset["name"]
            name, metadata = self.register(project, table)
            fields = engines.fields_of(metadata)
            ours = self.ours(project, table, fields)
            counted[table] = len(ours)
            with self.subTest(f"{what}: {table}"):
                theirs = self.engine.rows(name, fields)
                self.assertEqual(len(theirs), len(ours), "rows")
                self.assertEqual(theirs, ours)
                self.aggregates(project, table, name, fields)
                self.earlier(table, name, metadata)
            self.remembered.setdefault(table, {})[metadata.get("current-snapshot-id")] = (fields, ours)
            self.compared += len(ours) * len(fields)
        print(f"{what}: {counted}", flush=True)
        return counted

    def aggregates(self, project, table, name, fields):
        """What Spark takes from the manifests where it can."""
        asked, ours, kinds = [], [], []
        for field in fields:
            kind, quoted = field["type"], f'"{field["name"]}"'
            functions = ["count"] + (["min", "max"] if kind not in ("boolean", "binary") else [])
            for function in functions:
                kinds.append(kind if function != "count" else "long")
                asked.append(f"{function}({self.engine.quoted(field['name'])})")
                mine = f"{function}({quoted})"
                ours.append(f"epoch_us({mine})" if kinds[-1] == "timestamptz" else mine)
        theirs = self.engine.one(f"SELECT {', '.join(asked)} FROM {name}")
        mine = project.sql("SELECT " + ", ".join(f"{text} AS c{i}" for i, text in enumerate(ours)) + f" FROM {table}")[0]
        same = lambda kind, value: engines.canonical(kind, value)  # noqa: E731
        self.assertEqual([same(k, v) for k, v in zip(kinds, theirs)],
                         [same(k, mine[f"c{i}"]) for i, k in enumerate(kinds)], asked)

    def earlier(self, table, name, metadata):
        there = {s["snapshot-id"] for s in metadata["snapshots"]} - {metadata.get("current-snapshot-id")}
        for snapshot in there & self.remembered.get(table, {}).keys():
            fields, rows = self.remembered[table][snapshot]
            self.assertEqual(self.engine.rows(self.engine.at(name, snapshot), fields), rows, f"snapshot {snapshot}")
            self.travelled += 1

    def filters(self, project):
        """Filters that prune by partition, by bounds, and not at all: equal counts."""
        hour = (START + datetime.timedelta(hours=1)).strftime("%Y-%m-%d %H:%M:%S")
        long_note, asked = "é" * 3_000, 0
        for table, wheres in {
                "clean.web_log": ["time < {T}", "time >= {T}", "time IS NULL", "status = 304", "status > 200",
                                  "bytes IS NULL", "host = '198.51.100.7'", "path >= '/p/w1/150'", "duration_us > 30000",
                                  "duration_us IS NULL", "cookie_visitor = 'v3' AND time < {T}", "agent = 'e2e/w1'"],
                "raw.web_log": ["_error IS NOT NULL", "time >= {T} AND status = 200"],
                "clean.api": ["took = 1.5", "took < -1", "took > 1e100", "took IS NULL", "took > 0.05 AND took < 0.2",
                              "took = 0", "flag", "big > 9223372036854775800", f"note = '{long_note}'",
                              f"note > '{long_note[:99]}'", "host = '2001:db8::b'", "time < {T}"]}.items():
            name, _ = self.register(project, table)
            for where in wheres:
                mine = where.replace("{T}", f"TIMESTAMPTZ '{hour}+00'")
                ours = project.sql(f"SELECT count(*) AS n FROM {table} WHERE {mine}")[0]["n"]
                theirs = where.replace("{T}", self.engine.literal("timestamptz", hour))
                with self.subTest(f"{table}: {where[:60]}"):
                    self.assertEqual(self.engine.one(f"SELECT count(*) FROM {name} WHERE {theirs}")[0], int(ours))
                asked += int(ours) > 0
        self.assertGreater(asked, 15, "filters that find something")

    def test_an_engine_sees_what_tarn_sql_sees(self):
        project = self.project(sources={"web_log": "combined", "api": API}).start()
        folder = self.work / "logs"
        folder.mkdir()
        narrow, wide, api = folder / "narrow.log", folder / "wide.log", folder / "api.log"
        agents = [self.agent(project, "w1", [narrow]).start(),
                  self.agent(project, "a1", [api], source="api", format_text=API).start()]
        total = 0
        for commit in range(10):  # each batch of lines is a commit of its own, all in one hour
            lines = [harness.log_line(n, "w1", START + datetime.timedelta(seconds=10 * n)) for n in
                     range(total, total + 30)]
            lines[3] = harness.bad_line(total + 3, "w1")
            lines[5] = lines[5].replace(f" 200 {total + 5} ", " 304 - ")
            lines[7] = lines[7].replace("GET /p", "GET /" + "long/" * 1_000 + "p")
            narrow_text = "".join(lines)
            append(narrow, narrow_text.encode())
            append(api, "".join(api_line(n) for n in range(commit * 12, commit * 12 + 12)).encode())
            total += 30
            project.wait_rows("raw.web_log", total)
            project.wait_rows("raw.api", 12 * (commit + 1))
            if commit == 4:
                self.compare_all(project, "some commits")
        append(narrow, harness.log_line(total, "w1", START).encode()
               .replace(b"e2e/w1", b"caf\xe9 \xf0\x9f\x98\x80 \\xc3\\xa9"))
        project.wait_rows("raw.web_log", total + 1)

        # A second format brings two more columns to tables that have rows already; one line is in the old format.
        agents.append(self.agent(project, "w2", [wide], format_text=WIDER).start())
        lines = [harness.log_line(n, "w2", START + datetime.timedelta(minutes=5 * n)).rstrip("\n")
                 + (f' "v{n % 7}" {n * 1000}\n' if n % 3 else ' "-" -\n') for n in range(60)]
        lines[10] = harness.log_line(10, "w2", START)
        append(wide, "".join(lines).encode())
        project.wait_rows("raw.web_log", total + 61)
        counted = self.compare_all(project, "a wider schema")
        self.assertEqual(counted, {"raw.web_log": 361, "clean.web_log": 350, "quarantine.web_log": 11, "raw.api": 120,
                                   "clean.api": 120, "quarantine.api": 0})
        done = harness.tarn("quarantine", "replay", "web_log", project.folder, "--format", "combined", "--json")
        self.assertEqual(json.loads(done.stdout)["replayed"], 1, done.stderr)
        counted = self.compare_all(project, "a replayed quarantine")
        self.assertEqual((counted["clean.web_log"], counted["quarantine.web_log"]), (351, 10))
        self.filters(project)
        for agent in agents:
            self.assertEqual(agent.stop(), 0, agent.tail())
        self.assertEqual(project.server.stop(), 0, project.server.tail())

        # What the server's own upkeep has not compacted by now.
        done = harness.tarn("maintain", project.folder, "--compact", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        for table in ("raw.web_log", "clean.web_log"):
            _, metadata = self.register(project, table)
            self.assertIn("replace", [s["summary"]["operation"] for s in metadata["snapshots"]], table)
        self.assertEqual(self.compare_all(project, "compacted"), counted)
        self.filters(project)
        self.assertGreaterEqual(self.travelled, 10)
        self.expire(project, counted)

    def expire(self, project, counted):
        """A day later, by a clock set forward for the command alone, one snapshot is left; and days later the files of
        the others go."""
        files = len(list((project.folder / "lake").rglob("*.parquet")))
        for later, what in (("+26h", "--expire"), ("+150h", "--orphans")):
            done = subprocess.run(["faketime", "-f", later, harness.TARN, "maintain", project.folder, what, "--json"],
                                  capture_output=True, text=True, timeout=120, check=False,
                                  env=dict(os.environ, NO_FAKE_STAT="1"))
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.compare_all(project, "expired"), counted)
        _, metadata = self.register(project, "clean.web_log")
        self.assertEqual(len(metadata["snapshots"]), 1)
        self.assertLess(len(list((project.folder / "lake").rglob("*.parquet"))), files, "files of expired snapshots")
        print(f"{self.compared} values compared, {self.travelled} snapshots read again by {ENGINE}", flush=True)


def append(path, data):
    with open(path, "ab") as out:
        out.write(data)


if __name__ == "__main__":
    harness.main()
