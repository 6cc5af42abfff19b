#!/usr/bin/env python3
"""The demo's world against its own Apache logs: rotation, restart, kill -9 of the demo and of a web
server, a closed terminal, one folder for one demo, and (with stand-ins for tarn and tarn-agent)
supervision and the summary.

usage: demo_world_test.py PATH/TO/tarn-world
"""
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

WORLD = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else ""
HERE = os.path.dirname(os.path.abspath(__file__))
RECOUNT = os.path.join(HERE, "..", "..", "demo", "recount.py")
LIMIT = 90

FAKE_TARN = '''#!/usr/bin/env python3
"""Stands in for tarn: what lies in the logs is in the lake, but for some lines."""
import http.server, json, os, signal, subprocess, sys
if sys.argv[1] == "init":
    os.makedirs(sys.argv[2], exist_ok=True)
    open(os.path.join(sys.argv[2], "tarn.yaml"), "w").close()
    print(json.dumps({"ingest_key": "tarn_ingest_x"}))
    sys.exit(0)
folder = os.path.dirname(os.path.abspath(sys.argv[2]))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        out = subprocess.run([sys.executable, %r, folder], capture_output=True, check=True)
        servers = json.loads(out.stdout)
        hits = sum(s["lines"] - s["rejected"] for s in servers.values()) - %d
        rejected = sum(s["rejected"] for s in servers.values())
        rows = (("raw", hits + rejected), ("clean", hits), ("quarantine", rejected))
        body = json.dumps({"datasets": [{"zone": zone, "name": "web_log", "rows": count}
                                        for zone, count in rows], "sources": []}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass
signal.signal(signal.SIGTERM, lambda *a: os._exit(0))
port = int(sys.argv[sys.argv.index("--listen") + 1].rsplit(":", 1)[1])
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
'''
FAKE_AGENT = '''#!/bin/sh
test -f "$2" || exit 2
echo $$ >>"$(dirname "$2")/pids"
exec sleep 600
'''


def read(path):
    if not os.path.exists(path):
        return ""
    with open(path, encoding="ascii") as f:
        return f.read()


def wait_for(what, condition):
    deadline = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"timed out waiting for {what}")
        time.sleep(0.05)


class DemoWorld(unittest.TestCase):
    def setUp(self):
        self.base = tempfile.mkdtemp(prefix="tarn-demo-e2e-")
        os.chmod(self.base, 0o755)
        self.folder = os.path.join(self.base, "shop")
        self.addCleanup(shutil.rmtree, self.base, ignore_errors=True)

    def start(self, *args, program=WORLD, traffic_only=True, **popen):
        command = [program, self.folder, "--headless", "--json", *args]
        if traffic_only:
            command.append("--only-traffic")
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, **popen)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        return process

    def finish(self, process):
        out, err = process.communicate(timeout=LIMIT)
        self.assertEqual(process.returncode, 0, err)
        return json.loads(out)

    def state(self):
        try:
            with open(os.path.join(self.folder, "state.json"), encoding="utf-8") as f:
                return json.load(f)
        except FileNotFoundError:
            return {}

    def lines(self, name="access.log"):
        total = 0
        for server in range(1, 5):
            path = os.path.join(self.folder, "logs", f"w{server}", name)
            if os.path.exists(path):
                with open(path, "rb") as f:
                    total += f.read().count(b"\n")
        return total

    def httpd_pid(self, server):
        with open(os.path.join(self.folder, "apache", server, "run", "httpd.pid"),
                  encoding="ascii") as f:
            return int(f.read())

    def new_apache(self, server, old):
        """The pid of the one that took the place of `old`."""
        pid = os.path.join(self.folder, "apache", server, "run", "httpd.pid")
        wait_for("a new one", lambda: read(pid).strip() not in ("", str(old)))
        return self.httpd_pid(server)

    def apaches(self, server=""):
        """All processes of the web servers, or of one. What has ended has no command line."""
        found = []
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            try:
                with open(path, "rb") as f:
                    if f"{self.folder}/apache/{server}".encode() in f.read():
                        found.append(int(path.split("/")[2]))
            except OSError:
                pass  # it ended meanwhile
        return found

    def rotate(self, turn):
        for server in ("w1", "w2", "w3", "w4"):
            log = os.path.join(self.folder, "logs", server, "access.log")
            os.rename(log, f"{log}-{turn}")
            os.kill(self.httpd_pid(server), signal.SIGUSR1)

    def assert_truth(self):
        result = subprocess.run([sys.executable, RECOUNT, self.folder, "--compare"],
                                capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def test_truth_equals_logs_over_rotation_and_restart(self):
        process = self.start("--days", "1", "--rate", "400", "--seed", "5")
        wait_for("traffic", lambda: self.lines() > 400)
        self.rotate("first")
        wait_for("traffic after the rotation", lambda: self.lines() > 400)
        self.rotate("second")
        wait_for("traffic after the rotation", lambda: self.lines() > 400)
        process.send_signal(signal.SIGINT)
        summary = self.finish(process)
        self.assertTrue(summary["ok"])
        counted = self.assert_truth()
        self.assertEqual(summary["truth"]["hits"],
                         sum(s["lines"] - s["rejected"] for s in counted.values()))
        history = [n for n in os.listdir(os.path.join(self.folder, "logs", "w1"))
                   if n.startswith("access.log.2")]
        self.assertEqual(len(history), 2)

        summary = self.finish(self.start("--rate", "200", "--for", "2s"))
        self.assertEqual(summary["epoch"], 2)
        self.assertEqual(summary["seed"], 5)
        self.assert_truth()
        self.assertEqual(history, [n for n in os.listdir(os.path.join(self.folder, "logs", "w1"))
                                   if n.startswith("access.log.2")])

    def test_truth_survives_kill(self):
        process = self.start("--days", "0", "--rate", "400")
        wait_for("traffic", lambda: self.lines() > 1500)
        pids = [self.httpd_pid(f"w{i}") for i in range(1, 5)]
        process.kill()
        process.communicate()
        wait_for("the web servers to follow", lambda: not any(
            os.path.exists(f"/proc/{pid}") for pid in pids))
        self.finish(self.start("--rate", "100", "--for", "2s"))
        self.assert_truth()

    def test_an_apache_that_was_killed_comes_back(self):
        process = self.start("--days", "0", "--rate", "100")
        wait_for("traffic", lambda: self.lines() > 50)
        old = self.httpd_pid("w1")
        os.kill(old, signal.SIGTERM)
        self.new_apache("w1", old)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(self.finish(process)["restarts"]["apache-w1"], 1)

    def test_an_apache_whose_parent_was_killed_comes_back_and_nothing_stays(self):
        process = self.start("--days", "0", "--rate", "20", "--servers", "2")
        wait_for("traffic", lambda: self.lines() > 20)
        old = self.httpd_pid("w1")
        before = self.apaches("w1")
        self.assertGreater(len(before), 1, "it and its worker")
        os.kill(old, signal.SIGKILL)
        self.new_apache("w1", old)
        self.assertFalse(set(before) & set(self.apaches("w1")), "the old one's worker still runs")
        os.kill(self.httpd_pid("w2"), signal.SIGKILL)
        process.send_signal(signal.SIGTERM)
        # Whether all is well is not asked: an answer that the kill cut off is uncertain.
        out, err = process.communicate(timeout=LIMIT)
        self.assertEqual(json.loads(out)["restarts"]["apache-w1"], 1, err)
        self.assertNotIn("ended at once", err)
        wait_for("all web servers to end", lambda: not self.apaches())

    def test_a_closed_terminal_stops_it_in_order(self):
        program = self.world_beside(FAKE_TARN % (RECOUNT, 1))
        process = self.start("--days", "0", "--rate", "100", program=program, traffic_only=False)
        wait_for("traffic", lambda: self.lines() > 50)
        process.send_signal(signal.SIGHUP)
        wait_for("the web servers to stop", lambda: not self.apaches())
        process.send_signal(signal.SIGHUP)  # the kernel says it, and the shell that ends, too
        with self.assertRaises(subprocess.TimeoutExpired, msg="it waits for the rest"):
            process.wait(1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=LIMIT)
        self.assertEqual(process.returncode, 10, err)
        self.assertIn("truth", json.loads(out))
        self.assertTrue(self.state()["clean_stop"])
        self.assert_truth()

    def test_nohup_keeps_it_running(self):
        process = self.start("--days", "0", "--rate", "100",
                             preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        wait_for("traffic", lambda: self.lines() > 50)
        process.send_signal(signal.SIGHUP)
        seen = self.lines()
        wait_for("more traffic", lambda: self.lines() > seen + 50)
        process.send_signal(signal.SIGTERM)
        self.finish(process)

    def test_a_second_demo_is_refused(self):
        process = self.start("--days", "0", "--rate", "20")
        wait_for("the first", lambda: self.state().get("epoch") == 1)
        second = self.start("--days", "0")
        _, err = second.communicate(timeout=LIMIT)
        self.assertNotEqual(second.returncode, 0)
        self.assertIn("another demo runs in", err)
        process.send_signal(signal.SIGTERM)
        self.finish(process)

    def test_a_folder_keeps_what_it_was_made_with(self):
        made_with = ["--seed", "5", "--days", "1", "--servers", "2"]
        self.finish(self.start(*made_with, "--for", "1s"))
        summary = self.finish(self.start(*made_with, "--for", "1s"))
        self.assertEqual(summary["epoch"], 2)
        for flag, value, has in (("--seed", "77", "5"), ("--days", "9", "1"), ("--servers", "3", "2")):
            other = self.start(flag, value)
            _, err = other.communicate(timeout=LIMIT)
            self.assertEqual(other.returncode, 2, err)
            self.assertIn(f"was made with {flag} {has}, not {value}; leave {flag} out", err)

    def test_an_unfinished_history_has_the_days_it_was_begun_with(self):
        self.finish(self.start("--days", "1", "--servers", "1", "--for", "1s"))
        state = self.state()
        state["history_done"] = False  # as after a kill
        with open(os.path.join(self.folder, "state.json"), "w", encoding="utf-8") as f:
            json.dump(state, f)
        self.finish(self.start("--for", "1s"))
        self.assertEqual(self.state()["days"], 1)
        history = glob.glob(os.path.join(self.folder, "logs", "w1", "access.log.2*"))
        self.assertEqual(len(history), 2)

    def world_beside(self, fake_tarn):
        """tarn-world with stand-ins for tarn and tarn-agent beside it."""
        bin_dir = os.path.join(self.base, "bin")
        os.mkdir(bin_dir)
        for name, text in (("tarn", fake_tarn), ("tarn-agent", FAKE_AGENT)):
            with open(os.path.join(bin_dir, name), "w", encoding="utf-8") as f:
                f.write(text)
            os.chmod(f.name, 0o755)
        return shutil.copy(WORLD, bin_dir)

    def test_what_did_not_land_is_the_exit_status(self):
        program = self.world_beside(FAKE_TARN % (RECOUNT, 1))
        process = self.start("--days", "0", "--rate", "100", program=program, traffic_only=False)
        wait_for("traffic", lambda: self.lines() > 50)
        pids = [self.httpd_pid(f"w{i}") for i in range(1, 5)]
        process.send_signal(signal.SIGINT)
        wait_for("the web servers to stop", lambda: not any(
            os.path.exists(f"/proc/{pid}") for pid in pids))
        process.send_signal(signal.SIGINT)  # no more waiting for the rest
        out, err = process.communicate(timeout=LIMIT)
        self.assertEqual(process.returncode, 10, err)
        self.assertFalse(json.loads(out)["ok"])
        self.assertIn("not all that was written had landed", err)

    def test_children_are_supervised_and_the_summary_compares(self):
        program = self.world_beside(FAKE_TARN % (RECOUNT, 0))
        process = self.start("--days", "0", "--rate", "100", program=program, traffic_only=False)
        pids = os.path.join(self.folder, "agents", "w1", "pids")
        wait_for("an agent", lambda: read(pids).strip())
        os.kill(int(read(pids)), signal.SIGKILL)
        wait_for("it to be started again", lambda: read(pids).count("\n") == 2)
        wait_for("traffic", lambda: self.lines() > 200)
        process.send_signal(signal.SIGINT)
        summary = self.finish(process)
        self.assertTrue(summary["ok"], summary)
        self.assertEqual(summary["restarts"]["agent-w1"], 1)
        self.assertEqual(summary["lake"]["zones"]["clean"], summary["truth"]["hits"])
        for pid in read(pids).split():
            self.assertFalse(os.path.exists(f"/proc/{pid}"), "an agent was left behind")


if __name__ == "__main__":
    unittest.main()
