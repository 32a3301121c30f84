"""background: true, and what goes with it: fetch, follow, cancel, delete, go on after a restart."""

import openai
import pytest

from rehearsal import endless, eventually, say
from restarts import restart
from sessions import deltas


def background(client, prompt, **options):
    return client.responses.create(model="rehearsal", input=prompt, background=True, **options)


def wait_for_end(server, response_id):
    """The response once it has ended, by long polls."""
    with server.http() as http:
        return eventually(
            lambda: next(
                (r for r in [http.get(f"/v1/responses/{response_id}", params={"wait": 20}).json()]
                 if r["status"] not in ("queued", "in_progress")), None), f"the end of {response_id}")


def test_the_answer_comes_at_once_and_the_response_goes_on(server, client, rehearsal, tag):
    response = background(client, say(tag, tokens=30, first_token_ms=300))
    assert response.status in ("queued", "in_progress") and response.background is True and response.output == []
    ended = wait_for_end(server, response.id)
    assert ended["status"] == "completed" and ended["background"] is True
    assert ended == client.responses.retrieve(response.id).to_dict()
    assert len(client.responses.retrieve(response.id).output_text.split()) == 30
    events = list(client.responses.retrieve(response.id, stream=True))
    assert all(e.response.background is True for e in events if hasattr(e, "response"))


def test_it_shows_its_partial_output(client, rehearsal, tag):
    response = background(client, endless(tag))
    partial = eventually(
        lambda: next((r for r in [client.responses.retrieve(response.id)] if len(r.output_text.split()) > 3), None), "a partial")
    assert partial.status == "in_progress" and partial.output[0].status == "in_progress"
    client.responses.cancel(response.id)


def test_it_needs_store(client, tag):
    with pytest.raises(openai.BadRequestError) as caught:
        background(client, say(tag), store=False)
    assert caught.value.param == "background"


def test_a_stream_that_is_left_does_not_stop_it(server, client, tag):
    stream = background(client, say(tag, tokens=60, pace=60), stream=True)
    seen = []
    for event in stream:
        seen.append(event.to_dict())
        if len(seen) == 10:
            break
    stream.close()
    response_id = seen[0]["response"]["id"]
    rest = client.responses.retrieve(response_id, stream=True, starting_after=seen[-1]["sequence_number"])
    seen += [event.to_dict() for event in rest]
    assert [e["sequence_number"] for e in seen] == list(range(len(seen)))
    assert seen[-1]["type"] == "response.completed" and len(deltas(seen).split()) == 60


def test_the_helper_goes_on_from_a_sequence_number(client, tag):
    response = background(client, say(tag, tokens=20, pace=100))
    with client.responses.stream(response_id=response.id, starting_after=8) as stream:
        numbers = [event.sequence_number for event in stream if hasattr(event, "sequence_number")]
        final = stream.get_final_response()
    assert numbers[0] == 9 and numbers == list(range(9, 9 + len(numbers)))
    assert len(final.output_text.split()) == 20


def test_cancel_twice_gives_the_same_object(client, rehearsal, tag):
    response = background(client, endless(tag))
    rehearsal.wait_for_tokens(tag, 3)
    first, second = client.responses.cancel(response.id), client.responses.cancel(response.id)
    assert first.status == "cancelled" and first.to_dict() == second.to_dict()
    rehearsal.wait_for_state(tag, "aborted")


def test_it_goes_on_after_a_restart_and_counts_its_attempts(start_server, start_rehearsal, tag):
    model = start_rehearsal()
    server = start_server("--upstream", f"{model.url}/v1")
    with server.sdk() as client:
        response = background(client, say(tag, tokens=60, pace=40))
        before = eventually(
            lambda: next((r for r in [client.responses.retrieve(response.id)] if len(r.output_text.split()) > 5), None), "words")
    assert before.model_extra["interject"]["attempts"] == 1
    restart(server)
    ended = wait_for_end(server, response.id)
    assert ended["status"] == "completed" and ended["background"] is True
    assert ended["interject"]["attempts"] == 2
    with server.sdk() as client:
        events = [e.to_dict() for e in client.responses.retrieve(response.id, stream=True)]
    assert [e["sequence_number"] for e in events] == list(range(len(events)))
    assert deltas(events).startswith(before.output_text)


def test_one_name_makes_one_background_response(client, tag):
    headers = {"Idempotency-Key": tag}
    first = background(client, say(tag, tokens=5), extra_headers=headers)
    second = background(client, say(tag, tokens=5), extra_headers=headers)
    assert first.id == second.id


def test_a_deleted_response_is_gone_for_good_and_its_conversation_goes_on(start_server, tag):
    server = start_server()
    with server.sdk() as client, server.http() as http:
        first = client.responses.create(model="rehearsal-fast", input=say(tag + "a", tokens=3))
        session = first.model_extra["interject"]["session_id"]
        second = client.responses.create(model="rehearsal-fast", input=say(tag + "b", tokens=3), previous_response_id=first.id)
        assert http.delete(f"/v1/responses/{second.id}").json() == {"id": second.id, "object": "response", "deleted": True}
        client.responses.create(
            model="rehearsal-fast", input=say(tag + "c", tokens=3), extra_body={"interject": {"session_id": session}})

    def check():
        with server.sdk() as client, server.http() as http:
            for path in ("", "?stream=true", "/input_items"):
                assert http.get(f"/v1/responses/{second.id}{path}").status_code == 404
            assert http.delete(f"/v1/responses/{second.id}").status_code == 404
            with pytest.raises(openai.NotFoundError):
                client.responses.cancel(second.id)
            assert client.responses.retrieve(first.id).to_dict() == first.to_dict()
            said = http.get(f"/v1/sessions/{session}").json()["items"]
            assert len(said) == 6

    check()
    restart(server)
    check()


def test_what_goes_on_from_before_a_deleted_response_does_not_know_it(client, rehearsal, tag):
    first = client.responses.create(model="rehearsal-fast", input=say(tag + "a", tokens=3))
    second = client.responses.create(model="rehearsal-fast", input=say(tag + "b", tokens=3), previous_response_id=first.id)
    client.responses.delete(second.id)
    client.responses.create(model="rehearsal-fast", input=say(tag + "c", tokens=3), previous_response_id=first.id)
    messages = rehearsal.wait_for(tag + "c")["messages"]
    assert len(messages) == 3 and not any(tag + "b" in str(m["content"]) for m in messages)


def test_deleting_a_running_response_cancels_it(client, rehearsal, tag):
    stream = background(client, endless(tag), stream=True)
    events = []
    for event in stream:
        events.append(event)
        if len(events) == 8:
            assert client.responses.delete(events[0].response.id) is None
    assert events[-1].type == "response.cancelled"
    rehearsal.wait_for_state(tag, "aborted")
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(events[0].response.id)
