"""Spark and Trino as readers of our tables, for the nightly tests. install.sh puts them below $TARN_DEPS_DIR.

Both read an Iceberg catalog in a SQLite file, the one of Iceberg's JDBC catalog, in which `Catalog` registers a table by
its metadata file; so an engine sees exactly the snapshot that file is at. Every value comes in one form, `canonical`,
which keeps the sign of a zero and tells NaN from null. An engine is a process of ours, ended by its id."""
import base64
import datetime as dt
import decimal
import json
import os
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
import urllib.request
import uuid
from pathlib import Path

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
MICROSECOND = dt.timedelta(microseconds=1)


def deps():
    return Path(os.environ.get("TARN_DEPS_DIR", ".deps"))


def installed(name):
    return any((deps() / name).glob(".ok.*"))


# --- one form for a value --------------------------------------------------------------------------------------------
def scale_of(kind):
    return int(kind[:-1].split(",")[1])


def canonical(kind, value):
    """A value of an Iceberg type (as in the metadata's JSON) from what Python, `tarn sql` or an engine has for it."""
    if value is None:
        return None
    if isinstance(kind, dict):
        return nested(kind, value)
    if kind in ("int", "long"):
        return int(value)
    if kind in ("float", "double"):
        return float(value)
    if kind == "uuid":
        return value.hex if isinstance(value, uuid.UUID) else str(value).replace("-", "").lower()
    if kind.startswith("decimal"):
        return f"{decimal.Decimal(value):.{scale_of(kind)}f}"
    if kind == "timestamptz":
        return micros_of(value)
    if kind == "date":
        return days_of(value)
    if kind in ("binary",) or kind.startswith("fixed"):
        return base64.b64encode(value).decode() if isinstance(value, bytes) else value
    return value


def nested(kind, value):
    if kind["type"] == "struct":
        values = value if isinstance(value, dict) else {f["name"]: v for f, v in zip(kind["fields"], value)}
        return {f["name"]: canonical(f["type"], values[f["name"]]) for f in kind["fields"]}
    if kind["type"] == "list":
        return [canonical(kind["element"], item) for item in value]
    pairs = value.items() if isinstance(value, dict) else value
    return sorted([canonical(kind["key"], k), canonical(kind["value"], v)] for k, v in pairs)


def micros_of(value):
    if isinstance(value, dt.datetime):
        return (value - EPOCH) // MICROSECOND
    if isinstance(value, str) and value.endswith(" UTC"):  # Trino
        seconds, _, fraction = value[:-4].partition(".")
        whole = dt.datetime.strptime(seconds, "%Y-%m-%d %H:%M:%S").replace(tzinfo=dt.timezone.utc)
        return (whole - EPOCH) // MICROSECOND + int(fraction.ljust(6, "0") or 0)
    return int(value)


def days_of(value):
    if isinstance(value, str):
        value = dt.date.fromisoformat(value)
    return (value - EPOCH.date()).days if isinstance(value, dt.date) else int(value)


def texts(rows, fields):
    """Rows (dicts) as sorted texts that are equal if and only if the values are."""
    return sorted(json.dumps({f["name"]: canonical(f["type"], row[f["name"]]) for f in fields}, sort_keys=True)
                  for row in rows)


# --- the tables ------------------------------------------------------------------------------------------------------
def metadata_of(location):
    return json.loads(Path(location.removeprefix("file://")).read_text(encoding="utf-8"))


def fields_of(metadata):
    """The columns of the current schema."""
    return next(s for s in metadata["schemas"] if s["schema-id"] == metadata["current-schema-id"])["fields"]


class Catalog:
    """Iceberg's JDBC catalog in a SQLite file: a table is a name and the path of a metadata file."""

    def __init__(self, path):
        self.path = Path(path)
        with sqlite3.connect(self.path) as db:
            db.execute("CREATE TABLE iceberg_tables (catalog_name VARCHAR(255) NOT NULL, table_namespace VARCHAR(255) "
                       "NOT NULL, table_name VARCHAR(255) NOT NULL, metadata_location VARCHAR(1000), "
                       "previous_metadata_location VARCHAR(1000), iceberg_type VARCHAR(5), "
                       "PRIMARY KEY (catalog_name, table_namespace, table_name))")
            db.execute("CREATE TABLE iceberg_namespace_properties (catalog_name VARCHAR(255) NOT NULL, namespace "
                       "VARCHAR(255) NOT NULL, property_key VARCHAR(255), property_value VARCHAR(1000), "
                       "PRIMARY KEY (catalog_name, namespace, property_key))")
        db.close()

    def register(self, namespace, table, location):
        """The table's name in SQL."""
        with sqlite3.connect(self.path, timeout=30) as db:
            db.execute("INSERT OR REPLACE INTO iceberg_tables VALUES ('lake', ?, ?, ?, NULL, 'TABLE')",
                       (namespace, table, location if "://" in location else f"file://{location}"))
            db.execute("INSERT OR REPLACE INTO iceberg_namespace_properties VALUES ('lake', ?, 'exists', 'true')",
                       (namespace,))
        db.close()
        return f"lake.{namespace}.{table}"


# --- the engines -----------------------------------------------------------------------------------------------------
class Engine:
    """A process with a folder of its own for its files and its log. A context manager."""

    def __init__(self, name, start_seconds=240):
        self.name, self.start_seconds = name, start_seconds
        self.folder = tempfile.TemporaryDirectory(prefix=f"tarn_{name}_")
        self.log = Path(self.folder.name) / "log"
        self.child = None

    def spawn(self, command, environment=None):
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                          env=dict(os.environ, **environment or {}), start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Its input's end is the sign; what has not ended after 20 s is killed, with what it started (its own group)."""
        child, self.child = self.child, None
        if child is not None:
            child.stdin.close()
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                pass
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            child.wait()
            child.stdout.close()
        self.folder.cleanup()

    def tail(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])

    def one(self, statement):
        return self.ask(statement)[0]

    def rows(self, table, fields, where=""):
        """All rows, in canonical form, as sorted texts."""
        names = ", ".join(self.quoted(f["name"]) for f in fields)
        found = self.ask(f"SELECT {names} FROM {table} {where}")
        return texts([dict(zip((f["name"] for f in fields), row)) for row in found], fields)


class Spark(Engine):
    def __init__(self, catalog):
        super().__init__("spark")
        root = deps() / "spark"
        jars = ",".join(str(jar.resolve()) for jar in sorted((root / "lib").glob("*.jar")))
        self.spawn([root / "venv/bin/python", Path(__file__).parent / "spark/spark_shell.py", catalog.path.resolve(),
                    self.folder.name, jars], {"TZ": "UTC", "SPARK_LOCAL_IP": "127.0.0.1"})

    def ask(self, statement, seconds=240):
        # A Spark that hangs is killed, and its pipe's end is then the answer.
        watch = threading.Timer(seconds, lambda: os.killpg(self.child.pid, signal.SIGKILL))
        watch.start()
        try:
            self.child.stdin.write(json.dumps(statement).encode() + b"\n")
            self.child.stdin.flush()
            line = self.child.stdout.readline()
        finally:
            watch.cancel()
        if not line:
            raise AssertionError(f"Spark ended:\n{self.tail()}")
        answer = json.loads(line)
        if "error" in answer:
            raise AssertionError(f"Spark on {statement}: {answer['error']}")
        return answer["rows"]

    @staticmethod
    def quoted(name):
        return f"`{name}`"

    @staticmethod
    def at(table, snapshot):
        return f"{table} VERSION AS OF {snapshot}"

    @staticmethod
    def literal(kind, text):
        return {"timestamptz": f"TIMESTAMP '{text}+00:00'"}.get(kind, f"'{text}'")


class Trino(Engine):
    def __init__(self, catalog):
        super().__init__("trino")
        root, ready = deps() / "trino", Path(self.folder.name) / "url"
        self.spawn([root / "java/bin/java", "-Xmx1g", "--add-modules", "jdk.incubator.vector", "--add-opens",
                    "java.base/java.nio=ALL-UNNAMED", "-cp", f"{root}/classes:{root}/lib/*", "TrinoServer",
                    catalog.path.resolve(), self.folder.name, ready])
        threading.Thread(target=self._drain, args=(self.child.stdout,), daemon=True).start()
        deadline = time.monotonic() + self.start_seconds
        while not ready.exists():
            if self.child.poll() is not None or time.monotonic() > deadline:
                told = self.tail()
                self.close()
                raise AssertionError(f"Trino did not start:\n{told}")
            time.sleep(0.1)
        self.url = ready.read_text(encoding="utf-8")

    def _drain(self, out):
        try:
            for _ in out:
                pass
        except ValueError:
            pass  # closed

    def _call(self, url, statement=None):
        request = urllib.request.Request(url, None if statement is None else statement.encode())
        request.add_header("X-Trino-User", "tarn")
        request.add_header("X-Trino-Time-Zone", "UTC")
        request.add_header("X-Trino-Client-Capabilities", "PARAMETRIC_DATETIME")  # microseconds
        with urllib.request.urlopen(request, timeout=120) as response:
            return json.load(response)

    @staticmethod
    def _reasons(error):
        reasons, cause = [error["message"]], error.get("failureInfo", {}).get("cause")
        while cause:
            reasons.append(f"{cause.get('type')}: {cause.get('message')}")
            cause = cause.get("cause")
        return "; ".join(reasons)

    def ask(self, statement):
        answer, rows = self._call(f"{self.url}/v1/statement", statement), []
        while True:
            if "error" in answer:
                raise AssertionError(f"Trino on {statement}: {self._reasons(answer['error'])}")
            rows += answer.get("data") or []
            if "nextUri" not in answer:
                return rows
            answer = self._call(answer["nextUri"])

    @staticmethod
    def quoted(name):
        return f'"{name}"'

    @staticmethod
    def at(table, snapshot):
        return f"{table} FOR VERSION AS OF {snapshot}"

    @staticmethod
    def literal(kind, text):
        return {"timestamptz": f"TIMESTAMP '{text} UTC'", "uuid": f"UUID '{text}'"}.get(kind, f"'{text}'")


ENGINES = {"spark": Spark, "trino": Trino}
