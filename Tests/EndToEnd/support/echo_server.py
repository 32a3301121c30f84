"""`interject echo` as a process, and a WebSocket client that can do everything wrong."""

import base64
import os
import socket
import struct

from processes import BinaryProcess
from raw_http import Answer

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
TIMEOUT_S = 30


class EchoProcess(BinaryProcess):
    command = "echo"

    @property
    def address(self):
        host, port = self.url.split("//")[1].split(":")
        return host, int(port)


def handshake(**changes) -> list[tuple[str, str]]:
    """The fields of a good handshake; a change to None leaves one out, one to a list repeats it. Names with underscores."""
    fields = {
        "Host": "127.0.0.1", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": KEY.decode(),
        "Sec-WebSocket-Version": "13",
    } | {name.replace("_", "-"): value for name, value in changes.items()}
    lines = []
    for name, value in fields.items():
        if value is not None:
            lines += [(name, one) for one in (value if isinstance(value, list) else [value])]
    return lines


def frame(first: int, payload: bytes = b"", mask: bytes | None = b"\x37\xfa\x21\x3d", length: bytes | None = None) -> bytes:
    """A frame; `mask` None for none, `length` for the bytes of a length that is not the shortest."""
    bit = 0x80 if mask else 0
    if length is not None:
        head = bytes([first, bit | (126 if len(length) == 2 else 127)]) + length
    elif len(payload) < 126:
        head = bytes([first, bit | len(payload)])
    elif len(payload) < 1 << 16:
        head = struct.pack(">BBH", first, bit | 126, len(payload))
    else:
        head = struct.pack(">BBQ", first, bit | 127, len(payload))
    if not mask:
        return head + payload
    pad = (mask * (len(payload) // 4 + 1))[:len(payload)]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")
    return head + mask + masked.to_bytes(len(payload), "big")


class Probe:
    """One connection. `upgrade` and then `send` and `receive`."""

    def __init__(self, server):
        self.socket = socket.create_connection(server.address, TIMEOUT_S)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def request(self, method="GET", target="/", version="HTTP/1.1", fields=None, body=b"") -> Answer:
        lines = [f"{method} {target} {version}"] + [f"{name}: {value}" for name, value in fields or handshake()]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode() + body)
        while b"\r\n\r\n" not in self.buffer:
            if not self._fill():
                raise EOFError(f"closed after {self.buffer!r}")
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        first, *rest = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in rest)}
        return Answer(int(first.split(" ")[1]), headers, b"")

    def upgrade(self, offer=None, **changes) -> Answer:
        """Opens the WebSocket; `offer` for Sec-WebSocket-Extensions."""
        answer = self.request(fields=handshake(**({"Sec-WebSocket-Extensions": offer} if offer else {}), **changes))
        assert answer.status == 101, answer
        assert answer.headers["sec-websocket-accept"] == ACCEPT
        return answer

    def send(self, *frames: bytes):
        self.socket.sendall(b"".join(frames))

    def _fill(self) -> bool:
        data = self.socket.recv(1 << 16)
        self.buffer += data
        return bool(data)

    def _take(self, count) -> bytes | None:
        while len(self.buffer) < count:
            if not self._fill():
                return None
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def receive(self) -> tuple[int, bytes] | None:
        """First byte and payload of the next frame; None when the server closed its side."""
        head = self._take(2)
        if head is None:
            return None
        assert head[1] & 0x80 == 0, "a server must not mask"
        length = head[1] & 0x7F
        if length > 125:
            length = int.from_bytes(self._take(2 if length == 126 else 8), "big")
        return head[0], self._take(length)

    def close_code(self) -> int | None:
        """The code of the close frame that comes next, and the end of the stream after it."""
        first, payload = self.receive()
        assert first == 0x88, (first, payload)
        assert self.receive() is None, "something after the close frame"
        return int.from_bytes(payload[:2], "big") if payload else None


def random_key() -> str:
    return base64.b64encode(os.urandom(16)).decode()
