"""What the store keeps: sessions, logs and responses outlive the process, however it ends."""

import json

import pytest

from rehearsal import say
from restarts import events, restart
from sessions import Session, sequence
from sockets import Socket


def test_everything_is_there_after_kill_9(start_server, tag):
    server = start_server()
    with server.sdk() as client:
        response = client.responses.create(model="rehearsal", input=say(tag, tokens=20, pace=0))
        following = client.responses.create(
            model="rehearsal", input=say(tag + "x", tokens=5, pace=0), previous_response_id=response.id)
    before = [json.dumps(e, sort_keys=True) for e in events(server, response.model_extra["interject"]["session_id"])]
    restart(server)
    with server.sdk() as client:
        again = client.responses.retrieve(response.id)
        assert again.output_text == response.output_text
        assert again.model_dump() == response.model_dump()
        # The conversation goes on where it was.
        third = client.responses.create(
            model="rehearsal", input=say(tag + "y", tokens=5, pace=0), previous_response_id=following.id)
        assert third.previous_response_id == following.id
        assert third.model_extra["interject"]["session_id"] == response.model_extra["interject"]["session_id"]
    after = [json.dumps(e, sort_keys=True) for e in events(server, response.model_extra["interject"]["session_id"])]
    assert after[: len(before)] == before
    assert len(after) > len(before)


def test_a_replay_of_events_that_left_memory_has_all_of_them(start_server, tag):
    server = start_server("--log-bytes-per-session", 20_000)
    session = Session.create(server)
    session.speak(say(tag, tokens=2000, pace=0))
    session.wait_until_idle()
    log = events(server, session.id)
    assert [sequence(e) for e in log] == list(range(1, len(log) + 1))
    assert len(log) > 2000
    response_id = next(e["response"]["id"] for e in log if e["type"] == "response.created")
    with server.sdk() as client:
        numbers = [e.sequence_number for e in client.responses.retrieve(response_id, stream=True)]
        assert numbers == list(range(len(numbers)))
        tail = [e.sequence_number for e in client.responses.retrieve(response_id, stream=True, starting_after=1500)]
        assert tail == list(range(1501, len(numbers)))
    session.close()


def test_another_server_does_not_take_the_directory(start_server, tmp_path):
    directory = tmp_path / "shared"
    start_server("--data", directory)
    with pytest.raises(AssertionError, match="Another interject uses the data directory"):
        start_server("--data", directory)


def test_without_a_directory_nothing_is_written(start_server, tmp_path, tag):
    server = start_server("--data", "none", env={"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "xdg")})
    with server.sdk() as client:
        response = client.responses.create(model="rehearsal", input=say(tag, tokens=3, pace=0))
        assert client.responses.retrieve(response.id).output_text == response.output_text
    assert not list(tmp_path.rglob("*.sqlite*"))


def test_a_deleted_session_is_gone_for_good(start_server, tag):
    server = start_server()
    session = Session.create(server)
    session.speak(say(tag, tokens=3, pace=0))
    session.wait_until_idle()
    with server.http() as http:
        assert http.delete(f"/v1/sessions/{session.id}").json()["deleted"] is True
    restart(server)
    with server.http() as http:
        assert http.get(f"/v1/sessions/{session.id}").status_code == 404
        assert http.get("/v1/sessions").json()["data"] == []


def test_an_answer_that_is_not_to_be_stored_takes_no_session_with_it(start_server, tag):
    """A socket that says `store: false` in somebody's session does not own it: the session outlives the socket."""
    server = start_server()
    session = Session.create(server)
    socket = Socket(server)
    socket.create(say(tag, tokens=3, pace=0), store=False, interject={"session_id": session.id})
    socket.wait_for_type("response.completed")
    socket.close()
    # A server that looks its sessions over every five seconds has done so.
    other = Session.create(server)
    other.speak(say(f"{tag}x", tokens=7, pace=1))
    other.wait_until_idle()
    restart(server)
    assert [e["type"] for e in events(server, session.id)][-1] == "response.completed"


def test_what_was_cut_goes_on_or_is_closed(start_server, start_rehearsal, tag):
    """A response that is to outlive its listeners goes on where it was, and so does one whose client is back within its grace; one
    that was for a listener alone is closed."""
    model = start_rehearsal()
    server = start_server("--upstream", f"{model.url}/v1")
    with server.http() as http:
        kept = http.post("/v1/sessions", json={"disconnect": "continue", "model": "rehearsal"}).json()["id"]
        back = http.post("/v1/sessions", json={"disconnect": "grace=600", "model": "rehearsal"}).json()["id"]
        cut = http.post("/v1/sessions", json={"disconnect": "cancel", "model": "rehearsal"}).json()["id"]
        for session in (kept, back, cut):
            http.post(f"/v1/sessions/{session}/input", json={"input": say(tag, tokens=60, pace=40)})
        seen = {}
        for session in (kept, back, cut):
            while True:
                page = events(server, session)
                if sum(e["type"] == "response.output_text.delta" for e in page) > 5:
                    break
            seen[session] = page
    restart(server)
    for session in (kept, back, cut):
        deadline = 200
        with server.http() as http:
            while (state := http.get(f"/v1/sessions/{session}").json())["active_response"] and deadline:
                deadline -= 1
                http.get(f"/v1/sessions/{session}/events",
                         params={"starting_after": state["last_sequence_number"], "wait": 1},
                         headers={"Accept": "application/json"})
        log = events(server, session)
        # What was seen before is the beginning of what is there now.
        assert log[: len(seen[session])] == seen[session]
        end = [e for e in log if e["type"] in ("response.completed", "response.incomplete")]
        assert len(end) == 1
        response = end[0]["response"]
        text = "".join(e["delta"] for e in log if e["type"] == "response.output_text.delta")
        assert response["output"][0]["content"][0]["text"] == text
        numbers = [e["sequence_number"] for e in log if e["type"].startswith("response.")]
        assert numbers == list(range(len(numbers)))
        if session != cut:
            assert response["status"] == "completed"
        else:
            assert response["status"] == "incomplete"
            assert response["incomplete_details"]["reason"] == "server_restarted"


def nested(levels):
    """Arrays in each other, so many."""
    value = 0
    for _ in range(levels):
        value = [value]
    return value


def test_what_is_accepted_is_not_too_deep_to_be_read_back(start_server, tag):
    """112 levels are taken, kept and told; one more is refused, on each face."""
    server = start_server()
    with server.http() as http:
        def post(levels):
            # The body, `input`, and the item are three.
            return http.post("/v1/responses", json={
                "model": "rehearsal-fast",
                "input": [{"type": "message", "role": "user", "content": say(tag, tokens=3), "deep": nested(levels - 3)}]})

        made = post(112)
        assert made.status_code == 200 and made.json()["status"] == "completed"
        refused = post(113)
        assert refused.status_code == 400 and refused.json()["error"]["code"] == "invalid_json"
        # A tool's parameters are within the body, `tools` and the tool.
        tooled = http.post("/v1/responses", json={
            "model": "rehearsal-fast", "input": say(tag, tokens=3), "tools": [
                {"type": "function", "name": "f", "parameters": {"type": "object", "deep": nested(108)}}]})
        assert tooled.status_code == 200 and tooled.json()["status"] == "completed"
        chat = http.post("/v1/chat/completions", json={
            "model": "rehearsal-fast", "messages": [{"role": "user", "content": say(tag, tokens=3)}],
            "extra": {"deep": nested(110)}})
        assert chat.status_code == 200 and chat.json()["choices"][0]["message"]["content"]
    paths = [f"/v1/responses/{made.json()['id']}", f"/v1/sessions/{made.headers['interject-session']}",
             f"/v1/responses/{tooled.json()['id']}", f"/v1/sessions/{made.headers['interject-session']}/events",
             "/v1/sessions"]
    server = restart(server)
    with server.http(headers={"Accept": "application/json"}) as http:
        assert [http.get(path).status_code for path in paths] == [200] * len(paths)


def test_a_websocket_message_may_be_as_deep_as_a_body(start_server, tag):
    server = start_server()
    socket = Socket(server)

    def create(levels):
        # The message, `tools`, the tool, and its parameters are four.
        socket.create(say(tag, tokens=2), model="rehearsal-fast", tools=[
            {"type": "function", "name": "f", "parameters": {"type": "object", "deep": nested(levels - 4)}}])

    create(113)
    assert socket.wait_for_type("error")["error"]["code"] == "invalid_json"
    create(112)
    assert socket.wait_for_type("response.completed")
    socket.close()
