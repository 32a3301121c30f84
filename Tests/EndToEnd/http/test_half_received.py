"""What is half received: it is bounded for all together, and a client that closes its side has said what it said."""

import json
import os
import select
import socket as sockets

import pytest

from metrics import Metrics, until
from raw_http import RawConnection, request
from rehearsal import brief, endless
from sessions import Session
from sockets import Socket

HALF = 200 << 10
HELD = "interject_memory_held_bytes"


def begin_body(server):
    """A request of which the last byte is missing."""
    raw = RawConnection(server)
    raw.send(request("POST", "/v1/responses", Content_Length=HALF + 1, Content_Type="application/json"))
    try:
        raw.send(b"x" * HALF)
    except OSError:
        pass
    return raw


def upgraded(server):
    raw = RawConnection(server)
    raw.send(request(
        "GET", "/v1/responses", Upgrade="websocket", Connection="Upgrade", Sec_WebSocket_Version="13",
        Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ=="))
    assert raw.read_head()[0] == 101
    return raw


def fragment(payload: bytes, opcode=1, is_final=False) -> bytes:
    mask = os.urandom(4)
    masked = bytes(b ^ mask[i % 4] for i, b in enumerate(payload)) if len(payload) < 1000 else payload
    if len(payload) >= 1000:
        mask = bytes(4)
    first = opcode | (0x80 if is_final else 0)
    if len(payload) < 126:
        return bytes([first, 0x80 | len(payload)]) + mask + masked
    return bytes([first, 0x80 | 127]) + len(payload).to_bytes(8, "big") + mask + masked


def begin_message(server):
    """A message of which the last fragment is missing."""
    raw = upgraded(server)
    try:
        raw.send(fragment(b"x" * HALF))
    except OSError:
        pass
    return raw


def close_frame(raw) -> tuple[int, str]:
    assert raw.is_closed_by_server()
    at = raw.buffer.index(b"\x88")
    length = raw.buffer[at + 1]
    payload = raw.buffer[at + 2:at + 2 + length]
    return int.from_bytes(payload[:2], "big"), payload[2:].decode()


def test_many_half_sent_bodies_are_bounded(start_server, tag):
    server = start_server("--memory-budget", "1MiB", "--loops", 1)
    held = [begin_body(server) for _ in range(5)]
    until(server, HELD, lambda n: n >= 5 * HALF)
    rest = [begin_body(server) for _ in range(40)]
    answers = [raw.read_answer() for raw in rest[1:]]
    assert {answer.status for answer in answers} == {503}
    assert all(answer.json()["error"]["code"] == "overloaded" and int(answer.headers["retry-after"]) > 0 for answer in answers)
    # A step beyond the budget at most, and nothing for those who were refused.
    assert Metrics(server).get(HELD) <= (1 << 20) + (256 << 10)
    for raw in held + rest:
        raw.close()
    until(server, HELD, lambda n: n < HALF)
    assert Session.create(server).speak(brief(f"{tag}later") + "x" * HALF)


def test_many_half_sent_messages_are_bounded(start_server, tag):
    server = start_server("--memory-budget", "1MiB", "--loops", 1)
    working = Socket(server)
    working.create(endless(f"{tag}old"))
    working.wait_for_deltas(1)
    late = [upgraded(server) for _ in range(20)]
    held = [begin_message(server) for _ in range(4)]
    until(server, HELD, lambda n: n >= 4 * HALF)
    for raw in late:
        try:
            raw.send(fragment(b"x" * HALF))
        except OSError:
            pass
    # There is room for one more at most; which one gets it is a matter of order.
    until(server, "interject_websocket_closes_sent_total", lambda n: n >= 19, code="1013")
    assert Metrics(server).get(HELD) <= (1 << 20) + (256 << 10)
    told, _, _ = select.select([raw.socket for raw in late], [], [], 0)
    assert len(told) >= 19
    closes = [close_frame(raw) for raw in late if raw.socket in told]
    assert {code for code, _ in closes} == {1013} and all(reason.startswith("overloaded: ") for _, reason in closes)
    # What runs goes on and can be stopped.
    sent = server.rehearsal.wait_for_tokens(f"{tag}old", 1)["tokens_sent"]
    server.rehearsal.wait_for_tokens(f"{tag}old", sent + 3)
    working.close()
    server.rehearsal.wait_for_state(f"{tag}old", "aborted")
    for raw in held + late:
        raw.close()
    until(server, HELD, lambda n: n < HALF)
    socket = Socket(server)
    socket.create(brief(f"{tag}later") + "x" * HALF)
    socket.wait_for_type("response.completed")
    socket.close()


# MARK: Half-close, as `printf ... | nc -N` does it


def test_who_closes_their_side_is_answered(server):
    with RawConnection(server) as raw:
        raw.send(request("GET", "/healthz") + request("GET", "/v1/models") + request("POST", "/v1/sessions", b"{}"))
        raw.socket.shutdown(sockets.SHUT_WR)
        assert [raw.read_answer().status for _ in range(3)] == [200, 200, 201]
        assert raw.is_closed_by_server() and raw.buffer == b""


def test_a_poll_of_who_closed_their_side_is_answered(new_session, server, tag):
    session = new_session()
    with RawConnection(server) as raw:
        raw.send(request("GET", f"{session.path}/events?starting_after=999&wait=30", Accept="application/json"))
        raw.socket.shutdown(sockets.SHUT_WR)
        session.speak(brief(tag))
        answer = raw.read_answer()
        assert answer.status == 200


@pytest.mark.parametrize("stream", [True, False])
def test_a_generation_ends_when_its_client_closes_its_side(server, rehearsal, tag, stream):
    with RawConnection(server) as raw:
        body = json.dumps({"model": "rehearsal", "input": endless(tag), "stream": stream}).encode()
        raw.send(request("POST", "/v1/responses", body))
        rehearsal.wait_for_tokens(tag, 1)
        raw.socket.shutdown(sockets.SHUT_WR)
        rehearsal.wait_for_state(tag, "aborted")


def test_commands_before_the_close_of_a_websockets_side_are_carried_out(server, tag):
    raw = upgraded(server)
    command = json.dumps({"type": "response.create", "model": "rehearsal", "input": 7}).encode()
    raw.send(fragment(command, is_final=True) * 3 + fragment((1000).to_bytes(2, "big"), opcode=8, is_final=True))
    raw.socket.shutdown(sockets.SHUT_WR)
    assert close_frame(raw)[0] == 1000
    assert raw.buffer.count(b'"type":"error"') == 3
