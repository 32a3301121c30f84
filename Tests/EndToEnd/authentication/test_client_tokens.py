"""Tokens and tickets for pages: short-lived, narrower than the key that they were made with, never in a log."""

import json
import time

import httpx
import pytest

from keys import Keys, bearer
from processes import InterjectProcess
from rehearsal import brief, endless, eventually, say, unique
from sessions import Session
from event_source import SseParser


@pytest.fixture(scope="module")
def keyed(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tokens")
    keys = Keys(directory / "data")
    made = {"ada": keys.create("ada"), "bob": keys.create("bob"), "reader": keys.create("r", owner="ada", scopes="sessions:read")}
    with InterjectProcess(directory, "--data", keys.directory, "--log-level", "trace") as server:
        server.keys, server.store = made, keys
        yield server


def post(server, key, path, **body):
    with server.http(headers=bearer(key)) as http:
        return http.post(path, json=body)


def token(server, key=None, **body) -> str:
    answer = post(server, key or server.keys["ada"], "/v1/client_tokens", **body)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["object"] == "client_token" and made["expires_at"] <= time.time() + 3601
    assert answer.headers["cache-control"] == "no-store"
    return made["token"]


def ticket(server, key=None, **body) -> str:
    answer = post(server, key or server.keys["ada"], "/v1/stream_tickets", **body)
    assert answer.status_code == 201, answer.text
    return answer.json()["ticket"]


def get(server, path, key=None):
    """The status, and the first bytes of what comes."""
    with httpx.Client(base_url=server.url, headers=bearer(key) if key else {}, timeout=30) as http:
        with http.stream("GET", path) as answer:
            return answer.status_code, next(answer.iter_raw(), b"")


@pytest.fixture
def session(keyed):
    made = Session.create(keyed, headers=bearer(keyed.keys["ada"]))
    yield made
    made.close()


def test_a_token_does_what_its_scopes_permit(keyed):
    made = token(keyed, scopes=["sessions:read"])
    assert get(keyed, "/v1/sessions", made)[0] == 200
    assert post(keyed, made, "/v1/sessions").status_code == 403
    assert get(keyed, "/v1/usage", made)[0] == 403


def test_a_token_is_no_wider_than_its_key(keyed):
    answer = post(keyed, keyed.keys["reader"], "/v1/client_tokens", scopes=["sessions"])
    assert answer.status_code == 403 and "'sessions'" in answer.json()["error"]["message"]
    assert post(keyed, keyed.keys["ada"], "/v1/client_tokens", scopes=["admin"]).status_code == 403
    default = post(keyed, keyed.keys["reader"], "/v1/client_tokens").json()
    assert default["scopes"] == ["sessions:read"]


def test_a_token_makes_no_tokens(keyed):
    assert post(keyed, token(keyed), "/v1/client_tokens").status_code == 403


@pytest.mark.parametrize("seconds", [0, 3601, "x"])
def test_the_lifetime_is_an_hour_at_most(keyed, seconds):
    answer = post(keyed, keyed.keys["ada"], "/v1/client_tokens", expires_in=seconds)
    assert answer.status_code == 400 and answer.json()["error"]["param"] == "expires_in"


def test_a_token_expires(keyed):
    made = token(keyed, expires_in=2)
    assert get(keyed, "/v1/models", made)[0] == 200
    eventually(lambda: get(keyed, "/v1/models", made)[0] == 401, "it has expired")


def test_a_token_ends_with_its_key(keyed):
    key = keyed.store.create("short")
    eventually(lambda: get(keyed, "/v1/models", key)[0] == 200, "the key lets in")
    made = token(keyed, key)
    keyed.store.revoke(key["id"])
    eventually(lambda: get(keyed, "/v1/models", made)[0] == 401, "the token ends with it")


def test_a_token_outlives_a_restart(tmp_path, start_server):
    keys = Keys(tmp_path / "data")
    key = keys.create()
    server = start_server("--data", keys.directory)
    made = token(server, key)
    server.stop()
    assert get(start_server("--data", keys.directory), "/v1/models", made)[0] == 200


def test_a_token_for_one_session_opens_nothing_else(keyed, session, open_socket):
    other = Session.create(keyed, headers=bearer(keyed.keys["ada"]))
    made = token(keyed, session_id=session.id, scopes=["sessions", "responses", "chat"])
    assert get(keyed, session.path, made)[0] == 200
    accepted = post(keyed, made, f"{session.path}/input", input=endless(unique()))
    assert accepted.status_code == 202
    assert get(keyed, f"/v1/responses/{accepted.json()['response_id']}", made)[0] == 200
    foreign = other.speak(endless(unique()))["response_id"]
    assert get(keyed, other.path, made)[0] == 404
    assert get(keyed, f"/v1/responses/{foreign}?stream=true", made)[0] == 404
    assert get(keyed, "/v1/sessions", made)[0] == 403
    assert post(keyed, made, "/v1/sessions").status_code == 403
    assert post(keyed, made, "/v1/responses", model="rehearsal", input="x").status_code == 403
    chat = post(keyed, made, "/v1/chat/completions", model="rehearsal", messages=[{"role": "user", "content": "x"}])
    assert chat.status_code == 403
    socket = open_socket(to=keyed, headers=bearer(made))
    socket.send("interject:join", session_id=other.id)
    assert socket.wait_for_type("error")["error"]["code"] == "session_not_found"
    seen = len(socket.events)
    socket.send("interject:cancel", response_id=foreign)
    assert socket.wait_for_type("error", seen)["error"]["code"] == "response_not_found"
    seen = len(socket.events)
    socket.create(brief(unique()))
    assert socket.wait_for_type("error", seen)["error"]["code"] == "credential_is_bound"
    socket.join(session.id)
    other.close()


def test_tokens_and_tickets_for_what_is_anothers_are_not_made(keyed, session):
    for path in ("/v1/client_tokens", "/v1/stream_tickets"):
        answer = post(keyed, keyed.keys["bob"], path, session_id=session.id)
        assert answer.status_code == 404 and answer.json()["error"]["code"] == "session_not_found"


def test_a_ticket_opens_one_stream_once(keyed, session):
    made = ticket(keyed, session_id=session.id)
    code, data = get(keyed, f"{session.path}/events?ticket={made}")
    assert code == 200 and data
    code, data = get(keyed, f"{session.path}/events?ticket={made}")
    assert code == 401 and json.loads(data)["error"]["code"] == "invalid_ticket"


def test_a_ticket_opens_only_what_it_is_for(keyed, session):
    other = Session.create(keyed, headers=bearer(keyed.keys["ada"]))
    assert get(keyed, f"{other.path}/events?ticket={ticket(keyed, session_id=session.id)}")[0] == 404
    assert get(keyed, f"/v1/usage?ticket={ticket(keyed, session_id=session.id)}")[0] == 403
    with keyed.http() as http:
        made = ticket(keyed, session_id=session.id)
        assert http.post(f"{session.path}/input?ticket={made}", json={"input": "x"}).status_code == 401
    other.close()


def test_a_ticket_replays_one_response(keyed, session):
    id = session.speak(brief(unique()))["response_id"]
    session.wait_for_end_of(id)
    made = ticket(keyed, response_id=id)
    parser, seen = SseParser(), []
    with keyed.http() as http, http.stream("GET", f"/v1/responses/{id}?stream=true&ticket={made}") as answer:
        for piece in answer.iter_raw():
            seen += parser.feed(piece)
    assert seen[-1][1] == "[DONE]"
    assert get(keyed, f"{session.path}?ticket={ticket(keyed, response_id=id)}")[0] == 404


def test_a_ticket_made_with_a_token_opens_a_websocket(keyed, session, open_socket):
    made = ticket(keyed, token(keyed, session_id=session.id), session_id=session.id)
    socket = open_socket(to=keyed, path=f"/v1/responses?ticket={made}")
    socket.join(session.id)
    socket.send("interject:input", session_id=session.id, input=brief(unique()))
    socket.wait_for_type("response.completed")


def test_a_ticket_lasts_a_minute_at_most(keyed, session):
    assert post(keyed, keyed.keys["ada"], "/v1/stream_tickets", session_id=session.id, expires_in=61).status_code == 400
    made = ticket(keyed, session_id=session.id, expires_in=1)
    # Asked earlier, it would be used up.
    time.sleep(1.1)
    assert get(keyed, f"{session.path}?ticket={made}")[0] == 401


def test_no_secret_is_logged(keyed, session):
    made, once = token(keyed), ticket(keyed, session_id=session.id)
    get(keyed, f"{session.path}/events?ticket={once}")
    get(keyed, f"{session.path}/events?ticket={once}")
    get(keyed, "/v1/models", made)
    log = keyed.log_path.read_text(errors="replace")
    assert session.path in log, "the log tells of the requests"
    for secret in (made, once, keyed.keys["ada"]["secret"]):
        assert secret not in log


def test_a_token_that_expires_opens_nothing_more_and_cuts_nothing(keyed):
    short = token(keyed, expires_in=2)
    text = say(unique(), tokens=40, pace=10)
    with keyed.http(headers=bearer(short)) as http:
        with http.stream("POST", "/v1/responses", json={"model": "rehearsal", "stream": True, "input": text}) as answer:
            assert answer.status_code == 200
            whole = "".join(answer.iter_text())
        assert http.get("/v1/models").status_code == 401
    assert "event: response.completed" in whole and "event: error" not in whole
