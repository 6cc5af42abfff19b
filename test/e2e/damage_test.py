#!/usr/bin/env python3
"""Files of the lake that are damaged, missing, moved or another user's: what is said, and how one
goes on. Never a wrong answer, never a new lake over an old one."""
import json
import os
import shutil
import sqlite3
import subprocess
import unittest

import agent_batch
import harness

LINE = b'192.0.2.1 - - [24/Nov/2026:%02d:00:00 +0000] "GET /%d HTTP/1.1" 200 5 "-" "-"\n'
DATA_LOSS, PERMISSION_DENIED, CONFLICT, WRONG_USE = 11, 7, 5, 2
NOBODY = 65534


def lines(hour, first, count):
    return b"".join(LINE % (hour, n) for n in range(first, first + count))


class LakeCase(harness.Case):
    """A project with 30 lines of hour 13 and 20 of hour 14, whose server has stopped."""

    def setUp(self):
        super().setUp()
        self.shop = self.project(buffer_age="1h").start()
        data = lines(13, 0, 30) + lines(14, 30, 20)
        answer = self.shop.request("POST", "/v1/agent/batches", agent_batch.encode(data),
                                   self.shop.ingest_key,
                                   {"Content-Type": "application/vnd.tarn.batch"})
        self.assertEqual(answer.status, 200)
        self.assertEqual(self.shop.flush().status, 200)
        self.assertEqual(self.shop.server.stop(), 0)
        self.state, self.lake = self.shop.folder / "state", self.shop.folder / "lake"
        self.count = "SELECT count(*) n FROM clean.web_log WHERE path LIKE '/%'"

    def data_file(self, hour):
        path, = (self.lake / f"clean/web_log/data/2026/11/24/{hour}").glob("*.parquet")
        return path

    def refused(self, status, arguments, *expected):
        done = harness.tarn(*arguments)
        said = done.stdout + done.stderr
        self.assertEqual(done.returncode, status, said)
        for word in expected:
            self.assertIn(str(word), said)
        for internal in ("CREATE VIEW", "query_", "read_parquet", "LINE 1"):
            self.assertNotIn(internal, said)
        return done

    def refused_query(self, *expected):
        self.refused(DATA_LOSS, ("sql", self.shop.folder, self.count), *expected)

    def rows(self, where="path LIKE '/%'"):
        return int(self.shop.sql(f"SELECT count(*) n FROM clean.web_log WHERE {where}")[0]["n"])

    def serve_refuses(self, status, *expected):
        self.shop.start(ready=False)
        self.assertEqual(self.shop.server.wait(), status, self.shop.server.tail())
        for word in expected:
            self.assertIn(str(word), self.shop.server.tail())


class DataFiles(LakeCase):
    def test_a_missing_file_is_named_and_can_be_restored(self):
        path = self.data_file(13)
        content = path.read_bytes()
        path.unlink()
        self.refused_query("clean.web_log", path, "is missing", "30 rows", "backup", "Damage")
        self.assertEqual(self.rows("time >= '2026-11-24 14:00:00'"), 20)  # does not need it
        self.assertEqual(len(self.shop.sql("SELECT * FROM raw.web_log")), 50)
        path.write_bytes(content)
        self.assertEqual(self.rows(), 50)

    def test_lost_files_are_listed_and_can_be_gone_on_without(self):
        missing, damaged = self.data_file(13), self.data_file(14)
        missing.unlink()
        content = bytearray(damaged.read_bytes())
        content[len(content) // 2] ^= 0x10
        damaged.write_bytes(content)
        folder = self.shop.folder
        self.refused(DATA_LOSS, ("maintain", folder, "--verify"), missing, "is missing", damaged,
                     "is damaged", "2 lost", "2 files are lost")
        report = json.loads(self.refused(DATA_LOSS, ("maintain", folder, "--verify", "--json")).stdout)
        self.assertEqual((report["tables"], report["lost"], report["accepted"]), (3, 2, 0))
        self.refused(WRONG_USE, ("maintain", folder, "--accept-loss"), "--verify")
        self.refused(WRONG_USE, ("maintain", folder, "--verify", "--compact"), "alone")
        done = harness.tarn("maintain", folder, "--verify", "--accept-loss")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("2 taken out", done.stdout)
        for path in (missing, damaged):
            self.assertIn(f"taken out   file://{path}", done.stdout)
        self.assertEqual(self.rows(), 0)
        self.assertEqual(harness.tarn("maintain", folder, "--verify").returncode, 0)
        self.assertIn(("operator", "table.accept_loss", "clean.web_log"),
                      self.shop.catalog("SELECT who, action, object FROM audit"))
        self.shop.start()  # and the table goes on
        answer = self.shop.request(
            "POST", "/v1/agent/batches",
            agent_batch.encode(lines(15, 0, 5), file_id="f2", number=2), self.shop.ingest_key,
            {"Content-Type": "application/vnd.tarn.batch"})
        self.assertEqual(answer.status, 200)
        self.assertEqual(self.shop.flush().status, 200)
        self.assertEqual(self.rows(), 5)

    def test_a_file_that_the_disk_does_not_give_back_is_one_of_the_lost(self):
        path = self.data_file(13)
        path.unlink()
        path.symlink_to(path.name)  # too many levels of symbolic links: an error of reading
        folder = self.shop.folder
        self.refused(DATA_LOSS, ("maintain", folder, "--verify"), path, "is unreadable", "3 tables",
                     "1 lost", "1 file is lost")
        done = harness.tarn("maintain", folder, "--verify", "--accept-loss")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"taken out   file://{path}", done.stdout)
        self.assertEqual(self.rows(), 20)
        (detail,), = self.shop.catalog(
            "SELECT detail FROM audit WHERE action = 'table.accept_loss'")
        self.assertIn(str(path), detail)

    def test_a_table_that_cannot_be_checked_does_not_hide_the_others(self):
        """Of the three tables two have a trouble each."""
        metadata = self.shop.metadata("quarantine.web_log")[len("file://"):]
        os.unlink(metadata)
        os.symlink(os.path.basename(metadata), metadata)
        lost = self.data_file(13)
        lost.unlink()
        done = harness.tarn("maintain", self.shop.folder, "--verify", "--accept-loss")
        self.assertEqual(done.returncode, 13, done.stdout + done.stderr)
        self.assertIn(f"taken out   file://{lost}", done.stdout)
        self.assertIn("verified:   3 tables", done.stdout)
        self.assertIn(os.path.basename(metadata), done.stderr)

    def test_cut_and_flipped_files_are_named(self):
        path = self.data_file(13)
        content = path.read_bytes()
        for size in (0, 7, len(content) // 2, len(content) - 1):
            path.write_bytes(content[:size])
            self.refused_query("clean.web_log", path, "is damaged", "30 rows")
        for _ in range(15):
            flipped = bytearray(content)
            flipped[self.random.randrange(len(content))] ^= 1 << self.random.randrange(8)
            path.write_bytes(flipped)
            done = self.shop.sql(self.count, check=False)
            if done.returncode == 0:
                self.assertEqual(json.loads(done.stdout), {"n": 50})
            else:
                self.refused_query("clean.web_log", path)
            self.refused(DATA_LOSS, ("maintain", self.shop.folder, "--verify"), path)

    def test_a_query_of_the_users_own_mistake_blames_no_file(self):
        done = self.shop.sql("SELECT CAST(path AS INT) FROM clean.web_log", check=False)
        self.assertEqual(done.returncode, WRONG_USE, done.stderr)
        self.assertNotIn("damaged", done.stderr)


class Metadata(LakeCase):
    def test_each_file_of_it_is_named_when_it_is_lost(self):
        metadata = self.shop.metadata("clean.web_log")[len("file://"):]
        folder = self.lake / "clean/web_log/metadata"
        for path in (metadata, *folder.glob("snap-*"), *folder.glob("*-m*.avro")):
            with open(path, "rb") as file:
                content = file.read()
            name = os.path.basename(path)
            for damaged in (content[:len(content) // 2], b"", None):
                if damaged is None:
                    os.unlink(path)
                else:
                    with open(path, "wb") as file:
                        file.write(damaged)
                self.refused_query("clean.web_log: ", name, "cannot be read", "backup")
                self.refused(DATA_LOSS, ("maintain", self.shop.folder, "--verify"), name)
                self.refused(DATA_LOSS, ("dataset", "clean.web_log", self.shop.folder), name)
            with open(path, "wb") as file:
                file.write(content)
        self.assertEqual(self.rows(), 50)


class Catalog(LakeCase):
    def test_without_it_nothing_begins_anew_over_the_tables(self):
        for path in self.state.glob("catalog.db*"):
            path.unlink()
        folder = self.shop.folder
        for arguments in (("sql", folder, "SELECT 1"), ("status", folder), ("datasets", folder),
                          ("dataset", "clean.web_log", folder), ("maintain", folder),
                          ("quarantine", "list", folder)):
            self.refused(DATA_LOSS, arguments, self.state / "catalog.db", "is missing", self.lake,
                         "Restore it", "begin anew")
        self.serve_refuses(DATA_LOSS, self.state / "catalog.db", "is missing", self.lake)
        self.assertFalse((self.state / "catalog.db").exists())

    def land(self, number):
        answer = self.shop.request(
            "POST", "/v1/agent/batches", agent_batch.encode(lines(15, 0, 5), file_id=f"c{number}",
                                                            number=number),
            self.shop.ingest_key, {"Content-Type": "application/vnd.tarn.batch"})
        self.assertEqual(answer.status, 200)
        self.assertEqual(self.shop.flush().status, 200)

    def test_a_damaged_log_makes_no_older_lake(self):
        """One byte of a commit that was acknowledged, in the log as kill -9 left it."""
        self.shop.start()
        for number in range(3):
            self.land(number)
        self.shop.server.kill()
        log, folder = self.state / "catalog.db-wal", self.shop.folder
        content = log.read_bytes()
        for offset in (9, 40, 32 + 3 * 4120 + 100, len(content) // 2):
            flipped = bytearray(content)
            flipped[offset] ^= 1
            log.write_bytes(flipped)
            for arguments in (("sql", folder, self.count), ("status", folder), ("datasets", folder),
                              ("maintain", folder), ("quarantine", "list", folder)):
                self.refused(DATA_LOSS, arguments, log, "To go on", "--accept-loss", "Damage")
            self.serve_refuses(DATA_LOSS, log, "To go on", "--accept-loss")
            self.assertEqual(log.read_bytes(), flipped)
        self.shop.server.command.append("--accept-loss")
        self.serve_refuses(DATA_LOSS, log)  # that alone removes nothing
        for path in (log, self.state / "catalog.db-shm"):
            path.rename(self.work / path.name)
        self.shop.start()
        self.assertEqual(self.shop.flush().status, 200)  # the journal had it all
        self.assertEqual(self.rows(), 65)
        self.land(4)
        self.assertEqual(self.shop.server.stop(), 0)
        self.assertEqual(self.rows(), 70)
        self.assertIn(("catalog.log_lost",), self.shop.catalog("SELECT action FROM audit"))
        self.assertEqual(harness.tarn("maintain", folder, "--verify").returncode, 0)

    def test_a_log_damaged_after_a_clean_stop_can_go(self):
        log = self.state / "catalog.db-wal"
        flipped = bytearray(log.read_bytes())
        flipped[40] ^= 1
        log.write_bytes(flipped)
        self.refused(DATA_LOSS, ("sql", self.shop.folder, self.count), log, "after a clean stop it has everything")
        self.serve_refuses(DATA_LOSS, log, "after a clean stop it has everything")
        for path in (log, self.state / "catalog.db-shm"):
            path.rename(self.work / path.name)
        self.assertEqual(self.rows(), 50)
        self.shop.start()
        self.assertEqual(self.rows(), 50)

    def test_a_project_that_was_never_served_says_so(self):
        fresh = self.project(self.work / "fresh")
        self.refused(3, ("sql", fresh.folder, "SELECT 1"), "no lake yet", "tarn serve")


class LakeOfAnother(LakeCase):
    """Projects pointed at a lake that is not theirs."""

    def second(self, catalog_of=None, extra=""):
        """A project whose lake is the shop's, and whose catalog, if it has one, knows no table."""
        other = self.project(self.work / "other", extra=f"lake:\n  path: {self.lake}\n" + extra)
        (other.folder / "state").mkdir(exist_ok=True)
        if catalog_of is not None:
            shutil.copy(catalog_of, other.folder / "state/catalog.db")
        return other

    def empty_catalog(self):
        """Of a project without sources that was served once."""
        empty = self.project(self.work / "empty")
        (empty.folder / "tarn.yaml").write_text(f"name: e2e\nlisten:\n  port: {empty.port}\n")
        empty.start()
        self.assertEqual(empty.server.stop(), 0)
        return empty.folder / "state/catalog.db"

    def started(self, project):
        project.start(ready=False)
        return project.server.wait(), project.server.tail()

    def refuses_all(self, status, project, *expected):
        before = harness.contents(self.lake)
        for words in (("maintain",), ("maintain", "--orphans", "--dry-run"),
                      ("quarantine", "replay", "web_log", "--format", "combined")):
            own = words[:3] if words[0] == "quarantine" else words[:1]
            arguments = (*own, project.folder, *words[len(own):])
            self.refused(status, arguments, *expected)
        ended, said = self.started(project)
        self.assertEqual(ended, status, said)
        for word in expected:
            self.assertIn(str(word), said)
        self.assertEqual(before, harness.contents(self.lake))

    def test_a_second_project_is_refused_and_nothing_is_removed(self):
        other = self.second(self.empty_catalog())
        self.refuses_all(CONFLICT, other, f"{self.lake}/lake.json", "another catalog",
                         other.folder / "state/catalog.db", "lake.path")
        self.shop.start()
        self.assertEqual(self.rows(), 50)
        self.assertEqual(len(list(self.shop.json_records())), 50)

    def test_an_old_lake_is_the_catalogs_that_has_its_tables(self):
        (self.lake / "lake.json").unlink()
        other = self.second(self.empty_catalog())
        self.refuses_all(DATA_LOSS, other, "knows no table", self.lake, "backup", "lake.path")
        self.shop.start()
        self.assertTrue((self.lake / "lake.json").exists())
        self.assertEqual(self.rows(), 50)

    def test_a_copy_of_the_state_is_kept_out_while_the_server_runs(self):
        copy = self.second()
        shutil.copytree(self.state, copy.folder / "state", dirs_exist_ok=True)
        self.shop.start()
        self.refuses_all(CONFLICT, copy, f"{self.lake}", "copy", "stop it")
        (self.lake / "lake.json").unlink()
        self.refuses_all(CONFLICT, copy, f"{self.lake}", "copy", "stop it")
        # Several at once look at locks that the others may hold just then.
        shutil.copy(self.state / "server.json", copy.folder / "state")
        commands = [subprocess.Popen([harness.TARN, "maintain", copy.folder],
                                     stderr=subprocess.DEVNULL) for _ in range(3)]
        self.assertEqual([command.wait(timeout=60) for command in commands], [CONFLICT] * 3)
        # The server's own commands go on beside it.
        self.assertEqual(self.rows(), 50)
        for arguments in (("maintain", self.shop.folder),
                          ("quarantine", "replay", "web_log", self.shop.folder)):
            done = harness.tarn(*arguments)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.shop.server.stop(), 0)
        done = harness.tarn("maintain", copy.folder)  # as a catalog restored from its backup
        self.assertEqual(done.returncode, 0, done.stderr)


class GoneWhileRunning(LakeCase):
    """What is removed under a running server: nothing more is taken as if it were safe."""

    def setUp(self):
        super().setUp()
        self.shop.configure(buffer_age="200ms")
        self.shop.start()

    def send(self, number):
        return self.shop.request(
            "POST", "/v1/agent/batches", agent_batch.encode(lines(15, 0, 5), file_id=f"g{number}",
                                                            number=number),
            self.shop.ingest_key, {"Content-Type": "application/vnd.tarn.batch"}).status

    def unready(self, *expected):
        answer = harness.wait_for("/ready to say so", lambda: next(
            (a for a in [self.shop.get("/ready")] if a.status == 503), None))
        shown = harness.tarn("status", self.shop.folder)
        for word in expected:
            self.assertIn(str(word), answer.body.decode())
            self.assertIn(str(word), shown.stdout)

    def test_the_journal(self):
        journal, aside = self.state / "journal", self.work / "aside"
        journal.rename(aside)
        self.unready(journal, "removed", "--accept-loss")  # although nobody sends
        self.assertEqual(self.send(1), 503)
        aside.rename(journal)
        harness.wait_for("it to go on", lambda: self.send(2) == 200)
        self.shop.wait_rows("raw.web_log", 55)
        shutil.rmtree(journal)
        self.assertEqual(self.send(3), 503)
        self.unready(journal, "removed", "--accept-loss")
        self.assertEqual(self.shop.server.stop(), 0)
        self.serve_refuses(DATA_LOSS, journal, "--accept-loss")

    def test_the_catalog(self):
        paths = sorted(self.state.glob("catalog.db*"))
        self.assertGreaterEqual(len(paths), 2)
        for path in paths:
            path.rename(self.work / path.name)
        self.assertEqual(self.send(1), 200)  # it is in the journal
        self.unready(self.state / "catalog.db", "was removed")
        for path in paths:
            (self.work / path.name).rename(path)
        self.shop.wait_rows("raw.web_log", 55)
        self.assertEqual(self.shop.get("/ready").status, 200)


class LockedCatalog(LakeCase):
    """Another process writes to the catalog and does not end."""

    def setUp(self):
        super().setUp()
        self.shop.configure(buffer_age="200ms")
        self.shop.start()
        self.other = sqlite3.connect(self.state / "catalog.db", isolation_level=None)
        self.addCleanup(self.other.close)

    def send_while_locked(self, number):
        self.other.execute("BEGIN IMMEDIATE")
        answer = self.shop.request(
            "POST", "/v1/agent/batches", agent_batch.encode(lines(15, 0, 5), file_id=f"l{number}",
                                                            number=number),
            self.shop.ingest_key, {"Content-Type": "application/vnd.tarn.batch"})
        self.assertEqual(answer.status, 200)
        return harness.wait_for("/ready to say so", lambda: next(
            (a for a in [self.shop.get("/ready")] if a.status == 503), None), seconds=15)

    def test_it_is_said_tried_again_and_holds_up_no_stop(self):
        said = "another process holds the catalog's lock"
        self.assertIn(said, self.send_while_locked(1).body.decode())
        self.assertIn(said, harness.tarn("status", self.shop.folder).stdout)
        failed, = (line for line in self.shop.server.log.read_text().splitlines()
                   if "landing.failed" in line)
        self.assertIn(said, failed)
        self.other.execute("ROLLBACK")
        self.shop.wait_rows("raw.web_log", 55)
        self.assertEqual(self.shop.get("/ready").status, 200)
        self.send_while_locked(2)
        self.assertEqual(self.shop.server.stop(seconds=20), 0)
        self.other.execute("ROLLBACK")
        self.assertEqual(self.rows(), 55)
        self.shop.start()
        self.assertEqual(self.shop.flush().status, 200)
        self.assertEqual(self.rows(), 60)
        self.assertEqual(len(list(self.shop.json_records())), 60)


class MovedProject(LakeCase):
    def moved_is_said(self, folder):
        left = folder / "lake/.tmp/0123456789abcdef-0123456789abcdef"  # by a server that was killed
        left.write_bytes(b"")
        before = harness.contents(folder)
        for arguments in (("sql", folder, "SELECT 1"), ("status", folder), ("maintain", folder)):
            self.refused(WRONG_USE, arguments, f"{folder}/lake", f"{self.shop.folder}/lake",
                         "symbolic link")
        server = harness.Process([harness.TARN, "serve", str(folder)], self.work / "moved.log")
        self.processes.append(server)
        self.assertEqual(server.start().wait(), WRONG_USE, server.tail())
        self.assertIn("symbolic link", server.tail())
        self.assertEqual(before, harness.contents(folder))

    def test_a_renamed_folder_is_said_and_works_under_its_old_name(self):
        moved = self.work / "moved"
        self.shop.folder.rename(moved)
        self.moved_is_said(moved)
        self.shop.folder.symlink_to(moved)
        self.assertEqual(self.rows(), 50)
        self.shop.folder.unlink()
        moved.rename(self.shop.folder)
        self.assertEqual(self.rows(), 50)

    def test_a_copy_is_said_and_does_not_touch_the_original(self):
        copy = self.work / "copy"
        shutil.copytree(self.shop.folder, copy)
        self.moved_is_said(copy)
        self.shop.start()
        self.assertEqual(self.rows(), 50)


@unittest.skipUnless(os.geteuid() == 0 and shutil.which("setpriv"), "needs root and setpriv")
class Owner(LakeCase):
    WRITES = (("serve",), ("keys", "create", "x", "--role", "reader"), ("maintain",))

    def setUp(self):
        super().setUp()
        self.work.chmod(0o755)
        if self.as_nobody("--version").returncode != 0:
            self.skipTest("nobody cannot run the program where it is")

    def as_nobody(self, *arguments):
        return subprocess.run(["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY),
                               "--clear-groups", harness.TARN, *map(str, arguments)],
                              capture_output=True, text=True, timeout=60, check=False)

    def command(self, words):
        """The folder comes behind the command's own words."""
        own = {"keys": 3}.get(words[0], 1)
        return [*words[:own], self.shop.folder, *words[own:]]

    def give(self, owner, *paths):
        subprocess.run(["chown", "-R", str(owner), *map(str, paths)], check=True)
        subprocess.run(["chmod", "-R", "o+rX", *map(str, paths)], check=True)

    def test_another_user_may_not_write(self):
        self.give(0, self.shop.folder)
        before = sorted(self.shop.folder.rglob("*"))
        for words in self.WRITES:
            done = self.as_nobody(*self.command(words))
            self.assertEqual(done.returncode, PERMISSION_DENIED, done.stderr)
            self.assertIn(f"{self.state} belongs to root", done.stderr)
            self.assertIn("sudo -u root tarn", done.stderr)
        self.assertEqual(before, sorted(self.shop.folder.rglob("*")))

    def test_root_is_another_user_too_and_the_owner_may(self):
        self.give(NOBODY, self.shop.folder)
        before = {path: path.stat().st_uid for path in self.shop.folder.rglob("*")}
        for words in (*self.WRITES, ("sql",)):
            arguments = (*self.command(words), *(["SELECT 1"] if words == ("sql",) else []))
            self.refused(PERMISSION_DENIED, arguments, "sudo -u nobody tarn")
        self.assertEqual(before, {path: path.stat().st_uid for path in self.shop.folder.rglob("*")})
        done = self.as_nobody("sql", self.shop.folder, self.count)
        self.assertEqual((done.returncode, done.stdout.split()), (0, ["n", "50"]), done.stderr)
        self.assertEqual(self.as_nobody("maintain", self.shop.folder).returncode, 0)

    def test_what_counts_is_who_owns_state_and_lake(self):
        os.chown(self.shop.folder, NOBODY, NOBODY)
        self.assertEqual(self.rows(), 50)
        self.assertEqual(harness.tarn("maintain", self.shop.folder).returncode, 0)
        self.give(NOBODY, self.lake)
        self.refused(PERMISSION_DENIED, ("maintain", self.shop.folder), f"{self.lake} belongs to nobody")


if __name__ == "__main__":
    harness.main()
