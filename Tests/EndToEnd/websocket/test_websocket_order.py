"""A WebSocket that is sent much at once, read slowly, or closed in the middle: everything due arrives, in order, and the close behind it."""

import json
import socket
import threading
import time
import zlib

import pytest
from echo_server import Probe, frame, handshake
from metrics import until

COMMANDS = 1200
NO_CONTEXT = "permessage-deflate; client_no_context_takeover; server_no_context_takeover"
MEBIBYTE = 1 << 20


def opened(server, receive_buffer=None, offer=None) -> Probe:
    probe = Probe.__new__(Probe)
    probe.socket, probe.buffer = socket.socket(), b""
    if receive_buffer:
        probe.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    probe.socket.settimeout(60)
    probe.socket.connect(server.address)
    extra = {"Sec-WebSocket-Extensions": offer} if offer else {}
    assert probe.request(target="/v1/responses", fields=handshake(**extra)).status == 101
    return probe


def compressed(payload: bytes) -> bytes:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return frame(0xC1, (deflate.compress(payload) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4])


def read_to_the_end(probe, pause_s=0.0, answers_pings=False):
    """All text messages, and the code and reason of the close frame behind them."""
    texts, close = [], None
    while message := probe.receive():
        first, payload = message
        if first == 0x81:
            texts.append(json.loads(payload))
        elif first == 0x89 and answers_pings:
            probe.send(frame(0x8A, payload))
        elif first == 0x88:
            close = int.from_bytes(payload[:2], "big"), payload[2:].decode()
        time.sleep(pause_s)
    return texts, close


@pytest.mark.parametrize("who", ["server", "client"])
def test_closes_that_cross_lose_no_answer(start_server, who):
    """The answers wait in front of our close frame, and the client's comes before it has read them."""
    server = start_server(*(["--lifetime-limit", 2] if who == "server" else []))
    with opened(server, receive_buffer=4096) as probe:
        probe.send(frame(0x81, b"x") * COMMANDS)
        if who == "server":
            until(server, "interject_websocket_closes_sent_total", 1, code="1001")
        probe.send(frame(0x88, b"\x03\xe8"))
        texts, close = read_to_the_end(probe)
    assert len(texts) == COMMANDS
    assert close[0] == (1001 if who == "server" else 1000)


def test_one_who_reads_slowly_gets_everything_in_front_of_the_close(start_server):
    """Longer than the time that a close frame may take: it has not come to the client yet."""
    server = start_server("--lifetime-limit", 1)
    with opened(server, receive_buffer=4096) as probe:
        probe.send(frame(0x81, b"x") * COMMANDS)
        time.sleep(7)
        texts, close = read_to_the_end(probe)
    assert len(texts) == COMMANDS
    assert close[0] == 1001 and close[1].startswith("lifetime")


def test_one_who_reads_all_the_time_is_no_slow_consumer(start_server):
    """It says nothing while it reads, since we do not listen until it has."""
    count = 20_000
    server = start_server("--ping-interval", 1)
    with opened(server, receive_buffer=8192) as probe:
        sender = threading.Thread(target=probe.send, args=[frame(0x81, b"x") * count])
        sender.start()
        begin, texts = time.monotonic(), 0
        while texts < count:
            first, payload = probe.receive()
            assert first != 0x88, payload
            if first == 0x89:
                probe.send(frame(0x8A, payload))
            texts += first == 0x81
            if texts % 32 == 0:
                # Until it has taken longer than the silence that is put up with.
                time.sleep(0.01 if time.monotonic() - begin < 5 else 0)
        sender.join()


def test_all_that_was_said_before_the_end_is_answered(start_server):
    """More than a turn may deliver, again and again, and the end of the stream behind it."""
    server = start_server("--deflate-min-bytes", "1MiB")
    sent = (frame(0x81, b"x") * 1500 + compressed(b" " * (5 * MEBIBYTE))) * 6
    with opened(server, offer=NO_CONTEXT) as probe:

        def send():
            probe.send(sent, frame(0x81, b'{"type":"nope","client_event_id":"last"}'))
            probe.socket.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        texts, _ = read_to_the_end(probe)
        sender.join()
    assert len(texts) == 6 * 1501 + 1
    assert texts[-1]["client_event_id"] == "last"


@pytest.mark.resident
def test_a_message_that_was_delivered_holds_no_memory(start_server):
    """Not even behind it the first byte of another."""
    server = start_server("--memory-budget", "128MiB")

    def resident_bytes():
        status = open(f"/proc/{server.popen.pid}/status").read()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) * 1024

    large = frame(0x82, b"\xff" * (15 * MEBIBYTE))
    before, probes = resident_bytes(), []
    for _ in range(12):
        probe = opened(server)
        probe.send(large, frame(0x89)[:1])
        assert probe.receive()[0] == 0x81
        probes.append(probe)
    grown = resident_bytes() - before
    for probe in probes:
        probe.socket.close()
    assert grown < 80 * MEBIBYTE, f"{grown >> 20} MiB"
