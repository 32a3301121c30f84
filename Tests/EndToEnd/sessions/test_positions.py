"""Positions that a reader sends: one rule for every route that takes one (Protocols/sessions.md, Epochs)."""

import json

import pytest

from event_source import EventSource
from rehearsal import brief, endless
from sessions import Session, error_of

NO_POSITIONS = ["", "abc", "-2", "+1", "1e3", "1.5", " 1", "2:", ":2", "2:-1", "1:2:3", "9" * 20]


def answered(new_session, tag) -> tuple[Session, dict]:
    """A session with one response that has ended."""
    session = new_session()
    log = session.wait_for_end_of(session.speak(brief(tag))["response_id"])
    return session, log[-1]["response"]


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
@pytest.mark.parametrize("value", [*NO_POSITIONS, "-1"])
def test_what_is_no_position_in_a_session_is_a_bad_request(new_session, value, accept):
    session = new_session()
    for name in ("starting_after", "last_event_id"):
        if name == "last_event_id" and not value:
            continue  # As in a browser's first request.
        answer = session.http.get(f"{session.path}/events", params={name: value}, headers={"Accept": accept})
        assert answer.status_code == 400 and error_of(answer.json())["param"] == name
    headers = {"Accept": accept, "Last-Event-ID": value}
    if value and value == value.strip():  # A field's value has no blanks around it; an empty one is none.
        answer = session.http.get(f"{session.path}/events", headers=headers)
        assert answer.status_code == 400 and error_of(answer.json())["param"] == "Last-Event-ID"


def test_an_empty_last_event_id_is_none(new_session, tag):
    """The "last event ID string" of an EventSource that has seen no event is empty."""
    session, _ = answered(new_session, tag)
    path = f"{session.path}/events"
    whole = session.http.get(path, headers={"Accept": "application/json"}).json()
    for more in ({"headers": {"Last-Event-ID": ""}}, {"params": {"last_event_id": ""}}):
        headers = {"Accept": "application/json", **more.pop("headers", {})}
        assert session.http.get(path, headers=headers, **more).json() == whole


@pytest.mark.parametrize("value", NO_POSITIONS)
def test_what_is_no_position_in_a_response_is_a_bad_request(new_session, tag, value):
    session, response = answered(new_session, tag)
    answer = session.http.get(f"/v1/responses/{response['id']}", params={"stream": "true", "starting_after": value})
    assert answer.status_code == 400 and error_of(answer.json())["param"] == "starting_after"


@pytest.mark.parametrize("value", [*NO_POSITIONS, "-1", -1, 1.5, True, []])
def test_what_is_no_position_in_a_join_is_a_bad_request(new_session, open_socket, value):
    session, socket = new_session(), open_socket()
    socket.send("interject:join", session_id=session.id, starting_after=value)
    assert socket.wait_for_type("error")["error"]["param"] == "starting_after"


def test_before_its_first_event_a_response_has_the_position_that_its_progress_tells(new_session, tag):
    session, response = answered(new_session, tag)
    path = f"/v1/responses/{response['id']}?stream=true"
    assert session.http.get(f"{path}&starting_after=-1").text == session.http.get(path).text


def test_a_position_beyond_the_end_of_a_response_is_one_that_its_log_never_had(new_session, tag):
    session, response = answered(new_session, tag)
    path = f"/v1/responses/{response['id']}?stream=true&starting_after="
    last = session.http.get(f"/v1/responses/{response['id']}").json()["interject"]["progress"]["last_sequence_number"]
    end = session.http.get(f"{path}{last}")
    assert end.status_code == 200 and [line for line in end.text.split("\n") if line.startswith("data")] == ["data: [DONE]"]
    for beyond in (last + 1, last + 1000, 2**63 - 1, f"0:{last + 1}"):
        answer = session.http.get(f"{path}{beyond}")
        assert answer.status_code == 410 and error_of(answer.json())["code"] == "events_expired", beyond


def test_a_running_response_that_ends_before_a_position_says_so(new_session, server, rehearsal, tag):
    session = new_session()
    response_id = session.speak(endless(tag))["response_id"]
    rehearsal.wait_for_tokens(tag, 3)
    with EventSource(server, f"/v1/responses/{response_id}?stream=true&starting_after=1000000") as source:
        session.post_cancel()
        source.read_to_end()
    assert [kind for kind, _, _ in source.events] == ["error", "message"], source.events
    assert json.loads(source.events[0][1])["code"] == "events_expired" and source.events[1][1] == "[DONE]"
