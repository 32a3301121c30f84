"""What happens in sessions beside an answer, held to golden files as in test_golden_logs.py, which says how to record them anew:
interjections in every mode and place, cancels, disconnects, participants, conversations, tools, runners, crashes and stops."""

import json
import signal

import pytest

from followed_session import CHAT, CLAUDE, LiveStream, RawSocket, sse_data
from gated_upstream import GatedUpstream
from golden_answers import COUNTED, claude, spoken, thinking, tool, tool_use, words
from rehearsal import eventually
from runner import DONE, Runner, step, text
from sessions import TERMINAL, user_message
from upstream_events import TOOLS, block, chunk
from upstream_events import DONE as END_OF_STREAM

FUNCTIONS = [{"type": "function", "name": name, "parameters": {"type": "object"}} for name in ("lookup", "forecast")]
CUSTOM = [{"type": "custom", "name": "shell"}]
TEXT, REASONING, ARGUMENTS = (f"response.{kind}.delta" for kind in ("output_text", "reasoning_text", "function_call_arguments"))
HALF = words("Once ", "upon ", "a ti")
# Where an answer is cut: what was said until then, the event that tells it, and how often.
PLACES = {
    "text": (HALF, TEXT, 3),
    "reasoning": ([chunk({"reasoning_content": "Let me "}), chunk({"reasoning_content": "see"})], REASONING, 2),
    "calls": ([*words("I look. "), tool(0, "call_a", name="lookup", arguments='{"q":'), tool(1, "call_b", name="forecast", arguments='{"w')],
              ARGUMENTS, 2),
    "refusal": ([chunk({"refusal": "I can"})], "response.refusal.delta", 1),
    "call-done": ([tool(0, "call_a", name="lookup", arguments="{}"), tool(1, "call_b", name="forecast", arguments='{"w')], ARGUMENTS, 2),
}


def halt(golden, *said, model=CHAT, then=None, rest=None):
    """The first answer stops behind these pieces, until the gate that is returned opens; the next answers are whole."""
    gate = golden.upstream.gate()
    golden.upstream.answers[model] = GatedUpstream.Turns([
        [*said, gate, *(rest or spoken("me."))], *(then or [spoken("Go ", "on.")])])
    return gate


def begin(golden, place="text", model=CHAT, then=None, **made):
    said, kind, count = PLACES[place]
    gate = halt(golden, *said, model=model, then=then)
    session = golden.session(model, **made)
    session.input("What is it?", **({"tools": FUNCTIONS} if "call" in place else {}))
    session.wait(kind, count)
    return session, gate


def asked(golden):
    """What the upstream was asked, in the order in which it came."""
    golden.recording.add("asked of the upstream", "\n".join(
        json.dumps(body, ensure_ascii=False, separators=(",", ":")) for body in golden.upstream.bodies).encode())


def finish(golden, session, title=""):
    session.finish(title)
    asked(golden)
    golden.check_after_kill()
    golden.recording.check()


@pytest.mark.parametrize("mode", ["interrupt", "steer", "rollback", "queue", "reject"])
def test_mode(golden, mode):
    session, gate = begin(golden)
    session.input("No, wait.", mode=mode, participant="Ada L.", client_event_id="second")
    if mode in ("queue", "reject"):
        gate.open()
    finish(golden, session)


@pytest.mark.parametrize("place", [place for place in PLACES if place != "text"])
@pytest.mark.parametrize("mode", ["interrupt", "steer"])
def test_cut(golden, mode, place):
    session, _ = begin(golden, place)
    session.input("No, wait.", mode=mode)
    finish(golden, session)


@pytest.mark.parametrize("mode", ["interrupt", "steer", "rollback"])
def test_before_the_first_token(golden, mode):
    golden.upstream.answers[CHAT] = GatedUpstream.Turns([[golden.upstream.gate()], spoken("Go ", "on.")])
    session = golden.session()
    session.input("What is it?")
    eventually(lambda: golden.upstream.count == 1, "the upstream is asked")
    session.input("No, wait.", mode=mode)
    finish(golden, session)


def test_anthropic_steer(golden):
    said = [block("message_start", message={"id": "m", "role": "assistant", "usage": {"input_tokens": 11, "output_tokens": 1}}),
            thinking("Hm.", signature="c2ln"), block("content_block_start", index=1, content_block={"type": "text", "text": ""}),
            block("content_block_delta", index=1, delta={"type": "text_delta", "text": "Once upon"})]
    halt(golden, *said, model=CLAUDE, then=[claude(
        block("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        block("content_block_delta", index=0, delta={"type": "text_delta", "text": " a time."}), block("content_block_stop", index=0))])
    session = golden.session(CLAUDE)
    session.input("What is it?")
    session.wait(TEXT)
    session.input("Briefly!", mode="steer", participant="Ada")
    finish(golden, session)


@pytest.mark.parametrize("query", ["", "?queued=drop"])
def test_cancel(golden, query):
    session, _ = begin(golden)
    session.input("And then?", mode="queue", client_event_id="waits")
    session.cancel(query)
    finish(golden, session)


def test_cancel_amid_a_call(golden):
    session, _ = begin(golden, "calls")
    session.cancel()
    session.cancel()
    finish(golden, session)


def test_cancel_of_one_that_waits(golden):
    session, gate = begin(golden)
    waiting = json.loads(session.input("And then?", mode="queue").body)["response_id"]
    golden.post("cancel of the one that waits", f"/v1/responses/{waiting}/cancel")
    session.wait("response.cancelled")
    gate.open()
    finish(golden, session)


def test_disconnect_cancels(golden):
    """Watchers would keep it alive, so the session is read when all is over."""
    halt(golden, *HALF)
    stream = LiveStream(golden.server, "POST", "/v1/responses", {"model": CHAT, "input": "What is it?", "stream": True})
    stream.wait_for(b"event: response.output_text.delta\n", 3)
    golden.recording.add("POST /v1/responses, SSE, until its client left", stream.raw)
    stream.close()
    session_id = stream.headers["interject-session"]
    eventually(lambda: json.loads(golden.get(f"/v1/sessions/{session_id}").body)["status"] == "idle", "it is cancelled")
    finish(golden, golden.watch(session_id))


def test_participants(golden):
    session, gate = begin(golden)
    ada, bob = RawSocket(golden.server), RawSocket(golden.server)
    ada.join(session.id, name="Ada", stream_id="ada")
    ada.send("interject:join", session_id=session.id, client_event_id="again")
    ada.wait_for_type("error")
    session.wait("interject:participant.joined", 1)
    bob.join(session.id, name="Bøb \"B\"", starting_after=2)
    session.wait("interject:participant.joined", 2)
    ada.send("interject:input", session_id=session.id, input="Stop!", mode="reject", client_event_id="refused")
    ada.wait_for_type("error", client_event_id="refused")
    bob.send("interject:input", session_id=session.id, input=user_message("Go on, \"please\"."), mode="steer", client_event_id="bob")
    session.wait("response.completed", 1)
    for number, (socket, seen) in enumerate([(bob, "response.completed"), (ada, "interject:participant.left")], 1):
        # What has not come to a connection when it leaves does not come any more, and it may be behind those that watch.
        socket.wait_for_type(seen)
        socket.send("interject:leave", session_id=session.id)
        socket.wait_for_type("interject:left")
        session.wait("interject:participant.left", number)
        socket.close()
    golden.recording.add("Ada's socket", ada.raw())
    golden.recording.add("Bob's socket", bob.raw())
    finish(golden, session)


def test_conversation(golden):
    golden.upstream.answers[CHAT] = spoken("Four.")
    item = lambda words: {"type": "message", "role": "user", "content": words}
    made = golden.post("made", "/v1/conversations", {"metadata": {"topic": "sums"}, "items": [item("I am Ada."), item("I count.")]}).json()
    session = golden.watch(made["id"])
    path = f"/v1/conversations/{made['id']}"
    added = golden.post("added", f"{path}/items", {"items": [item("2 + 2"), {"type": "function_call", "call_id": "call_a", "name": "f",
                        "arguments": "{}"}, {"type": "function_call_output", "call_id": "call_a", "output": "4\n"}]}).json()
    with session.server.http() as http:
        golden.recording.add("one taken out", http.delete(f"{path}/items/{added['data'][0]['id']}").content)
    session.wait("interject:items.deleted")
    golden.post("a response in it", "/v1/responses", {"model": CHAT, "input": "Well?", "conversation": made["id"]})
    golden.read("the conversation", path)
    golden.read("its items", f"{path}/items?order=asc&limit=100")
    finish(golden, session)


def test_branches(golden):
    golden.upstream.answers[CHAT] = GatedUpstream.Turns([spoken(f"Answer {n}.") for n in range(3)])
    first = golden.post("the first", "/v1/responses", {"model": CHAT, "input": "One", "instructions": "Count."}).json()
    golden.post("goes on", "/v1/responses", {"model": CHAT, "input": "Two", "previous_response_id": first["id"]})
    branch = golden.post("branches off", "/v1/responses", {"model": CHAT, "input": "Three", "previous_response_id": first["id"]}).json()
    golden.watch(first["interject"]["session_id"]).finish(" of the first")
    finish(golden, golden.watch(branch["interject"]["session_id"]), " of the branch")


@pytest.mark.parametrize("model", [CHAT, CLAUDE])
def test_tool_results(golden, model):
    calls = {CHAT: [tool(0, "call_a", name="lookup", arguments='{"q": 1}'), TOOLS, COUNTED, END_OF_STREAM],
             CLAUDE: claude(thinking("Hm.", signature="c2lnbmF0dXJl"), tool_use('{"q": 1}', index=1), reason="tool_use")}[model]
    last = {CHAT: spoken("It rains."), CLAUDE: claude(block("content_block_start", index=0, content_block={"type": "text", "text": ""}),
            block("content_block_delta", index=0, delta={"type": "text_delta", "text": "It rains."}))}[model]
    golden.upstream.answers[model] = GatedUpstream.Turns([calls, last])
    session = golden.session(model)
    session.input("Does it rain?", tools=FUNCTIONS)
    session.wait("response.completed")
    call_id = "call_a" if model == CHAT else "toolu_1"
    session.input([{"type": "function_call_output", "call_id": call_id, "output": "rain \"☂\"\n"}], tools=FUNCTIONS)
    session.wait("response.completed", 2)
    finish(golden, session)


def test_custom_tool_results(golden):
    golden.upstream.answers[CHAT] = GatedUpstream.Turns([
        [chunk({"tool_calls": [{"index": 0, "id": "call_c", "type": "custom", "custom": {"name": "shell", "input": "ls"}}]}), TOOLS, COUNTED,
         END_OF_STREAM], spoken("Two files.")])
    session = golden.session()
    session.input("What is there?", tools=CUSTOM)
    session.wait("response.completed")
    session.input([{"type": "custom_tool_call_output", "call_id": "call_c", "output": "a\nb"}], tools=CUSTOM)
    session.wait("response.completed", 2)
    finish(golden, session)


def test_provider_data_is_given_back(golden):
    golden.upstream.answers[CHAT] = GatedUpstream.Turns([
        [chunk({"reasoning_details": [{"type": "reasoning.text", "text": "Hm.", "signature": "c2ln/+=="}], "reasoning": "Hm."}),
         chunk({"tool_calls": [{"index": 0, "id": "call_a", "type": "function", "function": {"name": "lookup", "arguments": "{}"},
                                "extra_content": {"google": {"thought_signature": "dGhvdWdodA=="}}}]}), TOOLS, COUNTED, END_OF_STREAM],
        spoken("It rains.")])
    session = golden.session()
    session.input("Does it rain?", tools=FUNCTIONS)
    session.wait("response.completed")
    session.input([{"type": "function_call_output", "call_id": "call_a", "output": "yes"}], tools=FUNCTIONS)
    session.wait("response.completed", 2)
    finish(golden, session)


def test_inputs_of_every_kind(golden):
    golden.upstream.answers[CHAT] = spoken("I see.")
    session = golden.session(instructions="Be \"brief\".", metadata={"topic": "é\n"}, mode="queue", disconnect="grace=5")
    session.input([
        {"type": "message", "role": "developer", "content": "Rules: \\ \u2028"},
        {"type": "message", "role": "user", "name": "Ada L.", "content": [
            {"type": "input_text", "text": "What is this? 😀\0"}, {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="}]},
        {"type": "reasoning", "summary": [], "encrypted_content": "opaque=="},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "A dot."}]},
        {"type": "message", "role": "user", "content": "Sure?"}], client_event_id="c\"1", temperature=0.5, metadata={"k": "v"})
    session.wait("response.completed")
    finish(golden, session)


def test_without_an_answer(golden):
    made = golden.post("takes it in", "/v1/responses", {"model": CHAT, "input": "Keep this.", "generate": False}).json()
    finish(golden, golden.watch(made["interject"]["session_id"]))


def test_background(golden):
    gate = halt(golden, *HALF)
    made = golden.post("made", "/v1/responses", {"model": CHAT, "input": "What is it?", "background": True})
    session = golden.watch(made.json()["interject"]["session_id"])
    session.wait(TEXT, 3)
    gate.open()
    session.wait("response.completed")
    finish(golden, session)


@pytest.mark.parametrize("place", ["text", "calls"])
@pytest.mark.parametrize("form", ["native", "completed", "incomplete", "failed"])
def test_cut_as(golden, form, place):
    """A cut by one request as each reader is told of it."""
    said, kind, count = PLACES[place]
    tools = {"tools": FUNCTIONS} if place == "calls" else {}
    header = {"Interject_Cut_As": form}
    chat_tools = {"tools": [{"type": "function", "function": {"name": f["name"], "parameters": f["parameters"]}} for f in FUNCTIONS]}
    bodies = {
        "/v1/responses": {"model": CHAT, "input": "What is it?", **tools},
        "/v1/chat/completions": {"model": CHAT, "messages": [{"role": "user", "content": "What is it?"}], **(chat_tools if tools else {})}}
    for path, body in bodies.items():
        for streams in (True, False):
            golden.upstream.answers[CHAT] = [*said, golden.upstream.gate()]
            known = {s["id"] for s in json.loads(golden.get("/v1/sessions?limit=100").body)["data"]}
            stream = LiveStream(golden.server, "POST", path, {**body, "stream": streams}, **header)
            new = lambda: [s for s in json.loads(golden.get("/v1/sessions?limit=100").body)["data"] if s["id"] not in known]
            session = golden.watch(eventually(new, "its session is there")[0]["id"])
            session.wait(kind, count)
            response = session.api.state()["active_response"]["id"]
            golden.recording.scope()
            golden.post("cancel" if form == "native" else None, f"/v1/responses/{response}/cancel")
            told = stream.whole()
            if path == "/v1/responses" and streams:
                told = sse_data(told)
            golden.recording.add(f"{path}, {'SSE' if streams else 'whole'}: {stream.status}", told)
            if path == "/v1/responses" and not streams:
                golden.recording.add("fetched", golden.get(f"/v1/responses/{response}", **header).body)
                golden.recording.add("its stream", sse_data(golden.get(f"/v1/responses/{response}?stream=true", **header).body))
            session.sse.close()
            session.socket.close()
    golden.recording.check()


def test_steer_commands(golden):
    """Accepted, failed, and pending for the result of a tool."""
    golden.upstream.answers[CHAT] = GatedUpstream.Turns([
        [*HALF, golden.upstream.gate()], [tool(0, "call_a", name="lookup", arguments="{}"), TOOLS, COUNTED, END_OF_STREAM],
        spoken("It rains.")])
    socket = RawSocket(golden.server)
    socket.send("response.create", model=CHAT, input="What is it?", tools=FUNCTIONS, stream_id="lane", client_event_id="create")
    socket.wait_for_deltas(3)
    first = socket.wait_for_type("response.created")
    socket.send("response.steer", previous_response_id=first["response"]["id"], input="Shorter!", client_event_id="steer")
    second = socket.wait_for_type("response.completed")
    socket.send("response.steer", previous_response_id=first["response"]["id"], input="Too late.", client_event_id="late")
    socket.wait_for_type("response.steer.failed")
    socket.send("response.steer", previous_response_id=second["response"]["id"], input="In the end, sum up.", client_event_id="pending")
    socket.wait_for_type("response.steer.pending")
    socket.send("response.create", model=CHAT, previous_response_id=second["response"]["id"], tools=FUNCTIONS, stream_id="lane",
                input=[{"type": "function_call_output", "call_id": "call_a", "output": "rain"}])
    last = socket.wait_for(lambda e: e["type"] == "response.completed" and e["response"]["id"] != second["response"]["id"], "the last end")
    socket.send("interject:cancel", response_id=last["response"]["id"], client_event_id="cancel")
    socket.wait_for_type("error", client_event_id="cancel")
    socket.send("nonsense", stream_id="lane")
    socket.wait_for(lambda e: e["type"] == "error" and e["error"]["code"] == "unknown_command", "the error")
    socket.close()
    golden.recording.add("the socket", socket.raw())
    finish(golden, golden.watch(first["interject"]["session_id"]))


def runner_session(golden):
    runner = Runner(golden.server, "external/golden")
    session = golden.session(runner.model)
    session.input("What is new?", tools=FUNCTIONS)
    return runner, session


def test_runner(golden):
    runner, session = runner_session(golden)
    lease = runner.take()
    lease.say(step("s1", kind="retrieval", name="search", title="searching"), {"type": "reasoning", "text": "Hm."})
    session.wait("interject:step")
    golden.recording.add("state with a step", golden.get(session.path).body)
    lease.say(step("s1", "completed", kind="retrieval", name="search", title="found \"12\"", detail={"count": 12, "b": [1.50, None]}),
              step("s2", parent_id="s1"), text("Not "), text("much, \"really\" – ☃."))
    lease.say({"type": "refusal", "text": "No more."}, {"type": "function_call", "name": "lookup", "arguments": {"q": "a"}, "call_id": "c1"},
              {"type": "function_call", "name": "forecast", "arguments": "{\"w\": 1.0}"},
              {"type": "usage", "input_tokens": 7, "output_tokens": 9, "cached_tokens": 2, "reasoning_tokens": 1}, DONE)
    session.wait("response.completed")
    finish(golden, session)


def test_runner_fails(golden):
    runner, session = runner_session(golden)
    lease = runner.take()
    lease.say(text("Not "), {"type": "error", "code": "no_luck", "message": "It \"broke\"."})
    session.wait("response.failed")
    finish(golden, session)


def test_runner_is_cut(golden):
    runner, session = runner_session(golden)
    lease = runner.take()
    lease.say(step("s1"), text("Not "))
    session.wait(TEXT)
    session.input("Stop.", mode="interrupt", model=CHAT) if golden.upstream.answers.setdefault(CHAT, spoken("Yes.")) else None
    session.wait("response.completed")
    finish(golden, session)


@pytest.mark.parametrize("policy", ["continue", "grace=60", "cancel"])
@pytest.mark.parametrize("place", ["text", "reasoning", "calls"])
def test_restart(golden, policy, place):
    """kill -9 in the middle; the model goes on by its prefill where it is asked to."""
    policy_name = policy.partition("=")[0]
    session, _ = begin(golden, place, then=[spoken("me ", "there was.")], disconnect=policy)
    session.input("And then?", mode="queue")
    before = session.sse.raw
    golden.restart()
    session = golden.watch(session.id)
    session.idle()
    eventually(lambda: session.sse.raw.count(b"id: ") >= before.count(b"id: "), "what was there is there")
    assert session.sse.raw.startswith(before), "what was told is told again"
    finish(golden, session, f" after kill -9 ({policy_name})")


def test_snapshot(golden):
    """A cursor beyond the log is told the state instead."""
    golden.upstream.answers[CHAT] = spoken("Hello", ".")
    session = golden.session()
    session.input("What is it?")
    session.wait("response.completed")
    beyond = golden.get(f"{session.path}/events?starting_after=4711", Accept="application/json")
    golden.recording.add(f"page beyond the log: {beyond.status}", beyond.body)
    stream = LiveStream(golden.server, "GET", f"{session.path}/events", Accept="text/event-stream", Last_Event_ID="4711")
    stream.wait_for(b"event: interject:snapshot\n")
    socket = RawSocket(golden.server)
    socket.join(session.id, starting_after=4711)
    session.input("And then?")
    session.wait("response.completed", 2)
    stream.wait_for(b"event: response.completed\n")
    eventually(lambda: stream.raw.endswith(b"\n\n"), "the event is whole")
    socket.wait_for_type("response.completed")
    for reader in (stream, socket):
        reader.close()
    golden.recording.add("SSE beyond the log", stream.raw)
    golden.recording.add("WebSocket beyond the log", socket.raw())
    finish(golden, session)


def test_deleted_while_followed(golden):
    session, _ = begin(golden)
    response = session.api.state()["active_response"]["id"]
    stream = LiveStream(golden.server, "GET", f"/v1/responses/{response}?stream=true", Accept="text/event-stream")
    stream.wait_for(b"event: response.output_text.delta\n", 3)
    golden.recording.add("deleted", session.api.http.delete(session.path).content)
    golden.recording.add("session, SSE", session.sse.whole())
    golden.recording.add("response, SSE", stream.whole())
    golden.recording.add("session, gone", golden.get(session.path).body)
    session.socket.wait_for(lambda e: e["type"] in TERMINAL, "the end")
    golden.recording.check()


def test_stop(golden):
    """SIGTERM while one answer runs that goes on, and one that does not."""
    # When to come back is drawn by lot.
    golden.recording.varying.append((rb'(retry: |"retry_ms":)(?!1000\n)\d+', rb"\1SOON"))
    said = [*HALF, golden.upstream.gate()]
    golden.upstream.answers[CHAT] = GatedUpstream.Turns([said, said, spoken("me."), spoken("me.")])
    sessions = []
    for policy in ("cancel", "continue"):
        session = golden.session(disconnect=policy)
        session.input("What is it?")
        session.wait(TEXT, 3)
        sessions.append(session)
    golden.server.popen.send_signal(signal.SIGTERM)
    for session in sessions:
        golden.recording.add("SSE until the stop", session.sse.whole())
    golden.server.popen.wait()
    golden.restart()
    for number, session in enumerate(sessions, 1):
        golden.watch(session.id).finish(f" {number} after the stop")
    golden.check_after_kill()
    golden.recording.check()
