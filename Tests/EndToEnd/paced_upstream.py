"""An upstream that talks until it is stopped, a piece at a time: prose, JSON or the arguments of a tool call, by a word in the prompt."""

import itertools
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from scripted_upstream import chunk

MODEL = "gpt-4.1-mini"
PACE_S = 0.01
# What each kind of answer begins with; it goes on with words, and never ends by itself.
BEGINNINGS = {"[[json]]": ['{"city":', ' "Paris",', ' "notes": "'], "[[tool]]": ['{"query":', ' "']}


def tool_chunk(arguments="", name=None) -> bytes:
    call = {"index": 0, "function": {"arguments": arguments}}
    if name:
        call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}
    body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": MODEL,
            "choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}]}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def last_user_text(messages) -> str:
    content = next((m["content"] for m in reversed(messages) if m["role"] == "user"), "")
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


class PacedUpstream:
    """`[[brief]]` in the last user message is answered with "Fine."; `[[fail]]` breaks the connection after some words."""

    def __init__(self):
        self.bodies, self.pieces_sent = [], 0
        self.lock = threading.Lock()
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
                with upstream.lock:
                    upstream.bodies.append(body)
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                try:
                    for piece in upstream.answer(last_user_text(body["messages"])):
                        if piece is None:
                            self.connection.shutdown(socket.SHUT_RDWR)
                            return
                        self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                        with upstream.lock:
                            upstream.pieces_sent += 1
                    self.wfile.write(b"0\r\n\r\n")
                except OSError:
                    self.close_connection = True

            def do_GET(self):
                answer = json.dumps({"object": "list", "data": [{"id": MODEL, "object": "model"}]}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, prompt):
        """The pieces; None breaks the connection."""
        if "[[brief]]" in prompt:
            yield from [chunk("Fine."), chunk("", "stop"), b"data: [DONE]\n\n"]
            return
        kind = next((mark for mark in BEGINNINGS if mark in prompt), None)
        if kind == "[[tool]]":
            yield tool_chunk(name="lookup")
        for number, piece in enumerate(itertools.chain(BEGINNINGS.get(kind, []), (f"word{n} " for n in itertools.count()))):
            yield tool_chunk(piece) if kind == "[[tool]]" else chunk(piece)
            if "[[fail]]" in prompt and number == 20:
                yield None
            time.sleep(PACE_S)

    def requests(self, tag) -> list:
        """The requests of a conversation with this word, without those that answer with "Fine."."""
        with self.lock:
            return [body for body in self.bodies
                    if tag in json.dumps(body["messages"]) and "[[brief]]" not in last_user_text(body["messages"])]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
