"""A server ended by kill -9 and started again on the same data."""

import signal

from sessions import position


def kill(server):
    server.popen.send_signal(signal.SIGKILL)
    server.popen.wait()


def restart(server):
    """Starts the server again on the same data directory."""
    kill(server) if server.popen and server.popen.poll() is None else None
    server.ready_path.unlink(missing_ok=True)
    return server.start()


def events(server, session_id, after=0):
    """The whole log by polling."""
    found = []
    with server.http() as http:
        while True:
            page = http.get(
                f"/v1/sessions/{session_id}/events", params={"starting_after": after, "limit": 1000},
                headers={"Accept": "application/json"},
            ).json()
            assert page["recovered"] is True
            found += page["data"]
            after = position(page)
            if not page["has_more"]:
                return found
