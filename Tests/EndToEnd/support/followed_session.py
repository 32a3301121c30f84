"""A session that is followed by every face from its first event, and recorded for a golden file (golden.py)."""

import contextlib
import json
import socket
import threading

from golden import Recording, difference, elements
from patience import PATIENCE
from processes import InterjectProcess
from raw_http import RawConnection, request
from rehearsal import DEADLINE_S, eventually
from restarts import kill, restart
from sessions import Session
from sockets import Socket

CHAT, CLAUDE = "chat-model", "claude-model"
RETRY = b"retry: 1000\n"


class LiveStream:
    """A stream that is read as it comes, in the background; `raw` are the bytes of its body."""

    def __init__(self, server, method, path, body=None, **headers):
        self.connection = RawConnection(server, timeout_s=60 * PATIENCE)
        data = b"" if body is None else json.dumps(body).encode()
        if data:
            headers.setdefault("Content_Type", "application/json")
        self.connection.send(request(method, path, data, Connection="close", **headers))
        self.raw, self.ended, self._changed = b"", False, threading.Condition()
        self.status, self.headers = None, {}
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            self.status, self.headers = self.connection.read_head()
            for piece in self.connection.read_pieces(self.headers):
                with self._changed:
                    self.raw += piece
                    self._changed.notify_all()
        except (EOFError, OSError):
            pass
        finally:
            with self._changed:
                self.ended = True
                self._changed.notify_all()

    def wait_for(self, mark: bytes, count=1):
        """Until these bytes came so often."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.raw.count(mark) >= count or self.ended, DEADLINE_S) \
                and self.raw.count(mark) >= count, f"{mark} did not come {count} times: {self.raw[-400:]}"

    def whole(self) -> bytes:
        with self._changed:
            assert self._changed.wait_for(lambda: self.ended, DEADLINE_S), f"no end: {self.raw[-400:]}"
        return self.raw

    def close(self):
        # Ends the reading thread's call too, without which the connection would stay open.
        with contextlib.suppress(OSError):
            self.connection.socket.shutdown(socket.SHUT_RDWR)
        self.connection.close()


class RawSocket(Socket):
    """A WebSocket that keeps each message as it came."""

    def __init__(self, server, **options):
        self.messages: list[str] = []
        super().__init__(server, **options)

    def _read(self):
        iterator, messages = self.ws, self.messages

        class Tee:
            def __iter__(self):
                for message in iterator:
                    messages.append(message)
                    yield message

        self.ws = Tee()
        sender, self.ws = self.ws, iterator
        try:
            for message in sender:
                with self._changed:
                    self.events.append(json.loads(message))
                    self._changed.notify_all()
        except Exception:
            pass
        finally:
            with self._changed:
                self.closed = True
                self._changed.notify_all()

    def raw(self) -> bytes:
        return "\n".join(self.messages).encode()


class Golden:
    """A scenario's server, upstream and recording."""

    def __init__(self, name, directory, upstream):
        self.name, self.upstream = name, upstream
        #: The scenario is about an answer: what is the same in all of these is left to others.
        self.is_of_an_answer = False
        self.recording = Recording(name, UPSTREAM=upstream.url.removeprefix("http://"))
        self.server = InterjectProcess(
            directory, "--upstream", f"{upstream.url}/v1 name=chat models=chat* prefill=continue_final_message",
            "--upstream", f"anthropic+{upstream.url} name=anthropic models=claude*", "--heartbeat", "600", "--drain", "1",
            "--cut-as", "native")
        self.server.start()
        # What must be the same after kill -9: path and headers to the body.
        self.kept: dict = {}
        self.again: list = []

    def get(self, path, **headers):
        with RawConnection(self.server, timeout_s=60 * PATIENCE) as connection:
            connection.send(request("GET", path, Connection="close", **headers))
            return connection.read_answer()

    def keep(self, path, **headers) -> bytes:
        """What a GET gives, which must be the same after kill -9."""
        answer = self.get(path, **headers)
        assert answer.status == 200, answer
        self.kept[path, tuple(headers.items())] = answer.body
        return answer.body

    def read(self, title, path, **headers):
        """Records what a GET gives."""
        self.recording.add(title, elements(self.keep(path, **headers)))

    def post(self, title, path, body=None, **headers):
        with RawConnection(self.server, timeout_s=60 * PATIENCE) as connection:
            connection.send(request("POST", path, json.dumps(body or {}).encode(), Connection="close",
                                    Content_Type="application/json", **headers))
            answer = connection.read_answer()
        if title:
            self.recording.add(f"{title}: {answer.status}", elements(answer.body))
        return answer

    def session(self, model=CHAT, **fields) -> "Watched":
        title = None if self.is_of_an_answer else "session made"
        return Watched(self, self.post(title, "/v1/sessions", {"model": model, **fields}))

    def watch(self, session_id) -> "Watched":
        return Watched(self, session_id=session_id)

    def restart(self):
        kill(self.server)
        restart(self.server)

    def check_after_kill(self):
        """What is read from the disk is what was read before."""
        self.restart()
        for (path, headers), before in self.kept.items():
            found, before = self.recording.settled(self.get(path, **dict(headers)).body), self.recording.settled(before)
            same(found, before, f"{path} after kill -9")
        for check in self.again:
            check()


class Watched:
    """A session that is followed from its first event by SSE and by WebSocket."""

    def __init__(self, golden, answer=None, session_id=None):
        self.golden, self.server = golden, golden.server
        # Else how far it has come when it is joined is a matter of chance.
        self.was_idle = answer is not None
        self.id = session_id or answer.json()["id"]
        self.path = f"/v1/sessions/{self.id}"
        self.api = Session(self.server, self.id)
        self.follow()

    def follow(self):
        self.sse = LiveStream(self.server, "GET", f"{self.path}/events", Accept="text/event-stream")
        self.socket = RawSocket(self.server)
        self.socket.join(self.id, starting_after=0, stream_id="watch")
        self.sse.wait_for(b"id: 1\n")

    def input(self, words, **fields):
        return self.golden.post(None if self.golden.is_of_an_answer else "input", f"{self.path}/input", {"input": words, **fields})

    def cancel(self, query=""):
        return self.golden.post("cancel", f"{self.path}/cancel{query}")

    def wait(self, kind, count=1):
        """Until so many events of the kind were seen by both."""
        self.sse.wait_for(f"\nevent: {'interject:error' if kind == 'error' else kind}\n".encode(), count)
        seen = lambda: sum(e["type"] == kind for e in list(self.socket.events)) >= count
        eventually(seen, f"{count} of {kind} by WebSocket")

    def wait_for_deltas(self, count, kind="response.output_text.delta"):
        self.wait(kind, count)

    def idle(self):
        self.api.wait_until_idle()

    def finish(self, title=""):
        """Records the session by SSE; what the other faces that read it say must be made of the same bytes."""
        self.idle()
        last = self.api.state()["last_sequence_number"]
        self.sse.wait_for(f"id: {last}\n".encode())
        eventually(lambda: self.sse.raw.endswith(b"\n\n"), "the last event is whole")
        self.socket.wait_for(lambda e: (e.get("interject") or {}).get("sequence") == last, f"event {last}")
        live = self.sse.raw
        self.sse.close()
        self.socket.send("interject:leave", session_id=self.id)
        self.socket.wait_for_type("interject:left")
        self.socket.close()
        self.check_faces(live, last, title)

    def check_faces(self, live, last, title=""):
        golden, add = self.golden, self.golden.recording.add
        assert live.count(RETRY) == 1, "the first event of a stream says when to come back"
        blocks = live.removeprefix(b":\n").replace(RETRY, b"").removesuffix(b"\n\n").split(b"\n\n")
        data = [block.split(b"\ndata: ", 1)[1] for block in blocks]
        kinds = [json.loads(one)["type"].encode() for one in data]
        named = [b"interject:error" if kind == b"error" else kind for kind in kinds]
        same(b"\n\n".join(blocks), b"\n\n".join(
            b"id: %d\nevent: %b\ndata: %b" % row for row in zip(range(1, last + 1), named, data)), "SSE is id, event and data")

        add(f"session{title}, SSE: id and data", b"\n".join(b"%d %b" % row for row in enumerate(data, 1)))

        def enveloped(one, number, more=b""):
            return one[:-1] + b',"interject":{"session_id":"%b","sequence":%d}%b}' % (self.id.encode(), number, more)

        messages = [message.encode() for message in self.socket.messages]
        if self.was_idle and not golden.is_of_an_answer:
            add(f"session{title}, WebSocket, joined and left", messages[0] + b"\n" + messages[-1])
        same(b"\n".join(messages[1:-1]), b"\n".join(
            enveloped(one, number, b',"stream_id":"watch"') for number, one in enumerate(data, 1)), "WebSocket is data and envelope")

        def page(first, end):
            return b'{"object":"list","data":[%b],"recovered":true,"last_sequence_number":%d,"has_more":%b}' % (
                b",".join(enveloped(one, number) for number, one in list(enumerate(data, 1))[first:end]), end,
                b"false" if end == last else b"true")

        events = f"{self.path}/events"
        json_only = {"Accept": "application/json"}
        def check_pages():
            """A page ends early when it is large, and elsewhere when it comes from the disk; all together they are the log."""
            first = 0
            while first < last:
                found = golden.get(f"{events}?starting_after={first}", **json_only).body
                end = json.loads(found)["last_sequence_number"]
                same(found, page(first, end), "a page is data and envelope")
                first = end

        check_pages()
        golden.again.append(check_pages)
        same(golden.keep(f"{events}?starting_after=1&limit=2", **json_only), page(1, min(3, last)), "a page from the second event")
        merged = elements(golden.keep(f"{events}?merge=deltas", **json_only)).split(b"\n")
        whole = {*elements(page(0, last)).split(b"\n")}
        add(f"session{title}, page, events of merged deltas", b"\n".join(line for line in merged if line not in whole))
        golden.read(f"session{title}, state", self.path)
        self.check_replays(live, last)
        self.check_responses(kinds, data, title)

    def check_replays(self, live, last):
        """A replay, from the start and from the middle, is what came live."""
        for after in (0, last // 2):
            stream = LiveStream(self.server, "GET", f"{self.path}/events", Accept="text/event-stream", Last_Event_ID=str(after))
            stream.wait_for(f"id: {last}\n".encode())
            eventually(lambda: stream.raw.endswith(b"\n\n"), "the last event is whole")
            stream.close()
            seen = live if after == 0 else live[live.index(f"id: {after + 1}\n".encode()):]
            assert stream.raw.count(RETRY) == 1
            same(stream.raw.replace(RETRY, b"").removeprefix(b":\n"), seen.replace(RETRY, b"").removeprefix(b":\n"),
                 f"the replay from {after} is what came live")

    def check_responses(self, kinds, data, title=""):
        """Each response, as an object and by its own stream."""
        golden, streams, ended, active = self.golden, {}, {}, None
        for kind, one in zip(kinds, data):
            value = json.loads(one)
            if "sequence_number" not in value:
                continue
            owner = value["response"]["id"] if "response" in value else active
            if kind == b"response.created" and value["response"]["status"] != "queued":
                active = owner
            ended[owner] = kind
            streams.setdefault(owner, []).append(b"event: %b\ndata: %b\n\n" % (kind, one))
        for number, (response, told) in enumerate(streams.items(), 1):
            found = golden.keep(f"/v1/responses/{response}")
            if told[-1] != b'event: %b\ndata: {"type":"%b","sequence_number":%d,"response":%b}\n\n' % (
                    ended[response], ended[response], len(told) - 1, found):
                golden.recording.add(f"response {number}{title}, not as its last event has it", elements(found))
            golden.keep(f"/v1/responses/{response}/input_items?order=asc")
            stream = {"Accept": "text/event-stream"}
            path = f"/v1/responses/{response}?stream=true"
            same(golden.keep(path, **stream), b":\n" + b"".join(told) + b"data: [DONE]\n\n", f"stream of response {number}{title}")
            half = len(told) // 2
            same(golden.keep(f"{path}&starting_after={half}", **stream), b":\n" + b"".join(told[half + 1:]) + b"data: [DONE]\n\n",
                 f"stream of response {number}{title} from {half}")


def sse_data(raw: bytes) -> bytes:
    """The data of a stream of Responses, an event a line, once its form is what it should be."""
    blocks = raw.removeprefix(b":\n").removesuffix(b"\n\n").split(b"\n\n")
    data = [block.rpartition(b"data: ")[2] for block in blocks]
    named = [b"event: %b\ndata: %b\n\n" % (json.loads(one)["type"].encode(), one) for one in data[:-1]]
    same(raw, b":\n" + b"".join(named) + b"data: [DONE]\n\n", "the form of the stream")
    return b"\n".join(data)


def same(found: bytes, expected: bytes, what: str):
    if found != expected:
        raise AssertionError(f"{what}:\n{difference(expected, found)}")
