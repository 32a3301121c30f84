"""Every kind of answer, as every face tells it, is byte for byte what Tests/EndToEnd/golden holds.

Record anew, when a change of the wire is meant (then read the difference in git before you commit it):

    INTERJECT_GOLDEN=record .venv/bin/python -m pytest -n 2 Tests/EndToEnd/protocols -k golden

A golden file holds, for one scenario, what was read of it: the session's events by SSE, its state, its responses where they differ
from their last event, OpenAI's faces by HTTP and WebSocket. Joined sockets, pages, merged deltas, replays and the responses' own
streams must be made of the same bytes, which is asserted (support/followed_session.py), also after kill -9, from the disk. Ids and
times are replaced, and nothing else (support/golden.py). The upstream pauses where the test says (support/gated_upstream.py), so a
cut falls at the same place on any machine. Sessions with more than an answer in them are in test_golden_sessions.py.
"""

import json

import pytest

from followed_session import CHAT, CLAUDE, LiveStream, RawSocket, sse_data
from gated_upstream import END, RESET, Status
from golden import Normalizer, elements
from golden_answers import COUNTED, USAGE, claude, spoken, thinking, tool, tool_use, words
from sessions import TERMINAL
from upstream_events import DONE, STOP, TOOLS, anthropic_text, block, call, chunk, event

FUNCTIONS = [{"type": "function", "name": name, "description": "Does it.", "parameters": {
    "type": "object", "properties": {"query": {"type": "string"}}}} for name in ("lookup", "forecast")]
CUSTOM = [{"type": "custom", "name": "shell", "description": "Runs it."}]
SCHEMA = {"type": "object", "properties": {"days": {"type": "array", "items": {"type": "integer"}}}, "required": ["days"]}
JSON_SCHEMA = {"text": {"format": {"type": "json_schema", "name": "days", "schema": SCHEMA}}}
# Of these the log of a chat is read too, which differs from a session's in the input and in the names of ids.
CHAT_SESSIONS = ("text", "error-in-the-middle")
JSON_OBJECT = {"text": {"format": {"type": "json_object"}}}


def chat_tools(tools):
    """Tools of Responses as Chat Completions has them."""
    return [{"type": tool["type"], tool["type"]: {k: v for k, v in tool.items() if k != "type"}} for tool in tools]


def on_every_face(golden, pieces, model=CHAT, chat=True, varying=(), **fields):
    """One answer of an upstream, asked for by every face."""
    golden.upstream.answers[model] = pieces
    golden.recording.varying += varying
    words = "What is it?"
    session = golden.session(model)
    session.input(words, **fields)
    session.finish()
    record = golden.recording
    body = {"model": model, "input": words, **fields}
    # The input's item is not told of on these faces: what follows is numbered as in the session.
    record.scope(msg=1)
    stream = LiveStream(golden.server, "POST", "/v1/responses", {**body, "stream": True})
    streamed = stream.whole()
    told = sse_data(streamed) if stream.status == 200 else streamed
    record.add(f"POST /v1/responses, SSE, data: {stream.status}", told)
    record.scope(msg=1)
    whole = golden.post(None, "/v1/responses", body)
    last = told.split(b"\n")[-2] if stream.status == 200 else b""
    normalized = [Normalizer(msg=1)(one) for one in (whole.body, last)]
    if whole.status != 200 or not normalized[1].endswith(b'"response":%b}' % normalized[0]):
        record.add(f"POST /v1/responses, whole, not as the last event: {whole.status}", elements(whole.body))
    record.scope(msg=1)
    record.add("response.create by WebSocket, in a lane", without_envelopes(golden, body))
    if chat:
        on_chat(golden, model, words, fields)
    golden.check_after_kill()


def without_envelopes(golden, body) -> bytes:
    """The events of a `response.create`, whose envelopes are as they should be."""
    socket = RawSocket(golden.server)
    socket.send("response.create", stream_id="lane", **body)
    socket.wait_for(lambda e: e["type"] in TERMINAL, "the end")
    socket.close()
    told = []
    for message in socket.messages:
        at = message.rindex(',"interject":{"session_id":"')
        envelope = json.loads("{" + message[at + 1:])
        assert envelope["stream_id"] == "lane" and set(envelope) == {"interject", "stream_id"}
        told.append((message[:at] + "}", envelope["interject"]["sequence"]))
    first = told[0][1]
    assert [number for _, number in told] == list(range(first, first + len(told)))
    return "\n".join(one for one, _ in told).encode()


def on_chat(golden, model, words, fields):
    record = golden.recording
    body = {"model": model, "messages": [{"role": "user", "content": words}]}
    if "tools" in fields:
        body["tools"] = chat_tools(fields["tools"])
    if "text" in fields:
        form = fields["text"]["format"]
        body["response_format"] = form if form["type"] == "json_object" else {
            "type": "json_schema", "json_schema": {k: v for k, v in form.items() if k != "type"}}
    stream = LiveStream(golden.server, "POST", "/v1/chat/completions", {
        **body, "stream": True, "stream_options": {"include_usage": True}})
    with_usage = stream.whole()
    record.scope()
    record.add(f"chat, stream with usage: {stream.status}", with_usage)
    without = LiveStream(golden.server, "POST", "/v1/chat/completions", {**body, "stream": True}).whole()
    expected = b"\n\n".join(
        chunk.replace(b',"usage":null', b"") for chunk in with_usage.split(b"\n\n") if b'"choices":[],' not in chunk)
    if Normalizer()(without) != Normalizer()(expected):
        record.scope()
        record.add("chat, stream without usage", without)
    record.scope()
    golden.post("chat, whole", "/v1/chat/completions", body)
    if golden.name in CHAT_SESSIONS:
        answer = golden.get(f"/v1/sessions/{stream.headers['interject-session']}/events", Accept="application/json")
        record.scope()
        record.add("chat, page of its session", elements(answer.body))


REDACTED = block("content_block_start", index=1, content_block={"type": "redacted_thinking", "data": "cmVkYWN0ZWQ="}) + block(
    "content_block_stop", index=1)
ESCAPES = ['"', "\\", "/", "</script>", "\b\f\n\r\t", "".join(map(chr, range(0x20))), "\x7f\x80\x9f", "\u2028\u2029", "é", "☃", "😀",
           "\ufeff", "\ufffd", "e\u0301", "a\0b", "\U0010ffff", " ", "\\u0041", "&<>'"]

# Name: the answer's pieces, and more of the request.
ANSWERS = {
    "text": (spoken("Hello", ",", " world."), {}),
    "text-usage-estimated": ([*words("Hello", ",", " world."), STOP, DONE], {}),
    "text-many-deltas": (spoken(*(f"word{n} " for n in range(20))), {}),
    "text-escapes": (spoken(*ESCAPES), {}),
    "text-surrogates": ([event(b'{"choices":[{"index":0,"delta":{"content":"' + piece + b'"}}]}') for piece in (
        b"a\\ud83d", b"\\ude00b\\ud83d", b"\\ud83d\\ude00", b"lone \\udc00 half", b"\xf0\x9f", b"\x98\x80 \xff",
        b"\\ud83d")] + [STOP, COUNTED, DONE], {}),
    # JSON may spell a character in several ways; what the upstream spelt is what is told, to the letter.
    "text-spelt-otherwise": ([event(b'{"choices":[{"index":0,"delta":{"content":"\\u0041\\/\\u00e9\\u000A"}}]}'), STOP, COUNTED, DONE], {}),
    "text-long": (spoken("a" * 65535, "b" * 65536, "c☃" * 20000, "\n" * 40000, "d" * 200_000), {
        # What of the log is in memory, which large events leave early.
        "varying": [(rb'("oldest_sequence_number"):\d+', rb"\1:VARIES")]}),
    "empty": ([STOP, COUNTED, DONE], {}),
    "empty-pieces": ([*words("", "Hello", "", "."), chunk({"content": None}), chunk({"role": "assistant"}), STOP, COUNTED, DONE], {}),
    "whole-body": ([Status(200, json.dumps({"choices": [{"index": 0, "finish_reason": "stop", "message": {
        "role": "assistant", "content": "All at once.", "reasoning_content": "Hm."}}], "usage": USAGE}).encode())], {}),
    "length": (spoken("Once upon", finish=chunk({}, "length")), {"max_output_tokens": 16}),
    "content-filter": (spoken("Once upon", finish=chunk({}, "content_filter")), {}),
    "finish-word-of-its-own": (spoken("Hello", finish=chunk({}, "weird_reason")), {}),
    "refusal": ([chunk({"refusal": "I "}), chunk({"refusal": "can\u2019t \"do\" that."}), STOP, COUNTED, DONE], {}),
    "refusal-behind-text": ([*words("Well, "), chunk({"refusal": "no."}), STOP, COUNTED, DONE], {}),
    "reasoning": ([chunk({"reasoning_content": "Let me "}), chunk({"reasoning_content": "think.\n"}), *spoken("Four", ".")], {}),
    "reasoning-alone": ([chunk({"reasoning": "Hm."}), STOP, COUNTED, DONE], {}),
    "reasoning-details": ([
        chunk({"reasoning_details": [{"type": "reasoning.text", "text": "Hm. ", "format": "f", "index": 0}]}),
        chunk({"reasoning_details": [{"type": "reasoning.text", "text": "So.", "signature": "c2lnbg==", "index": 0}]}),
        chunk({"reasoning_details": [{"type": "reasoning.encrypted", "data": "ZW5j", "index": 1}]}), *spoken("Four.")],
        {"include": ["reasoning.encrypted_content"]}),
    "call": ([tool(0, "call_a", name="lookup", arguments=""), tool(0, arguments='{"que'), tool(0, arguments='ry":"ünï\\n"}'), TOOLS,
              COUNTED, DONE], {"tools": FUNCTIONS}),
    "calls-side-by-side": ([
        *words("I look. "), tool(0, "call_a", name="lookup", arguments='{"query"'), tool(1, "call_b", name="forecast", arguments='{"qu'),
        tool(0, arguments=':"a"}'), tool(1, arguments='ery":"b"}'), TOOLS, COUNTED, DONE], {"tools": FUNCTIONS}),
    "call-without-arguments": ([tool(0, name="lookup"), TOOLS, COUNTED, DONE], {"tools": FUNCTIONS}),
    "call-without-a-name": ([*words("Hm."), tool(0, "call_a", arguments="{}"), TOOLS, COUNTED, DONE], {
        # A fault of today: a response that comes from the disk has forgotten them.
        "tools": FUNCTIONS}),
    "call-with-extra-content": ([
        chunk({"tool_calls": [{**call(0, "call_a", name="lookup", arguments='{"query":"a"}'), "type": "function",
                               "extra_content": {"google": {"thought_signature": "c2lnbmF0dXJl/+=="}}}]}),
        TOOLS, COUNTED, DONE], {"tools": FUNCTIONS, "include": ["reasoning.encrypted_content"]}),
    "custom-call": ([
        chunk({"tool_calls": [{"index": 0, "id": "call_c", "type": "custom", "custom": {"name": "shell", "input": "ls "}}]}),
        chunk({"tool_calls": [{"index": 0, "custom": {"input": "-la \"x\""}}]}), TOOLS, COUNTED, DONE], {"tools": CUSTOM}),
    "several-items": ([
        chunk({"reasoning_content": "First."}), *words("I say ", "this."), tool(0, "call_a", name="lookup", arguments="{}"),
        chunk({"reasoning_content": "Then."}), *words("And that."), tool(1, "call_b", name="forecast", arguments="{}"), TOOLS, COUNTED,
        DONE], {"tools": FUNCTIONS}),
    "ignored-tools": (spoken("I cannot search."), {"tools": [{"type": "web_search"}, *FUNCTIONS]}),
    "parameters": (spoken("Hello."), {
        "instructions": "Be brief.", "temperature": 0.7, "top_p": 1, "metadata": {"a": "b", "é": "\n"}, "max_output_tokens": 1000,
        "user": "u", "tool_choice": "auto", "parallel_tool_calls": False, "safety_identifier": "s", "presence_penalty": 0.5,
        "frequency_penalty": 1e-3, "reasoning": {"effort": "low"}}),
    "json-valid": (spoken('{"days"', ":[1,2]}"), JSON_SCHEMA),
    "json-invalid": (spoken('{"days":[1,', '"two"]}'), JSON_SCHEMA),
    "json-broken": (spoken('{"days":[1,'), JSON_OBJECT),
    "json-object": (spoken('{"a":1}'), JSON_OBJECT),
    "json-not-judged": ([tool(0, "call_a", name="lookup", arguments="{}"), TOOLS, COUNTED, DONE], {**JSON_SCHEMA, "tools": FUNCTIONS}),
    "error-400": ([Status(400, b'{"error":{"message":"temperature is odd","type":"invalid_request_error","param":"temperature","code":"odd"}}')], {}),
    "error-401": ([Status(401, b'{"error":{"message":"no key sk-123","code":"invalid_api_key"}}')], {}),
    "error-404": ([Status(404, b'{"error":{"message":"The model does not exist","code":"model_not_found"}}')], {}),
    "error-429": ([Status(429, b'{"error":{"message":"quota","code":"insufficient_quota"}}')], {}),
    "error-500": ([Status(500, b"<html><body>Internal Server Error</body></html>", "text/html")], {}),
    "error-in-the-stream-at-once": ([event({"error": {"message": "overloaded", "type": "overloaded_error", "code": 529}}), DONE], {}),
    "error-in-the-middle": ([*words("Once ", "upon"), event({"error": {"message": "worker \"7\" died", "type": "server_error"}}), DONE], {}),
    "error-in-a-call": ([*words("Hm. "), tool(0, "call_a", name="lookup", arguments='{"q'), event({"error": {"message": "gone"}})],
                        {"tools": FUNCTIONS}),
    "truncated-in-the-middle": ([*words("Once ", "upon"), END], {}),
    "reset-in-the-middle": ([*words("Once ", "upon"), RESET], {}),
    "malformed-in-the-middle": ([*words("Once ", "upon"), b'data: {"choices":[{"index":0,"del\n\n', STOP, DONE], {}),
    "finish-error": (spoken("Once upon", finish=chunk({}, "error")), {}),
}

MESSAGES = {
    "anthropic-text": (claude(anthropic_text("Hello"), anthropic_text(" again", 1)), {}),
    "anthropic-thinking": (claude(thinking("Let me ", "see.", signature="c2lnbmF0dXJl"), REDACTED, anthropic_text("Four.", 2),
                                  tool_use('{"query"', ':"a"}', index=3), reason="tool_use"),
                           {"tools": FUNCTIONS, "include": ["reasoning.encrypted_content"]}),
    "anthropic-max-tokens": (claude(anthropic_text("Once upon"), reason="max_tokens"), {}),
    "anthropic-refusal": (claude(anthropic_text("No."), reason="refusal"), {}),
    "anthropic-error": ([anthropic_text("Once"), block("error", error={"type": "overloaded_error", "message": "Overloaded"})], {}),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers(golden, name):
    pieces, fields = ANSWERS[name]
    on_every_face(golden, pieces, **fields)
    golden.recording.check()


@pytest.mark.parametrize("name", MESSAGES)
def test_messages(golden, name):
    pieces, fields = MESSAGES[name]
    on_every_face(golden, pieces, CLAUDE, chat="include" not in fields, **fields)
    golden.recording.check()
