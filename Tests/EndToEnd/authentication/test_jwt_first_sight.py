"""A token that was not seen before is verified while its request waits: whatever the request is, nothing of it is lost."""

import json
import threading

import pytest
from websockets.exceptions import InvalidStatus

from issuer import FLAGS, make_pairs, public, sign
from keys import bearer
from raw_http import RawConnection, request
from rehearsal import brief, unique
from sockets import Socket


@pytest.fixture(scope="module")
def pairs():
    return make_pairs()


@pytest.fixture(scope="module")
def server(tmp_path_factory, pairs):
    from processes import InterjectProcess

    directory = tmp_path_factory.mktemp("jwt")
    (directory / "keys.json").write_text(json.dumps({"keys": [public(kid, key) for kid, key in pairs.items()]}))
    with InterjectProcess(directory, "--jwt-jwks", directory / "keys.json", *FLAGS, "--data", directory / "data") as process:
        yield process


@pytest.fixture
def fresh(pairs):
    """Makes tokens that nobody has seen."""
    return lambda sub="ada", **changes: sign(pairs, sub=sub, jti=unique(), **changes)


def call(method, path, token, body=b"", **headers) -> bytes:
    return request(method, path, body, Authorization=f"Bearer {token}", **headers)


def test_a_websocket_opens_by_it(server, fresh, open_socket, tag):
    socket = open_socket(to=server, headers=bearer(fresh()))
    socket.create(brief(tag))
    assert socket.wait_for_type("response.completed")["response"]["status"] == "completed"
    with pytest.raises(InvalidStatus) as refused:
        Socket(server, headers=bearer(fresh(exp=1)))
    assert refused.value.response.status_code == 401


def test_a_frame_sent_with_the_handshake_is_not_lost(server, fresh, tag):
    command = json.dumps(
        {"type": "response.create", "model": "rehearsal", "input": brief(tag), "instructions": "x" * 200}).encode()
    frame = bytes([0x81, 0xFE]) + len(command).to_bytes(2, "big") + bytes(4) + command
    handshake = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": 13,
                 "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    with RawConnection(server) as connection:
        connection.send(call("GET", "/v1/responses", fresh(), **handshake) + frame)
        assert connection.read_head()[0] == 101
        received = b""
        for piece in connection.read_pieces({}):
            received += piece
            if b"response.completed" in received:
                break
        assert b"response.completed" in received


def test_a_stream_of_events_begins_by_it(server, fresh, tag):
    with server.sdk(api_key=fresh()) as client:
        events = [event.type for event in client.responses.create(model="rehearsal", input=brief(tag), stream=True)]
    assert events[0] == "response.created" and events[-1] == "response.completed"


def test_requests_in_one_write_are_answered_in_their_order_and_each_as_its_owner(server, fresh):
    """Two tokens, neither seen before, and one that is none."""
    with RawConnection(server) as connection:
        ada, bob = fresh("ada-in-order"), fresh("bob-in-order")
        body = b'{"model": "rehearsal"}'
        connection.send(
            call("POST", "/v1/sessions", ada, body) + call("POST", "/v1/sessions", bob, body)
            + call("GET", "/v1/sessions", ada) + call("GET", "/v1/models", fresh(exp=1)) + call("GET", "/v1/sessions", bob)
            + call("GET", "/v1/sessions", fresh("ada-in-order")))
        answers = [connection.read_answer() for _ in range(6)]
    assert [answer.status for answer in answers] == [201, 201, 200, 401, 200, 200]
    made = [answer.json()["id"] for answer in answers[:2]]
    listed = [[session["id"] for session in answers[index].json()["data"]] for index in (2, 4, 5)]
    assert listed == [[made[0]], [made[1]], [made[0]]]


@pytest.mark.parametrize("pieces", [1, 40])
def test_a_body_that_comes_meanwhile_is_whole(server, fresh, tag, pieces):
    """More than those may send who are not known, in one write with the head and in many."""
    body = json.dumps({"model": "rehearsal", "input": brief(tag), "metadata": {"x": "y"}, "instructions": "x" * 300_000}).encode()
    data = call("POST", "/v1/responses", fresh(), body)
    size = -(-len(data) // pieces)
    with RawConnection(server) as connection:
        for start in range(0, len(data), size):
            connection.send(data[start:start + size])
        answer = connection.read_answer()
        assert answer.status == 200 and answer.json()["metadata"] == {"x": "y"}
        connection.send(call("GET", "/v1/models", fresh()))
        assert connection.read_answer().status == 200


def test_a_body_in_chunks_and_one_that_waits_to_be_asked_for(server, fresh, tag):
    body = json.dumps({"model": "rehearsal", "input": brief(tag), "instructions": "x" * 100_000}).encode()
    with RawConnection(server) as connection:
        head = call("POST", "/v1/responses", fresh(), Transfer_Encoding="chunked")
        connection.send(head + b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:9], body[9:])) + b"0\r\n\r\n")
        assert connection.read_answer().status == 200
        connection.send(call("POST", "/v1/responses", fresh(), Content_Length=len(body), Expect="100-continue"))
        assert connection.read_answer().status == 100
        connection.send(body)
        assert connection.read_answer().status == 200


def test_an_upload_comes_whole(server, fresh):
    data = b"0123456789abcdef" * (3 << 16)
    with server.sdk(api_key=fresh()) as client:
        file = client.files.create(file=("x.bin", data), purpose="user_data")
        assert client.files.content(file.id).read() == data


def test_who_is_not_let_in_sends_little(server, fresh):
    """Two connections: the first answer ends its own."""
    for length, expected in [(1000, 401), (1 << 20, 413)]:
        with RawConnection(server) as connection:
            connection.send(call("POST", "/v1/responses", fresh(exp=1), Content_Length=length))
            if expected == 401:
                connection.send(b"x" * length)
            assert connection.read_answer().status == expected


def test_clients_that_leave_meanwhile_do_no_harm(server, fresh):
    def leave():
        for number in range(20):
            with RawConnection(server) as connection:
                connection.send(call(*(("GET", "/v1/models") if number % 2 else ("POST", "/v1/responses")), fresh()) * 3)

    threads = [threading.Thread(target=leave) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with server.http(headers=bearer(fresh())) as http:
        assert http.get("/v1/models").status_code == 200
