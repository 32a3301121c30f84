"""What every log must obey, read in one pass: the rules that no interjection may break."""

from dataclasses import dataclass, field

from sessions import TERMINAL, item_text, response_text, sequence


@dataclass
class Turn:
    """One response as the log tells it, from `response.created` to its terminal event."""

    id: str
    began: int
    created: dict
    events: list = field(default_factory=list)
    items: dict = field(default_factory=dict)
    ended: int | None = None
    terminal: dict | None = None

    @property
    def text(self) -> str:
        """What was delivered: the deltas, joined."""
        return "".join(e["delta"] for e in self.events if e["type"] == "response.output_text.delta")

    @property
    def status(self) -> str:
        return self.terminal["response"]["status"]

    @property
    def reason(self):
        return (self.terminal["response"].get("incomplete_details") or {}).get("reason")


class Log:
    """The log of a session; `turns` by response id, in order. Raises AssertionError where a rule is broken."""

    def __init__(self, events: list[dict]):
        self.events = events
        self.turns: dict[str, Turn] = {}
        numbers = [sequence(event) for event in events]
        assert numbers == list(range(1, len(events) + 1)), f"sequence numbers have gaps or repeat: {numbers}"
        assert events[0]["type"] == "interject:session.created"
        active = self._end_of_a_waiting_one = None
        for event in events:
            active = self._step(event, active)
        self.active = active
        for turn in self.turns.values():
            self._check(turn)

    @classmethod
    def of(cls, session) -> "Log":
        return cls(session.log())

    def _step(self, event, active):
        kind = event["type"]
        if kind == "response.created" and event["response"]["status"] == "queued":
            return self._waiting_one_ends(event, active)
        if event is self._end_of_a_waiting_one:
            return active
        if kind == "response.created":
            assert active is None, f"{event['response']['id']} began at {sequence(event)} while {active.id} was active"
            assert event["response"]["output"] == [], "response.created must have an empty output"
            active = Turn(event["response"]["id"], sequence(event), event)
            assert active.id not in self.turns, f"{active.id} was created twice"
            self.turns[active.id] = active
        elif kind == "interject:input.accepted" and event["interrupted"]:
            self._must_have_ended(event["interrupted"]["response_id"], event)
        elif kind in ("interject:cancelled", "interject:rolled_back"):
            self._must_have_ended(event["response_id"], event)
        if not _is_of_a_response(kind):
            return active
        assert active is not None, f"{kind} at {sequence(event)} belongs to no active response: a stale event"
        active.events.append(event)
        if "response" in event:
            assert event["response"]["id"] == active.id, f"{kind} at {sequence(event)} is of another response"
        if kind == "response.output_item.added":
            active.items[event["item"]["id"]] = None
        elif kind == "response.output_item.done":
            assert event["item"]["id"] in active.items, "output_item.done without added"
            active.items[event["item"]["id"]] = event["item"]
        elif "item_id" in event:
            assert event["item_id"] in active.items, f"{kind} at {sequence(event)} is of an item of another response"
        if kind in TERMINAL:
            active.ended, active.terminal = sequence(event), event
            return None
        return active

    def _waiting_one_ends(self, event, active):
        """One that never began has two events, side by side, wherever that falls; what runs goes on behind them."""
        end = self.events[sequence(event)]
        turn = Turn(event["response"]["id"], sequence(event), event, [event, end], ended=sequence(end), terminal=end)
        assert end["type"] == "response.cancelled" and end["response"]["id"] == turn.id
        assert event["response"]["output"] == end["response"]["output"] == [] and turn.id not in self.turns
        self.turns[turn.id] = turn
        self._end_of_a_waiting_one = end
        return active

    def _must_have_ended(self, response_id, event):
        turn = self.turns.get(response_id)
        assert turn is not None, f"{event['type']} names {response_id}, which the log does not know"
        assert turn.ended is not None, f"{event['type']} at {sequence(event)} came before the end of {response_id}"

    def _check(self, turn):
        steps = [e["sequence_number"] for e in turn.events]
        # Steer events may count among the events of the response that they steer; they fill holes, nothing else.
        steers = [e["sequence_number"] for e in self.events if e["type"].startswith("response.steer.")]
        assert steps == sorted(set(steps)) and steps[0] == 0, f"sequence_number of {turn.id}: {steps}"
        missing = set(range(steps[-1] + 1)) - set(steps)
        assert missing <= set(steers), f"sequence_number of {turn.id} has gaps: {missing}"
        if turn.terminal is None:
            return
        assert None not in turn.items.values(), f"{turn.id} ended with open items"
        assert response_text(turn.terminal["response"]) == turn.text, f"the output of {turn.id} is not what was delivered"
        done = "".join(item_text(i) for i in turn.items.values() if i["type"] == "message")
        assert done == turn.text, f"the items of {turn.id} are not what was delivered"
        if turn.terminal["type"] == "response.failed":
            assert turn.events[-2]["type"] == "error", "response.failed must follow an error"

    def of_type(self, kind: str) -> list[dict]:
        return [event for event in self.events if event["type"] == kind]

    @property
    def order(self) -> list[Turn]:
        return list(self.turns.values())


def _is_of_a_response(kind: str) -> bool:
    return kind in ("error", "interject:step") or (kind.startswith("response.") and not kind.startswith("response.steer."))
