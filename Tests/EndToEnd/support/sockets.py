"""A WebSocket client that reads in the background and keeps what it saw."""

import json
import socket as sockets
import struct
import threading
import time

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from rehearsal import DEADLINE_S
from sessions import TERMINAL


class Socket:
    """`events` is everything that came, in order. Commands go out by `send`."""

    def __init__(self, server, headers=None, path="/v1/responses"):
        self.events: list[dict] = []
        self.closed = False
        self.ws = connect(
            server.url.replace("http", "ws", 1) + path, additional_headers=headers, compression=None, max_size=None,
            legacy=True)
        self._changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            for message in self.ws:
                with self._changed:
                    self.events.append(json.loads(message))
                    self._changed.notify_all()
        except (ConnectionClosed, OSError):
            pass
        finally:
            with self._changed:
                self.closed = True
                self._changed.notify_all()

    def send(self, kind: str, **fields):
        self.ws.send(json.dumps({"type": kind, **fields}))

    def create(self, text, **fields):
        """response.create with the rehearsal model."""
        self.send("response.create", **{"model": "rehearsal", "input": text, **fields})

    def join(self, session_id: str, **fields) -> dict:
        """interject:join, until the server says that it is so."""
        self.send("interject:join", session_id=session_id, **fields)
        return self.wait_for(lambda e: e["type"] == "interject:joined" and e["session"]["id"] == session_id, "joined")

    def wait_for(self, condition, what: str, start=0, timeout_s=DEADLINE_S) -> dict:
        """The first event from index `start` on that meets `condition`."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            position = start
            while True:
                for event in self.events[position:]:
                    position += 1
                    if condition(event):
                        return event
                left = deadline - time.monotonic()
                if left <= 0 or self.closed:
                    seen = [e["type"] for e in self.events[-12:]]
                    raise AssertionError(f"{'closed' if self.closed else f'not within {timeout_s} s'}: {what}; last: {seen}")
                self._changed.wait(left)

    def wait_for_type(self, kind: str, start=0, **fields) -> dict:
        """The first event of this type whose fields have these values."""
        return self.wait_for(
            lambda e: e["type"] == kind and all(e.get(k) == v for k, v in fields.items()), f"{kind} {fields}", start)

    def wait_for_deltas(self, count: int):
        """Until that many pieces of text were seen."""
        seen = 0

        def enough(event):
            nonlocal seen
            seen += event["type"] == "response.output_text.delta"
            return seen >= count

        self.wait_for(enough, f"{count} deltas")

    def wait_for_end_of(self, response_id: str) -> dict:
        return self.wait_for(
            lambda e: e["type"] in TERMINAL and e["response"]["id"] == response_id, f"the end of {response_id}")

    def log_of(self, session_id: str) -> list[dict]:
        """What was seen of one session's log: the events that carry its sequence numbers."""
        numbered = [e for e in list(self.events) if "sequence" in (e.get("interject") or {})]
        return [e for e in numbered if e["interject"].get("session_id") == session_id]

    def abort(self):
        """Cuts the TCP connection (RST): no close frame, no goodbye."""
        cut(self.ws.socket)

    def close(self):
        try:
            self.ws.close_timeout = 2
            self.ws.close()
        except (ConnectionClosed, OSError):
            pass


def cut(socket):
    """Closes a socket so that the peer gets a reset."""
    socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
    # A thread that reads keeps the file open over close(); shutdown wakes it, and linger makes the close a reset.
    try:
        socket.shutdown(sockets.SHUT_RDWR)
    except OSError:
        pass
    socket.close()
