"""What the end-to-end tests share: a project in a folder of its own, its server and agents as
processes, writers of numbered log lines, and readers of the lake that are not ours.

Environment: TARN_BIN_DIR, the folder of tarn and tarn-agent; TARN_SOURCE_DIR, the repository;
TARN_E2E_SEED, the seed of everything drawn (printed; the default is 1). Waiting is always for a
condition with a deadline. Test files end with `harness.main()`: exit status 77 if all was skipped.
"""
import collections
import contextlib
import ctypes
import datetime
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request
import zlib
from pathlib import Path

import zstandard

HERE = Path(__file__).resolve().parent
SOURCE_DIR = Path(os.environ.get("TARN_SOURCE_DIR", HERE.parent.parent))
BIN = Path(os.environ.get("TARN_BIN_DIR", SOURCE_DIR / "build/release/bin"))
TARN, AGENT = str(BIN / "tarn"), str(BIN / "tarn-agent")
SEED = int(os.environ.get("TARN_E2E_SEED", "1"))
COMBINED = '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"'
SKIPPED = 77

# Where it is ignored, as in the background of a script, so would be what the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


def main():
    print(f"seed {SEED}", flush=True)
    program = unittest.main(module="__main__", verbosity=2, exit=False)
    result = program.result
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(SKIPPED if result.testsRun and result.testsRun == len(result.skipped) else 0)


def wait_for(what, condition, seconds=30):
    """The first true answer of `condition`."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain for {what}")
        time.sleep(0.03)


def wait_busy(pid):
    """Until the process has worked for half a second more."""
    def worked():
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return int(stat.read().rsplit(")", 1)[1].split()[11])
    before = worked()
    wait_for("the process to be busy", lambda: worked() > before + 50)


def interrupt(child):
    """Ctrl-C that has been taken: a signal that comes while one is pending is none."""
    child.send_signal(signal.SIGINT)

    def taken():
        with open(f"/proc/{child.pid}/status", encoding="ascii") as status:
            pending = [int(line.split()[1], 16) for line in status
                       if line.startswith(("SigPnd:", "ShdPnd:"))]
        return not any(mask >> signal.SIGINT - 1 & 1 for mask in pending)
    wait_for("the signal to be taken", taken)


def free_port():
    """Below the range the kernel gives to clients: an agent that knocks at a dead server must not
    end up holding (or talking to) the port itself."""
    draw = random.Random()
    while True:
        port = draw.randrange(20_000, 32_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Process:
    """One program, restarted at will; its standard error is appended to a file."""

    def __init__(self, command, log):
        self.command, self.log = command, Path(log)
        self.child = None

    def start(self):
        assert self.child is None, "it runs already"
        with open(self.log, "ab") as err:
            self.child = subprocess.Popen(self.command, stdout=err, stderr=err,
                                          stdin=subprocess.DEVNULL, preexec_fn=_die_with_parent)
        return self

    def running(self):
        return self.child is not None and self.child.poll() is None

    def kill(self):
        """kill -9."""
        if self.child is None:
            return
        self.child.kill()
        self.child.wait()
        self.child = None

    def stop(self, seconds=30):
        """SIGTERM; the exit status."""
        child, self.child = self.child, None
        child.send_signal(signal.SIGTERM)
        try:
            return child.wait(seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            raise AssertionError(f"{self.command[0]} did not end within {seconds} s") from None

    def wait(self, seconds=30):
        """For its own end; the exit status."""
        child, self.child = self.child, None
        return child.wait(seconds)

    def tail(self, lines=15):
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)


class Project:
    """A project folder made by `tarn init`, with a tarn.yaml of the test's own."""

    def __init__(self, folder, sources=None, buffer_age="300ms", extra=""):
        self.folder = Path(folder)
        self.agents_folder = self.folder / "agents"
        self.port = free_port()
        made = tarn("init", self.folder, "--json")
        assert made.returncode == 0, made.stderr
        keys = json.loads(made.stdout)
        self.admin_key, self.ingest_key = keys["admin_key"], keys["ingest_key"]
        self.sources = sources or {"web_log": "combined"}
        self.configure(buffer_age=buffer_age, extra=extra)
        self.server = Process([TARN, "serve", str(self.folder)], self.folder / "serve.log")

    def configure(self, buffer_age="300ms", extra=""):
        text = (f"name: e2e\nlisten:\n  port: {self.port}\nlanding:\n  buffer_age: {buffer_age}\n"
                f"sources:\n")
        for name, format_text in self.sources.items():
            quoted = format_text.replace("'", "''")
            text += f"  {name}:\n    format: '{quoted}'\n    land: [parquet, json]\n"
        (self.folder / "tarn.yaml").write_text(text + extra)

    # The server.
    def start(self, ready=True):
        self.server.start()
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self, seconds=60):
        def up():
            assert self.server.running(), f"the server ended:\n{self.server.tail()}"
            return self.get("/ready").status == 200
        wait_for("the server to be ready", up, seconds)

    def request(self, method, path, body=None, key=None, headers=None, timeout=70):
        """Status 0: no answer."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, method=method)
        if key:
            request.add_header("Authorization", "Bearer " + key)
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return Answer(response.status, dict(response.headers), response.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, dict(error.headers), error.read())
        except (OSError, urllib.error.URLError) as error:
            return Answer(0, {}, str(error).encode())

    def get(self, path, key=None):
        return self.request("GET", path, key=key)

    def flush(self):
        return self.request("POST", "/v1/flush", b"", key=self.admin_key)

    def status(self):
        answer = self.get("/v1/status", self.admin_key)
        return answer.json() if answer.status == 200 else {}

    def rows(self, dataset):
        zone, name = dataset.split(".")
        for entry in self.status().get("datasets", []):
            if (entry["zone"], entry["name"]) == (zone, name):
                return entry["rows"]
        return -1

    def wait_rows(self, dataset, rows, seconds=60):
        """At least so many; the tests count exactly afterwards."""
        seen = 0

        def there():
            nonlocal seen
            seen = self.rows(dataset)
            return seen >= rows
        try:
            wait_for(f"{rows} rows in {dataset}", there, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; there are {seen}\nstatus {self.get('/ready').body}\n"
                                 f"{self.server.tail()}") from None

    # The lake, as `tarn` and as others read it.
    def sql(self, statement, check=True):
        done = tarn("sql", self.folder, statement, "--format", "json")
        if not check:
            return done
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def metadata(self, dataset):
        """The path of the table's Iceberg metadata file."""
        done = tarn("dataset", dataset, self.folder, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["metadata_location"]

    def json_records(self, source="web_log"):
        """The records of all JSON objects of the raw zone, in no order."""
        for path in sorted((self.folder / "lake/raw" / source / "json").rglob("*.json.zst")):
            with open(path, "rb") as packed:
                text = zstandard.ZstdDecompressor().stream_reader(packed).read()
            for line in text.splitlines():
                yield json.loads(line)

    def catalog(self, statement):
        """Rows of the catalog's own tables, read beside the server."""
        path = self.folder / "state/catalog.db"
        with contextlib.closing(
                sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as db:
            return db.execute(statement).fetchall()

    # Agents.
    def agent(self, name, paths=(), source="web_log", format_text="combined", flows=(), **settings):
        """`flows`: (source, paths, format) each, instead of the one of the other arguments."""
        folder = self.agents_folder / name
        folder.mkdir(parents=True, exist_ok=True)
        all_settings = {"key": self.ingest_key, "host": name, "state_dir": f"{folder}/state",
                        "batch_age": "50ms", **settings}
        text = f"server: ['http://127.0.0.1:{self.port}']\n"
        text += "".join(f"{key}: {value}\n" for key, value in all_settings.items())
        text += "flows:\n"
        for flow_source, flow_paths, flow_format in flows or [(source, paths, format_text)]:
            listed = ", ".join(f"'{path}'" for path in flow_paths)
            quoted = flow_format.replace("'", "''")
            text += f"  - source: {flow_source}\n    paths: [{listed}]\n    format: '{quoted}'\n"
        (folder / "agent.yaml").write_text(text)
        return Process([AGENT, "--config", str(folder / "agent.yaml")], folder / "agent.log")


def tarn(*arguments, cwd=None):
    return subprocess.run([TARN, *map(str, arguments)], capture_output=True, text=True, cwd=cwd,
                          errors="replace", timeout=120, check=False)


def contents(folder):
    """Of all files, but for what readers of the catalog leave beside it."""
    return {str(path): zlib.crc32(path.read_bytes()) if path.is_file() else None
            for path in folder.rglob("*") if not path.name.startswith("catalog.db-")}


class Case(unittest.TestCase):
    """A test with a temporary folder; everything it started is ended with it. The folder stays if
    the test failed."""

    def setUp(self):
        self.work = Path(tempfile.mkdtemp(prefix="tarn_e2e_"))
        self.random = random.Random(f"{SEED} {self.id()}")
        self.processes, self.writers = [], []
        self.addCleanup(self._clean)

    def project(self, folder=None, **options):
        project = Project(folder or self.work / "shop", **options)
        self.processes.append(project.server)
        return project

    def agent(self, project, name, paths=(), **options):
        agent = project.agent(name, paths, **options)
        self.processes.append(agent)
        return agent

    def writer(self, path, name, **options):
        writer = Writer(path, name, random.Random(f"{SEED} {name}"), **options)
        self.writers.append(writer)
        return writer

    def _clean(self):
        for writer in self.writers:
            writer.finish()
        for process in self.processes:
            process.kill()
        outcome = self._outcome.result
        if any(test is self for test, _ in outcome.failures + outcome.errors):
            print(f"kept {self.work}", flush=True)
        else:
            shutil.rmtree(self.work, ignore_errors=True)


def shared_data():
    """The folder of public test data beside the repository, or None."""
    for above in (SOURCE_DIR / "../shared/data", SOURCE_DIR / "../../shared/data"):
        if (above / "weblogs").is_dir():
            return above.resolve()
    return None


def log_line(number, name, when=None, status=200, size=None):
    """A combined line; name and number make it unique, and stand in its path."""
    when = when or datetime.datetime.now(datetime.timezone.utc)
    return (f"198.51.100.{number % 250} - - [{when.strftime('%d/%b/%Y:%H:%M:%S %z')}] "
            f'"GET /p/{name}/{number} HTTP/1.1" {status} {number if size is None else size} '
            f'"-" "e2e/{name}"\n')


def bad_line(number, name):
    return f"no log line at all: {name} {number}\n"


def id_of(text):
    """'w1 17' of a line made by log_line or bad_line."""
    if text.startswith("no log line"):
        return text.split(": ")[1].strip()
    path = text.split('"')[1].split()[1]
    return " ".join(path.split("/")[2:4])


class Writer(threading.Thread):
    """Appends numbered lines until told to stop; one line in `bad_every` (drawn) is no log line."""

    def __init__(self, path, name, draw, most_lines=60, pause=0.02, bad_every=200):
        super().__init__(daemon=True)
        self.path, self.name_, self.random = Path(path), name, draw
        self.most_lines, self.pause, self.bad_every = most_lines, pause, bad_every
        self.lock = threading.Lock()
        self.count = self.bytes = 0
        self.bad = set()
        self.stopped = threading.Event()

    def make(self, lines):
        out = []
        for number in range(self.count, self.count + lines):
            if self.bad_every and self.random.randrange(self.bad_every) == 0:
                self.bad.add(f"{self.name_} {number}")
                out.append(bad_line(number, self.name_))
            else:
                out.append(log_line(number, self.name_))
        self.count += lines
        return "".join(out).encode()

    def append(self, lines):
        with self.lock:
            data = self.make(lines)
            self.bytes += len(data)
            with open(self.path, "ab") as out:
                out.write(data)

    def between(self):
        """What a subclass does between two writes."""

    def run(self):
        while not self.stopped.is_set():
            self.append(self.random.randint(1, self.most_lines))
            self.between()
            self.stopped.wait(self.random.random() * self.pause)

    def finish(self):
        self.stopped.set()
        if self.is_alive():
            self.join()

    def ids(self):
        return {f"{self.name_} {number}" for number in range(self.count)}


def ids_from_sql(project, statement):
    return collections.Counter(id_of(row["line"]) for row in project.sql(statement))


def assert_exactly_once(case, project, writers, source="web_log"):
    """Every line of the writers is once in raw, once in its JSON objects, and once in clean or in
    quarantine; the catalog's watermarks and position agree with what was written."""
    everything = set().union(*(writer.ids() for writer in writers))
    bad = set().union(*(writer.bad for writer in writers))
    good = everything - bad
    raw = ids_from_sql(project, f"SELECT _raw AS line FROM raw.{source}")
    compare(case, "raw", raw, everything)
    compare(case, "JSON objects", collections.Counter(
        id_of(record["_raw"]) for record in project.json_records(source)), everything)
    clean = collections.Counter(" ".join(row["path"].split("/")[2:4])
                                for row in project.sql(f"SELECT path FROM clean.{source}"))
    compare(case, "clean", clean, good)
    compare(case, "quarantine",
            ids_from_sql(project, f"SELECT _raw AS line FROM quarantine.{source}"), bad)
    sums = project.sql(f"SELECT count(*) n, sum(bytes) b, count(_error) e FROM raw.{source}")[0]
    expected = sum(int(line.split()[1]) for line in good)
    case.assertEqual((int(sums["n"]), int(sums["b"] or 0), int(sums["e"])),
                     (len(everything), expected, len(bad)))
    return len(everything), len(bad)


def compare(case, where, seen, expected):
    lost = sorted(expected - seen.keys())
    doubled = sorted(key for key, count in seen.items() if count > 1)
    foreign = sorted(seen.keys() - expected)
    case.assertEqual((len(lost), len(doubled), len(foreign)), (0, 0, 0),
                     f"{where}: lost {lost[:5]}, doubled {doubled[:5]}, foreign {foreign[:5]}")


def assert_positions_agree(case, project, writers, source="web_log"):
    """The watermarks of each host add up to the bytes its writer wrote, each ends where raw's last
    line of the file ends, and the landing is at the journal's end."""
    marks = project.catalog(
        f"SELECT host, file_id, end_offset FROM watermark WHERE source = '{source}'")
    per_host = collections.Counter()
    for host, _, end in marks:
        per_host[host] += end
    case.assertEqual(dict(per_host), {w.name_: w.bytes for w in writers})
    ends = project.sql(f"SELECT _source h, _file_id f, max(_position + octet_length(encode(_raw)) + 1)"
                       f" e FROM raw.{source} GROUP BY 1, 2")
    case.assertEqual(sorted((h, f, e) for h, f, e in marks),
                     sorted((row["h"], row["f"], int(row["e"])) for row in ends))
    status = project.status()
    case.assertEqual(status["landing"]["waiting"], 0)
    position = project.catalog("SELECT position FROM pipeline WHERE pipeline = 'landing'")[0][0]
    case.assertEqual(int(position), status["journal"]["end"])
