"""Idempotency-Key: a command that is sent again attaches to what runs, and pays once."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

from event_source import SseParser
from keys import Keys, bearer
from rehearsal import brief, say
from sessions import Session


def named(tag):
    return {"Idempotency-Key": f"key-of-{tag}"}


def asked(rehearsal, tag) -> int:
    """How often the model was asked."""
    return len(rehearsal.requests(tag))


def body(prompt, **fields):
    return {"model": "rehearsal", "input": prompt, **fields}


def stream_events(http, path, fields, headers, stop_after=None):
    """The data of a stream's events; cut after some of them."""
    parser, seen = SseParser(), []
    with http.stream("POST", path, json=fields, headers=headers) as answer:
        assert answer.status_code == 200, answer.read()
        for piece in answer.iter_raw():
            seen += [data for _, data, _ in parser.feed(piece)]
            if stop_after and len(seen) >= stop_after:
                break
        return seen, answer.headers


def parsed(seen):
    assert seen[-1] == "[DONE]"
    return [json.loads(data) for data in seen[:-1]]


def test_a_retry_attaches_to_the_running_stream(server, rehearsal, tag):
    fields = body(say(tag, tokens=40, pace=20), stream=True)
    with server.http() as http:
        cut, headers = stream_events(http, "/v1/responses", fields, named(tag), stop_after=8)
        assert "idempotent-replayed" not in headers
    with server.http() as http:
        seen, headers = stream_events(http, "/v1/responses", fields, named(tag))
    events = parsed(seen)
    assert headers["idempotent-replayed"] == "true"
    assert [e["sequence_number"] for e in events] == list(range(len(events))), "from the start, without a gap"
    assert [json.loads(data) for data in cut] == events[:len(cut)], "and the same that was seen before"
    assert events[-1]["type"] == "response.completed"
    assert asked(rehearsal, tag) == 1


def test_a_retry_after_the_end_gets_the_same_response(server, rehearsal, tag):
    with server.http(headers=named(tag)) as http:
        first = http.post("/v1/responses", json=body(brief(tag)))
        again = http.post("/v1/responses", json=body(brief(tag)))
    assert first.status_code == again.status_code == 200 and first.json() == again.json()
    assert again.headers["idempotent-replayed"] == "true" and "idempotent-replayed" not in first.headers
    assert asked(rehearsal, tag) == 1


def test_a_retry_without_stream_waits_for_the_first(server, rehearsal, tag):
    fields = body(say(tag, tokens=20, pace=20))
    with ThreadPoolExecutor(8) as pool, server.http(headers=named(tag)) as http:
        answers = list(pool.map(lambda _: http.post("/v1/responses", json=fields), range(8)))
    assert {a.status_code for a in answers} == {200} and len({a.json()["id"] for a in answers}) == 1
    assert len([a for a in answers if "idempotent-replayed" not in a.headers]) == 1
    assert asked(rehearsal, tag) == 1


def test_duplicates_that_race_make_one_upstream_call(server, rehearsal, tag):
    """Many connections, on whichever loops they land, streaming and at once."""
    fields = body(say(tag, tokens=10, pace=50), stream=True)
    start = threading.Barrier(12)

    def run(_):
        with server.http() as http:
            start.wait()
            return parsed(stream_events(http, "/v1/responses", fields, named(tag))[0])

    with ThreadPoolExecutor(12) as pool:
        streams = list(pool.map(run, range(12)))
    assert all(stream == streams[0] for stream in streams)
    assert asked(rehearsal, tag) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_chat_completions_attach_too(server, rehearsal, tag, stream):
    fields = {"model": "rehearsal", "messages": [{"role": "user", "content": say(tag, tokens=20, pace=40)}], "stream": stream}
    with server.http(headers=named(tag)) as http, server.http(headers=named(tag)) as other:
        if not stream:
            first, again = (h.post("/v1/chat/completions", json=fields).json() for h in (http, other))
            assert first == again
        else:
            cut, _ = stream_events(http, "/v1/chat/completions", fields, {}, stop_after=5)
            seen, headers = stream_events(other, "/v1/chat/completions", fields, {})
            assert headers["idempotent-replayed"] == "true" and seen[:len(cut)] == cut
            assert seen[-1] == "[DONE]" and json.loads(seen[-2])["choices"][0]["finish_reason"] == "stop"
    assert asked(rehearsal, tag) == 1


def test_the_sdk_sends_the_key_and_gets_the_response_again(server, rehearsal, tag):
    with server.sdk() as client:
        texts = []
        for _ in range(2):
            with client.responses.stream(model="rehearsal", input=brief(tag), extra_headers=named(tag)) as stream:
                texts.append((stream.get_final_response().id, stream.get_final_response().output_text))
    assert texts[0] == texts[1] and asked(rehearsal, tag) == 1


def test_another_request_with_the_key_is_refused(server, tag):
    with server.sdk() as client:
        client.responses.create(model="rehearsal", input=brief(tag), extra_headers=named(tag))
        with pytest.raises(openai.UnprocessableEntityError) as refused:
            client.responses.create(model="rehearsal", input=brief(tag + "x"), extra_headers=named(tag))
        assert refused.value.code == "idempotency_key_reused"


def test_the_retry_count_alone_is_no_key(server, rehearsal, tag):
    with server.http(headers={"x-stainless-retry-count": "1"}) as http:
        ids = {http.post("/v1/responses", json=body(brief(tag))).json()["id"] for _ in range(2)}
    assert len(ids) == 2 and asked(rehearsal, tag) == 2


def test_an_input_is_taken_once(server, rehearsal, new_session, tag):
    session = new_session()
    with server.http(headers=named(tag)) as http:
        answers = [http.post(f"{session.path}/input", json={"input": brief(tag)}) for _ in range(3)]
    assert [a.status_code for a in answers] == [202] * 3
    assert answers[0].json() == answers[1].json() == answers[2].json()
    assert answers[2].headers["idempotent-replayed"] == "true"
    session.wait_for_end_of(answers[0].json()["response_id"])
    assert asked(rehearsal, tag) == 1
    assert len([e for e in session.log() if e["type"] == "interject:input.accepted"]) == 1


def test_what_was_refused_may_be_sent_again(server, rehearsal, tag):
    with server.http(headers=named(tag)) as http:
        wrong = http.post("/v1/responses", json=body(brief(tag), temperature=9))
        right = http.post("/v1/responses", json=body(brief(tag)))
    assert (wrong.status_code, right.status_code) == (400, 200)


@pytest.mark.parametrize("stream", [False, True])
def test_what_failed_is_tried_anew(server, rehearsal, tag, stream):
    prompt = say(tag, tokens=4, pace=0, status=500, fail_times=1)
    with server.sdk(max_retries=2) as client:
        answer = client.responses.create(model="rehearsal", input=prompt, stream=stream, extra_headers=named(tag))
        last = list(answer)[-1].response if stream else answer
    assert last.status == "completed" and asked(rehearsal, tag) == 2


def test_keys_of_different_owners_are_different(tmp_path, start_server, tag):
    keys = Keys(tmp_path / "data")
    ada, bob = keys.create("ada"), keys.create("bob")
    server = start_server("--data", keys.directory)
    ids = []
    for key in (ada, bob):
        with server.http(headers={**bearer(key), **named(tag)}) as http:
            ids.append(http.post("/v1/responses", json=body(brief(tag))).json()["id"])
    assert ids[0] != ids[1]


def test_a_forgotten_response_is_said_to_be_gone(server, rehearsal, tag):
    with server.http(headers=named(tag)) as http:
        first = http.post("/v1/responses", json=body(brief(tag)))
        assert http.delete(f"/v1/sessions/{first.headers['interject-session']}").status_code == 200
        again = http.post("/v1/responses", json=body(brief(tag)))
    assert again.status_code == 410 and again.json()["error"]["code"] == "idempotent_result_expired"
    assert asked(rehearsal, tag) == 1


def test_the_key_is_bounded(server, tag):
    with server.http(headers={"Idempotency-Key": "k" * 256}) as http:
        assert http.post("/v1/responses", json=body(brief(tag))).json()["error"]["code"] == "invalid_idempotency_key"


def test_names_outlive_the_process(tmp_path, start_server, start_rehearsal, tag):
    """After a restart the name still stands for its command; an input that was taken is not taken again."""
    model = start_rehearsal()
    flags = ("--data", tmp_path / "data", "--upstream", f"{model.url}/v1")
    server = start_server(*flags)
    session = Session.create(server)
    with server.http(headers=named(tag)) as http:
        first = http.post(f"{session.path}/input", json={"input": brief(tag)}).json()
    session.wait_for_end_of(first["response_id"])
    server.popen.kill()
    server.popen.wait()
    server = start_server(*flags)
    with server.http(headers=named(tag)) as http:
        again = http.post(f"{session.path}/input", json={"input": brief(tag)})
        other = http.post(f"{session.path}/input", json={"input": brief(tag + "x")})
    assert again.status_code == 202 and again.json() == first and again.headers["idempotent-replayed"] == "true"
    assert other.status_code == 422
    assert asked(model.rehearsal, tag) == 1


def test_a_response_outlives_the_process_under_its_name(tmp_path, start_server, start_rehearsal, tag):
    model = start_rehearsal()
    flags = ("--data", tmp_path / "data", "--upstream", f"{model.url}/v1")
    server = start_server(*flags)
    with server.http(headers=named(tag)) as http:
        first = http.post("/v1/responses", json=body(brief(tag))).json()
    server.popen.kill()
    server.popen.wait()
    with start_server(*flags).http(headers=named(tag)) as http:
        again = http.post("/v1/responses", json=body(brief(tag)))
    assert again.status_code == 200 and again.headers["idempotent-replayed"] == "true" and again.json() == first
    assert asked(model.rehearsal, tag) == 1
