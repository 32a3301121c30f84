"""Several people in one session: each sees all, each has a name, each may cut in."""

import pytest

from log_rules import Log
from rehearsal import brief, endless, eventually, say
from sessions import Session, sequence


@pytest.fixture
def party(new_session, open_socket):
    """A session with Ada and Bob in it."""
    session = new_session()
    people = {}
    for name in ("Ada", "Bob"):
        people[name] = open_socket()
        people[name].join(session.id, name=name, starting_after=0)
    return session, people["Ada"], people["Bob"]


def names(participants):
    return sorted(p["name"] for p in participants)


def seen_by(socket, session, log):
    """What this socket saw of the log, once it has seen the end."""
    last = sequence(log[-1])
    socket.wait_for(lambda e: (e.get("interject") or {}).get("sequence") == last, f"event {last}")
    return [{k: v for k, v in e.items() if k != "stream_id"} for e in socket.log_of(session.id)]


def test_who_is_there_is_in_the_state_and_in_the_log(party):
    session, ada, bob = party
    assert names(session.state()["participants"]) == ["Ada", "Bob"]
    joined = Log.of(session).of_type("interject:participant.joined")
    assert [e["participant"]["name"] for e in joined] == ["Ada", "Bob"]
    assert len({e["participant"]["id"] for e in joined}) == 2
    assert ada.wait_for_type("interject:joined")["participant"] == joined[0]["participant"]


@pytest.mark.parametrize("how", ["leave", "close", "abort"])
def test_who_leaves_is_missed(party, how):
    session, ada, bob = party
    if how == "leave":
        bob.send("interject:leave", session_id=session.id)
        assert bob.wait_for_type("interject:left")
    else:
        getattr(bob, how)()
    left = ada.wait_for_type("interject:participant.left")
    assert left["participant"]["name"] == "Bob"
    assert names(session.state()["participants"]) == ["Ada"]


def test_a_watcher_is_no_participant(party, open_socket):
    session, ada, bob = party
    watcher = open_socket()
    assert not watcher.join(session.id)["participant"]
    nameless = open_socket()
    nameless.join(session.id, name="Cleo", role="watcher")
    assert names(session.state()["participants"]) == ["Ada", "Bob"]


def test_each_sees_every_event(party, open_socket, tag):
    session, ada, bob = party
    watcher = open_socket()
    watcher.join(session.id, starting_after=0)
    ada.send("interject:input", session_id=session.id, input=brief(tag))
    ada.wait_for_type("response.completed")
    log = session.log()
    Log(log)
    assert seen_by(ada, session, log) == seen_by(bob, session, log) == seen_by(watcher, session, log) == log


def test_each_may_cut_in_and_is_named(party, rehearsal, tag):
    session, ada, bob = party
    ada.send("interject:input", session_id=session.id, input=endless(f"{tag}a"), client_event_id="a")
    ada.wait_for_deltas(3)
    bob.send("interject:input", session_id=session.id, input=brief(f"{tag}b"), client_event_id="b")
    bob.wait_for_type("response.completed")
    log = Log.of(session)
    speakers = {e["client_event_id"]: e["participant"]["name"] for e in log.of_type("interject:input.accepted")}
    assert speakers == {"a": "Ada", "b": "Bob"}
    assert [t.status for t in log.order] == ["incomplete", "completed"]
    rehearsal.wait_for_state(f"{tag}a", "aborted")
    assert seen_by(ada, session, log.events) == seen_by(bob, session, log.events)


def test_who_cancels_is_named(party, tag):
    session, ada, bob = party
    ada.send("interject:input", session_id=session.id, input=endless(tag))
    ada.wait_for_deltas(2)
    bob.send("interject:cancel", session_id=session.id)
    assert ada.wait_for_type("interject:cancelled")["participant"]["name"] == "Bob"


def test_a_one_way_client_may_name_itself(new_session, tag):
    session = new_session()
    ack = session.speak(brief(tag), participant="Cleo")
    accepted = session.log()[ack["sequence"] - 1]
    assert accepted["participant"]["name"] == "Cleo"


def test_an_input_without_a_session_makes_one_and_joins_it(open_socket, server, tag):
    socket = open_socket()
    socket.send("interject:input", input=brief(tag), model="rehearsal", client_event_id="first")
    accepted = socket.wait_for_type("interject:input.accepted", client_event_id="first")
    socket.wait_for_type("response.completed")
    session = Session(server, accepted["interject"]["session_id"])
    assert Log.of(session).order[0].status == "completed"
    session.speak(brief(f"{tag}b"), client_event_id="second")
    socket.wait_for_type("interject:input.accepted", client_event_id="second")


def test_joining_from_now_on_shows_nothing_old(new_session, open_socket, tag):
    session = new_session()
    session.wait_for_end_of(session.speak(brief(tag))["response_id"])
    socket = open_socket()
    joined = socket.join(session.id)
    assert joined["session"]["last_sequence_number"] == joined["sequence"] == len(session.log())
    session.speak(brief(f"{tag}b"))
    socket.wait_for_type("response.completed")
    assert sequence(socket.log_of(session.id)[0]) == joined["sequence"] + 1


def test_after_leaving_nothing_more_comes(new_session, open_socket, tag):
    session, socket = new_session(), open_socket()
    other = new_session()
    socket.join(session.id)
    socket.send("interject:leave", session_id=session.id)
    socket.wait_for_type("interject:left")
    session.wait_for_end_of(session.speak(brief(tag))["response_id"])
    # What comes on the same connection after it shows that nothing is still under way.
    socket.join(other.id)
    assert socket.log_of(session.id) == []


def test_joining_what_is_not_there_is_an_error(open_socket):
    socket = open_socket()
    socket.send("interject:join", session_id="sess_that_never_was", client_event_id="j")
    error = socket.wait_for_type("error", client_event_id="j")
    assert error["status"] == 404 and error["error"]["code"] == "session_not_found"


def test_one_socket_may_be_in_several_sessions(new_session, open_socket, tag):
    sessions, socket = [new_session(), new_session()], open_socket()
    for number, session in enumerate(sessions):
        socket.join(session.id, name="Ada", stream_id=f"lane{number}")
        session.speak(brief(f"{tag}{number}"))
    for number, session in enumerate(sessions):
        log = session.wait_until_idle()
        last = sequence(log[-1])
        eventually(lambda: socket.log_of(session.id) and sequence(socket.log_of(session.id)[-1]) == last, "all is seen")
        assert {e["stream_id"] for e in socket.log_of(session.id)} == {f"lane{number}"}


def test_a_join_from_beyond_the_log_doubles_no_event_of_a_lane(open_socket, new_session, tag):
    session = new_session()
    socket = open_socket()
    socket.create(say(tag, tokens=60, pace=60), interject={"session_id": session.id}, stream_id="lane")
    socket.wait_for_deltas(3)
    socket.join(session.id, starting_after=10**9)
    assert socket.wait_for_type("interject:snapshot")["recovered"] is False
    socket.wait_for(lambda e: e["type"] == "response.completed", "the end")
    # What comes before the answer to this has come.
    socket.send("interject:leave", session_id=session.id)
    socket.wait_for_type("interject:left")
    joined = next(i for i, e in enumerate(socket.events) if e["type"] == "interject:joined")
    told = [e for e in socket.events[joined:] if e["type"] != "interject:snapshot"]
    numbers = [sequence(e) for e in told if "sequence" in (e.get("interject") or {})]
    assert len(numbers) > 10 and len(numbers) == len(set(numbers))
