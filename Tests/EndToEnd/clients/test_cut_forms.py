"""`Interject-Cut-As`: one cut, told to each reader in the form that it asked for; the log stays as it is (Protocols/clients.md)."""

import json

import pytest

from client_cuts import CUTS, TRUTHS, Bench, cut_as
from event_source import SseParser
from keys import Keys, bearer
from paced_upstream import MODEL
from protocol_schemas import check, check_event
from rehearsal import eventually
from sessions import response_text
from sockets import Socket

FORMS = ["completed", "incomplete", "failed"]
ENDS = {"completed": ("response.completed", "completed", None),
        "incomplete": ("response.incomplete", "incomplete", {"reason": "max_output_tokens"}),
        "failed": ("response.failed", "failed", None)}
TOOL = {"type": "function", "name": "lookup", "parameters": {"type": "object", "properties": {"query": {"type": "string"}}}}
FORMAT = {"type": "json_schema", "name": "city", "schema": {"type": "object"}}


@pytest.fixture
def bench(start_server):
    bench = Bench(start_server)
    yield bench
    bench.close()


def stream(server, path, body, headers=None):
    """The data of a stream's events."""
    parser, seen = SseParser(), []
    with server.http(headers=headers) as http, http.stream("POST" if body else "GET", path, json=body) as answer:
        assert answer.status_code == 200, answer.read()
        for piece in answer.iter_raw():
            seen += [data for _, data, _ in parser.feed(piece)]
    assert seen[-1] == "[DONE]"
    return [json.loads(data) for data in seen[:-1]]


def asker(bench, headers=None, **fields):
    """Asks for a response as a stream, by bare HTTP."""
    return lambda prompt, _: stream(bench.server, "/v1/responses", {"model": MODEL, "input": prompt, "stream": True, **fields}, headers)


def chat_asker(bench, headers=None, **fields):
    return lambda prompt, _: stream(
        bench.server, "/v1/chat/completions",
        {"model": MODEL, "messages": [{"role": "user", "content": prompt}], "stream": True, **fields}, headers)


def whole(bench, path, headers=None, **fields):
    """Asks without a stream; the answer."""
    def ask(prompt, _):
        question = {"messages": [{"role": "user", "content": prompt}]} if "chat" in path else {"input": prompt}
        return bench.http.post(path, json={"model": MODEL, **question, **fields}, headers=headers)
    return ask


@pytest.mark.parametrize("form", FORMS)
def test_each_cut_is_told_in_the_form_that_was_asked_for(bench, form):
    for cut in CUTS:
        seen = bench.cut(asker(bench, cut_as(form)), cut)
        events = seen.ended
        kind, status, details = ENDS[form]
        end = events[-1]
        assert end["type"] == kind
        assert (end["response"]["status"], end["response"]["incomplete_details"]) == (status, details)
        assert (end["response"]["interject"]["status"], end["response"]["interject"]["incomplete_details"]) == TRUTHS[cut]
        assert (end["response"]["error"] or {}).get("code") == ("response_cut" if form == "failed" else None)
        assert [e["sequence_number"] for e in events] == list(range(len(events))), "no event is left out"
        assert response_text(end["response"]) == "".join(e["delta"] for e in events if e["type"].endswith("text.delta"))
        for event in events:
            check_event(event)


def test_the_log_and_other_readers_keep_the_truth(bench):
    seen = bench.cut(asker(bench, cut_as("completed")), "cancel")
    assert seen.ended[-1]["type"] == "response.completed"
    path = f"/v1/responses/{seen.response_id}"
    ends = [e for e in bench.log(seen) if e.get("response", {}).get("id") == seen.response_id and e["type"] == "response.cancelled"]
    assert len(ends) == 1 and "status" not in ends[0]["response"]["interject"]
    truth = bench.http.get(path).json()
    assert truth["status"] == "cancelled" and truth == ends[0]["response"]
    for form in FORMS:
        told = bench.http.get(path, headers=cut_as(form))
        check(told.json(), "response")
        assert told.json()["status"] == form
        # Each form is another text: one tag does not stand for the other.
        assert told.headers["etag"] != bench.http.get(path).headers["etag"]
        assert bench.http.get(path, headers={**cut_as(form), "If-None-Match": told.headers["etag"]}).status_code == 304
        replayed = stream(bench.server, f"{path}?stream=true", None, cut_as(form))
        assert replayed[-1]["type"] == ENDS[form][0] and replayed[:-1] == seen.ended[:-1]
    assert bench.http.get(path, headers=cut_as("native")).json() == truth
    # Whoever cancels knows of it.
    assert bench.http.post(f"{path}/cancel", headers=cut_as("completed")).json()["status"] == "cancelled"


def test_ends_that_are_no_cuts_are_told_as_ever(bench):
    for form in FORMS:
        ended = bench.http.post("/v1/responses", json=bench.model_body(input="[[brief]]"), headers=cut_as(form)).json()
        assert ended["status"] == "completed" and "status" not in ended["interject"]
        chat = bench.http.post("/v1/chat/completions", headers=cut_as(form), json=bench.model_body(
            messages=[{"role": "user", "content": "[[brief]]"}])).json()
        told = chat.get("interject", {})
        assert chat["choices"][0]["finish_reason"] == "stop" and not told.get("reason")
        assert told.get("status", "completed") == "completed"


def test_what_polls_gets_its_form(bench):
    def ask(prompt, _):
        made = bench.http.post("/v1/responses", json=bench.model_body(input=prompt, background=True), headers=cut_as("completed")).json()
        assert made["status"] in ("queued", "in_progress")
        return bench.http.get(f"/v1/responses/{made['id']}", params={"wait": 60}, headers=cut_as("completed")).json()

    told = bench.cut(ask, "interrupt").ended
    assert told["status"] == "completed" and told["interject"]["incomplete_details"] == {"reason": "interrupted"}


@pytest.mark.parametrize("form, tool, json_format", [
    (None, "length", "length"), ("native", "length", "length"), ("completed", None, "length"), ("incomplete", "length", "length"),
    ("failed", None, None)])
def test_of_what_a_program_reads_no_part_is_told_as_the_whole(bench, form, tool, json_format):
    """The finish reason of half a call and of half an object; None: an error."""
    tools = [{"type": "function", "function": {k: v for k, v in TOOL.items() if k != "type"}}]
    for mark, fields, reason in [
        ("[[tool]]", {"tools": tools}, tool),
        ("[[json]]", {"response_format": {"type": "json_schema", "json_schema": {"name": "city", "schema": {"type": "object"}}}}, json_format),
    ]:
        last = bench.cut(chat_asker(bench, cut_as(form), **fields), "cancel", mark).ended[-1]
        answer = bench.cut(whole(bench, "/v1/chat/completions", cut_as(form), **fields), "cancel", mark).ended
        if reason is None:
            assert last["error"]["code"] == "response_cut"
            assert (answer.status_code, answer.json()["error"]["code"]) == (409, "response_cut")
            # SDKs ask again at a 409, unless it says this.
            assert answer.headers["x-should-retry"] == "false"
        else:
            assert last["choices"][0]["finish_reason"] == reason
            assert answer.json()["choices"][0]["finish_reason"] == reason
            assert last["interject"]["status"] == answer.json()["interject"]["status"] == "cancelled"


def test_half_a_call_or_half_an_object_is_no_completed_response(bench):
    tool = bench.cut(asker(bench, cut_as("completed"), tools=[TOOL]), "interrupt", "[[tool]]").ended[-1]
    assert tool["type"] == "response.failed" and tool["response"]["error"]["code"] == "response_cut"
    assert tool["response"]["output"][-1]["status"] == "incomplete"
    formatted = bench.cut(asker(bench, cut_as("completed"), text={"format": FORMAT}), "interrupt", "[[json]]").ended[-1]
    assert formatted["type"] == "response.incomplete"
    assert formatted["response"]["incomplete_details"] == {"reason": "max_output_tokens"}


def test_an_unknown_form_is_refused_by_name(bench):
    def refused(answer, param):
        assert answer.status_code == 400, answer.text
        error = answer.json()["error"]
        assert error["param"] == param and "completed" in error["message"]

    chat = bench.model_body(messages=[{"role": "user", "content": "x"}])
    for value in ["yes", "", "Completed"]:
        header = {"Interject-Cut-As": value}
        refused(bench.http.post("/v1/responses", json=bench.model_body(input="x"), headers=header), "Interject-Cut-As")
        refused(bench.http.post("/v1/chat/completions", json=chat, headers=header), "Interject-Cut-As")
        refused(bench.http.get("/v1/responses/resp_1", headers=header), "Interject-Cut-As")
        member = {"interject": {"cut_as": value}}
        refused(bench.http.post("/v1/responses", json=bench.model_body(input="x", **member)), "interject.cut_as")
        refused(bench.http.post("/v1/chat/completions", json={**chat, **member}), "interject.cut_as")
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
               "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Interject-Cut-As": "yes"}
    refused(bench.http.get("/v1/responses", headers=upgrade), "Interject-Cut-As")
    assert bench.upstream.bodies == []


def test_the_body_wins_over_the_header(bench):
    ask = asker(bench, cut_as("failed"), interject={"cut_as": "completed"})
    assert bench.cut(ask, "cancel").ended[-1]["type"] == "response.completed"
    ask = asker(bench, cut_as("failed"), interject={"cut_as": "native"})
    assert bench.cut(ask, "cancel").ended[-1]["type"] == "response.cancelled"


def test_a_websocket_has_a_form_and_each_response_its_own(bench):
    socket = Socket(bench.server, headers=cut_as("completed"))

    def ask(prompt, _, **fields):
        start = len(socket.events)
        socket.send("response.create", model=MODEL, input=prompt, **fields)
        return socket.wait_for(lambda e: e["type"].startswith("response.") and e.get("response", {}).get("completed_at"), "the end", start)

    end = bench.cut(ask, "cancel").ended
    assert end["type"] == "response.completed" and end["response"]["interject"]["status"] == "cancelled"
    check_event(end)
    end = bench.cut(lambda prompt, notes: ask(prompt, notes, interject={"cut_as": "incomplete"}), "cancel").ended
    assert end["type"] == "response.incomplete"
    # Who has joined a session reads its own vocabulary.
    watcher = Socket(bench.server, headers=cut_as("completed"))
    seen = bench.cut(ask, lambda seen: (watcher.join(seen.session_id), bench.speak_or_cancel(seen, "cancel")))
    assert seen.ended["type"] == "response.completed"
    watcher.wait_for_type("response.cancelled")
    socket.close()
    watcher.close()


def test_a_key_and_what_is_made_from_it_have_a_form(start_server, tmp_path):
    directory = tmp_path / "data"
    keys = Keys(directory)
    told, plain = keys.create("legacy", cut_as="completed"), keys.create("new")
    assert (told["cut_as"], plain["cut_as"]) == ("completed", None)
    assert "cut-as=completed" in keys.run("list").stdout
    refused = keys.run("create", "x", "--cut-as", "sometimes")
    assert refused.returncode != 0 and "--cut-as" in refused.stderr
    bench = Bench(start_server, "--data", str(directory), "--cut-as", "incomplete")

    def end(key, **headers):
        bench.http.headers.update(bearer(key))
        return bench.cut(asker(bench, {**bearer(key), **headers}), "cancel").ended[-1]["type"]

    assert end(told) == "response.completed"
    assert end(plain) == "response.incomplete", "as the server has it"
    assert end(told, **cut_as("native")) == "response.cancelled", "what a request says wins"
    token = bench.http.post("/v1/client_tokens", json={}, headers=bearer(told)).json()["token"]
    bench.http.headers.update(bearer(told))
    assert bench.cut(asker(bench, bearer(token)), "cancel").ended[-1]["type"] == "response.completed"
    bench.close()


def named(bench, path, prompts, headers):
    """Asks with an Idempotency-Key, and keeps the prompt for a retry."""
    def ask(prompt, _):
        prompts.append(prompt)
        return retry(bench.http, path, prompt, headers)
    return ask


def retry(http, path, prompt, headers):
    question = {"messages": [{"role": "user", "content": prompt}], "store": True} if "chat" in path else {"input": prompt}
    return http.post(path, json={"model": MODEL, **question}, headers={"Idempotency-Key": "name", **headers})


def test_a_replay_is_told_in_the_form_of_the_call_that_reads_it(bench):
    path, prompts = "/v1/chat/completions", []
    seen = bench.cut(named(bench, path, prompts, cut_as("failed")), "interrupt")
    assert seen.ended.status_code == 409
    again = retry(bench.http, path, prompts[0], {})
    assert again.headers["idempotent-replayed"] == "true", "told as a failure, the command was carried out all the same"
    assert again.json()["choices"][0]["finish_reason"] == "stop"
    assert again.json()["interject"]["reason"] == "interrupted"
    assert len(bench.upstream.asked_about(seen.tag)) == 1


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/chat/completions"])
def test_a_restart_of_the_server_is_a_cut(start_server, tmp_path, path):
    flags = ("--data", str(tmp_path / "data"))
    bench, prompts = Bench(start_server, *flags), []

    def kill(_):
        bench.server.popen.kill()
        bench.server.popen.wait()

    seen = bench.cut(named(bench, path, prompts, {"Interject-On-Disconnect": "cancel"}), kill)
    assert seen.raised, "the connection broke"
    with start_server("--upstream", bench.upstream.url, *flags).http() as http:
        told = retry(http, path, prompts[0], {"Interject-On-Disconnect": "cancel"})
        assert told.headers["idempotent-replayed"] == "true"
        completed = retry(http, path, prompts[0], {"Interject-On-Disconnect": "cancel", **cut_as("completed")}).json()
    if "chat" in path:
        for completion in told.json(), completed:
            check(completion, "chat-completion")
            assert completion["choices"][0]["finish_reason"] == "stop" and completion["choices"][0]["message"]["content"]
            assert (completion["interject"]["status"], completion["interject"]["reason"]) == ("incomplete", "server_restarted")
    else:
        assert told.json()["incomplete_details"] == {"reason": "server_restarted"}
        assert completed["status"] == "completed"
        assert completed["interject"]["incomplete_details"] == {"reason": "server_restarted"}
    bench.close()
