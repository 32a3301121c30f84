"""Answers of upstreams for the golden files: whole, with usage, of both dialects."""

from upstream_events import DONE, STOP, block, call, chunk, event

USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10, "prompt_tokens_details": {"cached_tokens": 4},
         "completion_tokens_details": {"reasoning_tokens": 1}}
COUNTED = event({"choices": [], "usage": USAGE})


def words(*pieces):
    return [chunk({"content": piece}) for piece in pieces]


def spoken(*pieces, finish=STOP):
    return [*words(*pieces), finish, COUNTED, DONE]


def tool(index=None, id=None, **function):
    return chunk({"tool_calls": [call(index, id, **function)]})


def claude(*blocks, reason="end_turn"):
    return [block("message_start", message={"id": "m", "role": "assistant", "usage": {
                "input_tokens": 11, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 1, "output_tokens": 1}}),
            *blocks, block("message_delta", delta={"stop_reason": reason}, usage={"output_tokens": 9}), block("message_stop")]


def thinking(*pieces, signature, index=0):
    return b"".join([
        block("content_block_start", index=index, content_block={"type": "thinking", "thinking": "", "signature": ""}),
        *(block("content_block_delta", index=index, delta={"type": "thinking_delta", "thinking": piece}) for piece in pieces),
        block("content_block_delta", index=index, delta={"type": "signature_delta", "signature": signature}),
        block("content_block_stop", index=index)])


def tool_use(*pieces, index, id="toolu_1", name="lookup"):
    return b"".join([
        block("content_block_start", index=index, content_block={"type": "tool_use", "id": id, "name": name, "input": {}}),
        *(block("content_block_delta", index=index, delta={"type": "input_json_delta", "partial_json": piece}) for piece in pieces),
        block("content_block_stop", index=index)])
