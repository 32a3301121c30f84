"""Limits of keys: the fields that OpenAI sends, refusals that SDKs wait off, quotas that come back when work ends."""

import re
import threading

import openai
import pytest

from keys import Keys, bearer
from rehearsal import brief, endless, eventually, say
from sessions import Session

GO_DURATION = re.compile(r"(\d+h\d+m|\d+m)?\d+(\.\d{1,3})?s|\d+ms")


@pytest.fixture
def keys(tmp_path):
    return Keys(tmp_path / "data")


def ask(http, prompt, **fields):
    return http.post("/v1/responses", json={"model": "rehearsal", "input": prompt, **fields})


def test_each_answer_says_what_is_left(keys, start_server, tag):
    key = keys.create(requests_per_minute=60, tokens_per_minute=6000)
    server = start_server("--data", keys.directory)
    with server.http(headers=bearer(key)) as http:
        first = ask(http, brief(tag)).headers
        assert (first["x-ratelimit-limit-requests"], first["x-ratelimit-remaining-requests"]) == ("60", "59")
        assert first["x-ratelimit-limit-tokens"] == "6000"
        for name in ("requests", "tokens"):
            assert GO_DURATION.fullmatch(first[f"x-ratelimit-reset-{name}"])
        limited = ask(http, brief(tag), max_output_tokens=3000).headers
        assert int(limited["x-ratelimit-remaining-tokens"]) < 3000, "what the answer may cost is taken before it begins"
        after = ask(http, brief(tag)).headers
        assert int(after["x-ratelimit-remaining-tokens"]) > 4000, "and what it did not cost is given back"
        assert "x-ratelimit-limit-requests" not in http.get("/v1/models").headers


def test_without_limits_nothing_is_said(server, tag):
    with server.http() as http:
        assert not [name for name in ask(http, brief(tag)).headers if name.startswith("x-ratelimit")]


def test_a_request_too_many_is_told_when_to_come_again(keys, start_server, tag):
    key, other = keys.create(requests_per_minute=2), keys.create("other")
    server = start_server("--data", keys.directory)
    with server.http(headers=bearer(key)) as http:
        assert [ask(http, brief(tag)).status_code for _ in range(2)] == [200, 200]
        refused = ask(http, brief(tag))
        assert refused.status_code == 429
        error = refused.json()["error"]
        assert (error["code"], error["type"]) == ("rate_limit_exceeded", "requests")
        assert "Limit 2, Used 2, Requested 1" in error["message"]
        assert 0 < int(refused.headers["retry-after-ms"]) <= 30_000
        assert 0 < int(refused.headers["retry-after"]) <= 30
        assert refused.headers["x-ratelimit-remaining-requests"] == "0"
        assert http.get("/v1/models").status_code == 200, "what begins no generation costs nothing"
    with server.http(headers=bearer(other)) as http:
        assert ask(http, brief(tag)).status_code == 200


def test_the_sdk_waits_and_succeeds(keys, start_server, tag):
    key = keys.create(requests_per_minute=60)
    server = start_server("--data", keys.directory)
    with server.sdk(api_key=key["secret"], max_retries=4) as client:
        for _ in range(62):
            assert client.responses.create(model="rehearsal-fast", input=say(tag, tokens=1, pace=0)).status == "completed"


def test_tokens_are_limited_by_what_answers_cost(keys, start_server, tag):
    key = keys.create(tokens_per_minute=300)
    server = start_server("--data", keys.directory)
    with server.sdk(api_key=key["secret"]) as client:
        assert client.responses.create(model="rehearsal", input=say(tag, tokens=500, pace=0)).status == "completed"
        with pytest.raises(openai.RateLimitError) as refused:
            client.responses.create(model="rehearsal", input=brief(tag))
        assert (refused.value.code, refused.value.type) == ("rate_limit_exceeded", "tokens")
        with pytest.raises(openai.RateLimitError) as refused:
            client.responses.create(model="rehearsal", input=brief(tag), max_output_tokens=301)
        assert "too large" in refused.value.message and "retry-after" not in refused.value.response.headers


def test_generations_at_a_time_are_limited_until_one_ends(keys, start_server, tag):
    key = keys.create(max_concurrent=2)
    server = start_server("--data", keys.directory)
    sessions = [Session.create(server, headers=bearer(key)) for _ in range(3)]
    for session in sessions[:2]:
        session.speak(endless(tag))
    refused = sessions[2].post_input(brief(tag))
    assert refused.status_code == 429 and refused.json()["error"]["code"] == "rate_limit_exceeded"
    sessions[0].post_cancel()
    eventually(lambda: sessions[2].post_input(brief(tag)).status_code == 202, "a place is free again")
    for session in sessions:
        session.close()


@pytest.mark.parametrize("flags, key_limits", [
    (("--max-concurrent", 1), {}), (("--max-concurrent", 9), {"max_concurrent": 1}), ((), {"max_concurrent": 1})])
def test_a_limit_of_the_key_itself_stands_before_the_servers(keys, start_server, tag, flags, key_limits):
    key = keys.create(**key_limits)
    server = start_server("--data", keys.directory, *flags)
    session, other = (Session.create(server, headers=bearer(key)) for _ in range(2))
    session.speak(endless(tag))
    assert other.post_input(brief(tag)).status_code == 429
    session.close()


def test_what_is_refused_costs_nothing(keys, start_server, tag):
    key = keys.create(requests_per_minute=2, max_concurrent=1)
    server = start_server("--data", keys.directory)
    with server.http(headers=bearer(key)) as http:
        for _ in range(4):
            assert ask(http, brief(tag), previous_response_id="resp_none").status_code == 400
            assert ask(http, brief(tag), interject={"session_id": "sess_none"}).status_code == 404
        assert ask(http, brief(tag)).status_code == 200


def test_a_steer_that_is_refused_counts_against_no_limit(keys, start_server, open_socket, tag):
    lanes = 32
    key = keys.create(max_concurrent=lanes + 2)
    server = start_server("--data", keys.directory)
    session, other, last = (Session.create(server, headers=bearer(key)) for _ in range(3))
    steered = session.speak(endless(tag))["response_id"]
    socket = open_socket(to=server, headers=bearer(key))
    for number in range(lanes):
        socket.create(endless(tag), stream_id=f"s{number}")
    for number in range(lanes):
        socket.wait_for_type("response.created", stream_id=f"s{number}")
    # There is no lane for what would answer it.
    for number in range(2):
        seen = len(socket.events)
        socket.send("response.steer", previous_response_id=steered, input="in verse", stream_id=f"steer{number}")
        error = socket.wait_for_type("error", seen)
        assert error["status"] == 429 and error["error"]["code"] == "websocket_stream_limit_reached"
    assert other.post_input(endless(tag)).status_code == 202
    assert last.post_input(endless(tag)).status_code == 429
    socket.close()
    for one in (session, other):
        one.close()


def test_a_websocket_is_held_to_the_same_limits(keys, start_server, open_socket, tag):
    key = keys.create(requests_per_minute=1)
    server = start_server("--data", keys.directory)
    socket = open_socket(to=server, headers=bearer(key))
    socket.create(brief(tag))
    socket.wait_for_type("response.completed")
    socket.create(brief(tag))
    error = socket.wait_for_type("error")
    assert error["status"] == 429 and error["error"]["code"] == "rate_limit_exceeded"


def test_concurrent_requests_never_exceed_the_budget(keys, start_server, tag):
    """Eight connections on two loops race for ten requests."""
    key = keys.create(requests_per_minute=10)
    server = start_server("--data", keys.directory, "--loops", 2)
    codes = []

    def run():
        with server.http(headers=bearer(key)) as http:
            codes.extend(ask(http, say(tag, tokens=1, pace=0)).status_code for _ in range(4))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(codes) == 32 and set(codes) == {200, 429}
    # The budget fills up meanwhile: one request in six seconds.
    assert 10 <= codes.count(200) <= 16
