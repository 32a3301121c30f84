"""GET /v1/responses/{id} again and again: wait, Retry-After, ETag, progress."""

import time

from rehearsal import endless, eventually, say


def test_wait_returns_when_it_ends(server, client, tag):
    response = client.responses.create(model="rehearsal", input=say(tag, tokens=20, pace=40), background=True)
    with server.http() as http:
        answer = http.get(f"/v1/responses/{response.id}", params={"wait": 60})
    assert answer.json()["status"] == "completed" and "retry-after" not in answer.headers


def test_wait_returns_at_its_deadline(server, client, tag):
    response = client.responses.create(model="rehearsal", input=endless(tag), background=True)
    with server.http() as http:
        began = time.monotonic()
        answer = http.get(f"/v1/responses/{response.id}", params={"wait": 1})
        assert time.monotonic() - began >= 1
        assert answer.json()["status"] == "in_progress"
        assert http.get(f"/v1/responses/{response.id}", params={"wait": "x"}).status_code == 400
    client.responses.cancel(response.id)


def test_a_running_response_says_when_to_ask_again(server, client, tag):
    with server.http() as http:
        made = http.post("/v1/responses", json={"model": "rehearsal", "input": endless(tag), "background": True})
        assert 1 <= int(made.headers["retry-after"]) <= 30
        answer = http.get(f"/v1/responses/{made.json()['id']}")
        assert 1 <= int(answer.headers["retry-after"]) <= 30
    client.responses.cancel(made.json()["id"])


def test_a_session_is_waited_for_until_it_is_at_rest(server, new_session, tag):
    """Over the end of one answer and the whole of the next."""
    session = new_session()
    session.speak(say(f"{tag}a", tokens=20, pace=40))
    session.speak(say(f"{tag}b", tokens=20, pace=40), mode="queue")
    busy = session.http.get(session.path)
    assert 1 <= int(busy.headers["retry-after"]) <= 30
    answer = session.http.get(session.path, params={"wait": 60})
    state = answer.json()
    assert state["active_response"] is None and state["queued"] == [] and "retry-after" not in answer.headers
    assert [item["status"] for item in state["items"]] == ["completed"] * 4
    assert state["last_sequence_number"] == len(session.log())
    session.speak(endless(tag))
    assert session.http.get(session.path, params={"wait": 1}).json()["active_response"] is not None
    assert session.http.get(session.path, params={"wait": "x"}).status_code == 400


def test_who_has_a_session_as_it_stands_gets_304(new_session, tag):
    session = new_session()
    first = session.http.get(session.path)
    known = {"If-None-Match": first.headers["etag"]}
    again = session.http.get(session.path, headers=known)
    assert again.status_code == 304 and again.content == b"" and again.headers["etag"] == first.headers["etag"]
    session.speak(say(tag, tokens=3))
    assert session.http.get(session.path, headers=known).status_code == 200


def test_who_has_it_as_it_stands_gets_304(server, client, tag):
    response = client.responses.create(model="rehearsal", input=say(tag, tokens=3))
    with server.http() as http:
        path = f"/v1/responses/{response.id}"
        first = http.get(path)
        again = http.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert again.status_code == 304 and again.content == b"" and again.headers["etag"] == first.headers["etag"]
        assert http.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_the_tag_changes_as_it_goes_on(server, client, tag):
    response = client.responses.create(model="rehearsal", input=endless(tag), background=True)
    with server.http() as http:
        first = http.get(f"/v1/responses/{response.id}").headers["etag"]
        eventually(lambda: http.get(f"/v1/responses/{response.id}", headers={"If-None-Match": first}).status_code == 200, "new")
    client.responses.cancel(response.id)


def test_progress_grows_and_leads_to_the_place_in_the_stream(server, client, tag):
    response = client.responses.create(model="rehearsal", input=say(tag, tokens=40, pace=40), background=True)
    seen = eventually(
        lambda: next((p for p in [client.responses.retrieve(response.id).model_extra["interject"]["progress"]]
                      if p["output_tokens"] > 3), None), "progress")
    rest = [e.sequence_number for e in client.responses.retrieve(
        response.id, stream=True, starting_after=seen["last_sequence_number"])]
    assert rest[0] == seen["last_sequence_number"] + 1
    ended = client.responses.retrieve(response.id).model_extra["interject"]["progress"]
    assert ended == {"last_sequence_number": rest[-1], "output_tokens": 40}
