"""An upstream that sends the same to all, for what the rehearsal model does not do, and to see what was sent."""

import json
import threading

from loopback_upstream import LoopbackUpstream
from patience import PATIENCE


def chunk(text, finish_reason=None) -> bytes:
    """One event of an OpenAI chat stream."""
    delta = {"content": text} if text else {}
    body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


WHOLE = [chunk("Hello"), chunk(" there"), chunk("", "stop"), b"data: [DONE]\n\n"]


class ScriptedUpstream(LoopbackUpstream):
    def __init__(self, pieces=WHOLE, content_type="text/event-stream", status=200):
        self.pieces, self.content_type, self.status = pieces, content_type, status
        super().__init__()

    def answer(self, answer):
        answer.begin(self.status, self.content_type)
        for piece in self.pieces:
            answer.send(piece)
        answer.end()


class SlowAtFirst:
    """The pieces of an answer that stops after its first words, until `goes_on` is set."""

    def __init__(self):
        self.goes_on = threading.Event()

    def __iter__(self):
        if not self.goes_on.is_set():
            yield chunk("Once upon a time")
            self.goes_on.wait(60 * PATIENCE)
        yield from WHOLE
