"""An upstream whose model's name says how it answers: with any status, header and body, each as often as it is asked."""

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from scripted_upstream import WHOLE


@dataclass
class Reply:
    """`body`: bytes, words, JSON, or a list of pieces that are sent one by one, `pause_s` apart."""

    body: object = b""
    status: int = 200
    type: str | None = "application/json"
    fields: dict = field(default_factory=dict)
    pause_s: float = 0.0

    def pieces(self) -> list[bytes]:
        pieces = self.body if isinstance(self.body, list) and all(isinstance(p, bytes) for p in self.body) else [self.body]
        return [p if isinstance(p, bytes) else p.encode() if isinstance(p, str) else json.dumps(p).encode() for p in pieces]


OK = Reply(WHOLE, type="text/event-stream")


class AnsweringUpstream:
    """`replies[model]` is a Reply, a list of them (the last one stays), or a function of the request's body that gives one."""

    def __init__(self):
        self.replies, self.bodies = {}, []
        self.lock = threading.Lock()
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
                with upstream.lock:
                    upstream.bodies.append(body)
                try:
                    upstream.answer(self, upstream.reply(body))
                except OSError:
                    self.close_connection = True

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 256

            def handle_error(self, request, client_address):
                pass  # A client that leaves is part of the tests.

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def asked(self, model) -> list:
        """The bodies of the requests for a model."""
        return [body for body in self.bodies if body["model"] == model]

    def reply(self, body) -> Reply:
        found = self.replies.get(body["model"], OK)
        if callable(found):
            return found(body)
        return found[min(len(self.asked(body["model"])), len(found)) - 1] if isinstance(found, list) else found

    @staticmethod
    def answer(handler, reply):
        handler.send_response(reply.status)
        if reply.type:
            handler.send_header("Content-Type", reply.type)
        for name, value in reply.fields.items():
            handler.send_header(name, value)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for piece in reply.pieces():
            if piece:
                handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            if reply.pause_s:
                handler.wfile.flush()
                time.sleep(reply.pause_s)
        handler.wfile.write(b"0\r\n\r\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
