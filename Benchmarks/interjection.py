"""The stop: from the client's sending of an interjection to the upstream's seeing its connection close.

Both ends read CLOCK_MONOTONIC on the same machine: the client just before its send, the rehearsal model when it sees
the close (`ended_ns` of GET /requests). Each interjection comes at a random moment within a running stream.
"""

import contextlib
import itertools
import os
import random
import re
import signal
import time
import urllib.parse

import wire
from figures import microseconds, percentile, table

PACE = 200
#: Longer than any stream is let live.
TOKENS = 100_000
#: Interjections in a session; each sends the upstream the whole conversation so far, as a real one does.
SESSION_LENGTH = 25
MAX_WAIT_S = 0.008
COMPANY_STREAMS, COMPANY_PACE = 50, 40

WEBSOCKET = "Interject: `interject:input` by WebSocket"
RELAY = "FastAPI, parsing: client closes"

numbers = itertools.count(1)


def speech(tag, number):
    return wire.prompt(TOKENS, PACE, f"{tag} #{number}# ")


def wait_a_moment():
    time.sleep(random.uniform(0, MAX_WAIT_S))


def closing_times(rehearsal, tag):
    """Number of the request → when the upstream saw its connection close."""
    path = f"/requests?limit=1024&contains={urllib.parse.quote(tag)}"
    deadline = time.monotonic() + 2
    while True:
        requests = wire.call(rehearsal, "GET", path)["data"]
        active = [r for r in requests if r["state"] == "active"]
        if not active or time.monotonic() > deadline:
            break
        time.sleep(0.02)
    ended = {}
    for request in requests:
        said = [m["content"] for m in request["messages"] if m["role"] == "user"][-1]
        if request["state"] == "aborted":
            ended[int(re.search(r"#(\d+)#", said)[1])] = request["ended_ns"]
    return ended


def by_closing(server, rehearsal, face, count):
    """Without Interject a client can but close its connection."""
    tag = f"close{next(numbers)}."
    sent = {}
    for number in range(count):
        stream = face.open(server, "rehearsal", speech(tag, number))
        wire.read_until(stream, face.token)
        wait_a_moment()
        sent[number] = time.monotonic_ns()
        stream.close()
        # The upstream shares this processor: what the client does next must not keep it from seeing the close.
        time.sleep(0.003)
    ended = closing_times(rehearsal, tag)
    return [ended[n] - sent[n] for n in sent if n in ended]


def by_websocket(server, rehearsal, count):
    tag = f"socket{next(numbers)}."
    sent = {}
    stream = wire.websocket(server)
    stream.sendall(wire.frame({"type": "interject:input", "model": "rehearsal", "input": speech(tag, 0)}))
    rest = wire.read_until(stream, b'"session_id":"')
    while b'"' not in rest:
        rest += wire.receive(stream)
    session = rest.partition(b'"')[0].decode()
    rest = wire.read_until(stream, wire.DELTA, rest)
    for number in range(count):
        wait_a_moment()
        message = wire.frame({
            "type": "interject:input", "session_id": session, "mode": "interrupt", "input": speech(tag, number + 1),
        })  # fmt: skip
        sent[number] = time.monotonic_ns()
        stream.sendall(message)
        rest = wire.read_until(stream, b'"type":"interject:input.accepted"', rest)
        rest = wire.read_until(stream, wire.DELTA, rest)
    wire.call(server, "DELETE", f"/v1/sessions/{session}")
    stream.close()
    ended = closing_times(rehearsal, tag)
    return [ended[n] - sent[n] for n in sent if n in ended]


def by_http(server, rehearsal, count):
    tag = f"post{next(numbers)}."
    sent = {}
    session = wire.call(server, "POST", "/v1/sessions", {"model": "rehearsal"})["id"]
    events, commands = wire.connect(server), wire.connect(server)
    events.sendall(wire.http_request("GET", f"/v1/sessions/{session}/events", accept="text/event-stream"))
    rest = b""
    for number in range(count + 1):
        body = {"mode": "interrupt", "input": speech(tag, number)}
        message = wire.http_request("POST", f"/v1/sessions/{session}/input", body)
        sent[number - 1] = time.monotonic_ns()
        commands.sendall(message)
        wire.read_response(commands)
        rest = wire.read_until(events, b'"type":"interject:input.accepted"', rest)
        rest = wire.read_until(events, wire.DELTA, rest)
        wait_a_moment()
    wire.call(server, "DELETE", f"/v1/sessions/{session}")
    ended = closing_times(rehearsal, tag)
    return [ended[n] - sent[n] for n in sent if n in ended]


@contextlib.contextmanager
def company(server, face):
    """Other clients of the same server, who have their answers streamed meanwhile; read by a process of their own."""
    child = os.fork()
    if child == 0:
        readers = wire.Readers(
            [face.open(server, "rehearsal", wire.prompt(TOKENS, COMPANY_PACE)) for _ in range(COMPANY_STREAMS)]
        )
        while True:
            readers.poll(lambda number, data: None)
    try:
        time.sleep(0.3)
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        time.sleep(0.1)


def run(rehearsal, interject, relay, total):
    """Small portions of each way in turn, so that a disturbance of the machine meets all of them."""
    ways = {
        "direct: client closes": lambda n: by_closing(rehearsal, rehearsal, wire.DIRECT, n),
        WEBSOCKET: lambda n: by_websocket(interject, rehearsal, n),
        "Interject: `POST …/input`, keep-alive": lambda n: by_http(interject, rehearsal, n),
        "Interject, chat/completions: client closes": lambda n: by_closing(interject, rehearsal, wire.CHAT, n),
        RELAY: lambda n: by_closing(relay, rehearsal, wire.PARSING, n),
        "FastAPI, raw bytes: client closes": lambda n: by_closing(relay, rehearsal, wire.RAW, n),
    }
    times = {name: [] for name in ways}
    for _ in range(0, total, SESSION_LENGTH):
        for name, way in ways.items():
            times[name] += way(SESSION_LENGTH)
    for name, server, face in [(WEBSOCKET, interject, wire.CHAT), (RELAY, relay, wire.PARSING)]:
        with company(server, face):
            values = [t for _ in range(0, total, SESSION_LENGTH) for t in ways[name](SESSION_LENGTH)]
        times[f"{name}; {COMPANY_STREAMS} other streams of {COMPANY_PACE} tokens/s"] = values
    rows = []
    for name, values in times.items():
        points = [microseconds(percentile(values, p)) for p in (50, 95, 99, 100)]
        rows.append([name, len(values), *points])
    return table("Interjection → upstream sees the close (µs)", ["way", "n", "p50", "p95", "p99", "max"], rows)
