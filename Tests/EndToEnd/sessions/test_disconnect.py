"""A disconnect is not a cancel: what happens to a generation when nobody listens any more."""

import json
import socket as sockets
import struct
import time

import pytest

from event_source import EventSource
from log_rules import Log
from raw_http import RawConnection, request
from rehearsal import endless, say
from sessions import Session


class RawClient:
    """A client of one of the HTTP faces that can vanish."""

    def __init__(self, server, path, body, **headers):
        self.connection = RawConnection(server)
        self.connection.send(request("POST", path, json.dumps(body).encode(), Content_Type="application/json", **headers))

    def read_some(self):
        """Until the answer streams."""
        status, self.headers = self.connection.read_head()
        assert status == 200
        seen = b""
        pieces = self.connection.read_pieces(self.headers)
        while b"delta" not in seen:
            seen += next(pieces)

    def vanish(self, how):
        if how == "reset":
            self.connection.socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


def responses(server, text, disconnect=None, stream=True):
    headers = {"Interject_On_Disconnect": disconnect} if disconnect else {}
    return RawClient(server, "/v1/responses", {"model": "rehearsal", "input": text, "stream": stream}, **headers)


def responses_without_stream(server, text, disconnect=None):
    return responses(server, text, disconnect, stream=False)


def chat(server, text, disconnect=None, stream=True):
    headers = {"Interject_On_Disconnect": disconnect} if disconnect else {}
    body = {"model": "rehearsal", "messages": [{"role": "user", "content": text}], "stream": stream}
    return RawClient(server, "/v1/chat/completions", body, **headers)


def chat_without_stream(server, text, disconnect=None):
    return chat(server, text, disconnect, stream=False)


FACES = [responses, responses_without_stream, chat, chat_without_stream]
over_every_face = pytest.mark.parametrize("face", FACES)


def started(face, server, rehearsal, tag, text, disconnect=None):
    """A client in the middle of its answer."""
    client = face(server, text, disconnect)
    if face in (responses, chat):
        client.read_some()
    rehearsal.wait_for_tokens(tag, 3)
    return client


@over_every_face
@pytest.mark.parametrize("how", ["close", "reset"])
def test_by_default_the_upstream_stops_when_the_client_is_gone(server, rehearsal, tag, face, how):
    started(face, server, rehearsal, tag, endless(tag)).vanish(how)
    stopped = rehearsal.wait_for_state(tag, "aborted")
    assert stopped["tokens_sent"] < 5_000


@over_every_face
def test_before_the_first_token_too(server, rehearsal, tag, face):
    client = face(server, endless(tag, first_token_ms=20_000))
    rehearsal.wait_for_state(tag, "active")
    client.vanish("close")
    assert rehearsal.wait_for_state(tag, "aborted")["tokens_sent"] == 0


@over_every_face
def test_continue_goes_on_to_the_end(server, rehearsal, tag, face):
    started(face, server, rehearsal, tag, say(tag, tokens=60, pace=100), "continue").vanish("close")
    assert rehearsal.wait_for(tag, lambda r: r["state"] != "active")["state"] == "completed"
    assert rehearsal.wait_for(tag)["tokens_sent"] == 60


@over_every_face
def test_grace_runs_out_when_nobody_comes_back(server, rehearsal, tag, face):
    client = started(face, server, rehearsal, tag, endless(tag), "grace=1")
    gone_ns = time.monotonic_ns()  # The same clock as the rehearsal's.
    client.vanish("close")
    stopped = rehearsal.wait_for_state(tag, "aborted")
    assert stopped["ended_ns"] - gone_ns >= 900_000_000


def test_grace_ends_when_somebody_listens_again(server, rehearsal, tag):
    client = started(responses, server, rehearsal, tag, say(tag, tokens=250, pace=100), "grace=2")
    session = Session(server, client.headers["interject-session"])
    response_id = Log.of(session).order[0].id
    client.vanish("close")
    with EventSource(server, f"/v1/responses/{response_id}?stream=true") as source:
        source.read_to_end()
    assert source.events[-2][0] == "response.completed" and source.events[-1][1] == "[DONE]"
    request = rehearsal.wait_for_state(tag, "completed")
    assert request["ended_ns"] - request["first_token_ns"] > 2_000_000_000, "it ran longer than the grace"


def test_what_ends_by_disconnect_is_told_in_the_log(server, rehearsal, tag):
    client = started(responses, server, rehearsal, tag, endless(tag))
    session = Session(server, client.headers["interject-session"])
    client.vanish("close")
    log = Log(session.wait_for(lambda e: e["type"] == "interject:cancelled", "the cancel"))
    turn = log.order[0]
    assert turn.terminal["type"] == "response.cancelled" and turn.text
    cancelled = log.of_type("interject:cancelled")[0]
    assert (cancelled["response_id"], cancelled["reason"]) == (turn.id, "disconnect")


@pytest.mark.parametrize("disconnect, state", [(None, "aborted"), ("cancel", "aborted"), ("continue", "completed")])
def test_a_websocket_that_breaks(open_socket, rehearsal, tag, disconnect, state):
    socket = open_socket()
    more = {"interject": {"disconnect": disconnect}} if disconnect else {}
    text = say(tag, tokens=60, pace=60) if state == "completed" else endless(tag)
    socket.create(text, **more)
    socket.wait_for_deltas(3)
    socket.abort()
    assert rehearsal.wait_for(tag, lambda r: r["state"] != "active")["state"] == state


def test_a_websocket_that_closes_politely_is_gone_as_well(open_socket, rehearsal, tag):
    socket = open_socket()
    socket.create(endless(tag))
    socket.wait_for_deltas(3)
    socket.close()
    rehearsal.wait_for_state(tag, "aborted")


def test_a_watcher_keeps_a_generation_alive(server, rehearsal, tag):
    client = started(responses, server, rehearsal, tag, endless(tag))
    session = Session(server, client.headers["interject-session"])
    with EventSource(server, f"{session.path}/events") as watcher:
        watcher.read_until(lambda e: e[0] == "response.output_text.delta")
        client.vanish("close")
        seen = rehearsal.wait_for(tag)["tokens_sent"]
        rehearsal.wait_for_tokens(tag, seen + 100)
        assert rehearsal.wait_for(tag)["state"] == "active"
    # And when the watcher is gone too, nobody listens.
    rehearsal.wait_for_state(tag, "aborted")


def test_a_second_websocket_keeps_a_generation_alive(open_socket, rehearsal, tag):
    creator, watcher = open_socket(), open_socket()
    creator.create(endless(tag))
    creator.wait_for_deltas(3)
    watcher.join(creator.events[0]["response"]["interject"]["session_id"])
    creator.abort()
    watcher.wait_for_deltas(100)
    assert rehearsal.wait_for(tag)["state"] == "active"
    watcher.abort()
    rehearsal.wait_for_state(tag, "aborted")


def test_an_input_to_a_session_goes_on_without_listeners(new_session, rehearsal, tag):
    new_session().speak(say(tag, tokens=60, pace=100))
    assert rehearsal.wait_for(tag, lambda r: r["state"] != "active")["state"] == "completed"


def test_an_input_may_ask_to_be_cancelled(new_session, server, rehearsal, tag):
    session = new_session()
    with EventSource(server, f"{session.path}/events") as watcher:
        session.speak(endless(tag), disconnect="cancel")
        watcher.read_until(lambda e: e[0] == "response.output_text.delta")
    rehearsal.wait_for_state(tag, "aborted")


@pytest.mark.parametrize("policy", ["sometimes", "grace", "grace=", "grace=-1", "grace=soon"])
def test_a_policy_that_makes_no_sense_is_a_bad_request(server, policy):
    with server.http() as http:
        answer = http.post("/v1/responses", json={"model": "rehearsal", "input": "x"},
                           headers={"Interject-On-Disconnect": policy})
    assert answer.status_code == 400 and "Interject-On-Disconnect" in answer.json()["error"]["message"]
