"""Agent steps as events, and a plain script as the model behind a session (Protocols/runner.md)."""

import json
import re
import socket
import subprocess
import sys

import httpx
import openai
import pytest

from event_source import EventSource
from log_rules import Log
from metrics import Metrics
from processes import REPOSITORY, environment, run_binary
from protocol_schemas import check, check_event
from protocol_schemas import check_answer
from raw_http import request
from rehearsal import endless, eventually
from runner import DONE, InBackground, Lease, Runner, step, text
from sessions import Session, deltas, response_text
from stalled_readers import StalledEventSource as SseReader

SEARCH = step("s1", kind="retrieval", name="search", title="searching")
FOUND = step("s1", "completed", kind="retrieval", name="search", title="found 12 results", detail={"count": 12})


@pytest.fixture
def runner(server, tag):
    made = Runner(server, f"external/{tag}")
    yield made
    made.close()


@pytest.fixture
def session(new_session, runner):
    return new_session(model=runner.model)


def test_a_script_answers(session, runner):
    accepted = session.speak("What is new?")
    lease = runner.take()
    assert lease.response_id == accepted["response_id"] and lease.work["session_id"] == session.id
    assert lease.work["model"] == runner.model and lease.question == "What is new?"
    assert lease.work["attempt"] == 1 and lease.work["continues_last_message"] is False
    lease.say(SEARCH)
    state = session.state()
    assert [s["title"] for s in state["active_response"]["interject"]["steps"]] == ["searching"]
    lease.say({"type": "reasoning", "text": "Hm."}, FOUND, text("Not "), text("much, \"really\" – ☃."))
    lease.say({"type": "usage", "input_tokens": 7, "output_tokens": 9}, DONE)
    log = Log.of(session)
    turn = log.turns[lease.response_id]
    assert turn.text == 'Not much, "really" – ☃.' and turn.status == "completed"
    numbers = [e["sequence_number"] for e in turn.events]
    assert numbers == list(range(len(numbers)))
    steps = [e["step"] for e in log.events if e["type"] == "interject:step"]
    assert [s["title"] for s in steps] == ["searching", "found 12 results"]
    assert steps[1] == {"id": "s1", "kind": "retrieval", "name": "search", "status": "completed", "title": "found 12 results",
                        "detail": {"count": 12}, "parent_id": None}
    for event in log.events:
        check_event(event)
    response = session.http.get(f"/v1/responses/{lease.response_id}").json()
    check(response, "response")
    assert response["interject"]["steps"] == [steps[1]]
    assert response["usage"]["output_tokens"] == 9 and response["interject"]["usage_estimated"] is False


def test_steps_on_every_face(server, session, runner, open_socket):
    """EventSource, WebSocket and polling; those of a response by the SDK are below."""
    socket = open_socket()
    socket.join(session.id)
    with EventSource(server, f"{session.path}/events") as source:
        session.speak("Look it up.")
        lease = runner.take()
        lease.say(SEARCH, FOUND, text("Twelve."), DONE)
        source.read_until(lambda e: e[0] == "response.completed")
        seen = [(data, number) for name, data, number in source.events if name == "interject:step"]
        assert [json.loads(data)["step"]["title"] for data, _ in seen] == ["searching", "found 12 results"]
        assert int(seen[1][1]) == int(seen[0][1]) + 1
    socket.wait_for_end_of(lease.response_id)
    for event in socket.log_of(session.id):
        check_event(event)
    assert [e["step"]["status"] for e in socket.log_of(session.id) if e["type"] == "interject:step"] == ["in_progress", "completed"]
    assert [e["step"]["status"] for e in session.log() if e["type"] == "interject:step"] == ["in_progress", "completed"]


def test_steps_in_the_sdks_streams(client, runner):
    """The raw stream, and the helper that accumulates, pass over what they do not know."""
    def raw():
        return list(client.responses.create(model=runner.model, input="Go.", stream=True))

    def helper():
        with client.responses.stream(model=runner.model, input="Go.") as stream:
            events = list(stream)
            return events, stream.get_final_response()

    for call in (raw, helper):
        waiting = InBackground(call)
        runner.take().say(SEARCH, text("All "), FOUND, text("good."), DONE)
        got = waiting.result()
        events = got if call is raw else got[0]
        kinds = [event.type for event in events]
        assert kinds.count("interject:step") == 2 and kinds[-1] == "response.completed"
        if call is helper:
            assert got[1].output_text == "All good."


def test_steps_in_chat_chunks(client, server, runner):
    def call():
        return list(client.chat.completions.create(
            model=runner.model, messages=[{"role": "user", "content": "Go."}], stream=True))

    waiting = InBackground(call)
    lease = runner.take()
    assert lease.question == "Go."
    lease.say(SEARCH, text("Good."), DONE)
    chunks = waiting.result()
    told = [chunk.model_extra["interject"]["step"] for chunk in chunks if "interject" in (chunk.model_extra or {})]
    assert [s["title"] for s in told] == ["searching"]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Good."
    for chunk in chunks:
        check(json.loads(chunk.model_dump_json(exclude_unset=True)), "chat-chunk")


def test_function_calls_of_a_runner_are_output_items(client, runner):
    waiting = InBackground(client.responses.create, model=runner.model, input="Go.")
    runner.take().say({"type": "function_call", "name": "lookup", "call_id": "call_1", "arguments": {"query": "snow"}},
                      {"type": "function_call", "name": "lookup", "arguments": "{}"}, {"type": "done", "finish_reason": "tool_calls"})
    first, second = waiting.result().output
    assert (first.type, first.call_id, json.loads(first.arguments)) == ("function_call", "call_1", {"query": "snow"})
    assert second.call_id.startswith("call_") and second.arguments == "{}"


@pytest.mark.parametrize("mode, reason", [("interrupt", "interrupted"), ("steer", "steered")])
def test_an_interjection_stops_the_runner_at_its_source(session, runner, mode, reason):
    session.speak("Talk.")
    lease = runner.take()
    lease.say(text("One. "))
    watch = InBackground(lease.watch, 60)
    session.speak("Stop, and say it in French.", mode=mode)
    told = watch.result()
    assert told["active"] is False
    assert told["response"] == {"id": lease.response_id, "status": "incomplete", "reason": reason}
    late = lease.post(text("Two. "))
    assert late.status_code == 409 and late.json()["error"]["code"] == "response_not_active"
    assert late.json()["response"] == told["response"]
    second = runner.take()
    assert second.response_id != lease.response_id
    assert second.work["continues_last_message"] is (mode == "steer")
    assert [item["role"] for item in second.work["items"]] == ["user", "assistant", "user"]
    second.say(text("Un."), DONE)
    log = Log.of(session)
    assert log.turns[lease.response_id].text == "One. " and log.turns[second.response_id].text == "Un."


def test_a_cancel_reaches_the_runner(session, runner):
    session.speak("Talk.")
    lease = runner.take()
    watch = InBackground(lease.watch, 60)
    assert session.post_cancel().status_code == 200
    assert watch.result()["response"]["status"] == "cancelled"
    assert lease.post(DONE).status_code == 409
    assert lease.watch()["active"] is False


def test_a_post_that_is_sent_again_counts_once(session, runner):
    session.speak("Talk.")
    lease = runner.take()
    lease.say(text("One. "))
    again = lease.post(text("One. "), seq=1)
    assert again.status_code == 200 and again.json()["repeated"] is True
    gap = lease.post(text("Three. "), seq=3)
    assert gap.status_code == 409 and gap.json()["error"]["code"] == "seq_gap"
    lease.number = 1
    lease.say(text("Two."), DONE)
    last = lease.post(text("Two."), DONE, seq=2)
    assert last.status_code == 200 and last.json()["repeated"] is True
    assert Log.of(session).turns[lease.response_id].text == "One. Two."


def test_two_runners_race_and_each_generation_is_given_once(server, runner, new_session):
    sessions = [new_session(model=runner.model) for _ in range(12)]

    def work():
        own, taken = Runner(server, runner.model), []
        while (answer := own.ask(2)).status_code == 200:
            lease = Lease(own.http, answer.json())
            lease.say(text(lease.question))
            lease.say(DONE)
            taken.append(lease.response_id)
        own.close()
        return taken

    racers = [InBackground(work) for _ in range(2)]
    asked = {s.speak(f"number {n}")["response_id"]: f"number {n}" for n, s in enumerate(sessions)}
    taken = [id for racer in racers for id in racer.result()]
    assert sorted(taken) == sorted(asked)
    for one in sessions:
        (turn,) = Log(one.log()).turns.values()
        assert turn.text == asked[turn.id] and turn.status == "completed"


def test_a_runner_that_dies_before_it_spoke_is_replaced(start_server, tag):
    server = start_server("--runner-lease", "0.5", "--data", "none")
    session, runner = Session.create(server, model=f"external/{tag}"), Runner(server, f"external/{tag}")
    session.speak("Talk.")
    dead = runner.take()
    second = runner.take()
    assert second.response_id == dead.response_id and second.work["attempt"] == 2
    late = dead.post(text("I am back."))
    assert late.status_code == 409 and late.json()["error"]["code"] == "lease_lost"
    assert dead.watch()["active"] is False
    second.say(text("Here."), DONE)
    assert Log.of(session).turns[second.response_id].text == "Here."
    session.close()


def test_a_runner_that_dies_in_the_middle_fails_the_response_in_band(start_server, tag):
    server = start_server("--runner-lease", "0.5", "--data", "none")
    session, runner = Session.create(server, model=f"external/{tag}"), Runner(server, f"external/{tag}")
    session.speak("Talk.")
    lease = runner.take()
    lease.say(text("One. "))
    log = session.wait_for_end_of(lease.response_id)
    assert [e["type"] for e in log[-2:]] == ["error", "response.failed"]
    assert log[-2]["code"] == "runner_lost" and response_text(log[-1]["response"]) == "One. "
    assert lease.post(text("Two.")).json()["response"]["status"] == "failed"
    session.close()


def test_a_runner_that_hangs_up_while_it_waits_loses_no_work(start_server, tag):
    server = start_server("--runner-lease", "1", "--data", "none")
    session, runner = Session.create(server, model=f"external/{tag}"), Runner(server, f"external/{tag}")
    with socket.create_connection(server.address) as gone:
        gone.sendall(request("GET", f"/v1/runner/work?wait=60&model=external/{tag}"))
    session.speak("Talk.")
    # Had it been given to the one that is gone, it would come back when that lease is over.
    lease = runner.take()
    lease.say(text("Here."), DONE)
    assert Log.of(session).turns[lease.response_id].text == "Here."
    session.close()


def test_a_runner_waits_when_all_who_listen_lag(start_server, tag):
    """As an upstream would: posts are refused for the moment, none is lost, and nobody's place in the log goes."""
    server = start_server("--log-bytes-per-session", "262144", "--data", "none")
    session, runner = Session.create(server, model=f"external/{tag}"), Runner(server, f"external/{tag}")
    reader = SseReader(session)
    session.speak("Talk.")
    lease, said = runner.take(), []
    while True:
        piece = f"{len(said):07d}" * 1000
        answer = lease.post(text(piece))
        if answer.status_code == 429:
            break
        assert answer.status_code == 200, answer.text
        said.append(piece)
        assert len(said) < 4000, "nobody reads, and it never had to wait"
    assert answer.json()["error"]["code"] == "readers_lag" and answer.headers["retry-after-ms"] == "200"
    reading = InBackground(reader.read, lambda: reader.events and reader.events[-1][1].get("delta") == "The rest.")
    eventually(lambda: lease.post(text("The rest."), seq=lease.number).status_code == 200, "it goes on")
    reading.result()
    assert deltas(event for _, event in reader.events) == "".join(said) + "The rest."
    assert reader.reconnects == 0
    session.close()


def test_a_heartbeat_keeps_the_lease(start_server, tag):
    server = start_server("--runner-lease", "2", "--data", "none")
    session, runner = Session.create(server, model=f"external/{tag}"), Runner(server, f"external/{tag}")
    session.speak("Talk.")
    lease = runner.take()
    for _ in range(5):
        assert lease.watch(1)["active"] is True
        assert lease.post().status_code == 200
    lease.say(text("Done."), DONE)
    session.close()


def test_nobody_takes_it(start_server, tag):
    server = start_server("--runner-wait", "0.3", "--data", "none")
    with server.sdk() as client:
        with pytest.raises(openai.InternalServerError) as error:
            client.responses.create(model="external", input="Anybody?")
    assert error.value.status_code == 503 and error.value.code == "no_runner"


def test_a_runner_can_fail(session, runner):
    session.speak("Talk.")
    lease = runner.take()
    lease.say(text("One."), {"type": "error", "code": "tool_broke", "message": "The tool broke."})
    log = session.log()
    assert [e["type"] for e in log[-2:]] == ["error", "response.failed"] and log[-2]["code"] == "tool_broke"


def test_steps_beside_an_upstreams_answer(new_session, tag, server):
    """Somebody who has no lease may tell of steps of any running response of its own."""
    session = new_session()
    running = session.speak(endless(tag))["response_id"]
    session.wait_for(lambda e: e["type"] == "response.output_text.delta", "text")
    path = f"/v1/responses/{running}/events"
    assert session.http.post(path, json={"events": [FOUND]}).status_code == 200
    assert session.http.post(path, json={"events": [text("no")]}).status_code == 400
    session.post_cancel()
    late = session.http.post(path, json={"events": [FOUND]})
    assert late.status_code == 409 and late.json()["response"]["status"] == "cancelled"
    assert [e["step"]["id"] for e in Log.of(session).events if e["type"] == "interject:step"] == ["s1"]


@pytest.mark.parametrize("event, param", [
    ({"type": "banana"}, "events[1].type"), ({"type": "text"}, "events[1].text"),
    ({"type": "step", "step": {"id": "x", "status": "maybe"}}, "events[1].step.status"),
    (step("x", detail="d" * 9000), "events[1].step.detail"), (step("x" * 200), "events[1].step.id"), (DONE, "events[1]"),
    ({"type": "function_call", "name": "f", "arguments": 3}, "events[1].arguments"),
])
def test_a_batch_with_an_error_counts_not_at_all(session, runner, event, param):
    session.speak("Talk.")
    lease = runner.take()
    refused = lease.post(text("One."), event, text("Two."))
    assert refused.status_code == 400 and refused.json()["error"]["param"] == param
    lease.number = 0
    lease.say(DONE)
    assert Log.of(session).turns[lease.response_id].text == ""


def test_steps_are_bounded(session, runner):
    session.speak("Talk.")
    lease = runner.take()
    lease.say(*[step(f"s{n}") for n in range(256)])
    over = lease.post(step("one more"))
    assert over.status_code == 400 and over.json()["error"]["code"] == "too_many_steps"
    lease.number -= 1
    lease.say(step("s1", "completed"), DONE)


def test_who_may_be_a_runner(start_server, tmp_path, tag):
    data = tmp_path / "data"
    secrets = {}
    for name, owner, scopes in [("ann", "ann", "sessions,responses"), ("ann-runner", "ann", "runner"), ("bob-runner", "bob", "runner"),
                                ("anybodys", "ops", "runner:all")]:
        made = run_binary("keys", "create", name, "--owner", owner, "--scopes", scopes, "--data", data, "--json")
        assert made.returncode == 0, made.stderr
        secrets[name] = {"Authorization": f"Bearer {json.loads(made.stdout)['secret']}"}
    server = start_server("--data", data, "--require-key")
    model = f"external/{tag}"
    session = Session.create(server, model=model, headers=secrets["ann"])
    assert Runner(server, model, secrets["ann"]).ask().status_code == 403
    session.speak("One.")
    assert Runner(server, model, secrets["bob-runner"]).ask().status_code == 204
    lease = Runner(server, model, secrets["ann-runner"]).take()
    stranger = httpx.post(f"{server.url}/v1/responses/{lease.response_id}/events", headers=secrets["bob-runner"],
                          json={"lease_id": lease.id, "seq": 1, "events": [DONE]})
    assert stranger.status_code == 404
    lease.say(DONE)
    session.speak("Two.")
    Runner(server, model, secrets["anybodys"]).take().say(text("For all."), DONE)
    session.wait_until_idle()
    session.close()


def test_a_restart_offers_the_work_again(start_server, tmp_path, tag):
    data, model = tmp_path / "data", f"external/{tag}"
    server = start_server("--data", data)
    session = Session.create(server, model=model)
    session.speak("Talk.")
    lease = Runner(server, model).take()
    lease.say(FOUND, text("One. "))
    server.popen.kill()
    server.popen.wait()
    server = start_server("--data", data)
    again = Runner(server, model).take()
    assert again.response_id == lease.response_id and again.work["continues_last_message"] is True
    assert Lease(again.http, lease.work).post(text("x")).json()["error"]["code"] == "lease_lost"
    again.say(text("Two."), DONE)
    response = again.http.get(f"/v1/responses/{lease.response_id}").json()
    assert response_text(response) == "One. Two." and [s["id"] for s in response["interject"]["steps"]] == ["s1"]


def test_a_server_that_stops_lets_waiting_runners_go(start_server):
    server = start_server("--data", "none")
    waiting = InBackground(Runner(server, "external").ask, 60)
    with server.http() as http:
        http.get("/healthz")
    assert server.stop() == 0
    assert waiting.result().status_code == 204


def test_the_answers_are_those_of_the_documents(session, runner):
    session.speak("Talk.")
    work = runner.ask(30)
    check_answer(work, "/v1/runner/work")
    lease = Lease(runner.http, work.json())
    check_answer(lease.post(text("One.")), "/v1/responses/{response_id}/events")
    check_answer(runner.http.get(f"/v1/responses/{lease.response_id}/runner"), "/v1/responses/{response_id}/runner")
    check_answer(lease.post(DONE), "/v1/responses/{response_id}/events")
    check_answer(lease.post(text("late")), "/v1/responses/{response_id}/events")


def test_the_runner_of_the_readme(start_server):
    """As it stands there, in a process of its own."""
    readme = (REPOSITORY / "README.md").read_text()
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", readme, re.S) if "/v1/runner/work" in block]
    server = start_server("--data", "none")
    script = subprocess.Popen([sys.executable, "-c", code], env=environment(INTERJECT_URL=server.url))
    try:
        with server.sdk() as client, client.responses.stream(model="external", input="How many?") as stream:
            titles = [event.step["title"] for event in stream if event.type == "interject:step"]
            assert titles == ["searching", "found 12 results"]
            assert stream.get_final_response().output_text == "There are twelve of them. "
    finally:
        script.kill()
        script.wait()


def test_the_metrics_tell_of_runners(start_server):
    server = start_server("--runner-wait", 1)
    runner = Runner(server, "external")

    def now(name, **labels):
        return Metrics(server).get(f"interject_runner_{name}", **labels)

    waits = InBackground(runner.take)
    eventually(lambda: now("polls") == 1, "the runner waits")
    Session.create(server, model="external").speak("First")
    lease = waits.result()
    assert (now("polls"), now("leases_total"), now("requests", state="leased")) == (0, 1, 1)
    lease.say(text("One."), DONE)
    eventually(lambda: now("requests", state="leased") == 0, "it has ended")
    Session.create(server, model="external").speak("Second")
    assert now("requests", state="waiting") == 1
    eventually(lambda: now("failures_total", code="no_runner") == 1, "nobody took it")
    assert now("requests", state="waiting") == 0
    runner.close()
