"""B7b: how long after a line was written to a log file `tarn sql` shows it.

usage: freshness.py BIN PROJECT PORT KEY LINES_A_SECOND SECONDS

Writes a log that an agent tails, each line with its number in the bytes field, and asks for the largest number over and
over. A line counts as visible when the query that shows it has ended. Prints JSON."""
import json
import os
import subprocess
import sys
import threading
import time

BIN, PROJECT, PORT, KEY = sys.argv[1:5]
RATE, SECONDS = int(sys.argv[5]), int(sys.argv[6])
TICKS_A_SECOND = 20
QUERY = "SELECT coalesce(max(bytes), 0) FROM clean.web_log"


def write_log(path, written, stop):
    """Appends RATE lines a second; written gets (number of the last line, time it was written)."""
    number, begin = 0, time.time()
    with open(path, "ab", buffering=0) as log:
        for tick in range(SECONDS * TICKS_A_SECOND):
            stamp = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
            lines = []
            for _ in range(RATE // TICKS_A_SECOND):
                number += 1
                lines.append(
                    f'10.0.{number >> 8 & 255}.{number & 255} - - [{stamp}] "GET /product/{number % 5000}.html?utm_source=mail'
                    f'&id={number * 7919 % 1000000} HTTP/1.1" 200 {number} "https://shop.example/search?q={number % 900}" '
                    f'"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/{100 + number % 30}.0 Safari/537.36"\n')
            log.write("".join(lines).encode())
            written.append((number, time.time()))
            time.sleep(max(0.0, begin + (tick + 1) / TICKS_A_SECOND - time.time()))
    stop.set()


def ask(query=QUERY):
    done = subprocess.run([f"{BIN}/tarn", "sql", PROJECT, query, "--format", "csv"], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return int(done.stdout.splitlines()[1])


def main():
    folder = f"{PROJECT}/bench-agent"
    os.makedirs(folder)
    log = f"{folder}/access.log"
    open(log, "w").close()
    with open(f"{folder}/agent.yaml", "w") as out:
        out.write(f"server: http://127.0.0.1:{PORT}\nkey: {KEY}\nhost: web-1\nstate_dir: {folder}/state\n"
                  f"flows:\n  - source: web_log\n    paths: [{log}]\n    format: combined\n")
    agent = subprocess.Popen([f"{BIN}/tarn-agent", "--config", f"{folder}/agent.yaml"], stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    written, seen, stop = [], [], threading.Event()
    writer = threading.Thread(target=write_log, args=(log, written, stop))
    writer.start()
    try:
        while True:
            number = ask()
            seen.append((number, time.time()))
            if stop.is_set() and (number >= written[-1][0] or time.time() > written[-1][1] + 60):
                break
    finally:
        writer.join()
        agent.terminate()
        agent.wait(20)
    waits, at = [], 0
    for number, when in written:
        while at < len(seen) and seen[at][0] < number:
            at += 1
        waits.append(seen[at][1] - when if at < len(seen) else float("inf"))
    waits.sort()
    rows = ask("SELECT count(*) FROM clean.web_log")
    span = written[-1][1] - written[0][1]
    print(json.dumps({"p50_s": waits[len(waits) // 2], "p99_s": waits[int(len(waits) * 0.99)], "max_s": waits[-1],
                      "rate": written[-1][0] / max(span, 1e-9), "polls": len(seen), "rows": rows,
                      "lines": written[-1][0], "seconds": span}))


if __name__ == "__main__":
    main()
