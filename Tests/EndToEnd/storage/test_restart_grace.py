"""kill -9 amid an answer whose client comes back: within its grace it goes on, whichever way the client comes back; without a
client it is closed when the grace is over (Protocols/sessions.md, Disconnect policy)."""

import contextlib
import json
import re
import subprocess
import threading
import time

import pexpect
import pytest

from event_source import EventSource
from patience import PATIENCE
from processes import BinaryProcess, environment
from rehearsal import eventually, say, unique
from restarts import kill, restart
from sessions import TERMINAL, Session, active_id, deltas, response_text
from sockets import Socket

TOKENS = 60


@pytest.fixture
def server(start_server, start_rehearsal):
    """With a model of its own that outlives it."""
    model = start_rehearsal()
    server = start_server("--upstream", f"{model.url}/v1")
    server.model = model.rehearsal
    return server


def begin(server, tag, grace=60, **fields) -> tuple[Session, str]:
    """A session with an answer under way."""
    session = Session.create(server, disconnect=f"grace={grace}", **fields)
    response = session.speak(say(tag, tokens=TOKENS, pace=20))["response_id"]
    session.wait_for(lambda e: e["type"] == "response.output_text.delta" and len(e["delta"]) > 0, "the first words")
    server.model.wait_for_tokens(tag, 8)
    return session, response


def crash(server, session) -> Session:
    """kill -9 and a new start. What was in the log before is kept in `before`, since who reads it afterwards has come back."""
    before = session.log()
    kill(server)
    restart(server)
    session = Session(server, session.id)
    session.before = before
    return session


def check_whole(log, response_id):
    """One answer, without a word lost, doubled, or told twice."""
    numbers = [event["interject"]["sequence"] for event in log]
    assert numbers == list(range(1, len(numbers) + 1))
    ends = [e for e in log if e["type"] in TERMINAL]
    assert [e["response"]["id"] for e in ends] == [response_id]
    response = ends[0]["response"]
    assert response["status"] == "completed", response["incomplete_details"]
    assert response_text(response) == deltas(log)
    assert len(response_text(response).split()) >= TOKENS
    assert response["interject"]["attempts"] == 2


def by_websocket(session, after):
    socket = Socket(session.server)
    socket.join(session.id, starting_after=after)
    return socket


def by_sse(session, after):
    return EventSource(session.server, f"{session.path}/events", last_event_id=str(after))


def by_long_poll(session, after):
    session.poll(after, wait=5)


def by_waiting_for_the_response(session, after):
    response = active_id(session.state())
    threading.Thread(
        target=lambda: Session(session.server, session.id).http.get(f"/v1/responses/{response}", params={"wait": 30}),
        daemon=True).start()


WAYS = {"websocket": by_websocket, "sse": by_sse, "poll": by_long_poll, "wait": by_waiting_for_the_response}


@pytest.mark.parametrize("way", WAYS)
def test_it_goes_on_when_its_client_is_back(server, tag, way):
    session, response = begin(server, tag)
    session = crash(server, session)
    before = session.before
    eventually(lambda: session.state()["active_response"], "it waits")
    asked = len(server.model.requests(tag))
    state = session.state()
    assert state["disconnect"] == state["active_response"]["interject"]["disconnect"] == "grace=60"
    assert asked == 1, "the model is asked before anybody is there to hear it"
    client = WAYS[way](session, before[-1]["interject"]["sequence"])
    log = session.wait_for_end_of(response)
    assert log[: len(before)] == before
    check_whole(log, response)
    if isinstance(client, Socket):
        client.wait_for_end_of(response)
        seen = client.log_of(session.id)
        assert [e["interject"]["sequence"] for e in seen] == list(
            range(before[-1]["interject"]["sequence"] + 1, seen[-1]["interject"]["sequence"] + 1))


def test_without_a_client_it_is_closed_when_the_grace_is_over(server, tag):
    session, response = begin(server, tag, grace=2)
    waiting = session.speak("And then?", mode="queue", disconnect="grace=2")["response_id"]
    later = session.speak(say(f"{tag}later", tokens=3, pace=0), mode="queue", disconnect="continue")["response_id"]
    session = crash(server, session)
    started = time.monotonic()
    eventually(lambda: active_id(session.state()) is None and not session.state()["queued"], "closed", timeout_s=20 * PATIENCE)
    assert time.monotonic() - started > 1
    get = lambda id: session.http.get(f"/v1/responses/{id}").json()
    assert (get(response)["status"], get(response)["incomplete_details"]) == ("incomplete", {"reason": "server_restarted"})
    assert response_text(get(response))
    assert get(waiting)["status"] == "cancelled" and get(later)["status"] == "completed"
    log = session.log()
    assert [e["reason"] for e in log if e["type"] == "interject:cancelled"] == ["restart"]
    assert len(server.model.requests(tag)) <= 2


def test_a_second_kill_within_the_grace_gives_the_grace_again(server, tag):
    session, response = begin(server, tag)
    session = crash(server, session)
    eventually(lambda: session.state()["active_response"], "it waits")
    kill(server)
    restart(server)
    session = Session(server, session.id)
    assert session.state()["active_response"]["id"] == response
    with contextlib.closing(by_websocket(session, 0)) as socket:
        socket.wait_for_end_of(response)
        check_whole(socket.log_of(session.id), response)


def test_who_speaks_meanwhile_cuts_in(server, tag):
    session, response = begin(server, tag)
    session = crash(server, session)
    accepted = session.speak(say(f"{tag}other", tokens=3, pace=0))
    assert accepted["interrupted"]["response_id"] == response and accepted["interrupted"]["output_text"]
    session.wait_until_idle()
    ended = session.http.get(f"/v1/responses/{response}").json()
    assert (ended["status"], ended["incomplete_details"]) == ("incomplete", {"reason": "interrupted"})
    assert session.http.get(f"/v1/responses/{accepted['response_id']}").json()["status"] == "completed"
    assert len(server.model.requests(tag)) == 2


def test_a_waiting_input_keeps_its_turn(server, tag):
    session, first = begin(server, tag)
    second = session.speak(say(f"{tag}second", tokens=3, pace=0), mode="queue")["response_id"]
    session = crash(server, session)
    third = session.speak(say(f"{tag}third", tokens=3, pace=0), mode="queue")["response_id"]
    assert [q["response_id"] for q in session.state()["queued"]] == [second, third]
    with contextlib.closing(by_websocket(session, 0)) as socket:
        socket.wait_for_end_of(third)
        ends = [e["response"] for e in socket.log_of(session.id) if e["type"] in TERMINAL]
    assert [(r["id"], r["status"]) for r in ends] == [(id, "completed") for id in (first, second, third)]


def test_it_can_be_cancelled_and_deleted_while_it_waits(server, tag):
    session, response = begin(server, tag)
    apart = unique()
    other, _ = begin(server, apart)
    session = crash(server, session)
    cancelled = session.http.post(f"/v1/responses/{response}/cancel").json()
    assert cancelled["status"] == "cancelled" and response_text(cancelled)
    assert session.http.delete(other.path).json()["deleted"] is True
    assert session.http.get(other.path).status_code == 404
    assert [len(server.model.requests(t)) for t in (tag, apart)] == [1, 1]


def test_a_drain_leaves_what_waits_to_the_next_start(server, tag):
    session, response = begin(server, tag)
    crash(server, session)
    started = time.monotonic()
    server.popen.terminate()
    assert server.popen.wait(10 * PATIENCE) == 0
    assert time.monotonic() - started < 8 * PATIENCE
    server.popen = None
    restart(server)
    session = Session(server, session.id)
    with contextlib.closing(by_websocket(session, 0)) as socket:
        socket.wait_for_end_of(response)
        check_whole(socket.log_of(session.id), response)


def test_an_input_by_websocket_says_the_same_of_its_policy_as_its_session(server, tag):
    with contextlib.closing(Socket(server)) as socket:
        for disconnect, expected in ((None, "grace=30"), ("grace=7", "grace=7"), ("continue", "continue")):
            start = len(socket.events)
            fields = {"disconnect": disconnect} if disconnect else {}
            socket.send("interject:input", input=say(tag, tokens=2, pace=0), model="rehearsal", **fields)
            joined = socket.wait_for_type("interject:joined", start=start)
            done = socket.wait_for(lambda e: e["type"] == "response.completed", "the end", start=start)
            assert joined["session"]["disconnect"] == done["response"]["interject"]["disconnect"] == expected


@pytest.mark.parametrize("way", ["create", "header"])
def test_a_response_that_is_followed_alone_goes_on_too(server, tag, way):
    """response.create over a WebSocket, and POST /v1/responses: its client comes back by `GET …?stream=true`."""
    text = say(tag, tokens=TOKENS, pace=20)
    if way == "create":
        socket = Socket(server)
        socket.create(text, interject={"disconnect": "grace=60"})
        socket.wait_for_deltas(5)
        response = socket.events[0]["response"]["id"]
        seen = [e for e in socket.events if "sequence_number" in e]
    else:
        seen = []
        with server.http(headers={"Interject-On-Disconnect": "grace=60"}) as http:
            with http.stream("POST", "/v1/responses", json={"model": "rehearsal", "input": text, "stream": True}) as answer:
                for line in answer.iter_lines():
                    if line.startswith("data:"):
                        seen.append(json.loads(line[5:]))
                    if len(seen) > 8:
                        break
                kill(server)
        response = seen[0]["response"]["id"]
    kill(server)
    restart(server)
    with server.http() as http:
        waiting = http.get(f"/v1/responses/{response}").json()
        assert waiting["status"] == "in_progress"
        session = http.get(f"/v1/sessions/{waiting['interject']['session_id']}").json()
        assert session["disconnect"] == waiting["interject"]["disconnect"] == "grace=60"
        after = seen[-1]["sequence_number"]
        rest = []
        with http.stream("GET", f"/v1/responses/{response}", params={"stream": "true", "starting_after": after}) as answer:
            for line in answer.iter_lines():
                if line.startswith("data:") and line != "data: [DONE]":
                    rest.append(json.loads(line[5:]))
    assert [e["sequence_number"] for e in seen + rest] == list(range(len(seen) + len(rest)))
    assert rest[-1]["type"] == "response.completed" and response_text(rest[-1]["response"]) == deltas(seen + rest)


@pytest.mark.parametrize("downtime_s", [0, 4])
def test_chat_goes_on_after_a_kill(server, tag, downtime_s):
    """The scene of the README: nothing is shown twice, nothing is missing, and one line tells of it."""
    terminal = pexpect.spawn(
        BinaryProcess.binary(), ["chat", "--url", server.url, "--name", "Ada"], timeout=60 * PATIENCE, encoding="utf-8",
        env=environment(TERM="xterm", NO_COLOR="1"), dimensions=(40, 400))
    try:
        terminal.expect("session (sess_[A-Za-z0-9]+)")
        session_id = terminal.match.group(1)
        terminal.expect("> ")
        terminal.send(say(tag, tokens=TOKENS, pace=20) + "\r")
        server.model.wait_for_tokens(tag, 10)
        port = server.address[1]
        kill(server)
        terminal.expect("reconnecting")
        time.sleep(downtime_s)
        # The client knows only the address.
        server.flags[server.flags.index("--port") + 1] = str(port)
        restart(server)
        session = Session(server, session_id)
        # Only those who watch see what goes on: this asks for nothing that would count as coming back.
        eventually(lambda: active_id(session.state()) is None, "the answer has ended", timeout_s=40 * PATIENCE)
        log = session.log()
        responses = [e["response"] for e in log if e["type"] in TERMINAL]
        assert [r["status"] for r in responses] == ["completed"] and responses[0]["interject"]["attempts"] == 2
        state = session.state()
        assert state["disconnect"] == responses[0]["interject"]["disconnect"] == "grace=30"
        # The row that is being written is drawn again with each piece; rows above it stay as they are.
        shown = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", terminal.read_nonblocking(1 << 20, timeout=5))
        while deltas(log).split()[-1] not in shown:
            shown += re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", terminal.read_nonblocking(1 << 20, timeout=10))
        terminal.send("/quit\r")
        terminal.expect(pexpect.EOF)
        shown += terminal.before
        assert "reconnecting" not in shown and "connected" not in shown and "joined" not in shown
    finally:
        terminal.close(force=True)


def test_a_script_in_chat_goes_on_after_a_kill(server, tag):
    """The same without a terminal, where each byte can be compared."""
    chat = subprocess.Popen(
        [BinaryProcess.binary(), "chat", "--url", server.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env=environment())
    chat.stdin.write(say(tag, tokens=TOKENS, pace=20) + "\n")
    chat.stdin.flush()
    server.model.wait_for_tokens(tag, 10)
    port = server.address[1]
    kill(server)
    time.sleep(1)
    server.flags[server.flags.index("--port") + 1] = str(port)
    restart(server)
    out, err = chat.communicate(timeout=60 * PATIENCE)
    assert chat.returncode == 0, err
    with server.http() as http:
        session_id = http.get("/v1/sessions").json()["data"][0]["id"]
    log = Session(server, session_id).log()
    assert out == deltas(log) + "\n"
    assert [e["response"]["status"] for e in log if e["type"] in TERMINAL] == ["completed"]
    assert len(re.findall("reconnecting", err)) == 1, err
