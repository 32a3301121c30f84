"""What the upstreams of the tests have in common: a model server on loopback that keeps what it was asked."""

import contextlib
import json
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from rehearsal import eventually


class Answer(BaseHTTPRequestHandler):
    """One request, while it is answered."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        upstream = self.server.upstream
        with upstream.lock:
            upstream.requests.append((self.path, dict(self.headers.items()), self.body))
        try:
            upstream.answer(self)
        except OSError:
            # The server in front of it has left, which is part of the tests.
            self.close_connection = True

    def version_string(self):
        return self.server.upstream.software

    def do_GET(self):
        models = self.server.upstream.models()
        if models is None:
            self.send_whole(b"", 404)
        else:
            self.send_whole(json.dumps({"object": "list", "data": models}).encode(), 200 if models else 500)

    def begin(self, status=200, content_type="text/event-stream", fields={}):
        """The head; the body comes in pieces."""
        self._head(status, content_type, {**fields, "Transfer-Encoding": "chunked"})

    def send(self, piece: bytes):
        if piece:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))

    def end(self):
        self.wfile.write(b"0\r\n\r\n")

    def send_whole(self, body: bytes, status=200, content_type="application/json", fields={}):
        self._head(status, content_type, {**fields, "Content-Length": len(body)})
        self.wfile.write(body)

    def reset(self):
        """Cuts the connection without an end, once the other side has read what was sent: a reset takes back what it has not."""
        self.wfile.flush()
        eventually(self._has_been_read, "the client has read what was sent")
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def _has_been_read(self) -> bool:
        """Nothing lies in the queues of the connection's two sockets, which are both on this machine."""
        ports = {self.client_address[1], self.server.server_port}
        for table in ("/proc/net/tcp", "/proc/net/tcp6"):
            with contextlib.suppress(FileNotFoundError), open(table) as rows:
                for row in list(rows)[1:]:
                    _, local, remote, _, queues, *_ = row.split()
                    if {int(end.rpartition(":")[2], 16) for end in (local, remote)} == ports and queues != "00000000:00000000":
                        return False
        return True

    def _head(self, status, content_type, fields):
        self.send_response(status)
        if content_type:
            self.send_header("Content-Type", content_type)
        for name, value in fields.items():
            self.send_header(name, str(value))
        self.end_headers()

    def log_message(self, *_):
        pass


class _Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # A client that leaves is part of the tests.


class LoopbackUpstream:
    """Answers as its `answer(Answer)` does. `requests`: (path, headers, body) of each."""

    #: What it says of itself in the field `Server`.
    software = "loopback"

    def __init__(self):
        self.requests = []
        self.lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), Answer)
        self._server.upstream = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def answer(self, answer: Answer):
        raise NotImplementedError

    def models(self) -> list | None:
        """What it lists; nothing of it is an error, and None that it has no list."""
        return None

    @property
    def bodies(self) -> list[dict]:
        return [body for _, _, body in self.requests]

    @property
    def count(self) -> int:
        return len(self.requests)

    def asked(self, model: str) -> list[dict]:
        """The bodies of the requests for a model."""
        return [body for body in self.bodies if body["model"] == model]

    def header(self, name: str):
        """A header of the last request."""
        return {key.lower(): value for key, value in self.requests[-1][1].items()}.get(name.lower())

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
