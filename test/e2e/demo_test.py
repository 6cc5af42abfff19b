#!/usr/bin/env python3
"""`tarn demo` with a seed, without a screen: what the lake says equals what happened, per server,
hour and status; a second run goes on where the first stopped.

TARN_E2E_DEMO_SECONDS: how long the first run is live (20). Seed: TARN_E2E_SEED."""
import collections
import json
import os
import shutil
import subprocess
import unittest

import harness

SECONDS = int(os.environ.get("TARN_E2E_DEMO_SECONDS", "20"))
APACHE = shutil.which("apache2", path="/usr/sbin:/usr/bin")


@unittest.skipIf(APACHE is None, "no Apache httpd here (package apache2-bin)")
class Demo(harness.Case):
    def setUp(self):
        super().setUp()
        os.chmod(self.work, 0o755)  # Apache's children are not root
        self.folder = self.work / "shop"

    def run_demo(self, *arguments):
        done = subprocess.run([harness.TARN, "demo", self.folder, "--headless", "--json",
                               *arguments], capture_output=True, text=True, check=False,
                              timeout=SECONDS + 200)
        self.assertEqual(done.returncode, 0, done.stderr[-3000:])
        return json.loads(done.stdout)

    def truth(self):
        """(server, hour, status) → hits, and server → rejected lines."""
        hits, rejected = collections.Counter(), collections.Counter()
        for line in (self.folder / "truth.jsonl").read_text().splitlines():
            entry = json.loads(line)
            self.assertNotIn("uncertain", entry)
            for status, count in entry.get("status", {}).items():
                hits[entry["server"], entry["hour"], int(status)] += count
            rejected[entry["server"]] += entry.get("rejected", 0)
        return +hits, +rejected

    def counted(self, statement):
        done = harness.tarn("sql", self.folder / "project", statement, "--format", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        return collections.Counter({tuple(list(row.values())[:-1]): int(row["n"]) for row in rows})

    def compare(self):
        hits, rejected = self.truth()
        hour = "strftime(time, '%Y-%m-%dT%H')"
        self.assertEqual(self.counted(f"SELECT server, {hour} h, status, count(*) n "
                                      "FROM clean.web_log GROUP BY ALL"), hits, "clean")
        self.assertEqual(self.counted(f"SELECT _source, {hour} h, status, count(*) n "
                                      "FROM raw.web_log WHERE _error IS NULL GROUP BY ALL"), hits,
                         "raw")
        by_server = collections.Counter({(name,): n for name, n in rejected.items()})
        for table, where in {"quarantine": "", "raw": "WHERE _error IS NOT NULL"}.items():
            self.assertEqual(self.counted(f"SELECT _source, count(*) n FROM {table}.web_log "
                                          f"{where} GROUP BY ALL"), by_server, table)
        in_json, bad_in_json = collections.Counter(), collections.Counter()
        project = harness.Project.__new__(harness.Project)
        project.folder = self.folder / "project"
        for record in project.json_records():
            if "_error" in record:
                bad_in_json[(record["_source"],)] += 1
            else:
                in_json[record["_source"], record["time"][:13].replace(" ", "T"),
                        record["status"]] += 1
        self.assertEqual(in_json, hits, "JSON objects")
        self.assertEqual(bad_in_json, by_server, "rejected lines in JSON objects")
        # The Apache logs, counted by a parser of their own, say the same.
        recount = subprocess.run(["python3", harness.SOURCE_DIR / "demo/recount.py", self.folder,
                                  "--compare"], capture_output=True, text=True, check=False)
        self.assertEqual(recount.returncode, 0, recount.stderr)
        return sum(hits.values()), sum(rejected.values()), len({key[1] for key in hits})

    def test_the_lake_says_what_happened(self):
        seed = ["--seed", str(harness.SEED + 6)]
        summary = self.run_demo("--for", f"{SECONDS}s", "--days", "2", *seed)
        self.assertTrue(summary["ok"], summary)
        hits, rejected, hours = self.compare()
        self.assertGreater(hours, 24)
        self.assertGreater(rejected, 0)
        print(f"{hits} hits and {rejected} rejected lines in {hours} hours: raw, clean, quarantine "
              f"and JSON objects equal the truth", flush=True)
        # As a demo leaves it that was killed before it had noted its key.
        (self.folder / "project/secrets/agent.key").unlink()
        summary = self.run_demo("--for", "5s")
        self.assertTrue(summary["ok"], summary)
        again, _, _ = self.compare()
        self.assertGreater(again, hits)


if __name__ == "__main__":
    harness.main()
