"""An upstream on loopback that fails as it is told, and counts: how many requests it got, and how many at a time."""

import ssl
import threading
import time

from loopback_upstream import LoopbackUpstream
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


class FaultyUpstream(LoopbackUpstream):
    """`does` is a stream's name, a status, or `silent`; it may be set anew at any time. While `gate` is clear, answers wait."""

    def __init__(self, does="ok", retry_after=None, pause_s=0.0):
        self.does, self.retry_after, self.pause_s = does, retry_after, pause_s
        self.running, self.most_running, self.left = 0, 0, 0
        self.gate = threading.Event()
        self.gate.set()
        super().__init__()

    def models(self):
        return [] if self.does == 500 else [{"id": "m"}]

    def answer(self, answer):
        with self.lock:
            self.running += 1
            self.most_running = max(self.most_running, self.running)
        answer.runs = True
        try:
            self._answer(answer)
        finally:
            self.ends(answer)

    def _answer(self, handler):
        does = self.does
        if does == "silent" or not self.gate.is_set():
            self._wait(handler, does)
            if does == "silent":
                return
        if self.pause_s:
            time.sleep(self.pause_s)
        if isinstance(does, int):
            self.ends(handler)
            fields = {} if self.retry_after is None else {"Retry-After": self.retry_after}
            handler.send_whole(b'{"error":{"message":"as it was told"}}', does, fields=fields)
            return
        pieces, ends = STREAMS[does]
        self.ends(handler)
        handler.begin()
        for piece in pieces:
            handler.send(piece)
        handler.wfile.flush()
        if ends:
            handler.end()
        else:
            handler.reset()

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
        super().close()
