#!/usr/bin/env python3
"""The disk is full at the n-th write of the server, for one n after the other: from its first start
through landing and commits to its end. Each time it says so, and once there is space it goes on
without hands: nothing acknowledged is lost, nothing is doubled.

full_disk.c, preloaded, counts the calls that take space and lets them fail. TARN_E2E_POINTS: how many
of the points are tried, evenly spread (10); 0: all. Seed: TARN_E2E_SEED, which also draws the first."""
import os
import struct
import time

import harness

POINTS = int(os.environ.get("TARN_E2E_POINTS", "10"))
SHIM = os.environ.get("TARN_FULL_DISK_LIBRARY", "")
LINES = 200


class Control:
    """What full_disk.c shares with us."""

    def __init__(self, path, folder):
        self.path = path
        path.write_bytes(struct.pack("<qqq", 0, 0, 0) + str(folder).encode().ljust(4096, b"\0"))

    def read(self):
        """(calls so far, the call from which on they fail, failed calls)"""
        with open(self.path, "rb") as control:
            return struct.unpack("<qqq", control.read(24))

    def fail_at(self, number):
        with open(self.path, "r+b") as control:
            control.seek(8)
            control.write(struct.pack("<q", number))

    def failed(self):
        return self.read()[2] > 0


class WritePoints(harness.Case):
    def setUp(self):
        super().setUp()
        if not os.path.exists(SHIM):
            self.skipTest("full_disk.c was not built")

    def prepare(self, number):
        """A new project whose server meets a full disk at write `number` (0: never)."""
        folder = self.work / f"shop{number}"
        project = self.project(folder, buffer_age="100ms")
        project.agents_folder = self.work / f"agents{number}"
        project.server.log = self.work / f"serve{number}.log"
        control = Control(self.work / f"control{number}", f"{folder}/")
        control.fail_at(number)
        project.server.command = ["env", f"LD_PRELOAD={SHIM}", f"TARN_FULL_DISK={control.path}",
                                  *project.server.command]
        logs = self.work / f"logs{number}"
        logs.mkdir()
        writer = self.writer(logs / "access.log", "w1", bad_every=50)
        return project, control, writer

    def said(self, project):
        """The server has told whoever reads its log what is wrong."""
        return any("space" in line.lower() and ("ERROR" in line or "WARN" in line or "tarn:" in line)
                   for line in project.server.tail(400).splitlines())

    def relieve(self, project, control, number):
        """Waits for the error to be said, and makes room."""
        harness.wait_for(f"the error of write {number} to be said:\n{project.server.tail()}",
                         lambda: self.said(project), 30)
        control.fail_at(0)

    def start_again(self, project):
        """What systemd does with a server that could not start."""
        self.assertNotEqual(project.server.wait(), 0, project.server.tail())
        project.server.start()

    def wait(self, project, control, number, done):
        """For `done`, through the full disk if it comes meanwhile."""
        deadline = time.monotonic() + 120
        while not done():
            if control.failed() and control.read()[1] != 0:
                self.relieve(project, control, number)
            if not project.server.running():
                self.assertTrue(control.failed(), project.server.tail())
                self.start_again(project)
            self.assertLess(time.monotonic(), deadline,
                            f"write {number}: {project.get('/ready').body}\n{project.server.tail()}")
            time.sleep(0.02)

    def life(self, number):
        """A server's first start, 2 commits, its end; answers (writes, where the disk was full)."""
        project, control, writer = self.prepare(number)
        project.start(ready=False)
        agent = self.agent(project, "w1", [writer.path]).start()
        where = "start"
        self.wait(project, control, number, lambda: project.get("/ready").status == 200)
        for _ in range(2):
            if not control.failed():
                where = "landing"
            writer.append(LINES)
            self.wait(project, control, number,
                      lambda: project.rows("raw.web_log") >= writer.count)
        self.wait(project, control, number, lambda: project.flush().status == 200)
        harness.assert_exactly_once(self, project, [writer])
        harness.assert_positions_agree(self, project, [writer])
        self.assertEqual(agent.stop(), 0, agent.tail())
        if not control.failed():
            where = "end"
        code = project.server.stop()
        if not control.failed():
            where = "never"
        if where != "end":
            self.assertEqual(code, 0, project.server.tail())
        if where == "end":  # what its last writes were for must not matter
            control.fail_at(0)
            project.start()
            harness.assert_exactly_once(self, project, [writer])
            self.assertEqual(project.server.stop(), 0, project.server.tail())
        return control.read()[0], where

    def test_every_write_may_be_the_one_that_finds_no_space(self):
        writes, where = self.life(0)
        self.assertEqual(where, "never")
        self.assertGreater(writes, 100)
        step = max(1, writes // POINTS) if POINTS else 1
        counted, number = {}, self.random.randint(1, step)
        while True:
            _, where = self.life(number)
            counted[where] = counted.get(where, 0) + 1
            if where == "never":
                break
            number += step
        print(f"a life has about {writes} writes; the disk was full at {sum(counted.values()) - 1} "
              f"of them: {counted}; none lost, none doubled", flush=True)
        self.assertGreater(counted.get("start", 0), 0)
        self.assertGreater(counted.get("landing", 0), 0)


if __name__ == "__main__":
    harness.main()
