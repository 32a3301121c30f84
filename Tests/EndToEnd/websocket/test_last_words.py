"""What a client says last is done and answered, though it closes its side at once (Protocols/websocket.md)."""

import json
import socket
import struct

import pytest
from echo_server import Probe, frame, handshake

from processes import InterjectProcess
from rehearsal import brief, endless, unique
from sessions import Session, active_id, item_text

REPETITIONS = 20
CLOSE = frame(0x88, b"\x03\xe8")
LARGE = "x" * 100_000


@pytest.fixture(scope="module", params=[1, 2], ids=lambda count: f"{count}-loops")
def server(request, tmp_path_factory):
    """Each connection is on one of the loops, as the kernel chooses; sessions live where they were made."""
    with InterjectProcess(tmp_path_factory.mktemp("server"), "--loops", request.param) as process:
        yield process


def text(kind, **fields) -> bytes:
    return frame(0x81, json.dumps({"type": kind, "client_event_id": "last", **fields}).encode())


def opened(server) -> Probe:
    probe = Probe(server)
    assert probe.request(target="/v1/responses", fields=handshake()).status == 101
    return probe


def said(server, how, *frames):
    """What a new connection gets that sends these frames and closes its side with them: events, and whether a close frame follows."""
    events, is_closed = [], False
    with opened(server) as probe:
        probe.send(*frames, *([CLOSE] if "close frame" in how else []))
        if "half-close" in how:
            probe.socket.shutdown(socket.SHUT_WR)
        while message := probe.receive():
            assert not is_closed, "something after the close frame"
            is_closed = message[0] == 0x88
            if message[0] == 0x81:
                events.append(json.loads(message[1]))
    assert is_closed == ("close frame" in how)
    return events


def types(events):
    return [event["type"] for event in events]


def user_texts(session):
    return [item_text(item) for item in session.state()["items"] if item.get("role") == "user"]


ways = pytest.mark.parametrize("how", ["half-close", "close frame", "close frame and half-close"])


@ways
def test_an_input_makes_its_session(server, how):
    for _ in range(REPETITIONS):
        prompt = brief(unique())
        events = said(server, how, text("interject:input", model="rehearsal-fast", input=prompt))
        assert types(events)[:3] == ["interject:joined", "interject:session.created", "interject:input.accepted"]
        session = Session(server, events[0]["session"]["id"])
        assert user_texts(session) == [prompt]
        session.close()


@ways
@pytest.mark.parametrize("size", ["short", "large"])
def test_an_input_reaches_a_session_that_was_not_joined(server, how, size):
    for _ in range(REPETITIONS):
        session, prompt = Session.create(server, model="rehearsal-fast"), brief(unique()) + (LARGE if size == "large" else "")
        events = said(server, how, text("interject:input", session_id=session.id, input=prompt))
        assert types(events)[:2] == ["interject:joined", "interject:input.accepted"]
        assert events[1]["client_event_id"] == "last"
        assert user_texts(session) == [prompt]
        session.close()


@ways
def test_what_follows_a_large_input_is_done_too(server, how):
    for _ in range(REPETITIONS):
        session = Session.create(server, model="rehearsal-fast")
        events = said(
            server, how, text("interject:input", session_id=session.id, input=brief(unique()) + LARGE),
            text("interject:input", session_id=session.id, input="second", mode="queue"))
        assert types(events).count("interject:input.accepted") == 2
        session.wait_until_idle()
        assert user_texts(session)[-1] == "second"
        session.close()


@ways
@pytest.mark.parametrize("name", [None, "Ada"])
def test_a_join_is_answered(server, how, name):
    session = Session.create(server)
    for _ in range(REPETITIONS):
        fields = {"name": name} if name else {}
        events = said(server, how, text("interject:join", session_id=session.id, **fields))
        assert types(events)[0] == "interject:joined" and events[0]["client_event_id"] == "last"
    assert session.state()["participants"] == []
    assert types(session.log()).count("interject:participant.left") == (REPETITIONS if name else 0)
    session.close()


@ways
@pytest.mark.parametrize("place", ["a new session", "a session", "a previous response"])
def test_a_response_is_created(server, how, place):
    session = Session.create(server)
    first = session.speak(brief(unique()), model="rehearsal-fast")["response_id"]
    session.wait_for_end_of(first)
    for _ in range(REPETITIONS):
        fields = {
            "a new session": {}, "a session": {"interject": {"session_id": session.id}},
            "a previous response": {"previous_response_id": first},
        }[place]
        events = said(server, how, text("response.create", model="rehearsal", input=endless(unique()), **fields))
        assert types(events)[0] == "response.created"
        made = Session(server, events[0]["response"]["interject"]["session_id"])
        # The disconnect policy of this face.
        ended = made.wait_for_end_of(events[0]["response"]["id"])
        assert "response.cancelled" in types(ended)
        if made.id != session.id:
            made.close()
    session.close()


@ways
def test_a_response_is_steered(server, how):
    for _ in range(REPETITIONS):
        session, tag = Session.create(server), unique()
        running = session.speak(endless(tag))["response_id"]
        server.rehearsal.wait_for_tokens(tag, 1)
        events = said(server, how, text("response.steer", previous_response_id=running, input=brief(unique())))
        assert "response.steer.accepted" in types(events)
        session.close()


@ways
@pytest.mark.parametrize("by", ["session_id", "response_id"])
def test_a_response_is_cancelled(server, how, by):
    for _ in range(REPETITIONS):
        session = Session.create(server)
        running = session.speak(endless(unique()))["response_id"]
        events = said(server, how, text("interject:cancel", **{by: session.id if by == "session_id" else running}))
        assert events == [{
            "type": "interject:cancelled", "response_id": running, "reason": "cancel", "participant": None,
            "client_event_id": "last"}]
        assert active_id(session.state()) is None
        session.close()


@ways
@pytest.mark.parametrize("policy", ["continue", "grace=1", "cancel"])
def test_a_response_that_waits_in_its_lane_goes_by_its_disconnect_policy(server, how, policy):
    first, second = Session.create(server), Session.create(server)
    disconnect = {"interject": {"session_id": second.id, "disconnect": policy}}
    running, waiting = unique(), unique()
    events = said(
        server, how, text("response.create", model="rehearsal", input=endless(running), interject={"session_id": first.id}),
        text("response.create", model="rehearsal", input=endless(waiting), **disconnect))
    assert types(events)[0] == "response.created"
    first.wait_for_end_of(events[0]["response"]["id"])
    if policy == "cancel":
        assert user_texts(second) == []
    else:
        server.rehearsal.wait_for_tokens(waiting, 1)
        assert active_id(second.state()) is not None
    if policy == "grace=1":
        second.wait_for(lambda event: event["type"] == "interject:cancelled" and event["reason"] == "disconnect", "the cancel")
    first.close()
    second.close()


@ways
def test_a_refusal_is_told(server, how):
    session = Session.create(server)
    for _ in range(REPETITIONS):
        output = [{"type": "function_call_output", "call_id": "call_none", "output": "x"}]
        events = said(server, how, text("interject:input", session_id=session.id, input=output))
        assert types(events) == ["error"] and events[0]["error"]["code"] == "tool_call_not_found"
    session.close()


@pytest.mark.parametrize("size", ["short", "large"])
def test_an_input_is_taken_though_its_sender_has_gone(server, size):
    """The connection is reset behind the command: nothing can be answered, and the session has the input."""
    for _ in range(REPETITIONS):
        # Not larger than what TCP sends at once: a reset discards the rest on the client's side.
        prompt = brief(unique()) + (LARGE[:40_000] if size == "large" else "")
        session = Session.create(server, model="rehearsal-fast")
        with opened(server) as probe:
            probe.send(text("interject:input", session_id=session.id, input=prompt))
            probe.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        session.wait_for(lambda event: event["type"] == "interject:input.accepted", "the input")
        assert user_texts(session) == [prompt]
        session.close()


def test_an_acknowledgement_behind_a_backlog_is_sent(server):
    """The client reads nothing until it has closed its side: what the session has said before comes first."""
    session = Session.create(server, model="rehearsal-fast")
    for _ in range(4):
        session.wait_for_end_of(session.speak(f"{unique()} [[rehearsal tokens=3000 pace=0 first_token_ms=0]]")["response_id"])
    probe = Probe.__new__(Probe)
    probe.socket, probe.buffer = socket.socket(), b""
    probe.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    probe.socket.settimeout(60)
    probe.socket.connect(server.address)
    with probe:
        assert probe.request(target="/v1/responses", fields=handshake()).status == 101
        probe.send(
            text("interject:join", session_id=session.id, starting_after=0),
            text("interject:input", session_id=session.id, input=brief(unique())))
        probe.socket.shutdown(socket.SHUT_WR)
        events = []
        while message := probe.receive():
            if message[0] == 0x81:
                events.append(json.loads(message[1]))
    numbered = [event["interject"]["sequence"] for event in events if "interject" in event]
    assert numbered == list(range(1, len(numbered) + 1)) and len(numbered) > 10_000
    assert types(events).count("interject:input.accepted") == 5
    session.close()
