"""EventSource as browsers have it, on a bare socket: the WHATWG rules, and the bytes to look at."""

import codecs

from raw_http import RawConnection, request


class SseParser:
    """WHATWG server-sent events, § 9.2.6: text in, (event, data, id) out."""

    def __init__(self):
        self.text = ""
        self.last_event_id = ""
        self.retry_ms = None
        self.lines: list[str] = []
        self._id = ""
        self._event, self._data = "", []
        self._decode = codecs.getincrementaldecoder("utf-8")()

    def feed(self, data: bytes):
        self.text += self._decode.decode(data)
        while "\n" in self.text:
            line, self.text = self.text.split("\n", 1)
            if (event := self._line(line.removesuffix("\r"))) is not None:
                yield event

    def _line(self, line):
        self.lines.append(line)
        if line == "":
            self.last_event_id = self._id
            event, data = self._event, self._data
            self._event, self._data = "", []
            return (event or "message", "\n".join(data), self.last_event_id) if data else None
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isdigit():
            self.retry_ms = int(value)
        return None


class EventSource:
    """GET with `Accept: text/event-stream`; `events` is what came, `raw` the bytes of the body."""

    def __init__(self, server, path, last_event_id="", **headers):
        self.server, self.path, self.extra = server, path, headers
        self.events: list[tuple[str, str, str]] = []
        self.raw = b""
        self._open(last_event_id)

    def _open(self, last_event_id):
        self.connection = RawConnection(self.server)
        headers = {"Accept": "text/event-stream", "Cache_Control": "no-cache", **self.extra}
        if last_event_id:
            headers["Last_Event_ID"] = last_event_id
        self.connection.send(request("GET", self.path, **headers))
        self.status, self.headers = self.connection.read_head()
        self.parser = SseParser()
        self._pieces = self.connection.read_pieces(self.headers)

    def read_piece(self) -> bytes:
        """The next bytes of the body; b"" at its end."""
        piece = next(self._pieces, b"")
        self.raw += piece
        self.events += self.parser.feed(piece)
        return piece

    def read_until(self, condition) -> tuple[str, str, str]:
        """Reads on until an event (event, data, id) meets `condition`, and returns it."""
        position = 0
        while True:
            while position < len(self.events):
                position += 1
                if condition(self.events[position - 1]):
                    return self.events[position - 1]
            if not self.read_piece():
                raise AssertionError(f"the stream ended; last: {self.events[-3:]}")

    def read_to_end(self):
        while self.read_piece():
            pass

    def reconnect(self):
        """As a browser does after a cut: the same URL with Last-Event-ID."""
        self.connection.close()
        self._open(self.parser.last_event_id)

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
