"""An upstream whose model's name says how it answers: with any status, header and body, each as often as it is asked."""

import json
import time
from dataclasses import dataclass, field

from loopback_upstream import LoopbackUpstream
from scripted_upstream import WHOLE


@dataclass
class Reply:
    """`body`: bytes, words, JSON, or a list of pieces that are sent one by one, `pause_s` apart."""

    body: object = b""
    status: int = 200
    type: str | None = "application/json"
    fields: dict = field(default_factory=dict)
    pause_s: float = 0.0
    # Of the body, which is then cut.
    is_cut: bool = False
    # Nothing comes behind the body, until the client is gone.
    stalls: bool = False

    def pieces(self) -> list[bytes]:
        pieces = self.body if isinstance(self.body, list) and all(isinstance(p, bytes) for p in self.body) else [self.body]
        return [p if isinstance(p, bytes) else p.encode() if isinstance(p, str) else json.dumps(p).encode() for p in pieces]


OK = Reply(WHOLE, type="text/event-stream")


def stream(*pieces: bytes, **options) -> Reply:
    """A stream of these events."""
    return Reply(list(pieces), type="text/event-stream", **options)


class AnsweringUpstream(LoopbackUpstream):
    """`replies[model]` is a Reply, a list of them (the last one stays), or a function of the request's body that gives one."""

    def __init__(self):
        self.replies = {}
        super().__init__()

    def answer(self, answer):
        reply = self._reply(answer.body)
        answer.begin(reply.status, reply.type, reply.fields)
        for piece in reply.pieces():
            answer.send(piece)
            if reply.pause_s:
                answer.wfile.flush()
                time.sleep(reply.pause_s)
        if reply.is_cut:
            answer.reset()
        elif reply.stalls:
            answer.wfile.flush()
            answer.connection.recv(1)
            answer.close_connection = True
        else:
            answer.end()

    def _reply(self, body) -> Reply:
        found = self.replies.get(body["model"], OK)
        if callable(found):
            return found(body)
        return found[min(len(self.asked(body["model"])), len(found)) - 1] if isinstance(found, list) else found
