"""Results of tool calls that are sent while the response that calls runs: Protocols/sessions.md, Interjection modes."""

import json

import pytest

from gated_upstream import GatedUpstream
from scripted_upstream import chunk
from sessions import Session, error_of

MODEL = "calls-and-talks"
END = b"data: [DONE]\n\n"


def call_chunk(call_id: str) -> bytes:
    """A whole call of a tool in one event of an OpenAI chat stream."""
    call = {"index": 0, "id": call_id, "type": "function", "function": {"name": "lookup", "arguments": "{\"q\": 1}"}}
    body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": MODEL,
            "choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}]}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def result_of(call_id: str) -> list[dict]:
    return [{"type": "function_call_output", "call_id": call_id, "output": "found"}]


@pytest.fixture
def upstream():
    with GatedUpstream() as upstream:
        yield upstream


@pytest.fixture
def session(upstream, start_server):
    session = Session.create(start_server("--upstream", f"{upstream.url}/v1"), model=MODEL)
    yield session
    session.close()


def begin_call(session, upstream):
    """A response that has called a tool and goes on talking. Returns its acknowledgement and the gate before its end."""
    gate = upstream.gate()
    upstream.answers[MODEL] = GatedUpstream.Turns([
        [call_chunk("call_1"), gate, chunk("", "tool_calls"), END], [chunk("Fine."), chunk("", "stop"), END]])
    running = session.speak("look it up")
    session.wait_for(lambda e: e["type"] == "response.function_call_arguments.delta", "the call")
    return running, gate


def test_the_result_of_a_call_of_the_running_response_waits_for_its_end(session, upstream):
    running, gate = begin_call(session, upstream)
    answer = session.speak(result_of("call_1"), mode="queue")
    assert answer["mode"] == "queue" and answer["interrupted"] is None
    twice = session.post_input(result_of("call_1"), mode="queue")
    assert twice.status_code == 400 and error_of(twice.json())["code"] == "tool_call_not_found"
    gate.open()
    session.wait_for_end_of(answer["response_id"])
    ends = [e["response"]["id"] for e in session.log() if e["type"] == "response.completed"]
    assert ends == [running["response_id"], answer["response_id"]]
    call, result = upstream.asked(MODEL)[1]["messages"][-2:]
    assert [call["tool_calls"][0]["id"], result["tool_call_id"]] == ["call_1", "call_1"] and result["content"] == "found"


def test_the_result_of_a_call_that_is_cut_is_cancelled(session, upstream):
    begin_call(session, upstream)
    orphan = session.speak(result_of("call_1"), mode="queue")
    cutting = session.speak("never mind")
    assert cutting["mode"] == "interrupt"
    log = session.wait_for_end_of(cutting["response_id"])
    cancelled = [(e["response_id"], e["reason"]) for e in log if e["type"] == "interject:cancelled"]
    assert cancelled == [(orphan["response_id"], "cancel")]
    assert "tool" not in [message["role"] for message in upstream.asked(MODEL)[-1]["messages"]]
