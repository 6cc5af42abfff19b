#!/usr/bin/env python3
"""kill -9 of the server and of agents, at random points, under load: nothing lost, nothing doubled.

TARN_E2E_KILLS: how many (12). Seed: TARN_E2E_SEED."""
import os
import time

import harness

KILLS = int(os.environ.get("TARN_E2E_KILLS", "12"))
AGENTS = 4


class Kill(harness.Case):
    def test_every_line_is_in_the_lake_exactly_once(self):
        project = self.project(buffer_age="250ms").start()
        agents, writers = [], []
        for name in (f"w{n}" for n in range(1, AGENTS + 1)):
            folder = self.work / "logs" / name
            folder.mkdir(parents=True)
            writers.append(self.writer(folder / "access.log", name))
            agents.append(self.agent(project, name, [f"{folder}/access.log*"]).start())
        for writer in writers:
            writer.start()
        started = time.monotonic()
        counted = {"server": 0, "agent": 0, "both": 0}
        for _ in range(KILLS):
            time.sleep(self.random.random() * 1.2)  # a random point, not a wait for something
            what = self.random.choice(["server", "server", "agent", "agent", "both"])
            counted[what] += 1
            victims = []
            if what in ("server", "both"):
                victims.append(project.server)
            if what in ("agent", "both"):
                victims.extend(self.random.sample(agents, self.random.randint(1, AGENTS)))
            for victim in victims:
                victim.kill()
            time.sleep(self.random.random() * 0.2)
            for victim in victims:
                victim.start()
        project.wait_ready()
        for writer in writers:
            writer.finish()
        total = sum(writer.count for writer in writers)
        project.wait_rows("raw.web_log", total)
        self.assertEqual(project.flush().status, 200)
        lines, bad = harness.assert_exactly_once(self, project, writers)
        harness.assert_positions_agree(self, project, writers)
        for agent in agents:
            self.assertEqual(agent.stop(), 0, agent.tail())
        self.assertEqual(project.server.stop(), 0, project.server.tail())
        print(f"{KILLS} kills {counted} in {time.monotonic() - started:.0f} s: {lines} lines, "
              f"{bad} of them bad: none lost, none doubled", flush=True)


if __name__ == "__main__":
    harness.main()
