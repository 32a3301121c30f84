"""What an upstream says instead of an answer reaches the client: its words, its status, and each once."""

import email.utils
import json
import time

import openai
import pytest

from answering_upstream import OK, AnsweringUpstream, Reply, stream
from patience import PATIENCE
from scripted_upstream import WHOLE, chunk
from sockets import Socket

MESSAGES = [{"role": "user", "content": "hello"}]
ROLE = b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n'
FACES = ["chat", "chat_stream", "responses", "responses_stream"]


def data(value, head=b"data: ") -> bytes:
    return head + json.dumps(value).encode() + b"\n\n"


@pytest.fixture(scope="module")
def server(upstream, tmp_path_factory):
    from processes import InterjectProcess

    with InterjectProcess(tmp_path_factory.mktemp("errors"), "--upstream", f"{upstream.url}/v1", "--upstream-key", "sk-our-secret-key") as server:
        yield server


def ask(server, model, face="chat_stream", **members):
    """The HTTP answer, whole."""
    stream = face.endswith("stream")
    with server.http() as http:
        if face.startswith("chat"):
            return http.post("/v1/chat/completions", json={"model": model, "messages": MESSAGES, "stream": stream, **members})
        return http.post("/v1/responses", json={"model": model, "input": "hello", "stream": stream, **members})


ERROR = {"code": 400, "message": "the request exceeds the available context size", "type": "invalid_request_error"}
LIMIT = {"error": {"message": "slow down, please", "code": "insufficient_quota"}}

# A success by its status, an error by what it says: the words, and the status that the client gets.
TOLD = {
    "error_field": (stream(data(ERROR, b"error: "), b"data: [DONE]\n\n"), 400, "available context size"),
    "error_event": (stream(b"event: error\n" + data(ERROR)), 400, "available context size"),
    "error_event_of_words": (stream(b"event: error\ndata: out of memory\n\n"), 502, "out of memory"),
    "in_the_choice": (
        stream(ROLE, data({"choices": [{"index": 0, "delta": {"content": ""}, "error": {"code": 503, "message": "no provider"}}]})),
        502, "no provider"),
    "without_choices": (stream(data({"choices": [], "error": {"code": 400, "message": "prompt is too long"}})), 400, "prompt is too long"),
    "flat_object": (stream(data({"object": "error", "message": "bad tokens", "type": "BadRequestError", "code": 400})), 400, "bad tokens"),
    "flat_code": (stream(data({"code": "429", "message": "too fast for us"})), 429, "too fast for us"),
    "flat_status": (stream(data({"status": "error", "message": "gave up"})), 502, "gave up"),
    "flat_detail": (stream(data({"detail": "not today"})), 502, "not today"),
    "flat_msg": (stream(data({"code": 1001, "msg": "wrong parameter"})), 502, "wrong parameter"),
    "behind_a_role": (stream(ROLE, data({"error": {"message": "boom", "code": 400}})), 400, "boom"),
    "without_an_empty_line": (stream(b'data: {"error":{"message":"cut short","code":400}}'), 400, "cut short"),
    "bare_json_in_a_stream": (stream(ROLE, b'{"error":{"message":"bare","code":400}}\n\n'), 400, "bare"),
    "json_as_a_stream": (Reply(LIMIT, type="text/event-stream"), 429, "slow down, please"),
    "json_behind_a_heartbeat": (stream(b": hello\n\n", b"\r\n: still there\n\n", json.dumps(LIMIT).encode()), 429, "slow down, please"),
    "json_behind_a_mark": (Reply(b"\xef\xbb\xbf \n" + json.dumps(LIMIT).encode(), type="text/event-stream"), 429, "slow down, please"),
    "json_without_a_type": (Reply(LIMIT, type=None), 429, "slow down, please"),
    "json_flat": (Reply({"detail": [{"loc": ["body", "x"], "msg": "Field required"}]}), 502, "x: Field required"),
    "json_list": (Reply([{"error": {"code": 400, "message": "no signature", "status": "INVALID_ARGUMENT"}}]), 400, "no signature"),
    "page": (Reply("<html><title>Sign in</title><body><p>Who are you?</p></body></html>", type="text/html"), 502, "Sign in: Who are you?"),
    "words": (Reply("upstream connect error", type="text/plain"), 502, "upstream connect error"),
    "words_as_a_stream": (Reply("Internal Server Error", type="text/event-stream"), 502, "Internal Server Error"),
}


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("name", TOLD)
def test_an_error_in_the_place_of_an_answer_has_its_status_and_its_words(server, upstream, name, face):
    reply, status, words = TOLD[name]
    model = f"told_{name}_{face}"
    upstream.replies[model] = reply
    answer = ask(server, model, face)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["error"]["message"]
    # What may be better the next time is asked again, once; what cannot is not.
    assert len(upstream.asked(model)) <= (2 if status == 502 else 1) + (name == "flat_code")


@pytest.mark.parametrize("name, reply", {
    "stream_as_json": Reply(WHOLE, type="application/json"),
    "stream_as_json_behind_a_heartbeat": Reply([b": hi\n\n", *WHOLE], type="application/json"),
    "stream_without_a_type": Reply(WHOLE, type=None),
    "stream_as_text": Reply(WHOLE, type="text/plain"),
    "named_events": Reply([piece.replace(b"data:", b"event: x\ndata:") for piece in WHOLE], type="application/json"),
    "byte_by_byte": Reply([bytes([byte]) for byte in b": hi\n\n" + b"".join(WHOLE)], type="application/json"),
    "whole_as_a_stream": Reply(
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello there"}, "finish_reason": "stop"}]},
        type="text/event-stream"),
}.items())
def test_a_wrong_label_hides_no_answer(server, upstream, name, reply):
    upstream.replies[name] = reply
    answer = ask(server, name, "chat")
    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"][0]["message"]["content"] == "Hello there"


REFUSED = {
    402: ({"error": {"message": "Insufficient credits", "code": 402}}, 402, "payment_required"),
    403: ({"error": {"message": "your input was flagged", "code": 403, "metadata": {"reasons": ["x"]}}}, 403, "content_policy_violation"),
    405: ({"detail": "Method Not Allowed"}, 405, "upstream_refused"),
    410: ({"message": "this model was retired"}, 410, "upstream_refused"),
    451: ("Unavailable in your country", 451, "upstream_refused"),
    418: ({"error": "short and stout"}, 418, "upstream_refused"),
}


@pytest.mark.parametrize("status", REFUSED)
def test_a_refusal_is_the_clients_with_the_upstreams_words(server, upstream, status):
    body, told, code = REFUSED[status]
    model = f"refused_{status}"
    upstream.replies[model] = Reply(body, status=status)
    answer = ask(server, model)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (told, code) and len(upstream.asked(model)) == 1
    words = body if isinstance(body, str) else next(iter(body.values()))
    assert (words if isinstance(words, str) else words["message"]) in error["message"]


@pytest.mark.parametrize("status, body, falls_over", [
    (402, {"error": {"message": "Insufficient credits"}}, True),
    (400, {"error": {"message": "Your credit balance is too low"}}, True),
    (403, {"error": {"code": "unsupported_country_region_territory", "message": "not there"}}, True),
    (403, {"error": {"message": "your input was flagged by moderation"}}, False),
    (410, {"error": {"message": "gone"}}, True),
    (400, {"error": {"message": "no such field"}}, False),
])
def test_a_second_upstream_is_asked_where_that_can_help(start_server, status, body, falls_over):
    with AnsweringUpstream() as first, AnsweringUpstream() as second:
        first.replies["m"] = Reply(body, status=status)
        server = start_server("--upstream", f"{first.url}/v1", "--upstream", f"{second.url}/v1")
        answer = ask(server, "m", "chat")
        assert answer.status_code == (200 if falls_over else status), answer.text
        assert (len(first.bodies), len(second.bodies)) == (1, int(falls_over))


@pytest.mark.parametrize("face", FACES)
def test_the_param_is_kept(server, upstream, face):
    upstream.replies["param"] = Reply({"error": {"message": "too long", "param": "messages", "code": "too_long"}}, status=400)
    error = ask(server, "param", face).json()["error"]
    assert (error["param"], error["code"], error["message"]) == ("messages", "too_long", "too long")


def test_the_param_is_kept_over_a_websocket(server, upstream):
    upstream.replies["param_ws"] = Reply({"error": {"message": "too long", "param": "messages"}}, status=400)
    socket = Socket(server)
    socket.create("hello", model="param_ws")
    error = socket.wait_for(lambda event: event["type"] == "error", "the error")
    socket.close()
    assert error["param"] == "messages" and error["message"] == "too long"


def test_a_key_in_the_words_is_taken_out(server, upstream):
    upstream.replies["quoting"] = Reply({"error": {"message": "the key sk-our-secret-key or sk-ou***key is bad"}}, status=400)
    text = ask(server, "quoting").text
    assert "[key]" in text and "secret" not in text and "sk-ou" not in text


# Again, and when


@pytest.mark.parametrize("reply", [
    Reply({"error": {"message": "boom"}}, status=500), Reply({"error": {"message": "slow"}}, status=429, fields={"Retry-After": "0"}),
    stream(ROLE, b"data: [DONE]\n\n"),
], ids=["500", "429", "truncated"])
def test_one_call_makes_two_upstream_calls_however_often_the_sdk_would(server, upstream, reply):
    model = f"again_{id(reply)}"
    upstream.replies[model] = reply
    with server.sdk(max_retries=2) as client, pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model=model, messages=MESSAGES)
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert len(upstream.asked(model)) == 2


def test_a_time_to_come_back_at_is_passed_on_and_kept_to(server, upstream):
    def busy(_):
        at = email.utils.formatdate(time.time() + 40, usegmt=True)
        return Reply({"error": {"message": "slow"}}, status=429, fields={"Retry-After": at, "Date": email.utils.formatdate(usegmt=True)})

    upstream.replies["dated"] = busy
    answer = ask(server, "dated")
    assert answer.status_code == 429 and 37 <= int(answer.headers["retry-after"]) <= 41
    assert "x-should-retry" not in answer.headers and len(upstream.asked("dated")) == 1


@pytest.mark.parametrize("fields, least, most", [
    ({"Retry-After": "1e300"}, 86_400, 10**9), ({"Retry-After": "9" * 40}, 86_400, 10**9), ({"retry-after-ms": "1e300"}, 86_400, 10**9),
    ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}, 86_400, 10**9),
    ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 355, 360),
    ({"x-ratelimit-reset": str(int(time.time() * 1000) + 10**7)}, 5_000, 10_001),
], ids=["huge", "digits", "milliseconds", "year_9999", "openai", "epoch"])
@pytest.mark.parametrize("status", [429, 503])
def test_whatever_time_is_named_the_server_lives(server, upstream, fields, least, most, status):
    if status == 503 and "x-ratelimit" in next(iter(fields)):
        pytest.skip("a rate limit says nothing of a failure")
    model = f"named_{status}_{next(iter(fields))}_{next(iter(fields.values()))}"[:60]
    upstream.replies[model] = Reply({"error": {"message": "slow"}}, status=status, fields=fields)
    answer = ask(server, model)
    assert least <= int(answer.headers["retry-after"]) <= most and len(upstream.asked(model)) == 1
    assert server.popen.poll() is None


# What we add ourselves


def refusing(*names, words="Unrecognized request argument supplied: {}"):
    def reply(body):
        for name in names:
            if name in body:
                return Reply({"error": {"message": words.format(name), "type": "invalid_request_error"}}, status=400)
        return OK
    return reply


@pytest.mark.parametrize("face", ["chat", "responses"])
def test_an_upstream_that_refuses_stream_options_is_asked_without(server, upstream, face):
    model = f"no_options_{face}"
    upstream.replies[model] = refusing("stream_options")
    for asked in (2, 3):
        assert ask(server, model, face).status_code == 200
        assert len(upstream.asked(model)) == asked, "it is remembered"
    assert "stream_options" in upstream.asked(model)[0] and "stream_options" not in upstream.asked(model)[1]


@pytest.mark.parametrize("words", [
    "Unsupported parameter: '{}' is not supported with this model. Use 'max_completion_tokens' instead.",
    "{}: Extra inputs are not permitted"])
def test_an_upstream_gets_the_limit_under_the_name_that_it_knows(server, upstream, words):
    model = f"other_name_{len(words)}"
    upstream.replies[model] = refusing("max_tokens", words=words)
    assert ask(server, model, "responses", max_output_tokens=7).status_code == 200
    first, second = upstream.asked(model)
    assert first["max_tokens"] == 7 and second["max_completion_tokens"] == 7 and "max_tokens" not in second


def test_the_limits_name_is_changed_in_the_other_direction_too(server, upstream):
    model = "old_name"
    upstream.replies[model] = lambda body: Reply(
        {"detail": [{"type": "extra_forbidden", "loc": ["body", "max_completion_tokens"], "msg": "Extra inputs are not permitted"}]},
        status=422) if "max_completion_tokens" in body else OK
    assert ask(server, model, "chat", max_completion_tokens=7).status_code == 200
    assert upstream.asked(model)[-1]["max_tokens"] == 7


def test_an_upstream_that_refuses_all_of_it_is_not_asked_for_ever(server, upstream):
    upstream.replies["all"] = refusing("stream_options", "max_tokens", "max_completion_tokens")
    answer = ask(server, "all", "responses", max_output_tokens=7)
    assert answer.status_code == 400 and len(upstream.asked("all")) == 3


def test_a_limit_that_is_too_high_is_the_clients_fault(server, upstream):
    upstream.replies["high"] = Reply({"error": {"message": "max_tokens is too large: 7"}}, status=400)
    assert ask(server, "high", "responses", max_output_tokens=7).status_code == 400
    assert len(upstream.asked("high")) == 1


# The silence


@pytest.mark.parametrize("piece", [
    b": keep-alive\n\n", b"data:\n\n", b'data: {"choices":[{"index":0,"delta":{"content":""},"finish_reason":null}]}\n\n',
    b"event: ping\ndata: {}\n\n",
], ids=["comments", "empty_data", "empty_deltas", "pings"])
@pytest.mark.parametrize("said", [[], [chunk("Hello")]], ids=["before_the_first_word", "after_it"])
def test_what_only_keeps_the_connection_alive_is_silence(start_server, piece, said):
    with AnsweringUpstream() as upstream:
        upstream.replies["m"] = stream(*said, *[piece] * 200, pause_s=0.1)
        server = start_server("--upstream", f"{upstream.url}/v1", "--first-byte-timeout", 1)
        began = time.monotonic()
        answer = ask(server, "m", "responses")
        assert time.monotonic() - began < 10 * PATIENCE
        body = answer.json()
        assert answer.status_code == 504 and body["error"]["code"] == "upstream_timeout", body


@pytest.mark.parametrize("piece", [b": keep-alive\n\n", b"event: ping\ndata: {}\n\n"], ids=["comments", "pings"])
def test_an_answer_whose_reason_came_ends_although_the_stream_does_not(start_server, piece):
    with AnsweringUpstream() as upstream:
        upstream.replies["m"] = stream(chunk("Hello"), chunk("", "stop"), *[piece] * 300, pause_s=0.1)
        server = start_server("--upstream", f"{upstream.url}/v1", "--first-byte-timeout", 1)
        began = time.monotonic()
        body = ask(server, "m", "responses").json()
        assert time.monotonic() - began < 10 * PATIENCE
        assert body["status"] == "completed" and body["output"][0]["content"][0]["text"] == "Hello", body
