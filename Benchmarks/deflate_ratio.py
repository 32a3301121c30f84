#!/usr/bin/env python3
"""What permessage-deflate saves and costs, by window, memory level and context takeover.

    python3 Benchmarks/deflate_ratio.py [--binary .build/release/interject] [--connections 200] [--record FILE]

Records the messages of real streams from `interject serve` (its rehearsal model, over the WebSocket of /v1/responses), then has
`interject echo` send the same messages back with each setting, and counts the bytes of the frames on the wire. Memory is what the
server's private memory grows by with each of --connections connections that have sent all of it, against one without compression.
Nothing but Python is needed. Prints a table in Markdown: that of Protocols/websocket.md.
"""

import argparse
import base64
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

PROMPTS = ["Tell me how a lighthouse works.", "Count the stars that one can see.", "Why is the sea salty?", "What is a tide?"]
# (window bits, memory level, context takeover)
SETTINGS = [
    (9, 1, True), (9, 2, True), (10, 2, True), (10, 3, True), (11, 2, True), (11, 3, True), (11, 4, True), (12, 3, True),
    (12, 5, True), (13, 5, True), (15, 8, True), (9, 2, False), (11, 3, False), (15, 8, False),
]


class Process:
    """`interject` with a ready file."""

    def __init__(self, binary, *arguments):
        ready = Path(tempfile.mkdtemp()) / "ready.json"
        self.popen = subprocess.Popen(
            [binary, *arguments, "--port", "0", "--ready-file", str(ready)], stdout=subprocess.DEVNULL)
        while not ready.exists():
            if self.popen.poll() is not None:
                sys.exit(f"{binary} {' '.join(arguments)} ended with {self.popen.returncode}")
            time.sleep(0.01)
        host, port = json.loads(ready.read_text())["url"].split("//")[1].split(":")
        self.address = (host, int(port))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.popen.terminate()
        self.popen.wait()

    def private_bytes(self) -> int:
        for line in Path(f"/proc/{self.popen.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Private_Dirty:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("no Private_Dirty in smaps_rollup")

    def cpu_seconds(self) -> float:
        """Of all threads, to the nanosecond."""
        tasks = Path(f"/proc/{self.popen.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


class WebSocket:
    """Just enough of a client to see the wire."""

    def __init__(self, address, path="/", offer=None):
        self.socket = socket.create_connection(address, 60)
        key = base64.b64encode(os.urandom(16)).decode()
        extensions = f"Sec-WebSocket-Extensions: {offer}\r\n" if offer else ""
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {address[0]}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{extensions}\r\n".encode())
        self.buffer = b""
        head = self._take(self._until(b"\r\n\r\n")).decode()
        if not head.startswith("HTTP/1.1 101"):
            sys.exit(f"no WebSocket: {head}")
        self.is_deflated = "permessage-deflate" in head

    def _until(self, mark) -> int:
        while mark not in self.buffer:
            self._fill()
        return self.buffer.index(mark) + len(mark)

    def _fill(self):
        data = self.socket.recv(1 << 18)
        if not data:
            raise EOFError
        self.buffer += data

    def _take(self, count) -> bytes:
        while len(self.buffer) < count:
            self._fill()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    @staticmethod
    def frame(payload: bytes, first_byte=0x81) -> bytes:
        """Masked with a key of zeros."""
        length = len(payload)
        head = bytes([first_byte, 0x80 | length]) if length < 126 else struct.pack(">BBH", first_byte, 0x80 | 126, length)
        return head + bytes(4) + payload

    def receive(self) -> tuple[int, int, bytes]:
        """First byte, bytes of the whole frame, payload."""
        first, second = self._take(2)
        length, extra = second & 0x7F, 0
        if length > 125:
            extra = 2 if length == 126 else 8
            length = int.from_bytes(self._take(extra), "big")
        return first, 2 + extra + length, self._take(length)


def record(binary) -> list[bytes]:
    """The text messages of four answers on one connection, as a client of /v1/responses gets them."""
    messages = []
    with Process(binary, "serve") as server:
        ws = WebSocket(server.address, "/v1/responses")
        for prompt in PROMPTS:
            command = {"type": "response.create", "model": "rehearsal", "input": prompt}
            ws.socket.sendall(ws.frame(json.dumps(command).encode()))
            while True:
                first, _, payload = ws.receive()
                if first == 0x81:
                    messages.append(payload)
                    if json.loads(payload)["type"] in ("response.completed", "response.failed", "response.incomplete"):
                        break
    return messages


def exchange(ws, messages, inflater=None) -> int:
    """Has the messages echoed, some at a time; the bytes of the frames that came back."""
    wire = 0
    for start in range(0, len(messages), 32):
        batch = messages[start:start + 32]
        ws.socket.sendall(b"".join(ws.frame(message) for message in batch))
        for message in batch:
            first, count, payload = ws.receive()
            wire += count
            if inflater and first & 0x40:
                payload = inflater(payload)
            if inflater and payload != message:
                sys.exit("the echo is not what was sent")
    return wire


def measure(binary, messages, count, window, memory, takeover):
    """Bytes of frames for one run of the messages, private bytes a connection, CPU seconds a message."""
    with Process(binary, "echo", "--loops", "1", "--deflate-window-bits", str(window), "--deflate-memory-level", str(memory)) as echo:
        offer = "permessage-deflate" + ("" if takeover else "; server_no_context_takeover")
        state = zlib.decompressobj(-15)

        def inflate(payload):
            nonlocal state
            if not takeover:
                state = zlib.decompressobj(-15)
            return state.decompress(payload + b"\0\0\xff\xff")

        wire = exchange(WebSocket(echo.address, offer=offer), messages, inflate)
        before, cpu = echo.private_bytes(), echo.cpu_seconds()
        sockets = [WebSocket(echo.address, offer=offer) for _ in range(count)]
        for ws in sockets:
            exchange(ws, messages[:64])
        return wire, (echo.private_bytes() - before) / count, (echo.cpu_seconds() - cpu) / (count * len(messages[:64]))


def measure_plain(binary, messages, count):
    with Process(binary, "echo", "--loops", "1", "--deflate", "off") as echo:
        wire = exchange(WebSocket(echo.address), messages)
        before, cpu = echo.private_bytes(), echo.cpu_seconds()
        sockets = [WebSocket(echo.address) for _ in range(count)]
        for ws in sockets:
            exchange(ws, messages[:64])
        return wire, (echo.private_bytes() - before) / count, (echo.cpu_seconds() - cpu) / (count * len(messages[:64]))


def measure_inflater(binary, messages, count, bits):
    """Private bytes a connection when only the client compresses, with a window of 2^bits."""
    with Process(binary, "echo", "--loops", "1", "--deflate-window-bits", str(min(bits, 15)), "--deflate-min-bytes", "1GiB") as echo:
        sockets, before = [], echo.private_bytes()
        for _ in range(count):
            ws = WebSocket(echo.address, offer="permessage-deflate; client_max_window_bits")
            deflater = zlib.compressobj(6, zlib.DEFLATED, -bits, 8)
            for message in messages[:64]:
                data = (deflater.compress(message) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]
                ws.socket.sendall(ws.frame(data, 0xC1))
                ws.receive()
            sockets.append(ws)
        return (echo.private_bytes() - before) / count


def kib(more: float) -> str:
    """Rounded to what a run can tell."""
    return f"+ {max(0, more) / 1024:.1f} KiB"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", default=str(Path(__file__).resolve().parents[1] / ".build/release/interject"))
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--record", help="keeps the recorded messages in this file, one a line, or takes them from it")
    options = parser.parse_args()
    if options.record and Path(options.record).exists():
        messages = Path(options.record).read_bytes().splitlines()
    else:
        messages = record(options.binary)
        if options.record:
            Path(options.record).write_bytes(b"\n".join(messages))
    payload = sum(map(len, messages))
    print(f"{len(messages)} messages, {payload / len(messages):.1f} bytes on average; {options.connections} connections\n")
    print("| window bits / memory level | takeover | bytes a message on the wire | smaller by | memory a connection | CPU a message |")
    print("|---|---|---|---|---|---|")
    plain, base, cpu = measure_plain(options.binary, messages, options.connections)
    print(f"| no compression | | {plain / len(messages):.1f} | 1 | {base / 1024:.1f} KiB in all | {cpu * 1e6:.1f} µs |")
    for window, memory, takeover in SETTINGS:
        wire, held, cpu = measure(options.binary, messages, options.connections, window, memory, takeover)
        print(
            f"| {window} / {memory} | {'yes' if takeover else 'no'} | {wire / len(messages):.1f} | {plain / wire:.1f}"
            f" | {kib(held - base)} | {cpu * 1e6:.1f} µs |", flush=True)
    for bits in (9, 11, 15):
        held = measure_inflater(options.binary, messages, options.connections, bits)
        print(f"| what the client sends compressed: {bits} | yes | | | {kib(held - base)} | |", flush=True)


if __name__ == "__main__":
    main()
