"""A client that takes nothing of what waits for it is cut off, whatever it asked for, and no upstream waits with it."""

import json
import socket
import time

import httpx
import pytest

from raw_http import RawConnection, request
from rehearsal import endless, eventually, say
from sessions import Session
from stalled_readers import SMALL_BUFFER_BYTES, StalledSocket

STALL_S = 1


@pytest.fixture(scope="module")
def impatient(tmp_path_factory):
    from processes import InterjectProcess
    with InterjectProcess(tmp_path_factory.mktemp("impatient"), "--stall-timeout", STALL_S, "--ping-interval", 3600) as process:
        yield process


def in_flight(server) -> int:
    return sum(u["in_flight"] for u in httpx.get(f"{server.url}/debug/upstreams").json()["data"])


def is_reset(connection) -> bool:
    """Reads what the kernels still hold, to the cut."""
    connection.socket.settimeout(20)
    try:
        while connection.socket.recv(1 << 20):
            pass
    except ConnectionResetError:
        return True
    return False


STREAMS = {
    "/v1/responses": lambda text: {"model": "rehearsal", "stream": True, "input": text},
    "/v1/chat/completions": lambda text: {"model": "rehearsal", "stream": True, "messages": [{"role": "user", "content": text}]},
}


@pytest.mark.parametrize("path", STREAMS)
def test_a_stream_that_nobody_reads_ends_and_frees_its_upstream(impatient, tag, path):
    body = json.dumps(STREAMS[path](say(tag, tokens=1_000_000, pace=0))).encode()
    with RawConnection(impatient, receive_buffer_bytes=SMALL_BUFFER_BYTES) as connection:
        connection.send(request("POST", path, body, Content_Type="application/json"))
        impatient.rehearsal.wait_for_tokens(tag, 100)
        eventually(lambda: impatient.rehearsal.requests(tag)[0]["state"] == "aborted", "the upstream's request is closed", 30)
        eventually(lambda: in_flight(impatient) == 0, "no upstream is busy")
        assert is_reset(connection)


def test_a_stream_whose_client_takes_a_little_goes_on(impatient, tag):
    body = json.dumps(STREAMS["/v1/responses"](say(tag, tokens=1_000_000, pace=0))).encode()
    with RawConnection(impatient, receive_buffer_bytes=SMALL_BUFFER_BYTES) as connection:
        connection.send(request("POST", "/v1/responses", body, Content_Type="application/json"))
        ends = time.monotonic() + 4 * STALL_S
        while time.monotonic() < ends:
            assert connection.socket.recv(SMALL_BUFFER_BYTES * 4)
            time.sleep(STALL_S / 10)
        assert impatient.rehearsal.requests(tag)[0]["state"] != "aborted"


def test_a_stream_that_is_silent_is_no_stalled_one(impatient, tag):
    body = json.dumps(STREAMS["/v1/responses"](say(tag, tokens=5, first_token_ms=3000 * STALL_S, pace=0))).encode()
    with RawConnection(impatient, receive_buffer_bytes=SMALL_BUFFER_BYTES) as connection:
        connection.send(request("POST", "/v1/responses", body, Content_Type="application/json"))
        assert b"response.completed" in connection.read_answer().body


def test_a_follower_of_a_session_that_does_not_read_is_cut_and_finds_the_rest_later(impatient, tag):
    session = Session.create(impatient)
    with RawConnection(impatient, receive_buffer_bytes=SMALL_BUFFER_BYTES) as connection:
        connection.send(request("GET", f"{session.path}/events"))
        assert connection.read_head()[0] == 200
        response = session.speak(say(tag, tokens=8000, pace=0))["response_id"]
        assert is_reset_within(connection, 20)
    assert session.wait_for_end_of(response)[-1]["type"] == "response.completed"
    session.close()


def is_reset_within(connection, seconds) -> bool:
    """Whether the peer has cut the connection, found without reading: the kernel says so."""
    def cut():
        return connection.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0 or state(connection.socket) == 7
    eventually(cut, "the connection is cut", seconds)
    return True


def state(raw: socket.socket) -> int:
    """TCP_INFO's state; 7 is closed."""
    return raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


def test_a_download_that_nobody_reads_is_cut(impatient):
    with impatient.http() as http:
        made = http.post("/v1/files", data={"purpose": "user_data"}, files={"file": ("a", b"x" * (8 << 20))}).json()
    with RawConnection(impatient, receive_buffer_bytes=SMALL_BUFFER_BYTES) as connection:
        connection.send(request("GET", f"/v1/files/{made['id']}/content"))
        assert connection.read_head()[0] == 200
        assert is_reset_within(connection, 20)


def test_a_websocket_that_does_not_read_is_cut_before_the_ping_would_tell(impatient, tag):
    session = Session.create(impatient)
    reader = StalledSocket(session)
    session.speak(endless(tag, pace=0))
    eventually(lambda: not any(c["protocol"] == "websocket" and not c["closing"] for c in connections(impatient)), "it is closed", 20)
    reader.connection.socket.close()
    session.close()


def connections(server) -> list:
    return httpx.get(f"{server.url}/debug/connections").json()["data"]
