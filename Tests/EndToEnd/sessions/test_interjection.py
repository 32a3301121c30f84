"""The stop is real: in every mode, by WebSocket and by HTTP, before the first token and in mid-stream, whoever
started the generation and however. The upstream itself says that it was stopped."""

import pytest

from log_rules import Log
from rehearsal import brief, endless, message_text, prompt_text, say
from sessions import active_id, error_of, item_text, sequence
from starters import STARTERS

# How the old response ends: its terminal event, status and reason.
ENDINGS = {
    "interrupt": ("response.incomplete", "incomplete", "interrupted"),
    "steer": ("response.incomplete", "incomplete", "steered"),
    "rollback": ("response.cancelled", "cancelled", None),
    "cancel": ("response.cancelled", "cancelled", None),
}
KEEPS_THE_PARTIAL = ("interrupt", "steer", "cancel")

over_both = pytest.mark.parametrize("over", ["websocket", "http"])
at_both_moments = pytest.mark.parametrize("moment", ["before_first_token", "mid_stream"])
started_in_every_way = pytest.mark.parametrize("starter", STARTERS)


class Scene:
    """A session with a generation under way, a client who watches, and one who cuts in."""

    def __init__(self, session, socket, tag, starter, moment, **directives):
        self.session, self.socket, self.moment = session, socket, moment
        self.rehearsal = session.server.rehearsal
        self.old_tag, self.new_tag = f"{tag}old", f"{tag}new"
        joined = socket.join(session.id, name="Critic")
        self.joined_at = joined["sequence"]
        wait_ms = directives.pop("first_token_ms", 5000)
        if moment == "mid_stream":
            wait_ms = 0
        self.client = STARTERS[starter](session, endless(self.old_tag, first_token_ms=wait_ms, **directives))
        self.old_id = socket.wait_for_type("response.created")["response"]["id"]
        self.rehearsal.wait_for_state(self.old_tag, "active")
        if moment == "mid_stream":
            socket.wait_for_deltas(8)

    def cut_in(self, over, mode):
        """The interjection and its acknowledgement: (accepted or None, error or None)."""
        text = brief(self.new_tag)
        if over == "http":
            if mode == "cancel":
                answer = self.session.post_cancel()
                assert answer.status_code == 200, answer.text
                assert answer.json()["id"] == self.old_id and answer.json()["status"] == "cancelled"
                return self.socket.wait_for_type("interject:cancelled"), None
            answer = self.session.post_input(text, mode=mode, client_event_id="cut")
            if answer.status_code != 202:
                return None, (answer.status_code, answer.json()["error"])
            accepted = self.socket.wait_for(
                lambda e: e["type"] == "interject:input.accepted" and e["client_event_id"] == "cut", "the acknowledgement")
            ack = answer.json()
            assert ack["sequence"] == sequence(accepted)
            assert all(ack[key] == accepted[key] for key in ("mode", "response_id", "interrupted"))
            return accepted, None
        if mode == "cancel":
            self.socket.send("interject:cancel", session_id=self.session.id, client_event_id="cut")
        else:
            self.socket.send(
                "interject:input", session_id=self.session.id, input=text, mode=mode, client_event_id="cut")
        answer = self.socket.wait_for(
            lambda e: e.get("client_event_id") == "cut" and e["type"] in (
                "interject:input.accepted", "interject:cancelled", "error"), "the acknowledgement")
        if answer["type"] == "error":
            return None, (answer["status"], error_of(answer))
        return answer, None

    def check_that_the_watcher_saw_the_log(self, log: Log):
        """Live and read again, a log is the same."""
        last = log.events[-1]
        self.socket.wait_for(lambda e: (e.get("interject") or {}).get("sequence") == sequence(last), "the last event")
        seen = [{k: v for k, v in e.items() if k != "stream_id"} for e in self.socket.log_of(self.session.id)]
        after_join = [e for e in log.events if sequence(e) > self.joined_at]
        assert [e for e in seen if sequence(e) > self.joined_at] == after_join


@pytest.fixture
def scene(new_session, open_socket, tag):
    return lambda *args, **directives: Scene(new_session(), open_socket(), tag, *args, **directives)


@over_both
@at_both_moments
@started_in_every_way
@pytest.mark.parametrize("mode", ENDINGS)
def test_the_upstream_stops_and_nothing_stale_follows(scene, mode, starter, moment, over):
    scene = scene(starter, moment)
    session, rehearsal = scene.session, scene.rehearsal
    ack, error = scene.cut_in(over, mode)
    assert error is None, error

    # The upstream saw its connection close.
    stopped = rehearsal.wait_for_state(scene.old_tag, "aborted")
    if mode != "cancel":
        session.wait_for_end_of(ack["response_id"])
    log = Log(session.wait_until_idle())  # Log checks that not one event is stale and no two responses overlap.
    old = log.turns[scene.old_id]

    # The old response ended, and before its acknowledgement.
    kind, status, reason = ENDINGS[mode]
    assert (old.terminal["type"], old.status, old.reason) == (kind, status, reason)
    assert old.ended < sequence(ack)
    assert (old.text == "") == (moment == "before_first_token")
    assert all(item["status"] == "incomplete" for item in old.items.values())
    if mode == "cancel":
        assert (ack["response_id"], ack["reason"]) == (scene.old_id, "cancel")
    else:
        assert ack["mode"] == mode and ack["interrupted"]["response_id"] == scene.old_id
        assert (ack["interrupted"]["output_text"] or "") == old.text

    # The client that started it was told, with the same text.
    outcome = scene.client.finish()
    assert (outcome.status, outcome.reason, outcome.text) == (status, reason, old.text)

    check_what_is_remembered(scene, mode, old, log)
    scene.check_that_the_watcher_saw_the_log(Log(session.wait_until_idle()))

    # Tokens stopped: since the abort was seen, a whole answer has passed and not one more was sent.
    now = rehearsal.wait_for(scene.old_tag)
    assert (now["state"], now["tokens_sent"]) == ("aborted", stopped["tokens_sent"])
    assert len(rehearsal.requests(scene.old_tag)) == 1


def check_what_is_remembered(scene, mode, old, log):
    """The partial is in the state and in the next prompt, or it is nowhere."""
    partials = [i for i in scene.session.state()["items"] if i["id"] in old.items]
    if mode in KEEPS_THE_PARTIAL and old.text:
        assert [item_text(i) for i in partials] == [old.text] and partials[0]["status"] == "incomplete"
    elif mode == "rollback":
        assert partials == []
        rolled_back = log.of_type("interject:rolled_back")[0]
        assert rolled_back["response_id"] == scene.old_id and set(old.items) <= set(rolled_back["item_ids"])
    if mode == "cancel":
        scene.session.wait_for_end_of(scene.session.speak(brief(scene.new_tag))["response_id"])
    prompt = scene.rehearsal.wait_for_state(scene.new_tag, "completed")
    if not old.text:
        assert not any(message_text(m) for m in prompt["messages"] if m["role"] == "assistant")
    else:
        assert (old.text in prompt_text(prompt)) == (mode in KEEPS_THE_PARTIAL)


@over_both
@at_both_moments
@started_in_every_way
def test_a_queued_input_waits_for_its_turn(scene, starter, moment, over):
    scene = scene(starter, moment, tokens=60, pace=100, first_token_ms=600)
    ack, error = scene.cut_in(over, "queue")
    assert error is None, error
    assert (ack["mode"], ack["interrupted"]) == ("queue", None) and ack["response_id"] != scene.old_id
    log = Log(scene.session.wait_until_idle())
    old, new = log.order
    assert old.id == scene.old_id and old.status == new.status == "completed"
    assert sequence(ack) < old.ended < new.began and len(old.text.split()) == 60
    assert scene.client.finish().text == old.text
    assert old.text in prompt_text(scene.rehearsal.wait_for_state(scene.new_tag, "completed"))
    assert scene.rehearsal.wait_for(scene.old_tag)["state"] == "completed"
    scene.check_that_the_watcher_saw_the_log(log)


@over_both
@at_both_moments
@started_in_every_way
def test_a_rejected_input_changes_nothing(scene, starter, moment, over):
    scene = scene(starter, moment)
    ack, error = scene.cut_in(over, "reject")
    assert ack is None and error[0] == 409 and error[1]["code"] == "response_in_progress"
    before = scene.rehearsal.wait_for(scene.old_tag)
    assert before["state"] == "active" and active_id(scene.session.state()) == scene.old_id
    if moment == "mid_stream":
        scene.rehearsal.wait_for_tokens(scene.old_tag, before["tokens_sent"] + 5)
    scene.session.post_cancel()
    assert scene.client.finish().status == "cancelled"
    log = Log(scene.session.wait_until_idle())
    assert len(log.turns) == 1 and scene.new_tag not in str(log.events)
    assert scene.rehearsal.requests(scene.new_tag) == []
    scene.check_that_the_watcher_saw_the_log(log)


def test_what_was_kept_is_quoted_by_the_rehearsal(new_session, rehearsal, tag):
    """What a person sees who tries it: the answer shows that the cut was remembered."""
    session = new_session()
    # Of one word, so that the cut cannot fall on the end of a sentence and look like none.
    old = session.speak(endless(f"{tag}a", text="murmur"))["response_id"]
    rehearsal.wait_for_tokens(f"{tag}a", 10)
    new = session.speak(f"And {tag}b now?")["response_id"]
    log = Log(session.wait_for_end_of(new))
    last_words = " ".join(log.turns[old].text.split()[-2:])
    assert last_words in log.turns[new].text


def test_a_tool_call_that_was_cut_off_is_closed(new_session, rehearsal, tag, lookup_tool):
    """A tool call that was cut off is closed as incomplete and is not sent to the upstream as if it were whole."""
    session = new_session()
    session.speak(say(f"{tag}a", tool="lookup", pace=1), tools=[lookup_tool])
    session.wait_for(lambda e: e["type"] == "response.output_item.added", "the tool call")
    ack = session.speak(brief(f"{tag}b"))
    log = Log(session.wait_for_end_of(ack["response_id"]))
    old = log.order[0]
    assert old.status == "incomplete" and [i["status"] for i in old.items.values()] == ["incomplete"]
    assert rehearsal.wait_for_state(f"{tag}b", "completed")
