"""kill -9 at random points under load: what was acknowledged or seen is there afterwards, in its place, once.

INTERJECT_KILL_ROUNDS   how often the server is killed (default 15; `make test-long`: 100)
INTERJECT_KILL_SEED     the seed, which the test prints
"""

import json
import os
import random
import threading
import time

import httpx
import pytest

from log_rules import Log
from patience import PATIENCE
from rehearsal import eventually, say, unique
from restarts import events, kill, restart
from sessions import TERMINAL, sequence
from sockets import Socket

ROUNDS = int(os.environ.get("INTERJECT_KILL_ROUNDS", "15"))
SEED = int(os.environ.get("INTERJECT_KILL_SEED") or random.SystemRandom().randrange(2**32))
# What a server that was killed does to a client in the middle of something.
CUTS = (httpx.HTTPError, OSError, AssertionError, ValueError)


def bare(event):
    return {k: v for k, v in event.items() if k not in ("interject", "stream_id")}


class Witness:
    """All that clients were told of: the server must not forget any of it."""

    def __init__(self):
        self.lock = threading.Lock()
        self.sessions: list[str] = []
        # (session, place) → event, as somebody has read it.
        self.seen: dict[tuple[str, int], dict] = {}
        # (session, place of interject:input.accepted, response, text of the input)
        self.inputs: list[tuple[str, int, str, str]] = []
        # Responses whose end somebody has read, by identifier.
        self.finished: dict[str, dict] = {}
        # (session, events) of responses read through OpenAI's face.
        self.streams: list[tuple[str, list[dict]]] = []

    def saw(self, session, event):
        with self.lock:
            before = self.seen.setdefault((session, sequence(event)), bare(event))
            assert before == bare(event), f"{session}/{sequence(event)} was read twice and differs"
            if event["type"] in TERMINAL:
                self.finished[event["response"]["id"]] = event["response"]


class Writers:
    """Several at once on one life of the server: each does what it does until the server is gone."""

    def __init__(self, server, witness, rng, round_number):
        self.server, self.witness, self.round = server, witness, round_number
        self.failures = []
        self.is_over = False
        kinds = [self.by_http, self.by_http, self.by_stream, self.by_stream, self.by_websocket, self.by_poll, self.by_call]
        self.threads = [
            threading.Thread(target=self.run, args=(kind, random.Random(rng.random())), daemon=True) for kind in kinds]
        for thread in self.threads:
            thread.start()

    def run(self, kind, rng):
        try:
            with self.server.http(timeout=20 * PATIENCE) as http:
                while True:
                    kind(http, rng)
        except CUTS as cut:
            if not self.is_over:
                self.failures.append(cut)

    def join(self):
        for thread in self.threads:
            thread.join(30 * PATIENCE)
            assert not thread.is_alive()
        assert not self.failures, self.failures

    def prompt(self, rng):
        return say(unique(), tokens=rng.randrange(1, 60), pace=rng.choice([0, 200, 500]), seed=rng.randrange(100))

    def session(self, http, rng):
        known = self.witness.sessions
        if known and rng.random() < 0.6:
            return rng.choice(known)
        answer = http.post("/v1/sessions", json={"model": "rehearsal"})
        assert answer.status_code == 201
        with self.witness.lock:
            known.append(answer.json()["id"])
        return known[-1]

    def by_http(self, http, rng):
        """Inputs by HTTP, each an interjection if something runs."""
        session, text = self.session(http, rng), self.prompt(rng)
        for _ in range(rng.randrange(1, 6)):
            answer = http.post(
                f"/v1/sessions/{session}/input", json={"input": text, "mode": rng.choice(["interrupt", "steer", "queue"])})
            if answer.status_code == 202:
                body = answer.json()
                with self.witness.lock:
                    self.witness.inputs.append((session, body["sequence"], body["response_id"], text))
            else:
                assert answer.status_code == 429, answer.text
            time.sleep(rng.random() * 0.03)

    def by_stream(self, http, rng):
        """Reads a session's log as it grows."""
        session = self.session(http, rng)
        deadline = time.monotonic() + rng.random()
        with http.stream("GET", f"/v1/sessions/{session}/events", headers={"Accept": "text/event-stream"}) as answer:
            assert answer.status_code == 200
            number = None
            http.post(f"/v1/sessions/{session}/input", json={"input": self.prompt(rng)})
            for line in answer.iter_lines():
                if line.startswith("id:"):
                    number = int(line[3:])
                elif line.startswith("data:") and number is not None:
                    event = json.loads(line[5:])
                    event["interject"] = {"sequence": number}
                    self.witness.saw(session, event)
                if time.monotonic() > deadline:
                    return

    def by_websocket(self, http, rng):
        """Joins, speaks, reads."""
        session = self.session(http, rng)
        socket = Socket(self.server)
        try:
            socket.join(session)
            for _ in range(rng.randrange(1, 5)):
                socket.send("interject:input", session_id=session, input=self.prompt(rng))
                time.sleep(rng.random() * 0.1)
        finally:
            socket.close()
            for event in socket.log_of(session):
                self.witness.saw(session, event)
        if socket.ws.close_code == 1006:
            raise OSError("cut")

    def by_poll(self, http, rng):
        session = self.session(http, rng)
        after = 0
        for _ in range(5):
            page = http.get(
                f"/v1/sessions/{session}/events", headers={"Accept": "application/json"},
                params={"starting_after": after, "wait": 1, "limit": rng.choice([3, 1000])}).json()
            assert page["recovered"] is True
            for event in page["data"]:
                self.witness.saw(session, event)
            after = page["last_sequence_number"]

    def by_call(self, http, rng):
        """OpenAI's face: whole answers, each the next of a conversation or a branch of it."""
        previous = None
        for _ in range(3):
            answer = http.post("/v1/responses", json={
                "model": "rehearsal", "input": self.prompt(rng), **({"previous_response_id": previous} if previous else {})})
            assert answer.status_code == 200, answer.text
            response = answer.json()
            with self.witness.lock:
                self.witness.finished[response["id"]] = response
            # Half of the time the one before again, which makes a branch.
            previous = previous if previous and rng.random() < 0.5 else response["id"]


def idle(http, session):
    state = http.get(f"/v1/sessions/{session}").json()
    return state["active_response"] is None and not state["queued"]


def check(server, witness):
    """The server has all that it ever told."""
    logs = {}
    with server.http() as http:
        for session in witness.sessions:
            eventually(lambda: idle(http, session), f"{session} has come to rest", timeout_s=60 * PATIENCE)
            found = events(server, session)
            Log(found)
            logs[session] = found
        for response in witness.finished.values():
            again = http.get(f"/v1/responses/{response['id']}")
            assert again.status_code == 200, (response["id"], again.text)
            assert again.json() == response
    for (session, number), event in witness.seen.items():
        assert bare(logs[session][number - 1]) == event, f"{session}/{number}"
    answered: dict[str, int] = {}
    for log in logs.values():
        for event in log:
            if event["type"] == "interject:input.accepted":
                answered[event["response_id"]] = answered.get(event["response_id"], 0) + 1
            if event["type"] in TERMINAL:
                assert event["response"]["status"] != "in_progress"
    assert all(count == 1 for count in answered.values())
    for session, number, response, text in witness.inputs:
        accepted = logs[session][number - 1]
        assert accepted["type"] == "interject:input.accepted" and accepted["response_id"] == response
        assert text in json.dumps(accepted["items"])
        ends = [e for e in logs[session] if e["type"] in TERMINAL and e["response"]["id"] == response]
        assert len(ends) == 1, f"{response} ended {len(ends)} times"


@pytest.mark.timeout(120 + 20 * ROUNDS)
def test_kill_9_loses_nothing_acknowledged(start_server, start_rehearsal):
    print(f"INTERJECT_KILL_SEED={SEED}")
    rng = random.Random(SEED)
    # The model outlives the server, and little of a log stays in memory, so that it is read from the disk, too.
    model = start_rehearsal()
    server = start_server(
        "--upstream", f"{model.url}/v1", "--log-bytes-per-session", 16_384, "--drain", 1, "--loops", rng.choice([1, 2]))
    seen = inputs = finished = 0
    witness = Witness()
    for number in range(ROUNDS):
        writers = Writers(server, witness, rng, number)
        time.sleep(rng.random() * 1.2)
        writers.is_over = True
        kill(server)
        writers.join()
        restart(server)
        # A second death, in the middle of the recovery of the first.
        if rng.random() < 0.3:
            time.sleep(rng.random() * 0.05)
            restart(server)
        if number % 5 == 4 or number == ROUNDS - 1:
            check(server, witness)
            seen, inputs, finished = seen + len(witness.seen), inputs + len(witness.inputs), finished + len(witness.finished)
            witness = Witness()
    print(f"killed {ROUNDS} times; there again: {seen} events that were read, {inputs} inputs, {finished} responses that had ended")
    assert seen and inputs and finished
