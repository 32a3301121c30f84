"""The one-way fallback: a session followed by EventSource or polling, spoken to by plain HTTP."""

import json
import threading
import time

import pytest
from httpx_sse import connect_sse

from event_source import EventSource
from log_rules import Log
from raw_http import RawConnection, request
from rehearsal import brief, endless, say
from sessions import TERMINAL, Session, active_id, deltas, item_text, sequence, user_message


def bare(event: dict) -> dict:
    """The event without the envelope that differs from face to face."""
    return {k: v for k, v in event.items() if k not in ("interject", "stream_id")}


def is_terminal(event):
    return event[0] in TERMINAL


def test_a_session_is_made_and_described(new_session):
    session = new_session(instructions="Be brief.", mode="queue", metadata={"for": "tests"})
    state = session.state()
    assert state["id"] == session.id and state["object"] == "session"
    assert (state["items"], active_id(state), state["queued"], state["participants"]) == ([], None, [], [])
    assert state["last_sequence_number"] == state["oldest_sequence_number"] == 1
    assert state["metadata"] == {"for": "tests"} and state["mode"] == "queue"
    created = session.log()[0]
    assert created["type"] == "interject:session.created" and created["session"]["id"] == session.id


def test_the_callers_sessions_are_listed_newest_first(new_session, server):
    made = [new_session().id for _ in range(3)]
    with server.http() as http:
        page = http.get("/v1/sessions", params={"limit": 2}).json()
        rest = http.get("/v1/sessions", params={"limit": 1, "after": made[1]}).json()
    assert [s["id"] for s in page["data"]] == made[:0:-1] and page["has_more"] is True
    assert rest["data"][0]["id"] == made[0]


def test_an_input_is_acknowledged_and_answered(new_session, tag):
    session = new_session()
    ack = session.speak(user_message(say(tag, tokens=5, pace=0)), client_event_id="mine-1")
    assert ack["object"] == "interject.input" and ack["session_id"] == session.id and ack["mode"] == "none"
    assert ack["interrupted"] is None and ack["client_event_id"] == "mine-1"
    log = Log(session.wait_for_end_of(ack["response_id"]))
    accepted = log.events[ack["sequence"] - 1]
    assert accepted["type"] == "interject:input.accepted" and accepted["client_event_id"] == "mine-1"
    assert accepted["response_id"] == ack["response_id"] and tag in item_text(accepted["items"][0])
    assert len(log.turns[ack["response_id"]].text.split()) == 5
    assert [item["role"] for item in session.state()["items"]] == ["user", "assistant"]


def test_httpx_sse_follows_a_session(new_session, server, tag):
    session = new_session()
    session.speak(say(tag, tokens=8, pace=100))
    seen = []
    with server.http() as http, connect_sse(http, "GET", f"{session.path}/events") as source:
        for event in source.iter_sse():
            if event.event:
                seen.append(event)
            if event.event in TERMINAL:
                break
    assert [int(e.id) for e in seen] == list(range(1, len(seen) + 1))
    assert all(e.json()["type"] == e.event for e in seen)
    assert [bare(e.json()) for e in seen] == [bare(e) for e in session.log()[:len(seen)]]


def test_the_headers_are_those_that_proxies_and_browsers_need(new_session, server):
    with EventSource(server, f"{new_session().path}/events", Origin="http://localhost:5173") as source:
        assert source.status == 200
        assert source.headers["content-type"].replace(" ", "") == "text/event-stream;charset=utf-8"
        assert source.headers["cache-control"] == "no-cache, no-transform"
        assert source.headers["x-accel-buffering"] == "no"
        assert source.headers["x-content-type-options"] == "nosniff"
        assert source.headers["access-control-allow-origin"] in ("*", "http://localhost:5173")
        assert "content-encoding" not in source.headers and source.headers["x-request-id"]


def test_the_first_byte_is_sent_at_once_and_retry_is_set(new_session, server, tag):
    session = new_session()
    started = time.monotonic()
    with EventSource(server, f"{session.path}/events?starting_after=1") as source:
        assert source.read_piece() and time.monotonic() - started < 5
        assert source.events == [] and source.raw.startswith((b":", b"retry:"))
        session.speak(brief(tag))
        source.read_until(is_terminal)
        assert source.parser.retry_ms and 100 <= source.parser.retry_ms <= 60_000


def test_an_idle_stream_has_a_heartbeat(start_server):
    server = start_server("--heartbeat", 1)
    session = Session.create(server)
    with EventSource(server, f"{session.path}/events?starting_after=1") as source:
        while source.raw.count(b":\n") < 3:
            assert source.read_piece()
        assert source.events == []


def test_a_reconnecting_event_source_misses_nothing(new_session, server, tag):
    session = new_session()
    session.speak(say(tag, tokens=60, pace=120))
    seen = []
    source = EventSource(server, f"{session.path}/events")
    for stop_at in (5, 20, 40):
        source.read_until(lambda e: int(e[2]) >= stop_at)
        seen += source.events[len(seen):]
        source.reconnect()
    source.read_until(is_terminal)
    source.close()
    assert [int(e[2]) for e in source.events] == list(range(1, len(source.events) + 1))
    assert [bare(json.loads(e[1])) for e in source.events] == [bare(e) for e in session.log()]


@pytest.mark.parametrize("cursor", [{"query": "starting_after=4"}, {"query": "last_event_id=4"},
                                    {"header": "4"}, {"header": "4", "query": "starting_after=1"}])
def test_a_cursor_may_stand_in_header_or_query(new_session, server, tag, cursor):
    session = new_session()
    session.wait_for_end_of(session.speak(brief(tag))["response_id"])
    path = f"{session.path}/events?{cursor.get('query', '')}"
    with EventSource(server, path, last_event_id=cursor.get("header", "")) as source:
        source.read_until(is_terminal)
        assert source.events[0][2] == "5", "the header wins: it is what a reconnecting browser sends"


@pytest.mark.parametrize("cursor", ["abc", "-1", "1e3", "99999999999999999999999"])
def test_a_cursor_that_is_no_number_is_a_bad_request(new_session, cursor):
    session = new_session()
    answer = session.http.get(f"{session.path}/events", params={"starting_after": cursor})
    assert answer.status_code == 400 and answer.json()["error"]["param"] == "starting_after"


def test_polling_gives_pages(new_session, tag):
    session = new_session()
    log = session.wait_for_end_of(session.speak(say(tag, tokens=20, pace=0))["response_id"])
    page = session.poll(limit=5)
    assert [sequence(e) for e in page["data"]] == [1, 2, 3, 4, 5]
    assert page["object"] == "list" and page["recovered"] is True and page["has_more"] is True
    assert page["last_sequence_number"] == 5
    page = session.poll(after=5, limit=1000)
    assert page["data"] == log[5:] and page["has_more"] is False
    assert session.poll(after=len(log))["data"] == []


def test_polling_with_wait_returns_with_the_first_event(new_session, tag):
    session, answers = new_session(), []
    thread = threading.Thread(target=lambda: answers.append(session.poll(after=1, wait=50)))
    thread.start()
    Session(session.server, session.id).speak(brief(tag))
    thread.join(30)
    assert answers and sequence(answers[0]["data"][0]) == 2


def test_polling_with_wait_ends_empty_when_nothing_comes(new_session):
    session, started = new_session(), time.monotonic()
    page = session.poll(after=1, wait=1)
    assert page["data"] == [] and page["last_sequence_number"] == 1 and time.monotonic() - started >= 0.9


def test_accept_chooses_the_form(new_session):
    session = new_session()
    with session.http.stream("GET", f"{session.path}/events", headers={"Accept": "*/*"}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
    answer = session.http.get(f"{session.path}/events", headers={"Accept": "application/json"})
    assert answer.headers["content-type"].startswith("application/json")


def test_state_and_what_follows_have_no_seam(new_session, tag):
    session = new_session()
    response_id = session.speak(say(tag, tokens=150, pace=150))["response_id"]
    states = []
    while not states or active_id(states[-1]):
        states.append(session.state())
    log = session.wait_for_end_of(response_id)
    whole = deltas(log)
    partial = 0
    for state in states:
        texts = [item_text(i) for i in state["items"] if i.get("role") == "assistant"]
        if active_id(state) and texts:
            partial += 1
            assert state["items"][-1]["status"] == "in_progress"
        assert "".join(texts) + deltas(log[state["last_sequence_number"]:]) == whole
    assert partial, "no state was read in the middle of the answer"


def test_a_cursor_that_is_too_old_gets_the_truth(start_server, tag):
    server = start_server("--data", "none", "--log-bytes-per-session", 20_000)
    session = Session.create(server)
    response_id = session.speak(say(tag, tokens=3000, pace=0))["response_id"]
    with server.http() as http:
        while (response := http.get(f"/v1/responses/{response_id}").json())["status"] == "in_progress":
            pass
    state = session.state()
    assert state["oldest_sequence_number"] > 2
    page = session.poll(after=1)
    snapshot = page["data"][0]
    assert page["recovered"] is False and snapshot["type"] == "interject:snapshot" and snapshot["recovered"] is False
    assert item_text(snapshot["session"]["items"][-1]) == item_text(response["output"][0])
    assert snapshot["session"]["last_sequence_number"] == snapshot["sequence"] == state["last_sequence_number"]
    with EventSource(server, f"{session.path}/events?starting_after=1") as source:
        event, data, last_id = source.read_until(lambda e: True)
        assert event == "interject:snapshot" and json.loads(data)["recovered"] is False
        assert int(last_id) == json.loads(data)["sequence"]
        session.speak(brief(tag))
        source.read_until(is_terminal)
        assert [int(e[2]) for e in source.events] == list(range(int(last_id), int(last_id) + len(source.events)))
    # A cursor that the log still holds is served from it, without a snapshot.
    assert session.poll(after=state["last_sequence_number"])["recovered"] is True


def test_an_error_has_a_name_of_its_own_for_event_source(new_session, server, tag):
    session = new_session()
    session.speak(say(tag, tokens=9, error_after=3))
    with EventSource(server, f"{session.path}/events") as source:
        source.read_until(is_terminal)
    names = [e[0] for e in source.events]
    assert "error" not in names and names[-2:] == ["interject:error", "response.failed"]
    assert json.loads(source.events[-2][1])["type"] == "error"


def test_only_the_owner_sees_a_session(start_server, tag):
    server = start_server("--api-key", "alice=sk-alice", "--api-key", "bob=sk-bob")
    alice, bob = ({"Authorization": f"Bearer sk-{name}"} for name in ("alice", "bob"))
    session = Session.create(server, headers=alice)
    response_id = session.speak(endless(tag))["response_id"]
    calls = [("GET", session.path), ("GET", f"{session.path}/events"), ("POST", f"{session.path}/input"),
             ("POST", f"{session.path}/cancel"), ("GET", f"/v1/responses/{response_id}"),
             ("POST", f"/v1/responses/{response_id}/cancel"), ("POST", f"/v1/responses/{response_id}/steer"),
             ("DELETE", session.path)]
    with server.http() as http:
        for method, path in calls:
            body = {"json": {"input": "hello"}} if method == "POST" else {}
            theirs = http.request(method, path, headers=bob, **body)
            assert theirs.status_code == 404 and theirs.json()["error"]["message"], (method, path)
            for headers in ({}, {"Authorization": "Bearer sk-wrong"}):
                nobody = http.request(method, path, headers=headers, **body)
                assert nobody.status_code == 401 and nobody.json()["error"]["type"], (method, path)
        assert http.get("/v1/sessions", headers=bob).json()["data"] == []
        assert http.get("/healthz").status_code == 200, "probes have no key"
    assert active_id(session.state()) == response_id, "nobody else could stop it"
    with RawConnection(server) as connection:
        connection.send(request("GET", "/v1/responses", Upgrade="websocket", Connection="Upgrade",
                                Sec_WebSocket_Version=13, Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ=="))
        assert connection.read_answer().status == 401


def test_a_deleted_session_is_gone(new_session, rehearsal, tag):
    session = new_session()
    session.speak(endless(tag))
    rehearsal.wait_for(tag)
    answer = session.http.delete(session.path)
    assert answer.json() == {"id": session.id, "object": "session", "deleted": True}
    assert session.http.get(session.path).status_code == 404
    rehearsal.wait_for_state(tag, "aborted")
