"""A model that is faster than its client: it waits, and the client gets every token."""

import json
import socket

from raw_http import request
from rehearsal import say
from stalled_readers import dechunk

TOKENS = 60_000


def read_slowly(server, path, body):
    """Reads a stream through a small window, some at a time; returns its events."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        client.settimeout(30)
        client.connect(server.address)
        client.sendall(request("POST", path, json.dumps(body).encode(), Content_Type="application/json", Connection="close"))
        data = bytearray()
        while piece := client.recv(65536):
            data += piece
    text = dechunk(bytes(data.split(b"\r\n\r\n", 1)[1]))[0].decode()
    return [line[len("data: "):] for line in text.split("\n") if line.startswith("data: ")]


def test_a_chat_stream_has_every_token(server, tag):
    prompt = say(tag, tokens=TOKENS, pace=0, text="word")
    events = read_slowly(server, "/v1/chat/completions", {
        "model": "rehearsal", "stream": True, "messages": [{"role": "user", "content": prompt}]})
    assert events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    assert not [chunk for chunk in chunks if "error" in chunk]
    assert sum(bool(chunk["choices"][0]["delta"].get("content")) for chunk in chunks) == TOKENS
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


def test_a_responses_stream_has_every_event(server, tag):
    prompt = say(tag, tokens=TOKENS, pace=0, text="word")
    events = read_slowly(server, "/v1/responses", {"model": "rehearsal", "stream": True, "input": prompt})
    assert events[-1] == "[DONE]"
    parsed = [json.loads(event) for event in events[:-1]]
    assert [event["sequence_number"] for event in parsed] == list(range(len(parsed)))
    assert sum(event["type"] == "response.output_text.delta" for event in parsed) == TOKENS
    assert parsed[-1]["type"] == "response.completed"
