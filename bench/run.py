"""The figures of bench/run.sh. One function a figure; each adds rows to the table."""
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import peers  # noqa: E402

BUILD = sys.argv[1] if len(sys.argv) > 1 else "build/release"
BIN = os.path.abspath(os.path.join(BUILD, "bin"))
DIR = os.path.abspath(os.environ.get("TARN_BENCH_DIR", "build/bench-data"))
PEERS = os.path.abspath(os.environ.get("TARN_PEERS_DIR", f"{DIR}/peers"))
FULL = os.environ.get("BENCH_FULL") == "1"
MB = int(os.environ.get("BENCH_MB", "1024" if FULL else "256"))
RUNS = int(os.environ.get("BENCH_RUNS", "3"))
HERE = os.path.dirname(os.path.abspath(__file__))


class Usage:
    """What a command took: CPU and wall seconds, peak MB, children included."""

    def __init__(self, cpu, wall, peak, out=""):
        self.cpu, self.wall, self.peak, self.out = cpu, wall, peak, out


def measure(command, stdout=None, check=True):
    report = os.path.join(DIR, "measure.txt")
    done = subprocess.run([f"{BIN}/bench_measure", report] + command, stdin=subprocess.DEVNULL,
                          stdout=stdout or subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if check and done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr[-400:]}")
    cpu, wall, peak, _ = open(report).read().split()
    return Usage(float(cpu), float(wall), float(peak), done.stdout or "")


def in_turns(commands, runs=None):
    """{name: function} → {name: best Usage by CPU}; a round runs each once, so that a disturbance hits all."""
    best = {}
    for _ in range(runs or RUNS):
        for name, run in commands.items():
            usage = run()
            if name not in best or usage.cpu < best[name].cpu:
                best[name] = usage
    return best


class Table:
    HEAD = ("figure", "ours", "peer", "ratio", "CPU s", "wall s", "peak MB", "remarks")

    def __init__(self):
        self.rows = []

    def add(self, figure, ours, peer="", ratio="", cpu="", wall="", peak="", remarks=""):
        row = [figure, ours, peer, ratio, cpu, wall, peak, remarks]
        self.rows.append([f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in row])
        print("  " + " · ".join(cell for cell in self.rows[-1] if cell), file=sys.stderr, flush=True)

    def rates(self, figure, size, best, ours, remarks):
        """A row of ours, and one for each peer with the ratio ours / peer, in MB per CPU second."""
        mine = size / best[ours].cpu
        for name, usage in best.items():
            rate = size / usage.cpu
            is_ours = name == ours
            self.add(figure, f"{mine:.0f} MB/s" if is_ours else "", "" if is_ours else f"{name}: {rate:.1f} MB/s",
                     "" if is_ours else f"{mine / rate:.1f}x", usage.cpu, usage.wall, f"{usage.peak:.0f}",
                     remarks.get(name, ""))

    def text(self):
        rows = [list(self.HEAD)] + self.rows
        widths = [max(len(row[i]) for row in rows) for i in range(len(self.HEAD))]
        lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths)) + " |" for row in rows]
        lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
        return "\n".join(lines)


def log_file(mb):
    path = f"{DIR}/access-{mb}.log"
    if not os.path.exists(path):
        subprocess.run([f"{BIN}/bench_access_log", "generate", path + ".new", str(mb << 20)], check=True,
                       stdout=subprocess.DEVNULL)
        os.rename(path + ".new", path)
    return path


def md5(path):
    return subprocess.run(["md5sum", path], capture_output=True, text=True, check=True).stdout.split()[0]


def count_lines(path):
    return int(subprocess.run(["wc", "-l", path], capture_output=True, text=True, check=True).stdout.split()[0])


# --- B1 --------------------------------------------------------------------------------------------------------------
def parse(table):
    log = log_file(MB)
    size, lines = os.path.getsize(log) / 1e6, count_lines(log)
    out, rejects = f"{DIR}/parsed.json", f"{DIR}/rejects.log"
    command = [f"{BIN}/tarn", "parse", "--format", "combined", "--out", out, "--rejects", rejects, log]
    best = in_turns({"tarn parse": lambda: measure(command)})
    good, bad = count_lines(out), count_lines(rejects)
    check = f"{good} + {bad} rejected of {lines} lines"
    if good + bad != lines:
        check = "WRONG: " + check
    remarks = {"tarn parse": f"{check}; {lines / best['tarn parse'].cpu / 1e6:.1f} M lines/s"}
    for name, run, remark in peers.parse(DIR, log, measure, lines):
        if run is None:
            table.add("B1 log → typed JSON", "", f"{name}: skipped", remarks=remark)
            continue
        best.update(in_turns({name: run}, 1 if name not in ("grep -c", "awk by host") else RUNS))
        remarks[name] = remark
    table.rates("B1 log → typed JSON", size, best, "tarn parse", remarks)
    for path in (out, rejects):
        os.remove(path)


# --- B2 --------------------------------------------------------------------------------------------------------------
def agent(table):
    log = log_file(MB)
    done = subprocess.run([sys.executable, f"{HERE}/agent_bench.py", f"{BIN}/tarn-agent", "--mb", str(MB),
                           "--live-seconds", "10", "--log", log], capture_output=True, text=True,
                          env=dict(os.environ, TMPDIR=DIR))
    if done.returncode != 0:
        table.add("B2 agent", "failed", remarks=done.stderr[-200:])
        return
    for line in done.stdout.splitlines():
        what, _, value = line.partition(":")
        table.add(f"B2 agent, {what}", value.strip(), remarks="ships lines, zstd; the server parses")
    for name, built in (("Fluent Bit", "fluent-bit"), ("Kinesis Agent", "kinesis-agent")):
        if not os.path.isdir(f"{PEERS}/{built}"):
            table.add("B2 agent", "", f"{name}: skipped", remarks="not built (bench/shippers.sh)")
            continue
        done = subprocess.run([sys.executable, f"{HERE}/shippers.py", built, PEERS, "--live-seconds", "10", "--log", log],
                              capture_output=True, text=True, env=dict(os.environ, TMPDIR=DIR))
        if done.returncode != 0:
            table.add("B2 agent", "", f"{name}: failed", remarks=done.stderr[-200:].replace("\n", " "))
        for line in done.stdout.splitlines():
            what, _, value = line.partition(":")
            figures, _, remarks = value.strip().partition("; ")
            table.add(f"B2 agent, {what}", "", f"{name}: {figures}", remarks=remarks)


# --- a server --------------------------------------------------------------------------------------------------------
class Server:
    """`tarn serve` on a project of its own below DIR."""

    def __init__(self, name, buffer_age="60s", buffer_size="64MB", land="parquet, json", core=None):
        self.folder = f"{DIR}/{name}"
        shutil.rmtree(self.folder, ignore_errors=True)
        made = subprocess.run([f"{BIN}/tarn", "init", self.folder, "--json"], capture_output=True, text=True, check=True)
        self.key = json.loads(made.stdout)["ingest_key"]
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        with open(f"{self.folder}/tarn.yaml", "w") as out:
            out.write(f"name: bench\nlisten: {{address: 127.0.0.1, port: {self.port}}}\n"
                      f"landing: {{buffer_size: {buffer_size}, buffer_age: {buffer_age}}}\n"
                      f"sources:\n  web_log: {{format: combined, land: [{land}]}}\n")
        command = ["taskset", "-c", str(core)] if core is not None else []
        self.log = open(f"{self.folder}/serve.log", "w")
        self.process = subprocess.Popen(command + [f"{BIN}/tarn", "serve", self.folder], stdout=self.log,
                                        stderr=subprocess.STDOUT)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"tarn serve did not start; see {self.folder}/serve.log")

    def status(self):
        done = subprocess.run([f"{BIN}/tarn", "status", self.folder, "--json"], capture_output=True, text=True)
        return json.loads(done.stdout)

    def cpu_and_peak(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        with open(f"/proc/{self.process.pid}/status") as status:
            peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), peak / 1024

    def threads(self):
        """CPU seconds by thread name."""
        seconds = {}
        for task in os.listdir(f"/proc/{self.process.pid}/task"):
            with open(f"/proc/{self.process.pid}/task/{task}/stat") as stat:
                text = stat.read()
            name = text[text.index("(") + 1:text.rindex(")")]
            fields = text.rsplit(")", 1)[1].split()
            seconds[name] = seconds.get(name, 0) + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return seconds

    def sql(self, text, *options):
        done = subprocess.run([f"{BIN}/tarn", "sql", self.folder, text, "--format", "csv", *options],
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return done.stdout.splitlines()[1]

    def stop(self, keep=False):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(120)
        self.log.close()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)
        return code


# --- B4 --------------------------------------------------------------------------------------------------------------
def ingest(table):
    log = log_file(MB)
    requests = 400_000 if FULL else 200_000
    runs = []
    for _ in range(RUNS):
        server = Server("ingest", core=0)
        try:
            before, _ = server.cpu_and_peak()
            done = subprocess.run(["taskset", "-c", "1", f"{BIN}/bench_ingest", log, str(server.port), server.key,
                                   str(requests), "256", "1024"], capture_output=True, text=True, check=True)
            run = json.loads(done.stdout)
            cpu, run["peak"] = server.cpu_and_peak()
            run["cpu"] = cpu - before
            run["threads"] = ", ".join(f"{k} {v:.1f}" for k, v in sorted(server.threads().items(), key=lambda t: -t[1])
                                       if v >= 0.1)
            # What was acknowledged is in the lake, all of it, once.
            rows = int(server.sql("SELECT count(*) FROM clean.web_log", "--fresh")) + int(
                server.sql("SELECT count(*) FROM quarantine.web_log"))
        finally:
            server.stop()
        run["check"] = "rows = lines" if rows == run["lines"] else f"WRONG: {rows} rows of {run['lines']} lines"
        runs.append(run)
    best = max(runs, key=lambda run: run["per_second"])
    table.add("B4 durable ingest, 256 connections, 1 KB", f"{best['per_second'] / 1e3:.1f} k/s", "", "", best["cpu"],
              best["seconds"], f"{best['peak']:.0f}",
              f"p50 {best['p50_ms']} p99 {best['p99_ms']} p99.9 {best['p999_ms']} ms; server on core 0, landing included "
              f"(CPU s: {best['threads']}); client {best['client_cpu_s']} CPU s on core 1; {best['check']}")


# --- B7 --------------------------------------------------------------------------------------------------------------
def landing(table):
    log = log_file(MB)
    size = os.path.getsize(log) / 1e6
    for mode in ("columns", "clean", "raw+clean", "raw+clean+json"):
        results = []

        def ours():
            usage = measure([f"{BIN}/bench_landing", log, DIR, mode])
            run = json.loads(usage.out)
            if mode != "columns":  # all of that program's work; the others make the batches first
                usage.cpu = usage.wall = run["cpu_s"]
            results.append(run)
            return usage

        runs = {"tarn": ours}
        skipped = []
        if mode == "columns":  # what the peers do, too
            for name, run, remark in peers.to_parquet(DIR, log, measure):
                if run is None:
                    skipped.append((name, remark))
                else:
                    runs[name] = run
        best = in_turns(runs)
        run = min(results, key=lambda r: r["cpu_s"])
        remarks = {"tarn": f"{run['lines'] / run['cpu_s'] / 1e6:.2f} M lines/s; decode {run['decode_s']} parse "
                           f"{run['parse_s']} clean {run['clean_s']} raw {run['raw_s']} json {run['json_s']} s; "
                           f"{run['files']} files, {run['stored_mb']} MB, {run['rejected']} rejected"}
        table.rates(f"B7 log → {mode}", size, best, "tarn", remarks)
        for name, remark in skipped:
            table.add(f"B7 log → {mode}", "", f"{name}: skipped", remarks=remark)


# --- history through the whole server --------------------------------------------------------------------------------
def backfill(table):
    """30 days of history in four files through agent and server: time until all of it can be read."""
    logs = f"{DIR}/backfill"
    shutil.rmtree(logs, ignore_errors=True)
    os.makedirs(logs)
    mb = 240
    lines = spread(log_file(MB), logs, mb, 30)
    for land in ("parquet, json", "parquet"):
        server = Server("backfill-lake", buffer_age="2s", land=land)
        try:
            with open(f"{logs}/agent.yaml", "w") as out:
                out.write(f"server: http://127.0.0.1:{server.port}\nkey: {server.key}\nhost: web-1\n"
                          f"state_dir: {logs}/state\nflows:\n  - source: web_log\n    paths: [{logs}/*.log]\n"
                          f"    format: combined\n")
            shutil.rmtree(f"{logs}/state", ignore_errors=True)
            started = time.time()
            agent_process = subprocess.Popen([f"{BIN}/tarn-agent", "--config", f"{logs}/agent.yaml"],
                                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            deadline, landed = started + 300, 0
            while time.time() < deadline and landed < lines:
                time.sleep(0.25)
                landed = sum(host["lines"] for source in server.status()["sources"] for host in source["hosts"])
            seconds = time.time() - started
            agent_process.terminate()
            agent_process.wait(20)
            cpu, peak = server.cpu_and_peak()
            files = sum(1 for _, _, names in os.walk(f"{server.folder}/lake") for name in names
                        if name.endswith((".parquet", ".zst")))
            commits = server.status().get("landing", {}).get("commits", "?")
            table.add(f"back-fill 30 days, land [{land}]", f"{seconds:.1f} s", "", "", cpu, seconds, f"{peak:.0f}",
                      f"{landed} of {lines} lines, {mb} MB in 4 files, {files} data files, {commits} commits")
        finally:
            server.stop()
    shutil.rmtree(logs, ignore_errors=True)


def spread(log, folder, mb, days):
    """Copies `mb` MB of log into four files whose times run over `days` days. Answers the number of lines."""
    months = "Nov"
    outs = [open(f"{folder}/web-{i}.log", "wb") for i in range(4)]
    size = written = lines = 0
    total = mb * 1_000_000
    with open(log, "rb") as source:
        while written < total:
            line = source.readline()
            if not line:
                source.seek(0)
                continue
            second = int(written / total * days * 86_400)
            at = line.find(b"[")
            if at >= 0 and line[at + 3:at + 4] == b"/":
                stamp = f"[{second // 86_400 + 1:02}/{months}/2026:{second // 3_600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}"
                line = line[:at] + stamp.encode() + line[at + 21:]
            outs[lines % 4].write(line)
            written += len(line)
            lines += 1
    for out in outs:
        out.close()
    return lines


# --- B7b -------------------------------------------------------------------------------------------------------------
def freshness(table):
    seconds = 60 if FULL or os.environ.get("BENCH_FRESH_SECONDS") is None else int(os.environ["BENCH_FRESH_SECONDS"])
    server = Server("freshness", buffer_age="1s")
    try:
        done = subprocess.run([sys.executable, f"{HERE}/freshness.py", BIN, server.folder, str(server.port), server.key,
                               "20000", str(seconds)], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr[-400:])
        run = json.loads(done.stdout)
        cpu, peak = server.cpu_and_peak()
        table.add("B7b line written → visible to tarn sql", f"p50 {run['p50_s']:.2f} s, p99 {run['p99_s']:.2f} s", "", "",
                  cpu, float(run["seconds"]), f"{peak:.0f}",
                  f"1 s buffers, {run['rate']:.0f} lines/s, {run['polls']} queries, worst {run['max_s']:.2f} s; "
                  f"{run['rows']} rows of {run['lines']} lines")
    finally:
        server.stop()


# --- SQL -------------------------------------------------------------------------------------------------------------
def sql(table):
    done = subprocess.run([f"{BIN}/bench_sql", DIR], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-400:])
    for line in done.stdout.splitlines():
        if line.startswith("encode"):
            table.add("Parquet writer", line.partition(": ")[2])
            continue
        files, rest = line.split(": ", 1)
        parts = rest.split(", ", 4)
        opened, query = parts[3].split(": ")[0], rest.split(": ", 1)[1]
        table.add(f"SQL, {files}", parts[0].replace("ours ", ""), parts[1], parts[2].replace("ratio ", "") + "x",
                  remarks=f"{opened}: {query}")


# --- growth ----------------------------------------------------------------------------------------------------------
def growth(table):
    sizes = (64, 256, 1024) if FULL else (16, 64, 256)
    for name, command in (("parse", lambda log: [f"{BIN}/tarn", "parse", "--format", "combined", "--out", "/dev/null", log]),
                          ("landing, clean", lambda log: [f"{BIN}/bench_landing", log, DIR, "clean"])):
        best = {}
        for _ in range(RUNS):
            for mb in sizes:
                usage = measure(command(log_file(mb)))
                if usage.out.startswith("{"):
                    usage.cpu = json.loads(usage.out)["cpu_s"]
                if mb not in best or usage.cpu < best[mb].cpu:
                    best[mb] = usage
        per_mb = {mb: best[mb].cpu / mb * 1e3 for mb in sizes}
        peaks = {mb: best[mb].peak for mb in sizes}
        ratio = per_mb[sizes[-1]] / per_mb[sizes[0]]
        verdict = "within 10 %" if ratio <= 1.10 else "OVER 10 %"
        table.add(f"growth of {name}, {sizes[0]}/{sizes[1]}/{sizes[2]} MB",
                  " / ".join(f"{per_mb[mb]:.2f}" for mb in sizes) + " ms/MB", "", f"{ratio:.2f}x",
                  best[sizes[-1]].cpu, best[sizes[-1]].wall, " / ".join(f"{peaks[mb]:.0f}" for mb in sizes), verdict)


# --- build -----------------------------------------------------------------------------------------------------------
def build(table):
    folder = f"{DIR}/cold-build"
    shutil.rmtree(folder, ignore_errors=True)
    load = os.getloadavg()[0]
    env = dict(os.environ, CCACHE_DISABLE="1")
    report = f"{DIR}/measure.txt"
    command = ["sh", "-c", f"cmake -S . -B {folder} -G Ninja -DCMAKE_BUILD_TYPE=Release -DTARN_TESTS=OFF >/dev/null && "
               f"ninja -C {folder} tarn tarn-agent >/dev/null"]
    done = subprocess.run([f"{BIN}/bench_measure", report] + command, env=env, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-400:] + done.stdout[-400:])
    cpu, wall, peak, _ = open(report).read().split()
    shutil.rmtree(folder, ignore_errors=True)
    table.add("cold release build (tarn, tarn-agent)", f"{float(wall):.0f} s", "", "", float(cpu), float(wall), peak,
              f"{os.cpu_count()} cores, ccache off, load before {load:.1f}; limit 480 s")


ALL = {"parse": parse, "agent": agent, "ingest": ingest, "landing": landing, "backfill": backfill,
       "freshness": freshness, "sql": sql, "growth": growth, "build": build}


def main():
    names = sys.argv[2:] or [name for name in ALL if name != "build"]
    for name in names:
        if name not in ALL:
            sys.exit(f"run.sh: no figure '{name}'; there are {', '.join(ALL)}")
    table = Table()
    load = os.getloadavg()
    for name in names:
        print(f"{name} …", file=sys.stderr, flush=True)
        try:
            ALL[name](table)
        except (RuntimeError, subprocess.CalledProcessError, OSError, KeyError, ValueError) as error:
            table.add(name, "FAILED", remarks=str(error).replace("\n", " ")[-300:])
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    log = log_file(MB)
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    head = (f"{time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC, commit {commit}, {os.cpu_count()} × {cpu}, load "
            f"{load[0]:.1f} before and {os.getloadavg()[0]:.1f} after; log of {os.path.getsize(log)} bytes, "
            f"md5 {md5(log)}; best of {RUNS}. MB/s is per second of CPU time (user + system, children included).")
    print(head + "\n\n" + table.text())
    if os.environ.get("BENCH_RECORD") == "1":
        with open(f"{HERE}/RESULTS.md", "a") as out:
            out.write(f"\n## {time.strftime('%Y-%m-%d %H:%M', time.gmtime())}: {' '.join(names)}\n\n{head}\n\n"
                      f"{table.text()}\n")
    failed = any(row[1] in ("FAILED", "failed") or "WRONG" in row[7] for row in table.rows)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
