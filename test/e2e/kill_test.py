#!/usr/bin/env python3
"""kill -9 of the server, of agents and of a replay, at random points, under load: nothing lost,
nothing doubled, and whoever reads in between sees whole commits.

TARN_E2E_KILLS: how many times kill -9 (12); what else is done counts as none. Seed: TARN_E2E_SEED."""
import os
import shutil
import subprocess
import time

import harness

KILLS = int(os.environ.get("TARN_E2E_KILLS", "12"))
AGENTS = 4
# One of these at a time; "forget" also takes the agent's state away, "stop" is a SIGTERM.
ACTIONS = ["server", "server", "server", "agent", "agent", "agent", "both", "both", "forget", "stop"]


class Kill(harness.Case):
    def start_all(self):
        self.shop = self.project(buffer_age="250ms").start()
        self.logs = []
        self.agents = {}
        for name in (f"w{n}" for n in range(1, AGENTS + 1)):
            folder = self.work / "logs" / name
            folder.mkdir(parents=True)
            self.logs.append(self.writer(folder / "access.log", name))
            self.agents[name] = self.agent(self.shop, name, [f"{folder}/access.log*"]).start()
        for writer in self.logs:
            writer.start()

    def act(self, what):
        server, names = self.shop.server, []
        if what == "stop":
            if not server.running():  # the kill before was while it started
                return
            harness.wait_for("the server", lambda: self.shop.get("/health").status == 200)
            self.assertEqual(server.stop(), 0, server.tail())
        elif what in ("server", "both"):
            server.kill()
        if what in ("agent", "both", "forget"):
            names = self.random.sample(sorted(self.agents), self.random.randint(1, AGENTS))
        for name in names:
            self.agents[name].kill()
            if what == "forget":
                shutil.rmtree(self.shop.agents_folder / name / "state", ignore_errors=True)
        time.sleep(self.random.random() * 0.2)
        for process in (server, *self.agents.values()):
            if process.child is None:
                process.start()

    def look(self, seen):
        """Beside whatever runs: rows never go away and never stand twice."""
        row = self.shop.sql("SELECT count(*) n, count(DISTINCT (_source, _file_id, _position)) d "
                            "FROM raw.web_log")[0]
        self.assertEqual(row["n"], row["d"])
        self.assertGreaterEqual(int(row["n"]), seen)
        return int(row["n"])

    def test_every_line_is_in_the_lake_exactly_once(self):
        self.start_all()
        started, seen, counted = time.monotonic(), 0, {}
        while sum(counted.values()) - counted.get("stop", 0) < KILLS:
            time.sleep(self.random.random() * 1.2)  # a random point, not a wait for something
            what = self.random.choice(ACTIONS)
            counted[what] = counted.get(what, 0) + 1
            self.act(what)
            if sum(counted.values()) % 4 == 0:
                seen = self.look(seen)
        self.shop.wait_ready()
        for writer in self.logs:
            writer.finish()
        self.shop.wait_rows("raw.web_log", sum(writer.count for writer in self.logs), 120)
        self.assertEqual(self.shop.flush().status, 200)
        lines, bad = harness.assert_exactly_once(self, self.shop, self.logs)
        harness.assert_positions_agree(self, self.shop, self.logs)
        for agent in self.agents.values():
            self.assertEqual(agent.stop(), 0, agent.tail())
        self.assertEqual(self.shop.server.stop(), 0, self.shop.server.tail())
        stops = counted.pop("stop", 0)
        print(f"{sum(counted.values())} kills {counted}, {stops} stops in {time.monotonic() - started:.0f} s: {lines} lines, "
              f"{bad} of them bad: none lost, none doubled", flush=True)

    def test_a_replay_that_is_killed_counts_every_row_once(self):
        """Lines with a field more than their format, back from quarantine by the right format while
        the server lands more of them."""
        wider = harness.COMBINED + ' "%{visitor}C"'
        project = self.project(buffer_age="100ms").start()
        log = self.work / "logs/w1.log"
        log.parent.mkdir()
        agent = self.agent(project, "w1", [log]).start()
        total, finished, kills = 0, 0, 0
        for turn in range(KILLS):
            with open(log, "a", encoding="ascii") as out:
                for number in range(total, total + 300):
                    out.write(harness.log_line(number, "w1").rstrip("\n") + f' "v{number}"\n')
            total += 300
            project.wait_rows("raw.web_log", total)
            replay = subprocess.Popen([harness.TARN, "quarantine", "replay", "web_log",
                                       project.folder, "--format", wider], stdout=-3, stderr=-3)
            try:
                finished += replay.wait(self.random.random() * (0.2 + 0.1 * turn)) == 0
            except subprocess.TimeoutExpired:
                replay.kill()
                replay.wait()
                kills += 1
        self.assertGreater(kills, 0)
        project.flush()
        last = harness.tarn("quarantine", "replay", "web_log", project.folder, "--format", wider)
        self.assertEqual(last.returncode, 0, last.stderr)
        rows = project.sql("SELECT bytes FROM clean.web_log ORDER BY 1")
        self.assertEqual([int(row["bytes"]) for row in rows], list(range(total)))
        rows = project.sql("SELECT (SELECT count(*) FROM quarantine.web_log) q, "
                           "count(cookie_visitor) v FROM clean.web_log")
        self.assertEqual([(int(row["q"]), int(row["v"])) for row in rows], [(0, total)])
        self.assertEqual(agent.stop(), 0, agent.tail())
        print(f"{kills} replays killed, {finished} finished: {total} lines back once each")


if __name__ == "__main__":
    harness.main()
