"""Where events may have been lost, an epoch begins (Protocols/storage.md): a position of what is lost is told so by every face, also
when its number has come to stand for another event; one of what is left goes on."""

import json
import shutil
import sqlite3

import pytest

from event_source import EventSource
from rehearsal import brief, eventually, say
from restarts import kill
from sessions import TERMINAL, Session, bare, position, sequence
from sockets import Socket


class Server:
    """A server whose data folder is taken away and put back."""

    def __init__(self, start_server, tmp_path, *flags):
        self.data, self.backup = tmp_path / "data", tmp_path / "backup"
        self.process = start_server("--data", self.data, *flags)

    def stop(self):
        self.process.stop()
        self.process.ready_path.unlink()

    def kill(self):
        kill(self.process)
        self.process.ready_path.unlink()

    def save(self, *, by_kill=False):
        self.kill() if by_kill else self.stop()
        shutil.copytree(self.data, self.backup)
        self.process.start()

    def restore(self):
        """The whole folder, as `cp -a` brings it back."""
        self.stop()
        shutil.rmtree(self.data)
        shutil.copytree(self.backup, self.data)
        self.process.start()

    def session(self, session_id=None) -> Session:
        return Session(self.process, session_id) if session_id else Session.create(self.process)


class Restored:
    """A session of which a backup was restored, and in which more was said since than the backup lost."""

    def __init__(self, start_server, tmp_path, tag):
        self.server = Server(start_server, tmp_path)
        session = self.server.session()
        session.speak(brief(f"{tag}one"))
        session.wait_until_idle()
        self.left = session.log()
        self.server.save()
        session = self.server.session(session.id)
        session.speak(brief(f"{tag}lost"))
        session.wait_until_idle()
        self.seen = session.log()
        assert all("epoch" not in e["interject"] for e in self.seen)
        self.server.restore()
        self.session = self.server.session(session.id)
        self.session.speak(say(f"{tag}two", tokens=60, pace=0))
        self.session.wait_until_idle()
        self.log = self.session.log()
        assert len(self.log) > len(self.seen) > len(self.left)


@pytest.fixture
def restored(start_server, tmp_path, tag):
    return Restored(start_server, tmp_path, tag)


def test_numbers_go_on_and_the_epoch_is_told_with_them(restored):
    log, left = restored.log, len(restored.left)
    assert log[:left] == restored.left
    assert [sequence(e) for e in log] == list(range(1, len(log) + 1))
    epochs = {e["interject"].get("epoch") for e in log[left:]}
    assert len(epochs) == 1 and epochs.pop() > 0
    state = restored.session.state()
    assert position(state) == position(log[-1])
    with restored.server.process.http() as http:
        listed = http.get("/v1/sessions").json()["data"]
    assert [position(s) for s in listed] == [position(log[-1])]
    accepted = next(e for e in log[left:] if e["type"] == "interject:input.accepted")
    answer = restored.session.speak(brief("again"))
    assert answer["epoch"] == accepted["interject"]["epoch"] and answer["sequence"] > sequence(log[-1])


def test_a_poller_of_what_is_lost_gets_the_state(restored):
    lost, last = position(restored.seen[-1]), position(restored.log[-1])
    page = restored.session.poll(lost)
    assert page["recovered"] is False and position(page) == last and not page["has_more"]
    assert [e["type"] for e in page["data"]] == ["interject:snapshot"]
    assert position(page["data"][0]) == last and page["data"][0]["interject"]["epoch"] == page["epoch"]
    assert restored.session.poll(last) == {**page, "recovered": True, "data": []}
    # What is left is left, and what is new is one's own.
    assert restored.session.log(position(restored.left[-1])) == restored.log[len(restored.left):]
    assert restored.session.log(position(restored.log[-5])) == restored.log[-4:]
    assert restored.session.poll(f"7:{len(restored.left)}")["recovered"] is False


def test_an_event_source_of_what_is_lost_gets_the_state(restored):
    path = f"{restored.session.path}/events"
    with EventSource(restored.server.process, path, last_event_id=position(restored.seen[-1])) as source:
        source.read_until(lambda e: True)
        restored.session.speak(brief("more"))
        source.read_until(lambda e: e[0] in TERMINAL)
    kind, data, identifier = source.events[0]
    assert kind == "interject:snapshot" and json.loads(data)["recovered"] is False
    assert identifier == position(restored.log[-1]) == position(json.loads(data))
    more = restored.session.log(identifier)
    assert [i for _, _, i in source.events[1:]] == [position(e) for e in more][: len(source.events) - 1]
    for start, rest in ((restored.left[-1], restored.log[len(restored.left):]), (restored.log[-5], restored.log[-4:])):
        with EventSource(restored.server.process, path, last_event_id=position(start)) as source:
            source.read_until(lambda e, last=position(rest[-1]): e[2] == last)
        assert [(i, json.loads(d)) for _, d, i in source.events] == [(position(e), bare(e)) for e in rest]


def test_a_join_after_what_is_lost_gets_the_state(restored):
    process, session = restored.server.process, restored.session
    for start in (sequence(restored.seen[-1]), position(restored.seen[-1])):
        socket = Socket(process)
        joined = socket.join(session.id, starting_after=start)
        assert position(joined) == position(restored.log[-1])
        snapshot = socket.wait_for_type("interject:snapshot")
        assert snapshot["recovered"] is False and position(snapshot) == position(restored.log[-1])
        assert [e["type"] for e in socket.events] == ["interject:joined", "interject:snapshot"]
        socket.close()
    for start, rest in ((restored.left[-1], restored.log[len(restored.left):]), (restored.log[-5], restored.log[-4:])):
        socket = Socket(process)
        socket.join(session.id, starting_after=position(start))
        socket.wait_for(lambda e, last=rest[-1]: bare(e) == bare(last), "the last")
        assert [(position(e), bare(e)) for e in socket.events[1:]] == [(position(e), bare(e)) for e in rest]
        socket.close()
    socket = Socket(process)
    socket.send("interject:join", session_id=session.id, starting_after="2:-1")
    assert socket.wait_for_type("error")["error"]["param"] == "starting_after"
    socket.close()


def test_a_session_that_was_lost_is_not_found_and_a_new_one_has_no_epoch(start_server, tmp_path, tag):
    server = Server(start_server, tmp_path)
    server.save()
    lost = server.session()
    server.restore()
    with server.process.http() as http:
        assert http.get(lost.path).status_code == 404
    session = server.session()
    session.speak(brief(tag))
    session.wait_until_idle()
    assert all("epoch" not in e["interject"] for e in session.log())


def response_events(server, response_id, after=None):
    """(status or error, events with ids) of a response's stream."""
    params = {"stream": "true", **({} if after is None else {"starting_after": after})}
    with server.process.http() as http, http.stream("GET", f"/v1/responses/{response_id}", params=params) as answer:
        if answer.status_code != 200:
            return json.loads(answer.read())["error"]["code"], []
        events, identifier = [], None
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if name == "id":
                identifier = value
            elif name == "data" and value != "[DONE]":
                events.append((identifier, json.loads(value)))
                identifier = None
        return 200, events


def test_the_stream_of_a_response_tells_of_events_that_were_lost(start_server, start_rehearsal, tmp_path, tag):
    """A response that ran when the backup was made, and that went on twice from there."""
    model = start_rehearsal()
    server = Server(start_server, tmp_path, "--upstream", f"{model.url}/v1")
    session = server.session()
    response_id = session.speak(say(tag, tokens=60, pace=40))["response_id"]
    eventually(lambda: sum(e["type"] == "response.output_text.delta" for e in session.log()) > 5, "it speaks")
    server.save(by_kill=True)
    session = server.session(session.id)
    before = [e for e in session.wait_for_end_of(response_id) if e.get("sequence_number") is not None]
    server.restore()
    session = server.session(session.id)
    session.wait_for_end_of(response_id)
    after = [e for e in session.log() if e.get("sequence_number") is not None]
    left = sum("epoch" not in e["interject"] for e in after)
    assert 5 < left < min(len(before), len(after))

    status, events = response_events(server, response_id)
    assert status == 200 and [e["sequence_number"] for _, e in events] == list(range(len(after)))
    epoch = after[-1]["interject"]["epoch"]
    expected = [None] * left + [f"{epoch}:{number}" for number in range(left, len(after))]
    assert [identifier for identifier, _ in events] == expected
    # What is left goes on; what may be of the lost ones is told so; who says which ones they are goes on.
    for number in (0, left - 1):
        assert response_events(server, response_id, number) == (200, events[number + 1:])
    for number in (left, len(after) - 2, len(after) - 1, len(after) + 100):
        assert response_events(server, response_id, number) == ("events_expired", []), number
    for number in (left, len(after) - 2, len(after) - 1):
        assert response_events(server, response_id, f"{epoch}:{number}") == (200, events[number + 1:]), number
    assert response_events(server, response_id, "7:3") == ("events_expired", [])
    with server.process.http() as http:
        params = {"stream": "true", "starting_after": "1:x"}
        assert http.get(f"/v1/responses/{response_id}", params=params).status_code == 400


@pytest.mark.parametrize("durability", ["full", "process"])
def test_kill_9_begins_no_epoch(start_server, tmp_path, tag, durability):
    server = Server(start_server, tmp_path, "--durability", durability)
    session = server.session()
    session.speak(brief(tag))
    session.wait_until_idle()
    for _ in range(2):
        server.kill()
        server.process.start()
    session = server.session(session.id)
    session.speak(brief(f"{tag}more"))
    session.wait_until_idle()
    assert all("epoch" not in e["interject"] for e in session.log())


def test_a_journal_that_is_gone_begins_an_epoch(start_server, tmp_path, tag):
    server = Server(start_server, tmp_path)
    session = server.session()
    session.speak(brief(tag))
    session.wait_until_idle()
    left = session.log()
    server.stop()
    sqlite3.connect(server.data / "interject.sqlite").execute("PRAGMA wal_checkpoint(TRUNCATE)")
    server.process.start()
    session = server.session(session.id)
    session.speak(brief(f"{tag}lost"))
    session.wait_until_idle()
    lost = session.log()
    server.kill()
    for suffix in ("-wal", "-shm"):
        (server.data / f"interject.sqlite{suffix}").unlink()
    server.process.start()
    assert "events may have been lost" in server.process.log_tail(200)
    session = server.session(session.id)
    session.speak(say(f"{tag}more", tokens=60, pace=0))
    session.wait_until_idle()
    log = session.log()
    assert log[: len(left)] == left and all(e["interject"]["epoch"] > 0 for e in log[len(left):])
    assert len(log) > len(lost) and session.poll(position(lost[-1]))["recovered"] is False


def test_a_database_put_back_alone_begins_an_epoch(start_server, tmp_path, tag):
    """As Protocols/storage.md says how to restore: the copy in the place of the database, all else left."""
    server = Server(start_server, tmp_path)
    session = server.session()
    with sqlite3.connect(server.data / "interject.sqlite") as source, sqlite3.connect(tmp_path / "copy.sqlite") as copy:
        source.backup(copy)
    session.speak(brief(tag))
    session.wait_until_idle()
    lost = session.log()
    server.stop()
    for suffix in ("-wal", "-shm"):
        (server.data / f"interject.sqlite{suffix}").unlink(missing_ok=True)
    # In the same file, as `cp` does it.
    shutil.copy(tmp_path / "copy.sqlite", server.data / "interject.sqlite")
    server.process.start()
    session = server.session(session.id)
    session.speak(say(f"{tag}more", tokens=60, pace=0))
    session.wait_until_idle()
    assert session.poll(position(lost[-1]))["recovered"] is False
    assert session.log()[-1]["interject"]["epoch"] > 0
