"""A disk that takes nothing more: new work is refused, nothing is acknowledged that is not kept, and all goes on when there is space."""

import json
import resource
import signal
import threading

import pytest

from event_source import EventSource
from full_disk import fill, limit, readiness
from log_rules import Log
from metrics import Metrics, until
from patience import PATIENCE
from rehearsal import eventually, say
from restarts import events, restart
from sessions import Session
from sockets import Socket


class Speaker(threading.Thread):
    """Says something, and waits as long as it takes to be told that it was taken."""

    def __init__(self, session, text):
        super().__init__(daemon=True)
        self.session, self.text, self.answer = session, text, None
        self.start()

    def run(self):
        with self.session.server.http() as http:
            self.answer = http.post(f"{self.session.path}/input", json={"input": self.text})


def test_a_full_disk_refuses_new_work_and_loses_nothing(start_server, tag):
    server = start_server()
    session, other = Session.create(server), Session.create(server)
    session.speak(say(f"{tag}a", tokens=400, pace=200))
    session.wait_for(lambda e: e["type"] == "response.output_text.delta", "a first token")
    fill(server)
    eventually(lambda: readiness(server) == (503, "storage_unavailable"), "not ready")
    with server.http() as http:
        assert http.get("/healthz").status_code == 200
        answer = http.post("/v1/responses", json={"model": "rehearsal", "input": say(f"{tag}b", tokens=3, pace=0)})
        assert answer.status_code == 503 and answer.headers["retry-after"]
        assert answer.json()["error"]["code"] == "storage_unavailable"
        assert other.post_input("no").status_code == 503
        # What is kept can be read.
        assert http.get(f"{other.path}").json()["last_sequence_number"] == 1
    socket = Socket(server)
    socket.create("no")
    assert socket.wait_for_type("error")["error"]["code"] == "storage_unavailable"
    metrics = Metrics(server)
    assert metrics.get("interject_store_writable") == 0 and metrics.get("interject_store_failures_total") > 0
    limit(server, resource.RLIM_INFINITY)
    eventually(lambda: readiness(server) == (200, "ready"), "ready again")
    other.speak(say(f"{tag}c", tokens=3, pace=0))
    for one in (session, other):
        one.wait_until_idle()
    before = {one.id: events(server, one.id) for one in (session, other)}
    assert Log(before[session.id]).order[0].status == "completed"
    assert len(Log(before[session.id]).order[0].text.split()) == 400
    restart(server)
    for one, log in before.items():
        assert events(server, one) == log


def test_what_could_not_be_kept_was_not_acknowledged(start_server, tag):
    server = start_server()
    session = Session.create(server)
    session.speak(say(f"{tag}a", tokens=3, pace=0))
    session.wait_until_idle()
    before = events(server, session.id)
    fill(server)
    speakers = [Speaker(session, say(f"{tag}{number}", tokens=3, pace=0)) for number in range(3)]
    eventually(lambda: readiness(server)[0] == 503, "not ready")
    assert not any(speaker.answer is not None and speaker.answer.status_code == 202 for speaker in speakers)
    restart(server)
    assert events(server, session.id) == before


@pytest.mark.timeout(120)
def test_upstreams_wait_for_the_disk_and_all_go_on(start_server, tag):
    """More than the server lets wait for the disk: the models are held, and each of them is let go again."""
    server = start_server("--loops", 1)
    sessions = [Session.create(server) for _ in range(20)]
    answers = [s.speak(say(f"{tag}{n}", tokens=4000, pace=0, first_token_ms=1500, text="w" * 200)) for n, s in enumerate(sessions)]
    fill(server)
    until(server, "interject_store_pending_bytes", lambda waiting: waiting > 12 << 20)
    limit(server, resource.RLIM_INFINITY)
    for session, answer in zip(sessions, answers):
        eventually(lambda: session.state()["active_response"] is None, f"{session.id} has come to rest", timeout_s=60)
        turn = Log(events(server, session.id)).order[0]
        assert turn.id == answer["response_id"] and turn.status == "completed" and len(turn.text.split()) == 4000


@pytest.mark.timeout(60)
def test_a_server_whose_disk_is_full_can_be_stopped(start_server, tag):
    server = start_server("--drain", 0.5, "--drain-window", 0)
    session = Session.create(server)
    session.speak(say(tag, tokens=4000, pace=200))
    session.wait_for(lambda e: e["type"] == "response.output_text.delta", "a first token")
    fill(server)
    eventually(lambda: readiness(server)[0] == 503, "not ready")
    server.popen.send_signal(signal.SIGTERM)
    server.popen.wait(30)
    log = events(restart(server), session.id)
    # What was kept is whole, and goes on.
    assert [e["type"] for e in log][:2] == ["interject:session.created", "interject:input.accepted"]


class Caught(threading.Thread):
    """A command whose answer waits for the disk: `error` is what it was told in the end."""

    def __init__(self, command):
        super().__init__(daemon=True)
        self.command, self.error = command, None
        self.start()

    def run(self):
        self.error = self.command()


def by_input(session, text):
    answer = session.post_input(text)
    assert answer.headers["retry-after"]
    return answer.status_code, answer.json()["error"]["code"]


def by_response(session, text, **fields):
    with session.server.http() as http:
        answer = http.post("/v1/responses", json={"model": "rehearsal", "input": text, **fields})
    return answer.status_code, answer.json()["error"]["code"]


def by_stream(session, text):
    return by_response(session, text, stream=True, interject={"session_id": session.id})


def by_socket(session, text):
    socket = Socket(session.server)
    socket.create(text, interject={"session_id": session.id})
    error = socket.wait_for(lambda event: event["type"] == "error", "an error", timeout_s=20 * PATIENCE)
    return error["status"], error["error"]["code"]


@pytest.mark.parametrize("speak", [by_input, by_response, by_stream, by_socket])
def test_who_is_caught_by_a_full_disk_is_told_in_time_and_nothing_is_left(start_server, tag, speak):
    server = start_server()
    session = Session.create(server)
    session.speak(say(f"{tag}a", tokens=3, pace=0))
    session.wait_until_idle()
    items = session.state()["items"]
    fill(server)
    # Nobody knows yet that the disk is full: this is how the server finds out.
    caught = Caught(lambda: speak(session, say(f"{tag}b", tokens=3, pace=0)))
    eventually(lambda: caught.error is not None, "an answer", timeout_s=20 * PATIENCE)
    assert caught.error == (503, "storage_unavailable")
    limit(server, resource.RLIM_INFINITY)
    eventually(lambda: readiness(server) == (200, "ready"), "ready again")
    state = session.state()
    assert state["items"] == items and state["active_response"] is None and state["queued"] == []
    with server.http() as http:
        # The server is ready once the commit that failed has succeeded. The withdrawal is the next commit.
        eventually(lambda: [one["id"] for one in http.get("/v1/sessions").json()["data"]] == [session.id], "nothing left")
    session.speak(say(f"{tag}c", tokens=3, pace=0))
    session.wait_until_idle()
    said = [item["content"][0]["text"] for item in session.state()["items"] if item["role"] == "user"]
    assert [tag + letter in text for letter, text in zip("ac", said, strict=True)] == [True, True]
    log = events(server, session.id)
    restart(server)
    assert events(server, session.id) == log


@pytest.mark.timeout(90)
def test_who_waits_for_the_rest_of_an_answer_is_told_that_the_disk_is_full(start_server, tag):
    server = start_server()
    with server.sdk() as client:
        stream = client.responses.create(model="rehearsal", input=say(tag, tokens=4000, pace=100), stream=True)
        seen = [next(stream) for _ in range(8)]
        fill(server)
        seen += list(stream)
    assert seen[-1].type == "error" and seen[-1].code == "storage_unavailable"
    limit(server, resource.RLIM_INFINITY)
    eventually(lambda: readiness(server) == (200, "ready"), "ready again")
    with server.http() as http:
        assert http.get(f"/v1/responses/{seen[0].response.id}").json()["status"] == "cancelled"


@pytest.mark.timeout(120)
def test_who_follows_a_session_waits_on_while_the_disk_takes_nothing(start_server, tag):
    server = start_server()
    session = Session.create(server)
    answer = session.speak(say(tag, tokens=800, pace=100))
    with EventSource(server, f"{session.path}/events") as source, server.sdk() as client:
        source.read_until(lambda event: event[0] == "response.output_text.delta")
        stream = client.responses.retrieve(answer["response_id"], stream=True)
        fill(server)
        # A follower of one response is told after the stall: a response whose end does not come must not be waited for.
        told = list(stream)[-1]
        assert told.type == "error" and told.code == "storage_unavailable"
        limit(server, resource.RLIM_INFINITY)
        source.read_until(lambda event: event[0] == "response.completed")
        assert [int(id) for _, _, id in source.events] == list(range(1, len(source.events) + 1))
    assert Log(events(server, session.id)).order[0].status == "completed"


@pytest.mark.timeout(120)
@pytest.mark.parametrize("has_events", [True, False])
def test_a_session_that_cannot_be_followed_for_a_full_disk_lets_its_follower_come_again(start_server, tag, has_events):
    server = start_server()
    session = Session.create(server)
    session.speak(say(f"{tag}a", tokens=3, pace=0))
    last = session.wait_until_idle()[-1]["interject"]["sequence"]
    fill(server)
    # Waits to be committed, and what the follower is told would have to wait for it.
    caught = Caught(lambda: by_input(session, say(f"{tag}b", tokens=3, pace=0)))
    eventually(lambda: readiness(server)[0] == 503, "not ready")
    with EventSource(server, f"{session.path}/events?starting_after={0 if has_events else last}") as source:
        if has_events:
            assert source.status == 200
            source.read_to_end()
            assert [int(id) for _, _, id in source.events] == list(range(1, last + 1))
        else:
            assert source.status == 503 and source.headers["retry-after"]
    eventually(lambda: caught.error is not None, "an answer", timeout_s=20 * PATIENCE)
    limit(server, resource.RLIM_INFINITY)
    eventually(lambda: readiness(server) == (200, "ready"), "ready again")
    with EventSource(server, f"{session.path}/events", last_event_id=str(last)) as source:
        session.speak(say(f"{tag}c", tokens=3, pace=0))
        source.read_until(lambda event: event[0] == "response.completed")


HOOK = {"url": "http://127.0.0.1:9/x", "event_types": ["response.completed"], "name": "a"}


class Things:
    """What there is when the disk is full: two files, a batch that runs for as long as nobody cancels it, a webhook endpoint."""

    def __init__(self, http, tag):
        line = {"custom_id": "a", "method": "POST", "url": "/v1/responses"}
        line["body"] = {"model": "rehearsal", "input": say(tag, tokens=100_000, pace=10)}
        form = {"data": {"purpose": "batch"}, "files": {"file": ("a", json.dumps(line))}}
        self.file, self.input = (http.post("/v1/files", **form).json()["id"] for _ in range(2))
        self.batch_fields = {"input_file_id": self.input, "endpoint": "/v1/responses", "completion_window": "24h"}
        self.batch = http.post("/v1/batches", json=self.batch_fields).json()["id"]
        eventually(lambda: http.get(f"/v1/batches/{self.batch}").json()["status"] == "in_progress", "the batch runs")
        self.hook = http.post("/v1/webhook_endpoints", json=HOOK).json()["id"]
        self.key = "first"


# By name: what changes something, and how one sees that it was made.
CHANGES = {
    "delete a file": (
        lambda http, the: http.delete(f"/v1/files/{the.file}"),
        lambda http, the: http.get(f"/v1/files/{the.file}").status_code == 404),
    "upload a file": (
        lambda http, the: http.post(
            "/v1/files", data={"purpose": "batch"}, files={"file": ("b", b"{}")}, headers={"Idempotency-Key": the.key}),
        lambda http, the: len(http.get("/v1/files").json()["data"]) == 3),
    "create a batch": (
        lambda http, the: http.post("/v1/batches", json=the.batch_fields),
        lambda http, the: len(http.get("/v1/batches").json()["data"]) == 2),
    "cancel a batch": (
        lambda http, the: http.post(f"/v1/batches/{the.batch}/cancel"),
        lambda http, the: http.get(f"/v1/batches/{the.batch}").json()["status"] == "cancelled"),
    "create a webhook endpoint": (
        lambda http, the: http.post("/v1/webhook_endpoints", json=HOOK),
        lambda http, the: len(http.get("/v1/webhook_endpoints").json()["data"]) == 2),
    "change a webhook endpoint": (
        lambda http, the: http.post(f"/v1/webhook_endpoints/{the.hook}", json={"name": "b"}),
        lambda http, the: http.get(f"/v1/webhook_endpoints/{the.hook}").json()["name"] == "b"),
    "rotate a secret": (
        lambda http, the: http.post(f"/v1/webhook_endpoints/{the.hook}/rotate_secret"),
        lambda http, the: http.get(f"/v1/webhook_endpoints/{the.hook}").status_code == 200),
    "delete a webhook endpoint": (
        lambda http, the: http.delete(f"/v1/webhook_endpoints/{the.hook}"),
        lambda http, the: http.get(f"/v1/webhook_endpoints/{the.hook}").status_code == 404),
}


@pytest.mark.timeout(90)
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_that_is_caught_by_a_full_disk_is_answered_in_time_and_made_later(start_server, tag, name):
    change, is_made = CHANGES[name]
    server = start_server("--webhooks-allow-private")
    with server.http() as http:
        the = Things(http, tag)
        fill(server)

        def ask():
            with server.http() as another:
                answer = change(another, the)
            assert answer.headers["retry-after"]
            return answer.status_code, answer.json()["error"]["code"]

        # Nobody knows yet that the disk is full: this is how the server finds out.
        caught = Caught(ask)
        eventually(lambda: caught.error is not None, "an answer", timeout_s=20 * PATIENCE)
        assert caught.error == (503, "storage_unavailable")
        # Now it is known. What is kept can be read.
        the.key = "second"
        again = Caught(ask)
        eventually(lambda: again.error is not None, "an answer", timeout_s=20 * PATIENCE)
        assert again.error == (503, "storage_unavailable")
        assert http.get(f"/v1/files/{the.input}").status_code == 200
        limit(server, resource.RLIM_INFINITY)
        eventually(lambda: is_made(http, the), f"{name}, later")
        if name == "upload a file":
            # Its name stood for it all the time.
            the.key = "first"
            answer = change(http, the)
            assert answer.headers["idempotent-replayed"] == "true" and answer.status_code == 200
            assert is_made(http, the)
