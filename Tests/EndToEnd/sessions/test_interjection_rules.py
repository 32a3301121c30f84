"""Interjection beside the matrix: defaults, OpenAI's own verbs, limits, races."""

import threading

import pytest

from log_rules import Log
from rehearsal import brief, endless, eventually, prompt_text, say
from sessions import active_id, item_text, sequence


def test_an_interrupt_is_the_default(new_session, rehearsal, tag):
    session = new_session()
    session.speak(endless(f"{tag}a"))
    rehearsal.wait_for_tokens(f"{tag}a", 3)
    assert session.speak(brief(f"{tag}b"))["mode"] == "interrupt"
    rehearsal.wait_for_state(f"{tag}a", "aborted")


def test_the_default_of_the_session_holds_unless_the_command_says_otherwise(new_session, rehearsal, tag):
    session = new_session(mode="rollback")
    session.speak(endless(f"{tag}a"))
    assert session.speak(endless(f"{tag}b"))["mode"] == "rollback"
    rehearsal.wait_for(f"{tag}b")
    assert session.speak(brief(f"{tag}c"), mode="interrupt")["mode"] == "interrupt"


@pytest.mark.parametrize("mode", ["interrupt", "steer", "queue", "rollback", "reject"])
def test_with_nothing_to_interrupt_an_input_is_just_an_input(new_session, tag, mode):
    session = new_session()
    ack = session.speak(brief(tag), mode=mode)
    assert ack["mode"] == "none" and ack["interrupted"] is None
    assert Log(session.wait_for_end_of(ack["response_id"])).order[0].status == "completed"


def test_openai_verbs_queue_unless_the_body_says_otherwise(new_session, client, rehearsal, tag):
    session = new_session()
    session.speak(say(f"{tag}a", tokens=40, pace=80))
    place = {"interject": {"session_id": session.id}}
    queued = client.responses.create(model="rehearsal-fast", input=brief(f"{tag}b"), extra_body=place)
    assert queued.status == "completed" and rehearsal.wait_for(f"{tag}a")["state"] == "completed"
    session.speak(endless(f"{tag}c"))
    place["interject"]["mode"] = "interrupt"
    client.responses.create(model="rehearsal-fast", input=brief(f"{tag}d"), extra_body=place)
    rehearsal.wait_for_state(f"{tag}c", "aborted")
    assert [t.status for t in Log.of(session).order] == ["completed", "completed", "incomplete", "completed"]


def test_a_steer_by_http(new_session, rehearsal, tag):
    session = new_session()
    old = session.speak(endless(f"{tag}a"))["response_id"]
    rehearsal.wait_for_tokens(f"{tag}a", 5)
    answer = session.http.post(f"/v1/responses/{old}/steer", json={"input": brief(f"{tag}b")})
    assert answer.status_code == 202 and answer.json()["mode"] == "steer"
    log = Log(session.wait_for_end_of(answer.json()["response_id"]))
    assert log.turns[old].reason == "steered"
    successor = log.turns[answer.json()["response_id"]]
    assert successor.created["response"]["previous_response_id"] == old
    assert log.turns[old].text in prompt_text(rehearsal.wait_for(f"{tag}b"))


def test_a_steer_of_a_response_that_is_over_hits_no_other(new_session, tag):
    session = new_session()
    old = session.speak(brief(f"{tag}a"))["response_id"]
    session.wait_for_end_of(old)
    running = session.speak(endless(f"{tag}b"))["response_id"]
    answer = session.http.post(f"/v1/responses/{old}/steer", json={"input": "too late"})
    assert answer.status_code == 409 and answer.json()["error"]["code"] == "response_not_active"
    assert active_id(session.state()) == running, "the steer hit the wrong turn"


def test_a_cancel_with_nothing_to_cancel(new_session, open_socket):
    session, socket = new_session(), open_socket()
    answer = session.post_cancel()
    assert answer.status_code == 409 and answer.json()["error"]["code"] == "no_active_response"
    socket.send("interject:cancel", session_id=session.id, client_event_id="c1")
    error = socket.wait_for_type("error", client_event_id="c1")
    assert error["error"]["code"] == "no_active_response" and error["status"] == 409


@pytest.mark.parametrize("queued, answers", [("keep", 1), ("drop", 0)])
def test_queued_inputs_stay_after_a_cancel_or_are_dropped(new_session, rehearsal, tag, queued, answers):
    session = new_session()
    session.speak(endless(f"{tag}a"))
    session.speak(brief(f"{tag}b"), mode="queue")
    assert len(session.state()["queued"]) == 1
    assert session.post_cancel(**({"queued": "drop"} if queued == "drop" else {})).status_code == 200
    session.wait_until_idle()
    rehearsal.wait_for_state(f"{tag}a", "aborted")
    assert len(rehearsal.requests(f"{tag}b")) == answers


def test_one_that_is_cancelled_while_it_waits_disturbs_nobody(new_session, client, open_socket, rehearsal, tag):
    """Its two events stand between those of the one that runs: each stream of a response has only its own, whole and in order,
    and whoever follows the session can tell them apart."""
    session, socket = new_session(), open_socket()
    socket.join(session.id)
    running = session.speak(say(f"{tag}a", tokens=60, pace=40))["response_id"]
    waiting = session.speak(brief(f"{tag}b"), mode="queue")["response_id"]
    own = client.responses.retrieve(running, stream=True)
    seen = [next(own) for _ in range(8)]
    unheard = client.responses.retrieve(waiting, stream=True)
    assert client.responses.cancel(waiting).status == "cancelled"
    # The SDK has no type for the second: it gives the response of that event as a dict.
    created, cancelled = unheard
    assert (created.type, created.sequence_number, created.response.status) == ("response.created", 0, "queued")
    assert (cancelled.type, cancelled.sequence_number, cancelled.response["status"]) == ("response.cancelled", 1, "cancelled")
    seen += list(own)
    assert [e.sequence_number for e in seen] == list(range(len(seen))) and seen[-1].type == "response.completed"
    with client.responses.stream(response_id=running) as helper:
        assert helper.get_final_response().output_text == seen[-1].response.output_text
    log = Log(session.wait_until_idle())
    first, second = log.turns[running], log.turns[waiting]
    assert first.began < second.began < second.ended < first.ended and first.status == "completed"
    assert second.created["response"]["status"] == "queued" and not rehearsal.requests(f"{tag}b")
    socket.wait_for_type("response.completed")
    assert Log(log.events[:1] + [e for e in socket.events if "interject" in e]).turns.keys() == log.turns.keys()


def test_at_most_sixteen_inputs_wait(new_session, tag):
    session = new_session()
    session.speak(endless(f"{tag}a"))
    for number in range(16):
        session.speak(brief(f"{tag}q{number:02}"), mode="queue")
    refused = session.post_input(brief(f"{tag}r"), mode="queue")
    assert refused.status_code == 429 and refused.json()["error"]["code"] == "too_many_queued_inputs"
    session.post_cancel()
    log = Log(session.wait_until_idle())
    texts = [item_text(i) for i in session.state()["items"] if i["role"] == "user"]
    assert [t.split()[0] for t in texts[1:]] == [f"{tag}q{number:02}" for number in range(16)]
    assert [t.status for t in log.order] == ["cancelled"] + ["completed"] * 16


def test_an_interrupt_overtakes_what_waits(new_session, rehearsal, tag):
    """The queue holds its order; who cuts in is answered at once, and what waited is answered after it."""
    session = new_session()
    session.speak(endless(f"{tag}a"))
    session.speak(brief(f"{tag}queued"), mode="queue")
    session.speak(brief(f"{tag}urgent"), mode="interrupt")
    session.wait_until_idle()
    urgent, queued = (rehearsal.wait_for_state(f"{tag}{word}", "completed") for word in ("urgent", "queued"))
    assert urgent["started_ns"] < queued["started_ns"]


def test_several_steers_in_a_row_each_keep_what_was_said(new_session, rehearsal, tag):
    session = new_session()
    session.speak(endless(f"{tag}0", seed=1))
    for number in range(1, 5):
        rehearsal.wait_for_tokens(f"{tag}{number - 1}", 5)
        eventually(lambda: item_text(session.state()["items"][-1]), "some text is in the state")
        session.speak(endless(f"{tag}{number}", seed=number + 1), mode="steer")
    last_prompt = prompt_text(rehearsal.wait_for_tokens(f"{tag}4", 1))
    session.post_cancel()
    log = Log(session.wait_until_idle())
    for turn in log.order[:4]:
        assert turn.reason == "steered" and turn.text and turn.text in last_prompt


def test_commands_without_sense_are_refused_and_cost_nothing(new_session, open_socket, tag):
    session, socket = new_session(), open_socket()
    running = session.speak(endless(tag))["response_id"]
    for body in ({"input": "x", "mode": "shout"}, {"mode": "interrupt"}, {"input": 7}, {"input": []}):
        answer = session.http.post(f"{session.path}/input", json=body)
        assert answer.status_code == 400, body
        socket.send("interject:input", session_id=session.id, client_event_id=str(body), **body)
        assert socket.wait_for_type("error", client_event_id=str(body))["status"] == 400
    socket.send("interject:input", session_id="sess_that_never_was", input="x", client_event_id="lost")
    assert socket.wait_for_type("error", client_event_id="lost")["status"] == 404
    assert active_id(session.state()) == running


def test_two_who_cut_in_at_the_same_instant_are_served_one_by_one(new_session, open_socket, rehearsal, tag):
    session, socket = new_session(), open_socket()
    socket.join(session.id, name="Ada")
    rounds = 10
    for number in range(rounds):
        session.speak(endless(f"{tag}{number}base"))
        rehearsal.wait_for_tokens(f"{tag}{number}base", 2)
        barrier = threading.Barrier(2)

        def by_http():
            barrier.wait()
            session.speak(endless(f"{tag}{number}http"), client_event_id=f"http{number}")

        other = threading.Thread(target=by_http)
        other.start()
        barrier.wait()
        socket.send("interject:input", session_id=session.id, input=endless(f"{tag}{number}ws"),
                    mode="interrupt", client_event_id=f"ws{number}")
        other.join(30)
        socket.wait_for_type("interject:input.accepted", client_event_id=f"ws{number}")
    session.post_cancel()
    log = Log(session.wait_until_idle())  # No two active at any time: Log checks it.
    accepted = log.of_type("interject:input.accepted")
    assert len(accepted) == rounds * 3
    for earlier, later in zip(accepted, accepted[1:]):
        assert later["interrupted"]["response_id"] == earlier["response_id"], "each cut off the one before it"
        assert sequence(later) > log.turns[earlier["response_id"]].ended
    # Of those that were cut off before they had begun upstream, none goes on there.
    eventually(lambda: all(r["state"] == "aborted" for r in rehearsal.all_requests(tag)), "all are stopped")


def test_interruptions_faster_than_any_answer(new_session, rehearsal, tag):
    session = new_session()
    for number in range(50):
        session.speak(endless(f"{tag}n{number:02}"))
    session.speak(brief(f"{tag}last"))
    log = Log(session.wait_until_idle())
    assert [t.status for t in log.order][-1] == "completed" and len(log.order) == 51
    eventually(lambda: not [r for r in rehearsal.all_requests(tag) if r["state"] == "active"], "nothing goes on upstream")
