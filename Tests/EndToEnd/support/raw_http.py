"""HTTP/1.1 on a bare socket, for what client libraries tidy away."""

import socket
from dataclasses import dataclass

from patience import PATIENCE


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    def json(self):
        import json
        return json.loads(self.body)


def request(method, path, body=b"", host="127.0.0.1", **headers) -> bytes:
    """The bytes of a request; header names are written with underscores."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body and "Transfer_Encoding" not in headers:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


class RawConnection:
    """One connection; reads answers in order, or a body piece by piece."""

    def __init__(self, server, timeout_s=30 * PATIENCE, receive_buffer_bytes=None):
        self.socket = socket.socket()
        self.socket.settimeout(timeout_s)
        # Before it connects: later the window has been offered.
        if receive_buffer_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self.socket.connect(server.address)
        self.buffer = b""

    def send(self, data: bytes):
        self.socket.sendall(data)

    def _fill(self) -> bool:
        data = self.socket.recv(65536)
        self.buffer += data
        return bool(data)

    def _read_until(self, mark: bytes) -> bytes:
        while mark not in self.buffer:
            if not self._fill():
                raise EOFError(f"closed with {self.buffer[:200]!r} unread")
        head, self.buffer = self.buffer.split(mark, 1)
        return head

    def _read_exactly(self, count: int) -> bytes:
        while len(self.buffer) < count:
            if not self._fill():
                raise EOFError("closed within a body")
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def read_head(self) -> tuple[int, dict]:
        lines = self._read_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, status = lines[0].split(" ")[:2]
        assert version == "HTTP/1.1", lines[0]
        headers = dict(line.split(":", 1) for line in lines[1:])
        return int(status), {name.strip().lower(): value.strip() for name, value in headers.items()}

    def read_pieces(self, headers: dict):
        """The body as it comes; ends where the body ends, raises EOFError where it is cut."""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            while size := int(self._read_until(b"\r\n").split(b";")[0], 16):
                # Bytes of a chunk are given as they arrive: a slow chunk must not hold back its beginning.
                while size:
                    if not self.buffer and not self._fill():
                        raise EOFError("closed within a chunk")
                    piece, self.buffer = self.buffer[:size], self.buffer[size:]
                    size -= len(piece)
                    yield piece
                assert self._read_exactly(2) == b"\r\n"
            self._read_until(b"\r\n")
        elif "content-length" in headers:
            yield self._read_exactly(int(headers["content-length"]))
        else:
            while self.buffer or self._fill():
                piece, self.buffer = self.buffer, b""
                yield piece

    def read_answer(self, without_body=False) -> Answer:
        status, headers = self.read_head()
        has_body = not (without_body or status in (204, 304) or status < 200)
        return Answer(status, headers, b"".join(self.read_pieces(headers)) if has_body else b"")

    def is_closed_by_server(self) -> bool:
        """True once the server has closed; waits for it."""
        try:
            while self._fill():
                pass
        except ConnectionResetError:
            pass
        return True

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
