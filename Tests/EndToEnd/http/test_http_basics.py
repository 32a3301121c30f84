"""HTTP/1.1 as servers must speak it, on a bare socket where client libraries would tidy up."""

import json
import os
import socket
import stat

import httpx
import openai
import pytest

from processes import run_binary
from raw_http import RawConnection, request
from rehearsal import eventually, say


@pytest.fixture
def connection(server):
    with RawConnection(server) as connection:
        yield connection


def chat_body(tag) -> bytes:
    return json.dumps({"model": "rehearsal-fast", "messages": [{"role": "user", "content": say(tag, tokens=3)}]}).encode()


def chunked(body: bytes, size: int) -> bytes:
    pieces = [body[i:i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def test_the_probes(server):
    with server.http() as http:
        assert http.get("/healthz").status_code == 200
        assert http.get("/readyz").status_code == 200


def test_a_server_without_its_upstream_takes_work_all_the_same(start_server):
    """Sessions can still be read and resumed: readiness is this server's, not its upstream's."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        server = start_server("--upstream", f"http://127.0.0.1:{taken.getsockname()[1]}/v1")
        with server.http() as http:
            assert http.get("/healthz").status_code == 200
            assert http.get("/readyz").status_code == 200


def test_the_models_say_what_they_are(server, client):
    models = {model.id: model for model in client.models.list()}
    assert {"rehearsal", "rehearsal-fast"} <= set(models)
    assert models["rehearsal"].owned_by == "interject-rehearsal" and models["rehearsal"].object == "model"
    assert client.models.retrieve("rehearsal").id == "rehearsal"
    assert models["external"].owned_by == "runner" == client.models.retrieve("external").owned_by


def test_what_is_not_there_says_so_once(client):
    """No stack of retries: the SDK would send a 501 again."""
    with pytest.raises(openai.APIStatusError) as refused:
        client.with_options(max_retries=2).responses.compact(model="rehearsal", input="Hello")
    assert refused.value.status_code == 501 and refused.value.code == "compaction_not_supported"
    assert refused.value.response.request.headers["x-stainless-retry-count"] == "0"


def test_a_server_without_runners_lists_none(start_server):
    with start_server("--runner-model", "none").sdk() as client:
        models = eventually(lambda: {model.id for model in client.models.list()}, "its models")
        assert "rehearsal" in models and "external" not in models


def test_a_connection_serves_many_requests(connection, tag):
    for number in range(5):
        connection.send(request("GET", "/healthz"))
        assert connection.read_answer().status == 200
        body = chat_body(f"{tag}{number}")
        connection.send(request("POST", "/v1/chat/completions", body, Content_Type="application/json"))
        assert connection.read_answer().json()["object"] == "chat.completion"


def test_a_stream_leaves_the_connection_usable(connection, tag):
    body = json.dumps({"model": "rehearsal-fast", "input": say(tag, tokens=3), "stream": True}).encode()
    connection.send(request("POST", "/v1/responses", body, Content_Type="application/json"))
    assert connection.read_answer().body.endswith(b"data: [DONE]\n\n")
    connection.send(request("GET", "/healthz"))
    assert connection.read_answer().status == 200


def test_close_is_honoured(connection):
    connection.send(request("GET", "/healthz", Connection="close"))
    answer = connection.read_answer()
    assert answer.status == 200 and answer.headers["connection"].lower() == "close"
    assert connection.is_closed_by_server()


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_chunked_request_body(connection, tag, size):
    connection.send(request("POST", "/v1/chat/completions", Content_Type="application/json", Transfer_Encoding="chunked"))
    connection.send(chunked(chat_body(tag), size))
    assert connection.read_answer().status == 200
    connection.send(request("GET", "/healthz"))
    assert connection.read_answer().status == 200


def test_a_request_may_come_byte_by_byte(connection, tag):
    connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in request("POST", "/v1/chat/completions", chat_body(tag), Content_Type="application/json"):
        connection.send(bytes([byte]))
    assert connection.read_answer().status == 200


def test_expect_continue(connection, tag):
    body = chat_body(tag)
    connection.send(request("POST", "/v1/chat/completions", Content_Type="application/json",
                            Content_Length=len(body), Expect="100-continue"))
    assert connection.read_answer().status == 100
    connection.send(body)
    assert connection.read_answer().status == 200


def test_pipelined_requests_are_answered_in_order(connection, tag):
    body = json.dumps({"model": "rehearsal", "input": say(tag, tokens=3, first_token_ms=300)}).encode()
    connection.send(
        request("POST", "/v1/responses", body, Content_Type="application/json")
        + request("GET", "/healthz") + request("GET", "/v1/models") + request("GET", "/nowhere"))
    assert connection.read_answer().json()["object"] == "response"
    assert connection.read_answer().status == 200
    assert connection.read_answer().json()["object"] == "list"
    assert connection.read_answer().status == 404


def test_a_path_that_is_not_there(server):
    with server.http() as http:
        for path in ("/nowhere", "/v1/nowhere", "/v1/sessions/sess_that_never_was", "/v1/responses/resp_never"):
            answer = http.get(path)
            assert answer.status_code == 404, path
            error = answer.json()["error"]
            assert set(error) >= {"message", "type", "param", "code"} and error["type"] == "invalid_request_error"
            assert answer.headers["content-type"].startswith("application/json") and answer.headers["x-request-id"]


@pytest.mark.parametrize("method, path, allowed", [
    ("DELETE", "/v1/models", "GET"), ("GET", "/v1/chat/completions", "POST"), ("PUT", "/v1/sessions", "POST")])
def test_a_method_that_is_not_allowed(server, method, path, allowed):
    with server.http() as http:
        answer = http.request(method, path)
    assert answer.status_code == 405 and allowed in answer.headers["allow"]
    assert answer.json()["error"]["message"]


def test_get_responses_without_an_upgrade_says_what_to_do(server):
    with server.http() as http:
        answer = http.get("/v1/responses")
    assert answer.status_code in (400, 405, 426) and "WebSocket" in answer.json()["error"]["message"]


def test_head_is_get_without_a_body(connection):
    for path, status in (("/healthz", 200), ("/v1/models", 200), ("/nowhere", 404)):
        connection.send(request("HEAD", path))
        assert connection.read_answer(without_body=True).status == status
    connection.send(request("GET", "/healthz"))
    assert connection.read_answer().status == 200, "a body after HEAD would stand here"


def test_head_of_a_stream_ends(new_session, connection):
    connection.send(request("HEAD", f"{new_session().path}/events"))
    answer = connection.read_answer(without_body=True)
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize("framing", [
    b"GARBAGE\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nBad\x00: y\r\n\r\n",
    b"POST /v1/responses HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 6\r\n\r\nhello",
    b"POST /v1/responses HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /v1/responses HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /v1/responses HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    b"POST /v1/responses HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
], ids=["garbage", "version", "no_host", "two_hosts", "space", "nul", "two_lengths", "negative", "both", "chunk",
        "overflow"])
def test_bad_framing_is_refused_and_the_connection_closed(connection, framing):
    connection.send(framing)
    assert connection.read_answer().status in (400, 505)
    assert connection.is_closed_by_server()


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(connection):
    connection.send(request("POST", "/v1/responses", Content_Type="application/json", Content_Length=50_000_000_000))
    answer = connection.read_answer()
    assert answer.status == 413 and answer.json()["error"]["message"]


def test_headers_that_are_too_large_are_refused(connection):
    try:
        connection.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X-Filler: " + b"a" * 2_000_000)
    except OSError:
        pass  # It may close before it has read everything.
    try:
        assert connection.read_answer().status in (400, 431)
    except (EOFError, ConnectionResetError):
        pass


def test_a_unix_socket_serves_the_same(start_server, tmp_path, tag):
    path = tmp_path / "interject.sock"
    server = start_server("--unix-socket", path)
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://local", timeout=30) as http:
        assert http.get("/healthz").status_code == 200
        answer = http.post("/v1/responses", json={"model": "rehearsal-fast", "input": say(tag, tokens=4)})
        assert answer.json()["status"] == "completed"
        # A page that a proxy brings is looked at like any other.
        assert http.get("/v1/models", headers={"Origin": "https://evil.example"}).status_code == 403
        assert http.get("/v1/models", headers={"Host": "interject.example"}).status_code == 200
    server.stop()
    assert not path.exists(), "a socket that nobody serves must not stay behind"


def test_a_stale_unix_socket_is_replaced(start_server, tmp_path):
    path = tmp_path / "interject.sock"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    start_server("--unix-socket", path)
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://local") as http:
        assert http.get("/healthz").status_code == 200


def test_dates_and_types_are_there(server):
    with server.http() as http:
        answer = http.get("/v1/models")
    assert answer.headers["date"].endswith("GMT") and answer.headers["content-type"].startswith("application/json")


def test_a_browser_may_read_our_headers(new_session, server):
    session = new_session()
    with server.http() as http:
        answer = http.get(session.path, headers={"Origin": "http://localhost:5173"})
        exposed = answer.headers["access-control-expose-headers"].lower()
        assert exposed == "*" or "interject-session" in exposed
        preflight = http.options(f"{session.path}/events", headers={
            "Origin": "http://localhost:5173", "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "last-event-id"})
        allowed = preflight.headers["access-control-allow-headers"].lower()
        assert allowed == "*" or "last-event-id" in allowed


def unix_get(path, target="/healthz"):
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://local") as http:
        return http.get(target).status_code


@pytest.mark.parametrize("mode", ["600", "0660", "666"])
def test_the_unix_socket_has_the_mode_that_was_set(start_server, tmp_path, mode):
    path = tmp_path / "interject.sock"
    server = start_server("--unix-socket", path, "--unix-socket-mode", mode, "--unix-socket-owner", f"{os.getuid()}:{os.getgid()}")
    status = path.stat()
    assert stat.S_IMODE(status.st_mode) == int(mode, 8) and (status.st_uid, status.st_gid) == (os.getuid(), os.getgid())
    assert unix_get(path) == 200
    server.stop()
    assert not path.exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("owner,ids", [(":daemon", (0, 1)), ("daemon", (1, 0)), ("daemon:daemon", (1, 1)), ("12345:54321", (12345, 54321))])
def test_the_unix_socket_belongs_to_whom_it_was_given(start_server, tmp_path, owner, ids):
    path = tmp_path / "interject.sock"
    start_server("--unix-socket", path, "--unix-socket-owner", owner)
    assert (path.stat().st_uid, path.stat().st_gid) == ids


@pytest.mark.parametrize("flags,told", [
    (["--unix-socket-mode", "1777"], "is not a mode"), (["--unix-socket-mode", "68"], "is not a mode"),
    (["--unix-socket-owner", "no-such-user"], "there is no user"), (["--unix-socket-owner", ":no-such-group"], "there is no group"),
    (["--unix-socket-owner", ":"], "is not USER"), (["--unix-socket-mode", "660"], "--unix-socket"),
])
def test_a_mode_or_owner_that_cannot_be_is_told(flags, told):
    done = run_binary("serve", "--data", "none", "--port", "0", *flags)
    assert done.returncode == 2 and told in done.stderr
