"""An upstream on loopback that fails as it is told, and counts: how many requests it got, and how many at a time."""

import json
import socket
import ssl
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from scripted_upstream import WHOLE, chunk

ANTHROPIC_WHOLE = [
    b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}\n\n',
    b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" there"}}\n\n',
    b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}\n\n', b'data: {"type":"message_stop"}\n\n']
ERROR = b'data: {"error":{"message":"boom","type":"server_error"}}\n\n'
ANTHROPIC_ERROR = b'data: {"type":"error","error":{"type":"overloaded_error","message":"boom"}}\n\n'
ROLE = b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n'

# What is sent of a stream, and whether the body then ends in order (True) or the connection is cut.
STREAMS = {
    "ok": (WHOLE, True), "anthropic": (ANTHROPIC_WHOLE, True),
    # Before the first token.
    "error_event": ([ROLE, ERROR], True), "empty": ([], True), "done_only": ([ROLE, b"data: [DONE]\n\n"], True),
    "cut": ([ROLE], False), "garbage": ([b"data: {\n\n"], True),
    # After it.
    "end_after": ([chunk("Hello")], True), "done_after": ([chunk("Hello"), b"data: [DONE]\n\n"], True),
    "cut_after": ([chunk("Hello")], False), "error_after": ([chunk("Hello"), ERROR], True),
    "garbage_after": ([chunk("Hello"), b"data: {\n\n"], True),
    "anthropic_end_after": (ANTHROPIC_WHOLE[:1], True), "anthropic_cut_after": (ANTHROPIC_WHOLE[:1], False),
    "anthropic_error_after": ([ANTHROPIC_WHOLE[0], ANTHROPIC_ERROR], True),
}


class FaultyUpstream:
    """`does` is a stream's name, a status, or `silent`; it may be set anew at any time. While `gate` is clear, answers wait."""

    def __init__(self, does="ok", retry_after=None, pause_s=0.0):
        self.does, self.retry_after, self.pause_s = does, retry_after, pause_s
        self.bodies, self.running, self.most_running, self.left = [], 0, 0, 0
        self.lock = threading.Lock()
        self.gate = threading.Event()
        self.gate.set()
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
                with upstream.lock:
                    upstream.bodies.append(body)
                    upstream.running += 1
                    upstream.most_running = max(upstream.most_running, upstream.running)
                self.runs = True
                try:
                    upstream.answer(self)
                except OSError:
                    self.close_connection = True
                upstream.ends(self)

            def do_GET(self):
                body = json.dumps({"object": "list", "data": [{"id": "m"}]}).encode()
                self.send_response(500 if upstream.does == 500 else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 256

            def handle_error(self, request, client_address):
                pass  # A client that leaves is part of the tests.

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def count(self) -> int:
        return len(self.bodies)

    def answer(self, handler):
        does = self.does
        if does == "silent" or not self.gate.is_set():
            self._wait(handler, does)
            if does == "silent":
                return
        if self.pause_s:
            time.sleep(self.pause_s)
        if isinstance(does, int):
            body = b'{"error":{"message":"as it was told"}}'
            self.ends(handler)
            handler.send_response(does)
            if self.retry_after is not None:
                handler.send_header("Retry-After", str(self.retry_after))
            handler.send_header("Content-Type", "application/json")
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)
            return
        pieces, ends = STREAMS[does]
        self.ends(handler)
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for piece in pieces:
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        handler.wfile.flush()
        if ends:
            handler.wfile.write(b"0\r\n\r\n")
        else:
            # What was sent arrives before the reset does, since loopback keeps the order and the client reads at once.
            time.sleep(0.05)
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.close_connection = True
            handler.connection.close()

    def ends(self, handler):
        """Ends the request's share of `running`, once: before its answer is written, since whoever has read the answer may
        send the next request before this thread runs again."""
        with self.lock:
            self.running -= handler.runs
            handler.runs = False

    def _wait(self, handler, does):
        """Until the gate opens or the client leaves."""
        handler.connection.settimeout(0.02)
        while does == "silent" or not self.gate.is_set():
            try:
                if not handler.connection.recv(1):
                    with self.lock:
                        self.left += 1
                    raise ConnectionError
            except (TimeoutError, ssl.SSLWantReadError):
                continue
        handler.connection.settimeout(None)

    def close(self):
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()
