"""An answer that is kept to be given again goes with what it tells of: no word of it stays in the database."""

import resource
import sqlite3

import pytest

from full_disk import fill, limit, readiness
from metrics import Metrics
from processes import run_binary
from rehearsal import brief, endless, eventually
from sessions import Session, user_message


def rows_with(data, marker: str) -> list[str]:
    """Tables with a row that holds the word, by whichever column."""
    with sqlite3.connect(f"file:{data / 'interject.sqlite'}?mode=ro", uri=True) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        found = []
        for table in tables:
            for row in database.execute(f"SELECT * FROM {table}"):
                if any(marker.encode() in (cell if isinstance(cell, bytes) else str(cell).encode()) for cell in row):
                    found.append(table)
        return sorted(set(found))


def keyed(number) -> dict:
    return {"Idempotency-Key": f"key {number}"}


def gone(answer) -> bool:
    return answer.status_code == 410 and answer.json()["error"]["code"] == "idempotent_result_expired"


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


class Named:
    """What a client makes under names, each with the word in its answer."""

    def __init__(self, server, tag):
        self.server, self.tag = server, tag
        self.http = server.http()

    def make_session(self):
        return self.http.post("/v1/sessions", json={"metadata": {"word": self.tag}}, headers=keyed("session"))

    def make_conversation(self):
        return self.http.post("/v1/conversations", json={"metadata": {"word": self.tag}}, headers=keyed("conversation"))

    def upload(self):
        files = {"file": (f"{self.tag}.jsonl", b"{}\n", "application/json")}
        return self.http.post("/v1/files", data={"purpose": "batch"}, files=files, headers=keyed("file"))

    def interrupt(self, session):
        """An input whose answer quotes what had been said."""
        return self.http.post(
            f"/v1/sessions/{session}/input", json={"input": "stop", "client_event_id": self.tag}, headers=keyed("input"))


def test_answers_go_with_what_is_deleted(start_server, data, tag):
    server = start_server("--data", data)
    named = Named(server, tag)
    session, conversation = named.make_session().json()["id"], named.make_conversation().json()["id"]
    file = named.upload().json()["id"]
    Session(server, session).speak(brief(tag))
    assert named.interrupt(session).status_code == 202
    assert "idempotency_keys" in rows_with(data, tag)
    for path in (f"sessions/{session}", f"conversations/{conversation}", f"files/{file}"):
        assert named.http.delete(f"/v1/{path}").status_code == 200
    assert rows_with(data, tag) == []
    for again in (named.make_session, named.make_conversation, lambda: named.interrupt(session)):
        assert gone(again())
    # Over a restart too, and another command under the name is another command still.
    assert server.stop() == 0
    named = Named(start_server("--data", data), tag)
    assert gone(named.make_session()) and gone(named.make_conversation())
    assert named.http.post("/v1/sessions", json={}, headers=keyed("session")).status_code == 422
    assert rows_with(data, tag) == []


def test_a_file_that_is_uploaded_again_after_its_deletion_is_gone(start_server, data, tag):
    named = Named(start_server("--data", data), tag)
    content = b"--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n"
    content += f"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{tag}\"\r\n\r\n{{}}\r\n--b--\r\n".encode()
    headers = {"Content-Type": "multipart/form-data; boundary=b", **keyed("file")}
    made = named.http.post("/v1/files", content=content, headers=headers)
    again = named.http.post("/v1/files", content=content, headers=headers)
    assert made.status_code == 200 and again.json() == made.json()
    assert rows_with(data, tag) == ["files", "idempotency_keys"]
    assert named.http.delete(f"/v1/files/{made.json()['id']}").status_code == 200
    assert rows_with(data, tag) == []
    assert gone(named.http.post("/v1/files", content=content, headers=headers))


def test_a_quote_goes_with_the_response_that_it_quotes(start_server, data, tag):
    """The answer to an interruption holds what had been heard: words of a response that may be deleted alone."""
    server = start_server("--data", data)
    session = Session.create(server)
    spoken = session.speak(endless(tag))["response_id"]
    session.wait_for(lambda e: e["type"] == "response.output_text.delta", "text")
    fields = {"input": "stop"}
    first = session.http.post(f"{session.path}/input", json=fields, headers=keyed("input"))
    assert first.json()["interrupted"]["response_id"] == spoken
    assert session.http.delete(f"/v1/responses/{spoken}").status_code == 200
    with sqlite3.connect(data / "interject.sqlite") as database:
        assert database.execute("SELECT answer, status FROM idempotency_keys").fetchall() == [(None, 410)]
    assert gone(session.http.post(f"{session.path}/input", json=fields, headers=keyed("input")))
    assert len([e for e in session.log() if e["type"] == "interject:input.accepted"]) == 2


def test_an_answer_of_what_is_not_kept_is_not_kept_either(start_server, data, tag):
    """A response with `store: false` is in no table, and neither is what is said of it."""
    server = start_server("--data", data)
    with server.http() as http, http.stream(
        "POST", "/v1/responses", json={"model": "rehearsal", "input": endless(tag), "store": False, "stream": True}
    ) as stream:
        next(stream.iter_bytes())
        session = stream.headers["interject-session"]
        answer = Named(server, tag).interrupt(session)
        again = Named(server, tag).interrupt(session)
    assert answer.status_code == 202 and again.json() == answer.json()
    assert rows_with(data, tag) == []


@pytest.mark.parametrize("flag", ["--session", "--owner", "--older-than"])
def test_a_purge_takes_the_answers_with_it(start_server, data, tag, flag):
    server = start_server("--data", data, "--api-key", "ann=ka")
    headers = {"Authorization": "Bearer ka"}
    with server.http(headers={**headers, **keyed("session")}) as http:
        session = http.post("/v1/sessions", json={"metadata": {"word": tag}}).json()["id"]
    assert server.stop() == 0
    assert {"idempotency_keys", "sessions"} <= set(rows_with(data, tag))
    value = {"--session": session, "--owner": "ann", "--older-than": "1"}[flag]

    def purge():
        """Nothing is found before it is old enough."""
        done = run_binary("purge", "--data", data, flag, value)
        return done if done.stdout != "0 sessions deleted\n" else None

    result = eventually(purge, "the session is purged")
    assert result.stdout == "1 session deleted\n", result.stderr
    assert rows_with(data, tag) == []
    assert tag.encode() not in b"".join(path.read_bytes() for path in data.glob("interject.sqlite*"))


@pytest.mark.timeout(120)
def test_retention_takes_the_answers_with_it(start_server, data, tag):
    named = Named(start_server("--data", data), tag)
    made = named.make_session().json()
    named.server.stop()
    # Nobody has it in memory after a restart, so that its time is over soon.
    named = Named(start_server("--data", data, "--retention", 2), tag)
    eventually(lambda: rows_with(data, tag) == [], "the session and its answer are deleted", timeout_s=60)
    assert made["metadata"] == {"word": tag} and gone(named.make_session())


@pytest.mark.timeout(120)
def test_names_whose_time_is_over_leave_the_database_of_a_running_server(start_server, data, tag):
    named = Named(start_server("--data", data, "--idempotency-retention", 2), tag)
    first = named.make_session().json()["id"]

    def count():
        with sqlite3.connect(data / "interject.sqlite") as database:
            return database.execute("SELECT count(*) FROM idempotency_keys").fetchone()[0]

    eventually(lambda: count() == 0, "the name is gone", timeout_s=60)
    assert named.make_session().json()["id"] != first


def test_without_a_store_answers_go_as_well(start_server, tag):
    named = Named(start_server("--data", "none"), tag)
    session = named.make_session().json()["id"]
    assert named.make_session().json()["id"] == session
    assert named.http.delete(f"/v1/sessions/{session}").status_code == 200
    assert gone(named.make_session())


@pytest.mark.timeout(120)
def test_what_was_said_leaves_the_log_that_all_share(start_server, data, tag):
    """The newest events of all sessions stand in common rows, which others hold on to that have little to say."""
    server = start_server("--data", data, "--retention", 100)
    with server.http() as http:
        holder = http.post("/v1/conversations", json={"items": user_message("hello")}).json()["id"]
        session = Session.create(server)
        session.speak(brief(tag))
        session.wait_until_idle()
        assert "event_tail" in rows_with(data, tag)
        assert session.http.delete(session.path).status_code == 200
        eventually(lambda: rows_with(data, tag) == [], "no row holds a word of it", timeout_s=40)
        log = http.get(f"/v1/sessions/{holder}/events", headers={"Accept": "application/json"}).json()["data"]
        assert log and [e["interject"]["sequence"] for e in log] == list(range(1, len(log) + 1))


def test_commands_with_a_name_do_not_pile_up_while_the_disk_is_full(start_server, tag):
    """What was done under a name is told again meanwhile; a new name waits for nothing and leaves nothing."""
    server = start_server()
    known = {"Idempotency-Key": f"{tag} known"}
    with server.http() as http:
        first = http.post("/v1/sessions", json={}, headers=known)
        fill(server)
        http.post(f"/v1/sessions/{first.json()['id']}/input", json={"input": "to be withdrawn"})
        eventually(lambda: readiness(server) == (503, "storage_unavailable"), "not ready")
        before = Metrics(server).get("interject_store_pending_bytes")
        for number in range(200):
            answer = http.post("/v1/sessions", json={}, headers={"Idempotency-Key": f"{tag} {number}"})
            assert answer.status_code == 503 and answer.json()["error"]["code"] == "storage_unavailable"
        assert http.post("/v1/sessions", json={}, headers=known).json() == first.json()
        assert Metrics(server).get("interject_store_pending_bytes") <= before + 4096
        limit(server, resource.RLIM_INFINITY)
        eventually(lambda: readiness(server)[0] == 200, "ready")
        assert http.post("/v1/sessions", json={}, headers={"Idempotency-Key": f"{tag} 0"}).status_code == 201
