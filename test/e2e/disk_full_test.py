#!/usr/bin/env python3
"""A disk that fills up under the server, and power cuts of the server's machine and of the agents':
clear errors, recovery without hands once there is space, nothing acknowledged lost, nothing doubled.
Needs root and mount; skips without.

TARN_E2E_CUTS: how many power cuts (6). Seed: TARN_E2E_SEED."""
import base64
import json
import os
import shutil
import signal
import subprocess
import time
import unittest

import harness

MIB = 1 << 20


def command(*arguments):
    return subprocess.run([str(a) for a in arguments], capture_output=True, text=True, check=False)


def mountable():
    if os.geteuid() != 0:
        return "not root: nothing can be mounted"
    for tool in ("mount", "umount", "mkfs.ext4"):
        if shutil.which(tool, path="/usr/sbin:/sbin:/usr/bin:/bin") is None:
            return f"no {tool}"
    return ""


class Disk(harness.Case):
    """A file system of its own for the project, ext4 in a loop-mounted image."""

    def make_disk(self, mib):
        self.image, self.disk = self.work / "disk.img", self.work / "disk"
        self.mount_new(self.image, self.disk, mib)

    def mount_new(self, image, folder, mib, options="loop"):
        with open(image, "wb") as out:
            out.truncate(mib * MIB)
        made = command("mkfs.ext4", "-q", "-F", "-m", "0", image)
        self.assertEqual(made.returncode, 0, made.stderr)
        self.mount(image, folder, options)

    def mount(self, image, folder, options="loop"):
        folder.mkdir(exist_ok=True)
        done = command("mount", "-o", options, image, folder)
        if done.returncode != 0:
            self.skipTest(f"mount is not permitted here: {done.stderr.strip()}")
        self.addCleanup(command, "umount", "-l", folder)

    def setUp(self):
        super().setUp()
        self.addCleanup(lambda: [process.kill() for process in self.processes])

    def project(self, folder=None, **options):
        """On the disk, with agents and all logs elsewhere."""
        project = super().project(folder or self.disk / "shop", **options)
        project.agents_folder = self.work / "agents"
        project.server.log = self.work / "serve.log"
        return project

    def start_agents(self, project, count, pause=0.02):
        writers, agents = [], []
        for name in (f"w{n}" for n in range(1, count + 1)):
            folder = self.work / "logs" / name
            folder.mkdir(parents=True)
            writers.append(self.writer(folder / "access.log", name, most_lines=30, pause=pause))
            agents.append(self.agent(project, name, [f"{folder}/access.log*"]).start())
        for writer in writers:
            writer.start()
        return writers, agents

    def finish(self, project, writers, agents):
        for writer in writers:
            writer.finish()
        project.wait_rows("raw.web_log", sum(writer.count for writer in writers), 90)
        self.assertEqual(project.flush().status, 200)
        lines, bad = harness.assert_exactly_once(self, project, writers)
        harness.assert_positions_agree(self, project, writers)
        for agent in agents:
            self.assertEqual(agent.stop(), 0, agent.tail())
        self.assertEqual(project.server.stop(), 0, project.server.tail())
        return lines


@unittest.skipIf(mountable(), mountable())
class DiskFull(Disk):
    def ballast(self, keep_bytes):
        """Takes all space but about `keep_bytes`."""
        free = os.statvfs(self.disk)
        size = free.f_bavail * free.f_frsize - keep_bytes
        with open(self.disk / "ballast", "ab") as out:
            at = out.tell()
            try:
                if size > 0:
                    os.posix_fallocate(out.fileno(), at, size)
            except OSError:
                pass
            while keep_bytes == 0:  # what the blocks of the file's own map leave
                try:
                    out.write(b"x" * 4096)
                    out.flush()
                except OSError:
                    break

    def relief(self):
        (self.disk / "ballast").unlink(missing_ok=True)

    def in_trouble(self, project):
        answer = project.get("/ready")
        return answer.status == 503 and answer.json()["reasons"]

    def test_a_full_disk_is_said_and_passes_without_hands(self):
        self.make_disk(220)
        project = self.project(buffer_age="200ms").start()
        writers, agents = self.start_agents(project, 3)
        project.wait_rows("raw.web_log", 500)
        said = set()
        for keep in (0, 16_384, 65_536, 0, 200_000):  # full in the midst of whatever is written then
            self.ballast(keep)
            said.update(harness.wait_for("the server to say so",
                                         lambda: self.in_trouble(project), 60))
            errors = [source["last_error"] for source in project.status().get("sources", [])]
            self.assertTrue(project.server.running(), project.server.tail())
            self.assertEqual(project.get("/health").status, 200)
            shown = harness.tarn("status", project.folder)
            self.assertEqual(shown.returncode, 0, shown.stderr)
            self.assertTrue("ERROR" in shown.stdout or "FULL" in shown.stdout
                            or "CANNOT" in shown.stdout, shown.stdout)
            self.assertTrue(all(isinstance(error, str) for error in errors))
            self.relief()
            before = project.rows("raw.web_log")
            project.wait_ready()
            project.wait_rows("raw.web_log", before + 1)
        self.assertTrue(any("space" in reason for reason in said), said)
        lines = self.finish(project, writers, agents)
        print(f"{lines} lines over 5 full disks, none lost, none doubled; said: {sorted(said)}")

    def test_a_full_journal_pushes_back_and_goes_on(self):
        """No room for a second segment of 64 MiB: agents have to wait, no line is given up."""
        self.make_disk(500)
        project = self.project(buffer_age="1h").start()
        self.ballast(0)
        writers, agents = self.start_agents(project, 2)
        for writer in writers:
            writer.finish()
        self.write_noise(writers[0], 200)
        harness.wait_for("the journal to be full", lambda: "the journal is full" in str(
            self.in_trouble(project)), 90)
        self.assertTrue(project.server.running())
        self.assertIn("FULL", harness.tarn("status", project.folder).stdout)
        harness.wait_for("the agent to be told", lambda: "the server asks to wait" in
                         agents[0].log.read_text())
        self.relief()
        project.wait_ready()
        total = sum(writer.count for writer in writers)
        harness.wait_for("all lines", lambda: project.flush().status == 200 and
                         project.rows("raw.web_log") >= total, 90)
        lines = self.finish(project, writers, agents)
        print(f"{lines} lines through a full journal: none lost, none doubled")

    def write_noise(self, writer, count):
        """Long lines that zstd makes little smaller."""
        noise = base64.b64encode(self.random.randbytes(1 << 20)).decode()
        with open(writer.path, "ab") as out:
            for _ in range(count):
                start = self.random.randrange(1 << 19)
                line = harness.log_line(writer.count, writer.name_).replace(
                    f"e2e/{writer.name_}", noise[start:start + 500_000]).encode()
                out.write(line)
                writer.count += 1
                writer.bytes += len(line)

    def test_of_a_disk_that_became_read_only_it_is_said_that_no_server_runs(self):
        self.make_disk(100)
        project = self.project().start()
        project.server.kill()
        self.assertEqual(command("mount", "-o", "remount,ro", self.disk).returncode, 0)
        shown = harness.tarn("status", project.folder)
        self.assertIn("no server runs", shown.stdout + shown.stderr)
        self.assertNotIn("gave no answer", shown.stderr)

    def test_a_query_says_which_disk_is_full(self):
        self.make_disk(2)
        project = super(Disk, self).project()
        project.start()
        project.server.stop()
        rows = "SELECT range AS a, md5(range::VARCHAR) AS b FROM range(400000)"
        query = ("sql", project.folder, "--format", "parquet", "--out")

        def is_full(place, *words):
            done = harness.tarn(*words)
            self.assertEqual(done.returncode, 8, done.stderr)
            self.assertIn(str(place), done.stderr)
        is_full(self.disk, *query, self.disk / "x.parquet", rows)
        # Where what does not fit in memory goes, and a Parquet file begins.
        spill = project.folder / "state/tmp"
        spill.mkdir(exist_ok=True)
        done = command("mount", "--bind", self.disk, spill)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.addCleanup(command, "umount", "-l", spill)
        is_full(spill, *query, self.work / "x.parquet", rows)
        self.assertFalse((self.work / "x.parquet").exists())
        with open(project.folder / "tarn.yaml", "a", encoding="utf-8") as out:
            out.write("sql: {memory: 64MB}\n")
        is_full(spill, "sql", project.folder,
                "SELECT count(DISTINCT md5(range::VARCHAR)) FROM range(20000000)")

    def test_a_server_cannot_start_on_a_full_disk_and_says_so(self):
        self.make_disk(100)
        project = self.project()
        self.ballast(0)
        project.start(ready=False)
        self.assertNotEqual(project.server.wait(), 0)
        self.ballast(0)
        self.relief()
        project.start()
        self.assertEqual(project.server.stop(), 0)


@unittest.skipIf(mountable(), mountable())
class PowerCut(Disk):
    """Two machines, one of the server and one of the agents, each with a disk of its own that loses
    at a cut what was not synced: a copy of its image, which the kernel has written nothing else to.
    The logs themselves are on a third disk, which stays."""
    CUTS = int(os.environ.get("TARN_E2E_CUTS", "6"))
    OPTIONS = "loop,discard"  # what is deleted does not stay in the image, which is copied each time
    KINDS = ["server", "server", "agents", "both"]

    def machine(self, name, mib):
        folder = self.work / name
        self.images[folder] = self.work / f"{name}.img"
        self.mount_new(self.images[folder], folder, mib, self.OPTIONS)
        return folder

    def setUp(self):
        super().setUp()
        self.images = {}
        self.cuts = 0

    def cut(self, folder, processes):
        """The power of one machine goes off and comes back."""
        # Held while the copy is made, so that it shows one moment.
        for process in processes:
            process.child.send_signal(signal.SIGSTOP)
        self.cuts += 1
        crash = self.work / f"crash{self.cuts}.img"
        copied = command("cp", "--sparse=always", self.images[folder], crash)
        self.assertEqual(copied.returncode, 0, copied.stderr)
        for process in processes:
            process.kill()
        harness.wait_for("the old disk to be free",
                         lambda: command("umount", folder).returncode == 0)
        self.images[folder].unlink()
        self.images[folder] = crash
        self.mount(crash, folder, self.OPTIONS)

    def test_what_was_acknowledged_before_the_cut_is_there(self):
        self.disk = self.machine("disk", 400)
        project = self.project(buffer_age="250ms").start()
        project.agents_folder = self.machine("agents", 64)
        writers, agents = self.start_agents(project, 3, pause=0.1)
        project.wait_rows("raw.web_log", 300)
        os.sync()  # what the test itself wrote: configuration
        counted, acknowledged = {}, {}
        for number in range(self.CUTS):
            time.sleep(self.random.random())  # a random point, not a wait for something
            kind = self.random.choice(self.KINDS) if number >= 3 else self.KINDS[number + 1]
            counted[kind] = counted.get(kind, 0) + 1
            for name, offset in self.acknowledged(writers).items():
                acknowledged[name] = max(acknowledged.get(name, 0), offset)
            if kind != "agents":
                self.cut(self.disk, [project.server])
            if kind != "server":
                self.cut(project.agents_folder, agents)
                for agent in agents:
                    agent.start()
            if kind != "agents":
                project.start()
                self.assertEqual(project.flush().status, 200)
                marks = dict(project.catalog("SELECT host, end_offset FROM watermark"))
                for name, offset in acknowledged.items():
                    self.assertGreaterEqual(marks.get(name, -1), offset, f"{name}, cut {number}")
        lines = self.finish(project, writers, agents)
        print(f"{self.CUTS} power cuts {counted}, {lines} lines: none lost, none doubled", flush=True)

    def acknowledged(self, writers):
        """What each agent's checkpoint says the server has. An agent that was started just now, or
        whose machine forgot it, has none yet."""
        marks = {}
        for writer in writers:
            path = self.work / "agents" / writer.name_ / "state/checkpoint"
            if not path.exists():
                continue
            for log in json.loads(path.read_text().split("\n", 1)[1])["files"]:
                marks[writer.name_] = log["acked"]
        return marks


if __name__ == "__main__":
    harness.main()
