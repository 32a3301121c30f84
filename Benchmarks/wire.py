"""Clients that cost little: raw sockets, and streams that are searched for their marks and not parsed."""

import json
import select
import socket
import struct
from dataclasses import dataclass


def connect(server):
    stream = socket.create_connection(("127.0.0.1", server.port))
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream.settimeout(10)
    return stream


def http_request(method, path, body=None, accept="*/*"):
    payload = b"" if body is None else json.dumps(body).encode()
    fields = f"Host: localhost\r\nContent-Type: application/json\r\nAccept: {accept}\r\nContent-Length: {len(payload)}\r\n"
    return f"{method} {path} HTTP/1.1\r\n{fields}\r\n".encode() + payload


def read_response(stream):
    """An answer with Content-Length, on a connection that goes on."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += receive(stream)
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(int(l[15:]) for l in head.lower().split(b"\r\n") if l.startswith(b"content-length:"))
    while len(body) < length:
        body += receive(stream)
    status = int(head.split(b" ", 2)[1])
    if status >= 300:
        raise RuntimeError(f"{status} {body.decode()}")
    return json.loads(body)


def call(server, method, path, body=None):
    with connect(server) as stream:
        stream.sendall(http_request(method, path, body, accept="application/json"))
        return read_response(stream)


def receive(stream):
    data = stream.recv(1 << 18)
    if not data:
        raise RuntimeError("the server closed the connection")
    return data


def read_until(stream, mark, received=b""):
    """What came after the mark."""
    while mark not in received:
        received = received[-len(mark) :] + receive(stream)
    return received.partition(mark)[2]


def websocket(server, path="/v1/responses"):
    stream = connect(server)
    fields = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    stream.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}{key}\r\n".encode())
    head = receive(stream)
    if b" 101 " not in head:
        raise RuntimeError(head.decode())
    return stream


def frame(message):
    """A masked text frame (RFC 6455 §5.2); its masking key is 0, which leaves the payload as it is."""
    payload = json.dumps(message).encode()
    length = bytes([0x80 | len(payload)]) if len(payload) < 126 else struct.pack(">BH", 0x80 | 126, len(payload))
    return b"\x81" + length + bytes(4) + payload


def prompt(tokens, pace, text=""):
    return f"{text}[[rehearsal tokens={tokens} pace={pace}]]"


def chat_body(model, text):
    return {"model": model, "stream": True, "messages": [{"role": "user", "content": text}]}


@dataclass(frozen=True)
class Face:
    """A way to have an answer streamed: the bytes that mark a token, and those that mark the end."""

    name: str
    token: bytes
    end: bytes
    path: str
    is_websocket: bool = False

    def open(self, server, model, text):
        if self.is_websocket:
            stream = websocket(server, self.path)
            stream.sendall(frame({"type": "response.create", "model": model, "input": text}))
            return stream
        stream = connect(server)
        body = {"model": model, "stream": True, "input": text} if "responses" in self.path else chat_body(model, text)
        stream.sendall(http_request("POST", self.path, body))
        return stream


DELTA = b'"type":"response.output_text.delta"'
CHAT = Face("Interject, chat/completions", b'"content":"', b"data: [DONE]", "/v1/chat/completions")
RESPONSES = Face("Interject, responses by SSE", DELTA, b"data: [DONE]", "/v1/responses")
WEBSOCKET = Face("Interject, responses by WebSocket", DELTA, b'"type":"response.completed"', "/v1/responses", True)
DIRECT = Face("direct", b'"content":"', b"data: [DONE]", "/v1/chat/completions")
LEAST = Face("least relay in C", b'"content":"', b"data: [DONE]", "/v1/chat/completions")
PARSING = Face("FastAPI, parsing", b'"content": "', b"data: [DONE]", "/v1/chat/completions")
RAW = Face("FastAPI, raw bytes", b'"content":"', b"data: [DONE]", "/raw/chat/completions")


class Readers:
    """Many streams read by one epoll. `on_data(number of the stream, its bytes)` after each read."""

    def __init__(self, streams):
        self.epoll = select.epoll()
        self.streams = {}
        for number, stream in enumerate(streams):
            stream.setblocking(False)
            self.streams[stream.fileno()] = (number, stream)
            self.epoll.register(stream.fileno(), select.EPOLLIN)

    def poll(self, on_data, timeout=10.0):
        for descriptor, _ in self.epoll.poll(timeout):
            number, stream = self.streams[descriptor]
            on_data(number, receive(stream))

    def finish(self, number):
        descriptor = next(d for d, (n, _) in self.streams.items() if n == number)
        self.epoll.unregister(descriptor)
        self.streams.pop(descriptor)[1].close()

    def close(self):
        for _, stream in self.streams.values():
            stream.close()
        self.epoll.close()
