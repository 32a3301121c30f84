"""The sessions face by plain HTTP (Protocols/sessions.md), and the words of its events."""

import time

from patience import PATIENCE
from rehearsal import eventually

TERMINAL = {"response.completed", "response.incomplete", "response.cancelled", "response.failed"}


def user_message(text: str) -> list[dict]:
    """`input` in the form of a list of items."""
    return [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}]


def item_text(item: dict) -> str:
    content = item.get("content") or []
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def response_text(response: dict) -> str:
    return "".join(item_text(item) for item in response["output"] if item["type"] == "message")


def sequence(event: dict) -> int:
    """The session sequence number where JSON and WebSocket carry it."""
    return event["interject"]["sequence"]


def position(told: dict) -> str:
    """The position that an event, a page or a state tells, to come back with."""
    place = told if "last_sequence_number" in told or "sequence" in told else told["interject"]
    number = place["last_sequence_number"] if "last_sequence_number" in place else place["sequence"]
    return f"{place['epoch']}:{number}" if "epoch" in place else str(number)


def bare(event: dict) -> dict:
    """The event without its envelope: lane and place."""
    return {k: v for k, v in event.items() if k not in ("interject", "stream_id")}


def deltas(events) -> str:
    return "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")


def active_id(state: dict):
    """The id of the running response, or None; the state may carry the object or its id."""
    active = state["active_response"]
    return active["id"] if isinstance(active, dict) else active


def error_of(answer: dict) -> dict:
    """The error in a body or event: {"error":{…}} or, as events of a response have it, flat."""
    return answer["error"] if isinstance(answer.get("error"), dict) else answer


class Session:
    """One session and who asks about it."""

    def __init__(self, server, session_id: str, headers=None):
        self.server = server
        self.id = session_id
        self.headers = headers or {}
        self.http = server.http(headers=self.headers)

    @classmethod
    def create(cls, server, headers=None, **fields) -> "Session":
        with server.http(headers=headers) as http:
            answer = http.post("/v1/sessions", json={"model": "rehearsal", **fields})
        assert answer.status_code == 201, answer.text
        body = answer.json()
        assert body["id"].startswith("sess_") and body["object"] == "session"
        return cls(server, body["id"], headers)

    @property
    def path(self) -> str:
        return f"/v1/sessions/{self.id}"

    def post_input(self, text, **fields):
        """The raw answer of POST …/input."""
        return self.http.post(f"{self.path}/input", json={"input": text, **fields})

    def speak(self, text, **fields) -> dict:
        """An input that must be taken."""
        answer = self.post_input(text, **fields)
        assert answer.status_code == 202, answer.text
        return answer.json()

    def post_cancel(self, **params):
        return self.http.post(f"{self.path}/cancel", params=params)

    def state(self) -> dict:
        answer = self.http.get(self.path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def poll(self, after=0, **params) -> dict:
        """One page of the log as JSON."""
        answer = self.http.get(
            f"{self.path}/events", params={"starting_after": after, **params}, headers={"Accept": "application/json"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def log(self, after=0) -> list[dict]:
        """The whole log after `after`, read page by page."""
        events = []
        while True:
            page = self.poll(after)
            assert page["object"] == "list" and page["recovered"] is True
            events += page["data"]
            if not page["has_more"]:
                return events
            after = position(page)

    def wait_for(self, condition, what: str, timeout_s=30 * PATIENCE) -> list[dict]:
        """The log once one of its events meets `condition`; waits at the server, not in a loop."""
        events, after, deadline = [], 0, time.monotonic() + timeout_s
        while True:
            page = self.poll(after, wait=2)
            events += page["data"]
            after = position(page)
            if any(condition(event) for event in page["data"]):
                return events
            assert time.monotonic() < deadline, f"not within {timeout_s} s in the log: {what}"

    def wait_for_end_of(self, response_id: str) -> list[dict]:
        return self.wait_for(
            lambda e: e["type"] in TERMINAL and e["response"]["id"] == response_id, f"the end of {response_id}")

    def wait_until_idle(self) -> list[dict]:
        """The log once nothing runs and nothing waits."""
        def idle():
            state = self.state()
            return active_id(state) is None and not state["queued"]
        eventually(idle, f"{self.id} is idle")
        return self.log()

    def close(self):
        """Ends whatever still runs, so that no test slows the next."""
        self.http.delete(self.path)
        self.http.close()
