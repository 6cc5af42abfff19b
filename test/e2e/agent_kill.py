"""tarn-agent under kill -9: a writer appends numbered lines and rotates its log in every way, the
agent is killed at random points, its peer fails at random. Each line must arrive exactly once.

usage: agent_kill.py path/to/tarn-agent [--kills 20] [--seed 1]"""

import argparse
import collections
import gzip
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from agent_peer import Peer  # noqa: E402


class Writer(threading.Thread):
    """Appends lines; every so often rotates by rename, copytruncate, a dated name, or gzip."""

    def __init__(self, folder, seed):
        super().__init__(daemon=True)
        self.folder, self.random = folder, random.Random(seed)
        self.path = os.path.join(folder, "access.log")
        self.count = self.turn = 0
        self.stop = threading.Event()

    def append(self, lines):
        text = "".join(
            f'10.0.0.{i % 250} - - [24/Nov/2026:13:00:00 +0000] "GET /p/{i} HTTP/1.1" 200 {i}\n'
            for i in range(self.count, self.count + lines))
        self.count += lines
        with open(self.path, "ab") as out:
            out.write(text.encode())

    def rotate(self):
        self.turn += 1
        kind = self.random.choice(["rename", "copytruncate", "dated", "gz"])
        name = os.path.join(self.folder, f"access.log.{self.turn}")
        if not os.path.exists(self.path) or os.path.getsize(self.path) == 0:
            return
        if kind == "rename":
            os.rename(self.path, name)
        elif kind == "copytruncate":  # nothing is written in between: what logrotate loses is not ours
            shutil.copyfile(self.path, name)
            os.truncate(self.path, 0)
        elif kind == "dated":
            os.rename(self.path, os.path.join(self.folder, f"access.log-2026{self.turn:04}"))
        else:
            os.rename(self.path, name)
            with open(name, "rb") as plain, gzip.open(name + ".gz.tmp", "wb") as packed:
                shutil.copyfileobj(plain, packed)
            os.rename(name + ".gz.tmp", name + ".gz")
            os.remove(name)

    def run(self):
        while not self.stop.is_set():
            self.append(self.random.randint(1, 400))
            if self.random.random() < 0.02:
                self.rotate()
            time.sleep(self.random.random() * 0.02)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("agent")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rand = random.Random(args.seed)
    work = tempfile.mkdtemp(prefix="agent_kill_")
    logs = os.path.join(work, "logs")
    os.mkdir(logs)
    peer = Peer(faults=0.1, seed=args.seed)
    config = os.path.join(work, "agent.yaml")
    with open(config, "w") as out:
        out.write(f"server: http://127.0.0.1:{peer.port}\nkey: secret\nhost: web-1\n"
                  f"state_dir: {work}/state\nbatch_age: 50ms\nbatch_bytes: 64KB\n"
                  f"flows:\n  - source: shop\n    paths: ['{logs}/access.log*']\n")
    writer = Writer(logs, args.seed)
    writer.start()
    log = open(os.path.join(work, "agent.err"), "ab")

    def start():
        return subprocess.Popen([args.agent, "--config", config], stderr=log, stdout=log)

    agent = start()
    for _ in range(args.kills):
        time.sleep(rand.random() * 1.2)
        agent.kill()
        agent.wait()
        time.sleep(rand.random() * 0.3)
        agent = start()
    time.sleep(1)
    writer.stop.set()
    writer.join()
    deadline = time.time() + 60
    while time.time() < deadline and len(peer.lines()) < writer.count:
        time.sleep(0.2)
    started = time.time()
    agent.terminate()
    code = agent.wait(10)
    stop_seconds = time.time() - started
    seen = collections.Counter(int(line.split(b"/p/")[1].split()[0]) for line in peer.lines())
    lost = [i for i in range(writer.count) if i not in seen]
    doubled = [i for i, n in seen.items() if n > 1]
    print(f"seed {args.seed}: {args.kills} kills, {writer.turn} rotations, {writer.count} lines, "
          f"{peer.requests} requests: {len(lost)} lost, {len(doubled)} doubled, "
          f"exit {code} after {stop_seconds:.1f} s")
    if lost or doubled or code != 0:
        print(f"lost {lost[:5]} doubled {doubled[:5]}; logs kept in {work}")
        return 1
    shutil.rmtree(work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
