"""An external runner as anybody would write one: plain HTTP, a thread that asks for work (Protocols/runner.md)."""

import threading

from patience import PATIENCE


class Lease:
    """One generation that this runner answers."""

    def __init__(self, http, work: dict):
        self.http, self.work, self.number = http, work, 0
        self.id, self.response_id = work["lease_id"], work["response_id"]

    def post(self, *events, seq=None):
        """The raw answer; a new number unless `seq` says that it is a repetition."""
        if seq is None and events:
            self.number += 1
        return self.http.post(f"/v1/responses/{self.response_id}/events", json={
            "lease_id": self.id, "seq": seq or self.number, "events": list(events)})

    def say(self, *events) -> dict:
        answer = self.post(*events)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def watch(self, wait=0) -> dict:
        answer = self.http.get(f"/v1/responses/{self.response_id}/runner", params={"wait": wait, "lease_id": self.id})
        assert answer.status_code == 200, answer.text
        return answer.json()

    @property
    def question(self) -> str:
        last = self.work["items"][-1]["content"]
        return last if isinstance(last, str) else "".join(part.get("text", "") for part in last)


class Runner:
    """Asks for work. Each test uses a model name of its own, `external/…`, so that none takes another's."""

    def __init__(self, server, model: str, headers=None):
        self.model, self.http = model, server.http(headers=headers or {})

    def ask(self, wait=0, **params):
        return self.http.get("/v1/runner/work", params={"wait": wait, "model": self.model, **params})

    def take(self, wait=30) -> Lease:
        answer = self.ask(wait)
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
        return Lease(self.http, answer.json())

    def close(self):
        self.http.close()


class InBackground:
    """A call in a thread; `result()` gives what it returned, or raises what it raised."""

    def __init__(self, call, *args, **fields):
        self._value = self._error = None

        def run():
            try:
                self._value = call(*args, **fields)
            except BaseException as error:  # noqa: BLE001  It is raised in the test.
                self._error = error

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def result(self, timeout_s=30 * PATIENCE):
        self._thread.join(timeout_s)
        assert not self._thread.is_alive(), "the call has not returned"
        if self._error:
            raise self._error
        return self._value


def text(piece: str) -> dict:
    return {"type": "text", "text": piece}


def step(step_id: str, status="in_progress", **members) -> dict:
    return {"type": "step", "step": {"id": step_id, "status": status, "kind": "tool", **members}}


DONE = {"type": "done"}
