"""Writes agent batches (docs/formats/agent-batch.md), sound and broken ones."""
import struct

import zstandard


def _table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


TABLE = _table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def text(value):
    data = value if isinstance(value, bytes) else value.encode()
    return varint(len(data)) + data


def encode(payload, begin=0, *, host="h1", source="web_log", file_id="f1", number=1,
           format_text="combined", path="/var/log/access.log", read_time=1_795_000_000_000_000,
           stored=None, size=None, payload_crc=None, cut=False, version=1, records=()):
    """One batch; `stored`, `size` and `payload_crc` replace what belongs there."""
    header = b"".join(text(value) for value in ("tester", host, source, path, file_id, format_text))
    size = len(payload) if size is None else size
    header += varint(number) + varint(begin) + varint(begin + size) + varint(payload.count(b"\n"))
    header += struct.pack("<q", read_time) + varint(len(records))
    header += b"".join(varint(length) for length in records)
    if stored is None:
        stored = zstandard.ZstdCompressor().compress(payload)
    start = struct.pack("<4sBBHIII", b"TBAT", version, int(cut), 0, len(header), len(stored), size)
    crc = struct.pack("<I", crc32c(payload) if payload_crc is None else payload_crc)
    return start + struct.pack("<I", crc32c(start + crc + header)) + crc + header + stored
