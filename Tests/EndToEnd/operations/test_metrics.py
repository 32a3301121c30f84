"""/metrics and /debug/connections: the numbers move as the things that they count."""

import json
import re
import socket

import httpx
import pytest

from event_source import EventSource
from metrics import OPEN_METRICS, Metrics, until
from raw_http import RawConnection, request
from rehearsal import brief, endless, eventually, say, unique
from sessions import Session
from sockets import Socket


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    """A server that only this file uses: its numbers are ours."""
    from processes import InterjectProcess
    with InterjectProcess(tmp_path_factory.mktemp("metrics"), "--loops", 2, "--ping-interval", 1) as process:
        yield process


class Change:
    """What a block of code changes in the counters."""

    def __init__(self, server):
        self.server, self.before = server, Metrics(server)

    def of(self, name, **labels):
        return Metrics(self.server).get(name, **labels) - self.before.get(name, **labels)

    def becomes(self, value, name, **labels):
        eventually(lambda: self.of(name, **labels) == value, f"{name} {labels} grew by {value}")


@pytest.mark.parametrize("accept, content_type", [
    (None, "text/plain; version=0.0.4"), ("text/plain", "text/plain; version=0.0.4"),
    (OPEN_METRICS, "application/openmetrics-text; version=1.0.0"),
])
def test_the_page_is_what_prometheus_reads(counted, accept, content_type):
    metrics = Metrics(counted, accept=accept)
    assert metrics.answer.headers["content-type"].startswith(content_type)
    names = {family.name for family in metrics.families}
    assert len(names) == len(metrics.families) > 30
    for family in metrics.families:
        assert family.documentation and family.type in ("counter", "gauge", "histogram"), family.name
        assert re.fullmatch(r"(interject|process)_[a-z_]+", family.name), family.name
        if family.type == "histogram":
            assert family.name.endswith("_seconds")
            for series in {tuple(sorted((k, v) for k, v in s.labels.items() if k != "le")) for s in family.samples}:
                own = [s for s in family.samples if set(series) <= set(s.labels.items())]
                counts = [s.value for s in own if s.name.endswith("_bucket")]
                assert counts == sorted(counts) and counts[-1] == next(s.value for s in own if s.name.endswith("_count"))
    # Prometheus' parser takes the suffix off the names of counters, in both formats.
    counters = {s.name for f in metrics.families if f.type == "counter" for s in f.samples}
    assert all(name.endswith("_total") for name in counters)
    assert metrics.get("interject_store_commits_total") > 0 and metrics.get("interject_store_file_bytes") > 4096
    assert metrics.get("interject_store_writable") == 1
    assert metrics.get("process_resident_memory_bytes") > 1 << 20 and metrics.get("process_cpu_seconds_total") > 0
    assert metrics.get("interject_ready") == 1


def test_requests_are_counted_by_face_and_status(counted, tag):
    change = Change(counted)
    with counted.http() as http:
        http.get("/healthz")
        http.get("/v1/models")
        http.get("/v1/sessions/none")
        http.post("/v1/chat/completions", json={"model": "m"})
        http.post("/v1/responses", json={"model": "rehearsal-fast", "input": brief(tag)})
        http.get("/no/such/thing")
    with RawConnection(counted) as raw:
        raw.send(b"no HTTP\r\n\r\n")
        assert raw.read_answer().status == 400
    for face, status in (("service", "2xx"), ("models", "2xx"), ("sessions", "4xx"), ("chat", "4xx"), ("responses", "2xx")):
        assert change.of("interject_http_requests_total", face=face, status=status) == 1, face
    assert change.of("interject_http_requests_total", face="other", status="4xx") == 2
    assert change.of("interject_generations_total", outcome="completed") == 1
    assert change.of("interject_upstream_requests_total", outcome="completed") == 1
    assert change.of("interject_upstream_first_token_seconds_count") == 1
    assert change.of("interject_received_bytes_total") > 500 and change.of("interject_sent_bytes_total") > 2000
    assert change.of("interject_sessions") == 1 and change.of("interject_log_bytes") > 500


def test_an_interruption_is_timed_from_the_command_to_the_acknowledgement(counted, tag):
    change = Change(counted)
    session = Session.create(counted)
    session.speak(endless(tag))
    counted.rehearsal.wait_for_tokens(tag, 2)
    assert Metrics(counted).get("interject_generations_active") == 1
    session.speak(endless(f"{tag}x"))
    change.becomes(1, "interject_interrupt_seconds_count")
    assert change.of("interject_generations_total", outcome="interrupted") == 1
    counted.rehearsal.wait_for_tokens(f"{tag}x", 2)
    session.post_cancel()
    change.becomes(2, "interject_interrupt_seconds_count")
    assert change.of("interject_generations_total", outcome="cancelled") == 1
    assert change.of("interject_upstream_requests_total", outcome="cancelled") == 2
    assert Metrics(counted).get("interject_generations_active") == 0
    assert Metrics(counted).get("interject_interrupt_seconds_sum") < 5
    session.close()


def test_websockets_are_counted_from_the_handshake_to_the_close(counted, tag):
    change = Change(counted)
    ws = Socket(counted)
    assert change.of("interject_connections_open", protocol="websocket") == 1
    assert change.of("interject_connections_total", protocol="websocket") == 1
    ws.create(say(tag, tokens=4, pace=0))
    ws.wait_for_type("response.completed")
    assert change.of("interject_messages_total", protocol="websocket", direction="in") == 1
    assert change.of("interject_messages_total", protocol="websocket", direction="out") == len(ws.events)
    change_of_trips = eventually(lambda: change.of("interject_websocket_round_trip_seconds_count"), "a ping is answered")
    assert change_of_trips >= 1
    ws.ws.close(4321, "enough")
    change.becomes(1, "interject_websocket_closes_received_total", code="4000")
    change.becomes(1, "interject_websocket_closes_sent_total", code="4000")
    change.becomes(0, "interject_connections_open", protocol="websocket")
    bad = Socket(counted)
    bad.ws.socket.sendall(b"\x81\x01a")
    change.becomes(1, "interject_websocket_closes_sent_total", code="1002")
    cut = Socket(counted)
    cut.abort()
    # Also for the one that broke the protocol: its client sent no close frame of its own accord.
    eventually(lambda: change.of("interject_websocket_closes_received_total", code="1006") >= 1, "the cut is counted")


HANDSHAKE = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13",
             "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ=="}


@pytest.mark.parametrize("fields, status, reason", [
    ({"Sec_WebSocket_Version": "8"}, 426, "version"), ({"Sec_WebSocket_Key": "short"}, 400, "key"),
    ({"Connection": "close"}, 400, "connection_field"), ({"Origin": "https://evil.example"}, 403, "origin_not_allowed"),
])
def test_a_handshake_that_fails_is_counted_by_its_reason(counted, fields, status, reason):
    change = Change(counted)
    with RawConnection(counted) as raw:
        raw.send(request("GET", "/v1/responses", **{**HANDSHAKE, **fields}))
        assert raw.read_answer().status == status
    assert change.of("interject_websocket_handshake_failures_total", reason=reason) == 1
    assert change.of("interject_websocket_handshake_failures_total") == 1


def test_event_streams_are_counted(counted, tag):
    change = Change(counted)
    session = Session.create(counted)
    with EventSource(counted, f"{session.path}/events") as source:
        session.speak(brief(tag))
        source.read_until(lambda e: e[0] == "response.completed")
        assert change.of("interject_connections_open", protocol="sse") == 1
        assert change.of("interject_connections_total", protocol="sse") == 1
        assert change.of("interject_messages_total", protocol="sse", direction="out") >= len(source.events)
    change.becomes(0, "interject_connections_open", protocol="sse")
    session.close()


def test_failures_of_upstreams_are_counted_by_kind(counted, tag):
    change = Change(counted)
    with counted.http() as http:
        http.post("/v1/responses", json={"model": "rehearsal-fast", "input": say(tag, status=503)})
        http.post("/v1/responses", json={"model": "rehearsal-fast", "input": say(f"{tag}b", status=404)})
    assert change.of("interject_generations_total", outcome="failed") == 2
    attempts = change.of("interject_upstream_requests_total", outcome="server_error")
    assert attempts >= 1 and change.of("interject_upstream_requests_total", outcome="refused") == 1
    assert change.of("interject_upstream_retries_total") == attempts - 1
    assert "an upstream failed" in counted.log_tail() and "fault=server_error" in counted.log_tail()
    assert tag not in counted.log_tail(1000)


def test_output_that_waits_is_seen(counted):
    session = Session.create(counted)
    big = "x" * (6 << 20)
    session.speak(brief(unique()) + big)
    session.wait_until_idle()
    change = Change(counted)
    with RawConnection(counted) as raw:
        raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.send(request("GET", f"{session.path}/events"))
        raw.read_head()
        eventually(lambda: change.of("interject_queue_bytes") > 1 << 20, "output waits")
        assert change.of("interject_queue_stalls_total") >= 1
        assert change.of("interject_queue_pauses_total", policy="lossless") >= 1
        [row] = [r for r in connections(counted) if r["queue_bytes"] > 1 << 20]
        assert row["protocol"] == "sse"
    change.becomes(0, "interject_queue_bytes")
    session.close()


def connections(server, headers=None, **params):
    with server.http(headers=headers) as http:
        answer = http.get("/debug/connections", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def test_the_operator_sees_connections_and_no_content(counted, tag):
    ws = Socket(counted)
    ws.create(endless(f"{tag} secret-words"), stream_id="lane-name")
    ws.wait_for_deltas(3)
    row = eventually(
        lambda: next((r for r in connections(counted) if r["protocol"] == "websocket" and r["rtt_us"]), None), "the socket")
    assert set(row) == {"id", "peer", "protocol", "age_ms", "idle_ms", "bytes_in", "bytes_out", "queue_bytes", "rtt_us",
                        "closing", "lanes", "lanes_busy", "sessions"}
    assert row["peer"] == "127.0.0.1" and row["bytes_in"] > 100 and row["bytes_out"] > 500
    assert row["lanes"] == 1 and row["lanes_busy"] == 1 and row["sessions"] == 0 and 0 < row["rtt_us"] < 5_000_000
    text = json.dumps(connections(counted))
    assert "secret-words" not in text and "lane-name" not in text
    assert len({r["id"] for r in connections(counted)}) == len(connections(counted))
    assert len(connections(counted, limit=1)) == 1
    ws.close()


def test_metrics_are_the_operators_alone(start_server):
    server = start_server("--api-key", "ann=ann-secret", "--operator-key", "operator-secret")
    for path in ("/metrics", "/debug/connections"):
        for key, status in ((None, 401), ("ann-secret", 401), ("wrong", 401), ("operator-secret", 200)):
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            assert httpx.get(server.url + path, headers=headers).status_code == status, (path, key)
    # And the operator's key opens nothing else.
    assert httpx.get(server.url + "/v1/models", headers={"Authorization": "Bearer operator-secret"}).status_code == 401


def test_without_an_operator_key_a_server_with_keys_shows_nothing(start_server):
    server = start_server("--api-key", "ann=ann-secret")
    answer = httpx.get(server.url + "/metrics", headers={"Authorization": "Bearer ann-secret"})
    assert answer.status_code == 403 and "--operator-key" in answer.json()["error"]["message"]


def test_a_foreign_page_reads_no_metrics(counted):
    answer = httpx.get(counted.url + "/metrics", headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403


def test_the_log_lets_a_client_be_followed_by_ids(start_server, tag):
    server = start_server("--log-level", "debug")
    socket = Socket(server)
    request_id = socket.ws.response.headers["x-request-id"]
    socket.create(brief(f"{tag} hidden-words"), stream_id="hidden-lane", client_event_id="hidden-event")
    response = socket.wait_for_type("response.completed")["response"]["id"]
    socket.send("interject:cancel", session_id="sess_hidden words")
    socket.send("hidden-command")
    socket.send("response.create", previous_response_id=response, input="x", model=7)
    eventually(lambda: server.log_tail(1000).count("command refused") >= 3, "the refusals")
    socket.close()

    def fields(*marks) -> dict:
        line = eventually(
            lambda: next((x for x in server.log_tail(1000).splitlines() if all(m in x for m in marks)), None), f"{marks}")
        return dict(word.split("=", 1) for word in line.split() if "=" in word)

    # From the upgrade to the connection, to its responses, to their session, to the end.
    connection = fields(request_id)["connection"]
    of_it = f"connection={connection}"
    session = fields("response of a command", of_it, response)["session_id"]
    assert fields("response ended", response)["session_id"] == session
    assert fields("response ended", response)["status"] == "completed"
    assert fields("command refused", of_it, response)["command"] == "response.create"
    assert fields("command refused", of_it, "command=unknown")["status"] == "400"
    fields("websocket closed", of_it)
    assert "hidden" not in server.log_tail(1000) and tag not in server.log_tail(1000)


def test_access_lines_are_for_debug_and_bear_the_request_id(start_server, tag):
    server = start_server("--log-level", "debug")
    with server.http() as http:
        answer = http.post("/v1/responses?api_key=hidden-key", json={"model": "rehearsal-fast", "input": f"{tag} hidden-words"})
    identifier = answer.headers["x-request-id"]
    line = eventually(lambda: next((x for x in server.log_tail(100).splitlines() if identifier in x), None), "the access line")
    assert "method=POST" in line and "status=200" in line and "path=/v1/responses" in line and "peer=127.0.0.1" in line
    assert "hidden" not in server.log_tail(1000) and tag not in server.log_tail(1000)
