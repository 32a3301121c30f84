"""A receiver of webhooks on loopback that answers as it is told, and knows the official SDK's way to verify."""

import http.server
import json
import threading
import time
from dataclasses import dataclass, field

import openai

from rehearsal import DEADLINE_S


@dataclass
class Received:
    path: str
    headers: dict
    body: bytes
    answered: int

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> dict:
        return json.loads(self.body)

    def unwrap(self, secret):
        """Raises InvalidWebhookSignatureError unless the SDK takes it."""
        return openai.OpenAI(api_key="unused").webhooks.unwrap(self.body, self.headers, secret=secret)


@dataclass
class WebhookReceiver:
    """`answers`: a status, or a status and header fields, for each request in turn; the last one stays."""

    answers: list = field(default_factory=lambda: [200])
    port: int = 0

    def __post_init__(self):
        self.received: list[Received] = []
        self._changed = threading.Condition()
        self._server = None
        self.start()

    def start(self):
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                status, fields = receiver.next_answer()
                with receiver._changed:
                    receiver.received.append(
                        Received(self.path, {k.lower(): v for k, v in self.headers.items()}, body, status))
                    receiver._changed.notify_all()
                self.send_response(status)
                for name, value in fields.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            do_GET = do_POST

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self):
        """Nobody listens any more; `start` listens on the same port again."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def next_answer(self):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer if isinstance(answer, tuple) else (answer, {})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def wait_for(self, matches, count=1, what="a webhook") -> list[Received]:
        deadline = time.monotonic() + DEADLINE_S
        with self._changed:
            while len(found := [r for r in self.received if matches(r)]) < count:
                assert self._changed.wait(deadline - time.monotonic()), f"{what} did not come: {self.received}"
        return found

    def about(self, object_id, count=1) -> list[Received]:
        return self.wait_for(lambda r: r.json["data"]["id"] == object_id, count, f"a webhook about {object_id}")
