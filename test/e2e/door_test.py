#!/usr/bin/env python3
"""The door under clients that mean it ill, or wait long: who may not send is told so before its body
is read, and nobody who waits keeps the others from being answered."""
import os
import pwd
import resource
import socket
import subprocess
import threading
import time

import agent_batch
import harness

LINE = b'192.0.2.1 - - [24/Nov/2026:13:00:00 +0000] "GET /%d HTTP/1.1" 200 5 "-" "-"\n'


class Strangers(harness.Case):
    def setUp(self):
        super().setUp()
        self.shop = self.project().start()

    def begin(self, line, *fields, body=b""):
        """Sends a header and the beginning of a long body; the answer up to the end of the
        connection."""
        with socket.create_connection(("127.0.0.1", self.shop.port), timeout=20) as client:
            head = [line + " HTTP/1.1", "Host: x", *fields]
            client.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)
            answer = b""
            while part := client.recv(65536):
                answer += part
            return answer.decode()

    def test_the_key_counts_before_the_body(self):
        reader = harness.tarn("keys", "create", "r1", self.shop.folder, "--role", "reader")
        self.assertEqual(reader.returncode, 0, reader.stderr)
        key = reader.stdout.strip()
        harness.wait_for("the key to count",
                         lambda: self.shop.get("/v1/status", key).status == 200)
        batch = "POST /v1/agent/batches"
        for line, fields, status in (
                (batch, ["Content-Length: 20000000"], 401),
                (batch, ["Transfer-Encoding: chunked"], 401),
                (batch, ["Content-Length: 20000000", "Expect: 100-continue"], 401),
                (batch, ["Content-Length: 20000000", "Authorization: Bearer " + key], 403),
                (batch, ["Content-Length: 2000000000"], 401),
                ("POST /v1/flush", ["Content-Length: 900000"], 401),
                ("POST /v1/nowhere", ["Content-Length: 900000"], 404),
                ("GET /health", ["Content-Length: 900000"], 413)):
            with self.subTest(line=line, fields=fields):
                answer = self.begin(line, *fields, body=b"x" * 1000)
                self.assertTrue(answer.startswith(f"HTTP/1.1 {status} "), answer)
                self.assertIn("Connection: close\r\n", answer)
        answer = self.begin("GET /metrics", "Transfer-Encoding: chunked", body=b"5\r\nabcde\r\n")
        self.assertTrue(answer.startswith("HTTP/1.1 413 "), answer)

    def test_an_agent_whose_key_is_unknown_is_told_so(self):
        log = self.work / "access.log"
        log.write_bytes(LINE % 1)
        agent = self.agent(self.shop, "w1", [log], key="tarn_ingest_0").start()
        harness.wait_for("the agent's complaint", lambda: "401" in agent.tail(50), 20)
        self.assertTrue(agent.running())


class Waiting(harness.Case):
    def test_a_flush_that_waits_keeps_nobody_waiting(self):
        shop = self.project(buffer_age="1h").start()
        stored = shop.request("POST", "/v1/agent/batches", agent_batch.encode(LINE % 1),
                              shop.ingest_key)
        self.assertEqual(stored.status, 200, stored.body)
        pid = shop.server.child.pid
        # No file can be made: the flush fails, and is tried again.
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
        answers = []
        flushes = [threading.Thread(target=lambda: answers.append(shop.flush()), daemon=True)
                   for _ in range(3)]
        for flush in flushes:
            flush.start()
        harness.wait_for("the landing to fail", lambda: shop.get("/ready").status == 503)
        began = time.monotonic()
        self.assertEqual(shop.get("/v1/status", shop.admin_key).status, 200)
        self.assertEqual(shop.get("/health").status, 200)
        self.assertEqual(shop.get("/metrics").status, 200)
        self.assertLess(time.monotonic() - began, 10)
        self.assertEqual(answers, [])
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
        for flush in flushes:
            flush.join(30)
        self.assertEqual([answer.status for answer in answers], [200] * 3)
        self.assertEqual(shop.sql("SELECT count(*) n FROM raw.web_log")[0]["n"], 1)


class Sources(harness.Case):
    def series(self, shop):
        lines = shop.get("/metrics").body.decode().splitlines()
        return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))

    def test_metrics_and_status_have_every_source_and_its_hosts(self):
        shop = self.project(sources={"web_log": "combined", "other": "common"}).start()
        self.assertEqual([(source["name"], source["lines"], source["hosts"]) for source in shop.status()["sources"]],
                         [("other", 0, []), ("web_log", 0, [])])
        self.assertEqual(self.series(shop)['tarn_source_lines_total{source="web_log"}'], "0")
        log = self.work / "access.log"
        log.write_bytes(b"".join(LINE % number for number in range(3)) + b"no such line\n")
        self.agent(shop, "w1", [log]).start()
        shop.wait_rows("raw.web_log", 4)
        series = self.series(shop)
        for labels in ('source{source="web_log"}', 'host{source="web_log",host="w1"}'):
            of, labels = labels.split("{")
            seen = {what: float(series[f"tarn_{of}_{what}{{{labels}"]) for what in
                    ("lines_total", "rejected_total", "bytes_total", "error", "lag_seconds", "last_read_timestamp_seconds")}
            self.assertEqual((seen["lines_total"], seen["rejected_total"], seen["error"]), (4, 1, 0))
            self.assertEqual(seen["bytes_total"], log.stat().st_size - 4)
            self.assertGreater(seen["last_read_timestamp_seconds"], log.stat().st_mtime - 1)
            self.assertGreaterEqual(seen["lag_seconds"], 0)
        self.assertEqual(series['tarn_source_lines_total{source="other"}'], "0")


class Keys(harness.Case):
    def test_keys_made_at_once_are_all_there(self):
        shop = self.project()
        made = [subprocess.Popen([harness.TARN, "keys", "create", f"k{n}", str(shop.folder)],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                for n in range(16)]
        for command in made:
            _, said = command.communicate(timeout=60)
            self.assertEqual(command.returncode, 0, said)
        listed = harness.tarn("keys", "list", shop.folder).stdout
        for n in range(16):
            self.assertIn(f"\nk{n} ", listed)
        left = [path.name for path in (shop.folder / "state").iterdir()]
        self.assertEqual(sorted(left), ["keys.json", "keys.lock", "local.key"])
        for name in ("keys.json", "local.key"):
            self.assertEqual((shop.folder / "state" / name).stat().st_mode & 0o777, 0o600)

    def test_a_key_made_while_the_server_starts_counts(self):
        shop = self.project()
        shop.server.start()
        keys = []
        while not keys or shop.get("/ready").status != 200:
            made = harness.tarn("keys", "create", f"r{len(keys)}", shop.folder, "--role", "reader")
            self.assertEqual(made.returncode, 0, made.stderr)
            keys.append(made.stdout.strip())
        for key in keys:
            harness.wait_for("the key to count",
                             lambda: shop.get("/v1/status", key).status == 200, 10)


class Init(harness.Case):
    def test_an_init_that_failed_can_be_run_again(self):
        folder = self.work / "shop"
        self.assertEqual(harness.tarn("init", folder).returncode, 0)
        (folder / "tarn.yaml").unlink()  # what makes it a project is written last
        (folder / "state/local.key").unlink()
        again = harness.tarn("init", folder)
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual(harness.tarn("check", folder).returncode, 0)
        self.assertTrue((folder / "state" / "local.key").exists())

    def test_a_bad_name_makes_no_project(self):
        folder = self.work / "shop"
        self.assertEqual(harness.tarn("init", folder, "--name", "a: b: c").returncode, 2)
        self.assertFalse((folder / "tarn.yaml").exists())
        self.assertEqual(harness.tarn("init", folder).returncode, 0)

    def test_a_lake_whose_tarn_yaml_is_gone_keeps_its_keys(self):
        shop = self.project().start()
        self.assertEqual(shop.server.stop(), 0)
        (shop.folder / "tarn.yaml").unlink()
        keys = (shop.folder / "state/keys.json").read_bytes()
        done = harness.tarn("init", shop.folder)
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertEqual((shop.folder / "state/keys.json").read_bytes(), keys)


class Owner(harness.Case):
    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("not root")
        super().setUp()
        self.shop = self.project().start()
        self.assertEqual(self.shop.server.stop(), 0)

    def commands(self):
        return (("keys", "create", "k", self.shop.folder), ("keys", "revoke", "agents",
                self.shop.folder), ("maintain", self.shop.folder),
                ("quarantine", "replay", "web_log", self.shop.folder),
                ("sql", self.shop.folder, "SELECT 1"), ("serve", self.shop.folder),
                ("init", self.shop.folder / "empty"))

    def test_root_leaves_nothing_in_the_folder_of_another(self):
        (self.shop.folder / "empty").mkdir()
        nobody = pwd.getpwnam("nobody").pw_uid
        for path in [self.shop.folder, *self.shop.folder.rglob("*")]:
            os.chown(path, nobody, -1)
        for command in self.commands():
            with self.subTest(command=command):
                done = harness.tarn(*command)
                self.assertEqual(done.returncode, 7, done.stderr)
                self.assertIn("sudo -u nobody tarn", done.stderr)
        for command in (("status", self.shop.folder), ("datasets", self.shop.folder),
                        ("keys", "list", self.shop.folder), ("check", self.shop.folder)):
            done = harness.tarn(*command)
            self.assertEqual(done.returncode, 0, done.stderr)
        left = [path for path in self.shop.folder.rglob("*") if path.stat().st_uid != nobody]
        self.assertEqual(left, [])

    def test_root_may_in_its_own(self):
        for command in self.commands()[:5]:
            done = harness.tarn(*command)
            self.assertEqual(done.returncode, 0, done.stderr)


class Screen(harness.Case):
    def test_status_of_four_hosts_is_one_screen(self):
        shop = self.project().start()
        for n in range(1, 5):
            payload = b"".join(LINE % i for i in range(1000)) + b"no log line\n" * n
            batch = agent_batch.encode(payload, host=f"web-{n}.shop.example", file_id=f"f{n}",
                                       read_time=int(time.time() * 1e6))
            self.assertEqual(shop.request("POST", "/v1/agent/batches", batch,
                                          shop.ingest_key).status, 200)
        self.assertEqual(shop.flush().status, 200)
        done = harness.tarn("status", shop.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()
        self.assertLessEqual(len(lines), 24)
        self.assertLessEqual(max(map(len, lines)), 80)
        head = next(line for line in lines if line.startswith("source"))
        for column in ("host", "lines", "lines/s", "rejected", "lag"):
            self.assertIn(column, head)
        row = next(line for line in lines if "web-3.shop.example" in line).split()
        self.assertEqual(row[:3], ["web_log", "web-3.shop.example", "1,003"])
        self.assertGreater(float(row[3].replace(",", "")), 0)
        self.assertEqual(row[4], "3")
        self.assertRegex(row[5], r"^[0-9.]+$")


if __name__ == "__main__":
    harness.main()
