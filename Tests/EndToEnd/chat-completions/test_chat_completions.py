"""POST /v1/chat/completions with the official SDK."""

import json

import openai
import pytest

from event_source import SseParser
from rehearsal import last_user_text, say
from sessions import Session


def ask(client, prompt, **options):
    return client.chat.completions.create(
        model=options.pop("model", "rehearsal-fast"), messages=[{"role": "user", "content": prompt}], **options)


def raw_stream(server, prompt, **options):
    """The `data:` values of a stream, as they stand on the wire, and the lines."""
    parser, seen = SseParser(), []
    body = {"model": "rehearsal-fast", "messages": [{"role": "user", "content": prompt}], "stream": True, **options}
    with server.http() as http, http.stream("POST", "/v1/chat/completions", json=body) as answer:
        assert answer.status_code == 200, answer.read()
        for piece in answer.iter_raw():
            seen += parser.feed(piece)
    return [data for _, data, _ in seen], parser.lines


def test_a_complete_answer(client, rehearsal, tag):
    answer = ask(client, say(tag, tokens=7))
    choice = answer.choices[0]
    assert answer.object == "chat.completion" and answer.id and answer.created > 0
    assert (choice.index, choice.message.role, choice.finish_reason) == (0, "assistant", "stop")
    assert len(choice.message.content.split()) == 7
    assert answer.usage.completion_tokens == 7
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 7
    # The upstream is always asked to stream, so that it can be stopped in every phase.
    assert rehearsal.wait_for_state(tag, "completed")["stream"] is True


def test_a_streamed_answer_is_the_same_text(client, tag):
    whole = ask(client, say(tag, tokens=20, seed=5)).choices[0].message.content
    chunks = list(ask(client, say(tag, tokens=20, seed=5), stream=True))
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == whole
    assert [c.choices[0].finish_reason for c in chunks][-1] == "stop"
    assert all(c.choices[0].finish_reason is None for c in chunks[:-1])


def test_the_stream_ends_with_done_and_has_no_ids(server, tag):
    data, lines = raw_stream(server, say(tag, tokens=3))
    assert data[-1] == "[DONE]" and data.count("[DONE]") == 1
    assert not [line for line in lines if line.startswith(("id", "retry"))]


def test_usage_comes_in_a_last_chunk_when_asked_for(client, tag):
    *chunks, last = ask(client, say(tag, tokens=9), stream=True, stream_options={"include_usage": True})
    assert last.choices == []
    assert last.usage.completion_tokens == 9 and last.usage.prompt_tokens > 0
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


def test_without_asking_no_chunk_is_without_choices(client, tag):
    assert all(chunk.choices for chunk in ask(client, say(tag, tokens=3), stream=True))


def test_the_whole_conversation_reaches_the_upstream(client, rehearsal, tag):
    client.chat.completions.create(model="rehearsal-fast", messages=[
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "First."},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": [{"type": "text", "text": say(tag, tokens=2)}]},
    ])
    request = rehearsal.wait_for(tag)
    assert [m["role"] for m in request["messages"]] == ["system", "user", "assistant", "user"]
    assert request["messages"][0]["content"] == "Be brief."


def chat_tool(tool):
    return {"type": "function", "function": {k: v for k, v in tool.items() if k != "type"}}


def test_a_tool_call(client, tag, lookup_tool):
    choice = ask(client, say(tag, tool="lookup"), tools=[chat_tool(lookup_tool)]).choices[0]
    call = choice.message.tool_calls[0]
    assert choice.finish_reason == "tool_calls"
    assert call.type == "function" and call.id and call.function.name == "lookup"
    assert json.loads(call.function.arguments) == {"query": "rehearsal"}


def test_a_streamed_tool_call_comes_in_pieces(client, tag, lookup_tool):
    chunks = list(ask(client, say(tag, tool="lookup"), tools=[chat_tool(lookup_tool)], stream=True))
    pieces = [piece for c in chunks for piece in c.choices[0].delta.tool_calls or []]
    assert pieces[0].id and pieces[0].function.name == "lookup"
    assert {piece.index for piece in pieces} == {0}
    assert len([p for p in pieces if p.function.arguments]) > 1
    assert json.loads("".join(p.function.arguments or "" for p in pieces)) == {"query": "rehearsal"}
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize("status, exception", [
    (400, openai.BadRequestError), (401, openai.AuthenticationError), (404, openai.NotFoundError),
    (429, openai.RateLimitError), (500, openai.InternalServerError),
])
def test_an_error_of_the_upstream_raises_the_exception_that_belongs_to_it(client, tag, status, exception):
    with pytest.raises(exception) as caught:
        ask(client, say(tag, status=status))
    assert caught.value.message and caught.value.type
    assert caught.value.request_id


def test_an_error_before_the_first_token_raises_in_a_stream_too(client, tag):
    with pytest.raises(openai.APIError):
        list(ask(client, say(tag, status=401), stream=True))


def test_retry_after_is_passed_on(client, tag):
    with pytest.raises(openai.RateLimitError) as caught:
        ask(client, say(tag, status=429, retry_after=7))
    assert caught.value.response.headers["retry-after"] == "7"


FAULTS = ["error_after", "fail_after", "end_after", "garbage_after"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_stream_that_breaks_raises_after_the_partial(client, rehearsal, tag, fault):
    content, finish_reasons = "", []
    with pytest.raises(openai.APIError) as caught:
        for chunk in ask(client, say(tag, tokens=30, **{fault: 5}), stream=True):
            content += chunk.choices[0].delta.content or ""
            finish_reasons.append(chunk.choices[0].finish_reason)
    assert not isinstance(caught.value, openai.APIConnectionError), "the error must come in-band"
    assert len(content.split()) == 5
    assert set(finish_reasons) == {None}, "a truncated stream looked complete"
    assert len(rehearsal.requests(tag)) == 1, "a retry after the first token"


@pytest.mark.parametrize("fault", FAULTS)
def test_an_answer_that_breaks_never_looks_complete(client, tag, fault):
    with pytest.raises(openai.InternalServerError):
        ask(client, say(tag, tokens=30, **{fault: 5}))


def test_an_error_in_a_stream_is_followed_by_done(server, tag):
    data, _ = raw_stream(server, say(tag, tokens=30, error_after=5))
    error = json.loads(data[-2])["error"]
    assert set(error) >= {"message", "type", "param", "code"}
    assert data[-1] == "[DONE]"


def test_any_model_name_is_passed_on(client, rehearsal, tag):
    answer = ask(client, say(tag, tokens=2, pace=0), model="some/other-model:7b")
    assert answer.model == "some/other-model:7b"
    assert rehearsal.wait_for(tag)["model"] == "some/other-model:7b"


@pytest.mark.parametrize("body", [
    b"{", b"", b"[]", b'"text"', b'{"model":"rehearsal"}', b'{"model":"rehearsal","messages":"no list"}',
    b'{"model":"rehearsal","messages":[]}', b'{"messages":[{"role":"user","content":"no model"}], "model": 7}',
    b'{"model":"rehearsal","messages":[{"role":"user","content":"\xff"}]}',
])
def test_a_body_that_makes_no_sense_is_a_bad_request(server, body):
    with server.http() as http:
        answer = http.post("/v1/chat/completions", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert set(error) >= {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error" and error["message"]
    assert answer.headers["x-request-id"]


def test_every_request_has_an_id_of_its_own(client, tag):
    ids = {client.chat.completions.with_raw_response.create(
        model="rehearsal-fast", messages=[{"role": "user", "content": say(tag, tokens=1)}]).headers["x-request-id"]
        for _ in range(2)}
    assert len(ids) == 2


def test_a_browser_may_ask(server):
    with server.http() as http:
        answer = http.options("/v1/chat/completions", headers={
            "Origin": "http://localhost:5173", "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type,interject-on-disconnect"})
        assert answer.status_code in (200, 204)
        assert answer.headers["access-control-allow-origin"] in ("*", "http://localhost:5173")
        assert "POST" in answer.headers["access-control-allow-methods"]
        allowed = answer.headers["access-control-allow-headers"].lower()
        assert allowed == "*" or all(h in allowed for h in ("authorization", "content-type", "interject-on-disconnect"))
        answer = http.get("/v1/models", headers={"Origin": "http://localhost:5173"})
        assert answer.headers["access-control-allow-origin"] in ("*", "http://localhost:5173")


def test_a_chat_stream_is_a_session_that_can_be_read(server, client, tag):
    raw = client.chat.completions.with_raw_response.create(
        model="rehearsal-fast", messages=[{"role": "user", "content": say(tag, tokens=6)}], stream=True)
    content = "".join(chunk.choices[0].delta.content or "" for chunk in raw.parse())
    session = Session(server, raw.headers["interject-session"])
    events = session.log()
    assert "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta") == content
    assert tag in str(session.state()["items"])


def test_the_prompt_is_the_users_last_message(client, rehearsal, tag):
    ask(client, say(tag, tokens=1))
    assert last_user_text(rehearsal.wait_for(tag)).startswith(tag)
