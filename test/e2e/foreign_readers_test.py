#!/usr/bin/env python3
"""Every table of a lake that Tarn made, read by PyIceberg and by DuckDB's iceberg extension: the
same rows and values as `tarn sql`, after many commits, a wider schema and a replayed quarantine."""
import base64
import datetime
import decimal
import json
from pathlib import Path

import duckdb
from pyiceberg.table import StaticTable

import harness

WIDER = harness.COMBINED + ' "%{visitor}C" %D'


def plain(value):
    """One form for what the three readers call the same value; `tarn sql` says it in JSON."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime.datetime):
        return int(value.timestamp() * 1_000_000)
    if isinstance(value, decimal.Decimal):
        return int(value)
    return value


def canonical(rows):
    return sorted(json.dumps({k: plain(v) for k, v in row.items()}, sort_keys=True) for row in rows)


def connect():
    duck = duckdb.connect(config={"autoinstall_known_extensions": "false",
                                  "autoload_known_extensions": "false"})
    site = Path(duckdb.__file__).parent.parent
    for name in ("avro", "httpfs", "iceberg"):
        path = next((site / f"duckdb_extension_{name}").rglob(f"{name}.duckdb_extension"))
        duck.execute(f"LOAD '{path}'")
    duck.execute("SET TimeZone='UTC'")
    return duck


class ForeignReaders(harness.Case):
    def setUp(self):
        super().setUp()
        self.duck = connect()
        self.addCleanup(self.duck.close)

    def ours(self, project, table, columns):
        """What `tarn sql` says, timestamps as microseconds and binary in base64."""
        select = []
        for name, kind in columns.items():
            quoted = f'"{name}"'
            if kind == "timestamptz":
                select.append(f"epoch_us({quoted}) AS {quoted}")
            elif kind == "binary":
                select.append(f"base64({quoted}) AS {quoted}")
            else:
                select.append(quoted)
        rows = project.sql(f"SELECT {', '.join(select)} FROM {table}")
        whole = {n for n, kind in columns.items() if kind in ("int", "long", "timestamptz")}
        return [{k: int(v) if k in whole and v is not None else v for k, v in row.items()}
                for row in rows]

    def compare_all(self, project, what):
        """Every table, every row, every value; sums, nulls and distinct values too."""
        counted = {}
        for dataset in json.loads(harness.tarn("datasets", project.folder, "--json").stdout):
            if dataset["kind"] != "table":
                continue
            name = dataset["name"]
            shown = json.loads(harness.tarn("dataset", name, project.folder, "--json").stdout)
            columns = {c["name"]: c["type"] for c in shown["columns"]}
            path = shown["metadata_location"]
            ours = canonical(self.ours(project, name, columns))
            counted[name] = len(ours)
            with self.subTest(f"{what}: {name}"):
                table = StaticTable.from_metadata(path)
                theirs = canonical(table.scan().to_arrow().to_pylist())
                self.assertEqual(len(theirs), len(ours), "rows, PyIceberg")
                self.assertEqual(theirs, ours, "PyIceberg")
                scan = f"iceberg_scan('{path.removeprefix('file://')}')"
                duck = self.duck.execute(f"SELECT * FROM {scan}").to_arrow_table().to_pylist()
                self.assertEqual(canonical(duck), ours, "DuckDB")
                self.assertEqual(int(shown["rows"]), len(ours), "what the dataset says of itself")
                aggregates = ", ".join(
                    [f'count("{c}"), count(DISTINCT "{c}")' for c in columns]
                    + [f'sum("{c}")::VARCHAR' for c, t in columns.items() if t in ("int", "long")]
                    + [f'epoch_us(max("{c}"))' for c, t in columns.items() if t == "timestamptz"])
                select = f"SELECT [{', '.join(f'({a})::VARCHAR' for a in aggregates.split(', '))}]"
                theirs = self.duck.execute(f"{select} AS a FROM {scan}").fetchone()[0]
                self.assertEqual(project.sql(f"{select} AS a FROM {name}")[0]["a"], theirs)
        return counted

    def write(self, path, lines):
        with open(path, "ab") as out:
            out.write(lines)

    def test_all_tables_have_the_same_rows_for_all_readers(self):
        project = self.project().start()
        folder = self.work / "logs"
        folder.mkdir()
        narrow, wide = folder / "narrow.log", folder / "wide.log"
        agents = [self.agent(project, "w1", [narrow]).start()]
        start = datetime.datetime(2026, 11, 24, 10, 0, tzinfo=datetime.timezone.utc)
        total = 0
        for commit in range(5):  # each batch of lines is a commit of its own
            lines = [harness.log_line(n, "w1", start + datetime.timedelta(minutes=7 * n))
                     for n in range(total, total + 40)]
            lines[3] = harness.bad_line(total + 3, "w1")
            lines[5] = lines[5].replace(f" 200 {total + 5} ", " 304 - ")
            self.write(narrow, "".join(lines).encode())
            total += 40
            project.wait_rows("raw.web_log", total)
        self.write(narrow, harness.log_line(total, "w1", start).encode()
                   .replace(b"e2e/w1", b"caf\xe9 \xf0\x9f\x98\x80 \\xc3\\xa9"))
        total += 1
        project.wait_rows("raw.web_log", total)
        first = self.compare_all(project, "several commits")
        self.assertEqual(first, {"raw.web_log": 201, "clean.web_log": 196,
                                 "quarantine.web_log": 5})

        # A second format brings two more columns to tables that have rows already.
        agents.append(self.agent(project, "w2", [wide], format_text=WIDER).start())
        lines = [harness.log_line(n, "w2", start + datetime.timedelta(seconds=n)).rstrip("\n")
                 + (f' "v{n % 7}" {n * 1000}\n' if n % 3 else ' "-" -\n') for n in range(60)]
        lines[10] = harness.log_line(10, "w2", start)  # the old format: not a line of the new one
        lines[20] = harness.log_line(20, "w2", start)
        self.write(wide, "".join(lines).encode())
        total += 60
        project.wait_rows("raw.web_log", total)
        second = self.compare_all(project, "a wider schema")
        self.assertEqual(second, {"raw.web_log": 261, "clean.web_log": 254,
                                  "quarantine.web_log": 7})
        seen = project.sql("SELECT count(cookie_visitor) v, count(duration_us) d, count(*) n "
                           "FROM clean.web_log WHERE server = 'w2'")[0]
        self.assertEqual([int(seen[k]) for k in "vdn"], [38, 38, 58])

        # The two lines in the old format come back by that format, beside the running server.
        replayed = harness.tarn("quarantine", "replay", "web_log", project.folder, "--format",
                                "combined", "--json")
        self.assertEqual(json.loads(replayed.stdout), {"rows": 7, "replayed": 2, "rejected": 5, "cut": 0},
                         replayed.stderr)
        third = self.compare_all(project, "a replayed quarantine")
        self.assertEqual(third, {"raw.web_log": 261, "clean.web_log": 256,
                                 "quarantine.web_log": 5})
        again = harness.tarn("quarantine", "replay", "web_log", project.folder, "--format",
                             "combined", "--json")
        self.assertEqual(json.loads(again.stdout)["replayed"], 0)

        # The server goes on after a commit that was not its own.
        self.write(narrow, b"".join(harness.log_line(n, "w1", start).encode()
                                    for n in range(300, 310)))
        project.wait_rows("raw.web_log", total + 10)
        self.assertEqual(self.compare_all(project, "a commit after the replay")["clean.web_log"],
                         266)
        for agent in agents:
            self.assertEqual(agent.stop(), 0, agent.tail())
        self.assertEqual(project.server.stop(), 0, project.server.tail())
        self.compare_all(project, "a stopped server")


if __name__ == "__main__":
    harness.main()
