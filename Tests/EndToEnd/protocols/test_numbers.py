"""No number from outside ends the process: the extremes through every place where one enters, client, upstream and runner first."""

import json

import pytest

from extremes import NO_JSON, TEXTS, VALUES, lives
from faulty_upstream import FaultyUpstream
from keys import Keys, bearer
from raw_http import RawConnection
from runner import DONE, InBackground, Lease, text
from scripted_upstream import ScriptedUpstream
from sessions import Session

LIMITS = ("--tokens-per-minute", "1000", "--requests-per-minute", "100000")


@pytest.fixture
def key(tmp_path):
    keys = Keys(tmp_path / "data")
    return keys.directory, bearer(keys.create())


def filled(body, value: str) -> bytes:
    """The body with the value, as it stands, in the place of "@"."""
    return json.dumps(body).replace('"@"', value).encode()


# --- runners


def test_a_runner_may_report_any_number_of_tokens(key, start_server):
    directory, headers = key
    server = start_server("--data", directory, "--tokens-per-minute", "10", "--requests-per-minute", "100000")
    with server.http(headers=headers) as http:
        for value in VALUES:
            # Each debt is waited off, so each has a key's budget for itself: a session of another name would share it.
            begun = http.post("/v1/responses", json={"model": "external/n", "input": "x", "background": True})
            if begun.status_code == 429:
                assert int(begun.headers["retry-after"]) <= 3700, begun.text
                assert int(begun.headers["retry-after-ms"]) <= 3_700_000
                break
            work = http.get("/v1/runner/work", params={"model": "external/n", "wait": 10})
            lease = Lease(http, work.json())
            for name in ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens"):
                body = filled({"lease_id": lease.id, "seq": 1, "events": [{"type": "usage", name: "@"}]}, value)
                answer = http.post(f"/v1/responses/{lease.response_id}/events", content=body)
                assert answer.status_code in (200, 400, 409), answer.text
            lease.number = 1
            assert lease.post(DONE).status_code in (200, 409)
            lives(server, f"a runner's usage of {value}")
        else:
            pytest.fail("no report was counted")


def test_a_runners_numbers_are_taken_or_refused(server, tag):
    session = Session.create(server, model=f"external/{tag}")
    with server.http() as http:
        for value in VALUES:
            response_id = session.speak("x")["response_id"]
            lease = Lease(http, http.get("/v1/runner/work", params={"model": f"external/{tag}", "wait": 10}).json())
            for body in ({"lease_id": lease.id, "seq": "@", "events": [text("a")]}, {"lease_id": "@", "seq": 1, "events": []},
                         {"lease_id": lease.id, "seq": 1, "events": "@"},
                         {"lease_id": lease.id, "seq": 1, "events": [{"type": "text", "text": "@"}]},
                         {"lease_id": lease.id, "seq": 1, "events": [
                             {"type": "step", "step": {"id": "s", "kind": "tool", "detail": {"n": "@"}, "title": "@"}}]}):
                answer = http.post(f"/v1/responses/{response_id}/events", content=filled(body, value))
                assert answer.status_code in (200, 400, 409), f"{body} with {value}: {answer.status_code} {answer.text}"
            http.post(f"/v1/responses/{response_id}/cancel")
            lives(server, f"a runner's {value}")
    session.close()


# --- upstreams


@pytest.mark.parametrize("field", ["Retry-After", "retry-after-ms", "x-ratelimit-reset-requests", "x-ratelimit-remaining-tokens"])
def test_an_upstream_may_ask_for_any_pause(start_server, field):
    upstream = FaultyUpstream(429)
    send_header = {}

    def answer(handler):
        handler.send_response(429)
        for name, value in send_header.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "2")
        handler.end_headers()
        handler.wfile.write(b"{}")
        upstream.ends(handler)

    upstream.answer = answer
    server = start_server("--upstream", f"{upstream.url}/v1")
    try:
        with server.http() as http:
            for value in [v for v in TEXTS if v.isascii()]:
                send_header.clear()
                send_header[field] = value.strip()
                refused = http.post("/v1/chat/completions", json={"model": "m", "messages": [{"role": "user", "content": "x"}]})
                assert refused.status_code in (429, 502, 503), f"{field}: {value}: {refused.status_code}"
                for told in ("retry-after", "retry-after-ms"):
                    assert refused.headers.get(told, "0").isdigit(), refused.headers
                lives(server, f"{field}: {value}")
    finally:
        upstream.close()


CHUNKS = {
    "usage": {"choices": [], "usage": {"prompt_tokens": "@", "completion_tokens": "@", "total_tokens": "@"}},
    "details": {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "prompt_tokens_details": {
        "cached_tokens": "@"}, "completion_tokens_details": {"reasoning_tokens": "@"}}},
    "index": {"choices": [{"index": "@", "delta": {"content": "a"}, "finish_reason": None}]},
    "created": {"created": "@", "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": None}]},
    "tool index": {"choices": [{"index": 0, "delta": {"tool_calls": [
        {"index": "@", "id": "c", "function": {"name": "lookup", "arguments": "{}"}}]}, "finish_reason": None}]},
    "content": {"choices": [{"index": 0, "delta": {"content": "@"}, "finish_reason": None}]},
    "error code": {"error": {"code": "@", "message": "no", "status": "@"}},
}
END = [b'data: {"choices":[{"index":0,"delta":{"content":"b"},"finish_reason":"stop"}]}\n\n', b"data: [DONE]\n\n"]


@pytest.mark.parametrize("name", CHUNKS)
def test_an_upstream_may_tell_any_number(key, start_server, name):
    directory, headers = key
    pieces = []
    with ScriptedUpstream(pieces) as upstream:
        server = start_server("--upstream", f"{upstream.url}/v1 tokens_per_minute=1000000000", "--data", directory, *LIMITS)
        with server.http(headers=headers) as http:
            for value in VALUES + NO_JSON:
                pieces[:] = [b"data: " + filled(CHUNKS[name], value) + b"\n\n", *END]
                for path, body in (("/v1/responses", {"model": "m", "input": "x"}),
                                   ("/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "x"}]})):
                    answer = http.post(path, json=body)
                    assert answer.status_code < 600 and answer.json(), f"{name}: {value}: {answer.text}"
                lives(server, f"an upstream's {name} of {value}")
            assert http.get("/v1/usage").status_code == 200


ANTHROPIC = {
    "start": {"type": "message_start", "message": {"usage": {
        "input_tokens": "@", "cache_read_input_tokens": "@", "cache_creation_input_tokens": "@", "output_tokens": "@"}}},
    "delta": {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": "@", "input_tokens": "@"}},
    "index": {"type": "content_block_delta", "index": "@", "delta": {"type": "text_delta", "text": "a"}},
    "block": {"type": "content_block_start", "index": "@", "content_block": {"type": "tool_use", "id": "t", "name": "lookup"}},
    "stop": {"type": "content_block_stop", "index": "@"},
}
ANTHROPIC_END = [
    b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"b"}}\n\n',
    b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}}\n\n',
    b'data: {"type":"message_stop"}\n\n']


@pytest.mark.parametrize("name", ANTHROPIC)
def test_an_upstream_of_messages_may_tell_any_number(key, start_server, name):
    directory, headers = key
    pieces = []
    with ScriptedUpstream(pieces) as upstream:
        server = start_server("--upstream", f"anthropic+{upstream.url}", "--data", directory, *LIMITS)
        with server.http(headers=headers) as http:
            for value in VALUES + NO_JSON:
                pieces[:] = [b"data: " + filled(ANTHROPIC[name], value) + b"\n\n", *ANTHROPIC_END]
                answer = http.post("/v1/responses", json={"model": "m", "input": "x"})
                assert answer.status_code < 600 and answer.json(), f"{name}: {value}: {answer.text}"
                lives(server, f"an upstream's {name} of {value}")


# --- clients: members of bodies

SCHEMA = {"type": "object", "minProperties": "@", "maxProperties": "@", "properties": {"a": {
    "minimum": "@", "maximum": "@", "exclusiveMinimum": "@", "exclusiveMaximum": "@", "multipleOf": "@", "enum": ["@"]},
    "b": {"minLength": "@", "maxLength": "@", "pattern": "@"},
    "c": {"minItems": "@", "maxItems": "@", "minContains": "@", "maxContains": "@", "contains": True}}}
CHAT = {"model": "rehearsal-fast", "messages": [{"role": "user", "content": "[[rehearsal tokens=1]]"}]}
RESPONSE = {"model": "rehearsal-fast", "input": "[[rehearsal tokens=1]]"}


def each(base: dict, **members):
    """One body for each member, with an extreme for its value; `a__b` is `a: {b: …}`."""
    for name, value in members.items():
        *outer, last = name.split("__")
        inner = {last: value}
        for step in reversed(outer):
            inner = {step: inner}
        yield {**base, **inner}


def one_by_one(schema):
    """The schema with each of its numbers alone."""
    for keyword, value in schema.items():
        if keyword == "properties":
            for name, part in value.items():
                for alone in one_by_one(part):
                    yield {"type": "object", "properties": {name: alone}}
        elif value == "@" or value == ["@"]:
            yield {keyword: value}


BODIES = {
    "responses": ("/v1/responses", [*each(
        RESPONSE, temperature="@", top_p="@", max_output_tokens="@", max_tool_calls="@", top_logprobs="@", metadata__n="@",
        background="@", store="@", stream="@", model="@", input="@", instructions="@", previous_response_id="@", truncation="@",
        service_tier="@", reasoning__effort="@", stream_options__include_usage="@", interject__mode="@", interject__disconnect="@",
        interject__session_id="@", tools="@", tool_choice="@", text__verbosity="@", user="@", conversation="@", include="@"),
        *({**RESPONSE, "text": {"format": {"type": "json_schema", "name": "n", "schema": part}}} for part in one_by_one(SCHEMA)),
        {**RESPONSE, "tools": [{"type": "function", "name": "f", "parameters": {"minimum": "@"}}]},
        {**RESPONSE, "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "@"}]}]},
        {**RESPONSE, "input": [{"type": "function_call_output", "call_id": "@", "output": "@"}]}]),
    "chat": ("/v1/chat/completions", [*each(
        CHAT, n="@", max_tokens="@", max_completion_tokens="@", temperature="@", top_p="@", presence_penalty="@",
        frequency_penalty="@", logit_bias__50256="@", seed="@", top_logprobs="@", logprobs="@", stop="@", stream="@", store="@",
        metadata__n="@", stream_options__include_usage="@", model="@", messages="@", tools="@", tool_choice="@", user="@",
        parallel_tool_calls="@", response_format="@", thinking__budget_tokens="@"),
        *({**CHAT, "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": part}}}
          for part in one_by_one(SCHEMA))]),
    "sessions": ("/v1/sessions", [*each(
        {"model": "rehearsal"}, temperature="@", max_output_tokens="@", metadata__n="@", instructions="@", mode="@",
        disconnect="@", model="@")]),
    "input": ("/v1/sessions/{session}/input", [*each(
        {"input": "[[rehearsal tokens=1]]"}, input="@", mode="@", name="@", client_event_id="@", max_output_tokens="@",
        response__max_output_tokens="@", response__temperature="@")]),
    "input_tokens": ("/v1/responses/input_tokens", [*each(RESPONSE, input="@", instructions="@", model="@")]),
    "conversations": ("/v1/conversations", [*each({}, metadata__n="@", items="@")]),
    "stream_tickets": ("/v1/stream_tickets", [*each({"session_id": "{session}"}, expires_in="@", session_id="@")]),
    "client_tokens": ("/v1/client_tokens", [*each({}, expires_in="@", session_id="@", scopes="@")]),
    "batches": ("/v1/batches", [*each(
        {"input_file_id": "file-x", "endpoint": "/v1/responses", "completion_window": "24h"}, completion_window="@",
        input_file_id="@", endpoint="@", metadata__n="@", output_expires_after__seconds="@")]),
    "webhooks": ("/v1/webhooks", [*each(
        {"name": "n", "url": "http://127.0.0.1:9/", "event_types": ["response.completed"]}, name="@", url="@", event_types="@")]),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_client_may_send_any_number(key, start_server, name):
    directory, headers = key
    server = start_server("--data", directory, "--tokens-per-minute", "1000000000000", "--requests-per-minute", "1000000")
    path, bodies = BODIES[name]
    with server.http(headers=headers) as http:
        session = http.post("/v1/sessions", json={"model": "rehearsal"}).json()["id"]
        for body in bodies:
            for value in VALUES + NO_JSON[:2]:
                sent = filled(body, value).replace(b"{session}", session.encode())
                answer = http.post(path.replace("{session}", session), content=sent, headers={"Content-Type": "application/json"})
                assert answer.status_code < 600 and answer.status_code != 500, f"{sent[:300]}: {answer.status_code} {answer.text}"
                assert server.popen.poll() is None, f"the process ended with {server.popen.poll()} after {sent[:300]}"
        lives(server, name)


# --- clients: query parameters and header fields

QUERIES = [
    "/v1/responses/{response}?wait=@", "/v1/responses/{response}?stream=true&starting_after=@",
    "/v1/responses/{response}/input_items?limit=@", "/v1/responses/{response}/input_items?after=@",
    "/v1/sessions?limit=@", "/v1/sessions?after=@", "/v1/sessions/{session}?wait=@", "/v1/sessions/{session}/events?limit=@",
    "/v1/sessions/{session}/events?starting_after=@", "/v1/sessions/{session}/events?last_event_id=@",
    "/v1/sessions/{session}/events?wait=@&starting_after=9", "/v1/usage?start_time=@", "/v1/usage?end_time=@", "/v1/usage?page=@",
    "/v1/usage?limit=@", "/v1/usage?start_time=@&end_time=@&limit=@&page=@&bucket_width=1h", "/v1/files?limit=@", "/v1/files?after=@",
    "/v1/batches?limit=@", "/v1/webhooks?limit=@", "/v1/runner/work?wait=@&model=external/q", "/debug/connections?limit=@",
    "/v1/responses/{response}/runner?wait=@", "/v1/conversations/{session}/items?limit=@"]
# A wait that is held to a minute must not take one here.
WAITS = {"wait": [v for v in TEXTS if not v[:1].isdigit() or v.startswith("0")], "limit": TEXTS}


def test_a_query_parameter_may_be_any_number(server):
    with server.http() as http:
        response = http.post("/v1/responses", json={**RESPONSE, "store": True}).json()["id"]
        session = http.post("/v1/sessions", json={"model": "rehearsal"}).json()["id"]
        for query in QUERIES:
            for value in WAITS["wait"] if "wait=@" in query and "runner/work" in query else TEXTS:
                path, _, parameters = query.replace("{response}", response).replace("{session}", session).partition("?")
                pairs = [pair.split("=") for pair in parameters.split("&")]
                with http.stream("GET", path, params=[(name, value if text == "@" else text) for name, text in pairs],
                                 headers={"Accept": "application/json"}) as answer:
                    assert answer.status_code < 600 and answer.status_code != 500, f"{query} {value}: {answer.status_code}"
                assert server.popen.poll() is None, f"the process ended after {query} with {value}"
        lives(server, "queries")


FIELDS = ["Content-Length", "Last-Event-ID", "Interject-On-Disconnect", "Interject-Wait", "Idempotency-Key", "Retry-After", "Range",
          "If-None-Match", "If-Modified-Since", "Max-Forwards", "Age", "Keep-Alive", "X-Stainless-Timeout", "X-Stainless-Retry-Count",
          "Sec-WebSocket-Version", "X-Forwarded-For", "X-Request-Id", "Expect", "Transfer-Encoding", "Upgrade-Insecure-Requests"]


@pytest.mark.parametrize("field", FIELDS)
def test_a_header_field_may_be_any_number(server, field):
    with server.http() as http:
        session = http.post("/v1/sessions", json={"model": "rehearsal"}).json()["id"]
    for value in TEXTS:
        for wrapped in (value, f"grace={value}", f"timeout={value}, max={value}", f"bytes={value}-{value}"):
            if wrapped != value and field not in ("Interject-On-Disconnect", "Keep-Alive", "Range"):
                continue
            connection = RawConnection(server)
            connection.send(
                f"GET /v1/sessions/{session} HTTP/1.1\r\nHost: 127.0.0.1\r\n".encode()
                + f"{field}: {wrapped}\r\nConnection: close\r\n\r\n".encode())
            # A length that promises a body would be waited for.
            connection.socket.shutdown(1)
            while connection.socket.recv(65536):
                pass
            connection.socket.close()
        assert server.popen.poll() is None, f"the process ended after {field}: {value}"
    lives(server, field)


def test_a_chunk_may_have_any_size(server):
    for size in ("7fffffffffffffff", "ffffffffffffffff", "10000000000000000", "8000000000000000", "-1", "+1", "0x1", "f" * 100, "0" * 100,
                 "1" + "0" * 15):
        connection = RawConnection(server)
        connection.send(
            f"POST /v1/responses HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n{size}\r\nabc\r\n0\r\n\r\n".encode())
        connection.socket.shutdown(1)
        while connection.socket.recv(65536):
            pass
        connection.socket.close()
    lives(server, "chunks")
