"""An upstream that talks until it is stopped, a piece at a time: prose, JSON or the arguments of a tool call, by a word in the prompt."""

import itertools
import json
import socket
import time

from loopback_upstream import LoopbackUpstream
from scripted_upstream import chunk

MODEL = "gpt-4.1-mini"
PACE_S = 0.01
# What each kind of answer begins with; it goes on with words, and never ends by itself.
BEGINNINGS = {"[[json]]": ['{"city":', ' "Paris",', ' "notes": "'], "[[tool]]": ['{"query":', ' "']}


def tool_chunk(arguments="", name=None) -> bytes:
    call = {"index": 0, "function": {"arguments": arguments}}
    if name:
        call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}
    body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": MODEL,
            "choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}]}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def last_user_text(messages) -> str:
    content = next((m["content"] for m in reversed(messages) if m["role"] == "user"), "")
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


class PacedUpstream(LoopbackUpstream):
    """`[[brief]]` in the last user message is answered with "Fine."; `[[fail]]` breaks the connection after some words."""

    def __init__(self):
        self.pieces_sent = 0
        super().__init__()

    def models(self):
        return [{"id": MODEL, "object": "model"}]

    def answer(self, answer):
        answer.begin()
        for piece in self.pieces(last_user_text(answer.body["messages"])):
            if piece is None:
                answer.connection.shutdown(socket.SHUT_RDWR)
                return
            answer.send(piece)
            with self.lock:
                self.pieces_sent += 1
        answer.end()

    def pieces(self, prompt):
        """The pieces; None breaks the connection."""
        if "[[brief]]" in prompt:
            yield from [chunk("Fine."), chunk("", "stop"), b"data: [DONE]\n\n"]
            return
        kind = next((mark for mark in BEGINNINGS if mark in prompt), None)
        if kind == "[[tool]]":
            yield tool_chunk(name="lookup")
        for number, piece in enumerate(itertools.chain(BEGINNINGS.get(kind, []), (f"word{n} " for n in itertools.count()))):
            yield tool_chunk(piece) if kind == "[[tool]]" else chunk(piece)
            if "[[fail]]" in prompt and number == 20:
                yield None
            time.sleep(PACE_S)

    def asked_about(self, tag) -> list:
        """The requests of a conversation with this word, without those that answer with "Fine."."""
        with self.lock:
            return [body for body in self.bodies
                    if tag in json.dumps(body["messages"]) and "[[brief]]" not in last_user_text(body["messages"])]
