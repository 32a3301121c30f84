"""An upstream whose answers pause where a test says, so that a cut falls between the same two pieces on any machine."""

import threading

from loopback_upstream import LoopbackUpstream
from patience import PATIENCE


class Gate:
    """In the place of a piece: nothing more comes before the test opens it. What was sent before it has left."""

    def __init__(self):
        self._open = threading.Event()

    def open(self):
        self._open.set()

    def wait(self):
        self._open.wait(60 * PATIENCE)


class Status:
    """In the place of the first piece: this status and body instead of a stream."""

    def __init__(self, status: int, body: bytes, content_type="application/json", **fields):
        self.status, self.body, self.content_type, self.fields = status, body, content_type, fields


#: In the place of a piece: the connection is cut without an end.
RESET = object()
#: The body ends in order, whatever was said.
END = object()


class GatedUpstream(LoopbackUpstream):
    """`answers[model]` is a list of pieces, or `Turns` of them: one for each request, of which the last stays."""

    class Turns(list):
        pass

    def __init__(self):
        self.answers = {}
        self.gates = []
        super().__init__()

    def gate(self) -> Gate:
        gate = Gate()
        self.gates.append(gate)
        return gate

    def answer(self, answer):
        model = answer.body["model"]
        pieces = self.answers[model]
        if isinstance(pieces, self.Turns):
            pieces = pieces[min(len(self.asked(model)), len(pieces)) - 1]
        if isinstance(pieces[0], Status):
            answer.send_whole(pieces[0].body, pieces[0].status, pieces[0].content_type, pieces[0].fields)
            return
        if isinstance(pieces[0], Gate):
            pieces[0].wait()
        answer.begin()
        for piece in pieces:
            if isinstance(piece, Gate):
                answer.wfile.flush()
                piece.wait()
            elif piece is RESET:
                answer.reset()
                return
            elif piece is not END:
                answer.send(piece)
        answer.end()

    def close(self):
        for gate in self.gates:
            gate.open()
        super().close()
