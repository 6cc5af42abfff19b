#!/usr/bin/env python3
"""Tables that our C++ commits, read by PyIceberg and by DuckDB's iceberg extension; and PyIceberg's tables, read and
extended by us. Usage: foreign_readers.py MAKE_TABLES FOLDER. Exits 1 with the first difference."""
import datetime as dt
import decimal
import json
import math
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg import expressions as ex
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import StaticTable

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
DAY0 = dt.date(1970, 1, 1)
HOUR = 3_600_000_000
NAMES = ["Zoë", "日本語のとても長い名前です、十六文字より長い", None, "😀" * 20, "plain", "", "ÿ" * 17]


def field(field_id, name, kind, required=False):
    return {"id": field_id, "name": name, "required": required, "type": kind}


SCHEMA = {"type": "struct", "schema-id": 0, "fields": [
    field(1, "ts", "timestamptz"), field(2, "id", "uuid"), field(3, "qty", "int"), field(4, "price", "decimal(12, 2)"),
    field(5, "name", "string"), field(6, "score", "double"), field(7, "ok", "boolean"), field(8, "day", "date"),
    field(9, "addr", {"type": "struct", "fields": [field(12, "street", "string"), field(13, "no", "int")]}),
    field(10, "tags", {"type": "list", "element-id": 14, "element": "string", "element-required": False}),
    field(11, "attrs", {"type": "map", "key-id": 15, "key": "string", "value-id": 16, "value": "int",
                        "value-required": False})]}


def arrow(name, kind, field_id, nullable=True):
    return pa.field(name, kind, nullable, metadata={"PARQUET:field_id": str(field_id)})


ARROW = pa.schema([
    arrow("ts", pa.timestamp("us", "UTC"), 1), arrow("id", pa.uuid(), 2), arrow("qty", pa.int32(), 3),
    arrow("price", pa.decimal128(12, 2), 4), arrow("name", pa.string(), 5), arrow("score", pa.float64(), 6),
    arrow("ok", pa.bool_(), 7), arrow("day", pa.date32(), 8),
    arrow("addr", pa.struct([arrow("street", pa.string(), 12), arrow("no", pa.int32(), 13)]), 9),
    arrow("tags", pa.list_(arrow("element", pa.string(), 14)), 10),
    arrow("attrs", pa.map_(arrow("key", pa.string(), 15, False), arrow("value", pa.int32(), 16)), 11)])


def time_of(micros):
    return EPOCH + dt.timedelta(microseconds=micros)


def row(number, micros):
    """A row that depends on its number alone."""
    score = [None, 0.0, -0.0, 1.5, -2.25][number % 5]
    return {"ts": time_of(micros), "id": uuid.UUID(int=(number * 0x9E3779B97F4A7C15F39CC0605CEDC835) % 2**128),
            "qty": number - 50, "price": None if number % 7 == 0 else decimal.Decimal(number * 997 - 5000) / 100,
            "name": NAMES[number % len(NAMES)], "score": score, "ok": None if number % 11 == 0 else number % 2 == 0,
            "day": DAY0 + dt.timedelta(days=number - 60),
            "addr": None if number % 6 == 0 else {"street": f"Straße {number}", "no": number},
            "tags": None if number % 8 == 0 else ["a", None, str(number)][: number % 4],
            "attrs": None if number % 9 == 0 else [("k", number), ("ü", None)]}


def plain(name, value):
    """A value as make_tables reads it."""
    if isinstance(value, uuid.UUID):
        return value.bytes.hex()
    if isinstance(value, decimal.Decimal):
        return int(value * 100)
    if isinstance(value, dt.datetime):
        return (value - EPOCH) // dt.timedelta(microseconds=1)
    if isinstance(value, dt.date):
        return (value - DAY0).days
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no word for it, and no partition here is by it
    return value


class Lake:
    def __init__(self, tool, folder):
        self.tool, self.folder = tool, folder
        self.files = {}  # key -> rows

    def parquet(self, key, rows, schema=ARROW):
        """Writes a data file and describes it for make_tables."""
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        raw = [{k: v.bytes if isinstance(v, uuid.UUID) else v for k, v in r.items()} for r in rows]
        columns = []
        for f in schema:
            values = [r[f.name] for r in raw]
            if f.type == pa.uuid():
                columns.append(pa.ExtensionArray.from_storage(pa.uuid(), pa.array(values, pa.binary(16))))
            else:
                columns.append(pa.array(values, f.type))
        pq.write_table(pa.Table.from_arrays(columns, schema=schema), path)
        stats = {}
        for f in schema:
            if pa.types.is_nested(f.type):
                continue
            values = [r[f.name] for r in rows]
            known = [v for v in values if v is not None]
            nans = sum(isinstance(v, float) and math.isnan(v) for v in known)
            if nans:  # readers disagree on where NaN sorts: no bounds
                known = []
            low, high = (min(known), max(known)) if known else (None, None)
            stats[f.name] = {"values": len(values), "nulls": sum(v is None for v in values), "nans": nans,
                             "min": plain(f.name, low), "max": plain(f.name, high)}
        self.files[key] = rows
        first = {name: plain(name, rows[0][name]) for name in stats}
        return {"key": key, "rows": len(rows), "bytes": path.stat().st_size, "columns": stats, "row": first}

    def run(self, steps):
        (self.folder / "script.json").write_text(json.dumps({"steps": steps}))
        done = subprocess.run([self.tool, self.folder], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"make_tables: {done.stderr}")
        return json.loads(done.stdout)


def normal(value):
    """One form for what PyIceberg, DuckDB and this script call the same value."""
    if isinstance(value, uuid.UUID):
        return value.bytes.hex()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.timezone.utc).isoformat()
    if isinstance(value, decimal.Decimal):
        return f"{value:.2f}"
    if isinstance(value, float):
        return value + 0.0
    if isinstance(value, dict):
        return sorted((str(k), normal(v)) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        pairs = [normal(v) for v in value]
        return sorted(pairs, key=repr) if value and isinstance(value[0], tuple) else pairs
    return value


def canonical(rows):
    return sorted((repr([(k, normal(v)) for k, v in sorted(r.items())]) for r in rows))


def check(what, got, expected):
    if got == expected:
        return
    if isinstance(got, list) and isinstance(expected, list):
        print(f"{len(got)} rows, expected {len(expected)}")
        print("got only:", [g for g in got if g not in expected][:2])
        print("expected only:", [e for e in expected if e not in got][:2])
    else:
        print("got:", got, "expected:", expected)
    sys.exit(f"FAILED: {what}")


class Readers:
    def __init__(self):
        self.duck = duckdb.connect(config={"autoinstall_known_extensions": "false",
                                           "autoload_known_extensions": "false"})
        site = Path(duckdb.__file__).parent.parent
        for name in ("avro", "httpfs", "iceberg"):
            path = next((site / f"duckdb_extension_{name}").rglob(f"{name}.duckdb_extension"))
            self.duck.execute(f"LOAD '{path}'")
        self.duck.execute("SET TimeZone='UTC'")

    def both(self, what, metadata, expected):
        table = StaticTable.from_metadata(metadata)
        check(f"{what}, PyIceberg", canonical(table.scan().to_arrow().to_pylist()), canonical(expected))
        path = metadata.removeprefix("file://")
        result = self.duck.execute(f"SELECT * FROM iceberg_scan('{path}')").to_arrow_table()
        rows = [{k: v.replace("-", "") if k == "id" and isinstance(v, str) else v for k, v in r.items()}
                for r in result.to_pylist()]  # DuckDB gives uuids as text
        check(f"{what}, DuckDB", canonical(rows), canonical(expected))
        print(f"ok: {what}: {len(expected)} rows")
        return table

    def counted(self, what, metadata, sql, expected_rows):
        path = metadata.removeprefix("file://")
        got = self.duck.execute(f"SELECT count(*) FROM iceberg_scan('{path}') WHERE {sql}").fetchone()[0]
        check(f"{what}, DuckDB rows", got, expected_rows)

    def pruned(self, what, metadata, row_filter, sql, expected_rows, max_files):
        table = StaticTable.from_metadata(metadata)
        scan = table.scan(row_filter=row_filter)
        check(f"{what}, PyIceberg rows", scan.to_arrow().num_rows, expected_rows)
        count = len(list(scan.plan_files()))
        if count > max_files:
            sys.exit(f"FAILED: {what}: PyIceberg opens {count} files, at most {max_files} are needed")
        self.counted(what, metadata, sql, expected_rows)
        print(f"ok: {what}: {expected_rows} rows from {count} files")


def create(name, partition, **properties):
    return {"op": "create", "name": name, "schema": SCHEMA, "partition": partition,
            "properties": {k.replace("_", "."): v for k, v in properties.items()}}


def commit(op, files=(), removed=()):
    return {"op": op, "files": list(files), "removed": list(removed)}


def hours_of_rows(lake, name, hours, first):
    """Two files an hour, ten rows a file."""
    files, number = [], first
    for hour in hours:
        for part in range(2):
            rows = [row(number + i, hour * HOUR + part * HOUR // 2 + i * 1_000_003) for i in range(10)]
            files.append(lake.parquet(f"{name}/data/{hour}-{part}.parquet", rows))
            number += 10
    return files


def rows_of(lake, keys):
    return [r for key in keys for r in lake.files[key]]


def test_hours(lake, readers):
    """Hour partitions around 1970: append, replace, overwrite, delete, evolve, expire."""
    hours = [-2, -1, 0, 1, 493_000]
    files = hours_of_rows(lake, "events", hours, 0)
    keys = [f["key"] for f in files]
    merged = lake.parquet("events/data/merged.parquet", rows_of(lake, keys[0:2]))
    rewritten = lake.parquet("events/data/rewritten.parquet", lake.files[keys[2]][:4])
    plan = lambda *conditions: {"op": "plan", "filter": list(conditions)}  # noqa: E731
    edits = [["rename", "name", "title"], ["add", "note", "string"], ["widen", "qty", "long"], ["drop", "day"],
             ["add", "addr.zip", "string"], ["rename", "addr.no", "nr"], ["widen", "price", "decimal(20, 2)"]]
    steps = [create("events", [["ts", "hour"]]), commit("append", files[:5]), commit("append", files[5:]),
             plan(["ts", ">=", -HOUR], ["ts", "<", 0]), plan(["id", "=", lake.files[keys[7]][3]["id"].bytes.hex()]),
             plan(["name", "=", "Zoë"], ["qty", ">", 20]), commit("replace", [merged], keys[0:2]),
             commit("overwrite", [rewritten], [keys[2]]), commit("delete", [], [keys[9]]),
             {"op": "schema", "edits": edits}]
    out = lake.run(steps)
    readers.both("append", out[1]["metadata"], rows_of(lake, keys[:5]))
    check("plan of one hour", sorted(p.rsplit("/", 1)[1] for p in out[3]["files"]), ["-1-0.parquet", "-1-1.parquet"])
    if not any(p.endswith(keys[7]) for p in out[4]["files"]):
        sys.exit("FAILED: a uuid lookup misses its file")
    wanted = {k for k in keys if any(r["name"] == "Zoë" and r["qty"] > 20 for r in lake.files[k])}
    missed = [k for k in wanted if not any(p.endswith(k) for p in out[5]["files"])]
    check("plan by name and quantity misses nothing", missed, [])
    left = rows_of(lake, keys[3:9]) + lake.files[merged["key"]] + lake.files[rewritten["key"]]
    evolved = []
    for r in left:
        r = dict(r, title=r["name"], note=None)
        del r["name"], r["day"]
        if r["addr"] is not None:
            r["addr"] = {"street": r["addr"]["street"], "nr": r["addr"]["no"], "zip": None}
        evolved.append(r)
    readers.both("evolved", out[-1]["metadata"], evolved)
    out = lake.run([{"op": "load", "metadata": out[-1]["metadata"]}, {"op": "expire"}])
    table = readers.both("expired", out[-1]["metadata"], evolved)
    check("snapshots after expiry", len(table.metadata.snapshots), 1)
    gone = [k for k in keys[0:3] + [keys[9]] if (lake.folder / k).exists()]
    check("files deleted by expiry", gone, [])
    check("files kept by expiry", all((lake.folder / k).exists() for k in keys[3:9]), True)


def test_each_step(lake, readers):
    files = hours_of_rows(lake, "steps", [-30, -1, 0, 5], 200)
    keys = [f["key"] for f in files]
    merged = lake.parquet("steps/data/merged.parquet", rows_of(lake, keys[0:2]))
    out = lake.run([create("steps", [["ts", "day"]]), commit("append", files), commit("replace", [merged], keys[0:2]),
                    commit("overwrite", [], [keys[3]])])
    everything = rows_of(lake, keys)
    readers.both("day partitions", out[1]["metadata"], everything)
    readers.both("replaced", out[2]["metadata"], everything)
    readers.both("overwritten", out[3]["metadata"], [r for k in keys if k != keys[3] for r in lake.files[k]])
    before = [r for r in everything if r["ts"] < EPOCH]
    readers.pruned("times before 1970", out[1]["metadata"], ex.LessThan("ts", EPOCH.isoformat()),
                   "ts < TIMESTAMPTZ '1970-01-01 00:00:00+00'", len(before), 4)
    dear = [r for r in everything if r["price"] is not None and r["price"] > decimal.Decimal("2500")]
    readers.pruned("decimal bounds", out[1]["metadata"], ex.GreaterThan("price", decimal.Decimal("2500.00")),
                   "price > 2500", len(dear), 3)
    zero = [r for r in everything if r["score"] == 0]
    readers.pruned("both zeroes", out[1]["metadata"], ex.EqualTo("score", 0.0), "score = 0", len(zero), len(keys))
    named = [r for r in everything if r["name"] == NAMES[3]]
    readers.pruned("truncated bounds", out[1]["metadata"], ex.EqualTo("name", NAMES[3]),
                   f"name = '{NAMES[3]}'", len(named), len(keys))


def test_identity_partitions(lake, readers):
    """Every kind of partition value, one row a file, null too."""
    files = [lake.parquet(f"kinds/data/{n}.parquet", [row(n, -n * 7 * HOUR)]) for n in range(1, 40)]
    partition = [["id", "identity"], ["price", "identity"], ["name", "identity"], ["score", "identity"],
                 ["ok", "identity"], ["day", "year"], ["qty", "truncate[10]"], ["ts", "month"]]
    out = lake.run([create("kinds", partition), commit("append", files),
                    {"op": "plan", "filter": [["price", "=", plain("price", row(9, 0)["price"])]]},
                    {"op": "plan", "filter": [["name", "null"]]}])
    everything = [row(n, -n * 7 * HOUR) for n in range(1, 40)]
    readers.both("partitions of every type", out[1]["metadata"], everything)
    check("identity plan", len(out[2]["files"]), 1)
    check("null plan", len(out[3]["files"]), sum(r["name"] is None for r in everything))
    # Not asked of PyIceberg 0.12.0: it compares the partition's UUID with the literal's bytes and finds nothing.
    readers.counted("uuid partition", out[1]["metadata"], f"id = '{row(9, 0)['id']}'", 1)
    readers.pruned("null partition", out[1]["metadata"], ex.IsNull("name"), "name IS NULL",
                   sum(r["name"] is None for r in everything), sum(r["name"] is None for r in everything))


def test_merge_and_spec_evolution(lake, readers):
    files = [lake.parquet(f"many/data/{n}.parquet", [row(n, n * HOUR // 3)]) for n in range(40)]
    table = create("many", [["ts", "hour"]])
    table["properties"] = {"commit.manifest.min-count-to-merge": "4"}
    steps = [table] + [commit("append", [f]) for f in files[:30]]
    steps += [{"op": "spec", "partition": [["ts", "day"], ["id", "bucket[4]"]]}]
    steps += [commit("append", [f]) for f in files[30:]]
    steps += [{"op": "plan", "filter": [["ts", "<", HOUR]]}]
    out = lake.run(steps)
    everything = [row(n, n * HOUR // 3) for n in range(40)]
    table = readers.both("40 appends, merged manifests, two specs", out[-2]["metadata"], everything)
    manifests = table.current_snapshot().manifests(table.io)
    if len(manifests) > 12:
        sys.exit(f"FAILED: {len(manifests)} manifests after 40 commits")
    check("plan over two specs", len(out[-1]["files"]), 3)
    early = [r for r in everything if r["ts"] < time_of(HOUR)]
    readers.pruned("two specs", out[-2]["metadata"], ex.LessThan("ts", time_of(HOUR).isoformat()),
                   "ts < TIMESTAMPTZ '1970-01-01 01:00:00+00'", len(early), 4)
    summary = table.current_snapshot().summary
    check("summary totals", summary["total-records"], "40")


def test_doubles_and_long_values(lake, readers):
    """NaN, infinities and both zeroes in somebody else's files, and values over 4,096 bytes: all come back, and the
    filters on which engines agree lose no row."""
    scores = [float("nan"), float("inf"), float("-inf"), -0.0, 0.0, 5e-324, -1.5, 12.25, None, 1.7976931348623157e308]
    rows = [dict(row(n, n * HOUR // 4), score=scores[n % 10],
                 name="é" * 3_000 + str(n) if n % 3 == 0 else NAMES[n % 7]) for n in range(40)]
    # A file with NaN and infinities, one of zeroes alone, one of the rest.
    parts = [[r for r in rows if r["score"] is None or not math.isfinite(r["score"])],
             [r for r in rows if r["score"] == 0],
             [r for r in rows if r["score"] is not None and math.isfinite(r["score"]) and r["score"] != 0]]
    files = [lake.parquet(f"doubles/data/{i}.parquet", part) for i, part in enumerate(parts)]
    out = lake.run([create("doubles", []), commit("append", files)])
    metadata = out[1]["metadata"]
    readers.both("doubles", metadata, rows)
    for sql, wanted in (("score > 10 AND score < 1e300", 4), ("score = 12.25", 4), ("score < 0", 8), ("score > 1e300 AND "
                        "score < 1.7976931348623157e308", 0), ("score IS NULL", 4), ("score + 0 = 0", 8),
                        ("score >= -1 AND score <= 1", 12)):
        readers.counted(sql, metadata, sql, wanted)
    readers.counted("a long value", metadata, f"name = '{rows[27]['name']}'", 1)
    readers.counted("past the bound's prefix", metadata, f"name > '{'é' * 16}' AND name < '{'é' * 3_001}'", 14)


def test_foreign_table(lake, readers):
    """A table PyIceberg made: we plan it, add to it, and both read it back."""
    warehouse = lake.folder / "foreign"
    warehouse.mkdir()
    catalog = SqlCatalog("c", uri=f"sqlite:///{warehouse}/catalog.db", warehouse=f"file://{warehouse}")
    catalog.create_namespace("ns")
    schema = pa.schema([pa.field("id", pa.int64()), pa.field("name", pa.string()),
                        pa.field("tags", pa.list_(pa.string()))])
    table = catalog.create_table("ns.t", schema)
    for start in (0, 10):
        rows = [{"id": start + i, "name": f"n{start + i}", "tags": ["x"]} for i in range(10)]
        table.append(pa.Table.from_pylist(rows, schema=schema))
    table.delete("id < 3")
    ids = [arrow("id", pa.int64(), 1), arrow("name", pa.string(), 2),
           arrow("tags", pa.list_(arrow("element", pa.string(), 4)), 3)]
    extra = [{"id": 100, "name": "ours", "tags": None}]
    ours = lake.parquet("foreign/ours.parquet", extra, pa.schema(ids))
    out = lake.run([{"op": "load", "metadata": table.metadata_location}, {"op": "plan", "filter": []},
                    {"op": "plan", "filter": [["id", ">=", 10]]}, commit("append", [ours])])
    theirs = sorted(task.file.file_path for task in table.scan().plan_files())
    check("plan of PyIceberg's table", sorted(out[1]["files"]), theirs)
    check("bounds of PyIceberg's table", len(out[2]["files"]), 1)
    expected = [{"id": i, "name": f"n{i}", "tags": ["x"]} for i in range(3, 20)] + extra
    readers.both("our append to PyIceberg's table", out[3]["metadata"], expected)


TESTS = (test_hours, test_each_step, test_identity_partitions, test_merge_and_spec_evolution,
         test_doubles_and_long_values, test_foreign_table)


def main():
    tool, folder = sys.argv[1], Path(sys.argv[2]).resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    lake, readers = Lake(tool, folder), Readers()
    for test in TESTS:
        print(f"-- {test.__name__}")
        test(lake, readers)


if __name__ == "__main__":
    main()
