"""The events of upstreams' streams, as lax as upstreams are: of chat/completions, and of Anthropic's messages."""

import json

DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def event(value) -> bytes:
    return b"data: " + (value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode()) + b"\n\n"


def chunk(delta=None, finish_reason=None, **members) -> bytes:
    return event({"choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish_reason}], **members})


def message(**members) -> bytes:
    return event({"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", **members}}]})


def call(index=None, id=None, **function) -> dict:
    return {key: value for key, value in (("index", index), ("id", id), ("function", function)) if value is not None}


STOP, TOOLS = chunk({}, "stop"), chunk({}, "tool_calls")


def block(kind, **members) -> bytes:
    return f"event: {kind}\n".encode() + event({"type": kind, **members})


def anthropic_text(text, index=0) -> bytes:
    return (block("content_block_start", index=index, content_block={"type": "text", "text": ""})
            + block("content_block_delta", index=index, delta={"type": "text_delta", "text": text})
            + block("content_block_stop", index=index))


def anthropic_end(reason, usage=None) -> bytes:
    return block("message_delta", delta={"stop_reason": reason}, usage=usage) + block("message_stop")
