#!/usr/bin/env python3
"""The command line as somebody new meets it: what a wrong word, folder, file or option is answered."""
import gzip
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import unittest
import zlib

import harness
import zstandard
from harness import AGENT, TARN


class Folders(harness.Case):
    """`tarn init` and `tarn demo` write into folders that are free."""

    def snapshot(self, folder):
        return {path.relative_to(folder): path.is_file() and path.read_bytes()
                for path in folder.rglob("*")}

    def refused(self, folder, *command):
        before = self.snapshot(folder)
        done = harness.tarn(*command)
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertEqual(self.snapshot(folder), before)
        return done.stderr

    def test_a_folder_with_other_files_is_refused_and_left_alone(self):
        folder = self.work / "photos"
        folder.mkdir()
        (folder / "README.md").write_text("my photos\n")
        said = self.refused(folder, "init", folder)
        self.assertIn("README.md", said)
        self.assertIn("empty", said)
        said = self.refused(folder, "demo", folder, "--headless", "--for", "1s")
        self.assertIn("README.md", said)
        self.assertIn("demo", said)

    def test_a_project_is_no_folder_for_a_demo(self):
        shop = self.project()
        self.assertIn("project", self.refused(shop.folder, "demo", shop.folder, "--for", "1s"))

    def test_a_file_is_no_folder(self):
        path = self.work / "shop"
        path.write_text("a file")
        self.assertIn("no folder", self.refused(self.work, "init", path))
        self.assertIn("no folder", self.refused(self.work, "demo", path, "--for", "1s"))

    def test_an_empty_folder_a_new_repository_and_the_rest_of_an_interrupted_init_are_free(self):
        folder = self.work / "shop"
        (folder / ".git").mkdir(parents=True)
        (folder / "lost+found").mkdir()  # of a file system of its own
        self.assertEqual(harness.tarn("init", folder).returncode, 0)
        (folder / "tarn.yaml").unlink()  # what it writes last
        (folder / "README.md.tmp").write_text("# sh")
        done = harness.tarn("init", folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        (folder / "tarn.yaml").unlink()
        self.assertIn("same --name", self.refused(folder, "init", folder, "--name", "other"))
        (folder / "README.md").write_text("changed by its owner")
        self.refused(folder, "init", folder)

    def test_what_init_says_to_type_can_be_typed(self):
        said = harness.tarn("init", self.work / "a shop's").stdout
        self.assertIn(f"tarn serve '{self.work}/a shop'\\''s'", said)

    def test_a_demo_says_that_a_server_has_its_project_open(self):
        folder = self.work / "demo"
        run = ("demo", folder, "--headless", "--for", "1s")
        self.assertEqual(harness.tarn(*run, "--days", "0").returncode, 0)
        command = [harness.TARN, "serve", str(folder / "project"), "--listen",
                   f"127.0.0.1:{harness.free_port()}"]
        server = harness.Process(command, self.work / "serve.log").start()
        self.addCleanup(server.kill)
        harness.wait_for("the server", (folder / "project/state/server.json").exists)
        done = harness.tarn(*run)
        self.assertEqual(done.returncode, 5, done.stderr)
        self.assertIn("a server has", done.stderr)
        self.assertEqual(server.stop(), 0, server.tail())
        self.assertEqual(harness.tarn(*run).returncode, 0)

    def test_a_fresh_file_system_is_free_for_a_demo(self):
        folder = self.work / "demo"
        (folder / "lost+found").mkdir(parents=True)
        done = harness.tarn("demo", folder, "--headless", "--for", "1s", "--days", "0",
                            "--only-traffic")
        self.assertNotIn("other files", done.stderr)


class Words(harness.Case):
    """A word the command line does not know is named, in one line, with the nearest it does."""

    def refused(self, *words, says, status=2):
        done = harness.tarn(*words, cwd=self.work)
        self.assertEqual((done.returncode, done.stdout), (status, ""), done.stderr)
        self.assertEqual(done.stderr, says + "\n")

    def test_commands(self):
        self.refused("chek", says="tarn: no command 'chek'; did you mean 'check'?")
        self.refused("chek", "shop", says="tarn: no command 'chek'; did you mean 'check'?")
        self.refused("chek", "--help", says="tarn: no command 'chek'; did you mean 'check'?")
        self.refused("frobnicate", says="tarn: no command 'frobnicate'; see tarn --help")
        self.refused("help", "chek", says="tarn: no command 'chek'; did you mean 'check'?")
        for command, wrong, right in (("keys", "crate", "create"), ("quarantine", "reply", "replay")):
            self.refused(command, wrong,
                         says=f"tarn {command}: no command '{wrong}'; did you mean '{right}'?")
        self.refused("keys", says="tarn keys: say which: create, list, revoke; see tarn keys --help")

    def test_options(self):
        for words, right in ((("sql", "--fromat", "csv"), "--format"),
                             (("keys", "create", "a", "--rle=admin"), "--role"),
                             (("quarantine", "show", "web_log", "--limt", "3"), "--limit"),
                             (("maintain", "--dry-rnu"), "--dry-run"),
                             (("dataset", "--jsn"), "--json"),
                             (("demo", "--sed", "3"), "--seed")):
            wrong = next(word for word in words if word.startswith("-")).split("=")[0]
            command = " ".join(words[:2 if words[0] in ("keys", "quarantine") else 1])
            self.refused(*words, says=f"tarn {command}: no option '{wrong}'; did you mean '{right}'?")
        for words, says in ((["--confg", "x"], "no option '--confg'; did you mean '--config'?"),
                            (["--config"], "--config needs a value"),
                            (["--once"], "--config FILE is missing; see tarn-agent --help")):
            done = subprocess.run([AGENT, *words], capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stderr), (2, f"tarn-agent: {says}\n"))

    def test_values_and_missing_words(self):
        self.refused("sql", "--format", "tabel", says="tarn sql: --format: there is no 'tabel'; did "
                     "you mean 'table'?")
        self.refused("init", "shop", "--template", "x", says="tarn init: --template: there is no 'x'; "
                     "choose retail")
        self.refused("sql", "--out", says="tarn sql: --out needs a value")
        self.refused("check", "--json=maybe", says="tarn check: --json takes no value")
        self.refused("dataset", says="tarn dataset: DATASET is missing; see tarn dataset --help")
        self.refused("check", "a", "b", says="tarn check: 'b' is a word too many; see tarn check "
                     "--help")
        self.refused("quarantine", "show", "a", "--limit", "many",
                     says="tarn quarantine show: --limit: 'many' is no whole number")
        self.refused("quarantine", "show", "web_log", "--limit", "-1",
                     says="tarn quarantine show: --limit: '-1' must not be negative")

    def test_words_that_mean_nothing(self):
        self.refused("completion", "fish", says="tarn completion: SHELL: there is no 'fish'; choose "
                     "bash or zsh")
        self.refused("quarantine", "show", "a", "--limit", "0", says="tarn: --limit is 1 at least")

    def test_libraries_are_not_taken_from_the_working_directory(self):
        for library in ("libedit.so.2", "libduckdb.so", "libarrow.so.2500", "libc.so.6"):
            (self.work / library).write_text("no library")
        done = harness.tarn("version", cwd=self.work)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_an_overview_help_and_version(self):
        overview = harness.tarn()
        self.assertEqual((overview.returncode, overview.stderr), (0, ""))
        for part in ("Commands for a project:", "Commands for its data:", "Examples:", "tarn demo"):
            self.assertIn(part, overview.stdout)
        for same in (("help",), ("--help",)):
            self.assertEqual(harness.tarn(*same).stdout, overview.stdout)
        for words in (("sql",), ("keys", "create"), ("demo",)):
            done = harness.tarn("help", *words)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stdout, harness.tarn(*words, "--help").stdout)
        version = harness.tarn("version")
        self.assertRegex(version.stdout, r"^tarn \d")
        self.assertEqual(version.stdout, harness.tarn("--version").stdout)

    def test_every_command_shows_an_example(self):
        for words in commands_below():
            self.assertRegex(harness.tarn(*words, "--help").stdout, r"(?i)examples?:\n  .*\btarn ",
                             f"tarn {' '.join(words)} --help")


def commands_below(*words):
    """What completion offers, command by command."""
    for line in harness.tarn("__complete", *words, "").stdout.splitlines():
        word = line.split("\t")[0]
        if word.startswith(":") or words and words[0] in ("completion", "help"):
            continue
        if words and words[0] not in ("keys", "quarantine"):
            continue
        yield (*words, word)
        if len(words) < 1:
            yield from commands_below(*words, word)


class Completion(harness.Case):
    def setUp(self):
        super().setUp()
        self.shop = self.project(self.work / "shop").start()
        self.shop.server.stop()
        # The project around the current folder, too.
        folder = self.shop.folder
        (self.work / "tarn.yaml").write_text(
            (folder / "tarn.yaml").read_text()
            + f"lake:\n  path: {folder}/lake\nstate:\n  path: {folder}/state\n")
        (self.work / "logs").mkdir()
        (self.work / "bin").mkdir()
        for program in (TARN, AGENT):
            os.symlink(program, self.work / "bin" / os.path.basename(program))
        (self.work / "access.log").write_text("")

    def complete(self, *words):
        raise NotImplementedError

    def expect(self, words, *expected):
        self.assertEqual(sorted(self.complete(*words)), sorted(expected), words)

    def check_all(self):
        self.expect(["tarn", "che"], "check")
        self.expect(["tarn", "keys", ""], "create", "list", "revoke")
        self.expect(["tarn", "quarantine", "re"], "replay")
        self.expect(["tarn", "quarantine", "replay", "--f"], "--format")
        self.expect(["tarn", "sql", "--fo"], "--format")
        self.expect(["tarn", "sql", "--format", ""], "table", "csv", "json", "parquet")
        self.expect(["tarn", "sql", "--format", "csv", "--fo"])
        names = ["common", "combined", "vhost_combined", "combined+cookie", "error", "json"]
        self.expect(["tarn", "parse", "--format", ""], *names)
        self.expect(["tarn", "parse", "--format", "comb"], "combined", "combined+cookie")
        self.expect(["tarn", "parse", "--format=vh"], "--format=vhost_combined")
        self.expect(["tarn", "quarantine", "replay", "--format", ""], *names)
        self.expect(["tarn", "keys", "create", "web-1", "--role", "in"], "ingest")
        self.expect(["tarn", "init", "new", "--template", ""], "retail")
        self.expect(["tarn", "completion", "z"], "zsh")
        self.expect(["tarn", "help", "keys", "cr"], "create")
        self.expect(["tarn", "demo", "--se"], "--seed", "--servers")
        self.expect(["tarn", "dataset", "clean."], "clean.web_log")
        self.expect(["tarn", "dataset", "--json", "clean.", "shop"], "shop")
        self.expect(["tarn", "keys", "revoke", "ag"], "agents")
        self.expect(["tarn", "quarantine", "show", "w"], "web_log")
        self.expect(["tarn", "parse", "acc"], "access.log")
        self.expect(["tarn", "sql", "--out", "acc"], "access.log")
        self.expect(["tarn", "serve", "lo"], "logs")
        self.expect(["tarn-agent", "--con"], "--config")
        self.expect(["tarn-agent", "--"], "--check", "--config", "--debug", "--help", "--help-config",
                    "--json", "--json-log", "--once", "--status", "--version")
        self.expect(["tarn-agent", "--config", "acc"], "access.log")


class Bash(Completion):
    def complete(self, *words):
        script = ('source <(tarn completion bash); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
                  'compopt() { :; }; function=$(complete -p "${1##*/}"); function=${function#*-F }; '
                  '${function%% *} "$1" "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}"; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        done = subprocess.run(["bash", "--norc", "-c", script, "bash", *words], capture_output=True,
                              text=True, check=False, cwd=self.work,
                              env={**os.environ, "PATH": f"{harness.BIN}:{os.environ['PATH']}",
                                   "HOME": str(self.work)})
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_bash(self):
        self.check_all()
        self.expect(["~/bin/tarn", "che"], "check")
        self.expect(["~/bin/tarn-agent", "--con"], "--config")
        # As bash cuts it.
        self.expect(["tarn", "sql", "--format", "=", "c"], "csv")
        self.expect(["tarn", "sql", "--format", "="], "table", "csv", "json", "parquet")


class Zsh(Completion):
    def setUp(self):
        if shutil.which("zsh") is None:
            self.skipTest("no zsh")
        super().setUp()

    # What the completion system of zsh is asked for.
    STUBS = """
compdef() { known[$2]=$1 }
_describe() { print -l -- ${${(P)4}%%:*} }
_files() { if [[ $1 = -/ ]]; then print -l -- $words[CURRENT]*(N/); else print -l -- $words[CURRENT]*(N); fi }
compadd() { shift; print -l -- ${(M)@:#$words[CURRENT]*} }
typeset -A known
source <(tarn completion zsh)
words=("$@"); CURRENT=$#
$known[${1##*/}]
"""

    def complete(self, *words):
        done = subprocess.run(["zsh", "-f", "-c", self.STUBS, "zsh", *words], capture_output=True,
                              text=True, check=False, cwd=self.work,
                              env={**os.environ, "PATH": f"{harness.BIN}:{os.environ['PATH']}",
                                   "HOME": str(self.work)})
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_zsh(self):
        self.check_all()
        self.expect(["~/bin/tarn", "che"], "check")
        self.expect(["~/bin/tarn-agent", "--con"], "--config")
        self.expect(["tarn", "sql", "--format=c"], "--format=csv")


class Parse(harness.Case):
    LINES = "".join(harness.log_line(n, "x") for n in range(50_000)).encode()

    def parse(self, name, content, *options):
        path = self.work / name
        path.write_bytes(content)
        return harness.tarn("parse", path, *options)

    def test_compressed_logs_are_unpacked(self):
        plain = self.parse("access.log", self.LINES)
        self.assertEqual(plain.returncode, 0, plain.stderr)
        self.assertEqual(plain.stdout.count("\n"), 50_000)
        half = len(self.LINES) // 2
        packed = {"access.log.gz": gzip.compress(self.LINES[:half]) + gzip.compress(self.LINES[half:]),
                  "access.log.zst": zstandard.compress(self.LINES)}
        for name, content in packed.items():
            done = self.parse(name, content)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(done.stdout, plain.stdout)
            with open(self.work / name, "rb") as stdin:
                piped = subprocess.run([TARN, "parse"], stdin=stdin, capture_output=True, check=False)
            self.assertEqual((piped.returncode, piped.stdout.decode()), (0, plain.stdout))

    def test_cut_ones_are_damaged(self):
        lines = b"bad line\n" + self.LINES
        for name, content in (("a.gz", gzip.compress(lines)), ("a.zst", zstandard.compress(lines))):
            done = self.parse(name, content[:-1000])
            self.assertEqual(done.returncode, 11, done.stderr)
            self.assertIn(name, done.stderr)
            # All that was whole: zstd unpacks 128 KiB or nothing.
            count = done.stdout.count("\n")
            self.assertGreater(count, 48_000)
            self.assertIn(f"{count:,} lines parsed, 1 rejected", done.stderr)
        few = b"".join(self.LINES.splitlines(keepends=True)[:3000])
        packed = gzip.compress(few)[:-20]
        done = self.parse("b.gz", packed)
        unpacked = zlib.decompressobj(31).decompress(packed)
        self.assertEqual((done.returncode, done.stdout.count("\n")), (11, unpacked.count(b"\n")))
        self.assertIn(f"{unpacked.count(10):,} lines parsed, 0 rejected", done.stderr)

    def test_padding_is_no_damage(self):
        done = self.parse("padded.gz", gzip.compress(self.LINES) + bytes(1000))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout.count("\n"), 50_000)

    def test_what_cannot_be_read_is_named_once(self):
        done = harness.tarn("parse", self.work)
        self.assertEqual(done.stderr, f"tarn: {self.work}: cannot read it: Is a directory\n")

    def test_what_is_no_text_is_refused(self):
        done = self.parse("photo.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\n\0\1")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("photo.png is no text", done.stderr)
        # As a log looks after copytruncate.
        done = self.parse("holes.log", b"\0" * 4096 + self.LINES)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertGreaterEqual(done.stdout.count("\n"), 49_999)
        done = self.parse("text.txt", b"no log line\n")
        self.assertEqual(done.returncode, 0)
        self.assertIn("0 lines parsed, 1 rejected", done.stderr)

    def test_no_input_is_overwritten(self):
        victim = self.work / "victim.log"
        victim.write_bytes(self.LINES)
        os.symlink(victim, self.work / "symbolic")
        os.link(victim, self.work / "hard")
        for option in ("--out", "--rejects"):
            for name in ("victim.log", "symbolic", "hard"):
                done = harness.tarn("parse", victim, option, self.work / name)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(f"{option} {self.work / name} is the input {victim}", done.stderr)
        with open(victim, "rb") as stdin:
            done = subprocess.run([TARN, "parse", "--out", victim], stdin=stdin, text=True,
                                  capture_output=True, check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        with open(victim, "ab") as stdout:
            done = subprocess.run([TARN, "parse", victim], stdout=stdout, stderr=subprocess.PIPE,
                                  text=True, check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(victim.read_bytes(), self.LINES)

    def test_one_file_does_not_take_lines_and_rejects(self):
        (self.work / "folder").mkdir()
        os.symlink("new", self.work / "link")
        for name in ("new", "folder/../new", "link"):
            done = self.parse("a.log", b"no log line\n", "--out", self.work / "new", "--rejects",
                              self.work / name)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("are one file", done.stderr)
            self.assertFalse((self.work / "new").exists())
        done = self.parse("a.log", self.LINES, "--out", "/dev/null", "--rejects", "/dev/null")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def outputs(self):
        """Two outputs that are there already, and what names them."""
        folder = self.work / "reports"
        folder.mkdir(exist_ok=True)
        words = []
        for option in ("out", "rejects"):
            (folder / option).write_text("precious\n")
            words += [f"--{option}", folder / option]
        return folder, words

    def contents(self, folder):
        return {path.name: path.read_text() for path in folder.iterdir()}

    def test_outputs_are_left_alone_if_an_input_cannot_be_read(self):
        folder, words = self.outputs()
        good = self.work / "good.log"
        good.write_bytes(b"bad line\n" + self.LINES)
        for inputs in ([self.work / "nosuch.log"], [good, self.work / "nosuch.log"], [self.work]):
            self.assertNotEqual(harness.tarn("parse", *inputs, *words).returncode, 0)
            self.assertEqual(self.contents(folder), {"out": "precious\n", "rejects": "precious\n"})
        done = harness.tarn("parse", good, *words)
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
        written = self.contents(folder)
        self.assertEqual(sorted(written), ["out", "rejects"])
        self.assertEqual(written["out"].count("\n"), 50_000)
        self.assertTrue(written["rejects"].endswith(": bad line\n"), written["rejects"])

    def test_lines_before_damage_take_the_place_of_outputs(self):
        folder, words = self.outputs()
        done = self.parse("a.gz", gzip.compress(b"bad line\n" + self.LINES)[:-1000], *words)
        self.assertEqual(done.returncode, 11, done.stderr)
        written = self.contents(folder)
        self.assertIn(f"{written['out'].count(chr(10)):,} lines parsed, 1 rejected", done.stderr)
        self.assertIn("bad line", written["rejects"])

    def test_outputs_are_left_alone_if_it_is_ended(self):
        folder, words = self.outputs()
        for ending in (signal.SIGINT, signal.SIGTERM):
            child = subprocess.Popen([TARN, "parse", *map(str, words)], stdin=subprocess.PIPE,
                                     stderr=subprocess.PIPE)
            child.stdin.write(self.LINES)
            child.stdin.flush()
            child.send_signal(ending)
            child.stdin.flush()
            self.assertEqual(child.wait(30), -ending, child.stderr.read())
            child.stdin.close()
            child.stderr.close()
            self.assertEqual(self.contents(folder), {"out": "precious\n", "rejects": "precious\n"})

    def test_a_reader_that_has_enough_is_no_failure_to_speak_of(self):
        folder, words = self.outputs()
        child = subprocess.Popen([TARN, "parse", *map(str, words[2:])], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        child.stdout.close()
        with child.stdin:
            try:
                child.stdin.write(self.LINES)
            except BrokenPipeError:
                pass
        with child.stderr:
            self.assertEqual((child.wait(30), child.stderr.read()), (141, b""))
        self.assertEqual(self.contents(folder), {"out": "precious\n", "rejects": "precious\n"})

    def test_a_pipe_is_written_to(self):
        for option in ("--out", "--rejects"):
            done = self.parse("a.log", b"bad line\n" + self.LINES, option, "/dev/stdout",
                              *(() if option == "--out" else ("--out", "/dev/null")))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stdout.count("\n"), 50_000 if option == "--out" else 1)


    def test_lines_of_a_pipe_are_passed_on_as_they_come(self):
        child = subprocess.Popen([TARN, "parse"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        with child.stdin, child.stdout:
            for number in range(3):
                child.stdin.write(harness.log_line(number, "x").encode())
                child.stdin.flush()
                ready, _, _ = select.select([child.stdout], [], [], 30)
                self.assertTrue(ready, "the line is held back")
                self.assertIn(f'"path":"/p/x/{number}"', child.stdout.readline().decode())
            child.stdin.close()
            self.assertEqual((child.wait(30), child.stdout.read()), (0, b""))

    def test_our_own_output_is_written_to_whatever_it_is(self):
        (self.work / "a.log").write_text(harness.log_line(1, "x"))
        out = self.work / "both"
        with open(out, "w") as stdout:
            for word in ("head\n", "tail\n"):
                stdout.write(word)
                stdout.flush()
                subprocess.run([harness.TARN, "parse", "--format", "combined", "--out",
                                "/dev/stdout", self.work / "a.log"], stdout=stdout, check=True)
        lines = out.read_text().splitlines()
        self.assertEqual([line[:1] for line in lines], ["h", "{", "t", "{"])


class ExitCodes(harness.Case):
    """The table of docs/exit-codes.md, command by command."""

    def setUp(self):
        super().setUp()
        self.shop = self.project().start()
        self.shop.server.stop()
        (self.work / "a.log").write_text(harness.log_line(1, "x"))

    def ends(self, status, *words, says=""):
        done = harness.tarn(*words)
        self.assertEqual(done.returncode, status, f"{words}: {done.stderr}")
        self.assertIn(says, done.stderr)

    def test_what_is_not_there_is_3(self):
        shop = self.shop.folder
        for words in (("sql", shop, "SELECT 1", "--out", "/nonexistent/x"),
                      ("sql", shop, "SELECT 1", "--format", "parquet", "--out", "/nonexistent/x"),
                      ("parse", self.work / "a.log", "--out", "/nonexistent/x"),
                      ("parse", self.work / "a.log", "--rejects", "/nonexistent/x"),
                      ("parse", "/nonexistent/x"), ("check", "/nonexistent"),
                      ("status", "/nonexistent"), ("datasets", "/nonexistent"),
                      ("maintain", "/nonexistent"), ("keys", "list", "/nonexistent"),
                      ("keys", "revoke", "nobody", shop), ("dataset", "clean.nothing", shop),
                      ("sql", shop, "SELECT * FROM clean.nothing"),
                      ("quarantine", "show", "nothing", shop),
                      ("quarantine", "replay", "nothing", shop), ("sql", shop, "--fresh", "SELECT 1")):
            self.ends(3, *words)

    def test_the_others(self):
        shop = self.shop.folder
        self.ends(2, "keys", "create", "x y/z", shop)
        self.ends(2, "parse", "--format", "combind", says="combined")
        self.ends(4, "keys", "create", "agents", shop)
        self.ends(4, "init", shop)
        self.ends(7, "sql", shop, "SELECT getenv('HOME')")

    def test_a_full_disk_is_8(self):
        for words in (("sql", self.shop.folder, "SELECT 1"), ("parse", self.work / "a.log"),
                      ("datasets", self.shop.folder), ("help",), (), ("--help",), ("sql", "--help"),
                      ("--version",), ("help", "demo"), ("demo", "--help"), ("__complete", ""),
                      ("config-reference",), ("completion", "bash"),
                      ("sql", self.shop.folder, "SELECT repeat('x', 9000)"),
                      ("sql", self.shop.folder, "SELECT * FROM range(9000)")):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([TARN, *map(str, words)], stdout=full, stderr=subprocess.PIPE,
                                      text=True, check=False)
            self.assertEqual(done.returncode, 8, f"{words}: {done.stderr}")
        self.ends(8, "sql", self.shop.folder, "SELECT 1", "--out", "/dev/full")

    def test_statements_of_an_argument_run_in_order(self):
        done = harness.tarn("sql", self.shop.folder, "SELECT 1 AS a; SELECT 2 AS b;", "--format",
                            "json")
        self.assertEqual((done.returncode, done.stdout), (0, '{"a":1}\n{"b":2}\n'), done.stderr)
        self.ends(2, "sql", self.shop.folder, "SELECT 1; SELEC 2")


class Names(harness.Case):
    def setUp(self):
        super().setUp()
        self.shop = self.project().start()
        self.shop.server.stop()

    def refused(self, says, *words):
        done = harness.tarn(*words, self.shop.folder)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn(says, done.stderr)

    def test_the_nearest_is_named(self):
        for wrong in ("web_log", "web_lgo", "claen.web_log", "clean.web_lo"):
            self.refused(f"no dataset '{wrong}'; did you mean 'clean.web_log'?", "dataset", wrong)
        self.refused("no dataset 'something.else'; `tarn datasets` lists them", "dataset",
                     "something.else")
        self.refused("did you mean 'web_log'?", "quarantine", "replay", "web_lgo")
        self.refused("web_log", "quarantine", "show", "web_lgo")
        self.refused("no key 'agnets'; did you mean 'agents'?", "keys", "revoke", "agnets")


class Machines(harness.Case):
    """--json, and what people are told of little."""

    def setUp(self):
        super().setUp()
        self.shop = self.project()

    def json(self, *words, status=0):
        done = harness.tarn(*words, "--json")
        self.assertEqual(done.returncode, status, done.stderr)
        return json.loads(done.stdout)

    def test_check_and_keys(self):
        shop = self.shop.folder
        checked = self.json("check", shop)
        self.assertEqual((checked["name"], checked["sources"], checked["problems"]),
                         ("e2e", ["web_log"], []))
        made = self.json("keys", "create", "web-1", shop, "--source", "web_log")
        self.assertRegex(made["key"], "^tarn_ingest_")
        self.assertEqual((made["name"], made["role"], made["sources"]),
                         ("web-1", "ingest", ["web_log"]))
        listed = {key["name"]: key for key in self.json("keys", "list", shop)}
        self.assertEqual(listed["web-1"], {"name": "web-1", "role": "ingest", "sources": ["web_log"]})
        self.assertEqual(listed["admin"]["sources"], [])
        (shop / "tarn.yaml").write_text("name: e2e\nlisten:\n  prot: 1\n")
        problems = self.json("check", shop, status=2)["problems"]
        self.assertEqual(len(problems), 1)
        self.assertIn("tarn.yaml:3:3: listen: unknown key 'prot'", problems[0])

    def test_datasets(self):
        self.shop.start()
        self.shop.server.stop()
        shop = self.shop.folder
        objects = next(d["name"] for d in self.json("datasets", shop) if d["kind"] != "table")
        row = next(line for line in harness.tarn("datasets", shop).stdout.splitlines()
                   if line.startswith(objects + " "))
        self.assertRegex(row, r"^\S+ +\S+ +- +- ")
        self.assertEqual(self.json("dataset", objects, shop)["files"], 0)
        self.assertIn("0 objects", harness.tarn("dataset", objects, shop).stdout)

    def test_an_empty_quarantine_says_so(self):
        self.shop.start()
        self.shop.server.stop()
        done = harness.tarn("quarantine", "list", self.shop.folder)
        self.assertEqual((done.returncode, done.stdout),
                         (0, "quarantine is empty: every line fitted its format\n"), done.stderr)
        done = harness.tarn("quarantine", "show", "web_log", self.shop.folder)
        self.assertEqual(done.stdout, "no row of web_log is in quarantine\n")
        self.assertEqual(harness.tarn("quarantine", "list", self.shop.folder, "--json").stdout, "")

    def test_an_open_door_is_warned_of(self):
        text = (self.shop.folder / "tarn.yaml").read_text()
        self.assertEqual(self.json("check", self.shop.folder)["warnings"], [])
        (self.shop.folder / "tarn.yaml").write_text(
            text.replace("listen:\n", "listen:\n  address: 0.0.0.0\n"))
        done = harness.tarn("check", self.shop.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("warning: the door listens on 0.0.0.0, beyond this machine, without TLS",
                      done.stdout)
        self.shop.start()
        self.shop.server.stop()
        self.assertIn("settings.unsafe", self.shop.server.tail(100))


class Problems(harness.Case):
    def test_are_in_the_files_order_and_each_line_begins_alike(self):
        shop = self.project()
        path = shop.folder / "tarn.yaml"
        path.write_text("naem: e2e\nlisten:\n  port: x\nsources:\n  web_log:\n    fromat: combined\n"
                        "time_zone: Berlin\n")
        for program in ("check", "serve"):
            done = harness.tarn(program, shop.folder)
            self.assertEqual(done.returncode, 2, done.stderr)
            lines = done.stderr.splitlines()
            self.assertGreater(len(lines), 3)
            numbers = []
            for line in lines:
                self.assertTrue(line.startswith(f"tarn: {path}:"), line)
                numbers.append(int(line.removeprefix(f"tarn: {path}:").split(":")[0]))
            self.assertEqual(numbers, sorted(numbers))

    def said(self, text):
        """Of check, by the file's line; serve says the same and opens nothing."""
        shop = self.work / "wrong"
        shop.mkdir(exist_ok=True)
        (shop / "tarn.yaml").write_text(text)
        checked, served = (harness.tarn(program, shop) for program in ("check", "serve"))
        self.assertEqual((checked.returncode, checked.stdout), (2, ""), checked.stderr)
        self.assertEqual((served.returncode, served.stderr), (2, checked.stderr))
        self.assertEqual([path.name for path in shop.iterdir()], ["tarn.yaml"])
        place = f"tarn: {shop / 'tarn.yaml'}:"
        lines = checked.stderr.splitlines()
        for line in lines:
            self.assertTrue(line.startswith(place), line)
        return [line.removeprefix(place) for line in lines]

    def test_what_serve_would_refuse_check_refuses_at_its_place(self):
        source = "sources:\n  g:\n    format: {}\n"
        for text, place in (
                ("name: ''\n", "1:7: name: "),
                ("name: a/../b\n", "1:7: name: "),
                ('name: "a\\nb"\n', "1:7: name: "),
                ("name: a\n" + source.format("''"), "4:13: sources.g.format: "),
                ("name: a\n" + source.format("'json:'"), "4:13: sources.g.format: "),
                ("name: a\n" + source.format("'json:a:int=,b'"), "4:13: sources.g.format: column 'a'"),
                ("name: a\n" + source.format("'csv:a:,b'"), "4:13: sources.g.format: column 'a'"),
                ("name: a\n" + source.format("json") + "  G:\n    format: json\n",
                 "6:5: sources.G: "),
                ("name: a\nlisten:\n  address: shop.example\n", "3:12: listen.address: "),
                ("name: a\nlisten:\n  address: ''\n", "3:12: listen.address: "),
                ("name: a\nlisten:\n  tls: {certificate: '', key: ''}\n",
                 "3:22: listen.tls.certificate: "),
                ("name: a\nlake:\n  path: ''\n", "3:9: lake.path: "),
                ("name: a\nlake:\n  path: .\n", "3:9: lake.path: "),
                ("name: a\nlake:\n  path: ..\n", "3:9: lake.path: "),
                ("name: a\nlake:\n  path: state\n", "3:9: lake.path: "),
                ("name: a\nlake:\n  path: a/../state/lake\n", "3:9: lake.path: "),
                ("name: a\nstate:\n  path: lake/state\n", "3:9: state.path: "),
                ("name: a\nstate:\n  path: ./\n", "3:9: state.path: ")):
            lines = self.said(text)
            self.assertTrue(lines[0].startswith(place), lines)

    def test_files_of_tls_are_told_with_all_else(self):
        tls = "name: a\nlisten:\n  tls:\n    certificate: {}\n    key: {}\nsource: 1\n"
        wrong = self.work / "wrong"
        lines = self.said(tls.format("nope.pem", "nope.key"))
        self.assertEqual([line.rpartition(":")[0] for line in lines[:2]],
                         [f"4:18: listen.tls.certificate: cannot stat {wrong}/nope.pem",
                          f"5:10: listen.tls.key: cannot stat {wrong}/nope.key"])
        self.assertEqual(lines[2], "6:1: unknown key 'source'; did you mean 'sources'?")
        self.assertEqual(self.said(tls.format("tarn.yaml", "."))[:2], [
            f"4:18: listen.tls.certificate: {wrong}/tarn.yaml: holds no PEM certificate",
            f"5:10: listen.tls.key: {wrong}/.: is no PEM file"])
        done = harness.tarn("datasets", wrong)  # needs no certificate
        self.assertEqual(done.stderr, f"tarn: {wrong}/tarn.yaml:6:1: unknown key 'source'; did you "
                         "mean 'sources'?\n")

    def test_localhost_is_this_machine(self):
        shop = self.project()
        path = shop.folder / "tarn.yaml"
        path.write_text(path.read_text().replace("listen:\n", "listen:\n  address: localhost\n"))
        done = harness.tarn("check", shop.folder)
        self.assertEqual((done.returncode, done.stdout), (0, "e2e: fine, 1 source\n"))
        shop.start()
        shop.server.stop()

    def test_a_missing_secret_hides_no_other(self):
        lines = self.said("name: shop\nname2: ${env:NO_SUCH_VARIABLE}\nlisten:\n  port: ${env:NO_PORT}\n"
                          "  prot: 1\n  tls: {certificate: a.pem, key: '${file:nokey}'}\n"
                          "sources:\n  g: {format: '${env:NO_FORMAT}', land: ['${env:NO_LAND}']}\n"
                          "sql:\n  memory: lots\n")
        for part in ("2:1: unknown key 'name2'; did you mean 'name'?",
                     "2:8: name2: environment variable 'NO_SUCH_VARIABLE' is not set",
                     "4:9: listen.port: environment variable 'NO_PORT' is not set",
                     "5:3: listen: unknown key 'prot'", "6:22: listen.tls.certificate: ",
                     "6:34: listen.tls.key: ",
                     "8:15: sources.g.format: environment variable 'NO_FORMAT' is not set",
                     "8:42: sources.g.land[0]: environment variable 'NO_LAND' is not set",
                     "10:11: sql.memory: expected size"):
            self.assertEqual(sum(line.startswith(part) for line in lines), 1, (part, lines))
        self.assertEqual(len(lines), 9, lines)

    def test_the_nearest_word_is_named(self):
        lines = self.said("name: shop\ntime_zone: Europe/Pragu\nsources:\n  a:\n    format: json\n"
                          "    land: parqet\n  b:\n    format: 'csv:a:flaot'\n")
        self.assertEqual(lines, [
            "2:12: time_zone: 'Europe/Pragu' is not a time zone; did you mean 'Europe/Prague'?",
            "6:11: sources.a.land: 'parqet' is not a form; did you mean 'parquet'?",
            "8:13: sources.b.format: column 'a' cannot have the type 'flaot'; choose int, long, "
            "double, boolean, string or timestamptz"])

    def test_what_is_no_map_is_told_at_its_line(self):
        self.assertEqual(self.said("- a\n")[0], "1:1: expected a map of keys, found a list")
        self.assertEqual(self.said(""), ["1:1: is empty; the least is `name: shop`"])
        path = self.work / "wrong/tarn.yaml"
        path.write_bytes(b"name: a\nsources:\n  b\xff: {}\n")
        done = harness.tarn("check", path.parent)
        self.assertEqual(done.stderr, f"tarn: {path}:3:4: not UTF-8 text\n")


class Cloned(harness.Case):
    """A project without its state, which no repository holds."""

    def test_commands_reach_its_server(self):
        shop = self.project()
        shutil.rmtree(shop.folder / "state")
        shop.start()
        self.assertEqual((shop.folder / "state/local.key").stat().st_mode & 0o777, 0o600)
        self.assertIn("nobody can send", shop.server.tail(100))
        for words in (("status", shop.folder), ("sql", shop.folder, "SELECT 1", "--fresh")):
            done = harness.tarn(*words)
            self.assertEqual(done.returncode, 0, done.stderr)
        made = harness.tarn("keys", "create", "web-1", shop.folder)
        self.assertEqual(made.returncode, 0, made.stderr)
        shop.server.stop()
        (shop.folder / "state/local.key").unlink()
        shop.start()
        self.assertEqual(harness.tarn("status", shop.folder).returncode, 0)
        listed = json.loads(harness.tarn("keys", "list", shop.folder, "--json").stdout)
        self.assertEqual(sorted(key["name"] for key in listed), ["local", "web-1"])
        shop.server.stop()


class Keys(harness.Case):
    def setUp(self):
        super().setUp()
        self.shop = self.project().start()
        self.shop.server.stop()
        self.keys = self.shop.folder / "state/keys.json"

    def test_commands_reach_the_server_whatever_an_interrupted_change_left(self):
        local = self.shop.folder / "state/local.key"
        earlier = local.read_text()
        for content in ("tarn_admin_" + "0" * 32, "", earlier):
            local.write_text(content)
            self.shop.start()
            self.assertEqual(harness.tarn("status", self.shop.folder).returncode, 0)
            self.shop.server.stop()
            # The others are as they were.
            names = [key["name"] for key in json.loads(self.keys.read_text())["keys"]]
            self.assertEqual(sorted(names), ["admin", "agents", "local"])
        self.assertEqual(local.stat().st_mode & 0o777, 0o600)
        before = self.keys.read_bytes()
        self.shop.start()
        self.shop.server.stop()
        self.assertEqual(self.keys.read_bytes(), before, "made anew only where it is not known")

    def test_lost_ones_are_an_error_that_says_how_to_go_on(self):
        saved = self.keys.read_bytes()
        self.keys.unlink()
        self.shop.start()
        said = next(line for line in self.shop.server.tail(100).splitlines()
                    if "server.keys_lost" in line)
        self.assertIn("ERROR", said)
        for part in (str(self.keys), "refused", "restore", "tarn keys create"):
            self.assertIn(part, said)
        self.assertEqual(harness.tarn("status", self.shop.folder).returncode, 0)
        self.shop.server.stop()
        self.keys.write_bytes(saved)
        self.shop.start()
        self.assertEqual(self.shop.get("/v1/status", self.shop.admin_key).status, 200)
        self.assertEqual(harness.tarn("status", self.shop.folder).returncode, 0)
        self.assertEqual(self.shop.server.tail(100).count("server.keys_lost"), 1)

    def test_a_running_server_keeps_those_whose_file_is_lost(self):
        self.shop.start()
        saved = self.keys.read_bytes()
        self.keys.unlink()
        harness.wait_for("the loss to be seen",
                         lambda: "server.keys_unreadable" in self.shop.server.tail(100))
        self.assertIn("the keys before still count", self.shop.server.tail(100))
        self.assertEqual(self.shop.get("/v1/status", self.shop.admin_key).status, 200)
        self.keys.write_bytes(saved)
        harness.wait_for("the file to be seen",
                         lambda: "server.keys_reloaded" in self.shop.server.tail(100))
        self.assertEqual(self.shop.get("/v1/status", self.shop.admin_key).status, 200)

    def test_one_made_after_a_loss_says_so(self):
        made = harness.tarn("keys", "create", "web-1", self.shop.folder)
        self.assertNotIn("gone", made.stderr)
        self.shop.start()
        self.keys.unlink()
        made = harness.tarn("keys", "create", "web-2", self.shop.folder)
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertIn(f"{self.keys} was gone, and with it all keys made before", made.stderr)
        made = harness.tarn("keys", "create", "web-3", self.shop.folder)
        self.assertNotIn("gone", made.stderr)
        harness.wait_for("the new keys to count",
                         lambda: harness.tarn("status", self.shop.folder).returncode == 0 and
                         self.shop.get("/v1/status", self.shop.admin_key).status == 401)


class Out(harness.Case):
    """`tarn sql --out FILE`."""

    def setUp(self):
        super().setUp()
        self.shop = self.project().start()
        self.shop.server.stop()
        self.folder = self.work / "reports"
        self.folder.mkdir()

    def write(self, name, *options):
        done = harness.tarn("sql", self.shop.folder, "SELECT 1 AS a", "--out", self.folder / name,
                            *options)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_other_files_are_left_alone_and_links_followed(self):
        (self.folder / "day.csv.partial").write_text("mine")
        (self.folder / "store").mkdir()
        os.symlink("store/real.csv", self.folder / "link.csv")
        for name in ("day.csv", "link.csv", "link.csv"):
            self.write(name)
        self.assertEqual((self.folder / "day.csv.partial").read_text(), "mine")
        self.assertTrue((self.folder / "link.csv").is_symlink())
        self.assertEqual((self.folder / "store/real.csv").read_text(), "a\n1\n")
        self.write("link.parquet", "--format", "parquet")
        self.assertEqual((self.folder / "link.parquet").read_bytes()[:4], b"PAR1")
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()),
                         ["day.csv", "day.csv.partial", "link.csv", "link.parquet", "store"])

    def test_files_of_the_project_are_left_alone(self):
        shop = self.shop.folder
        os.symlink(shop / "lake", self.folder / "there")
        os.symlink(shop / "state/catalog.db", self.folder / "catalog")
        for place in (shop / "tarn.yaml", shop / "state/keys.json", shop / "state/new.csv",
                      shop / "lake/new.csv", self.folder / "there/new.csv", self.folder / "catalog"):
            before = place.read_bytes() if place.exists() else None
            done = harness.tarn("sql", shop, "SELECT 1 AS a", "--out", place)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(f"--out {place} is a place of the project", done.stderr)
            self.assertEqual(place.read_bytes() if place.exists() else None, before)
            for option in ("--out", "--rejects"):
                done = harness.tarn("parse", "/dev/null", option, place)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(f"{option} {place} is a place of the project", done.stderr)
            self.assertEqual(place.read_bytes() if place.exists() else None, before)
        self.write(shop / "day.csv")
        done = harness.tarn("parse", "/dev/null", "--out", shop / "day.jsonl")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_permissions_stay(self):
        for name, options in (("day.csv", ()), ("day.parquet", ("--format", "parquet"))):
            self.write(name, *options)
            path = self.folder / name
            self.assertEqual(path.stat().st_mode & 0o777, 0o640)
            for mode in (0o600, 0o604):
                path.chmod(mode)
                self.write(name, *options)
                self.assertEqual(path.stat().st_mode & 0o777, mode, name)

    @unittest.skipIf(os.geteuid() != 0, "only root gives files away")
    def test_owner_and_group_stay(self):
        self.write("day.csv")
        path = self.folder / "day.csv"
        os.chown(path, 65534, 12345)
        path.chmod(0o640)
        for options in ((), ("--format", "parquet")):
            self.write("day.csv", *options)
            info = path.stat()
            self.assertEqual((info.st_uid, info.st_gid, info.st_mode & 0o777), (65534, 12345, 0o640))

    @unittest.skipIf(os.geteuid() != 0, "only root becomes somebody else")
    def test_a_group_that_cannot_be_kept_passes_nothing_on(self):
        log = self.work / "a.log"
        log.write_text(harness.log_line(1, "x"))
        path = self.folder / "day.jsonl"
        path.write_text("")
        path.chmod(0o660)
        for folder in (self.work, self.folder):
            folder.chmod(0o777)

        def become_nobody():
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        os.chown(path, 65534, 12345)
        done = subprocess.run([TARN, "parse", log, "--out", path], capture_output=True, text=True,
                              preexec_fn=become_nobody, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        info = path.stat()
        self.assertEqual((info.st_uid, info.st_gid, info.st_mode & 0o777), (65534, 65534, 0o600))

    def test_what_is_no_plain_file_is_written_to(self):
        for place in ("/dev/stdout", "/proc/self/fd/1"):
            done = harness.tarn("sql", self.shop.folder, "SELECT 1 AS a", "--out", place)
            self.assertEqual((done.returncode, done.stdout), (0, "a\n1\n"), done.stderr)
        done = harness.tarn("sql", self.shop.folder, "SELECT 1 AS a", "--out", "/dev/stderr")
        self.assertEqual((done.returncode, done.stderr), (0, "a\n1\n"))
        done = harness.tarn("sql", self.shop.folder, "SELECT 1 AS a", "--out", "/dev/stdout",
                            "--format", "parquet")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("Parquet needs a plain file", done.stderr)
        fifo, link = self.folder / "fifo", self.folder / "link"
        os.mkfifo(fifo)
        os.symlink("fifo", link)
        for place in (fifo, link):
            child = subprocess.Popen([TARN, "sql", str(self.shop.folder), "SELECT 1 AS a", "--out",
                                      str(place)], stderr=subprocess.PIPE, text=True)
            with open(fifo, encoding="ascii") as reader:
                self.assertEqual(reader.read(), "a\n1\n")
            with child.stderr:
                self.assertEqual((child.wait(30), child.stderr.read()), (0, ""))
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["fifo", "link"])

    def test_a_file_without_a_name_is_written_to(self):
        with tempfile.TemporaryFile(dir=self.folder) as nameless:
            done = subprocess.run([TARN, "sql", self.shop.folder, "SELECT 1 AS a", "--out",
                                   "/dev/stdout"], stdout=nameless, stderr=subprocess.PIPE,
                                  check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(list(self.folder.iterdir()), [])
            nameless.seek(0)
            self.assertEqual(nameless.read(), b"a\n1\n")

    ENDLESS = "SELECT levenshtein(repeat('ab', 200000), repeat('ba', 200000))"
    ROWS = "SELECT * FROM range(100000000000)"

    def running(self, query, form, **options):
        child = subprocess.Popen([TARN, "sql", str(self.shop.folder), query, "--format", form, "--out",
                                  str(self.folder / "x")], stdin=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE, text=True, **options)
        harness.wait_for("the file", lambda: list(self.folder.iterdir()))
        harness.wait_busy(child.pid)
        return child

    def ends(self, child, status):
        _, err = child.communicate(timeout=30)
        self.assertEqual(child.returncode, status, err)
        self.assertEqual(list(self.folder.iterdir()), [])
        self.assertEqual(list((self.shop.folder / "state/tmp").iterdir()), [])

    def test_nothing_stays_after_one_or_two_interrupts(self):
        for form in ("csv", "parquet"):
            child = self.running(self.ROWS, form)
            child.send_signal(signal.SIGINT)
            self.ends(child, 130)
            child = self.running(self.ENDLESS, form)
            harness.interrupt(child)
            child.send_signal(signal.SIGINT)
            self.ends(child, 130)

    def test_nothing_stays_after_a_signal_that_ends_it(self):
        for ending, form, query in ((signal.SIGTERM, "csv", self.ROWS),
                                    (signal.SIGTERM, "parquet", self.ROWS),
                                    (signal.SIGHUP, "csv", self.ENDLESS)):
            child = self.running(query, form)
            child.send_signal(ending)
            self.ends(child, -ending)

    def test_ignored_signals_are_honoured(self):
        """SIGHUP of nohup, SIGINT of a job in a script's background."""
        for ignored in (signal.SIGHUP, signal.SIGINT):
            child = self.running(
                self.ROWS, "csv",
                preexec_fn=lambda ignored=ignored: signal.signal(ignored, signal.SIG_IGN))
            child.send_signal(ignored)
            harness.wait_busy(child.pid)
            child.send_signal(signal.SIGTERM)
            self.ends(child, -signal.SIGTERM)


if __name__ == "__main__":
    harness.main()
