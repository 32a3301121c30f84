"""What upstreams do wrong, and what becomes of it; and what we send to them."""

import socket
import time

import openai
import pytest

from rehearsal import endless, say
from scripted_upstream import WHOLE, ScriptedUpstream, chunk


def ask(client, prompt, **options):
    return client.responses.create(model=options.pop("model", "m"), input=prompt, **options)


def answer_of(start_server, pieces, **options):
    """The events that a client gets when an upstream sends these pieces."""
    with ScriptedUpstream(pieces, **options) as upstream:
        server = start_server("--upstream", f"{upstream.url}/v1")
        with server.sdk() as client:
            return list(ask(client, "hello", stream=True))


@pytest.fixture
def nobody_listens():
    """A port that is taken, so that nobody else takes it, and refuses."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/v1"


def test_an_upstream_that_refuses_is_a_bad_gateway(start_server, nobody_listens):
    with start_server("--upstream", nobody_listens).sdk() as client:
        with pytest.raises(openai.InternalServerError) as caught:
            ask(client, "hello")
        assert caught.value.status_code in (502, 503) and caught.value.message and caught.value.code
        with pytest.raises(openai.APIError):
            list(client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "hello"}], stream=True))


def test_the_key_does_not_leak_into_what_clients_see(start_server, nobody_listens):
    server = start_server("--upstream", nobody_listens, "--upstream-key", "sk-very-secret")
    with server.sdk() as client, pytest.raises(openai.APIStatusError) as caught:
        ask(client, "hello")
    assert "sk-very-secret" not in str(caught.value.response.text) and "sk-very-secret" not in server.log_tail(10_000)


@pytest.mark.parametrize("status, exception", [
    (401, openai.AuthenticationError), (403, openai.PermissionDeniedError), (429, openai.RateLimitError),
    (500, openai.InternalServerError), (503, openai.InternalServerError)])
def test_a_status_of_the_upstream_is_told(client, tag, status, exception):
    with pytest.raises(exception) as caught:
        ask(client, say(tag, status=status))
    assert caught.value.body["message"] and caught.value.body["type"]


@pytest.mark.parametrize("status", [401, 403, 404, 400])
def test_what_cannot_get_better_is_not_tried_again(client, rehearsal, tag, status):
    with pytest.raises(openai.APIStatusError):
        ask(client, say(tag, status=status))
    assert len(rehearsal.requests(tag)) == 1


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 503}, {"fail_after": 0}])
def test_one_retry_before_the_first_token_helps(client, rehearsal, tag, fault):
    response = ask(client, say(tag, tokens=5, pace=0, fail_times=1, **fault))
    assert response.status == "completed" and len(response.output_text.split()) == 5
    first, second = rehearsal.requests(tag)
    assert first["state"] != "completed" and second["state"] == "completed"


@pytest.mark.parametrize("fault", ["fail_after", "error_after", "end_after", "garbage_after"])
def test_after_the_first_token_there_is_no_retry(client, rehearsal, tag, fault):
    *_, last = ask(client, say(tag, tokens=20, fail_times=1, **{fault: 3}), stream=True)
    assert last.type == "response.failed"
    assert len(rehearsal.requests(tag)) == 1


def test_an_upstream_that_stalls_is_given_up(start_server, tag):
    server = start_server("--first-byte-timeout", 1)
    with server.sdk() as client:
        with pytest.raises(openai.APIStatusError) as caught:
            ask(client, endless(f"{tag}a", first_token_ms=60_000))
        assert caught.value.status_code in (502, 503, 504)
        events = list(ask(client, say(f"{tag}b", tokens=50, stall_after=4), stream=True))
    assert [e.type for e in events[-2:]] == ["error", "response.failed"]
    assert len(events[-1].response.output_text.split()) == 4
    assert server.rehearsal.wait_for(f"{tag}b", lambda r: r["state"] != "active")["state"] == "aborted"


def test_a_slow_upstream_is_no_stall(start_server, tag):
    """The timeout is for silence, not for length."""
    server = start_server("--first-byte-timeout", 1)
    with server.sdk() as client:
        started = time.monotonic()
        response = ask(client, say(tag, tokens=12, pace=5))
    assert response.status == "completed" and time.monotonic() - started > 1


@pytest.mark.parametrize("pieces", [
    [chunk("Hello"), b"data: {\n\n", b"data: [DONE]\n\n"],
    [chunk("Hello"), b"data: [1,2]\n\n", b"data: [DONE]\n\n"],
    [chunk("Hello"), b'data: {"choices":"none"}\n\n', b"data: [DONE]\n\n"],
    [chunk("Hello"), b'data: {"choices":[{"delta":{"content":7}}]}\n\n', b"data: [DONE]\n\n"],
    [chunk("Hello"), b'data: "\xff\xfe"\n\n', b"data: [DONE]\n\n"],
    [chunk("Hello"), chunk(" you")[:-1]],
], ids=["half", "array", "no_choices", "wrong_type", "no_utf8", "unfinished"])
def test_malformed_events_end_as_failed(start_server, pieces):
    events = answer_of(start_server, pieces)
    assert [e.type for e in events[-2:]] == ["error", "response.failed"]


def test_an_answer_that_is_no_stream_is_an_error(start_server):
    with ScriptedUpstream([b"<html>It works!</html>"], content_type="text/html") as upstream:
        with start_server("--upstream", f"{upstream.url}/v1").sdk() as client:
            with pytest.raises(openai.APIStatusError) as caught:
                ask(client, "hello")
    assert caught.value.status_code == 502


@pytest.mark.parametrize("pieces", [
    [bytes([byte]) for byte in b"".join(WHOLE)],
    [b"".join(WHOLE)],
    [b": comment\n\n", *WHOLE],
    [piece.replace(b"\n", b"\r\n") for piece in WHOLE],
    [piece.replace(b"data: ", b"event: x\nid: 1\ndata:") for piece in WHOLE],
], ids=["bytewise", "at_once", "comments", "crlf", "named"])
def test_every_legal_stream_is_understood(start_server, pieces):
    last = answer_of(start_server, pieces)[-1]
    assert last.type == "response.completed" and last.response.output_text == "Hello there"


def test_the_key_goes_to_the_upstream_and_the_clients_key_does_not(start_server):
    with ScriptedUpstream() as upstream:
        server = start_server("--upstream", f"{upstream.url}/v1", "--upstream-key", "sk-upstream")
        with server.sdk(api_key="sk-of-the-client") as client:
            ask(client, "hello")
        assert upstream.requests[-1][0] == "/v1/chat/completions"
        assert upstream.header("Authorization") == "Bearer sk-upstream"
        assert "sk-of-the-client" not in str(upstream.requests[-1])
        assert upstream.requests[-1][2]["stream"] is True


def test_parameters_that_we_do_not_know_are_passed_on(start_server):
    with ScriptedUpstream() as upstream:
        with start_server("--upstream", f"{upstream.url}/v1").sdk() as client:
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}], temperature=0.25,
                                           seed=3, stop=["END"], extra_body={"top_k": 40, "nested": {"a": [1, None]}})
        body = upstream.requests[-1][2]
    assert (body["temperature"], body["seed"], body["stop"], body["top_k"]) == (0.25, 3, ["END"], 40)
    assert body["nested"] == {"a": [1, None]}


def test_a_public_name_is_mapped_to_the_upstreams_model(start_server, start_rehearsal, tag):
    upstream = start_rehearsal()
    server = start_server("--upstream", f"{upstream.url}/v1", "--map-model", "gpt-4o=rehearsal-fast")
    with server.sdk() as client:
        assert ask(client, say(f"{tag}a", tokens=2), model="gpt-4o").model == "gpt-4o"
        ask(client, say(f"{tag}b", tokens=2), model="rehearsal")
        assert "gpt-4o" in [model.id for model in client.models.list()]
    assert upstream.rehearsal.wait_for(f"{tag}a")["model"] == "rehearsal-fast"
    assert upstream.rehearsal.wait_for(f"{tag}b")["model"] == "rehearsal"


class TestAnthropicMessages:
    """The second dialect, end to end."""

    @pytest.fixture
    def upstream(self, start_rehearsal):
        return start_rehearsal()

    @pytest.fixture
    def client(self, start_server, upstream):
        with start_server("--upstream", f"anthropic+{upstream.url}").sdk() as client:
            yield client

    def test_an_answer(self, client, upstream, tag):
        response = ask(client, say(tag, tokens=7, pace=0), instructions="Be brief.")
        assert response.status == "completed" and len(response.output_text.split()) == 7
        assert response.usage.output_tokens == 7
        seen = upstream.rehearsal.wait_for_state(tag, "completed")
        assert "anthropic" in seen["dialect"] or "messages" in seen["dialect"]

    def test_a_tool_call(self, client, tag, lookup_tool):
        call = ask(client, say(tag, tool="lookup"), tools=[lookup_tool]).output[-1]
        assert (call.type, call.name) == ("function_call", "lookup") and "rehearsal" in call.arguments

    def test_a_stop(self, client, upstream, tag):
        stream = ask(client, endless(tag), stream=True)
        next(e for e in stream if e.type == "response.output_text.delta")
        stream.close()
        upstream.rehearsal.wait_for_state(tag, "aborted")

    @pytest.mark.parametrize("fault", ["fail_after", "error_after", "end_after", "garbage_after"])
    def test_a_stream_that_breaks(self, client, tag, fault):
        events = list(ask(client, say(tag, tokens=20, **{fault: 3}), stream=True))
        assert [e.type for e in events[-2:]] == ["error", "response.failed"]
        assert len(events[-1].response.output_text.split()) == 3

    def test_the_key_and_the_version_are_sent(self, start_server):
        with ScriptedUpstream(status=401, content_type="application/json", pieces=[
                b'{"type":"error","error":{"type":"authentication_error","message":"no"}}']) as upstream:
            server = start_server("--upstream", f"anthropic+{upstream.url}", "--upstream-key", "sk-ant")
            with server.sdk() as client, pytest.raises(openai.AuthenticationError):
                ask(client, "hello")
            assert upstream.requests[-1][0] == "/v1/messages"
            assert upstream.header("x-api-key") == "sk-ant" and upstream.header("anthropic-version") == "2023-06-01"
