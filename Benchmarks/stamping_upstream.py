"""An upstream whose every token is the moment it was sent: `@CLOCK_MONOTONIC nanoseconds@`.

Speaks just enough of chat/completions to be called through a relay: `tokens=N pace=N` anywhere in the body. Streams do
not beat in step: each begins at a random place within its first interval.
"""

import asyncio
import random
import re
import sys
import time

import uvloop

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
MODELS = b'{"object":"list","data":[{"id":"stamp","object":"model","created":1,"owned_by":"benchmark"}]}'
EVENT = (
    'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"stamp",'
    '"choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":%s}]}\n\n'
)


def chunk(text):
    return f"{len(text):x}\r\n{text}\r\n".encode()


class Connection(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.received, self.timer = transport, b"", None
        self.loop = asyncio.get_running_loop()

    def data_received(self, data):
        self.received += data
        head, end, body = self.received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        if not end or len(body) < (int(length[1]) if length else 0):
            return
        self.received = b""
        if head.startswith(b"GET"):
            fields = f"Content-Type: application/json\r\nContent-Length: {len(MODELS)}\r\n\r\n"
            self.transport.write(b"HTTP/1.1 200 OK\r\n" + fields.encode() + MODELS)
        else:
            tokens, pace = map(int, re.search(rb"tokens=(\d+) pace=(\d+)", body).groups())
            self.transport.write(HEAD)
            self.speak(tokens, 1 / pace, self.loop.time() + random.random() / pace)

    def speak(self, left, interval, due):
        if left == 0:
            self.transport.write(chunk(EVENT % ("", '"stop"')) + chunk("data: [DONE]\n\n") + b"0\r\n\r\n")
            return
        self.timer = self.loop.call_at(due, self.say, left, interval, due)

    def say(self, left, interval, due):
        self.transport.write(chunk(EVENT % (f"@{time.monotonic_ns()}@", "null")))
        self.speak(left - 1, interval, due + interval)

    def connection_lost(self, error):
        if self.timer:
            self.timer.cancel()


async def main():
    # A thousand streams begin at once.
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", int(sys.argv[1]), backlog=4096)
    await server.serve_forever()


uvloop.run(main())
