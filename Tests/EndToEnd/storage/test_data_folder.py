"""A data folder that is not as it was left, at the start and under a running server: told, never papered over."""

import os
import time

import pytest

from patience import PATIENCE
from processes import run_binary
from rehearsal import brief, eventually
from sessions import Session


def serve(directory):
    return run_binary("serve", "--host", "127.0.0.1", "--port", "0", "--data", directory)


def test_an_empty_database_is_refused_and_stays_as_it_is(start_server, tmp_path):
    data = tmp_path / "data"
    start_server("--data", data).stop()
    database = data / "interject.sqlite"
    os.truncate(database, 0)
    for suffix in ("-wal", "-shm"):
        (data / f"interject.sqlite{suffix}").unlink(missing_ok=True)
    for result in (serve(data), run_binary("keys", "create", "x", "--data", data), run_binary("export", "--data", data)):
        assert result.returncode != 0 and "is empty" in result.stderr, result
    assert database.stat().st_size == 0


def test_a_removed_lock_file_lets_no_second_server_in(start_server, tmp_path, tag):
    data = tmp_path / "data"
    server = start_server("--data", data)
    session = Session.create(server)
    (data / "interject.lock").unlink()
    result = serve(data)
    assert result.returncode != 0 and "Another interject uses" in result.stderr
    session.speak(brief(tag))
    assert session.wait_until_idle()


@pytest.mark.parametrize("what", ["removed", "replaced", "the folder"])
def test_a_database_that_goes_away_stops_every_write_until_it_is_back(start_server, tmp_path, tag, what):
    data = tmp_path / "data"
    server = start_server("--data", data)
    session = Session.create(server)
    session.speak(brief(tag))
    session.wait_until_idle()
    moved, away = (data, tmp_path / "away") if what == "the folder" else (data / "interject.sqlite", data / "away.sqlite")
    moved.rename(away)
    if what == "replaced":
        moved.write_bytes(b"something else")
    with server.http() as http:
        eventually(lambda: http.get("/readyz").status_code == 503, "it is not ready")
        assert http.get("/readyz").json()["status"] == "storage_unavailable"
        refused = session.post_input(brief(tag))
        assert refused.status_code == 503 and refused.json()["error"]["code"] == "storage_unavailable"
        assert http.post("/v1/responses", json={"model": "rehearsal", "input": "x"}).status_code == 503
        # What is kept can be read.
        assert session.state()["items"]
        assert "nothing is written any more" in server.log_tail(200)
        if what == "replaced":
            moved.unlink()
        away.rename(moved)
        eventually(lambda: http.get("/readyz").status_code == 200, "it is ready again")
    session.speak(brief(f"{tag}again"))
    session.wait_until_idle()
    before = session.log()
    server.stop()
    server.ready_path.unlink()
    server.start()
    assert Session(server, session.id).log() == before


def test_a_write_under_way_when_it_goes_is_not_acknowledged(start_server, tmp_path, tag):
    data = tmp_path / "data"
    server = start_server("--data", data)
    session = Session.create(server)
    (data / "interject.sqlite").rename(data / "away")
    started = time.monotonic()
    answer = session.post_input(brief(tag))
    assert answer.status_code == 503 and time.monotonic() - started < 15 * PATIENCE
    (data / "away").rename(data / "interject.sqlite")
