"""Four ways to start a generation in a session, each with the view that its client has of the end."""

import json
import threading
from dataclasses import dataclass

from event_source import SseParser
from rehearsal import DEADLINE_S
from sessions import TERMINAL, deltas, response_text
from sockets import Socket


@dataclass
class Outcome:
    """What the client that started it saw last."""

    status: str
    reason: str | None
    text: str

    @classmethod
    def of(cls, response: dict) -> "Outcome":
        return cls(response["status"], (response.get("incomplete_details") or {}).get("reason"), response_text(response))


class _InThread:
    """A client that blocks until its answer is complete."""

    def __init__(self, session, text):
        self.session, self.text = session, text
        self.outcome = self.failure = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            with self.session.server.http(headers=self.session.headers) as http:
                self.outcome = self.ask(http)
        except BaseException as failure:
            self.failure = failure

    def body(self, **fields) -> dict:
        return {"model": "rehearsal", "input": self.text, "interject": {"session_id": self.session.id}, **fields}

    def finish(self) -> Outcome:
        self.thread.join(DEADLINE_S)
        assert not self.thread.is_alive(), "the client still waits for its terminal event"
        if self.failure:
            raise self.failure
        return self.outcome


class NonStream(_InThread):
    """POST /v1/responses without stream."""

    def ask(self, http):
        answer = http.post("/v1/responses", json=self.body())
        assert answer.status_code == 200, answer.text
        return Outcome.of(answer.json())


class Sse(_InThread):
    """POST /v1/responses with stream: true."""

    def ask(self, http):
        parser, seen = SseParser(), []
        with http.stream("POST", "/v1/responses", json=self.body(stream=True)) as answer:
            assert answer.status_code == 200, answer.read()
            for piece in answer.iter_raw():
                seen += parser.feed(piece)
        assert seen[-1][1] == "[DONE]", f"the stream ended without [DONE]: {seen[-2:]}"
        events = [json.loads(data) for _, data, _ in seen[:-1]]
        assert events[-1]["type"] in TERMINAL, f"the last event is {events[-1]['type']}"
        outcome = Outcome.of(events[-1]["response"])
        assert outcome.text == deltas(events)
        return outcome


class WebSocketCreate:
    """response.create over a WebSocket."""

    def __init__(self, session, text):
        self.socket = Socket(session.server, headers=session.headers)
        self.socket.create(text, interject={"session_id": session.id})

    def finish(self) -> Outcome:
        terminal = self.socket.wait_for(lambda e: e["type"] in TERMINAL, "the terminal event")
        self.socket.close()
        return Outcome.of(terminal["response"])


class SessionInput:
    """POST /v1/sessions/{id}/input: a one-way client that reads the log."""

    def __init__(self, session, text):
        self.session = session
        self.response_id = session.speak(text)["response_id"]

    def finish(self) -> Outcome:
        log = self.session.wait_for_end_of(self.response_id)
        ends = [e for e in log if e["type"] in TERMINAL and e["response"]["id"] == self.response_id]
        return Outcome.of(ends[0]["response"])


STARTERS = {"websocket": WebSocketCreate, "sse": Sse, "non_stream": NonStream, "input": SessionInput}
