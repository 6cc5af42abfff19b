#!/usr/bin/env python3
"""`tarn sql` as its users meet it: limits that hold, Ctrl-C, scripts, --fresh, and the prompt."""
import json
import os
import pty
import re
import select
import signal
import subprocess
import termios
import threading
import time

import agent_batch
import harness
from harness import TARN

# One value of one function, minutes of work: nothing in the engine looks up from it.
ENDLESS = "SELECT levenshtein(repeat('ab', 200000), repeat('ba', 200000))"


class SqlCase(harness.Case):
    """A project that was served once."""

    def setUp(self):
        super().setUp()
        self.shop = self.project(extra=self.extra()).start()
        self.shop.server.stop()

    def extra(self):
        return ""

    def run_sql(self, *arguments, script=None):
        return subprocess.run([TARN, "sql", str(self.shop.folder), *arguments], text=True, timeout=90,
                              capture_output=True, input=script, check=False,
                              stdin=subprocess.DEVNULL if script is None else None)

    def start_sql(self, *arguments):
        return subprocess.Popen([TARN, "sql", str(self.shop.folder), *arguments], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                stdin=subprocess.DEVNULL)

    def left_behind(self):
        return list((self.shop.folder / "state/tmp").iterdir())


class Memory(SqlCase):
    def extra(self):
        return "sql:\n  memory: 64MB\n"

    def test_one_value_does_not_take_the_machine(self):
        for query in ("SELECT length(repeat('x', 4000000000))",
                      "SELECT len(range(1000000000))",
                      "SELECT len(string_split(repeat('a,', 300000000), ','))",
                      "SELECT sum(length(repeat('x', 200000000 + i))) FROM range(100) t(i)"):
            done = self.run_sql(query)
            self.assertEqual(done.returncode, 8, f"{query}: {done.stderr}")
            self.assertIn("more memory than it may take", done.stderr)
            self.assertNotIn("SET ", done.stderr, "advice that a query cannot follow")
        self.assertEqual(self.run_sql("SELECT 1").returncode, 0)


class Ending(SqlCase):
    def extra(self):
        return "sql:\n  timeout: 1s\n"

    def test_a_query_that_does_not_stop_in_time_is_ended(self):
        began = time.monotonic()
        done = self.run_sql(ENDLESS)
        self.assertEqual(done.returncode, 10, done.stderr)
        self.assertIn("longer than the 1 s", done.stderr)
        self.assertLess(time.monotonic() - began, 30)
        self.assertEqual(self.left_behind(), [])


class CtrlC(SqlCase):
    def test_the_first_cancels(self):
        child = self.start_sql("SELECT count(*) FROM range(10000000) a, range(10000000) b")
        harness.wait_busy(child.pid)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=30)
        self.assertEqual(child.returncode, 130, err)
        self.assertIn("interrupted", err)

    def test_the_second_ends_at_once(self):
        child = self.start_sql(ENDLESS)
        harness.wait_busy(child.pid)
        harness.interrupt(child)
        self.assertIsNone(child.poll())
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=5)
        self.assertEqual(child.returncode, 130, err)
        self.assertEqual(self.left_behind(), [])

    def test_while_a_script_waits_for_input_it_leaves(self):
        child = subprocess.Popen([TARN, "sql", str(self.shop.folder)], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        child.stdin.write("SELECT 42 AS answer;\n")
        child.stdin.flush()
        self.assertEqual(child.stdout.readline().strip(), "answer")
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=5)
        self.assertEqual(child.returncode, 130)


class Scripts(SqlCase):
    def test_statements_run_in_order(self):
        done = self.run_sql("--format", "json", script="SELECT 1 AS a;\n-- b; c\nSELECT\n\n';' AS b")
        self.assertEqual((done.returncode, done.stdout), (0, '{"a":1}\n{"b":";"}\n'), done.stderr)

    def test_the_first_error_ends_it_with_status_and_line(self):
        script = "SELECT 1 AS a;\n\nSELECT *\nFROM clean.nothing;\nSELECT 2 AS b;\n"
        done = self.run_sql("--format", "json", script=script)
        self.assertEqual((done.returncode, done.stdout), (3, '{"a":1}\n'))
        self.assertIn("line 3: there is no table clean.nothing", done.stderr)
        self.assertEqual(self.run_sql(script="SELECT 'a").returncode, 2)
        done = self.run_sql(script="SELECT 1 AS a;\n/* oops\nSELECT 2 AS b;\n")
        self.assertEqual(done.returncode, 2)
        self.assertIn("line 2: Parser Error: unterminated /* comment", done.stderr)
        self.assertEqual(self.run_sql(script="SELECT getenv('HOME');").returncode, 7)

    def test_format_and_out_are_honoured(self):
        out = self.work / "out.csv"
        done = self.run_sql("--out", str(out), script="SELECT 1 AS a; SELECT 2 AS b;")
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
        self.assertEqual(out.read_text(), "a\n1\nb\n2\n")
        done = self.run_sql("--out", str(out), script="SELECT 3 AS c; SELECT nothing;")
        self.assertEqual(done.returncode, 2)
        self.assertEqual(out.read_text(), "a\n1\nb\n2\n", "replaced only once it is whole")
        self.assertEqual([p.name for p in self.work.glob("out.csv*")], ["out.csv"])
        parquet = self.work / "out.parquet"
        done = self.run_sql("--format", "parquet", "--out", str(parquet), script="SELECT 1 AS a;")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(parquet.read_bytes()[:4], b"PAR1")
        self.assertEqual(done.stderr, f"1 row written to {parquet}\n")
        two = self.run_sql("--format", "parquet", "--out", str(parquet), "SELECT 1; SELECT 2")
        self.assertEqual(two.returncode, 2)
        self.assertNotIn("written", two.stderr)
        self.assertEqual(self.run_sql("--format", "yaml", script="SELECT 1").returncode, 2)

    def test_no_row_is_left_out(self):
        for script in ("SELECT range AS n FROM range(25000);", None):
            words = ("--format", "table") if script else ("SELECT range AS n FROM range(25000)",
                                                          "--format", "table")
            done = self.run_sql(*words, script=script)
            self.assertEqual(len(done.stdout.splitlines()), 25003)
            self.assertTrue(done.stdout.endswith("(25000 rows)\n"))

    def test_a_reader_that_has_enough_is_no_failure_to_speak_of(self):
        child = self.start_sql("SELECT range AS n FROM range(1000000)")
        child.stdout.readline()
        child.stdout.close()
        self.assertEqual((child.wait(60), child.stderr.read()), (141, ""))
        # Also of what fits the buffer and is written at the end.
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run([TARN, "sql", str(self.shop.folder), "SELECT 1"], stdout=writer,
                              stderr=subprocess.PIPE, text=True, check=False)
        os.close(writer)
        self.assertEqual((done.returncode, done.stderr), (141, ""))

    NOTHING = ("", " ", ";", "\n", " ;; \n ;", "/* ; */", "/* a */;\n-- nothing;")

    def test_nothing_is_no_error(self):
        for nothing in self.NOTHING:
            for words in ((), ("--format", "json")):
                for done in (self.run_sql(nothing, *words), self.run_sql(*words, script=nothing)):
                    self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""),
                                     repr(nothing))
        for nothing in self.NOTHING:  # the word alone, in the project
            done = subprocess.run([TARN, "sql", nothing], cwd=self.shop.folder, text=True,
                                  capture_output=True, input="SELECT 1", check=False)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""),
                             repr(nothing))

    def test_nothing_does_not_replace_a_file(self):
        for kind in ("csv", "parquet"):
            out = self.work / f"out.{kind}"
            out.write_text("old")
            words = ("--format", kind, "--out", str(out))
            for done in (self.run_sql(" ; ", *words), self.run_sql(*words, script="-- nothing;")):
                self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
                self.assertEqual(done.stderr,
                                 f"tarn: there is no statement; {out} is left as it was\n")
                self.assertEqual(out.read_text(), "old")
            self.assertEqual([p.name for p in self.work.glob(f"*out.{kind}*")], [out.name])
            self.assertEqual([p.name for p in self.work.glob(".tarn-out*")], [])


class Fresh(harness.Case):
    def test_rows_in_the_buffer_are_seen_under_load(self):
        shop = self.project(buffer_age="600s").start()
        acknowledged, stop = [0], threading.Event()

        def send():
            offset = 0
            while not stop.is_set():
                text = "".join(harness.log_line(n, "fresh")
                               for n in range(acknowledged[0], acknowledged[0] + 200)).encode()
                batch = agent_batch.encode(text, offset)
                answer = shop.request("POST", "/v1/agent/batches", batch, shop.ingest_key,
                                      {"Content-Type": "application/vnd.tarn.batch"})
                assert answer.status == 200, answer.body
                offset += len(text)
                acknowledged[0] += 200

        sender = threading.Thread(target=send)
        sender.start()
        try:
            for _ in range(5):
                before = harness.wait_for("rows", lambda: acknowledged[0])
                done = harness.tarn("sql", shop.folder, "--fresh", "--format", "json",
                                    "SELECT count(*) AS n FROM clean.web_log")
                self.assertEqual(done.returncode, 0, done.stderr)
                seen = json.loads(done.stdout)["n"]
                self.assertGreaterEqual(seen, before)
                harness.wait_for("more rows", lambda seen=before: acknowledged[0] > seen + 400)
        finally:
            stop.set()
            sender.join()
        count = shop.sql("SELECT count(*) AS n FROM clean.web_log")[0]["n"]
        self.assertLess(count, acknowledged[0], "without --fresh the buffer is not seen")
        # The time limit is of the whole, and a server that hangs says nothing.
        config = shop.folder / "tarn.yaml"
        config.write_text(config.read_text() + "sql:\n  timeout: 1s\n")
        shop.server.child.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        done = harness.tarn("sql", shop.folder, "--fresh", "SELECT 1")
        shop.server.child.send_signal(signal.SIGCONT)
        self.assertEqual(done.returncode, 10, done.stderr)
        self.assertLess(time.monotonic() - began, 60)
        shop.server.stop()
        done = harness.tarn("sql", shop.folder, "--fresh", "SELECT 1")
        self.assertEqual(done.returncode, 3)
        self.assertIn("--fresh", done.stderr)


class Terminal:
    """A prompt on a pseudo terminal."""

    def __init__(self, folder, columns=80):
        self.child, self.master = pty.fork()
        if self.child == 0:
            os.environ.update(TERM="xterm", COLUMNS=str(columns), HOME=str(folder))
            os.execv(TARN, [TARN, "sql", str(folder)])
        import fcntl
        import struct
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self.text = ""
        self.expect("tarn> ")

    def expect(self, pattern, seconds=20):
        """The text up to the pattern, taken."""
        deadline = time.monotonic() + seconds
        while True:
            clean = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.text).replace("\r", "")
            found = re.search(pattern, clean)
            if found:
                self.text = clean[found.end():]
                return clean[:found.end()]
            if time.monotonic() > deadline:
                raise AssertionError(f"waited for {pattern!r}, got:\n{clean}")
            ready, _, _ = select.select([self.master], [], [], 0.1)
            if ready:
                self.text += os.read(self.master, 65536).decode(errors="replace")

    def type(self, text):
        os.write(self.master, text.encode())

    def ask(self, text):
        self.type(text + "\n")
        return self.expect(r"tarn> $")

    def leave(self):
        self.type("\\q\n")
        _, status = os.waitpid(self.child, 0)
        os.close(self.master)
        return os.waitstatus_to_exitcode(status)


class Prompt(SqlCase):
    def setUp(self):
        super().setUp()
        self.terminal = None

    def open(self, columns=80):
        self.terminal = Terminal(self.shop.folder, columns)
        return self.terminal

    def tearDown(self):
        if self.terminal:
            try:
                os.kill(self.terminal.child, signal.SIGKILL)
                os.waitpid(self.terminal.child, 0)
            except (ProcessLookupError, ChildProcessError):
                pass
        super().tearDown()

    def test_a_statement_takes_many_lines_and_blank_ones(self):
        prompt = self.open()
        prompt.type("SELECT 40\n")
        prompt.expect(r"\.\.\. ")
        prompt.type("\n")
        prompt.expect(r"\.\.\. ")
        said = prompt.ask("+ 2 AS answer; SELECT ';' AS x;")
        self.assertRegex(said, r"answer\n-+\n +42\n\(1 row\)")
        self.assertRegex(said, r"x\n-\n;\n\(1 row\)")
        # The history has it in one line.
        prompt.type("\x1b[A\x1b[A")
        prompt.expect("SELECT 40 ")
        prompt.type("\x03")
        prompt.expect("tarn> ")
        # But not where the end of a line is part of a text.
        prompt.type("SELECT 'a\n")
        prompt.expect(r"\.\.\. ")
        self.assertIn("a\\nb", prompt.ask("b' AS x;"))
        self.assertIn("a\\nb", prompt.ask("\x1b[A"))
        # Nor where the blanks before it are.
        prompt.type("SELECT length('a   \n")
        prompt.expect(r"\.\.\. ")
        self.assertRegex(prompt.ask("b') AS n;"), r"\n *6\n")
        self.assertRegex(prompt.ask("\x1b[A"), r"\n *6\n")
        # A comment that is not closed waits for its end.
        prompt.type("/* open\n")
        prompt.expect(r"\.\.\. ")
        self.assertRegex(prompt.ask("SELECT 2; */ SELECT 3 AS m;"), r"\n3\n")
        self.assertEqual(prompt.leave(), 0)
        self.terminal = None
        self.assertIn("SELECT", (self.shop.folder / "state/sql_history").read_text())

    def test_nothing_is_no_error(self):
        prompt = self.open()
        for nothing in Scripts.NOTHING:
            for line in nothing.split("\n"):
                said = prompt.ask(line).split()  # what is typed, once or twice
                self.assertLessEqual(set(said), {*line.split(), "tarn>"}, said)
        self.assertRegex(prompt.ask("SELECT 2 AS two;"), r"two\n-+\n +2\n")

    def test_completes_and_helps(self):
        prompt = self.open()
        prompt.type("sel\t")
        prompt.expect("SELECT ")
        prompt.type("count(*) FROM cle\tLIM\t1;\n")
        self.assertIn("(1 row)", prompt.expect(r"tarn> $"))
        self.assertIn("Ctrl-D", prompt.ask("\\?"))
        self.assertIn("clean", prompt.ask("\\d"))
        self.assertIn("TIMESTAMP WITH TIME ZONE", prompt.ask("\\d clean.web_log"))
        self.assertIn("no command", prompt.ask("\\nothing"))

    def test_the_first_rows_show_while_the_others_are_counted(self):
        prompt = self.open()
        prompt.type("SELECT range AS n FROM range(100000000000);\n")
        prompt.expect(r"\n *9999\n")
        prompt.type("\x03")
        prompt.expect(r"tarn> $")

    def test_ctrl_c_cancels_and_stays(self):
        prompt = self.open()
        prompt.type("SELECT count(*) FROM range(10000000) a, range(10000000) b;\n")
        harness.wait_busy(prompt.child)
        prompt.type("\x03")
        self.assertIn("interrupted", prompt.expect(r"tarn> $"))
        self.assertIn("(1 row)", prompt.ask("SELECT 1;"))
        prompt.type("SELECT half")
        prompt.type("\x03")
        prompt.expect("tarn> $")
        self.assertRegex(prompt.ask("SELECT 2 AS two;"), r"two\n-+\n +2\n")

    def test_ctrl_c_drops_what_is_typed_however_fast(self):
        prompt = self.open()
        for number in range(100):
            prompt.type(f"SELECT half {number}\x03")
            prompt.expect(f"half {number}\\ntarn> $", 5)
        prompt.type("SELECT\n7\n")
        prompt.expect(r"\.\.\. $")
        prompt.type("\x03")
        prompt.expect("tarn> $")
        self.assertRegex(prompt.ask("SELECT 2 AS two;"), r"two\n-+\n +2\n")

    def test_a_signal_that_ends_it_leaves_the_terminal_as_it_was(self):
        prompt = self.open()
        # The prompt shows a moment before the terminal is set.
        harness.wait_for("keys one by one",
                         lambda: not termios.tcgetattr(prompt.master)[3] & termios.ICANON)
        os.kill(prompt.child, signal.SIGTERM)
        _, status = os.waitpid(prompt.child, 0)
        self.terminal = None
        self.assertEqual(os.waitstatus_to_exitcode(status), -signal.SIGTERM)
        self.assertTrue(termios.tcgetattr(prompt.master)[3] & termios.ICANON)
        os.close(prompt.master)

    def test_an_error_shows_where(self):
        said = self.open().ask("SELECT status, nothing FROM clean.web_log;")
        self.assertRegex(said, r"LINE 1: SELECT status, nothing FROM[^\n]*\n {23}\^")

    def test_a_wide_table_fits_the_terminal(self):
        prompt = self.open(columns=60)
        said = prompt.ask("SELECT repeat('ab', 200) AS long, 7 AS n, 'wörter 漢字' AS u;")
        table = [line for line in said.splitlines() if "wörter" in line and "SELECT" not in line]
        self.assertEqual(len(table), 1)
        self.assertIn("…", table[0])
        self.assertLessEqual(len(table[0]) + 2, 60)
        # Too many columns: records.
        said = prompt.ask("SELECT * FROM (SELECT 'x' AS a) "
                          + "".join(f", (SELECT 'some text here' AS c{n})" for n in range(12)) + ";")
        self.assertRegex(said, r"-- row 1\na +x\nc0 +some text here")
        self.assertIn("records", prompt.ask("\\x"))
        self.assertRegex(prompt.ask("SELECT 1.50::DECIMAL(9,2) AS d, NULL AS n, TIMESTAMPTZ "
                                    "'2026-11-24 10:00:00.5+00' AS t;"),
                         r"d +1\.50\nn +NULL\nt +2026-11-24 10:00:00\.5\+00")


if __name__ == "__main__":
    harness.main()
