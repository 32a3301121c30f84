"""`interject export` and `interject purge`: what is kept, as lines of JSON, and away with it."""

import json
import sqlite3

import pytest

from processes import run_binary
from rehearsal import brief, endless
from sessions import Session, response_text


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


def export(data, *flags) -> list[dict]:
    result = run_binary("export", "--data", data, *flags)
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def purge(data, *flags):
    return run_binary("purge", "--data", data, *flags)


def ids(records) -> list[str]:
    return [record["id"] for record in records if record["record"] == "session"]


@pytest.fixture
def three(start_server, data, tag):
    """A server that has stopped, and its three sessions: two of Ann's, one of Bob's."""
    server = start_server("--data", data, "--api-key", "ann=ka", "--api-key", "bob=kb")
    sessions = []
    for number, key in enumerate(("ka", "ka", "kb")):
        session = Session.create(server, headers={"Authorization": f"Bearer {key}"}, metadata={"number": str(number)})
        session.speak(brief(f"{tag}{number}"))
        session.wait_until_idle()
        sessions.append((session.id, session.log()))
    assert server.stop() == 0
    return sessions


def test_an_export_is_what_was_said(three, data):
    records = export(data)
    assert ids(records) == [id for id, _ in three]
    for number, (id, log) in enumerate(three):
        own = [r for r in records if r.get("session_id", r.get("id")) == id]
        assert [r["record"] for r in own[:2]] == ["session", "item"]
        assert own[0]["metadata"] == {"number": str(number)} and own[0]["owner"] == ("bob" if number == 2 else "ann")
        events = [r for r in own if r["record"] == "event"]
        assert [r["sequence"] for r in events] == list(range(1, len(log) + 1))
        told = [{k: v for k, v in event.items() if k != "interject"} for event in log]
        assert [r["event"] for r in events] == told
        (response,) = [r["response"] for r in own if r["record"] == "response"]
        assert response["status"] == "completed" and response["usage"]["output_tokens"] > 0
        assert response_text(response) == response_text(log[-1]["response"])
        items = [r["item"] for r in own if r["record"] == "item"]
        assert [item["role"] for item in items] == ["user", "assistant"]


def test_a_deleted_response_is_not_exported(start_server, data, tag):
    server = start_server("--data", data)
    with server.sdk() as client:
        kept = client.responses.create(model="rehearsal", input=brief(tag))
        deleted = client.responses.create(model="rehearsal", input=brief(tag + "x"), previous_response_id=kept.id)
        client.responses.delete(deleted.id)
    responses = [r["response"]["id"] for r in export(data) if r["record"] == "response"]
    assert responses == [kept.id]


def test_an_export_of_some(three, data):
    first, second, third = [id for id, _ in three]
    assert ids(export(data, "--owner", "ann")) == [first, second]
    assert ids(export(data, "--session", second)) == [second]
    assert ids(export(data, "--since", "1h")) == [first, second, third]
    assert ids(export(data, "--owner", "nobody")) == []
    missing = run_binary("export", "--data", data, "--session", "sess_none")
    assert missing.returncode == 1 and "sess_none" in missing.stderr


@pytest.mark.parametrize("table, column, known", [
    ("sessions", "defaults", []), ("items", "body", ["session"]), ("responses", "record", ["session", "item"]),
    ("event_chunks", "payload", ["session", "item", "response"])])
def test_a_damaged_session_is_named_and_hides_no_other(three, data, table, column, known):
    first, second, third = [id for id, _ in three]
    whole = export(data)
    with sqlite3.connect(data / "interject.sqlite") as database:
        key = "key" if table == "sessions" else "session"
        database.execute(
            f"UPDATE {table} SET {column} = ? WHERE {key} = (SELECT key FROM sessions WHERE id = ?)",
            (b"cut" if column == "payload" else '{"cut', second))
    result = run_binary("export", "--data", data)
    assert result.returncode == 1
    named, summary = result.stderr.splitlines()
    assert second in named and "cut" not in named and first not in named and "1 of 3 sessions" in summary
    records = [json.loads(line) for line in result.stdout.splitlines()]

    def own(records, id):
        return [r for r in records if r.get("session_id", r.get("id")) == id]

    for id in (first, third):
        assert own(records, id) == own(whole, id)
    assert set(r["record"] for r in own(records, second)) == set(known)


def test_an_export_beside_a_running_server(start_server, data, tag):
    server = start_server("--data", data)
    session = Session.create(server)
    session.speak(endless(tag))
    session.wait_for(lambda e: e["type"] == "response.output_text.delta", "text")
    records = export(data)
    assert ids(records) == [session.id]
    events = [r for r in records if r["record"] == "event"]
    assert [r["sequence"] for r in events] == list(range(1, len(events) + 1))
    assert "response.output_text.delta" in {r["event"]["type"] for r in events}
    # It was in nobody's way.
    seen = session.poll()["last_sequence_number"]
    assert session.poll(seen, wait=10)["data"]
    session.post_cancel()


def test_a_purge_of_one(three, data):
    first, second, third = [id for id, _ in three]
    dry = purge(data, "--session", second, "--dry-run")
    assert dry.returncode == 0 and dry.stdout.split() == [second]
    assert ids(export(data)) == [first, second, third]
    done = purge(data, "--session", second)
    assert done.returncode == 0 and done.stdout == "1 session deleted\n"
    assert ids(export(data)) == [first, third]


def test_a_purge_leaves_nothing_of_an_owner(three, data, start_server, tag):
    assert purge(data, "--owner", "ann").stdout == "2 sessions deleted\n"
    assert ids(export(data)) == [three[2][0]]
    held = b"".join(path.read_bytes() for path in data.glob("interject.sqlite*"))
    assert f"{tag}2".encode() in held and f"{tag}0".encode() not in held
    server = start_server("--data", data, "--api-key", "bob=kb")
    with server.http(headers={"Authorization": "Bearer kb"}) as http:
        assert http.get(f"/v1/sessions/{three[2][0]}").status_code == 200
        assert http.get(f"/v1/sessions/{three[0][0]}").status_code == 404


def test_a_purge_by_age(three, data):
    with sqlite3.connect(data / "interject.sqlite") as database:
        database.execute("UPDATE sessions SET used_at = used_at - 300000 WHERE id = ?", (three[0][0],))
    assert purge(data, "--older-than", "72h", "--owner", "bob").stdout == "0 sessions deleted\n"
    assert purge(data, "--older-than", "72h").stdout == "1 session deleted\n"
    assert ids(export(data)) == [id for id, _ in three[1:]]


def test_a_purge_beside_a_running_server_says_what_to_do(start_server, data):
    start_server("--data", data)
    result = purge(data, "--older-than", "72h")
    assert result.returncode == 1 and result.stdout == ""
    assert "a server runs on" in result.stderr and "stop it first" in result.stderr
    assert purge(data, "--older-than", "72h", "--dry-run").returncode == 0


@pytest.mark.parametrize("arguments, code, word", [
    (["purge"], 2, "--older-than"), (["purge", "--older-than", "soon"], 2, "soon"), (["export", "--since", "soon"], 2, "soon"),
    (["export"], 1, "no interject.sqlite"), (["purge", "--owner", "x"], 1, "no interject.sqlite"),
])
def test_what_is_wrong_is_one_line(data, arguments, code, word):
    result = run_binary(*arguments, "--data", data)
    assert result.returncode == code and word in result.stderr and len(result.stderr.splitlines()) == 1
    assert not data.exists()
