"""Commands on a WebSocket whose commit takes longer than the end of the connection waits for them."""

import json
import resource
import socket
import struct

from echo_server import Probe, frame, handshake
from full_disk import limit, readiness
from rehearsal import brief, eventually, unique
from sessions import Session, item_text


def test_an_accepted_input_stays_though_its_sender_has_gone_before_the_commit(start_server):
    """The disk takes nothing for longer than the close timeout of 5 s, and less than the deadline of a commit."""
    server = start_server("--log-level", "debug")
    prompt = brief(unique())
    with Probe(server) as probe:
        assert probe.request(target="/v1/responses", fields=handshake()).status == 101
        limit(server, 4096)
        probe.send(frame(0x81, json.dumps({"type": "interject:input", "model": "rehearsal-fast", "input": prompt}).encode()))
        eventually(lambda: readiness(server)[0] == 503, "the disk takes nothing")
        probe.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    eventually(lambda: "websocket closed" in server.log_tail(), "the connection has given up its command")
    limit(server, resource.RLIM_INFINITY)
    eventually(lambda: readiness(server) == (200, "ready"), "ready again")
    with server.http() as http:
        sessions = lambda: http.get("/v1/sessions").json()["data"]  # noqa: E731
        eventually(lambda: len(sessions()) == 1, "the session is there")
        session = Session(server, sessions()[0]["id"])
    session.wait_until_idle()
    assert [item_text(item) for item in session.state()["items"] if item["role"] == "user"] == [prompt]
