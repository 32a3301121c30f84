"""A stream whose session is deleted while its reader lags says so, and does not end as if all had come."""

import json

import pytest

from raw_http import RawConnection, request
from rehearsal import say
from sessions import Session
from stalled_readers import SMALL_BUFFER_BYTES, settled


@pytest.fixture
def session(start_server):
    return Session.create(start_server("--data", "none", "--log-bytes-per-session", "4MiB"))


def read_after_deletion(session, connection, tag) -> str:
    """What a client that had not read gets of its stream, once its session was deleted; the stream ends in order."""
    status, headers = connection.read_head()
    assert status == 200
    settled(session, tag)
    assert session.http.delete(session.path).status_code == 200
    return b"".join(connection.read_pieces(headers)).decode()


def lagging(session):
    # Small buffers: a kernel that takes megabytes for one that does not read makes it one that keeps up.
    return RawConnection(session.server, receive_buffer_bytes=SMALL_BUFFER_BYTES)


def events(text: str) -> list[str]:
    return [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]


def test_a_responses_stream_ends_with_an_error(session, tag):
    body = {"model": "rehearsal", "stream": True, "interject": {"session_id": session.id},
            "input": say(tag, tokens=100_000, pace=0)}
    with lagging(session) as connection:
        connection.send(request("POST", "/v1/responses", json.dumps(body).encode()))
        *told, done = events(read_after_deletion(session, connection, tag))
    assert done == "[DONE]"
    *told, error = [json.loads(event) for event in told]
    assert error["type"] == "error" and error["code"] == "session_deleted" and "sequence_number" not in error
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    assert {event["type"] for event in told[4:]} == {"response.output_text.delta"}


def test_a_chat_stream_ends_with_an_error(session, tag):
    body = {"model": "rehearsal", "stream": True, "interject": {"session_id": session.id},
            "messages": [{"role": "user", "content": say(tag, tokens=100_000, pace=0)}]}
    with lagging(session) as connection:
        connection.send(request("POST", "/v1/chat/completions", json.dumps(body).encode()))
        *told, done = events(read_after_deletion(session, connection, tag))
    assert done == "[DONE]"
    *told, error = [json.loads(event) for event in told]
    assert error["error"]["code"] == "session_deleted" and "choices" not in error
    assert told and all(chunk["choices"][0]["finish_reason"] is None for chunk in told)


def test_a_stream_of_the_session_ends_and_cannot_be_taken_up_again(session, tag):
    with lagging(session) as connection:
        connection.send(request("GET", f"{session.path}/events", Accept="text/event-stream"))
        session.speak(say(tag, tokens=100_000, pace=0))
        text = read_after_deletion(session, connection, tag)
        told = events(text)
        ids = [int(line.removeprefix("id: ")) for line in text.splitlines() if line.startswith("id: ")]
        assert ids == list(range(1, len(told) + 1))
        assert json.loads(told[-1])["type"] == "response.output_text.delta"
        # EventSource comes back, and stays away after this.
        connection.send(request("GET", f"{session.path}/events", Accept="text/event-stream", Last_Event_ID=len(told)))
        answer = connection.read_answer()
        assert answer.status == 404 and answer.json()["error"]["code"] == "session_not_found"
