"""An echo on `websockets` (its asyncio server, on uvloop, without compression). Usage: websockets_echo.py PORT"""

import asyncio
import contextlib
import sys

import uvloop
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


async def echo(socket):
    # The load ends its connections without a close frame.
    with contextlib.suppress(ConnectionClosed):
        async for message in socket:
            await socket.send(message)


async def main():
    port = int(sys.argv[1])
    async with serve(echo, "127.0.0.1", port, compression=None, ping_interval=None, backlog=4096):
        await asyncio.get_running_loop().create_future()


uvloop.run(main())
