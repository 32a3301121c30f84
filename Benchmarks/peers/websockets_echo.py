"""An echo on `websockets` (its asyncio server, on uvloop).

Usage: websockets_echo.py PORT plain|tls|deflate|fan-out CERTIFICATE KEY
"""

import asyncio
import contextlib
import ssl
import sys

import uvloop
from websockets.asyncio.server import broadcast, serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

PORT, MODE, CERTIFICATE, KEY = sys.argv[1:]
members = set()


async def echo(socket):
    # The load ends its connections without a close frame.
    with contextlib.suppress(ConnectionClosed):
        async for message in socket:
            await socket.send(message)


async def fan_out(socket):
    members.add(socket)
    with contextlib.suppress(ConnectionClosed):
        async for message in socket:
            broadcast(members - {socket}, message)
    members.discard(socket)


def options():
    if MODE == "tls":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE, KEY)
        return {"ssl": context}
    if MODE == "deflate":  # Window and memory as the others here.
        return {"extensions": [ServerPerMessageDeflateFactory(server_max_window_bits=10, compress_settings={"memLevel": 3})]}
    return {}


async def main():
    handler = fan_out if MODE == "fan-out" else echo
    async with serve(handler, "127.0.0.1", int(PORT), compression=None, ping_interval=None, backlog=4096, **options()):
        await asyncio.get_running_loop().create_future()


uvloop.run(main())
