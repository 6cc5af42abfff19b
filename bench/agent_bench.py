"""B2: tarn-agent tails, compresses, ships and checkpoints a log to a local server that discards it.

usage: agent_bench.py path/to/tarn-agent [--mb 1000] [--live-seconds 20] [--log FILE]

Prints MB of log per second of the agent's CPU time and its peak memory for a file that is there
already, then its share of a core while a log grows by 10 MB/s."""

import argparse
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time


def discard(listener):
    """Answers every batch as stored, reading as little as it can: the agent is what is measured."""
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=discard_one, args=(connection,), daemon=True).start()


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def end_offset(body):
    at = 28
    for _ in range(6):
        length, at = varint(body, at)
        at += length
    for _ in range(2):
        _, at = varint(body, at)
    return varint(body, at)[0]


def requests_of(connection):
    """The (head, body) of each request, one after the other: nothing of the next may have come with one."""
    data = b""
    while True:
        while b"\r\n\r\n" not in data:
            more = connection.recv(1 << 20)
            if not more:
                return
            data += more
        head, data = data.split(b"\r\n\r\n", 1)
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        parts, got = [data], len(data)
        while got < length:
            more = connection.recv(min(1 << 20, length - got))
            if not more:
                return
            parts.append(more)
            got += len(more)
        data = b""
        yield head, b"".join(parts)


def discard_one(connection):
    for _, body in requests_of(connection):
        text = b'{"status":"stored","next_offset":%d}' % end_offset(body)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + text)


def log_block(seed):
    rand = random.Random(seed)
    agents = ["Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36",
              "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Mobile Safari",
              "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)"]
    lines = []
    for i in range(40_000):
        lines.append(
            f'{rand.randrange(1, 224)}.{rand.randrange(256)}.{rand.randrange(256)}.9 - - '
            f'[24/Nov/2026:13:{i // 3600 % 60:02}:{i // 60 % 60:02} +0000] "GET /product/'
            f'{rand.randrange(5000)}?utm_source=mail&id={rand.randrange(10**6)} HTTP/1.1" '
            f'{rand.choice([200, 200, 200, 304, 404])} {rand.randrange(90000)} '
            f'"https://shop.example/search?q={rand.randrange(900)}" "{rand.choice(agents)}"\n')
    return "".join(lines).encode()


def cpu_and_peak(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    ticks = os.sysconf("SC_CLK_TCK")
    with open(f"/proc/{pid}/status") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    return (int(fields[11]) + int(fields[12])) / ticks, peak / 1024


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("agent")
    parser.add_argument("--mb", type=int, default=1000)
    parser.add_argument("--live-seconds", type=int, default=20)
    parser.add_argument("--log", help="a log to repeat; default: made up")
    args = parser.parse_args()
    work = tempfile.mkdtemp(prefix="agent_bench_", dir=os.environ.get("TMPDIR"))
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=discard, args=(listener,), daemon=True).start()
    log = os.path.join(work, "access.log")
    blocks = [open(args.log, "rb").read()] if args.log else [log_block(s) for s in range(4)]
    size = 0
    with open(log, "wb") as out:
        while size < args.mb * 1_000_000:
            size += out.write(blocks[size // (1 << 20) % len(blocks)])
    config = os.path.join(work, "agent.yaml")
    with open(config, "w") as out:
        out.write(f"server: http://127.0.0.1:{listener.getsockname()[1]}\n"
                  f"state_dir: {work}/state\n"
                  f"flows:\n  - source: bench\n    paths: [{log}]\n")
    started = time.time()
    agent = subprocess.Popen([args.agent, "--config", config], stderr=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL)
    while True:
        time.sleep(0.2)
        text = subprocess.run([args.agent, "--config", config, "--status"], capture_output=True,
                              text=True).stdout
        sent = max([int(line.split()[1]) for line in text.splitlines() if line.endswith(log)] + [0])
        if sent >= size:
            break
    seconds = time.time() - started
    cpu, peak = cpu_and_peak(agent.pid)
    print(f"{size / 1e6:.0f} MB there already: {size / 1e6 / cpu:.0f} MB/s of CPU time, "
          f"{size / 1e6 / seconds:.0f} MB/s of wall time, peak {peak:.1f} MiB")
    begin, base = time.time(), cpu
    block, written = blocks[0], 0
    with open(log, "ab", buffering=0) as out:
        while time.time() - begin < args.live_seconds:
            at = written % (len(block) - 100_000)
            out.write(block[at:at + 100_000].rsplit(b"\n", 1)[0] + b"\n")
            written += 100_000
            time.sleep(max(0.0, begin + written / 10e6 - time.time()))
    cpu, peak = cpu_and_peak(agent.pid)
    share = (cpu - base) / args.live_seconds * 100
    print(f"10 MB/s for {args.live_seconds} s: {share:.1f} % of a core, peak {peak:.1f} MiB")
    base, begin = cpu_and_peak(agent.pid)[0], time.time()
    time.sleep(5)
    idle = (cpu_and_peak(agent.pid)[0] - base) / (time.time() - begin) * 100
    print(f"idle: {idle:.2f} % of a core")
    agent.terminate()
    agent.wait(10)
    shutil.rmtree(work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
