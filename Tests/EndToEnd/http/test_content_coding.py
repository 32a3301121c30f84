"""Bodies that come packed: gzip and deflate are undone within bounds, everything else is told what may be sent."""

import gzip
import json
import time
import zlib

import pytest

from raw_http import RawConnection, request

BODY = json.dumps({"model": "rehearsal", "input": "Hello. " + "This is said again and again. " * 200}).encode()


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


PACKED = {
    "gzip": ("gzip", gzip.compress(BODY)), "x-gzip": ("X-GZip", gzip.compress(BODY)),
    "two members": ("gzip", gzip.compress(BODY[:100]) + gzip.compress(b"") + gzip.compress(BODY[100:])),
    "zlib": ("deflate", zlib.compress(BODY)), "stored": ("deflate", zlib.compress(BODY, 0)),
    "bare deflate": ("deflate", raw_deflate(BODY)), "identity": ("identity", BODY), "empty": ("", BODY),
    "with identity": ("gzip, identity", gzip.compress(BODY)),
}


@pytest.mark.parametrize("name", PACKED)
def test_a_packed_body_is_undone(server, name):
    coding, packed = PACKED[name]
    with server.http() as http:
        answer = http.post("/v1/responses/input_tokens", content=packed, headers={"Content-Encoding": coding})
        plain = http.post("/v1/responses/input_tokens", content=BODY)
    assert answer.status_code == 200, answer.text
    assert answer.json() == plain.json()


@pytest.mark.parametrize("name", ["gzip", "zlib", "bare deflate", "two members"])
def test_a_packed_body_may_come_byte_by_byte_and_in_chunks(server, name):
    coding, packed = PACKED[name]
    with RawConnection(server) as connection:
        connection.send(request("POST", "/v1/responses/input_tokens", Content_Encoding=coding, Transfer_Encoding="chunked"))
        for byte in packed:
            connection.send(b"1\r\n%c\r\n" % byte)
        connection.send(b"0\r\n\r\n" + request("GET", "/healthz"))
        assert connection.read_answer().status == 200
        assert connection.read_answer().json() == {"status": "ok"}


@pytest.mark.parametrize("coding", ["zstd", "br", "compress", "gzip, gzip", "gzip, deflate", "x", "gzip;q=1"])
def test_another_coding_is_415_and_told_what_is_taken(server, coding):
    with server.http() as http:
        answer = http.post("/v1/responses", content=b"\x28\xb5\x2f\xfd\x20\x10", headers={
            "Content-Encoding": coding, "Origin": "http://localhost:3000"})
    assert answer.status_code == 415
    assert answer.headers["accept-encoding"] == "gzip, deflate"
    assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert answer.json()["error"]["code"] == "unsupported_content_encoding"


DAMAGED = {
    "not gzip": ("gzip", BODY), "cut": ("gzip", gzip.compress(BODY)[:-20]), "without its checksum": ("gzip", gzip.compress(BODY)[:-8]),
    "wrong checksum": ("gzip", gzip.compress(BODY)[:-8] + b"12345678"), "more behind it": ("gzip", gzip.compress(BODY) + b"xyz"),
    "one byte": ("deflate", b"x"), "deflate cut": ("deflate", zlib.compress(BODY)[:-9]),
    "more behind zlib": ("deflate", zlib.compress(BODY) + b"x"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_body_is_400(server, name):
    coding, packed = DAMAGED[name]
    with server.http() as http:
        answer = http.post("/v1/responses", content=packed, headers={"Content-Encoding": coding})
    assert answer.status_code == 400 and "Content-Encoding" in answer.json()["error"]["message"]


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    from processes import InterjectProcess
    with InterjectProcess(tmp_path_factory.mktemp("narrow"), "--max-body-bytes", "1MiB", "--loops", "1") as process:
        yield process


def test_what_is_too_large_unpacked_is_413(narrow):
    with narrow.http() as http:
        fits = json.dumps({"model": "rehearsal", "input": "a" * 1_000_000}).encode()
        assert http.post("/v1/responses/input_tokens", content=gzip.compress(fits), headers={
            "Content-Encoding": "gzip"}).status_code == 200
        bomb = gzip.compress(b" " * (200 << 20))
        started = time.monotonic()
        answer = http.post("/v1/responses", content=bomb, headers={"Content-Encoding": "gzip"})
        assert answer.status_code == 413
        assert time.monotonic() - started < 5, "it was refused before it was unpacked whole"


def empty_blocks(count: int) -> bytes:
    """Bare DEFLATE: stored blocks without a byte."""
    return b"\x00\x00\x00\xff\xff" * count


def test_blocks_that_make_nothing_are_refused(narrow):
    with narrow.http() as http:
        answer = http.post("/v1/responses", content=empty_blocks(100_000), headers={"Content-Encoding": "deflate"})
    assert answer.status_code == 400


def test_a_packed_form_is_undone(server):
    boundary = "edge"
    form = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n').encode()
    content = b"some lines of text\n" * 100_000
    form += content + f"\r\n--{boundary}--\r\n".encode()
    with server.http() as http:
        answer = http.post("/v1/files", content=gzip.compress(form), headers={
            "Content-Encoding": "gzip", "Content-Type": f"multipart/form-data; boundary={boundary}"})
        assert answer.status_code == 200, answer.text
        assert answer.json()["bytes"] == len(content)
        assert http.get(f"/v1/files/{answer.json()['id']}/content").content == content


def test_a_byte_order_mark_in_front_of_json_is_passed_over(server):
    with server.http() as http:
        answer = http.post("/v1/responses/input_tokens", content=b"\xef\xbb\xbf" + BODY)
    assert answer.status_code == 200, answer.text
