"""What two readers of the same bytes could understand differently is refused: request smuggling, over real sockets.

Each attack hides a second request, `GET /v1/models`, in bytes that a laxer reader would take for something else. It must never be
answered, and the connection must be closed, since nobody knows where the next request would begin.
"""

import json
import socket

import pytest

from raw_http import RawConnection, request
from rehearsal import say

HIDDEN = b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.fixture
def connection(server):
    with RawConnection(server) as connection:
        yield connection


def post(*fields: bytes, body=b"", path=b"/v1/responses", version=b"HTTP/1.1") -> bytes:
    """A POST with exactly these header lines, whatever they are."""
    return b"POST " + path + b" " + version + b"\r\n" + b"".join(f + b"\r\n" for f in (b"Host: 127.0.0.1", *fields)) + b"\r\n" + body


def chunks(framing: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked", body=framing)


LENGTH = b"Content-Length: %d" % len(HIDDEN)
SMUGGLING = {
    "CL.TE": (post(LENGTH, b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + HIDDEN), 400),
    "TE.CL": (post(b"Transfer-Encoding: chunked", b"Content-Length: 4", body=b"2\r\n{}\r\n0\r\n\r\n" + HIDDEN), 400),
    "CL.CL, different": (post(b"Content-Length: 0", LENGTH, body=HIDDEN), 400),
    "CL.CL, the same": (post(b"Content-Length: 2", b"Content-Length: 2", body=b"{}" + HIDDEN), 400),
    "CL list": (post(b"Content-Length: 2, 2", body=b"{}" + HIDDEN), 400),
    "CL with a sign": (post(b"Content-Length: +2", body=b"{}" + HIDDEN), 400),
    "CL negative": (post(b"Content-Length: -1", body=HIDDEN), 400),
    "CL hexadecimal": (post(b"Content-Length: 0x2", body=b"{}" + HIDDEN), 400),
    "CL with a fraction": (post(b"Content-Length: 2.0", body=b"{}" + HIDDEN), 400),
    "CL with an underscore": (post(b"Content-Length: 1_0", body=b"{}" + HIDDEN), 400),
    "CL with a blank within": (post(b"Content-Length: 1 2", body=b"{}" + HIDDEN), 400),
    "CL empty": (post(b"Content-Length: ", body=HIDDEN), 400),
    "CL beyond 64 bits": (post(b"Content-Length: 18446744073709551618", body=b"{}" + HIDDEN), 400),
    "TE.TE, the second unknown": (post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: x", body=b"0\r\n\r\n" + HIDDEN), 400),
    "TE twice": (post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + HIDDEN), 400),
    "TE list with chunked twice": (post(b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n" + HIDDEN), 400),
    "TE, chunked not last": (post(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n" + HIDDEN), 400),
    "TE unknown": (post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n" + HIDDEN), 501),
    "TE gzip, chunked": (post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n" + HIDDEN), 501),
    "TE quoted": (post(b'Transfer-Encoding: "chunked"', body=b"0\r\n\r\n" + HIDDEN), 400),
    "TE with a vertical tab": (post(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n" + HIDDEN), 400),
    "TE with a parameter": (post(b"Transfer-Encoding: chunked;q=1", body=b"0\r\n\r\n" + HIDDEN), 400),
    "TE with a blank before the colon": (post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n" + HIDDEN), 400),
    "TE folded": (post(b"Transfer-Encoding:\r\n chunked", body=b"0\r\n\r\n" + HIDDEN), 400),
    "TE behind a bare LF": (post(b"X: y\nTransfer-Encoding: chunked", body=b"0\r\n\r\n" + HIDDEN), 400),
    "TE behind a bare CR": (post(b"X: y\rTransfer-Encoding: chunked", body=b"0\r\n\r\n" + HIDDEN), 400),
    "TE in HTTP/1.0": (post(b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + HIDDEN, version=b"HTTP/1.0"), 400),
    "TE in a name with NUL": (post(b"Transfer-Encoding\0: chunked", body=b"0\r\n\r\n" + HIDDEN), 400),
    "a header line without a colon": (post(b"Content-Length 2", body=b"{}" + HIDDEN), 400),
    "an empty header name": (post(b": x", body=HIDDEN), 400),
    "a blank in front of the first header": (b"GET /healthz HTTP/1.1\r\n Host: 127.0.0.1\r\n\r\n" + HIDDEN, 400),
    "the head ended by LF alone": (b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\n" + HIDDEN, 400),
    "two Hosts": (b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: x\r\n\r\n" + HIDDEN, 400),
    "Host unlike the target": (b"GET http://x/healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" + HIDDEN, 400),
    "a blank in the target": (b"GET /health z HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" + HIDDEN, 400),
    "a tab in the request line": (b"GET\t/healthz\tHTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" + HIDDEN, 400),
    "two blanks in the request line": (b"GET  /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" + HIDDEN, 400),
    "HTTP/0.9": (b"GET /healthz\r\n" + HIDDEN, 400),
    "a version with a digit more": (b"GET /healthz HTTP/1.10\r\nHost: 127.0.0.1\r\n\r\n" + HIDDEN, 400),
    "CONNECT": (b"CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n" + HIDDEN, 501),
    "chunk size with a sign": (chunks(b"+2\r\n{}\r\n0\r\n\r\n" + HIDDEN), 400),
    "chunk size with 0x": (chunks(b"0x2\r\n{}\r\n0\r\n\r\n" + HIDDEN), 400),
    "chunk size with a blank in front": (chunks(b" 2\r\n{}\r\n0\r\n\r\n" + HIDDEN), 400),
    "chunk size with a blank behind": (chunks(b"2 \r\n{}\r\n0\r\n\r\n" + HIDDEN), 400),
    "chunk size empty": (chunks(b"\r\n{}\r\n0\r\n\r\n" + HIDDEN), 400),
    "chunk size beyond 64 bits": (chunks(b"10000000000000002\r\n{}\r\n0\r\n\r\n" + HIDDEN), 400),
    "chunk size ended by LF": (chunks(b"2\n{}\r\n0\r\n\r\n" + HIDDEN), 400),
    "chunk extension with LF": (chunks(b"2;a=b\nX\r\n{}\r\n0\r\n\r\n" + HIDDEN), 400),
    "chunk extension with CR": (chunks(b"2;a\rb\r\n{}\r\n0\r\n\r\n" + HIDDEN), 400),
    "chunk data too long": (chunks(b"1\r\n{}\r\n0\r\n\r\n" + HIDDEN), 400),
    "chunk data ended by LF": (chunks(b"2\r\n{}\n0\r\n\r\n" + HIDDEN), 400),
    "last chunk ended by LF": (chunks(b"2\r\n{}\r\n0\n\n" + HIDDEN), 400),
    "trailer folded": (chunks(b"2\r\n{}\r\n0\r\nX: y\r\n z\r\n\r\n" + HIDDEN), 400),
    "trailer without a colon": (chunks(b"2\r\n{}\r\n0\r\nContent-Length\r\n\r\n" + HIDDEN), 400),
    "trailer with a blank before the colon": (chunks(b"2\r\n{}\r\n0\r\nContent-Length : 9\r\n\r\n" + HIDDEN), 400),
}


@pytest.mark.parametrize("name", SMUGGLING)
@pytest.mark.parametrize("split", [False, True], ids=["whole", "in pieces"])
def test_nothing_is_smuggled(connection, name, split):
    attack, status = SMUGGLING[name]
    if split:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        for start in range(0, len(attack), 7 if split else len(attack)):
            connection.send(attack[start:start + 7] if split else attack)
    except OSError:
        assert split, "it may close before it has read everything"
    answer = connection.read_answer()
    assert answer.status == status
    assert answer.headers["connection"].lower() == "close"
    assert answer.json()["error"]["message"]
    assert connection.is_closed_by_server()
    assert connection.buffer == b"", "a second answer"


def test_a_refusal_comes_after_the_answers_before_it(connection, tag):
    body = json.dumps({"model": "rehearsal", "input": say(tag, tokens=3, first_token_ms=200)}).encode()
    connection.send(
        request("POST", "/v1/responses", body, Content_Type="application/json") + request("GET", "/healthz")
        + SMUGGLING["CL.TE"][0])
    assert connection.read_answer().json()["object"] == "response"
    assert connection.read_answer().status == 200
    assert connection.read_answer().status == 400
    assert connection.is_closed_by_server() and connection.buffer == b""


def test_a_body_that_looks_like_requests_is_a_body(connection, tag):
    text = say(tag, tokens=3) + " " + HIDDEN.decode() * 3
    body = json.dumps({"model": "rehearsal-fast", "input": text}).encode()
    connection.send(request("POST", "/v1/responses", body, Content_Type="application/json") + request("GET", "/nowhere"))
    assert connection.read_answer().json()["status"] == "completed"
    assert connection.read_answer().status == 404


def test_a_hundred_pipelined_requests_are_answered_in_order(connection):
    for number in range(100):
        connection.send(request("GET", f"/v1/models/none-{number}"))
    for number in range(100):
        assert f"none-{number}'" in connection.read_answer().json()["error"]["message"].replace('"', "'")


def test_options_of_the_whole_server(connection):
    connection.send(request("OPTIONS", "*") + request("OPTIONS", "/v1/models") + request("GET", "/healthz"))
    assert connection.read_answer().status == 204
    assert connection.read_answer().status == 204
    assert connection.read_answer().status == 200
    connection.send(request("GET", "*"))
    assert connection.read_answer().status == 400


# MARK: Expect


def test_an_expectation_is_met_only_for_a_body_that_would_be_taken(connection):
    connection.send(request("POST", "/v1/responses", Expect="100-continue", Content_Length=50_000_000_000))
    assert connection.read_answer().status == 413
    assert connection.is_closed_by_server() and connection.buffer == b""


def test_an_expectation_that_nobody_knows(connection):
    connection.send(request("POST", "/v1/responses", Expect="200-ok", Content_Length=2))
    assert connection.read_answer().status == 417
    assert connection.is_closed_by_server()


def test_an_expectation_without_a_body_is_passed_over(connection):
    connection.send(request("GET", "/healthz", Expect="100-continue"))
    assert connection.read_answer().status == 200


# MARK: Limits and deadlines, by setting


@pytest.fixture
def hurried(start_server):
    return start_server(
        "--header-timeout", "0.3", "--body-timeout", "0.3", "--idle-timeout", "0.3", "--max-body-bytes", "2KiB",
        "--max-header-bytes", "1KiB")


def test_limits_are_settings(hurried):
    with RawConnection(hurried) as connection:
        connection.send(request("POST", "/v1/responses", b"x" * 2048) + request("POST", "/v1/responses", b"x" * 2049))
        assert connection.read_answer().json()["error"]["code"] == "invalid_json"
        assert connection.read_answer().status == 413
    with RawConnection(hurried) as connection:
        connection.send(request("GET", "/healthz", X="x" * 900) + request("GET", "/healthz", X="x" * 1024))
        assert connection.read_answer().status == 200
        assert connection.read_answer().status == 431


@pytest.mark.parametrize("beginning", [b"GET /heal", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: "], ids=["line", "fields"])
def test_a_slow_head_is_not_waited_for(hurried, beginning):
    with RawConnection(hurried) as connection:
        connection.send(beginning)
        try:
            # A byte now and then puts no deadline off; without one this would never end.
            while not connection.buffer:
                connection.socket.settimeout(0.05)
                try:
                    connection._fill() or pytest.fail("closed without an answer")
                except TimeoutError:
                    connection.send(b"a")
        except OSError:
            pass
        connection.socket.settimeout(30)
        assert connection.read_answer().status == 408
        assert connection.is_closed_by_server()


def test_a_slow_body_is_not_waited_for(hurried):
    with RawConnection(hurried) as connection:
        connection.send(request("POST", "/v1/responses", Content_Length=100) + b"{")
        assert connection.read_answer().status == 408
        assert connection.is_closed_by_server()


def test_an_idle_connection_is_closed_without_a_word(hurried):
    with RawConnection(hurried) as connection:
        connection.send(request("GET", "/healthz"))
        assert connection.read_answer().status == 200
        assert connection.is_closed_by_server() and connection.buffer == b""


def test_an_answer_that_takes_long_is_no_idleness(hurried, tag):
    with RawConnection(hurried) as connection:
        body = json.dumps({"model": "rehearsal", "input": say(tag, tokens=3, first_token_ms=1000)}).encode()
        connection.send(request("POST", "/v1/responses", body))
        assert connection.read_answer().json()["status"] == "completed"


# MARK: Proxies


def test_a_proxy_header_is_asked_for_by_setting(start_server):
    server = start_server("--proxy-protocol", "--trusted-proxy", "127.0.0.1")
    with RawConnection(server) as connection:
        connection.send(b"PROXY TCP4 192.0.2.1 198.51.100.7 47011 443\r\n" + request("GET", "/healthz") * 2)
        assert connection.read_answer().status == 200
        assert connection.read_answer().status == 200
    with RawConnection(server) as connection:
        connection.send(bytes.fromhex("0d0a0d0a000d0a515549540a2111000c c0000201c6336407b7a301bb") + request("GET", "/healthz"))
        assert connection.read_answer().status == 200
    for noise in (request("GET", "/healthz"), b"PROXY TCP4 x\r\n", bytes.fromhex("0d0a0d0a000d0a515549540a3111000c")):
        with RawConnection(server) as connection:
            connection.send(noise)
            assert connection.is_closed_by_server() and connection.buffer == b""


def test_a_proxy_header_of_a_stranger_is_not_believed(start_server):
    server = start_server("--proxy-protocol", "--trusted-proxy", "192.0.2.0/24")
    with RawConnection(server) as connection:
        try:
            connection.send(b"PROXY TCP4 192.0.2.1 198.51.100.7 47011 443\r\n" + request("GET", "/healthz"))
        except OSError:
            pass
        assert connection.is_closed_by_server() and connection.buffer == b""


def test_a_trusted_proxy_that_contradicts_itself_is_refused(start_server):
    server = start_server("--trusted-proxy", "127.0.0.1", "--trusted-proxy", "fd00::/8")
    with RawConnection(server) as connection:
        connection.send(request("GET", "/healthz", Forwarded="for=192.0.2.1;proto=https", X_Forwarded_For="192.0.2.1"))
        assert connection.read_answer().status == 200
        connection.send(request("GET", "/healthz", Forwarded="for=192.0.2.1", X_Forwarded_For="192.0.2.2"))
        answer = connection.read_answer()
        assert answer.status == 400 and "X-Forwarded-For" in answer.json()["error"]["message"]
        assert connection.is_closed_by_server()
