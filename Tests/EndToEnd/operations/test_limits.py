"""Limits on connections, memory, idleness and age: what is over them is told so, and the others go on."""

import time

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from metrics import Metrics, until
from raw_http import RawConnection, request
from rehearsal import brief, endless, eventually, say
from sessions import Session
from sockets import Socket


def open_connections(server, count):
    """Connections that have had an answer, so that they are certainly taken."""
    opened = []
    for _ in range(count):
        raw = RawConnection(server)
        raw.send(request("GET", "/healthz"))
        assert raw.read_answer().status == 200
        opened.append(raw)
    return opened


def refused(server):
    """The answer to a connection that is not taken: it comes unasked."""
    with RawConnection(server) as raw:
        answer = raw.read_answer()
        assert raw.is_closed_by_server()
    return answer


def test_connections_of_one_address_are_limited(start_server):
    server = start_server("--max-connections-per-address", 3, "--limit-loopback", "--loops", 2)
    opened = open_connections(server, 3)
    answer = refused(server)
    assert answer.status == 429 and int(answer.headers["retry-after"]) > 0
    assert "address" in answer.json()["error"]["message"]
    opened[0].send(request("GET", "/metrics"))
    page = opened[0].read_answer().body.decode()
    assert 'interject_connections_refused_total{reason="per_address"} 1' in page
    # A place is free again once one has left, and only then.
    opened.pop().close()
    eventually(lambda: RawConnectionTaken(server).ok, "another one is taken")
    for raw in opened:
        raw.send(request("GET", "/healthz"))
        assert raw.read_answer().status == 200
        raw.close()


class RawConnectionTaken:
    """Whether a connection is answered what it asks."""

    def __init__(self, server):
        with RawConnection(server) as raw:
            raw.send(request("GET", "/healthz"))
            try:
                self.ok = raw.read_answer().status == 200
            except (ConnectionError, EOFError):
                self.ok = False


def test_this_machine_is_exempt_by_default(start_server):
    server = start_server("--max-connections-per-address", 1, "--connection-rate", 1)
    for raw in open_connections(server, 10):
        raw.close()


def test_the_total_is_limited_and_answered_with_503(start_server):
    server = start_server("--max-connections", 2)
    opened = open_connections(server, 2)
    answer = refused(server)
    assert answer.status == 503 and "retry-after" in answer.headers
    assert "connections refused" in server.log_tail() and "total=1" in server.log_tail()
    for raw in opened:
        raw.close()
    eventually(lambda: RawConnectionTaken(server).ok, "places are free again")


def test_new_connections_of_one_address_are_limited_by_rate(start_server):
    server = start_server("--connection-rate", 2, "--limit-loopback")
    # Twice the number may come at once; the rest of a burst of twenty cannot all have been refilled meanwhile.
    statuses = []
    started = time.monotonic()
    for _ in range(20):
        with RawConnection(server) as raw:
            raw.send(request("GET", "/healthz"))
            try:
                statuses.append(raw.read_answer().status)
            except ConnectionError:
                statuses.append(429)
    refilled = 2 * (time.monotonic() - started)
    assert statuses[:4] == [200] * 4
    assert 4 <= statuses.count(200) <= 4 + refilled + 1 and 429 in statuses


def test_above_the_memory_budget_new_work_is_refused_and_old_work_goes_on(start_server, tag):
    server = start_server("--memory-budget", "1MiB", "--loops", 2)
    running = Session.create(server)
    running.speak(endless(f"{tag}old"))
    socket = Socket(server)
    hog = Session.create(server)
    hog.speak(brief(f"{tag}big") + "x" * (900 << 10))
    hog.wait_until_idle()
    with server.http() as http:
        # By small steps, since a body that would go beyond is refused itself.
        for _ in range(60):
            if http.post(f"{hog.path}/input", json={"input": brief(f"{tag}more") + "x" * 15_000}).status_code == 503:
                break
            hog.wait_until_idle()
        refusals = Metrics(server).get("interject_overload_refusals_total")
        for path, body in (
            ("/v1/responses", {"model": "rehearsal", "input": "x"}), ("/v1/sessions", {}),
            ("/v1/chat/completions", {"model": "rehearsal", "messages": [{"role": "user", "content": "x"}]}),
            (f"{running.path}/input", {"input": "x"}),
        ):
            answer = http.post(path, json=body)
            assert answer.status_code == 503 and answer.json()["error"]["code"] == "overloaded", path
            assert int(answer.headers["retry-after"]) > 0
        assert http.get("/readyz").status_code == 200
    socket.create("x")
    assert socket.wait_for_type("error")["error"]["code"] == "overloaded"
    with pytest.raises(InvalidStatus) as refusal:
        connect(server.url.replace("http", "ws", 1) + "/v1/responses")
    assert refusal.value.response.status_code == 503
    # What runs goes on, can be read, and can be stopped.
    sent = server.rehearsal.wait_for_tokens(f"{tag}old", 1)["tokens_sent"]
    server.rehearsal.wait_for_tokens(f"{tag}old", sent + 3)
    assert running.post_cancel().status_code == 200
    metrics = Metrics(server)
    assert metrics.get("interject_overload_refusals_total") == refusals + 6
    assert metrics.get("interject_memory_held_bytes") > metrics.get("interject_memory_budget_bytes") == 1 << 20
    hog.close()
    until(server, "interject_memory_held_bytes", lambda n: n < 1 << 20)
    assert Session.create(server).speak(brief(f"{tag}new"))
    socket.close()


def closed_with(socket):
    """The close frame that the server sent, once it came."""
    with pytest.raises(ConnectionClosed) as closed:
        socket.recv(timeout=20)
    return closed.value.rcvd.code, closed.value.rcvd.reason


def raw_socket(server, **options):
    return connect(server.url.replace("http", "ws", 1) + "/v1/responses", compression=None, legacy=True, **options)


def test_a_websocket_without_messages_is_closed_by_the_idle_limit(start_server):
    server = start_server("--idle-limit", 0.3)
    with raw_socket(server) as socket:
        assert closed_with(socket) == (1001, "idle: no message for 0.3 s")


def test_a_websocket_in_use_outlives_the_idle_limit(start_server, tag):
    server = start_server("--idle-limit", 2)
    socket = Socket(server)
    socket.create(say(tag, tokens=30, pace=50))
    socket.wait_for_type("response.completed")
    eventually(lambda: socket.closed, "closed when it has become idle")
    assert socket.ws.close_code == 1001


def test_the_lifetime_limit_says_so_and_lets_an_answer_end(start_server, tag):
    server = start_server("--lifetime-limit", 1)
    with raw_socket(server) as socket:
        code, reason = closed_with(socket)
        assert code == 1001 and reason.startswith("lifetime")
    # Whatever a running answer does, a tenth later it is over.
    socket = Socket(server)
    socket.create(endless(tag))
    eventually(lambda: socket.closed, "closed")
    assert socket.ws.close_code == 1001
    until(server, "interject_websocket_closes_sent_total", 2, code="1001")


def test_a_peer_that_answers_no_ping_is_dropped(start_server):
    server = start_server("--ping-interval", 1)
    with RawConnection(server) as raw:
        raw.send(request(
            "GET", "/v1/responses", Upgrade="websocket", Connection="Upgrade", Sec_WebSocket_Version="13",
            Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ=="))
        assert raw.read_head()[0] == 101
        assert raw.is_closed_by_server()
        assert b"\x03\xf3ping timeout: nothing came for 2 s" in raw.buffer
    until(server, "interject_websocket_ping_timeouts_total", 1)
    assert Metrics(server).get("interject_websocket_closes_sent_total", code="1011") == 1
    with raw_socket(server, ping_interval=None) as socket:
        # One that answers stays: the round trip is measured, and nobody is dropped.
        until(server, "interject_websocket_round_trip_seconds_count", lambda n: n >= 3)
        socket.ping().wait(10)
    assert Metrics(server).get("interject_websocket_ping_timeouts_total") == 1
