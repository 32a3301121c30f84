"""What is taken in is never dropped without a word: steers that wait for tools, forms without a body, calls of tools beyond the
limit."""

import contextlib
import json

import pytest

from raw_http import RawConnection
from rehearsal import say
from restarts import kill, restart
from scripted_upstream import ScriptedUpstream
from sessions import Session, item_text
from sockets import Socket


def call_tool(socket, tag, tool) -> dict:
    """A response that waits for the output of a tool."""
    start = len(socket.events)
    socket.create(say(tag, tool=tool["name"]), tools=[tool])
    return socket.wait_for_type("response.completed", start=start)["response"]


def user_texts(server, session_id) -> list[str]:
    return [item_text(item) for item in Session(server, session_id).state()["items"] if item.get("role") == "user"]


@pytest.mark.parametrize("between", ["nothing", "refusal", "another connection", "kill"])
def test_a_pending_steer_is_kept_until_one_response_takes_it(start_server, tag, lookup_tool, between):
    server = start_server()
    with contextlib.closing(Socket(server)) as socket:
        called = call_tool(socket, tag, lookup_tool)
        for text in ("steer one", "steer two"):
            start = len(socket.events)
            socket.send("response.steer", previous_response_id=called["id"], input=text)
            socket.wait_for_type("response.steer.pending", start=start)
        call = next(item for item in called["output"] if item["type"] == "function_call")
        output = [{"type": "function_call_output", "call_id": call["call_id"], "output": "found"}]
        body = {"model": "rehearsal-fast", "previous_response_id": called["id"], "input": output}
        if between == "refusal":
            start = len(socket.events)
            twice = [{"type": "message", "role": "user", "id": "msg_twice", "content": "x"}] * 2
            socket.send("response.create", **{**body, "input": output + twice})
            assert socket.wait_for_type("error", start=start)["error"]["code"] == "duplicate_item"
        if between == "kill":
            kill(server)
            restart(server)
    with server.http() as http:
        if between == "nothing":
            with contextlib.closing(Socket(server)) as other:
                other.send("response.create", **body)
                answer = other.wait_for_type("response.completed")["response"]
        else:
            answer = http.post("/v1/responses", json=body).json()
        assert answer["status"] == "completed", answer
        session = answer["interject"]["session_id"]
        assert user_texts(server, session)[-2:] == ["steer one", "steer two"]
        # One response has taken them.
        http.post("/v1/responses", json={**body, "previous_response_id": answer["id"], "input": "and now?"})
        assert [text for text in user_texts(server, session) if text.startswith("steer")] == ["steer one", "steer two"]


@pytest.mark.parametrize("head", ["Content-Length: 0\r\n", "", "Transfer-Encoding: chunked\r\n"])
def test_an_upload_without_a_body_is_answered(server, head):
    with RawConnection(server, timeout_s=10) as raw:
        raw.send((
            f"POST /v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=x\r\n{head}\r\n"
            + ("0\r\n\r\n" if "chunked" in head else "")).encode())
        answer = raw.read_answer()
        assert answer.status == 400 and answer.json()["error"]["code"] == "invalid_form"


def tool_chunk(index) -> bytes:
    delta = {"tool_calls": [{"index": index, "id": f"call_{index}", "type": "function",
                             "function": {"name": "f", "arguments": "{}"}}]}
    body = {"id": "c", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def test_more_calls_of_tools_than_may_be_are_no_completed_answer(start_server, lookup_tool):
    end = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}\n\ndata: [DONE]\n\n'
    for count, status in ((256, "completed"), (257, "incomplete")):
        with ScriptedUpstream([tool_chunk(index) for index in range(count)] + [end]) as upstream:
            server = start_server("--upstream", f"{upstream.url}/v1")
            with server.http() as http:
                answer = http.post("/v1/responses", json={"model": "m", "input": "x", "tools": [lookup_tool]}).json()
            assert answer["status"] == status and len(answer["output"]) == 256


def test_a_name_that_the_store_would_cut_is_refused(server):
    with server.http() as http:
        item = {"type": "message", "role": "user", "id": "msg_a\0b", "content": "x"}
        answer = http.post("/v1/responses", json={"model": "rehearsal", "input": [item]})
        assert answer.status_code == 400 and answer.json()["error"]["param"] == "input[0].id"
