"""What a reader more costs: one answer, read by 1,000 connections in each vocabulary, and by 250 in each of four."""

import re
import time

import processes
import throughput
import wire

READERS, PACE, WINDOW_S = 1000, 20, 2.0
#: Readers have caught up when for so long they got what is spoken meanwhile, and this much more or less.
SETTLE_S, TOLERANCE, PATIENCE_S = 0.5, 0.1, 60
TITLE = f"{READERS:,} readers of one answer of {PACE} tokens/s, in four vocabularies"
CHAT, SESSION, RESPONSE, SOCKET = (
    "Chat Completions (the same `Idempotency-Key`)", "session's events by SSE", "Responses by SSE", "Responses by WebSocket, joined",
)  # fmt: skip
MIXED = "a quarter of them in each"


class Answer:
    """One answer that goes on for ever, asked for by Chat Completions, since only its own call follows it in that vocabulary."""

    def __init__(self, server, number):
        self.server = server
        body = wire.chat_body("rehearsal", wire.prompt(1_000_000, PACE))
        self.request = wire.http_request("POST", "/v1/chat/completions", body)
        self.request = self.request.replace(b"\r\n", b"\r\nIdempotency-Key: readers-%d\r\n" % number, 1)
        self.first = wire.connect(server)
        self.first.sendall(self.request)
        received = b""
        while b'"content":"' not in received:
            received += wire.receive(self.first)
        self.session = re.search(rb"(?i)interject-session: (\S+)", received)[1].decode()
        self.id = re.search(rb'"id":"(chatcmpl-[^"]+)"', received)[1].decode()

    def stream(self, request):
        stream = wire.connect(self.server)
        stream.sendall(request)
        return stream

    def joined(self):
        stream = wire.websocket(self.server)
        stream.sendall(wire.frame({"type": "interject:join", "session_id": self.session}))
        return stream

    def followed(self, path):
        return self.stream(wire.http_request("GET", path, accept="text/event-stream"))

    def open(self, vocabulary):
        """A new reader. All but the joined begin with the first event, and have caught up before anything is counted."""
        return {
            CHAT: lambda: self.stream(self.request),
            SESSION: lambda: self.followed(f"/v1/sessions/{self.session}/events"),
            RESPONSE: lambda: self.followed(f"/v1/responses/{self.id}?stream=true"),
            SOCKET: self.joined,
        }[vocabulary]()


class Deliveries:
    """Counts the tokens that each reader gets, whatever its vocabulary."""

    def __init__(self, vocabularies):
        self.counters = [
            throughput.Counter(wire.CHAT if vocabulary == CHAT else wire.RESPONSES, 1) for vocabulary in vocabularies
        ]

    def on_data(self, number, data):
        self.counters[number].on_data(0, data)

    def counts(self):
        return [counter.tokens[0] for counter in self.counters]


def cpu_a_delivery(server, number, vocabularies):
    answer = Answer(server, number)
    deliveries = Deliveries(vocabularies)
    readers = wire.Readers([answer.open(vocabulary) for vocabulary in vocabularies])

    def delivered(seconds):
        """Deliveries in about so many seconds, and in each of them."""
        before, start = sum(deliveries.counts()), time.monotonic()
        while time.monotonic() < start + seconds:
            readers.poll(deliveries.on_data, timeout=0.01)
        count = sum(deliveries.counts()) - before
        return count, count / (time.monotonic() - start)

    deadline, expected = time.monotonic() + PATIENCE_S, len(vocabularies) * PACE
    while abs(delivered(SETTLE_S)[1] / expected - 1) > TOLERANCE or min(deliveries.counts()) == 0:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{len(vocabularies)} readers did not catch up: the machine is too busy")
    cpu = server.cpu_seconds()
    count, rate = delivered(WINDOW_S)
    used = server.cpu_seconds() - cpu
    readers.close()
    answer.first.close()
    wire.call(server, "DELETE", f"/v1/sessions/{answer.session}")
    return {"CPU µs a delivery": used / count * 1e6, "deliveries/s": rate}


def measure(binary, rehearsal, count=READERS):
    # The readers answer no pings.
    with processes.interject(binary, rehearsal, "--ping-interval", "600") as server:
        alone = {name: [name] * count for name in (CHAT, SESSION, RESPONSE, SOCKET)}
        alone[MIXED] = [name for name in (CHAT, SESSION, RESPONSE, SOCKET) for _ in range(count // 4)]
        return {name: cpu_a_delivery(server, number, readers) for number, (name, readers) in enumerate(alone.items())}
