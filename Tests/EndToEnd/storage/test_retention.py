"""What was not used for long is deleted, whatever else is in memory."""

import socket

import pytest

from metrics import Metrics
from rehearsal import eventually
from restarts import restart


@pytest.mark.timeout(120)
def test_old_sessions_that_somebody_follows_keep_no_other_from_being_deleted(start_server):
    """More of them than are deleted at a time, and all of them older."""
    server = start_server("--retention", 20)
    with server.http() as http:
        made = [http.post("/v1/sessions", json={}).json()["id"] for _ in range(73)]
    followed, unused = made[:70], made[70:]
    # They are in memory no more but for those that somebody follows.
    server = restart(server)
    followers = [socket.create_connection(server.address) for _ in followed]
    for follower, session in zip(followers, followed):
        follower.sendall(f"GET /v1/sessions/{session}/events HTTP/1.1\r\nHost: {server.address[0]}\r\n\r\n".encode())
    eventually(lambda: Metrics(server).get("interject_connections_open", protocol="sse") == 70, "all are followed")

    def kept():
        with server.http() as http:
            return {one["id"] for one in http.get("/v1/sessions", params={"limit": 100}).json()["data"]}

    eventually(lambda: not set(unused) & kept(), "those that nobody uses are deleted", timeout_s=60)
    assert kept() == set(followed)
    for follower in followers:
        follower.close()
