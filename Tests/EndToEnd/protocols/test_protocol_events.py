"""What a real session sends is what Protocols/schemas and openapi.yaml say, and nothing beside it."""

import json

import pytest

from event_source import EventSource, SseParser
from protocol_schemas import check, check_answer, check_event
from rehearsal import brief, endless, eventually, say
from sessions import TERMINAL


def speak_until_some_text(session, text, **fields):
    accepted = session.speak(text, **fields)
    session.wait_for(
        lambda e: e["type"] == "response.output_text.delta" and e["interject"]["sequence"] > accepted["sequence"], "text")
    return accepted


@pytest.mark.parametrize("mode", ["interrupt", "steer", "queue", "rollback"])
def test_every_event_and_state_of_an_interjection(new_session, tag, mode):
    session = new_session(metadata={"topic": tag})
    check(session.state(), "session")
    speak_until_some_text(session, endless(f"{tag}a"), participant="Ann", client_event_id="first")
    check(session.state(), "session")
    check(session.speak(brief(f"{tag}b"), mode=mode, participant="Bob", client_event_id="second"), "input-acceptance")
    check(session.state(), "session")
    if mode == "queue":
        check(session.post_cancel().json(), "response")
    log = session.wait_until_idle()
    for event in log:
        check_event(event)
    check(session.state(), "session")
    seen = {event["type"] for event in log}
    assert {"interject:session.created", "interject:input.accepted"} <= seen
    assert ("interject:rolled_back" in seen) == (mode == "rollback")
    assert ("interject:cancelled" in seen) == (mode == "queue")
    for event in log:
        if event["type"] in TERMINAL:
            check(session.http.get(f"/v1/responses/{event['response']['id']}").json(), "response")


def test_the_events_of_the_sse_face(new_session, server, tag):
    session = new_session()
    session.speak(say(tag, tokens=5, error_after=2))
    session.wait_until_idle()
    with EventSource(server, f"{session.path}/events") as source:
        source.read_until(lambda e: e[0] == "response.failed")
        assert any(name == "interject:error" for name, _, _ in source.events)
        for name, data, _ in source.events:
            event = json.loads(data)
            assert event["type"] == ("error" if name == "interject:error" else name)
            check_event(event)


def test_a_place_that_the_log_does_not_hold(new_session, server):
    session = new_session()
    page = session.poll(after=10_000)
    check(page, "event-page")
    assert page["recovered"] is False and [e["type"] for e in page["data"]] == ["interject:snapshot"]
    check_event(page["data"][0])
    with EventSource(server, f"{session.path}/events?starting_after=10000") as source:
        _, data, _ = source.read_until(lambda e: e[0] == "interject:snapshot")
        check_event(json.loads(data))


@pytest.mark.parametrize("what", ["tool=lookup", "tokens=4 reasoning_tokens=3", "tokens=9 error_after=2", "tokens=9 fail_after=2"])
def test_a_response_stream(server, tag, what):
    with server.http() as http:
        parser, seen = SseParser(), []
        body = {"model": "rehearsal-fast", "input": f"{tag} [[rehearsal {what}]]", "stream": True}
        with http.stream("POST", "/v1/responses", json=body) as answer:
            for piece in answer.iter_raw():
                seen += parser.feed(piece)
    assert seen[-1][1] == "[DONE]"
    for name, data, _ in seen[:-1]:
        event = json.loads(data)
        assert event["type"] == name
        check_event(event)


def test_chat_completions(server, new_session, tag):
    with server.http() as http:
        body = {"model": "rehearsal-fast", "messages": [{"role": "user", "content": brief(tag)}]}
        check_answer(http.post("/v1/chat/completions", json=body), "/v1/chat/completions")
        for extra in ({}, {"stream_options": {"include_usage": True}}):
            answer = http.post("/v1/chat/completions", json={**body, "stream": True, **extra})
            lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
            assert lines[-1] == "[DONE]"
            for line in lines[:-1]:
                check(json.loads(line), "chat-chunk")


def test_a_chat_completion_that_was_cut(server, new_session, tag):
    session = new_session()
    with server.http() as http:
        body = {"model": "rehearsal", "messages": [{"role": "user", "content": endless(tag)}], "stream": True,
                "interject": {"session_id": session.id}}
        with http.stream("POST", "/v1/chat/completions", json=body) as answer:
            lines = answer.iter_lines()
            next(line for line in lines if '"content"' in line)
            session.speak(brief(f"{tag}b"))
            chunks = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    for chunk in chunks:
        check(chunk, "chat-chunk")
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["interject"] == {
        "session_id": session.id, "status": "incomplete", "reason": "interrupted", "usage_estimated": True}


def test_the_answers_of_the_calls(server, tag):
    """Each JSON answer is the one that openapi.yaml promises, errors too."""
    with server.http() as http:
        for path in ("/healthz", "/readyz", "/v1/models", "/v1/responses", "/v1/sessions"):
            check_answer(http.get(path), path)
        models = http.get("/v1/models").json()["data"]
        check_answer(http.get(f"/v1/models/{models[0]['id']}"), "/v1/models/{model}")
        check_answer(http.get("/v1/models/none"), "/v1/models/{model}")
        session = check_answer(http.post("/v1/sessions", json={"model": "rehearsal"}), "/v1/sessions")
        check_answer(http.post("/v1/sessions", json={"mode": "shout"}), "/v1/sessions")
        one = "/v1/sessions/{session_id}"
        here, gone = one.format(session_id=session["id"]), one.format(session_id="sess_none")
        for place in (here, gone):
            check_answer(http.get(place), one)
            check_answer(http.get(f"{place}/events", headers={"Accept": "application/json"}), f"{one}/events")
            check_answer(http.post(f"{place}/cancel"), f"{one}/cancel")
            accepted = check_answer(http.post(f"{place}/input", json={"input": endless(tag)}), f"{one}/input")
            refused = check_answer(http.post(f"{place}/input", json={"input": "x", "mode": "reject"}), f"{one}/input")
            assert refused["error"]["code"] in ("response_in_progress", "session_not_found")
            running = accepted.get("response_id", "resp_none")
            response = "/v1/responses/{response_id}"
            check_answer(http.get(f"/v1/responses/{running}"), response)
            check_answer(http.post(f"/v1/responses/{running}/steer", json={"input": endless(tag)}), f"{response}/steer")
            check_answer(http.post(f"/v1/responses/{running}/cancel"), f"{response}/cancel")
            check_answer(http.post(f"{place}/cancel"), f"{one}/cancel")
            check_answer(http.delete(place), one)
        check_answer(http.post("/v1/responses", json={"model": "rehearsal-fast", "input": brief(tag)}), "/v1/responses")
        for status in (401, 404, 400, 503):
            body = {"model": "rehearsal", "input": say(tag, status=status)}
            check_answer(http.post("/v1/responses", json=body), "/v1/responses")
        for body in ({}, {"model": "m"}, {"model": "m", "input": 7}, {"model": "m", "input": "x", "background": True}):
            check_answer(http.post("/v1/responses", json=body), "/v1/responses")
        check_answer(http.post("/v1/chat/completions", json={"model": "m"}), "/v1/chat/completions")
        for params in ({}, {"bucket_width": "1h", "group_by": "model,key,owner"}, {"bucket_width": "1y"}):
            check_answer(http.get("/v1/usage", params=params), "/v1/usage")
            check_answer(http.get("/v1/organization/usage/completions", params=params), "/v1/organization/usage/completions")
        for body in ({}, {"expires_in": 0}, {"session_id": "sess_none"}):
            check_answer(http.post("/v1/client_tokens", json=body), "/v1/client_tokens")
        kept = http.post("/v1/sessions", json={}).json()["id"]
        for body in ({}, {"session_id": kept}, {"response_id": "resp_none"}):
            check_answer(http.post("/v1/stream_tickets", json=body), "/v1/stream_tickets")


def test_the_answers_of_files_and_batches(start_server, server, tag):
    with server.http() as http:
        line = {"custom_id": "a", "method": "POST", "url": "/v1/responses", "body": {"model": "m", "input": brief(tag)}}
        text = json.dumps(line)
        for form, content in (({"purpose": "batch"}, text), ({}, text), ({"purpose": "batch"}, "{")):
            file = check_answer(http.post("/v1/files", data=form, files={"file": ("f", content)}), "/v1/files")
            one = f"/v1/files/{file.get('id', 'file-none')}"
            check_answer(http.get(one), "/v1/files/{file_id}")
            if "id" not in file:
                check_answer(http.get(f"{one}/content"), "/v1/files/{file_id}/content")
            body = {"input_file_id": file.get("id"), "endpoint": "/v1/responses", "completion_window": "24h", "metadata": {"a": "b"}}
            batch = check_answer(http.post("/v1/batches", json=body), "/v1/batches")
            there = f"/v1/batches/{batch.get('id', 'batch_none')}"

            def ended():
                found = check_answer(http.get(there), "/v1/batches/{batch_id}")
                return found if found.get("status") in (None, "completed", "failed") else None

            eventually(ended, "the batch has ended")
            check_answer(http.post(f"{there}/cancel"), "/v1/batches/{batch_id}/cancel")
            for path in ("/v1/files", "/v1/batches"):
                check_answer(http.get(path), path)
                check_answer(http.get(path, params={"limit": 0}), path)
            check_answer(http.delete(one), "/v1/files/{file_id}")
    with start_server("--data", "none").http() as http:
        for path in ("/v1/files", "/v1/batches"):
            assert "storage_disabled" == check_answer(http.get(path), path)["error"]["code"]


def test_what_a_websocket_sends(new_session, open_socket, lookup_tool, tag):
    session = new_session()
    socket = open_socket()
    socket.join(session.id, name="Ann", starting_after=0, stream_id="watch", client_event_id="join")
    socket.send("interject:input", session_id=session.id, input=endless(f"{tag}a"), client_event_id="input")
    socket.wait_for_deltas(2)
    running = socket.wait_for_type("response.created")["response"]["id"]
    socket.send("response.steer", previous_response_id=running, input=endless(f"{tag}b"))
    socket.wait_for_type("response.steer.accepted")
    socket.send("response.steer", previous_response_id="resp_none", input="x", client_event_id="steer")
    socket.wait_for_type("response.steer.failed")
    socket.send("interject:cancel", session_id=session.id, client_event_id="cancel")
    socket.wait_for_type("interject:cancelled")
    socket.send("interject:cancel", session_id=session.id, client_event_id="again", stream_id="watch")
    socket.wait_for_type("error")
    socket.send("interject:leave", session_id=session.id)
    socket.wait_for_type("interject:left")
    socket.join(session.id, starting_after=100_000)
    socket.create(say(f"{tag}c", tool="lookup"), tools=[lookup_tool], stream_id="lane")
    called = socket.wait_for(lambda e: e["type"] == "response.completed" and e.get("stream_id") == "lane", "the tool call")
    socket.send("response.steer", previous_response_id=called["response"]["id"], input="faster")
    socket.wait_for_type("response.steer.pending")
    seen = {event["type"] for event in socket.events}
    assert {"interject:joined", "interject:snapshot", "interject:participant.joined"} <= seen
    for event in socket.events:
        check_event(event)
