"""Members of a command over WebSocket: what is wrong is refused and named, and each command is answered."""

import pytest

from rehearsal import endless
from sessions import item_text, user_message

COMMANDS = {
    "response.create": {"model": "rehearsal-fast", "input": "x"},
    "response.steer": {"previous_response_id": "resp_none", "input": "x"},
    "interject:join": {"session_id": "sess_none"},
    "interject:leave": {"session_id": "sess_none"},
    "interject:input": {"session_id": "sess_none", "input": "x"},
    "interject:cancel": {"session_id": "sess_none"},
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("member, value, code", [
    ("client_event_id", 7, "invalid_type"), ("client_event_id", ["a"], "invalid_type"),
    ("stream_id", "no spaces", "invalid_stream_id"), ("stream_id", 7, "invalid_stream_id"), ("stream_id", "x" * 257, "invalid_stream_id"),
])
def test_a_name_that_is_none_is_refused(open_socket, command, member, value, code):
    socket = open_socket()
    socket.send(command, **COMMANDS[command], **{member: value})
    error = socket.wait_for_type("error")
    assert error["status"] == 400
    assert (error["error"]["param"], error["error"]["code"]) == (member, code)
    # And nothing else comes of it.
    socket.send("nonsense", client_event_id="end")
    socket.wait_for_type("error", client_event_id="end")
    assert len(socket.events) == 2


@pytest.mark.parametrize("place", ["a session", "no session"])
@pytest.mark.parametrize("command", ["interject:join", "interject:input"])
@pytest.mark.parametrize("fields, param", [
    ({"role": "boss"}, "role"), ({"role": "participant"}, "name"), ({"name": "x" * 300}, "name"), ({"name": ""}, "name"),
    ({"name": 7}, "name"),
])
def test_a_role_or_name_that_is_none_is_refused(new_session, open_socket, place, command, fields, param):
    socket = open_socket()
    if place == "a session":
        fields = {**fields, "session_id": new_session().id}
    elif command == "interject:join":
        pytest.skip("a join names its session")
    socket.send(command, client_event_id="c", model="rehearsal-fast", input="x", **fields)
    error = socket.wait_for_type("error", client_event_id="c")
    assert error["status"] == 400 and error["error"]["param"] == param
    assert len(socket.events) == 1


def test_a_cancel_is_acknowledged_to_one_that_has_not_joined(new_session, open_socket, rehearsal, tag):
    session, socket = new_session(), open_socket()
    running = session.speak(endless(tag))["response_id"]
    socket.send("interject:cancel", session_id=session.id, client_event_id="c", stream_id="lane")
    acknowledged = socket.wait_for_type("interject:cancelled")
    assert acknowledged == {
        "type": "interject:cancelled", "response_id": running, "reason": "cancel", "participant": None, "client_event_id": "c",
        "stream_id": "lane"}
    rehearsal.wait_for_state(tag, "aborted")
    socket.send("interject:cancel", response_id=running)
    assert socket.wait_for_type("error")["error"]["code"] == "response_not_active"
    assert len(socket.events) == 2


def test_a_cancel_is_acknowledged_once_to_one_that_has_joined(new_session, open_socket, tag):
    session, socket = new_session(), open_socket()
    socket.join(session.id, name="Ada")
    session.speak(endless(tag))
    socket.send("interject:cancel", session_id=session.id, client_event_id="c")
    socket.wait_for_type("interject:cancelled")
    socket.send("interject:leave", session_id=session.id)
    socket.wait_for_type("interject:left")
    acknowledged = [event for event in socket.events if event["type"] == "interject:cancelled"]
    assert len(acknowledged) == 1 and acknowledged[0]["participant"]["name"] == "Ada"


@pytest.mark.parametrize("fault", ["duplicate id", "result without a call"])
def test_a_steer_with_input_that_does_not_fit_says_so(new_session, open_socket, rehearsal, tag, fault):
    session, socket = new_session(), open_socket()
    running = session.speak(endless(tag))["response_id"]
    rehearsal.wait_for_tokens(tag, 1)
    item = {
        "duplicate id": {**user_message("x")[0], "id": session.state()["items"][0]["id"]},
        "result without a call": {"type": "function_call_output", "call_id": "call_none", "output": "x"},
    }[fault]
    socket.send("response.steer", previous_response_id=running, input=[item], client_event_id="c")
    failed = socket.wait_for_type("response.steer.failed", client_event_id="c")
    assert failed["error"]["code"] == "invalid_input" and failed["steer"]["input"] == [item]
    assert session.state()["active_response"]["id"] == running


def test_an_empty_id_of_an_item_is_none(new_session, open_socket):
    session, socket = new_session(model="rehearsal-fast"), open_socket()
    for text in ("one", "two"):
        start = len(socket.events)
        socket.send("interject:input", session_id=session.id, input=[{**user_message(text)[0], "id": ""}], mode="queue")
        socket.wait_for_type("response.completed", start=start)
    said = [item for item in session.state()["items"] if item["role"] == "user"]
    assert [item_text(item) for item in said] == ["one", "two"]
    assert all(item["id"].startswith("msg_") for item in said) and said[0]["id"] != said[1]["id"]
