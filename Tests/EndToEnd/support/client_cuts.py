"""A client at work that somebody cuts: asks in a thread, is cut once the model talks, and must then end by itself."""

import threading
from dataclasses import dataclass, field

from paced_upstream import MODEL, PacedUpstream
from patience import PATIENCE
from rehearsal import eventually, unique

# A client that asks again waits for an answer that does not end, and so does one that misses the end of its stream.
DEADLINE_S = 10 * PATIENCE
# Words that are there before the cut.
MIN_TOKENS = 12
CUTS = ["interrupt", "steer", "rollback", "cancel"]
# What is told of each in `interject` of a response that is told otherwise.
TRUTHS = {
    "interrupt": ("incomplete", {"reason": "interrupted"}), "steer": ("incomplete", {"reason": "steered"}),
    "rollback": ("cancelled", None), "cancel": ("cancelled", None)}


def cut_as(form) -> dict:
    return {"Interject-Cut-As": form} if form else {}


@dataclass
class Seen:
    """What came of a client."""

    tag: str
    session_id: str = ""
    response_id: str = ""
    value: object = None
    raised: BaseException | None = None
    # How often a model was asked for the answer: once, unless the client took the cut for a failing and tried again.
    asked: int = 0
    # What the client kept by itself on the way.
    notes: dict = field(default_factory=dict)

    def __iter__(self):
        """Its value, or what it raised."""
        return iter((self.value, self.raised))

    @property
    def ended(self):
        assert self.raised is None, f"raised {type(self.raised).__name__}: {self.raised}"
        return self.value


class Bench:
    """A server with an upstream that talks until it is stopped; nothing else runs on it."""

    def __init__(self, start_server, *flags):
        self.upstream = PacedUpstream()
        self.server = start_server("--upstream", self.upstream.url, *flags)
        self.url = f"{self.server.url}/v1"
        self.http = self.server.http()

    def close(self):
        self.http.close()
        self.upstream.__exit__()

    def cut(self, ask, how, mark="") -> Seen:
        """`ask(prompt, notes)` runs a client to its end; `how` is one of CUTS, or a function of a Seen whose ids are known."""
        seen = Seen(unique())

        def run():
            try:
                seen.value = ask(f"{seen.tag} Tell me. {mark}", seen.notes)
            except BaseException as failure:
                seen.raised = failure

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        eventually(lambda: self.upstream.asked_about(seen.tag) or seen.raised, "the model is asked")
        assert seen.raised is None, f"{type(seen.raised).__name__}: {seen.raised}"
        seen.session_id, seen.response_id = eventually(self._talking, "the model talks")
        if callable(how):
            how(seen)
        else:
            self.speak_or_cancel(seen, how)
        thread.join(DEADLINE_S)
        # What a client that asks again waits for must not run on.
        for session in self.http.get("/v1/sessions").json()["data"] if thread.is_alive() else []:
            self.http.post(f"/v1/sessions/{session['id']}/cancel")
        seen.asked = len(self.upstream.asked_about(seen.tag))
        assert not thread.is_alive(), f"the client goes on after the cut; the model was asked {seen.asked} times"
        return seen

    def speak_or_cancel(self, seen, how):
        path = f"/v1/sessions/{seen.session_id}"
        if how == "cancel":
            answer = self.http.post(f"{path}/cancel")
        else:
            answer = self.http.post(f"{path}/input", json={"input": "Shorter. [[brief]]", "mode": how})
        assert answer.status_code in (200, 202), answer.text

    def _talking(self):
        """The session and the response that runs and has said something."""
        for session in self.http.get("/v1/sessions").json()["data"]:
            active = self.http.get(f"/v1/sessions/{session['id']}").json()["active_response"]
            active_id = active["id"] if isinstance(active, dict) else active
            if active_id is None:
                continue
            progress = self.http.get(f"/v1/responses/{active_id}").json()["interject"]["progress"]
            if progress["output_tokens"] >= MIN_TOKENS:
                return session["id"], active_id
        return None

    def log(self, seen) -> list[dict]:
        page = self.http.get(f"/v1/sessions/{seen.session_id}/events", params={"limit": 10_000},
                             headers={"Accept": "application/json"})
        return page.json()["data"]

    def model_body(self, **fields) -> dict:
        return {"model": MODEL, **fields}
