#!/usr/bin/env python3
"""Logs rotated as logrotate does it (rename, copytruncate, dated names, gz), under load, while the
agents are killed in between: nothing lost, nothing doubled.

TARN_E2E_ROTATIONS: how many of each server (10). Seed: TARN_E2E_SEED."""
import gzip
import json
import os
import shutil
import subprocess
import time
import unittest
import uuid

import harness

BOOT_ID = "/proc/sys/kernel/random/boot_id"
ROTATIONS = int(os.environ.get("TARN_E2E_ROTATIONS", "10"))


class RotatedLog(harness.Writer):
    """A log in a folder of its own, rotated in one way every now and then."""

    def __init__(self, path, name, draw, kind):
        super().__init__(path, name, draw)
        self.kind, self.turns = kind, 0
        self.folder = self.path.parent

    def between(self):
        if self.random.random() < 0.03 and self.path.exists() and self.path.stat().st_size:
            getattr(self, self.kind)()
            self.turns += 1

    def numbered(self, number, suffix=""):
        return self.folder / f"access.log.{number}{suffix}"

    def shift(self, suffix=""):
        for number in range(self.turns + 1, 0, -1):
            if self.numbered(number, suffix).exists():
                os.rename(self.numbered(number, suffix), self.numbered(number + 1, suffix))

    def write_on(self, path):
        """Apache writes to the renamed file until it is told to reopen its log."""
        if self.random.random() < 0.5:
            with self.lock, open(path, "ab") as out:
                data = self.make(self.random.randint(1, 20))
                self.bytes += len(data)
                out.write(data)

    def rename(self):
        self.shift()
        os.rename(self.path, self.numbered(1))
        self.write_on(self.numbered(1))
        if self.random.random() < 0.5:  # `create`: an empty file at once
            self.path.touch()

    def copytruncate(self):
        """Nothing is written between copy and truncation: what logrotate loses is not ours."""
        self.shift()
        shutil.copyfile(self.path, self.numbered(1))
        os.truncate(self.path, 0)

    def dated(self):
        name = self.folder / f"access.log-2026{self.turns:04}"
        os.rename(self.path, name)
        self.write_on(name)

    def packed(self):
        """compress: access.log → .1.gz, the others move up."""
        self.shift(".gz")
        os.rename(self.path, self.numbered(1))
        self.write_on(self.numbered(1))
        self.pack(self.numbered(1), self.numbered(1, ".gz"))

    def packed_later(self):
        """delaycompress: what was .1 becomes .2.gz."""
        self.shift(".gz")
        if self.numbered(1).exists():
            self.pack(self.numbered(1), self.numbered(2, ".gz"))
        os.rename(self.path, self.numbered(1))
        self.write_on(self.numbered(1))

    @staticmethod
    def pack(plain, packed):
        """As gzip does it: the target grows under its own name, then the original goes."""
        with open(plain, "rb") as source, gzip.open(packed, "wb", compresslevel=1) as target:
            shutil.copyfileobj(source, target)
        os.remove(plain)


class Rotation(harness.Case):
    def test_nothing_is_lost_or_doubled(self):
        project = self.project().start()
        kinds = ["rename", "copytruncate", "dated", "packed", "packed_later"]
        writers, agents = [], []
        for kind in kinds:
            folder = self.work / "logs" / kind
            folder.mkdir(parents=True)
            draw = harness.random.Random(f"{harness.SEED} {kind}")
            writers.append(RotatedLog(folder / "access.log", kind, draw, kind))
            agents.append(self.agent(project, kind, [f"{folder}/access.log*"]).start())
        self.writers.extend(writers)
        for writer in writers:
            writer.start()
        started, kills = time.monotonic(), 0
        while any(writer.turns < ROTATIONS for writer in writers):
            self.assertLess(time.monotonic() - started, 20 + 10 * ROTATIONS, "rotation is too slow")
            time.sleep(self.random.random() * 0.4)
            for agent in self.random.sample(agents, self.random.randint(1, 3)):
                agent.kill()
                kills += 1
            time.sleep(self.random.random() * 0.4)
            for agent in agents:
                if agent.child is None:
                    agent.start()
        for writer in writers:
            writer.finish()
        project.wait_rows("raw.web_log", sum(writer.count for writer in writers))
        self.assertEqual(project.flush().status, 200)
        lines, bad = harness.assert_exactly_once(self, project, writers)
        harness.assert_positions_agree(self, project, writers)
        for agent in agents:
            self.assertEqual(agent.stop(), 0, agent.tail())
        print(f"{[f'{w.kind} {w.turns}' for w in writers]}, {kills} kills, {lines} lines "
              f"({bad} bad) in {time.monotonic() - started:.0f} s: none lost, none doubled")


def why_no_reboot():
    """Empty if a process can be given another boot id."""
    tried = subprocess.run(["unshare", "-m", "mount", "--bind", "/proc/version", BOOT_ID],
                           capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else f"no mount here: {tried.stderr.strip()}"


@unittest.skipIf(why_no_reboot(), why_no_reboot())
class PowerCut(harness.Case):
    def boot(self, agent):
        """A machine of its own, as far as the agent can tell."""
        boot_id = self.work / "boot_id"
        boot_id.write_text(f"{uuid.UUID(int=self.random.getrandbits(128))}\n")
        script = f'mount --bind {boot_id} {BOOT_ID} && exec "$@"'
        agent.command = ["unshare", "-m", "sh", "-c", script, "sh", *agent.command[-3:]]
        agent.start()

    def test_a_log_that_lost_acknowledged_lines_goes_on_where_it_ends(self):
        project = self.project().start()
        log = self.work / "logs/access.log"
        log.parent.mkdir()
        agent = self.agent(project, "w1", [f"{log}*"])
        checkpoint = project.agents_folder / "w1/state/checkpoint"
        writer = self.writer(log, "w1")
        writer.append(50)
        self.boot(agent)

        def all_is_acknowledged():
            files = json.loads(checkpoint.read_text().split("\n", 1)[1])["files"]
            return [file["acked"] for file in files] == [log.stat().st_size]
        lost = 0
        for cut in range(6):
            writer.append(self.random.randint(1, 40))
            project.wait_rows("raw.web_log", writer.count)
            harness.wait_for("the checkpoint", all_is_acknowledged)
            agent.kill()
            lines = log.read_bytes().splitlines(keepends=True)
            gone = self.random.randint(0, 30)
            lost += gone
            os.truncate(log, sum(map(len, lines[:len(lines) - gone])))
            if cut % 2:
                writer.append(self.random.randint(1, 60))  # before the agent looks
            self.boot(agent)
        os.rename(log, log.with_suffix(".log.1"))
        writer.append(20)
        project.wait_rows("raw.web_log", writer.count)
        self.assertEqual(project.flush().status, 200)
        harness.assert_exactly_once(self, project, [writer])
        self.assertEqual(agent.stop(), 0, agent.tail())
        print(f"{lost} acknowledged lines lost by the log in 6 cuts: each line is there once")


if __name__ == "__main__":
    harness.main()
