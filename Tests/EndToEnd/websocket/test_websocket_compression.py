"""permessage-deflate with python-websockets, which we did not write, against `echo` and `serve`."""

import json
import os

import httpx
import pytest
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.sync.client import connect

from echo_server import EchoProcess
from processes import InterjectProcess
from raw_http import RawConnection

EVENT = '{"type":"response.output_text.delta","sequence_number":%d,"delta":"wörd","item_id":"msg_1234567890"}'


@pytest.fixture(scope="module", params=[(11, 2), (9, 1), (15, 9)], ids=lambda p: f"window {p[0]}, memory {p[1]}")
def echo(request, tmp_path_factory):
    window, memory = request.param
    flags = ["--deflate-window-bits", window, "--deflate-memory-level", memory]
    with EchoProcess(tmp_path_factory.mktemp("echo"), *flags) as process:
        yield process


def open_to(server, path="", **options):
    return connect(server.url.replace("http", "ws", 1) + path, max_size=None, **options)


@pytest.mark.parametrize("parameters", [
    {}, {"client_max_window_bits": True}, {"client_max_window_bits": 9}, {"server_max_window_bits": 9},
    {"server_no_context_takeover": True}, {"client_no_context_takeover": True},
    {"server_no_context_takeover": True, "client_no_context_takeover": True, "server_max_window_bits": 10,
     "client_max_window_bits": 10},
], ids=lambda p: ", ".join(f"{k}={v}" for k, v in p.items()) or "plain")
def test_every_agreement_carries_every_message(echo, parameters):
    extensions = [ClientPerMessageDeflateFactory(**parameters)]
    with open_to(echo, compression=None, extensions=extensions) as ws:
        assert [extension.name for extension in ws.protocol.extensions] == ["permessage-deflate"]
        messages = [EVENT % number for number in range(50)]
        messages += ["", "x", "ü" * 70_000, b"", os.urandom(1000), os.urandom(100_000), bytes(200_000)] + messages
        for message in messages:
            ws.send(message)
            assert ws.recv() == message
        # In fragments, compressed across them.
        ws.send(["frag", "", "ments ", EVENT % 1])
        assert ws.recv() == "fragments " + EVENT % 1


def test_switched_off(tmp_path):
    with EchoProcess(tmp_path, "--deflate", "off") as echo, open_to(echo) as ws:
        assert ws.protocol.extensions == []
        ws.send("plain")
        assert ws.recv() == "plain"


def test_a_stream_of_the_server_is_compressed(server):
    """The same events, in a fraction of the bytes."""
    counts = {}
    for compression in ("deflate", None):
        with open_to(server, "/v1/responses", compression=compression) as ws:
            wire = 0
            feed = ws.protocol.receive_data

            def count(data):
                nonlocal wire
                wire += len(data)
                feed(data)

            ws.protocol.receive_data = count
            ws.send(json.dumps({"type": "response.create", "model": "rehearsal", "input": "Count the waves."}))
            events = []
            while not events or events[-1]["type"] != "response.completed":
                events.append(json.loads(ws.recv()))
            counts[compression] = (wire, [event["type"] for event in events if "delta" not in event["type"]])
    (compressed, kinds), (plain, plain_kinds) = counts["deflate"], counts[None]
    assert kinds == plain_kinds
    assert compressed * 4 < plain, f"{compressed} and {plain} bytes"


def test_what_inflates_to_very_much_comes_whole_and_in_order(echo):
    """More than the server delivers in one turn of its loop, out of a few kilobytes that arrive together."""
    messages = [bytes([number]) * (1 << 20) for number in range(24)]
    with open_to(echo) as ws:
        with ws.protocol_mutex:
            for message in messages:
                ws.protocol.send_binary(message)
            ws.socket.sendall(b"".join(ws.protocol.data_to_send()))
        assert [ws.recv() for _ in messages] == messages


def raw_frame(first_byte: int, payload: bytes) -> bytes:
    """A client's frame whose key masks nothing."""
    return bytes([first_byte, 0xFF]) + len(payload).to_bytes(8, "big") + b"\0\0\0\0" + payload


def test_compressed_bytes_that_make_nothing_end_their_connection_and_delay_nobody(tmp_path):
    stored = b"\x00\x00\x00\xff\xff"
    # Dynamic blocks whose only symbol is their end, each with a stored block behind it to come back to a byte.
    dynamic = bytes.fromhex("04c081000000000090ff6b00" + "0000ffff")
    with InterjectProcess(tmp_path, "--loops", "1", "--ping-interval", "3600") as server:
        for block in (stored, dynamic):
            with RawConnection(server) as connection:
                connection.send(
                    b"GET /v1/responses HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                    b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
                status, headers = connection.read_head()
                assert status == 101 and "permessage-deflate" in headers["sec-websocket-extensions"]
                try:
                    connection.send(raw_frame(0xC1, block * ((4 << 20) // len(block))))
                except OSError:
                    pass
                connection.is_closed_by_server()
                assert int.from_bytes(connection.buffer[2:4], "big") == 1008
        longest = max(loop_turns(server))
        print(f"longest iteration of the loop: {longest} s")
        assert longest < 0.1


def loop_turns(server) -> list[float]:
    """Upper bounds of the buckets of the loop's iterations that hold any."""
    lines = [line for line in httpx.get(f"{server.url}/metrics").text.splitlines() if line.startswith("interject_loop_lag_seconds_bucket")]
    held, before = [0.0], 0.0
    for line in lines:
        count, bound = float(line.rsplit(" ", 1)[1]), line.split('le="')[1].split('"')[0]
        if count > before and bound != "+Inf":
            held.append(float(bound))
        before = max(before, count)
    return held
