"""An upstream with one long answer: `deltas=N bytes=M form=deltas|body` anywhere in the request's body.

`form=deltas` streams N deltas of M bytes as fast as they are taken; `form=body` gives the same text as one JSON body, as
some servers do although they were asked to stream.
"""

import asyncio
import re
import sys

import uvloop

MODELS = b'{"object":"list","data":[{"id":"large","object":"model","created":1,"owned_by":"benchmark"}]}'
HEAD = '{"id":"chatcmpl-1","object":"%s","created":1,"model":"large","choices":[{"index":0,"%s":{%s},"finish_reason":%s}]}'


def whole(kind, body):
    return b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (kind, len(body)) + body


def chunk(text):
    return f"{len(text):x}\r\n{text}\r\n".encode()


def event(delta, finish_reason):
    return chunk("data: " + HEAD % ("chat.completion.chunk", "delta", delta, finish_reason) + "\n\n")


async def answer(writer, deltas, size, form):
    text = ("x" * (size - 1) + " ")[:size]
    if form == b"body":
        message = '"role":"assistant","content":"' + text * deltas + '"'
        writer.write(whole(b"application/json", (HEAD % ("chat.completion", "message", message, '"stop"')).encode()))
        return await writer.drain()
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    piece = event(f'"content":"{text}"', "null")
    for _ in range(deltas):
        writer.write(piece)
        await writer.drain()
    writer.write(event("", '"stop"') + chunk("data: [DONE]\n\n") + b"0\r\n\r\n")
    await writer.drain()


async def serve(reader, writer):
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = re.search(rb"(?i)content-length: *(\d+)", head)
            body = await reader.readexactly(int(length[1]) if length else 0)
            if head.startswith(b"GET"):
                writer.write(whole(b"application/json", MODELS))
                continue
            deltas, size, form = re.search(rb"deltas=(\d+) bytes=(\d+) form=(\w+)", body).groups()
            await answer(writer, int(deltas), int(size), form)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


uvloop.run(main())
