#!/usr/bin/env python3
"""The golden tables of foreign_readers.py, read by Spark or Trino: the same rows and values, the same counts by filter,
the aggregates that engines take from manifests alone, and every earlier snapshot by time travel.
Usage: engines_test.py spark|trino MAKE_TABLES FOLDER. Exits 1 with the first difference, 77 if the engine is not here."""
import re
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "oracles"))
import engines  # noqa: E402
import foreign_readers as golden  # noqa: E402
from pyiceberg.table import StaticTable  # noqa: E402

# What Spark answers wrongly on anybody's tables, and what it is asked instead: it holds -0.0 and 0.0 for different in a
# filter it hands down, and finds no row at all by a uuid.
INSTEAD = {"spark": [(r"\bscore = 0\b", "score + 0 = 0"), (r"\bid = '", "concat(id, '') = '")], "trino": []}


class EngineReaders:
    """What the golden tests call their readers, with an engine behind it."""

    def __init__(self, engine, catalog):
        self.engine, self.catalog = engine, catalog
        self.names = {}  # metadata file → name in SQL
        self.seen = {}  # (table, snapshot) → what was read of it
        self.queries = 0

    def name_of(self, metadata):
        if metadata not in self.names:
            self.names[metadata] = self.catalog.register("golden", f"t{len(self.names)}", metadata)
        return self.names[metadata]

    def both(self, what, metadata, expected):
        name, shown = self.name_of(metadata), engines.metadata_of(metadata)
        fields = engines.fields_of(shown)
        wanted = engines.texts(expected, fields)
        golden.check(f"{what}, {self.engine.name}", self.engine.rows(name, fields), wanted)
        self.aggregates(what, name, fields, expected)
        self.earlier(what, name, shown)
        self.seen[shown["table-uuid"], shown["current-snapshot-id"]] = (fields, wanted)
        print(f"ok: {what}: {len(wanted)} rows", flush=True)
        return StaticTable.from_metadata(metadata)

    def aggregates(self, what, name, fields, expected):
        """count, min and max, which Spark takes from the manifests where it can."""
        asked, wanted = ["count(*)"], [len(expected)]
        for field in fields:
            kind = field["type"]
            if isinstance(kind, dict):
                continue
            known = [r[field["name"]] for r in expected if r[field["name"]] is not None]
            quoted = self.engine.quoted(field["name"])
            asked.append(f"count({quoted})")
            wanted.append(len(known))
            if kind in ("uuid", "boolean") or any(v != v for v in known):
                continue  # engines differ on their order
            asked += [f"min({quoted})", f"max({quoted})"]
            wanted += [engines.canonical(kind, v) for v in ((min(known), max(known)) if known else (None, None))]
        kinds = []
        for expression in asked:
            column = next((f for f in fields if f"({self.engine.quoted(f['name'])})" in expression), None)
            kinds.append("long" if expression.startswith("count") else column["type"])
        found = self.engine.one(f"SELECT {', '.join(asked)} FROM {name}")
        found = [engines.canonical(kind, value) for kind, value in zip(kinds, found)]
        golden.check(f"{what}, aggregates by {self.engine.name}", dict(zip(asked, found)), dict(zip(asked, wanted)))

    def earlier(self, what, name, shown):
        for snapshot in shown["snapshots"]:
            key = (shown["table-uuid"], snapshot["snapshot-id"])
            if snapshot["snapshot-id"] == shown["current-snapshot-id"] or key not in self.seen:
                continue
            fields, wanted = self.seen[key]
            found = self.engine.rows(self.engine.at(name, snapshot["snapshot-id"]), fields)
            golden.check(f"{what}, back to snapshot {snapshot['snapshot-id']}", found, wanted)
            print(f"ok: {what}: back to {len(wanted)} rows", flush=True)

    def counted(self, what, metadata, sql, expected_rows):
        sql = re.sub(r"TIMESTAMPTZ '([^']*)\+00'", lambda m: self.engine.literal("timestamptz", m[1]), sql)
        sql = re.sub(r"id = '([^']*)'", lambda m: f"id = {self.engine.literal('uuid', m[1])}", sql)
        for wrong, right in INSTEAD[self.engine.name]:
            sql = re.sub(wrong, right, sql)
        if self.engine.name == "trino":  # a literal with an exponent is a double there, and one without a decimal
            sql = re.sub(r"(?<=[ =])(-?\d+\.\d+)(?![\de])", r"DOUBLE '\1'", sql)
        got = self.engine.one(f"SELECT count(*) FROM {self.name_of(metadata)} WHERE {sql}")[0]
        golden.check(f"{what}, {self.engine.name}: rows with {sql[:200]}", got, expected_rows)
        self.queries += 1

    def pruned(self, what, metadata, _row_filter, sql, expected_rows, _max_files):
        self.counted(what, metadata, sql, expected_rows)
        print(f"ok: {what}: {expected_rows} rows", flush=True)


def main():
    which, tool, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3]).resolve()
    if not engines.installed(which):
        print(f"skipped: {which} is not installed; ./dev test-all does it (test/oracles/install.sh)")
        sys.exit(77)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    catalog = engines.Catalog(folder / "engines.db")
    with engines.ENGINES[which](catalog) as engine:
        lake, readers = golden.Lake(tool, folder), EngineReaders(engine, catalog)
        for test in golden.TESTS:
            print(f"-- {test.__name__}", flush=True)
            test(lake, readers)
    print(f"{len(readers.names)} states of tables, {readers.queries} filters by {which}")


if __name__ == "__main__":
    main()
