"""What Autobahn does not look at: handshakes, masking, lengths, reserved bits, negotiation and corrupt compression, on a bare socket."""

import resource
import zlib

import pytest

from echo_server import EchoProcess, Probe, frame, handshake

DEFLATE = "permessage-deflate"
LIMIT = 1 << 20
HELLO = bytes.fromhex("f248cdc9c90700")  # RFC 7692 §7.2.3.1
CLOSE = frame(0x88, b"\x03\xe8")


@pytest.fixture(scope="module")
def echo(tmp_path_factory):
    with EchoProcess(tmp_path_factory.mktemp("echo"), "--max-message-bytes", LIMIT, "--deflate-min-bytes", 1) as process:
        yield process


@pytest.fixture
def probe(echo):
    with Probe(echo) as probe:
        yield probe


def message(data: bytes, level=9) -> bytes:
    deflater = zlib.compressobj(level, zlib.DEFLATED, -15)
    return (deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]


# Frames

@pytest.mark.parametrize("frames, code", [
    pytest.param([frame(0x81, b"Hello", mask=None)], 1002, id="unmasked text"),
    pytest.param([frame(0x88, b"\x03\xe8", mask=None)], 1002, id="unmasked close"),
    pytest.param([frame(0x89, b"p", mask=None)], 1002, id="unmasked ping"),
    pytest.param([frame(0x81, b"Hello", length=b"\x00\x05")], 1002, id="16-bit length of 5"),
    pytest.param([frame(0x81, b"Hello", length=b"\x00" * 7 + b"\x05")], 1002, id="64-bit length of 5"),
    pytest.param([frame(0x82, bytes(300), length=b"\x00" * 6 + b"\x01\x2c")], 1002, id="64-bit length of 300"),
    pytest.param([frame(0x82, b"", length=b"\x80" + b"\x00" * 7)], 1002, id="length of 2^63"),
    pytest.param([frame(0x82, b"", length=(LIMIT + 1).to_bytes(8, "big"))], 1009, id="announces too much"),
    pytest.param([frame(0x02, bytes(LIMIT)), frame(0x80, b"x")], 1009, id="fragments that are too much"),
    pytest.param([frame(0xC1, HELLO)], 1002, id="RSV1 without an agreement"),
    pytest.param([frame(0xC9, b"p")], 1002, id="RSV1 on a ping without an agreement"),
    pytest.param([frame(0xA1, b"x")], 1002, id="RSV2"),
    pytest.param([frame(0x91, b"x")], 1002, id="RSV3"),
    pytest.param([frame(0x83, b"x")], 1002, id="reserved opcode"),
    pytest.param([frame(0x8B, b"x")], 1002, id="reserved control opcode"),
    pytest.param([frame(0x09, b"x")], 1002, id="fragmented ping"),
    pytest.param([frame(0x89, bytes(126))], 1002, id="long ping"),
    pytest.param([frame(0x88, b"\x03")], 1002, id="half a close code"),
    pytest.param([frame(0x88, b"\x03\xed")], 1002, id="close code 1005"),
    pytest.param([frame(0x88, b"\x03\xe8\xff")], 1007, id="close reason that is not UTF-8"),
    pytest.param([frame(0x80, b"x")], 1002, id="continuation of nothing"),
    pytest.param([frame(0x01, b"x"), frame(0x81, b"y")], 1002, id="message inside a message"),
    pytest.param([frame(0x81, b"\xc3\x28")], 1007, id="text that is not UTF-8"),
])
def test_a_breach_is_answered_by_its_code_and_the_end(probe, frames, code):
    probe.upgrade()
    probe.send(*frames)
    assert probe.close_code() == code


def test_bad_text_fails_in_the_middle_of_a_frame(probe):
    """The rest of the frame is never sent."""
    probe.upgrade()
    probe.send(frame(0x81, b"good \xff" + bytes(1000))[:20])
    assert probe.close_code() == 1007


def test_what_was_due_comes_before_the_close_frame(probe):
    probe.upgrade()
    probe.send(frame(0x81, b"Hello"), frame(0x89, b"p"), frame(0x83, b"x"))
    assert probe.receive() == (0x81, b"Hello")
    assert probe.receive() == (0x8A, b"p")
    assert probe.close_code() == 1002


def test_bytes_that_are_on_their_way_do_not_destroy_the_close_frame(probe):
    """The server half-closes and lingers: a reset would take the close frame with it."""
    probe.upgrade()
    probe.send(frame(0x83, b"x"), bytes(200_000))
    assert probe.close_code() == 1002


def test_a_close_is_answered_once(probe):
    probe.upgrade()
    probe.send(CLOSE, CLOSE, frame(0x81, b"late"))
    assert probe.close_code() == 1000


# Handshake

@pytest.mark.parametrize("changes, status", [
    pytest.param({"Sec_WebSocket_Version": "8"}, 426, id="version 8"),
    pytest.param({"Sec_WebSocket_Version": "14"}, 426, id="version 14"),
    pytest.param({"Sec_WebSocket_Version": None}, 426, id="no version"),
    pytest.param({"Sec_WebSocket_Version": ["13", "8"]}, 400, id="two versions"),
    pytest.param({"Upgrade": None}, 426, id="no Upgrade"),
    pytest.param({"Upgrade": "h2c"}, 426, id="another Upgrade"),
    pytest.param({"Connection": "keep-alive"}, 400, id="Connection without Upgrade"),
    pytest.param({"Sec_WebSocket_Key": None}, 400, id="no key"),
    pytest.param({"Sec_WebSocket_Key": "not base64 at all!!!"}, 400, id="key that is not base64"),
    pytest.param({"Sec_WebSocket_Key": "c2hvcnQ="}, 400, id="short key"),
    pytest.param({"Sec_WebSocket_Key": ["dGhlIHNhbXBsZSBub25jZQ=="] * 2}, 400, id="duplicate key"),
    pytest.param({"Host": None}, 400, id="no Host"),
    pytest.param({"Host": ["a", "b"]}, 400, id="two Hosts"),
    pytest.param({"Sec_WebSocket_Extensions": "permessage-deflate;;"}, 400, id="extensions against the grammar"),
    pytest.param({"Sec_WebSocket_Protocol": "a, a"}, 400, id="a subprotocol twice"),
])
def test_a_bad_handshake_is_refused(probe, changes, status):
    answer = probe.request(fields=handshake(**changes))
    assert answer.status == status
    if status == 426:
        assert answer.headers["sec-websocket-version"] == "13"
        assert answer.headers["upgrade"].lower() == "websocket"
        assert "upgrade" in answer.headers["connection"].lower().split(", ")


def test_http_1_0_has_no_upgrade(probe):
    assert probe.request(version="HTTP/1.0").status in (400, 426, 505)


@pytest.mark.parametrize("method", ["POST", "PUT", "HEAD"])
def test_only_get_opens_a_websocket(probe, method):
    answer = probe.request(method=method, fields=handshake(Content_Length="0" if method != "HEAD" else None))
    assert (answer.status, answer.headers["allow"]) == (405, "GET")


def test_lists_and_case_as_proxies_write_them(probe):
    probe.upgrade(Upgrade="WebSocket", Connection="keep-alive, upgrade")


# Negotiation

@pytest.mark.parametrize("parameters", [
    "client_max_window_bits; client_max_window_bits", "server_no_context_takeover; server_no_context_takeover",
    "server_max_window_bits=16", "server_max_window_bits=7", "server_max_window_bits", "server_max_window_bits=08",
    "client_max_window_bits=16", "client_no_context_takeover=1", "unknown",
])
def test_bad_parameters_decline_the_offer(probe, parameters):
    answer = probe.upgrade(f"{DEFLATE}; {parameters}")
    assert "sec-websocket-extensions" not in answer.headers
    # Declined is declined.
    probe.send(frame(0xC1, HELLO))
    assert probe.close_code() == 1002


@pytest.mark.parametrize("offer, answer", [
    (DEFLATE, DEFLATE),
    (f"{DEFLATE}; client_max_window_bits", f"{DEFLATE}; client_max_window_bits=11"),
    (f"{DEFLATE}; server_max_window_bits=9", f"{DEFLATE}; server_max_window_bits=9"),
    (f"{DEFLATE}; unknown, {DEFLATE}; server_no_context_takeover", f"{DEFLATE}; server_no_context_takeover"),
])
def test_the_first_good_offer_is_accepted(probe, offer, answer):
    assert probe.upgrade(offer).headers["sec-websocket-extensions"] == answer


# Compression

@pytest.mark.parametrize("payloads, texts", [
    pytest.param([HELLO], [b"Hello"], id="RFC 7692 7.2.3.1"),
    pytest.param([HELLO, bytes.fromhex("f200110000")], [b"Hello"] * 2, id="context takeover"),
    pytest.param([bytes.fromhex("f348cdc9c9070000")], [b"Hello"], id="BFINAL, RFC 7692 7.2.3.4"),
    pytest.param([bytes.fromhex("f348cdc9c90700"), HELLO], [b"Hello"] * 2, id="BFINAL without the empty block"),
    pytest.param([bytes.fromhex("000500faff48656c6c6f00")], [b"Hello"], id="stored block"),
    pytest.param([b"\x00"], [b""], id="empty"),
])
def test_compressed_messages_are_taken(probe, payloads, texts):
    probe.upgrade(DEFLATE)
    inflater = zlib.decompressobj(-15)
    for payload, text in zip(payloads, texts):
        probe.send(frame(0xC1, payload))
        first, answer = probe.receive()
        if first & 0x40:
            answer = inflater.decompress(answer + b"\0\0\xff\xff")
        assert (first & 0x8F, answer) == (0x81, text)
    probe.send(CLOSE)
    assert probe.close_code() == 1000


@pytest.mark.parametrize("frames, code", [
    pytest.param([frame(0xC1, b"\x07\x00")], 1002, id="reserved block type"),
    pytest.param([frame(0xC1, b"this is not deflate")], 1002, id="no DEFLATE"),
    pytest.param([frame(0xC1, bytes.fromhex("000500faff4865"))], 1002, id="cut off in a block"),
    pytest.param([frame(0xC1, b"")], 1002, id="no bytes"),
    pytest.param([frame(0xC9, b"p")], 1002, id="RSV1 on a ping"),
    pytest.param([frame(0xC8, b"\x03\xe8")], 1002, id="RSV1 on a close"),
    pytest.param([frame(0x41, HELLO[:3]), frame(0xC0, HELLO[3:])], 1002, id="RSV1 on a continuation"),
    pytest.param([frame(0xC1, message(b"Hello \xff"))], 1007, id="not UTF-8"),
    pytest.param([frame(0xC2, message(bytes(LIMIT + 1)))], 1009, id="one byte too large"),
])
def test_bad_compression_is_refused(probe, frames, code):
    probe.upgrade(DEFLATE)
    probe.send(*frames)
    assert probe.close_code() == code


def test_a_bomb_costs_the_server_no_more_than_its_limit(tmp_path):
    """300 MB in 300 KB."""
    with EchoProcess(tmp_path, "--max-message-bytes", LIMIT) as echo:
        bomb = message(bytes(300_000_000))
        assert len(bomb) < 320_000
        for _ in range(5):
            with Probe(echo) as probe:
                probe.upgrade(DEFLATE)
                probe.send(frame(0xC2, bomb))
                assert probe.close_code() == 1009
        status = (line.split() for line in open(f"/proc/{echo.popen.pid}/status"))
        peak_kib = next(int(words[1]) for words in status if words[0] == "VmHWM:")
    assert peak_kib < 100 * 1024, f"{peak_kib} KiB, with pages of {resource.getpagesize()} bytes"
