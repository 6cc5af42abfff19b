#!/usr/bin/env python3
"""The pages against the product.

links     every relative link of every page leads to a file
verbs     every command of `tarn --help` is on a page, and every `tarn VERB` on a page is a command
commands  blocks marked ```sh tested run, page by page, each page in a folder of its own: every command must succeed;
          a block ```text output after one names lines of its output, in order (… stands for anything)
Port 8700 on the pages is a free one here. A server started with & is ready before the next command.
"""
import argparse
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md",
         ROOT / "demo/README.md", *sorted((ROOT / "docs").rglob("*.md"))]
problems = []


def complain(page, text):
    problems.append(f"{page.relative_to(ROOT)}: {text}")


def check_links():
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            if path and not (page.parent / path).exists():
                complain(page, f"link to {path}, which is not there")
            del anchor


def help_of(program, *words):
    return subprocess.run([program, *words, "--help"], capture_output=True, text=True, check=True).stdout


def subcommands(text):
    groups = re.findall(r"^(?:Commands|Subcommands)[^\n]*:\n(.*?)(?:\n\n|\Z)", text, flags=re.S | re.M)
    return re.findall(r"^  ([a-z][a-z-]*)", "\n".join(groups), flags=re.M)


def check_verbs(tarn):
    verbs = subcommands(help_of(tarn))
    known = {verb: set(subcommands(help_of(tarn, verb))) if verb != "demo" else set() for verb in verbs}
    everything = "\n".join(page.read_text() for page in PAGES)
    for verb, subs in known.items():
        for words in [verb] + [f"{verb} {sub}" for sub in subs]:
            if not re.search(rf"\btarn {words}\b", everything):
                problems.append(f"tarn {words} is on no page")
    spelled = re.compile(r"(?:`|^|\$\(|&& |\| |\bu tarn )tarn ([a-z][a-z-]*)(?: ([a-z]+))?", flags=re.M)
    for page in PAGES:
        code = "\n".join(re.findall(r"```(?:sh|console).*?\n(.*?)```", page.read_text(), flags=re.S))
        code += "\n".join(f"`{span}" for span in re.findall(r"`([^`\n]+)`", page.read_text()))
        for verb, sub in spelled.findall(code):
            if verb == "no-such-verb":
                continue
            if verb not in known:
                complain(page, f"tarn {verb} is no command")
            elif known[verb] and sub not in known[verb] | {""}:
                complain(page, f"tarn {verb} {sub} is no command")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Shell:
    """One bash per page, in its own folder and process group."""

    def __init__(self, folder, environment):
        self.process = subprocess.Popen(["bash", "--norc", "-u"], cwd=folder, env=environment, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        start_new_session=True)

    def run(self, script):
        """Answers (exit status, output). The script stops at its first failure."""
        mark = "\x01done"
        wrapped = f"{{\n{script}\n}} </dev/null\nprintf '{mark} %s\\n' $?\n"
        self.process.stdin.write(wrapped)
        self.process.stdin.flush()
        output = ""
        for line in self.process.stdout:
            if line.startswith(mark) or mark in line:
                output += line.split(mark)[0]
                return int(line.rsplit(mark, 1)[1]), output
            output += line
        return -1, output

    def close(self):
        try:
            os.killpg(self.process.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
        self.process.stdin.close()
        for line in self.process.stdout:
            pass
        self.process.wait(timeout=30)


def statements(block):
    """Commands of a block; here-documents and continued lines stay whole."""
    lines = iter(block.rstrip("\n").split("\n"))
    for line in lines:
        command = line
        while command.endswith("\\"):
            command += "\n" + next(lines)
        for end in re.findall(r"<<-?'?([A-Z]+)'?", line):
            for inner in lines:
                command += "\n" + inner
                if inner == end:
                    break
        if command.strip():
            yield command


def wait_ready(port):
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
            return True
        except OSError:
            time.sleep(0.05)
    return False


def run_block(shell, block, port, folder):
    output = ""
    for command in statements(block):
        in_background = command.rstrip().endswith("&")
        if in_background:
            command = command.rstrip()[:-1] + " >>background.log 2>&1 &"
        status, text = shell.run(command.replace("8700", str(port)))
        output += text
        if status != 0:
            return output, f"`{command.splitlines()[0]}` answers {status}:\n{text}"
        for project in folder.glob("*/tarn.yaml"):
            content = project.read_text()
            if "port: 8700" in content:
                project.write_text(content.replace("port: 8700", f"port: {port}"))
        if in_background and not wait_ready(port):
            log = (folder / "background.log").read_text()
            return output, f"`{command}`: no server within 30 s:\n{log}"
    return output, None


def missing_line(expected, output, port):
    """The first expected line that does not come, in order, in the output."""
    have = [" ".join(line.split()) for line in output.replace(str(port), "8700").splitlines()]
    at = 0
    for line in expected.splitlines():
        wanted = ".*?".join(re.escape(" ".join(part.split())) for part in line.split("…"))
        while at < len(have) and not re.search(wanted, have[at]):
            at += 1
        if at == len(have):
            return line
        at += 1
    return None


def run_page(page, programs):
    blocks = re.findall(r"```(sh tested|text output)\n(.*?)```", page.read_text(), flags=re.S)
    if not blocks:
        return
    environment = dict(os.environ, PATH=f"{programs}:{os.environ['PATH']}", TERM="dumb", LC_ALL="C.UTF-8")
    with tempfile.TemporaryDirectory(prefix="tarn-docs-") as name:
        folder = pathlib.Path(name)
        port = free_port()
        shell = Shell(folder, environment)
        output = ""
        try:
            for kind, block in blocks:
                if kind == "sh tested":
                    output, error = run_block(shell, block, port, folder)
                    if error:
                        complain(page, error)
                        return
                elif (line := missing_line(block, output, port)) is not None:
                    complain(page, f"the output has no line {line!r} where the page says:\n{output}")
                    return
        finally:
            shell.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tarn", required=True)
    parser.add_argument("--agent", required=True)
    parser.add_argument("--only", default="links,verbs,commands")
    parser.add_argument("--page", help="only this page's commands")
    options = parser.parse_args()
    only = options.only.split(",")
    if "links" in only:
        check_links()
    if "verbs" in only:
        check_verbs(options.tarn)
    if "commands" in only:
        with tempfile.TemporaryDirectory(prefix="tarn-docs-bin-") as programs:
            os.symlink(os.path.abspath(options.tarn), f"{programs}/tarn")
            os.symlink(os.path.abspath(options.agent), f"{programs}/tarn-agent")
            for page in PAGES:
                if not options.page or str(page).endswith(options.page):
                    run_page(page, programs)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
