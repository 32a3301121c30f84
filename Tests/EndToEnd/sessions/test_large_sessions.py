"""Sessions whose state takes long to encode, and commands that are large: what happens meanwhile keeps its place."""

import pytest

from patience import PATIENCE
from rehearsal import endless, unique
from sockets import Socket

PATH = "/v1/responses"
TEXT = "a" * (4 << 20)


@pytest.fixture
def large(start_server):
    """A server and a session on it whose state is large."""
    server = start_server()
    with server.http() as http:
        answer = http.post(PATH, json={"model": "rehearsal-fast", "input": TEXT}, timeout=30 * PATIENCE)
        assert answer.status_code == 200, answer.text[:300]
        yield server, http, answer.json()["interject"]["session_id"]


def test_events_that_come_while_a_state_is_encoded_come_once(large):
    server, _, session = large
    socket = Socket(server)
    socket.create(endless(unique(), pace=200), interject={"session_id": session}, stream_id="lane")
    socket.wait_for_deltas(3)
    joined = socket.join(session)
    socket.send("interject:cancel", session_id=session)
    end = socket.wait_for(lambda event: event["type"] == "response.cancelled", "the end")
    socket.wait_for_type("interject:cancelled")
    log = [event["interject"]["sequence"] for event in socket.log_of(session)]
    assert len(log) == len(set(log))
    # Until the state that was told by the lane, after it by the join: nothing is missing between them.
    assert log == list(range(log[0], log[-1] + 1)) and log[0] <= joined["sequence"] < end["interject"]["sequence"]
    socket.close()


def test_a_session_that_is_deleted_while_its_state_is_encoded_is_not_told_as_joined(large):
    server, http, session = large
    socket = Socket(server)
    socket.send("interject:join", session_id=session, client_event_id="join")
    assert http.delete(f"/v1/sessions/{session}").status_code == 200
    socket.wait_for(
        lambda event: event.get("client_event_id") == "join" or event["type"] == "interject:left", "an answer to the join")
    # The deletion may come before or after: the last that is told is that the session is gone.
    if any(event["type"] == "interject:joined" for event in socket.events):
        socket.wait_for_type("interject:left")
        assert socket.events[-1]["type"] == "interject:left"
    else:
        socket.wait_for(lambda event: event["type"] == "error" and event.get("client_event_id") == "join", "the refusal")
    socket.send("interject:leave", session_id=session)
    assert socket.wait_for_type("error", status=400)["error"]["code"] == "not_joined"
    socket.close()


def test_a_speakers_large_input_bears_the_name(large):
    server, _, session = large
    socket = Socket(server)
    socket.join(session, name="Ann", role="participant")
    socket.send("interject:input", session_id=session, input="b" * 100_000)
    accepted = socket.wait_for_type("interject:input.accepted")
    assert accepted["participant"]["name"] == "Ann"
    assert [item["name"] for item in accepted["items"]] == ["Ann"]
    socket.wait_for(lambda event: event["type"] == "response.completed", "the answer")
    socket.close()


def test_what_waits_in_lanes_is_bounded_in_bytes(start_server):
    server = start_server()
    socket = Socket(server)
    socket.create(endless(unique()))
    first = socket.wait_for_type("response.created")["response"]["id"]
    for number in range(5):
        socket.create(TEXT, model="rehearsal-fast", client_event_id=f"large {number}")
    refused = socket.wait_for_type("error", client_event_id="large 3")
    assert refused["error"]["code"] == "websocket_stream_limit_reached" and refused["status"] == 429
    socket.wait_for_type("error", client_event_id="large 4")
    # Those that wait have their turn, whole.
    socket.send("interject:cancel", response_id=first)
    socket.wait_for(lambda _: sum(event["type"] == "response.completed" for event in socket.events) == 3, "what waited",
                    timeout_s=60 * PATIENCE)
    socket.close()
