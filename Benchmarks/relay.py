"""The peer: the small FastAPI relay that a Python team writes first. StreamingResponse over an httpx stream."""

import contextlib
import json
import os
import sys

import fastapi
import httpx
import uvicorn
from fastapi.responses import StreamingResponse


@contextlib.asynccontextmanager
async def lifespan(app):
    # More idle connections would slow its pool down: each request walks through all of them.
    unlimited = httpx.Limits(max_connections=None, max_keepalive_connections=20)
    async with httpx.AsyncClient(timeout=None, limits=unlimited) as app.state.client:
        yield


app = fastapi.FastAPI(lifespan=lifespan)
UPSTREAM = os.environ.get("RELAY_UPSTREAM", "") + "/chat/completions"


async def upstream_stream(request):
    call = app.state.client.build_request(
        "POST", UPSTREAM, content=await request.body(), headers={"content-type": "application/json"}
    )
    return await app.state.client.send(call, stream=True)


@app.post("/v1/chat/completions")
async def parsing(request: fastapi.Request):
    """Reads each chunk as JSON and writes it again: what a relay does that keeps, counts or changes what it relays."""
    upstream = await upstream_stream(request)

    async def events():
        try:
            async for line in upstream.aiter_lines():
                if not line.startswith("data: "):
                    continue
                if line == "data: [DONE]":
                    yield "data: [DONE]\n\n"
                else:
                    yield f"data: {json.dumps(json.loads(line[6:]))}\n\n"
        finally:
            await upstream.aclose()

    return StreamingResponse(events(), media_type="text/event-stream")


@app.post("/raw/chat/completions")
async def raw(request: fastapi.Request):
    """Hands the bytes on unread: the least that this stack can do."""
    upstream = await upstream_stream(request)

    async def pieces():
        try:
            async for piece in upstream.aiter_raw():
                yield piece
        finally:
            await upstream.aclose()

    return StreamingResponse(pieces(), media_type="text/event-stream")


if __name__ == "__main__":
    uvicorn.run(
        app, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools", access_log=False, log_level="warning"
    )
