"""HEAD asks for the head that GET would have, ends with it, and changes nothing (RFC 9110 §9.3.2)."""

import json

import pytest

from rehearsal import say
from raw_http import RawConnection, request
from runner import Runner


def head(server, path, **fields):
    """The answer to HEAD and to a GET behind it on the same connection: so nothing of a body came in between."""
    with RawConnection(server, timeout_s=15) as connection:
        connection.send(request("HEAD", path, **fields) + request("GET", "/healthz"))
        answer = connection.read_answer(without_body=True)
        assert connection.read_answer().json() == {"status": "ok"}
        return answer


@pytest.fixture
def running(server, new_session, tag):
    """A session whose answer is on its way, and the answer's identifier."""
    session = new_session()
    return session, session.speak(say(tag, tokens=400))["response_id"]


LASTING = [
    "/v1/sessions/{session}/events", "/v1/sessions/{session}/events?wait=30", "/v1/sessions/{session}?wait=30",
    "/v1/responses/{response}?wait=30", "/v1/responses/{response}?stream=true",
]


@pytest.mark.parametrize("path", LASTING)
def test_head_of_what_goes_on_ends_with_its_head(server, running, path):
    session, response = running
    answer = head(server, path.format(session=session.id, response=response))
    assert answer.status == 200
    if path.endswith("/events"):
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["interject-session"] == session.id


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_head_of_a_page_of_events_waits_for_nothing(server, new_session, accept):
    session = new_session()
    assert head(server, f"{session.path}/events?wait=30&starting_after=1000000", Accept=accept).status == 200


def test_head_of_a_stream_counts_as_no_listener(server, new_session, tag):
    session = new_session(interject={"disconnect": "cancel"})
    response = session.speak(say(tag, tokens=60))["response_id"]
    for _ in range(3):
        assert head(server, f"{session.path}/events").status == 200
    session.wait_for_end_of(response)
    with server.http() as http:
        assert http.get(f"/v1/responses/{response}").json()["status"] == "completed"


def test_head_of_a_session_that_is_not_there_is_404(server):
    for path in ["/v1/sessions/sess_none/events", "/v1/responses/resp_none?stream=true", "/v1/responses/resp_none/runner"]:
        assert head(server, path).status == 404, path


def test_head_takes_no_work_of_a_runner(server, tag):
    model = f"external/{tag}"
    runner = Runner(server, model)
    with server.http() as http:
        made = http.post("/v1/responses", json={"model": model, "input": "x", "background": True}).json()
        for wait in (0, 30):
            assert head(server, f"/v1/runner/work?wait={wait}&model={model}").status == 204
        lease = runner.take()
        assert lease.response_id == made["id"]
        assert head(server, f"/v1/responses/{made['id']}/runner?wait=30").status == 200
        lease.say({"type": "text", "text": "Hello"}, {"type": "done"})
    runner.close()


POST_ONLY = ["/v1/chat/completions", "/v1/client_tokens", "/v1/stream_tickets", "/v1/sessions/{session}/input",
             "/v1/sessions/{session}/cancel", "/v1/responses/{response}/cancel", "/v1/responses/{response}/steer",
             "/v1/responses/{response}/events"]


@pytest.mark.parametrize("path", POST_ONLY)
def test_head_where_only_post_is_taken_is_405_and_does_nothing(server, running, path):
    session, response = running
    answer = head(server, path.format(session=session.id, response=response))
    assert answer.status == 405 and answer.headers["allow"] == "POST"
    with server.http() as http:
        assert http.get(f"/v1/responses/{response}").json()["status"] in ("in_progress", "completed")


@pytest.mark.parametrize("path", ["/v1/models", "/v1/sessions", "/v1/files", "/v1/batches", "/metrics", "/debug/connections",
                                  "/v1/usage", "/v1/webhook_endpoints", "/healthz", "/v1/nothing"])
def test_head_has_the_status_of_get(server, path):
    with server.http() as http:
        assert head(server, path).status == http.get(path).status_code


def test_a_refusal_of_head_has_no_body(server):
    with RawConnection(server, timeout_s=15) as connection:
        connection.send(request("HEAD", "/v1/models", Transfer_Encoding="gzip"))
        status, headers = connection.read_head()
        assert status == 501 and int(headers["content-length"]) > 0
        assert connection.is_closed_by_server() and connection.buffer == b""


def test_head_does_not_use_a_ticket_up(start_server, tmp_path):
    server = start_server("--api-key", "ada=a-long-enough-secret")
    bearer = {"Authorization": "Bearer a-long-enough-secret"}
    with server.http(headers=bearer) as http:
        session = http.post("/v1/sessions", json={}).json()["id"]
        ticket = http.post("/v1/stream_tickets", json={"session_id": session}).json()
    text = ticket.get("ticket") or ticket["value"]
    path = f"/v1/sessions/{session}/events?ticket={text}"
    assert head(server, path).status == 200
    with RawConnection(server) as connection:
        connection.send(request("GET", path))
        assert connection.read_head()[0] == 200
    assert head(server, path).status == 401
