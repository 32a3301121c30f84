"""A long answer to a slow reader: 10 MB at 4 MB/s, by each face, none of it stored."""

import itertools
import json
import pathlib
import re
import socket
import time

import processes
import wire
from figures import table

TOTAL_BYTES = 10_000_000
BYTES_PER_SECOND = 4_000_000
PORTION, RECEIVE_BUFFER = 64 << 10, 256 << 10
#: A reader gives up on a server that sends nothing for so long: before the first byte, which is late when nothing is streamed,
#: and after it.
FIRST_BYTE_S, SILENCE_S = 60, 5
TITLE = f"An answer of {TOTAL_BYTES / 1e6:.0f} MB, read at {BYTES_PER_SECOND / 1e6:.0f} MB/s, `store: false`"
#: What the upstream does: its deltas, the bytes of each, and the form.
FORMS = {
    "deltas of 11 bytes": (TOTAL_BYTES // 11 + 1, 11, "deltas"),
    "deltas of 1,000 bytes": (TOTAL_BYTES // 1000, 1000, "deltas"),
    "one JSON body": (TOTAL_BYTES // 1000, 1000, "body"),
}


def connect(server):
    """What the kernel buffers is kept small: the pace is to be felt by the server."""
    stream = socket.socket()
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    stream.settimeout(FIRST_BYTE_S)
    stream.connect(("127.0.0.1", server.port))
    return stream


def post(server, path, body):
    stream = connect(server)
    # Read to its end, which is the connection's.
    stream.sendall(wire.http_request("POST", path, body).replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
    return stream


def responses(server, text, streams):
    body = {"model": "large", "input": text, "stream": streams, "store": False}
    return post(server, "/v1/responses", body)


def chat(server, text, streams):
    return post(server, "/v1/chat/completions", {**wire.chat_body("large", text), "stream": streams, "store": False})


def socket_create(server, text):
    stream = connect(server)
    fields = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    stream.sendall(f"GET /v1/responses HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode())
    stream.sendall(wire.frame({"type": "response.create", "model": "large", "input": text, "store": False}))
    return stream


def session_events(server, text):
    """A session has no `store`; all of this server's are in memory alone."""
    session = wire.call(server, "POST", "/v1/sessions", {"model": "large"})["id"]
    stream = connect(server)
    stream.sendall(wire.http_request("GET", f"/v1/sessions/{session}/events", accept="text/event-stream"))
    wire.call(server, "POST", f"/v1/sessions/{session}/input", {"input": text})
    return stream


#: How each face is asked, and the bytes that its last event begins with.
WAYS = {
    "Responses by SSE": (lambda server, text: responses(server, text, True), b"data: [DONE]"),
    "Responses by WebSocket": (socket_create, b'"type":"response.completed"'),
    "Chat Completions by SSE": (lambda server, text: chat(server, text, True), b"data: [DONE]"),
    "session's events by SSE": (session_events, b"event: response.completed"),
    "Responses, not streamed": (lambda server, text: responses(server, text, False), None),
    "Chat Completions, not streamed": (lambda server, text: chat(server, text, False), None),
}


def read_slowly(stream, end):
    """All that comes, at the pace, until the server closes or is silent, or the event that begins with `end` is whole."""
    received, start, searched = bytearray(), time.monotonic(), 0
    while True:
        time.sleep(max(0, start + len(received) / BYTES_PER_SECOND - time.monotonic()))
        try:
            data = stream.recv(PORTION)
        except (TimeoutError, ConnectionError) as error:
            return bytes(received), type(error).__name__
        if not data:
            return bytes(received), None
        received += data
        stream.settimeout(SILENCE_S)
        if end:
            found = received.find(end, searched)
            if found < 0:
                searched = max(0, len(received) - len(end))
            elif is_whole(received, found, end):
                return bytes(received), None


def is_whole(received, found, end):
    if end.startswith(b'"'):
        # WebSocket: the last bytes of an event's object. A shorter read than a portion ends with the frame.
        return received.endswith(b"}")
    return received.find(b"\n\n", found) >= 0


def without_chunks(body):
    parts, place = [], 0
    while place < len(body):
        line = body.find(b"\r\n", place)
        size = int(body[place:line].split(b";")[0] or b"0", 16) if line >= 0 else 0
        if size == 0:
            break
        parts.append(body[line + 2 : line + 2 + size])
        place = line + 2 + size + 2
    return b"".join(parts)


def without_frames(data):
    """The payloads of a server's frames (RFC 6455 §5.2), uncompressed; a message's parts are put together."""
    messages, parts, place = [], [], 0
    while place + 2 <= len(data):
        first, length = data[place], data[place + 1]
        place += 2
        wide = {126: 2, 127: 8}.get(length, 0)
        if wide:
            length = int.from_bytes(data[place : place + wide], "big")
            place += wide
        if first & 0x0F < 8:
            parts.append(data[place : place + length])
            if first & 0x80:
                messages.append(b"".join(parts))
                parts = []
        place += length
    return messages


#: What a delta says, without quotes in it. Hundreds of thousands are too many to parse each.
DELTA = re.compile(rb'"(?:delta|content)":"([x ]*)"')
LONGEST_DELTA = 2000


def events(received, way):
    """The parsed events, and of those that are a delta of text only its length."""
    head, _, body = received.partition(b"\r\n\r\n")
    if way == "Responses by WebSocket":
        messages = without_frames(body)
    else:
        if b"chunked" in head.lower():
            body = without_chunks(body)
        if not way.endswith("SSE"):
            messages = [body]
        else:
            messages = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: ") and line != b"data: [DONE]"]
    for message in messages:
        if (found := DELTA.search(message)) and len(message) < LONGEST_DELTA:
            yield len(found[1])
            continue
        try:
            yield json.loads(message)
        except ValueError:
            # What was cut off in its midst.
            return


def texts(event):
    """The pieces of text that an event or body carries, and whether it is the whole answer."""
    if event.get("type") == "response.output_text.delta":
        yield event["delta"], False
    for choice in event.get("choices", []):
        yield choice.get("delta", {}).get("content") or "", False
        yield choice.get("message", {}).get("content") or "", True
    answer = event.get("response", event)
    for item in answer.get("output") or []:
        for part in item.get("content", []):
            yield part.get("text", ""), True


def outcome(received, way, fault, expected):
    """The bytes of text that came, and a word: whether they are whole, in deltas and, where there is one, in the last event."""
    deltas, final, error = 0, 0, None
    for event in events(received, way):
        if isinstance(event, int):
            deltas += event
            continue
        if event.get("type") == "interject:snapshot":
            error = "snapshot in place of a part"
            continue
        error = error or (event.get("error") or {}).get("code") or (event.get("code") if event.get("type") == "error" else None)
        for text, is_all in texts(event):
            if is_all:
                final = max(final, len(text))
            else:
                deltas += len(text)
    have = max(deltas, final) if not way.endswith("SSE") and "WebSocket" not in way else deltas
    repeats = "SSE" in way and "Chat" not in way or "WebSocket" in way
    if error or fault:
        return have, error or fault
    if have != expected:
        return have, "too short"
    if repeats and final not in (0, expected):
        return have, "its end is too short"
    return have, "whole"


def peak_bytes(server):
    status = pathlib.Path(f"/proc/{server.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024


def measure_way(binary, upstream, way, form):
    (ask, end), (deltas, size, kind) = WAYS[way], FORMS[form]
    with processes.interject(binary, upstream) as server:
        wire.call(server, "GET", "/v1/models")
        before, cpu, start = peak_bytes(server), server.cpu_seconds(), time.monotonic()
        with ask(server, f"deltas={deltas} bytes={size} form={kind}") as stream:
            received, fault = read_slowly(stream, end)
        seconds = time.monotonic() - start
        have, word = outcome(received, way, fault, deltas * size)
        return {
            "text MB": have / 1e6, "outcome": word, "MB on the wire": len(received) / 1e6, "seconds": seconds,
            "CPU ms": (server.cpu_seconds() - cpu) * 1000, "peak memory MiB": (peak_bytes(server) - before) / (1 << 20),
        }  # fmt: skip


def measure(binary, upstream):
    return {f"{way}; {form}": measure_way(binary, upstream, way, form) for form, way in itertools.product(FORMS, WAYS)}


def run(binaries, upstream):
    """Rows for each binary by name: an outcome is a word, no ratio."""
    rows = []
    for name, binary in binaries.items():
        for what, values in measure(binary, upstream).items():
            cells = [values["outcome"], *(f"{v:,.1f}" for k, v in values.items() if k != "outcome")]
            rows.append(([name] if len(binaries) > 1 else []) + [what, *cells])
    if len(binaries) > 1:
        rows.sort(key=lambda row: row[1])
        rows = [[row[1], row[0], *row[2:]] for row in rows]
    build = ["build"] if len(binaries) > 1 else []
    head = ["face; the upstream's form", *build, "outcome", "MB of text", "MB on the wire", "seconds", "CPU ms", "peak memory MiB"]
    return table(TITLE, head, rows)
