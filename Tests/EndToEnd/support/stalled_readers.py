"""Readers of a session that stop to read, on bare sockets with small buffers, and go on when they are told."""

import base64
import json
import os
import re
import socket
import struct
import time
import weakref

from raw_http import RawConnection, request

SMALL_BUFFER_BYTES = 4096
# The events of each session by their bytes: twenty readers of 100,000 get the same ones, and parsing takes most of a test's time.
_parsed = weakref.WeakKeyDictionary()


def dechunk(data: bytes) -> tuple[bytes, bytes]:
    """The body of a chunked answer, as far as its chunks are whole, and what follows them."""
    parts, position = [], 0
    while (end := data.find(b"\r\n", position)) >= 0:
        size = int(data[position:end], 16)
        if end + 4 + size > len(data):
            break
        parts.append(data[end + 2:end + 2 + size])
        position = end + 4 + size
    return b"".join(parts), data[position:]


def settled(session, tag) -> int:
    """The session's last sequence number once the model, which was asked for `tag`, is made to wait: nothing moves any more."""
    before = None
    while True:
        request = session.server.rehearsal.wait_for_tokens(tag, 1000)
        now = session.state()["last_sequence_number"], request["tokens_sent"], request["state"]
        if now == before:
            return now[0]
        before = now
        time.sleep(1)


class StalledReader:
    """`events` is what came, as (sequence, event); beyond the head nothing is read before `read_until`."""

    def __init__(self, session, merge=False):
        self.session, self.merge = session, merge
        self._parsed = _parsed.setdefault(session, {})
        self.events: list[tuple[int, dict]] = []
        self.reconnects = 0
        self._connect(0)

    def _connect(self, after: int):
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
        raw.settimeout(30)
        raw.connect(self.session.server.address)
        self.connection = RawConnection.__new__(RawConnection)
        self.connection.socket, self.connection.buffer = raw, b""
        self._begin(after)

    def read_until(self, last: int):
        """Reads until the event with the session sequence number `last`."""
        self.read(lambda: bool(self.events) and self.events[-1][0] >= last)

    def read(self, is_done):
        """Reads until `is_done()` of what came; connects again where the server gave up."""
        while True:
            connection = self.connection
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            try:
                connection.buffer = self._take(connection.buffer)
                while not is_done():
                    if not (data := connection.socket.recv(1 << 18)):
                        break
                    connection.buffer = self._take(connection.buffer + data)
                else:
                    return
            except ConnectionResetError:
                pass
            self.reconnects += 1
            assert self.reconnects < 5
            self.close()
            self._connect(self.events[-1][0] if self.events else 0)

    def parsed(self, text: bytes) -> dict:
        """The event, shared with all readers of the session that got the same bytes."""
        if (event := self._parsed.get(text)) is None:
            event = self._parsed[text] = json.loads(text)
        return event

    def close(self):
        self.connection.close()


class StalledEventSource(StalledReader):
    def _begin(self, after):
        self.body = b""
        path = f"{self.session.path}/events" + ("?merge=deltas" if self.merge else "")
        self.connection.send(request("GET", path, Accept="text/event-stream", Last_Event_ID=after))
        status, _ = self.connection.read_head()
        assert status == 200


    # No need for the full parser, which is slow on a million events.
    EVENT = re.compile(rb"id: (\d+)\nevent: [^\n]+\n(?:retry: \d+\n)?data: ([^\n]+)\n\n")

    def _take(self, data):
        body, rest = dechunk(data)
        # A long event comes in several chunks.
        self.body += body
        end = 0
        for event in self.EVENT.finditer(self.body):
            self.events.append((int(event[1]), self.parsed(event[2])))
            end = event.end()
        self.body = self.body[end:]
        return rest


class StalledSocket(StalledReader):
    def _begin(self, after):
        self.message = bytearray()
        key = base64.b64encode(os.urandom(16)).decode()
        self.connection.send(request(
            "GET", "/v1/responses", Upgrade="websocket", Connection="Upgrade", Sec_WebSocket_Key=key, Sec_WebSocket_Version=13))
        status, _ = self.connection.read_head()
        assert status == 101
        join = {"type": "interject:join", "session_id": self.session.id, "starting_after": after}
        if self.merge:
            join["merge"] = "deltas"
        text = json.dumps(join).encode()
        assert len(text) < 126
        # Masked with zeros, as a client may.
        self.connection.send(struct.pack("!BB4x", 0x81, 0x80 | len(text)) + text)

    def _take(self, data):
        position = 0
        while position + 2 <= len(data):
            opcode, length, start = data[position] & 15, data[position + 1] & 127, position + 2
            wide = {126: "!H", 127: "!Q"}.get(length)
            if wide:
                if start + struct.calcsize(wide) > len(data):
                    break
                length, start = struct.unpack_from(wide, data, start)[0], start + struct.calcsize(wide)
            if start + length > len(data):
                break
            if opcode < 8:
                # A long message comes in several frames.
                self.message += data[start:start + length]
                if data[position] & 0x80:
                    event = self.parsed(bytes(self.message))
                    self.message.clear()
                    if "sequence" in (event.get("interject") or {}):
                        self.events.append((event["interject"]["sequence"], event))
            position = start + length
        return data[position:]
