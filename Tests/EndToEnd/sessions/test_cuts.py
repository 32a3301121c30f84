"""Random cuts: a client that is cut off, and comes back by another transport from where it was or from further back, again and
again, while the answer is written and afterwards; most of the log is on the disk alone. Nothing is lost, nothing comes twice.

INTERJECT_CUTS        cuts in all (default 400; `make test-long`: 10,000)
INTERJECT_CUTS_SEED   the seed, which the test prints
"""

import asyncio
import json
import os
import random

import httpx
import pytest
from websockets.asyncio.client import connect

from log_rules import Log
from patience import PATIENCE
from rehearsal import say
from sessions import TERMINAL, bare, sequence

CUTS = int(os.environ.get("INTERJECT_CUTS", "400"))
SEED = int(os.environ.get("INTERJECT_CUTS_SEED") or random.SystemRandom().randrange(2**32))
CUTS_A_GENERATION = 50
AT_ONCE = 8
# The log of a new session: session.created, input.accepted, response.created, whose `sequence_number` is 0.
FIRST_OF_RESPONSE = 3


class Client:
    def __init__(self, server, http, session, response, rng):
        self.server, self.http, self.session, self.response, self.rng = server, http, session, response, rng
        self.seen: dict[int, dict] = {}
        self.legs: list[str] = []
        self.cuts = self.repeated = 0

    @property
    def last(self):
        return len(self.seen)

    def take(self, number, event):
        """The next event of this leg, which is new or the same as before."""
        self.position += 1
        assert number == self.position, f"event {number} where {self.position} should come: {self.legs[-3:]}"
        if number in self.seen:
            self.repeated += 1
            assert self.seen[number] == bare(event), f"event {number} differs: {self.legs[-3:]}"
        else:
            assert number == self.last + 1, f"event {number} after {self.last}"
            self.seen[number] = bare(event)
        self.left -= 1
        return self.left <= 0 or event["type"] in TERMINAL

    async def leg(self):
        rng = self.rng
        ended = bool(self.seen) and self.seen[self.last]["type"] in TERMINAL
        start = rng.randrange(self.last) if self.last and (ended or rng.random() < 0.3) else self.last
        transports = ["websocket", "sse", "polling", "openai"]
        name = rng.choice(transports if start >= FIRST_OF_RESPONSE else transports[:3])
        self.position, self.left = start, rng.randrange(1, 40)
        self.legs.append(f"{name} from {start} for {self.left}")
        await getattr(self, name)(start)
        if self.position < self.last or self.seen[self.last]["type"] not in TERMINAL:
            self.cuts += 1

    async def websocket(self, start):
        url = self.server.url.replace("http", "ws", 1) + "/v1/responses"
        async with connect(url, compression=None, max_size=None, close_timeout=1) as ws:
            await ws.send(json.dumps({"type": "interject:join", "session_id": self.session, "starting_after": start}))
            async for message in ws:
                event = json.loads(message)
                if event["type"] == "interject:joined":
                    continue
                assert event["type"] != "error", event
                if self.take(sequence(event), event):
                    break
            ws.transport.abort()

    async def sse(self, start):
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": str(start)} if start else {})}
        async with self.http.stream("GET", f"/v1/sessions/{self.session}/events", headers=headers) as answer:
            assert answer.status_code == 200
            number = None
            async for line in answer.aiter_lines():
                if line.startswith("id:"):
                    number = int(line[3:])
                elif line.startswith("data:") and number is not None and self.take(number, json.loads(line[5:])):
                    return

    async def openai(self, start):
        params = {"stream": "true", "starting_after": start - FIRST_OF_RESPONSE}
        async with self.http.stream("GET", f"/v1/responses/{self.response}", params=params) as answer:
            assert answer.status_code == 200
            async for line in answer.aiter_lines():
                if line.startswith("data:") and line != "data: [DONE]":
                    event = json.loads(line[5:])
                    if self.take(event["sequence_number"] + FIRST_OF_RESPONSE, event):
                        return

    async def polling(self, start):
        while True:
            page = (await self.http.get(
                f"/v1/sessions/{self.session}/events", headers={"Accept": "application/json"},
                params={"starting_after": self.position, "wait": 10, "limit": self.rng.choice([1, 7, 1000])})).json()
            assert page["recovered"] is True
            for event in page["data"]:
                if self.take(sequence(event), event):
                    return


async def one_generation(server, http, number, gate):
    rng = random.Random(f"{SEED}/{number}")
    tokens, pace = rng.randrange(100, 400), rng.choice([0, 100, 400])
    async with gate:
        session = (await http.post("/v1/sessions", json={"model": "rehearsal"})).json()["id"]
        text = say(f"cuts{number}", tokens=tokens, pace=pace, seed=number)
        answer = await http.post(f"/v1/sessions/{session}/input", json={"input": text})
        assert answer.status_code == 202
        client = Client(server, http, session, answer.json()["response_id"], rng)
        while client.cuts < CUTS_A_GENERATION or client.seen[client.last]["type"] not in TERMINAL:
            await client.leg()
        found, after = [], 0
        while True:
            page = (await http.get(f"/v1/sessions/{session}/events", headers={"Accept": "application/json"},
                                   params={"starting_after": after})).json()
            found += page["data"]
            after = page["last_sequence_number"]
            if not page["has_more"]:
                break
        await http.delete(f"/v1/sessions/{session}")
    where = f"generation {number}, seed {SEED}"
    assert [bare(event) for event in found if sequence(event) <= client.last] == list(client.seen.values()), where
    assert list(client.seen) == list(range(1, client.last + 1)), where
    turn = Log([event for event in found if sequence(event) <= client.last]).order[0]
    assert len(turn.text.split()) == tokens, where
    return client.cuts, client.last, client.repeated


async def run(server):
    gate = asyncio.Semaphore(AT_ONCE)
    limits = httpx.Limits(max_connections=4 * AT_ONCE)
    async with httpx.AsyncClient(base_url=server.url, timeout=60 * PATIENCE, limits=limits) as http:
        return await asyncio.gather(
            *(one_generation(server, http, number, gate) for number in range(max(1, CUTS // CUTS_A_GENERATION))))


@pytest.mark.timeout(120 + CUTS // 4)
def test_random_cuts_lose_nothing_and_double_nothing(start_server):
    print(f"INTERJECT_CUTS_SEED={SEED}")
    results = asyncio.run(run(start_server("--log-bytes-per-session", 16_384, "--loops", 2)))
    cuts, events, repeated = map(sum, zip(*results))
    print(f"{cuts} cuts, {events} events, {repeated} of them read again: 0 lost, 0 doubled")
    assert cuts >= CUTS // CUTS_A_GENERATION * CUTS_A_GENERATION
