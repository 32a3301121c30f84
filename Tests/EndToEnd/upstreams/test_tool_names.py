"""Names and identifiers of tools on their way between a model and its client: what a model made up comes back whole, what nobody
offered is refused, and a call that has no name does not vanish."""

import pytest

from answering_upstream import stream
from processes import InterjectProcess
from upstream_events import DONE, TOOLS, anthropic_end, block, call, chunk

ID, NAME = "call_" + "s" * 3000, "look_" + "n" * 400


@pytest.fixture(scope="module")
def server(upstream, tmp_path_factory):
    upstreams = ("--upstream", f"{upstream.url}/v1 models=chat*", "--upstream", f"anthropic+{upstream.url} models=anthropic*")
    with InterjectProcess(tmp_path_factory.mktemp("names"), *upstreams) as server:
        yield server


@pytest.fixture(scope="module")
def http(server):
    with server.http() as http:
        yield http


def tool(name="look") -> dict:
    return {"type": "function", "name": name, "parameters": {"type": "object"}}


def chat_tool(name="look") -> dict:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}


def test_a_long_identifier_and_name_of_a_call_come_back(upstream, http):
    upstream.replies["chat-long"] = [
        stream(chunk({"tool_calls": [call(0, ID, name=NAME, arguments="{}")]}), TOOLS, DONE),
        stream(chunk({"content": "found"}), chunk({}, "stop"), DONE)]
    first = http.post("/v1/responses", json={"model": "chat-long", "input": "hi", "tools": [tool()]}).json()
    made = first["output"][0]
    assert (made["call_id"], made["name"]) == (ID, NAME)
    output = {"type": "function_call_output", "call_id": ID, "output": "42"}
    for items in ([{"role": "user", "content": "hi"}, made, output], None):
        body = {"input": items} if items else {"input": [output], "previous_response_id": first["id"]}
        answer = http.post("/v1/responses", json={"model": "chat-long", "tools": [tool()], **body})
        assert answer.status_code == 200, answer.text
        messages = upstream.bodies[-1]["messages"]
        assert messages[-2]["tool_calls"][0]["function"]["name"] == NAME
        assert messages[-2]["tool_calls"][0]["id"] == messages[-1]["tool_call_id"] == ID


def test_the_output_of_a_call_with_a_long_identifier_is_taken_by_its_session(upstream, http):
    upstream.replies["chat-session"] = [
        stream(chunk({"tool_calls": [call(0, ID, name="look", arguments="{}")]}), TOOLS, DONE),
        stream(chunk({"content": "found"}), chunk({}, "stop"), DONE)]
    session = http.post("/v1/sessions", json={"model": "chat-session"}).json()["id"]
    http.post(f"/v1/sessions/{session}/input", json={"input": "hi", "tools": [tool()]})
    http.get(f"/v1/sessions/{session}", params={"wait": 30})
    output = {"type": "function_call_output", "call_id": ID, "output": "42"}
    taken = http.post(f"/v1/sessions/{session}/input", json={"input": [output], "tools": [tool()]})
    assert taken.status_code in (200, 202), taken.text


@pytest.mark.parametrize("member", ["call_id", "name"])
def test_the_names_of_calls_have_a_bound(http, member):
    item = {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}", member: "x" * (16 * 1024 + 1)}
    error = http.post("/v1/responses", json={"model": "chat", "input": [item]}).json()["error"]
    assert (error["code"], error["param"]) == ("too_long", f"input[0].{member}")


def test_identifiers_of_items_keep_their_bound(http):
    item = {"type": "message", "role": "user", "content": "hi", "id": "x" * 257}
    error = http.post("/v1/responses", json={"model": "chat", "input": [item]}).json()["error"]
    assert (error["code"], error["param"]) == ("too_long", "input[0].id")


CHOICES = [
    {"type": "function", "name": "other"}, {"type": "custom", "name": "other"}, {"type": "web_search"},
    {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "other"}]},
    {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "look"}, {"type": "web_search"}]}]
CHAT_CHOICES = [
    {"type": "function", "function": {"name": "other"}}, {"function": {"name": "other"}},
    {"type": "custom", "custom": {"name": "other"}}, {"type": "web_search"},
    {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "other"}}]}},
    {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "web_search"}]}}]


@pytest.mark.parametrize("model", ["chat", "anthropic"])
@pytest.mark.parametrize("choice", CHOICES)
def test_a_choice_of_a_tool_that_is_not_there_is_refused(upstream, http, model, choice):
    before = upstream.count
    answer = http.post("/v1/responses", json={"model": model, "input": "hi", "tools": [tool()], "tool_choice": choice})
    assert answer.status_code == 400 and answer.json()["error"]["param"].startswith("tool_choice"), answer.text
    assert upstream.count == before


@pytest.mark.parametrize("model", ["chat", "anthropic"])
@pytest.mark.parametrize("tools", [[chat_tool()], None])
@pytest.mark.parametrize("choice", CHAT_CHOICES)
def test_a_chat_clients_choice_of_a_tool_that_is_not_there_is_refused(upstream, http, model, tools, choice):
    before = upstream.count
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "tools": tools, "tool_choice": choice}
    answer = http.post("/v1/chat/completions", json=body)
    assert answer.status_code == 400 and answer.json()["error"]["param"].startswith("tool_choice"), answer.text
    assert upstream.count == before


@pytest.mark.parametrize("model", ["chat", "anthropic"])
def test_a_choice_among_functions_that_is_not_there_is_refused(http, model):
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "functions": [{"name": "look"}],
            "function_call": {"name": "other"}}
    answer = http.post("/v1/chat/completions", json=body)
    assert answer.status_code == 400 and answer.json()["error"]["param"] == "function_call"


@pytest.mark.parametrize("choice", [
    "auto", "none", "required", {"type": "function", "function": {"name": "look"}},
    {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "look"}}]}}])
def test_a_chat_clients_choice_of_a_tool_that_is_there_is_passed_on(upstream, http, choice):
    body = {"model": "chat", "messages": [{"role": "user", "content": "hi"}], "tools": [chat_tool()], "tool_choice": choice}
    assert http.post("/v1/chat/completions", json=body).status_code == 200
    assert upstream.bodies[-1]["tool_choice"] == choice


UNNAMED = chunk({"tool_calls": [call(0, "a", arguments="{}")]})


def test_a_call_without_a_name_is_told_beside_the_answer(upstream, http):
    upstream.replies["chat-unnamed"] = stream(chunk({"content": "Hello"}), UNNAMED, TOOLS, DONE)
    answer = http.post("/v1/responses", json={"model": "chat-unnamed", "input": "hi", "tools": [tool()]}).json()
    assert answer["status"] == "completed" and answer["interject"]["unnamed_tool_calls"] == 1
    body = {"model": "chat-unnamed", "messages": [{"role": "user", "content": "hi"}], "tools": [chat_tool()]}
    told = http.post("/v1/chat/completions", json=body).json()
    assert told["choices"][0]["message"]["content"] == "Hello" and told["interject"]["unnamed_tool_calls"] == 1
    assert '"unnamed_tool_calls":1' in http.post("/v1/chat/completions", json={**body, "stream": True}).text


@pytest.mark.parametrize("model, answer", [
    ("chat-nothing", stream(UNNAMED, TOOLS, DONE)),
    ("anthropic-nothing", stream(
        block("content_block_start", index=0, content_block={"type": "tool_use", "id": "a", "input": {}}),
        block("content_block_stop", index=0), anthropic_end("tool_use")))])
def test_an_answer_of_nothing_but_a_call_without_a_name_has_failed(upstream, http, model, answer):
    upstream.replies[model] = answer
    failed = http.post("/v1/responses", json={"model": model, "input": "hi", "tools": [tool()]})
    assert failed.status_code == 502 and failed.json()["error"]["code"] == "upstream_malformed"
    assert "name" in failed.json()["error"]["message"]
