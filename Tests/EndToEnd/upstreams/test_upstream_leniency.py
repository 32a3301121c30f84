"""What upstreams really send: what can be understood of it is never lost, and what clients get is strict. Protocols/upstreams.md,
What we expect; every single form is a case of Protocols/vectors/upstreams, here it is what clients of each face see."""

import gzip
import json
import zlib
from dataclasses import dataclass, field

import pytest

from answering_upstream import AnsweringUpstream, Reply, stream
from event_source import SseParser
from processes import InterjectProcess
from upstream_events import DONE, STOP, TOOLS, USAGE, anthropic_end, anthropic_text, block, call, chunk, event, message


@dataclass
class Seen:
    """What a client was told of an answer."""

    text: str = ""
    reasoning: str = ""
    # Name and arguments of each call.
    calls: list = field(default_factory=list)
    finish: str | None = None
    error: str | None = None
    word: str | None = None
    estimated: bool = False
    ids: list = field(default_factory=list)


def strict(data) -> dict:
    """JSON as the strictest of readers takes it."""
    def refuse(name):
        raise AssertionError(f"{name} in {data[:200]}")
    value = json.loads(data, parse_constant=refuse)
    json.dumps(value, ensure_ascii=False).encode()  # Raises for half a character.
    return value


class Upstream:
    def __init__(self, server, upstream):
        self.server, self.upstream = server, upstream

    def chat_stream(self, model) -> Seen:
        seen, calls = Seen(), {}
        body = {"model": model, "stream": True, "stream_options": {"include_usage": True},
                "messages": [{"role": "user", "content": "What is it?"}]}
        for data in self._events("/v1/chat/completions", body, seen):
            if "error" in data:
                seen.error = data["error"]["code"]
                continue
            told = data.get("interject") or {}
            seen.word = told.get("finish_reason", seen.word)
            seen.estimated |= bool((data.get("usage") or {}).get("estimated"))
            for choice in data["choices"]:
                delta = choice["delta"]
                seen.text += delta.get("content") or ""
                seen.reasoning += delta.get("reasoning_content") or ""
                seen.finish = choice["finish_reason"] or seen.finish
                for piece in delta.get("tool_calls") or []:
                    known = calls.setdefault(piece["index"], {"id": piece.get("id"), "name": "", "arguments": ""})
                    known["name"] += piece["function"].get("name") or ""
                    known["arguments"] += piece["function"].get("arguments") or ""
        seen.calls = [(known["name"], known["arguments"]) for known in calls.values()]
        seen.ids = [known["id"] for known in calls.values()]
        return seen

    def chat_whole(self, model) -> Seen:
        with self.server.http() as http:
            answer = http.post("/v1/chat/completions", json={
                "model": model, "messages": [{"role": "user", "content": "What is it?"}]})
        body = strict(answer.text)
        if answer.status_code != 200:
            return Seen(error=body["error"]["code"])
        choice, told = body["choices"][0], body.get("interject") or {}
        calls = choice["message"].get("tool_calls") or []
        return Seen(
            choice["message"]["content"] or "", choice["message"].get("reasoning_content") or "",
            [(known["function"]["name"], known["function"]["arguments"]) for known in calls], choice["finish_reason"],
            word=told.get("finish_reason"), estimated=body["usage"].get("estimated", False), ids=[known["id"] for known in calls])

    def response_stream(self, model) -> Seen:
        seen = Seen()
        text = ""
        for data in self._events("/v1/responses", {"model": model, "stream": True, "input": "What is it?"}, seen):
            if data["type"] == "response.output_text.delta":
                text += data["delta"]
            if data["type"] in ("response.completed", "response.incomplete", "response.failed"):
                seen = self._response(data["response"])
        assert seen.text == text or seen.error and not seen.text
        return seen

    def response_whole(self, model) -> Seen:
        with self.server.http() as http:
            answer = http.post("/v1/responses", json={"model": model, "input": "What is it?"})
        body = strict(answer.text)
        return self._response(body) if answer.status_code == 200 else Seen(error=body["error"]["code"])

    @staticmethod
    def _response(response) -> Seen:
        seen = Seen(word=response["interject"].get("finish_reason"), estimated=response["interject"].get("usage_estimated", False))
        for item in response["output"]:
            if item["type"] == "message":
                seen.text += "".join(part["text"] for part in item["content"])
            elif item["type"] == "reasoning":
                seen.reasoning += "".join(part["text"] for part in item["content"])
            else:
                seen.calls.append((item["name"], item["arguments"]))
                seen.ids.append(item["call_id"])
        reason = (response["incomplete_details"] or {}).get("reason")
        words = {"max_output_tokens": "length", "content_filter": "content_filter"}
        if response["status"] == "failed":
            seen.error = response["error"]["code"]
        elif response["status"] == "incomplete":
            seen.finish = words[reason]
        else:
            seen.finish = "tool_calls" if seen.calls else "stop"
        return seen

    def _events(self, path, body, seen):
        parser = SseParser()
        with self.server.http() as http, http.stream("POST", path, json=body) as answer:
            if answer.status_code != 200:
                seen.error = json.loads(answer.read())["error"]["code"]
                return
            for piece in answer.iter_raw():
                for _, data, _ in parser.feed(piece):
                    if data != "[DONE]":
                        yield strict(data)

    FACES = ("chat_stream", "chat_whole", "response_stream", "response_whole")


@pytest.fixture(scope="module")
def upstreams(tmp_path_factory):
    """A server before an upstream that does as it is told, for each dialect."""
    answering = AnsweringUpstream()
    with InterjectProcess(tmp_path_factory.mktemp("chat"), "--upstream", f"{answering.url}/v1") as chat:
        with InterjectProcess(tmp_path_factory.mktemp("messages"), "--upstream", f"anthropic+{answering.url}") as messages:
            yield {"chat": Upstream(chat, answering), "messages": Upstream(messages, answering)}
    answering.close()


def check(upstream, body, expected: Seen, faces=Upstream.FACES, answer=None):
    upstream.upstream.replies["odd"] = answer or stream(body)
    for face in faces:
        seen = getattr(upstream, face)("odd")
        ids, seen.ids = seen.ids, []
        assert all(ids) and len(set(ids)) == len(ids), f"{face}: {ids}"
        if not expected.estimated:
            seen.estimated = False
        if expected.error and seen.error:
            seen.text, seen.finish = expected.text, expected.finish
        assert seen == expected, face


CHAT = {
    "parts": (
        chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]})
        + chunk({"content": [{"type": "text", "text": "Hel"}]}) + chunk({"content": {"text": "lo"}}) + STOP + DONE,
        Seen("Hello", "hm", finish="stop")),
    "kinds": (
        event({"choices": {"index": "0", "delta": "Hel"}, "error": {}})
        + event({"choices": [{"index": 0.0, "delta": {"content": "lo", "tool_calls": {}, "refusal": 7}}], "usage": "x", "error": False})
        + event({"choices": None, "usage": [], "error": ""}) + STOP + DONE,
        Seen("Hello", finish="stop")),
    "keep-alives": (
        b"data:\n\nevent: ping\ndata: now\n\n" + chunk({"content": "Hel"}) + b"event: keepalive\ndata: {}\n\ndata: \n\n"
        + chunk({"content": "lo"}) + STOP + DONE, Seen("Hello", finish="stop")),
    "nearly JSON": (
        event(b'{"choices":[{"index":0,"delta":{"content":"Hel"},"logprobs":NaN}],}')
        + event(b'{"choices":[{"index":0,"delta":{"content":"lo \xf0\x9f"}}]}')
        + event(b'{"choices":[{"index":0,"delta":{"content":"\x98\x80 \xff"}}]}') + STOP + DONE,
        Seen("Hello 😀 \ufffd", finish="stop")),
    "surrogates": (
        event(b'{"choices":[{"index":0,"delta":{"content":"a\\ud83d"}}]}')
        + event(b'{"choices":[{"index":0,"delta":{"content":"\\ude00b\\ud83d"}}]}') + STOP + DONE,
        Seen("a😀b\ufffd", finish="stop")),
    "a summary at the end": (
        chunk({"content": "Hel"}) + chunk({"content": "lo"}) + message(content="Hello") + DONE, Seen("Hello", finish="stop")),
    "all of it in the last delta": (
        chunk({"content": "Hel"}) + chunk({"content": "lo"}) + chunk({"content": "Hello"}, "stop") + DONE,
        Seen("Hello", finish="stop")),
    "a word said twice": (
        chunk({"content": "no "}) + chunk({"content": "no "}, "stop") + DONE, Seen("no no ", finish="stop")),
    "an empty finish reason": (chunk({"content": "Hel"}, "") + DONE, Seen("Hel", error="upstream_truncated")),
    "an empty finish reason behind one": (
        chunk({"content": "Hello"}, "") + chunk({}, "length") + chunk({}, "") + DONE, Seen("Hello", finish="length")),
    "a word of the server's own": (
        chunk({"content": "Hello"}) + chunk({}, "weird") + DONE, Seen("Hello", finish="stop", word="weird")),
    "Gemini's word": (
        chunk({"content": "Hello"}) + chunk({}, "MAX_TOKENS") + DONE, Seen("Hello", finish="length", word="MAX_TOKENS")),
    "GLM's word": (
        chunk({"content": "Hello"}) + chunk({}, "sensitive") + DONE, Seen("Hello", finish="content_filter", word="sensitive")),
    "a word for giving up": (
        chunk({"content": "Hel"}) + chunk({}, "insufficient_system_resource") + DONE, Seen("Hel", error="upstream_error")),
    "rubbish behind the end": (
        chunk({"content": "Hello"}) + STOP + b'data: {"choices":[{"del\n\n' + event({"error": {"message": "late"}}),
        Seen("Hello", finish="stop")),
    "an event too large behind the end": (
        chunk({"content": "Hello"}) + STOP + b"data: " + b" " * (5 << 20) + b"\n\n", Seen("Hello", finish="stop")),
    "broken off within a chunk": (
        chunk({"content": "Hel"}) + b'data: {"choices":[{"index":0,"del\n\n' + STOP + DONE,
        Seen("Hel", error="upstream_malformed")),
    "calls without id and index": (
        chunk({"tool_calls": [call(id="", name="w", arguments='{"a":1}')]})
        + chunk({"tool_calls": [call(id="", name="w", arguments='{"a":2}')]}) + TOOLS + DONE,
        Seen(calls=[("w", '{"a":1}'), ("w", '{"a":2}')], finish="tool_calls")),
    "calls with one id": (
        chunk({"tool_calls": [call(0, "c", name="w", arguments="{}"), call(1, "c", name="v", arguments='{"a":2}')]}) + TOOLS + DONE,
        Seen(calls=[("w", "{}"), ("v", '{"a":2}')], finish="tool_calls")),
    "a name in pieces, arguments null": (
        chunk({"tool_calls": [call(0, "c", name="get_wea", arguments=None)]}) + chunk({"tool_calls": [call(0, name="ther")]})
        + TOOLS + DONE, Seen(calls=[("get_weather", "{}")], finish="tool_calls")),
    "a call as an object": (
        chunk({"tool_calls": call(0, "c", name="w", arguments={"a": 1})}) + TOOLS + DONE,
        Seen(calls=[("w", '{"a": 1}')], finish="tool_calls")),
}

MESSAGES = {
    "input in the block's start": (
        block("content_block_start", index=0, content_block={"type": "tool_use", "id": "t", "name": "w", "input": {"a": 1}})
        + block("content_block_stop", index=0) + anthropic_end("tool_use"),
        Seen(calls=[("w", '{"a": 1}')], finish="tool_calls")),
    "kinds": (
        block("message_start", message=[]) + block("content_block_delta", index="0", delta={"text": [{"text": "Hel"}]})
        + block("content_block_delta", delta="lo") + block("content_block_delta", index=0, delta={"text": 7})
        + anthropic_end("end_turn", usage="x"), Seen("Hello", finish="stop")),
    "keep-alives": (
        b"event: ping\ndata: now\n\nevent: heartbeat\ndata:\n\n" + anthropic_text("Hello") + b"event: ping\ndata: {}\n\n"
        + anthropic_end("end_turn"), Seen("Hello", finish="stop")),
    "pause_turn": (anthropic_text("Hello") + anthropic_end("pause_turn"), Seen("Hello", finish="stop", word="pause_turn")),
    "a full context": (
        anthropic_text("Hello") + anthropic_end("model_context_window_exceeded"),
        Seen("Hello", finish="length", word="model_context_window_exceeded")),
    "no stop reason": (anthropic_text("Hel") + anthropic_end(None), Seen("Hel", error="upstream_truncated")),
    "an error behind the end": (
        anthropic_text("Hello") + block("message_delta", delta={"stop_reason": "end_turn"})
        + block("error", error={"type": "overloaded_error", "message": "late"}), Seen("Hello", finish="stop")),
    "surrogates": (
        block("content_block_start", index=0, content_block={"type": "text", "text": ""})
        + event(b'{"type":"content_block_delta","index":0,"delta":{"text":"a\\ud83d"}}')
        + event(b'{"type":"content_block_delta","index":0,"delta":{"text":"\\ude00b"}}') + anthropic_end("end_turn"),
        Seen("a😀b", finish="stop")),
}


@pytest.mark.parametrize("name", CHAT)
def test_what_can_be_understood_of_a_chat_stream_is_told(upstreams, name):
    check(upstreams["chat"], *CHAT[name])


@pytest.mark.parametrize("name", MESSAGES)
def test_what_can_be_understood_of_a_stream_of_messages_is_told(upstreams, name):
    check(upstreams["messages"], *MESSAGES[name])


def test_a_whole_body_is_read_by_the_same_rule(upstreams):
    body = {"choices": {"message": {"content": [{"type": "text", "text": "Hello"}]}, "finish_reason": "MODEL_LENGTH"},
            "usage": {"prompt_tokens": "3", "completion_tokens": 2.0}, "error": None}
    check(upstreams["chat"], None, Seen("Hello", finish="length", word="MODEL_LENGTH"),
          answer=Reply(body))


def test_an_answer_that_said_its_end_is_whole_when_its_connection_is_reset(upstreams):
    check(upstreams["chat"], None, Seen("Hello", finish="stop"), answer=stream(chunk({"content": "Hello"}) + STOP, is_cut=True))


@pytest.mark.parametrize("members, prompt, completion, cached, estimated", [
    ({"usage": USAGE}, 3, 2, 0, False),
    ({"usage": {"prompt_tokens": "3", "completion_tokens": 2.0, "completion_tokens_details": []}}, 3, 2, 0, False),
    ({"x_groq": {"usage": {"prompt_tokens": 23, "completion_tokens": 19}}}, 23, 19, 0, False),
    ({"usage": {**USAGE, "prompt_cache_hit_tokens": 1}}, 3, 2, 1, False),
    # "What is it?" has 11 bytes, the answer one piece.
    ({}, 2, 1, 0, True), ({"usage": None}, 2, 1, 0, True), ({"usage": {"prompt_tokens": -1}}, 2, 1, 0, True),
    ({"usage": {"prompt_tokens": 0, "completion_tokens": 0}}, 2, 1, 0, True),
    ({"usage": {"prompt_tokens": 9, "completion_tokens": {}}}, 9, 1, 0, True),
    ({"usage": {"prompt_tokens": 9223372036854775807, "completion_tokens": 1e300}}, 1 << 40, 1 << 40, 0, False),
])
def test_usage_is_read_wherever_it_stands_and_marked_where_it_is_a_guess(
        upstreams, members, prompt, completion, cached, estimated):
    upstream = upstreams["chat"]
    upstream.upstream.replies["usage"] = stream(chunk({"content": "Hello"}) + chunk({}, "stop", **members) + DONE)
    with upstream.server.http() as http:
        chat = http.post("/v1/chat/completions", json={
            "model": "usage", "messages": [{"role": "user", "content": "What is it?"}]}).json()
        response = http.post("/v1/responses", json={"model": "usage", "input": "What is it?"}).json()
    usage = chat["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (prompt, completion)
    assert usage["prompt_tokens_details"]["cached_tokens"] == cached
    assert usage.get("estimated", False) is estimated
    assert chat.get("interject", {}).get("usage_estimated", False) is estimated
    assert (response["usage"]["input_tokens"], response["usage"]["output_tokens"]) == (prompt, completion)
    assert response["interject"]["usage_estimated"] is estimated
    assert upstream.chat_stream("usage").estimated is estimated


def test_arguments_that_are_empty_go_back_as_an_object(upstreams):
    upstream = upstreams["chat"]
    upstream.upstream.replies["empty"] = stream(chunk({"tool_calls": [call(0, "c", name="w", arguments="")]}) + TOOLS + DONE)
    with upstream.server.http() as http:
        first = http.post("/v1/responses", json={"model": "empty", "input": "go"}).json()
        http.post("/v1/responses", json={
            "model": "empty", "previous_response_id": first["id"],
            "input": [{"type": "function_call_output", "call_id": first["output"][0]["call_id"], "output": "one"}]})
    assert first["output"][0]["arguments"] == "{}"
    sent = [known for turn in upstream.upstream.asked("empty")[-1]["messages"] for known in turn.get("tool_calls") or []]
    assert [known["function"]["arguments"] for known in sent] == ["{}"]


@pytest.mark.parametrize("size", [2_500_000, (4 << 20) - 200])
@pytest.mark.parametrize("face", Upstream.FACES)
def test_a_large_delta_is_delivered_to_its_end(upstreams, face, size):
    upstream = upstreams["chat"]
    upstream.upstream.replies["large"] = stream(chunk({"content": "x" * size}) + STOP + DONE)
    seen = getattr(upstream, face)("large")
    assert (len(seen.text), seen.finish, seen.error) == (size, "stop", None)


HELLO = chunk({"content": "Hel"}) + chunk({"content": "lo"}) + STOP + DONE
RAW = zlib.compressobj(wbits=-15)


@pytest.mark.parametrize("coding, body", [
    ("gzip", gzip.compress(HELLO)), ("X-GZIP", gzip.compress(HELLO)), ("deflate", zlib.compress(HELLO)),
    # Members in a row are one body (RFC 1952), also where one of them is empty.
    ("gzip", gzip.compress(HELLO[:70]) + gzip.compress(b"") + gzip.compress(HELLO[70:])),
    # What stands behind the end of the answer takes nothing back.
    ("gzip", gzip.compress(HELLO) + b"\0" * 512),
    ("deflate", RAW.compress(HELLO) + RAW.flush()), ("identity", HELLO)])
def test_a_packed_answer_is_unpacked_although_it_was_not_asked_for(upstreams, coding, body):
    check(upstreams["chat"], None, Seen("Hello", finish="stop"), answer=stream(body, fields={"Content-Encoding": coding}))


def test_a_packed_answer_in_one_body_is_unpacked(upstreams):
    body = json.dumps({"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}).encode()
    check(upstreams["chat"], None, Seen("Hello", finish="stop"),
          answer=Reply(gzip.compress(body), fields={"Content-Encoding": "gzip"}))


@pytest.mark.parametrize("coding, body", [
    ("br", HELLO), ("zstd", HELLO), ("gzip, gzip", gzip.compress(gzip.compress(HELLO))), ("gzip", HELLO),
    # A wrong checksum behind more than is unpacked at once, and a bomb that comes in one read.
    ("gzip", gzip.compress(b": " + b" " * 105_000)[:-8] + bytes(8)), ("gzip", gzip.compress(b": " + b" " * (6 << 20))),
    # 64 MB of nothing, as a comment and as events without data.
    ("gzip", gzip.compress(b": " + b" " * (64 << 20))), ("gzip", gzip.compress(b": \n" * (16 << 20)))])
def test_what_cannot_be_unpacked_is_an_error_that_says_so(upstreams, coding, body):
    upstream = upstreams["chat"]
    upstream.upstream.replies["packed"] = stream(body, fields={"Content-Encoding": coding})
    with upstream.server.http() as http:
        answer = http.post("/v1/chat/completions", json={"model": "packed", "messages": [{"role": "user", "content": "hi"}]})
    error = answer.json()["error"]
    assert answer.status_code == 502 and error["code"] == "upstream_malformed"
    assert "  " not in error["message"]
    assert answer.elapsed.total_seconds() < 30, "it was told at once, and not when the upstream was found silent"
    assert "packed" in error["message"] or "encoding" in error["message"] or "unpacks" in error["message"]
