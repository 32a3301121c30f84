"""The stop is real for a hundred sessions at once."""

import asyncio

import httpx
import pytest

from log_rules import Log
from rehearsal import brief, endless, eventually, last_words, prompt_text
from sessions import sequence

SESSIONS = 100


class Conversation:
    """One of the hundred."""

    def __init__(self, http, group, number):
        self.http, self.name = http, f"{group}x{number:03}"

    async def begin(self):
        answer = await self.http.post("/v1/sessions", json={"model": "rehearsal"})
        self.path = f"/v1/sessions/{answer.json()['id']}"
        self.old = (await self.speak(endless(f"{self.name}old", pace=20)))["response_id"]
        await self.read_until(lambda log: sum(e["type"] == "response.output_text.delta" for e in log) >= 3)

    async def speak(self, text, **fields):
        answer = await self.http.post(f"{self.path}/input", json={"input": text, **fields})
        assert answer.status_code == 202, answer.text
        return answer.json()

    async def read_until(self, condition):
        log, after = [], 0
        while not condition(log):
            answer = await self.http.get(
                f"{self.path}/events", params={"starting_after": after, "wait": 10}, headers={"Accept": "application/json"})
            page = answer.json()
            log, after = log + page["data"], page["last_sequence_number"]
        return log

    async def interrupt(self):
        ack = await self.speak(brief(f"{self.name}new"), mode="interrupt")
        return Log(await self.read_until(lambda log: any(
            e["type"] == "response.completed" and e["response"]["id"] == ack["response_id"] for e in log)))

    async def cancel(self):
        answer = await self.http.post(f"{self.path}/cancel")
        assert answer.status_code == 200, answer.text
        return Log(await self.read_until(lambda log: any(e["type"] == "interject:cancelled" for e in log)))


async def run(server, group, action):
    limits = httpx.Limits(max_connections=SESSIONS)
    async with httpx.AsyncClient(base_url=server.url, timeout=60, limits=limits) as http:
        conversations = [Conversation(http, group, number) for number in range(SESSIONS)]
        await asyncio.gather(*(c.begin() for c in conversations))
        logs = await asyncio.gather(*(getattr(c, action)() for c in conversations))
        return list(zip(conversations, logs))


@pytest.mark.parametrize("action, ending", [("interrupt", "response.incomplete"), ("cancel", "response.cancelled")])
def test_a_hundred_sessions_stop_at_once(server, rehearsal, tag, action, ending):
    results = asyncio.run(run(server, tag, action))

    def requests(state, end):
        return [r for r in rehearsal.all_requests(tag) if r["state"] == state
                and last_words(r).split()[0].endswith(end)]

    aborted = eventually(
        lambda: (found := requests("aborted", "old")) and len(found) == SESSIONS and found, "all hundred were stopped")
    tokens = {r["id"]: r["tokens_sent"] for r in aborted}
    answered = {last_words(r).split()[0]: r for r in requests("completed", "new")}
    for conversation, log in results:
        old = log.turns[conversation.old]
        assert old.terminal["type"] == ending and old.text
        if action == "interrupt":
            accepted = log.of_type("interject:input.accepted")[-1]
            assert accepted["interrupted"]["output_text"] == old.text and old.ended < sequence(accepted)
            assert old.text in prompt_text(answered[f"{conversation.name}new"]), "each remembers its own words"
    assert {r["id"]: r["tokens_sent"] for r in requests("aborted", "old")} == tokens
