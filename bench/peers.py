"""The programs run.py measures beside us. Each entry is (name, function that answers a Usage or None if it is missing,
remark: what it does, or why it was skipped)."""
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

REGEXP = (r'^(\S+) (\S+) (.+?) \[([^\]]+)\] "((?:[^"\\]|\\.)*)" (\d{3}) (\d+|-) "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)"$')
NAMES = "['host', 'ident', 'user', 'time', 'request', 'status', 'bytes', 'referer', 'agent']"
LINES = "read_csv('LOG', columns = {'line': 'VARCHAR'}, delim = '\x01', quote = '', escape = '', header = false)"
TYPED = """
  f.host, f.ident, nullif(f.user, '-') AS user, strptime(f.time, '%d/%b/%Y:%H:%M:%S %z') AS time,
  split_part(f.request, ' ', 1) AS method, split_part(split_part(f.request, ' ', 2), '?', 1) AS path,
  split_part(split_part(f.request, ' ', 2), '?', 2) AS query, split_part(f.request, ' ', 3) AS protocol,
  f.status::SMALLINT AS status, TRY_CAST(f.bytes AS BIGINT) AS bytes, nullif(f.referer, '-') AS referer, f.agent"""
BY_REGEXP = ("SELECT " + TYPED + " FROM (SELECT regexp_extract(line, '" + REGEXP.replace("'", "''") + "', " + NAMES +
             ") AS f FROM " + LINES + ") WHERE f.status <> ''")
BY_SPLIT = """SELECT split_part(line, ' ', 1) AS host, split_part(line, ' ', 3) AS user,
  TRY_STRPTIME(split_part(split_part(line, '[', 2), ']', 1), '%d/%b/%Y:%H:%M:%S %z') AS time,
  split_part(r, ' ', 1) AS method, split_part(split_part(r, ' ', 2), '?', 1) AS path,
  split_part(split_part(r, ' ', 2), '?', 2) AS query, split_part(r, ' ', 3) AS protocol,
  TRY_CAST(split_part(s, ' ', 2) AS SMALLINT) AS status, TRY_CAST(split_part(s, ' ', 3) AS BIGINT) AS bytes,
  split_part(line, '"', 4) AS referer, split_part(line, '"', 6) AS agent
  FROM (SELECT line, split_part(line, '"', 2) AS r, split_part(line, '"', 3) AS s FROM """ + LINES + ")"

RSYSLOG = """
module(load="imfile" mode="polling" pollingInterval="1")
module(load="mmnormalize")
main_queue(queue.size="200000" queue.dequeueBatchSize="2048" queue.workerThreads="1")
template(name="json" type="list") {{ property(name="$!all-json-plain") constant(value="\\n") }}
ruleset(name="log" queue.type="direct") {{
  action(type="mmnormalize" ruleBase="{dir}/combined.rulebase" useRawMsg="off")
  action(type="omfile" file="{out}" template="json" ioBufferSize="256k" flushOnTXEnd="off")
}}
input(type="imfile" file="{log}" tag="web" ruleset="log" maxLinesAtOnce="100000" readMode="0")
"""
RULEBASE = """version=2
rule=:%host:word% %ident:word% %user:word% [%time:char-to{"extradata":"]"}%] "%request:char-sep{"extradata":"\\""}%" %status:word% %bytes:word% "%referer:char-sep{"extradata":"\\""}%" "%agent:char-sep{"extradata":"\\""}%"
"""


def has_duckdb():
    return importlib.util.find_spec("duckdb") is not None


def duckdb_run(measure, log, select, target, threads=1):
    statement = f"SET threads = {threads}; COPY ({select.replace('LOG', log)}) TO {target}"
    return measure([sys.executable, "-c", "import duckdb, sys\nfor s in sys.argv[1].split('; '): duckdb.sql(s)", statement])


def rsyslog(folder, log, measure, lines):
    """Runs until its output has every line; rsyslog itself does not know an end."""
    work = f"{folder}/rsyslog"
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(f"{work}/spool")
    out = f"{work}/out.json"
    with open(f"{work}/combined.rulebase", "w") as file:
        file.write(RULEBASE)
    with open(f"{work}/rsyslog.conf", "w") as file:
        file.write(f'global(workDirectory="{work}/spool" maxMessageSize="64k")\n' +
                   RSYSLOG.format(dir=work, out=out, log=log))
    stop = threading.Event()

    def end_when_done():
        size, since = -1, time.time()
        while not stop.is_set():
            time.sleep(0.5)
            now = os.path.getsize(out) if os.path.exists(out) else 0
            if now != size:
                size, since = now, time.time()
            elif (now > 0 and time.time() - since > 3) or time.time() - since > 20:
                with open(f"{work}/pid") as pid:
                    os.kill(int(pid.read()), signal.SIGTERM)
                return

    watcher = threading.Thread(target=end_when_done)
    watcher.start()
    try:
        usage = measure(["/usr/sbin/rsyslogd", "-n", "-f", f"{work}/rsyslog.conf", "-i", f"{work}/pid"], check=False)
    finally:
        stop.set()
        watcher.join()
    done = int(subprocess.run(["wc", "-l", out], capture_output=True, text=True).stdout.split()[0]) if os.path.exists(
        out) else 0
    shutil.rmtree(work, ignore_errors=True)
    if done < lines * 0.99:
        raise RuntimeError(f"rsyslog wrote {done} of {lines} lines")
    return usage


def parse(folder, log, measure, lines):
    """Log text to fields."""
    peers = []
    if os.path.exists("/usr/sbin/rsyslogd"):
        peers.append(("rsyslog mmnormalize → JSON", lambda: rsyslog(folder, log, measure, lines), "untyped fields"))
    else:
        peers.append(("rsyslog", None, "not installed (bench/peers.sh)"))
    if shutil.which("goaccess"):
        command = ["goaccess", log, "--log-format=COMBINED", "--no-global-config", "--no-progress", "-o",
                   f"{folder}/goaccess.json"]
        peers.append(("GoAccess → report", lambda: measure(command), "counts, no records"))
    else:
        peers.append(("GoAccess", None, "not installed (bench/peers.sh)"))
    if has_duckdb():
        peers.append(("DuckDB regexp → JSON", lambda: duckdb_run(
            measure, log, BY_REGEXP, f"'{folder}/duckdb.json' (FORMAT json)"), "typed, 1 thread"))
        peers.append(("DuckDB split_part → JSON", lambda: duckdb_run(
            measure, log, BY_SPLIT, f"'{folder}/duckdb.json' (FORMAT json)"), "typed, 1 thread, wrong on escaped quotes"))
    else:
        peers.append(("DuckDB", None, "no Python module (bench/peers.sh)"))
    peers.append(("awk by host", lambda: measure(
        ["awk", "{n[$1]++} END {for (h in n) c++; print c}", log]), "only counts: the shell's floor"))
    peers.append(("grep -c", lambda: measure(["grep", "-c", '" 200 ', log]), "only counts: the shell's floor"))
    return peers


def to_parquet(folder, log, measure):
    """Log text to Parquet zstd."""
    if not has_duckdb():
        return [("DuckDB", None, "no Python module (bench/peers.sh)")]
    target = f"'{folder}/duckdb.parquet' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
    return [("DuckDB regexp", lambda: duckdb_run(measure, log, BY_REGEXP, target), "1 thread"),
            ("DuckDB split_part", lambda: duckdb_run(measure, log, BY_SPLIT, target), "1 thread")]
