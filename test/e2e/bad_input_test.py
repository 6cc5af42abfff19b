#!/usr/bin/env python3
"""What the issue's section 3 calls bad input: each has a stated answer, and here it is asked for."""
import base64
import json
import os
import pathlib
import re
import shutil
import socket

import agent_batch
import harness

LINE = b'192.0.2.1 - - [24/Nov/2026:13:00:00 +0000] "GET /%d HTTP/1.1" 200 5 "-" "-"\n'
MIB = 1 << 20


def lines(first, count):
    return b"".join(LINE % n for n in range(first, first + count))


def send(project, batch, key=None):
    return project.request("POST", "/v1/agent/batches", batch, key or project.ingest_key,
                           {"Content-Type": "application/vnd.tarn.batch"})


def message_of(answer):
    return answer.json()["error"]["message"]


class Configuration(harness.Case):
    def setUp(self):
        super().setUp()
        self.shop = self.project()

    def refused(self, text, *expected, program="check"):
        (self.shop.folder / "tarn.yaml").write_text(text)
        done = harness.tarn(program, self.shop.folder)
        self.assertEqual(done.returncode, 2, done.stderr)
        for word in expected:
            self.assertIn(word, done.stderr)
        return done.stderr

    def test_a_wrong_key_is_named_with_file_line_path_and_nearest_word(self):
        text = ("name: e2e\nlisten:\n  prot: 8700\nsources:\n  web_log:\n    fromat: combined\n")
        said = self.refused(text, "tarn.yaml:3:3: listen", "'prot'", "'port'", "tarn.yaml:6:5:",
                            "sources.web_log", "'fromat'", "'format'")
        self.assertGreaterEqual(len(said.splitlines()), 2, "every problem at once")

    def test_nothing_is_started(self):
        shutil.rmtree(self.shop.folder / "state")
        self.refused("name: e2e\nsources:\n  web_log:\n    format: '%h %Q'\n", "tarn.yaml:4",
                     "sources.web_log.format", program="serve")
        self.assertFalse((self.shop.folder / "state").exists())
        self.assertFalse((self.shop.folder / "lake").exists())

    def test_wrong_values_are_refused_where_they_stand(self):
        self.refused("name: e2e\nlisten:\n  port: 99999\n", "tarn.yaml:3", "listen.port", "65535")
        self.refused("name: e2e\nlanding:\n  buffer_age: soon\n", "tarn.yaml:3",
                     "landing.buffer_age")
        self.refused("name: e2e\ntime_zone: Europe/Berlyn\n", "tarn.yaml:2", "time_zone",
                     "Europe/Berlyn")
        self.refused("name: e2e\nsources:\n  web_log:\n    format: combined\n    land: [parket]\n",
                     "tarn.yaml:5", "parket", "parquet")
        self.refused("name: e2e\nname: again\n", "tarn.yaml:2", "name")
        self.refused("name: [e2e\n", "tarn.yaml:")
        self.refused("name: ${env:TARN_E2E_NO_SUCH}\n", "tarn.yaml:1", "TARN_E2E_NO_SUCH")

    def test_more_sources_than_one_commit_takes_are_refused(self):
        sources = "".join(f"  s{n}:\n    format: common\n" for n in range(1_001))
        self.refused(f"name: e2e\nsources:\n{sources}", "tarn.yaml:3", "sources",
                     "at most 1000")

    def test_no_project_is_not_found(self):
        done = harness.tarn("serve", self.work)
        self.assertEqual(done.returncode, 3)
        self.assertIn("tarn init", done.stderr)

    def test_the_project_in_a_demos_folder_is_named(self):
        inner = self.work / "project"
        inner.mkdir()
        (inner / "tarn.yaml").write_text("name: e2e\nsources:\n  web_log:\n    format: common\n")
        done = harness.tarn("status", self.work)
        self.assertEqual(done.returncode, 3)
        self.assertIn(f"{inner} has one", done.stderr)

    def test_the_agent_says_the_same_of_its_file(self):
        agent = self.agent(self.shop, "w1", [self.work / "*.log"])
        path = self.shop.folder / "agents/w1/agent.yaml"
        path.write_text(path.read_text().replace("paths:", "pahts:"))
        self.assertEqual(agent.start().wait(), 2)
        said = agent.tail()
        for word in ("agent.yaml:", "'pahts'", "'paths'"):
            self.assertIn(word, said)
        self.assertFalse((self.shop.folder / "agents/w1/state").exists())

    def test_the_agent_knows_the_names_of_formats(self):
        agent = self.agent(self.shop, "w1", [self.work / "*.log"], format_text="combind")
        agent.command.append("--check")
        self.assertEqual(agent.start().wait(), 2)
        for word in ("agent.yaml:", "flows[0].format", "'combind'", "did you mean 'combined'?"):
            self.assertIn(word, agent.tail())

    def test_a_key_for_a_source_that_is_none_is_not_made(self):
        done = harness.tarn("keys", "create", "w1", self.shop.folder, "--source", "web_lok")
        self.assertEqual((done.returncode, done.stdout), (3, ""), done.stderr)
        self.assertIn("no source 'web_lok' in tarn.yaml; did you mean 'web_log'?", done.stderr)
        self.assertNotIn("w1", harness.tarn("keys", "list", self.shop.folder).stdout)

    def test_the_agent_reads_no_file_that_is_not_there(self):
        agent = harness.Process([harness.AGENT, "--config", str(self.work / "none.yaml")],
                                self.work / "agent.log")
        self.assertNotEqual(agent.start().wait(), 0)
        self.assertIn("none.yaml", agent.tail())


class Door(harness.Case):
    """Requests no agent of ours would send. One server for each test, checked to be well after."""

    def setUp(self):
        super().setUp()
        self.shop = self.project(sources={"web_log": "combined", "other": "common"}).start()

    def landed(self, expected):
        self.assertEqual(self.shop.flush().status, 200)
        rows = self.shop.sql("SELECT path FROM raw.web_log ORDER BY _position")
        self.assertEqual([row["path"] for row in rows], [f"/{n}" for n in expected])

    def test_keys(self):
        batch = agent_batch.encode(lines(0, 1))
        self.assertEqual(self.shop.request("POST", "/v1/agent/batches", batch).status, 401)
        self.assertEqual(send(self.shop, batch, key="wrong").status, 401)
        made = harness.tarn("keys", "create", "only-other", self.shop.folder, "--source", "other")
        reader = harness.tarn("keys", "create", "reads", self.shop.folder, "--role", "reader")
        self.shop.server.stop()
        self.shop.start()
        self.assertEqual(send(self.shop, batch, key=made.stdout.strip()).status, 403)
        self.assertEqual(send(self.shop, batch, key=reader.stdout.strip()).status, 403)
        self.assertEqual(self.shop.get("/v1/status", self.shop.ingest_key).status, 403)
        self.assertEqual(self.shop.get("/v1/status").status, 401)
        common = agent_batch.encode(b'h - - [24/Nov/2026:13:00:00 +0000] "GET / HTTP/1.1" 200 5\n',
                                    source="other", format_text="common")
        self.assertEqual(send(self.shop, common, key=made.stdout.strip()).status, 200)
        self.landed([])

    def test_an_unknown_source_is_not_found_and_the_nearest_is_named(self):
        answer = send(self.shop, agent_batch.encode(lines(0, 1), source="web_lok"))
        self.assertEqual(answer.status, 404)
        self.assertIn("web_log", message_of(answer))

    def test_a_format_that_is_none_is_the_last_error_of_its_source_alone(self):
        typo = agent_batch.encode(lines(0, 2), format_text="combind")
        common = agent_batch.encode(b'h - - [24/Nov/2026:13:00:00 +0000] "GET / HTTP/1.1" 200 5\n',
                                    source="other", format_text="common")
        for batch in (typo, common):
            self.assertEqual(send(self.shop, batch).status, 200)
        self.assertEqual(self.shop.flush().status, 200)
        said = {source["name"]: source["last_error"] for source in self.shop.status()["sources"]}
        self.assertIn("h1: none of the 2 lines", said["web_log"])
        self.assertIn("'combind' is no log format; did you mean 'combined'?", said["web_log"])
        self.assertEqual(said["other"], "")
        self.assertIn("did you mean 'combined'?", harness.tarn("status", self.shop.folder).stdout)
        self.assertEqual(self.shop.get("/ready").status, 200, "the landing goes well")

    def raw_request(self, head, body=b""):
        with socket.create_connection(("127.0.0.1", self.shop.port), timeout=20) as link:
            link.sendall(head.replace("\n", "\r\n").encode() + body)
            return int(link.recv(4096).split()[1])

    def test_an_oversize_body_is_refused_before_it_is_read(self):
        head = ("POST /v1/agent/batches HTTP/1.1\nHost: x\nAuthorization: Bearer "
                f"{self.shop.ingest_key}\nContent-Length: {64 * MIB}\n\n")
        self.assertEqual(self.raw_request(head), 413)
        self.assertEqual(self.raw_request(f"GET /health HTTP/1.1\nX: {'y' * 20_000}\n\n"), 431)

    def test_broken_batches_are_422_and_nothing_of_them_is_kept(self):
        sound = agent_batch.encode(lines(0, 3))
        payload = lines(0, 3)
        broken = {
            "cut off": sound[:-5],
            "a flipped bit in the header": sound[:40] + bytes([sound[40] ^ 1]) + sound[41:],
            "a wrong checksum of the payload": agent_batch.encode(payload, payload_crc=1),
            "no zstd": agent_batch.encode(payload, stored=b"this is no zstd frame at all"),
            "a bomb": agent_batch.encode(
                b"x", size=1000, stored=agent_batch.zstandard.ZstdCompressor().compress(
                    bytes(200 * MIB))),
            "less than said": agent_batch.encode(b"x", size=1000),
            "no batch": b"GET / HTTP/1.1",
            "nothing": b"",
            "a later version": agent_batch.encode(payload, version=9),
            "records that do not fill it": agent_batch.encode(payload, records=[1, 2]),
            "no source": agent_batch.encode(payload, source=""),
        }
        for name, batch in broken.items():
            with self.subTest(name):
                answer = send(self.shop, batch)
                self.assertIn(answer.status, (400, 404, 413, 422), answer.body)
                self.assertTrue(message_of(answer))
        self.assertEqual(send(self.shop, sound).status, 200, "the file is as it was")
        self.landed(range(3))

    def test_a_batch_over_a_limit_is_never_asked_for_again(self):
        zeros = agent_batch.zstandard.ZstdCompressor().compress(bytes(17 * MIB))
        for name, batch in {
                "payload": agent_batch.encode(b"x", size=17 * MIB, stored=zeros, payload_crc=1),
                "lines": agent_batch.encode(b"x\n" * 65_537),
                "records": agent_batch.encode(b"xy\n" * 65_537, records=[3] * 65_537)}.items():
            with self.subTest(name):
                answer = send(self.shop, batch)
                self.assertEqual(answer.status, 413, answer.body)
                self.assertNotIn("retry-after", {key.lower() for key in answer.headers})
        self.assertEqual(send(self.shop, agent_batch.encode(b"x\n" * 65_536)).status, 200)

    def test_status_is_one_screen_that_drives_no_terminal(self):
        self.assertEqual(send(self.shop, agent_batch.encode(
            b"no log line\n" * 12, host="h\x1b]0;x\x07", path="/l\x1b[31m.log")).status, 200)
        for n in range(1, 20):
            self.assertEqual(send(self.shop, agent_batch.encode(lines(n, 1), host=f"w{n}")).status, 200)
        self.assertEqual(self.shop.flush().status, 200)
        screen = harness.tarn("status", self.shop.folder).stdout
        self.assertIn("\\x1b]0;x\\x07", screen)
        self.assertEqual([c for c in screen if c < " " and c != "\n"], [])
        self.assertLess(len(screen.splitlines()), 30, screen)
        self.assertRegex(screen, r"all 20 +31 .* 12 ")

    def test_batches_in_any_order_and_twice_leave_every_line_once(self):
        pieces = [lines(n, 10) for n in range(0, 50, 10)]
        offsets = [sum(map(len, pieces[:i])) for i in range(5)]
        batch = [agent_batch.encode(p, o, number=i + 1)
                 for i, (p, o) in enumerate(zip(pieces, offsets))]
        self.assertEqual(send(self.shop, batch[0]).json(),
                         {"status": "stored", "next_offset": offsets[1]})
        gap = send(self.shop, batch[3])
        self.assertEqual((gap.status, gap.json()), (409, {"expected_offset": offsets[1]}))
        self.assertEqual(send(self.shop, batch[0]).json(),
                         {"status": "duplicate", "next_offset": offsets[1]})
        self.assertEqual(send(self.shop, batch[1]).status, 200)
        both = agent_batch.encode(pieces[1] + pieces[2], offsets[1], number=9)
        self.assertEqual(send(self.shop, both).json(),
                         {"status": "stored", "next_offset": offsets[3]})
        self.shop.flush()
        self.assertEqual(send(self.shop, batch[2]).json()["status"], "duplicate")
        self.shop.server.kill()
        self.shop.start()
        self.assertEqual(send(self.shop, batch[1]).json(),
                         {"status": "duplicate", "next_offset": offsets[3]})
        self.assertEqual(send(self.shop, batch[3]).status, 200)
        self.shop.server.kill()  # batch 3 is in the journal alone
        self.shop.start()
        self.assertEqual(send(self.shop, batch[3]).json()["status"], "duplicate")
        self.assertEqual(send(self.shop, batch[4]).status, 200)
        self.landed(range(50))

    def test_clock_skew_lands_in_its_own_hour(self):
        times = {"1996": "24/Nov/1996:13:59:59 +0000", "2096": "24/Nov/2096:00:00:01 +0000",
                 "offset": "24/Nov/2026:00:30:00 +0100"}
        payload = b"".join(f'1.2.3.4 - - [{when}] "GET /{name} HTTP/1.1" 200 5 "-" "-"\n'.encode()
                           for name, when in times.items())
        for read_time in (0, 4_000_000_000_000_000):  # the agent's own clock is off as well
            batch = agent_batch.encode(payload, file_id=f"f{read_time}", read_time=read_time)
            self.assertEqual(send(self.shop, batch).status, 200)
        self.assertEqual(self.shop.flush().status, 200)
        host = next(h for s in self.shop.status()["sources"] for h in s["hosts"])
        self.assertTrue(0 <= host["lag_seconds"] < 3600, "nothing was read in the future")
        self.assertLess(host["last_read"], "2090")
        rows = self.shop.sql("SELECT path, strftime(time, '%Y/%m/%d/%H') AS hour, count(*)::INT AS n"
                             " FROM clean.web_log GROUP BY 1, 2 ORDER BY 1")
        self.assertEqual([(r["path"], r["hour"], r["n"]) for r in rows],
                         [("/1996", "1996/11/24/13", 2), ("/2096", "2096/11/24/00", 2),
                          ("/offset", "2026/11/23/23", 2)])
        for hour in ("1996/11/24/13", "2096/11/24/00", "2026/11/23/23"):
            folder = self.shop.folder / "lake/clean/web_log/data" / hour
            self.assertEqual(len(list(folder.glob("*.parquet"))), 1)


class Lines(harness.Case):
    """Lines no log should hold, through an agent."""

    def ship(self, data, expected_rows, **options):
        project = self.project(**options)
        project.start()
        log = self.work / "logs/access.log"
        log.parent.mkdir()
        log.write_bytes(data)
        format_text = next(iter(project.sources.values()))
        agent = self.agent(project, "w1", [log], format_text=format_text).start()
        project.wait_rows("raw.web_log", expected_rows)
        self.assertEqual(project.flush().status, 200)
        self.assertEqual(agent.stop(), 0, agent.tail())
        return project

    def raw_lines(self, project):
        rows = project.sql("SELECT _raw, base64(_raw_bytes) AS b FROM raw.web_log "
                           "ORDER BY _position")
        return [base64.b64decode(r["b"]) if r.get("b") else r["_raw"].encode() for r in rows]

    def test_strange_bytes_are_kept_to_the_byte(self):
        odd = [LINE % 0,
               b'192.0.2.1 - - [24/Nov/2026:13:00:00 +0000] "GET /\xff\xfe\x80 HTTP/1.1" 200 5 "-" "-"\n',
               b'192.0.2.1 - - [24/Nov/2026:13:00:00 +0000] "GET /a\x00b HTTP/1.1" 200 5 "-" "-"\n',
               b"\x00\x00\x00\n", b"\xf0\x28\x8c\x28\n",
               b'192.0.2.1 - \xe9t\xe9 [24/Nov/2026:13:00:00 +0000] "GET /u HTTP/1.1" 200 5 "-" "-"\n',
               b"\r\n", b"\n", LINE % 1, b"\x1b]0;title\x07\n", LINE % 2]
        kept = [line.rstrip(b"\r\n") for line in odd if line.strip(b"\r\n")]
        project = self.ship(b"".join(odd), len(kept))
        self.assertEqual(self.raw_lines(project), kept)
        records = sorted(project.json_records(), key=lambda r: r["_position"])
        self.assertEqual(len(records), len(kept))
        counts = project.sql("SELECT (SELECT count(*) FROM clean.web_log) c, "
                             "(SELECT count(*) FROM quarantine.web_log) q")[0]
        self.assertEqual((int(counts["c"]), int(counts["q"])), (6, 3))

    def test_a_line_over_1_mib_is_cut_and_every_byte_is_kept(self):
        long_line = LINE[:-1].replace(b"/%d", b"/" + b"x" * (2 * MIB + 17)) + b"\n"
        whole = LINE % 0 + long_line + LINE % 1
        project = self.ship(whole, 5)
        kept = self.raw_lines(project)
        self.assertEqual(b"".join(kept), whole.replace(b"\n", b""))
        self.assertEqual(max(map(len, kept)), MIB)
        self.assertEqual(kept[-1], (LINE % 1)[:-1])
        reasons = [row["_reason"] for row in project.sql(
            "SELECT _reason FROM quarantine.web_log ORDER BY _position")]
        size = len(long_line) - 1
        self.assertEqual(reasons, [
            f"the line was cut: these are its first {MIB} bytes",
            f"the line was cut: these are its bytes {MIB + 1} to {2 * MIB}",
            f"the line was cut: these are its last {size - 2 * MIB} bytes, of {size}"])

    def test_a_long_url_is_a_line_like_any_other(self):
        url = b"/" + b"u" * 8192
        project = self.ship(LINE[:-1].replace(b"/%d", url) + b"\n", 1)
        self.assertEqual(int(project.sql("SELECT length(path) n FROM clean.web_log")[0]["n"]), 8193)

    def test_the_shortest_lines_take_bounded_memory(self):
        project = self.ship(b"x\n" * 2_000_000, 2_000_000)
        status = pathlib.Path(f"/proc/{project.server.child.pid}/status").read_text()
        peak = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])
        # All rows at once would take 1,500 MB. Eight buffers, and 100 MB for the rest of the server.
        self.assertLess(peak, 8 * 64_000 + 100_000, "kB")

    def test_deep_nesting_is_refused_and_kept(self):
        shallow = b'{"time": "2026-11-24T13:00:00Z", "path": "/ok", "more": [[1]]}\n'
        deep = b'{"time": "2026-11-24T13:00:00Z", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"
        odd = [b'{"time": "2026-11-24T13:00:00Z", "path": \n', b"[]\n", b"{}}\n", b'{"time": 1e400}\n']
        project = self.ship(shallow + deep + b"".join(odd) + shallow, 7,
                            sources={"web_log": "json"})
        counts = project.sql("SELECT (SELECT count(*) FROM clean.web_log) c, "
                             "(SELECT count(*) FROM quarantine.web_log) q")[0]
        self.assertEqual((int(counts["c"]), int(counts["q"])), (2, 5))
        self.assertIn(deep[:-1], self.raw_lines(project))

    def test_two_agents_on_one_file_leave_every_line_once(self):
        project = self.project().start()
        log = self.work / "logs/w1.log"
        log.parent.mkdir()
        writer = self.writer(log, "w1")
        agents = []
        for number in (1, 2):
            agents.append(self.agent(project, f"a{number}", [log], host="w1").start())
        writer.start()
        harness.wait_for("lines", lambda: writer.count > 4_000)
        writer.finish()
        project.wait_rows("raw.web_log", writer.count)
        project.flush()
        harness.assert_exactly_once(self, project, [writer])
        harness.assert_positions_agree(self, project, [writer])
        for agent in agents:
            self.assertEqual(agent.stop(), 0, agent.tail())

    def test_a_file_replaced_under_the_agent_is_another_file(self):
        project = self.project().start()
        log = self.work / "logs/w1.log"
        log.parent.mkdir()
        agent = self.agent(project, "w1", [log]).start()
        log.write_bytes(lines(0, 50))
        project.wait_rows("raw.web_log", 50)
        log.with_suffix(".new").write_bytes(lines(100, 30))
        os.rename(log.with_suffix(".new"), log)
        project.wait_rows("raw.web_log", 80)
        log.write_bytes(lines(200, 70))  # truncated and filled again, longer than it was
        project.wait_rows("raw.web_log", 150)
        project.flush()
        seen = [int(row["path"][1:]) for row in project.sql("SELECT path FROM clean.web_log")]
        self.assertEqual(sorted(seen), [*range(50), *range(100, 130), *range(200, 270)])
        self.assertEqual(agent.stop(), 0, agent.tail())


class Damage(harness.Case):
    def setUp(self):
        super().setUp()
        self.shop = self.project(buffer_age="1h").start()
        self.state = self.shop.folder / "state"

    def fill(self):
        """40 lines in the lake, 20 more in the journal alone, two batches; the server is dead."""
        at = 0
        for number, (first, count) in enumerate([(0, 40), (40, 10), (50, 10)], 1):
            data = lines(first, count)
            self.assertEqual(send(self.shop, agent_batch.encode(data, at, number=number)).status,
                             200)
            at += len(data)
            if number == 1:
                self.assertEqual(self.shop.flush().status, 200)
        self.shop.server.kill()

    def refuses(self, damaged, *expected):
        """The server ends with the status of lost data, says `expected`, and leaves `damaged` (a
        pattern below state/) as it was. A sound catalog may take its own log in meanwhile."""
        before = {path: path.read_bytes() for path in self.state.glob(damaged) if path.is_file()}
        self.shop.start(ready=False)
        self.assertEqual(self.shop.server.wait(), 11, self.shop.server.tail())
        said = self.shop.server.tail()
        for word in expected:
            self.assertIn(str(word), said)
        for path, content in before.items():
            self.assertTrue(path.exists() and path.read_bytes() == content, f"{path} was changed")

    def count(self):
        return int(self.shop.sql("SELECT count(*) n FROM raw.web_log")[0]["n"])

    def accept_loss(self, rows):
        """Goes on by hand, keeps what there is, and takes new lines."""
        self.shop.server.command.append("--accept-loss")
        self.shop.start()
        self.assertEqual(self.shop.flush().status, 200)
        self.assertEqual(self.count(), rows)
        batch = agent_batch.encode(lines(500, 5), file_id="f2", number=3)
        self.assertEqual(send(self.shop, batch).status, 200)
        self.assertEqual(self.shop.flush().status, 200)
        self.assertEqual(self.count(), rows + 5)
        self.shop.server.command.remove("--accept-loss")
        self.assertEqual(self.shop.server.stop(), 0)
        self.shop.start()  # and from then on as ever
        self.assertEqual(self.count(), rows + 5)
        self.assertEqual(len(list(self.shop.json_records())), rows + 5)

    def test_a_second_server_on_the_folder_is_refused(self):
        second = harness.Process(self.shop.server.command, self.work / "second.log")
        self.assertEqual(second.start().wait(), 5)
        self.assertIn("another server has", second.tail())
        self.assertEqual(self.shop.get("/ready").status, 200)

    def test_a_taken_port_is_said(self):
        other = self.project(self.work / "other")
        other.port = self.shop.port
        other.configure()
        other.start(ready=False)
        self.assertEqual(other.server.wait(), 5, other.server.tail())
        self.assertIn(str(self.shop.port), other.server.tail())

    def test_after_a_kill_the_journal_has_the_rest(self):
        self.fill()
        self.shop.start()
        self.assertEqual(self.shop.flush().status, 200)
        self.assertEqual(self.count(), 60)

    def test_lines_of_a_source_that_was_taken_out_wait_for_it(self):
        self.fill()
        sources = self.shop.sources
        self.shop.sources = {"another": "combined"}
        self.shop.configure(buffer_age="1h")
        self.shop.start(ready=False)
        answer = harness.wait_for("the server to say so",
                                  lambda: "web_log" in self.shop.get("/ready").body.decode()
                                  and self.shop.get("/ready"))
        self.assertEqual(answer.status, 503)
        self.assertIn("ERROR", harness.tarn("status", self.shop.folder).stdout)
        self.assertEqual(self.shop.server.stop(), 0)
        self.shop.sources = sources
        self.shop.configure(buffer_age="1h")
        self.shop.start()
        self.assertEqual(self.shop.flush().status, 200)
        self.assertEqual(self.count(), 60)

    def test_a_damaged_catalog_is_said_and_left_alone(self):
        self.fill()
        path = self.state / "catalog.db"
        for name in ("catalog.db-wal", "catalog.db-shm"):
            (self.state / name).unlink(missing_ok=True)
        path.write_bytes(b"\x00" * 100 + path.read_bytes()[100:])
        self.refuses("catalog.db", "catalog.db")

    def test_a_catalog_that_is_gone_is_not_made_anew_over_tables(self):
        self.fill()
        for path in self.state.glob("catalog.db*"):
            path.unlink()
        self.refuses("catalog.db", "catalog.db", self.shop.folder / "lake")
        self.assertFalse((self.state / "catalog.db").exists())

    def test_a_damaged_journal_is_said_and_can_be_gone_on_without(self):
        self.fill()
        segment, = (self.state / "journal").glob("segment-*")
        data = bytearray(segment.read_bytes())
        at = data.find(b"TBAT", data.find(b"TBAT") + 4)  # the second record: ten lines
        data[at + 30] ^= 0xFF
        segment.write_bytes(data)
        self.refuses("journal/*", segment, "offset", "record 1", "--accept-loss")
        self.accept_loss(50)
        missing, = (line for line in self.shop.server.log.read_text().splitlines()
                    if "landing.lines_missing" in line)
        for part in ("h1", "/var/log/access.log", str(len(lines(0, 40))),
                     str(len(lines(0, 50)))):
            self.assertIn(part, missing)

    def test_status_says_of_a_journal_what_a_start_would_say(self):
        self.fill()
        folder, journal = self.shop.folder, self.state / "journal"
        self.assertIn("no server runs\njournal: 2 batches waiting for a server\n",
                      harness.tarn("status", folder).stdout)
        segment, = journal.glob("segment-*")
        content = segment.read_bytes()

        def flipped(at):
            return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1:]
        record = content.find(b"TBAT", content.find(b"TBAT") + 4)
        for damaged in (flipped(20), flipped(record + 30), content[:len(content) // 2], None):
            if damaged is None:
                segment.unlink()
            else:
                segment.write_bytes(damaged)
            before = harness.contents(journal)
            done = harness.tarn("status", folder)
            self.assertEqual(done.returncode, 11, done.stdout + done.stderr)
            self.assertIn("no server runs\njournal: DAMAGED", done.stdout)
            self.assertIn("clean.web_log", done.stdout)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertIn("--accept-loss", done.stderr)
            shown = harness.tarn("status", folder, "--json")
            self.assertEqual(shown.returncode, 11, shown.stderr)
            error = json.loads(shown.stdout)["journal"]["error"]
            self.assertEqual(done.stderr, f"tarn: {error}\n")
            self.assertEqual(harness.contents(journal), before, "nothing is changed")
            self.shop.start(ready=False)
            self.assertEqual(self.shop.server.wait(), 11, self.shop.server.tail())
            self.assertIn(error, self.shop.server.tail())

    def test_a_journal_that_is_gone_is_said_and_can_be_gone_on_without(self):
        self.fill()
        shutil.rmtree(self.state / "journal")
        self.refuses("journal/*", "journal", "--accept-loss")
        self.assertFalse((self.state / "journal").exists(), "a start that is refused makes nothing")
        self.accept_loss(40)


class UserSql(harness.Case):
    def setUp(self):
        super().setUp()
        self.shop = self.project().start()
        self.assertEqual(send(self.shop, agent_batch.encode(lines(0, 3))).status, 200)
        self.assertEqual(self.shop.flush().status, 200)

    def test_sql_touches_nothing_but_tables(self):
        secret = self.work / "secret.csv"
        secret.write_text("a,b\ntopsecret,2\n")
        target = self.work / "out"
        parquet = next((self.shop.folder / "lake/raw/web_log/data").rglob("*.parquet"))
        keys = self.shop.folder / "state/keys.json"
        statements = [
            f"SELECT * FROM '{secret}'", f'SELECT * FROM "{secret}"',
            f"SELECT * FROM read_csv('{secret}')", f"SELECT * FROM read_text('{secret}')",
            f"SELECT * FROM read_blob('{keys}')", f"SELECT * FROM read_json('{keys}')",
            f"SELECT * FROM sniff_csv('{secret}')", f"SELECT * FROM glob('{self.work}/*')",
            f"SELECT * FROM read_parquet('{parquet}')", f"SELECT * FROM parquet_schema('{parquet}')",
            f"SELECT * FROM read_csv_auto('file://{secret}')",
            f"FROM query('SELECT * FROM read_text(''{secret}'')')",
            f"FROM query_table('{secret}')",
            f"WITH x AS (SELECT * FROM read_text('{secret}')) SELECT * FROM x",
            f"SELECT (SELECT content FROM read_text('{secret}'))",
            f"COPY (SELECT 1) TO '{target}'", f"COPY raw.web_log FROM '{secret}'",
            f"EXPORT DATABASE '{target}'", f"IMPORT DATABASE '{self.work}'",
            f"ATTACH '{target}' AS x", f"ATTACH '{self.shop.folder}/state/catalog.db' (TYPE sqlite)",
            "INSTALL httpfs", "LOAD httpfs", "FORCE INSTALL iceberg",
            "SELECT * FROM 'https://127.0.0.1:1/x.parquet'",
            "SELECT * FROM read_csv('http://127.0.0.1:1/x.csv')",
            "SET enable_external_access = true", "SET memory_limit = '100GB'", "SET threads = 64",
            "RESET memory_limit", "PRAGMA enable_profiling", "PRAGMA database_list",
            "SET lock_configuration = false", "CALL pragma_version()", "CHECKPOINT",
            "CREATE TABLE x AS SELECT 1", "CREATE VIEW x AS SELECT 1", "CREATE MACRO x() AS 1",
            "CREATE SECRET (TYPE s3)", "DROP TABLE raw.web_log", "DELETE FROM raw.web_log",
            "INSERT INTO raw.web_log SELECT * FROM raw.web_log",
            "UPDATE clean.web_log SET status = 1", "ALTER TABLE raw.web_log DROP COLUMN status",
            "SELECT getenv('HOME')", "SELECT * FROM duckdb_secrets()",
            "SELECT * FROM duckdb_settings()",
            f"SELECT 1; COPY (SELECT 1) TO '{target}'", "PREPARE x AS SELECT 1", "EXECUTE x",
            "USE memory", "BEGIN", "VACUUM", "DETACH memory",
        ]
        for statement in statements:
            with self.subTest(statement):
                done = self.shop.sql(statement, check=False)
                self.assertNotEqual(done.returncode, 0, done.stdout)
                self.assertTrue(done.stderr.startswith("tarn: "), done.stderr)
                self.assertNotIn("topsecret", done.stdout + done.stderr)
        self.assertFalse(target.exists())
        self.assertEqual(self.shop.sql("SELECT count(*)::INT n FROM raw.web_log"), [{"n": 3}])

    def test_mistakes_are_named(self):
        for statement, word in {"SELECT staus FROM raw.web_log": "status",
                                "SELECT * FROM clean.web_logs": "web_log",
                                "SELEC 1": "SELEC", "": ""}.items():
            done = self.shop.sql(statement, check=False)
            if statement:
                self.assertEqual(done.returncode, 3 if "web_logs" in statement else 2, done.stderr)
                self.assertIn(word, done.stderr)


if __name__ == "__main__":
    harness.main()
