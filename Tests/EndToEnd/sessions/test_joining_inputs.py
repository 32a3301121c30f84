"""`interject:input` of a connection that has not joined: it joins with an input that is accepted, and with no other."""

import pytest

from metrics import until
from rehearsal import brief, endless, unique
from sessions import Session, active_id, sequence, user_message

RESULT = [{"type": "function_call_output", "call_id": "call_none", "output": "x"}]
REFUSED = {
    "response_in_progress": {"input": "hello", "mode": "reject"},
    "tool_call_not_found": {"input": RESULT},
    "duplicate_item": {"input": [{**user_message("a")[0], "id": "msg_twice"}] * 2},
    "unsupported_parameter": {"input": "hello", "n": 1, "tools": [{"type": "function", "name": ""}]},
}


@pytest.fixture(params=[1, 2], ids=lambda count: f"{count}-loops")
def server(request, start_server):
    return start_server("--loops", request.param)


def unheard(server, tag) -> tuple[Session, str]:
    """A session in which a response runs that ends when its last listener goes; it has none yet."""
    session = Session.create(server)
    running = session.speak(endless(tag), disconnect="cancel")["response_id"]
    server.rehearsal.wait_for_tokens(tag, 1)
    return session, running


@pytest.mark.parametrize("code", ["response_in_progress", "tool_call_not_found", "duplicate_item"])
def test_a_refused_input_leaves_no_listener_behind(server, open_socket, tag, code):
    session, running = unheard(server, tag)
    sockets = [open_socket(to=server) for _ in range(8)]
    for socket in sockets:
        socket.send("interject:input", session_id=session.id, client_event_id="refused", **REFUSED[code])
        error = socket.wait_for_type("error", client_event_id="refused")
        assert error["error"]["code"] == code
        socket.send("interject:leave", session_id=session.id, client_event_id="leave")
        assert socket.wait_for_type("error", client_event_id="leave")["error"]["code"] == "not_joined"
        assert [event["type"] for event in socket.events] == ["error", "error"]
        socket.close()
    until(server, "interject_connections_open", 0, protocol="websocket")
    assert active_id(session.state()) == running
    session.close()


@pytest.mark.parametrize("code", ["tool_call_not_found", "duplicate_item"])
def test_a_refused_input_leaves_no_session_behind(server, open_socket, code):
    before = len(server.http().get("/v1/sessions").json()["data"])
    socket = open_socket(to=server)
    for _ in range(5):
        start = len(socket.events)
        socket.send("interject:input", model="rehearsal-fast", name="Ada", **REFUSED[code])
        assert socket.wait_for_type("error", start=start)["error"]["code"] == code
    # The answer to this is behind all that they have caused.
    socket.send("interject:input", model="rehearsal-fast", name="Ada", input=brief(unique()))
    socket.wait_for_type("response.completed")
    assert [event["type"] for event in socket.events[:6]] == ["error"] * 5 + ["interject:joined"]
    assert len(server.http().get("/v1/sessions").json()["data"]) == before + 1


def test_commands_behind_a_refused_input_find_the_session_not_joined(server, open_socket, tag):
    session, _ = unheard(server, tag)
    for _ in range(8):
        socket = open_socket(to=server)
        socket.send("interject:input", session_id=session.id, client_event_id="1", **REFUSED["response_in_progress"])
        socket.send("interject:leave", session_id=session.id, client_event_id="2")
        socket.send("interject:input", session_id=session.id, client_event_id="3", **REFUSED["tool_call_not_found"])
        socket.send("interject:join", session_id=session.id, client_event_id="4")
        socket.wait_for_type("interject:joined", client_event_id="4")
        errors = [event for event in socket.events if event["type"] == "error"]
        assert {event["client_event_id"]: event["error"]["code"] for event in errors} == {
            "1": "response_in_progress", "2": "not_joined", "3": "tool_call_not_found"}
    session.close()


def test_commands_behind_an_accepted_input_find_the_session_joined(server, open_socket):
    for _ in range(8):
        session, socket = Session.create(server, model="rehearsal-fast"), open_socket(to=server)
        socket.send("interject:input", session_id=session.id, client_event_id="1", input=brief(unique()), stream_id="lane")
        socket.send("interject:join", session_id=session.id, client_event_id="2")
        socket.send("interject:input", session_id=session.id, client_event_id="3", input=brief(unique()), mode="queue")
        assert socket.wait_for_type("error", client_event_id="2")["error"]["code"] == "already_joined"
        socket.wait_for(lambda e: e["type"] == "interject:input.accepted" and e["client_event_id"] == "3", "the second input")
        joined = socket.events[0]
        assert joined["type"] == "interject:joined" and joined["client_event_id"] == "1"
        followed = socket.log_of(session.id)
        assert [sequence(event) for event in followed] == list(range(joined["sequence"] + 1, joined["sequence"] + 1 + len(followed)))
        assert {event["stream_id"] for event in followed} == {"lane"}
        session.close()


def test_an_input_into_the_session_of_a_lane_doubles_and_loses_no_event(server, open_socket, tag):
    for round in range(4):
        session, socket = Session.create(server), open_socket(to=server)
        socket.create(endless(f"{tag}{round}", pace=1000), interject={"session_id": session.id}, stream_id="lane")
        socket.wait_for_deltas(3)
        socket.send("interject:input", session_id=session.id, input=brief(unique()), stream_id="join")
        socket.wait_for_type("response.completed")
        joined = next(index for index, event in enumerate(socket.events) if event["type"] == "interject:joined")
        numbers = [sequence(event) for event in socket.log_of(session.id)]
        assert numbers == sorted(set(numbers)), "an event came twice, or late"
        followed = [event for event in socket.events[joined + 1:] if "interject" in event]
        assert [sequence(event) for event in followed] == list(
            range(socket.events[joined]["sequence"] + 1, socket.events[joined]["sequence"] + 1 + len(followed)))
        assert "response.incomplete" in [event["type"] for event in followed]
        session.close()


def test_a_lane_goes_on_behind_a_refused_input(server, open_socket, tag):
    session, socket = Session.create(server), open_socket(to=server)
    socket.create(f"{tag} [[rehearsal tokens=40 pace=200]]", interject={"session_id": session.id}, stream_id="lane")
    socket.wait_for_deltas(3)
    for _ in range(5):
        socket.send("interject:input", session_id=session.id, **REFUSED["response_in_progress"])
    completed = socket.wait_for_type("response.completed")
    events = [event for event in socket.events if event["type"] != "error"]
    assert [event["sequence_number"] for event in events] == list(range(len(events))) and events[-1] == completed
    assert [event["type"] for event in socket.events].count("error") == 5
    session.close()


def test_commands_behind_an_input_that_makes_its_session_are_answered_in_order(server, open_socket):
    socket = open_socket(to=server)
    for number in range(8):
        start = len(socket.events)
        socket.send("interject:input", model="rehearsal-fast", input=brief(unique()), client_event_id=f"{number}a")
        socket.send("interject:leave", session_id="sess_none", client_event_id=f"{number}b")
        socket.wait_for_type("error", start=start, client_event_id=f"{number}b")
        answers = [event for event in socket.events[start:] if event["type"] in ("interject:joined", "error")]
        assert [event["client_event_id"] for event in answers] == [f"{number}a", f"{number}b"], "overtaken"


def test_a_leave_behind_a_join_is_carried_out_behind_it(server, open_socket):
    for _ in range(16):
        session, socket = Session.create(server), open_socket(to=server)
        socket.send("interject:join", session_id=session.id, client_event_id="join")
        socket.send("interject:leave", session_id=session.id, client_event_id="leave")
        socket.wait_for_type("interject:left")
        assert [(event["type"], event["client_event_id"]) for event in socket.events] == [
            ("interject:joined", "join"), ("interject:left", "leave")]
        session.close()


@pytest.mark.parametrize("is_cancel", [False, True], ids=["input", "cancel"])
def test_a_leave_comes_behind_the_acknowledgements_of_what_was_sent_before(server, open_socket, tag, is_cancel):
    """An input is acknowledged in the log, once it is committed: the connection reads on until then."""
    for number in range(8):
        session, running = unheard(server, f"{tag}{number}")
        socket = open_socket(to=server)
        socket.send("interject:join", session_id=session.id)
        socket.wait_for_type("interject:joined")
        if is_cancel:
            socket.send("interject:cancel", session_id=session.id, client_event_id="before")
        else:
            socket.send("interject:input", session_id=session.id, input=brief(unique()), client_event_id="before")
        socket.send("interject:leave", session_id=session.id, client_event_id="leave")
        socket.wait_for_type("interject:left", client_event_id="leave")
        types = [event["type"] for event in socket.events if event.get("client_event_id") == "before"]
        assert types == ["interject:cancelled" if is_cancel else "interject:input.accepted"], (running, socket.events)
        assert socket.events[-1]["type"] == "interject:left"
        socket.close()
        session.close()
