"""An upstream that does as it is told, for what the rehearsal model does not do, and to see what was sent."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def chunk(text, finish_reason=None) -> bytes:
    """One event of an OpenAI chat stream."""
    delta = {"content": text} if text else {}
    body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


WHOLE = [chunk("Hello"), chunk(" there"), chunk("", "stop"), b"data: [DONE]\n\n"]


class ScriptedUpstream:
    """Sends `pieces` as a stream to whoever asks, and keeps the requests as (path, headers, body)."""

    def __init__(self, pieces=WHOLE, content_type="text/event-stream", status=200):
        self.requests = []
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                length = int(self.headers.get("Content-Length") or 0)
                upstream.requests.append((self.path, dict(self.headers.items()), json.loads(self.rfile.read(length))))
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                try:
                    for piece in pieces:
                        self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                    self.wfile.write(b"0\r\n\r\n")
                except OSError:
                    self.close_connection = True

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def header(self, name):
        """A header of the last request."""
        headers = {key.lower(): value for key, value in self.requests[-1][1].items()}
        return headers.get(name.lower())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class AnsweringUpstream:
    """Answers each model's name by a function of its own, which gets the handler of the request: `answers[name](handler)`."""

    def __init__(self):
        self.answers, self.requests = {}, []
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
                upstream.requests.append(body)
                try:
                    upstream.answers[body["model"]](self)
                except OSError:
                    self.close_connection = True

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def bodies(self, model):
        return [body for body in self.requests if body["model"] == model]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def sends(body: bytes, content_type="text/event-stream", **fields):
    """An answer of this body, its fields named with `_` for `-`."""
    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", content_type)
        for name, value in fields.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
    return answer
