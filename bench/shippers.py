"""B2's peers: Fluent Bit and the Kinesis Agent tail, parse and ship the log that tarn-agent ships, to a local HTTP server
that answers and keeps only what it needs to count. bench/shippers.sh builds them.

usage: shippers.py fluent-bit|kinesis-agent PEERS_DIR [--live-seconds 10] --log FILE

Prints the same lines as agent_bench.py: what is there already, 10 MB/s while it grows, idle. Each says how many of the
lines arrived. Both parse the combined format to JSON on the web server, as they must (tarn-agent ships lines, which the
server parses), keep their position in a file, and get the settings written below."""
import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zlib

from agent_bench import cpu_and_peak, requests_of


class Sink:
    """Counts records: JSON lines in gzip bodies, or the records of PutRecordBatch calls."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.records = self.bytes = self.requests = 0
        self.last = time.time()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        for head, body in requests_of(connection):
            count, answer = self._count(head, body)
            with self.lock:
                self.records += count
                self.bytes += len(body)
                self.requests += 1
                self.last = time.time()
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: %d\r\n\r\n"
                               % len(answer) + answer)

    @staticmethod
    def _count(head, body):
        if b"PutRecordBatch" in head:
            count = body.count(b'"Data"')
            return count, json.dumps({"FailedPutCount": 0, "RequestResponses": [{"RecordId": "r"}] * count}).encode()
        if b"gzip" in head.lower():
            body = zlib.decompress(body, 31)
        return len(re.findall(rb"\n(?=.)", body)) + 1, b"{}"


def fluent_bit(peers, work, log, port):
    with open(f"{work}/fluent-bit.conf", "w") as out:
        out.write(f"""[SERVICE]
    flush 1
    log_level error
    parsers_file {peers}/fluent-bit/parsers.conf
[INPUT]
    name tail
    path {log}
    parser apache2
    db {work}/position.db
    read_from_head on
    skip_long_lines on
    buffer_max_size 64k
[OUTPUT]
    name http
    match *
    host 127.0.0.1
    port {port}
    format json_lines
    compress gzip
""")
    return [f"{peers}/fluent-bit/fluent-bit", "-c", f"{work}/fluent-bit.conf"]


def kinesis_agent(peers, work, log, port):
    flow = {"filePattern": log, "deliveryStream": "bench", "initialPosition": "START_OF_FILE",
            "dataProcessingOptions": [{"optionName": "LOGTOJSON", "logFormat": "COMBINEDAPACHELOG"}]}
    with open(f"{work}/agent.json", "w") as out:
        json.dump({"firehose.endpoint": f"http://127.0.0.1:{port}", "cloudwatch.emitMetrics": False,
                   "checkpointFile": f"{work}/checkpoints", "awsAccessKeyId": "bench", "awsSecretAccessKey": "bench",
                   "flows": [flow]}, out)
    with open(f"{work}/log4j.xml", "w") as out:
        out.write('<Configuration><Loggers><Root level="off"/></Loggers></Configuration>')
    return ["java", "-Xms256m", "-Xmx512m", f"-Dlog4j.configurationFile={work}/log4j.xml", "-cp",
            f"{peers}/kinesis-agent/classes:{peers}/kinesis-agent/lib/*", "com.amazon.kinesis.streaming.agent.Agent",
            "-c", f"{work}/agent.json"]


SHIPPERS = {"fluent-bit": fluent_bit, "kinesis-agent": kinesis_agent}


def wait_quiet(sink, expected, limit):
    """Until all has arrived, or nothing has come for 5 s: some of them drop lines."""
    deadline = time.time() + limit
    while time.time() < deadline and sink.records < expected:
        if sink.records and time.time() - sink.last > 5:
            return
        time.sleep(0.1)


def grow(log, source, seconds):
    """10 MB/s for so many seconds; the lines written."""
    with open(source, "rb") as data:
        block = data.read(20_000_000)
    begin, written, lines = time.time(), 0, 0
    with open(log, "ab", buffering=0) as out:
        while time.time() - begin < seconds:
            at = block.index(b"\n", written % (len(block) - 200_000)) + 1
            piece = block[at:at + 100_000].rsplit(b"\n", 1)[0] + b"\n"
            out.write(piece)
            written, lines = written + len(piece), lines + piece.count(b"\n")
            time.sleep(max(0.0, begin + written / 10e6 - time.time()))
    return lines


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("shipper", choices=SHIPPERS)
    parser.add_argument("peers")
    parser.add_argument("--live-seconds", type=int, default=10)
    parser.add_argument("--log", required=True)
    args = parser.parse_args()
    work = tempfile.mkdtemp(prefix="shipper_", dir=os.environ.get("TMPDIR"))
    log = os.path.join(work, "access.log")
    shutil.copyfile(args.log, log)
    with open(log, "rb") as data:
        lines = sum(chunk.count(b"\n") for chunk in iter(lambda: data.read(1 << 20), b""))
    size, sink = os.path.getsize(log), Sink()
    command = SHIPPERS[args.shipper](os.path.realpath(args.peers), work, log, sink.port)
    started = time.time()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             env=dict(os.environ, AWS_REGION="us-east-1", AWS_EC2_METADATA_DISABLED="true"))
    try:
        wait_quiet(sink, lines, 300)
        if not sink.records:
            raise RuntimeError(f"{args.shipper} sent nothing")
        cpu, peak = cpu_and_peak(child.pid)
        wall = sink.last - started
        print(f"{size / 1e6:.0f} MB there already: {size / 1e6 / cpu:.1f} MB/s of CPU time, {size / 1e6 / wall:.1f} MB/s "
              f"of wall time, peak {peak:.1f} MiB; {sink.records} of {lines} lines in {sink.requests} requests, "
              f"{sink.bytes / 1e6:.0f} MB sent", flush=True)
        base, before = cpu_and_peak(child.pid)[0], sink.records
        grown = grow(log, args.log, args.live_seconds)
        cpu, _ = cpu_and_peak(child.pid)
        in_time = sink.records - before
        wait_quiet(sink, before + grown, 60)
        total, peak = cpu_and_peak(child.pid)
        print(f"10 MB/s for {args.live_seconds} s: {(cpu - base) / args.live_seconds * 100:.0f} % of a core, peak "
              f"{peak:.1f} MiB; {in_time} of {grown} lines by then, {sink.records - before} in the end, "
              f"{(total - base) / args.live_seconds * 100:.0f} % of a core for all of it", flush=True)
        base, begin = cpu_and_peak(child.pid)[0], time.time()
        time.sleep(5)
        print(f"idle: {(cpu_and_peak(child.pid)[0] - base) / (time.time() - begin) * 100:.2f} % of a core")
    finally:
        child.terminate()
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        shutil.rmtree(work, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
