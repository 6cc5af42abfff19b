"""A stand-in for the server's ingest door: decodes agent batches (docs/formats/agent-batch.md),
keeps one watermark per (host, file id), and misbehaves on request."""

import http.server
import json
import random
import struct
import threading

import zstandard

PREFIX = struct.Struct("<4sBBHIIIII")


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def decode(data):
    magic, version, flags, zero, header_size, stored, size, _, _ = PREFIX.unpack_from(data)
    assert magic == b"TBAT" and version == 1 and zero == 0
    assert len(data) == PREFIX.size + header_size + stored
    header, at = {"cut": bool(flags & 1)}, PREFIX.size
    for name in ("agent_id", "host", "source", "path", "file_id", "format"):
        length, at = varint(data, at)
        header[name] = data[at:at + length].decode("utf-8", "surrogateescape")
        at += length
    for name in ("batch_number", "begin", "end", "lines"):
        header[name], at = varint(data, at)
    (header["read_time"],) = struct.unpack_from("<q", data, at)
    count, at = varint(data, at + 8)
    header["records"] = []
    for _ in range(count):
        length, at = varint(data, at)
        header["records"].append(length)
    assert at == PREFIX.size + header_size
    payload = zstandard.ZstdDecompressor().decompress(data[at:], max_output_size=size)
    assert len(payload) == size == header["end"] - header["begin"]
    return header, payload


class Peer:
    """`faults` is the share of requests that fail in some way; `key` the bearer token asked for."""

    def __init__(self, faults=0.0, seed=1, key="secret", discard=False):
        self.lock = threading.Lock()
        self.files = {}  # (host, file id) -> bytearray, from the first offset seen
        self.first = {}
        self.headers = []
        self.faults, self.key, self.discard = faults, key, discard
        self.random = random.Random(seed)
        self.requests = self.bytes = 0
        peer = self

        class Door(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                peer.serve(self)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def serve(self, door):
        body = door.rfile.read(int(door.headers["Content-Length"]))
        with self.lock:
            self.requests += 1
            chance = self.random.random()
        if door.headers.get("Authorization") != "Bearer " + self.key:
            return self.answer(door, 401, {"error": "wrong key"})
        if chance < self.faults / 3:
            return self.answer(door, 503, {"error": "busy"}, retry_after=0)
        answer = self.take(*decode(body))
        if chance < self.faults * 2 / 3:  # stored, but nobody hears of it
            door.close_connection = True
            return None
        if chance < self.faults:
            return self.answer(door, 500, {"error": "stored, yet"})
        return self.answer(door, *answer)

    def take(self, header, payload):
        key = header["host"], header["file_id"]
        with self.lock:
            self.bytes += len(payload)
            if self.discard:
                return 200, {"status": "stored", "next_offset": header["end"]}
            self.headers.append(header)
            if key not in self.files:
                self.files[key], self.first[key] = bytearray(), header["begin"]
            mark = self.first[key] + len(self.files[key])
            if header["begin"] > mark:
                return 409, {"expected_offset": mark}
            if header["end"] <= mark:
                return 200, {"status": "duplicate", "next_offset": mark}
            self.files[key] += payload[mark - header["begin"]:]
            return 200, {"status": "stored", "next_offset": header["end"]}

    def answer(self, door, status, body, retry_after=None):
        text = json.dumps(body).encode()
        door.send_response(status)
        door.send_header("Content-Length", str(len(text)))
        if retry_after is not None:
            door.send_header("Retry-After", str(retry_after))
        door.end_headers()
        door.wfile.write(text)

    def lines(self):
        with self.lock:
            return [line for data in self.files.values() for line in bytes(data).splitlines()]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
