#!/usr/bin/env python3
"""What the agent promises beside rotation and kills: whole lines, an end in bounded time, settings
read again, and work that goes on while its own checkpoint cannot be written."""
import gzip
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import harness


class Agent(harness.Case):
    def setUp(self):
        super().setUp()
        self.shop = self.project().start()
        self.log_file = self.work / "access.log"

    def append(self, data, path=None):
        with open(path or self.log_file, "ab") as out:
            out.write(data.encode())

    def lines(self):
        self.assertEqual(self.shop.flush().status, 200)
        return sorted(row["line"] for row in self.shop.sql("SELECT _raw AS line FROM raw.web_log"))

    def test_a_line_written_in_two_halves_is_one_row(self):
        other = self.work / "other.log"
        agent = self.agent(self.shop, "w1", [self.log_file, other]).start()
        first, second, third = (harness.log_line(number, "w1") for number in (1, 2, 3))
        self.append(first + second[:40])
        self.shop.wait_rows("raw.web_log", 1)
        agent.kill()
        agent.start()
        self.append(third, other)
        self.shop.wait_rows("raw.web_log", 2)  # so it has looked at both; its waits are a unit test's
        self.assertEqual(self.lines(), sorted([first.rstrip("\n"), third.rstrip("\n")]))
        self.append(second[40:])
        self.shop.wait_rows("raw.web_log", 3)
        self.assertEqual(self.lines(), sorted(line.rstrip("\n") for line in (first, second, third)))
        self.assertEqual(agent.stop(), 0)

    def test_beside_a_writer_that_does_not_pause_all_is_acknowledged(self):
        agent = self.agent(self.shop, "w1", [self.log_file], batch_age="20ms").start()
        number = 0
        with open(self.log_file, "ab", buffering=0) as out:
            end = time.monotonic() + 4
            while time.monotonic() < end:
                for _ in range(20):
                    out.write(harness.log_line(number, "w1").encode())
                    number += 1
                time.sleep(0.002)
        size = self.log_file.stat().st_size
        checkpoint = self.shop.agents_folder / "w1/state/checkpoint"

        def acked():
            return [file["acked"] for file in json.loads(checkpoint.read_text().split("\n", 1)[1])["files"]]
        harness.wait_for("the checkpoint", lambda: checkpoint.exists() and acked() == [size])
        self.assertEqual(agent.stop(), 0)
        self.assertIn("clean=true", agent.tail())
        self.shop.wait_rows("raw.web_log", number)

    def once(self, name, **settings):
        agent = self.agent(self.shop, name, [self.log_file], **settings)
        began = time.monotonic()
        status = subprocess.run([*agent.command, "--once"], capture_output=True, text=True,
                                timeout=120, check=False)
        return status, time.monotonic() - began

    def test_once_ends_with_the_reason(self):
        self.append(harness.log_line(1, "w1") + harness.log_line(2, "w1").rstrip("\n"))
        refused, seconds = self.once("w1", key="tarn_ingest_00000000000000000000000000000000")
        self.assertEqual(refused.returncode, 6, refused.stderr)
        self.assertIn("the server refuses the key", refused.stderr)
        self.assertLess(seconds, 10)
        sent, _ = self.once("w1")
        self.assertEqual(sent.returncode, 0, sent.stderr)
        self.assertEqual(len(self.lines()), 2)
        self.assertEqual(self.shop.server.stop(), 0)
        self.append("\n" + harness.log_line(3, "w1"))
        unserved, seconds = self.once("w1")
        self.assertEqual(unserved.returncode, 9, unserved.stderr)
        self.assertIn("nothing was acknowledged for 60 s", unserved.stderr)
        self.assertLess(seconds, 90)

    def test_once_names_what_it_could_not_send(self):
        lines = [harness.log_line(number, "w1") for number in range(2_000)]
        packed = self.work / "cut.log.gz"
        packed.write_bytes(gzip.compress("".join(lines).encode())[:-1_000])
        self.append(lines[0] + "a\n")
        agent = self.agent(self.shop, "w1", [self.log_file, packed])
        ended = subprocess.run([*agent.command, "--once"], capture_output=True, text=True,
                               timeout=120, check=False)
        self.assertEqual(ended.returncode, 11, ended.stderr)
        self.assertIn(f"\ntarn-agent: {packed}: the gzip data ends too soon", ended.stderr)
        self.assertEqual(self.shop.flush().status, 200)
        rows = [row["line"] for row in self.shop.sql(
            f"SELECT _raw AS line FROM raw.web_log WHERE _path = '{packed}'")]
        self.assertGreater(len(rows), 1_000)
        self.assertEqual(sorted(rows), sorted(line.rstrip("\n") for line in lines[:len(rows)]))
        status = subprocess.run([*agent.command, "--status", "--json"], capture_output=True, text=True,
                                timeout=60, check=False)
        states = {file["path"]: file["state"] for file in json.loads(status.stdout)["files"]}
        self.assertEqual(states, {str(self.log_file): "tailing", str(packed): "waits"})

    def test_status_as_json_says_what_it_says_to_people(self):
        def run(*words):
            return subprocess.run([*agent.command, *words], capture_output=True, text=True,
                                  timeout=60, check=False)
        agent = self.agent(self.shop, "w1", [self.log_file])
        none = run("--status", "--json")
        self.assertEqual((none.returncode, none.stdout), (3, ""), none.stderr)
        line = harness.log_line(1, "w1")
        self.append(line)
        self.once("w1")
        self.append(line + line)
        done = run("--status", "--json")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        status = json.loads(done.stdout)
        file, = status.pop("files")
        self.assertIn(f"agent {status.pop('agent_id')}\n", run("--status").stdout)
        self.assertEqual(status, {"behind_bytes": 2 * len(line)})
        self.assertRegex(file.pop("file_id"), "^[0-9a-f]{16,}$")
        self.assertRegex(file.pop("last_seen"), "^20..-..-..T..:..:..")
        self.assertEqual(file, {"source": "web_log", "path": str(self.log_file), "state": "tailing",
                                "size_bytes": 3 * len(line), "sent_bytes": len(line),
                                "behind_bytes": 2 * len(line)})
        self.log_file.unlink()
        file, = json.loads(run("--status", "--json").stdout)["files"]
        self.assertEqual(file["state"], "gone")
        alone = run("--json")
        self.assertEqual((alone.returncode, alone.stdout), (2, ""))
        self.assertEqual(alone.stderr, "tarn-agent: --json is for --status\n")

    def said(self, agent, word):
        harness.wait_for(word, lambda: word in agent.tail(1000))

    def test_sighup_reads_the_settings_again(self):
        other = self.work / "other.log"
        agent = self.agent(self.shop, "w1", [self.log_file]).start()
        config = self.shop.agents_folder / "w1/agent.yaml"
        self.append(harness.log_line(1, "w1"))
        self.shop.wait_rows("raw.web_log", 1)
        agent.child.send_signal(signal.SIGHUP)
        self.said(agent, "settings.unchanged")
        text = config.read_text()
        config.write_text(text.replace("paths:", "pahts:"))
        agent.child.send_signal(signal.SIGHUP)
        self.said(agent, "settings.refused")
        self.append(harness.log_line(2, "w1"))
        self.shop.wait_rows("raw.web_log", 2)
        with socket.socket() as taken:  # sound, but it cannot start
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            config.write_text(f"metrics_port: {taken.getsockname()[1]}\n" + text)
            agent.child.send_signal(signal.SIGHUP)
            self.said(agent, "metrics port")
            self.append(harness.log_line(3, "w1"))
            self.shop.wait_rows("raw.web_log", 3)
        config.write_text(text.replace(f"'{self.log_file}'", f"'{self.log_file}', '{other}'"))
        agent.child.send_signal(signal.SIGHUP)
        self.append(harness.log_line(4, "w1"), other)
        self.shop.wait_rows("raw.web_log", 4)
        self.assertEqual(len(self.lines()), 4)
        self.assertEqual(agent.stop(), 0, agent.tail())

    def test_a_trickling_client_of_the_metrics_does_not_delay_the_end(self):
        port = harness.free_port()
        agent = self.agent(self.shop, "w1", [self.log_file], metrics_port=port).start()
        self.append(harness.log_line(1, "w1"))
        self.shop.wait_rows("raw.web_log", 1)  # it runs
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"G")
            end = f":{client.getsockname()[1]:04X}"

            def taken():  # what nobody accepted yet has no inode
                rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
                return any(row[2].endswith(end) and row[9] != "0" for row in rows)
            harness.wait_for("the door to open", taken)
            began = time.monotonic()
            self.assertEqual(agent.stop(), 0)
            self.assertLess(time.monotonic() - began, 1.5)

    def test_a_checkpoint_that_cannot_be_written_costs_nothing(self):
        """/dev/full takes no byte; then there is room again."""
        agent = self.agent(self.shop, "w1", [self.log_file]).start()
        self.append(harness.log_line(1, "w1"))
        self.shop.wait_rows("raw.web_log", 1)
        state = self.shop.agents_folder / "w1/state"
        size = self.log_file.stat().st_size

        def files():
            return json.loads((state / "checkpoint").read_text().split("\n", 1)[1])["files"]
        harness.wait_for("the checkpoint", lambda: [file["acked"] for file in files()] == [size])
        self.assertIn("boot", files()[0])
        os.symlink("/dev/full", state / "checkpoint.tmp")
        self.append(harness.log_line(2, "w1"))
        self.shop.wait_rows("raw.web_log", 2)
        self.said(agent, "checkpoint.not_written")
        agent.kill()
        agent.start()
        self.append(harness.log_line(3, "w1"))
        self.shop.wait_rows("raw.web_log", 3)
        os.remove(state / "checkpoint.tmp")
        written = (state / "checkpoint").read_bytes()
        self.append(harness.log_line(4, "w1"))
        harness.wait_for("a new checkpoint", lambda: (state / "checkpoint").read_bytes() != written)
        self.shop.wait_rows("raw.web_log", 4)
        agent.kill()
        agent.start()
        self.append(harness.log_line(5, "w1"))
        self.shop.wait_rows("raw.web_log", 5)
        self.assertEqual(len(self.lines()), 5)


if __name__ == "__main__":
    harness.main()
