"""The cursor is real: 200 generations, each followed by a client whose connection is cut again and again, and who
goes on by another transport from the last number it saw. Nothing is lost, nothing comes twice."""

import asyncio
import json
import os
import random

import httpx
import pytest
from httpx_sse import EventSource
from websockets.asyncio.client import connect

from log_rules import Log
from rehearsal import say
from sessions import TERMINAL, bare, sequence

GENERATIONS = 200
AT_ONCE = 20
SEED = int(os.environ.get("INTERJECT_CURSOR_SEED") or random.SystemRandom().randrange(2**32))


class Follower:
    """A client that keeps what it saw, and how far it has come."""

    def __init__(self, server, http, session_id, rng):
        self.server, self.http, self.session_id, self.rng = server, http, session_id, rng
        self.seen: list[tuple[int, dict]] = []
        self.path_taken: list[str] = []

    @property
    def cursor(self) -> int:
        return self.seen[-1][0] if self.seen else 0

    @property
    def done(self) -> bool:
        return bool(self.seen) and self.seen[-1][1]["type"] in TERMINAL

    def take(self, number, event):
        self.seen.append((number, event))

    async def follow(self, transports):
        """One leg by each transport, cut at a random point; the last leg goes to the end."""
        for leg, name in enumerate(transports):
            last = leg == len(transports) - 1
            stop_at = None if last else len(self.seen) + self.rng.randrange(1, 40)
            self.path_taken.append(f"{name} from {self.cursor} for {stop_at}")
            await getattr(self, name)(lambda: self.done or (stop_at is not None and len(self.seen) >= stop_at))
            if self.done:
                return

    async def websocket(self, enough):
        async with connect(
            self.server.url.replace("http", "ws", 1) + "/v1/responses", compression=None, max_size=None, close_timeout=1,
        ) as ws:
            await ws.send(json.dumps(
                {"type": "interject:join", "session_id": self.session_id, "starting_after": self.cursor}))
            async for message in ws:
                event = json.loads(message)
                if event["type"] == "interject:joined":
                    continue
                assert event["type"] != "error", event
                self.take(sequence(event), event)
                if enough():
                    break
            # No close frame: the connection is torn from the middle of whatever it was doing.
            ws.transport.abort()

    async def sse(self, enough):
        headers = {"Accept": "text/event-stream"}
        if self.cursor:
            headers["Last-Event-ID"] = str(self.cursor)
        async with self.http.stream("GET", f"/v1/sessions/{self.session_id}/events", headers=headers) as answer:
            assert answer.status_code == 200
            async for event in EventSource(answer).aiter_sse():
                if event.event:
                    self.take(int(event.id), event.json())
                if enough():
                    break

    async def polling(self, enough):
        while not enough():
            answer = await self.http.get(
                f"/v1/sessions/{self.session_id}/events", headers={"Accept": "application/json"},
                params={"starting_after": self.cursor, "wait": 10, "limit": self.rng.choice([1, 7, 1000])})
            page = answer.json()
            assert page["recovered"] is True
            for event in page["data"]:
                self.take(sequence(event), event)
                if enough():
                    break


async def one_generation(server, http, number, gate):
    rng = random.Random(f"{SEED}/{number}")
    tokens, pace = rng.randrange(40, 120), rng.choice([0, 200, 400])
    async with gate:
        session = (await http.post("/v1/sessions", json={"model": "rehearsal"})).json()
        follower = Follower(server, http, session["id"], rng)
        text = say(f"cursor{number}", tokens=tokens, pace=pace, seed=number)
        speaking = http.post(f"/v1/sessions/{session['id']}/input", json={"input": text})
        transports = ["websocket"] + rng.choices(["websocket", "sse", "polling"], k=rng.randrange(1, 4))
        answer, _ = await asyncio.gather(speaking, follower.follow(transports))
        assert answer.status_code == 202
        page = (await http.get(
            f"/v1/sessions/{session['id']}/events", headers={"Accept": "application/json"})).json()
        await http.delete(f"/v1/sessions/{session['id']}")
    log = Log(page["data"])
    where = f"generation {number}, seed {SEED}, path {follower.path_taken}"
    assert [n for n, _ in follower.seen] == [sequence(e) for e in page["data"]], where
    assert [bare(e) for _, e in follower.seen] == [bare(e) for e in page["data"]], where
    text = "".join(e["delta"] for _, e in follower.seen if e["type"] == "response.output_text.delta")
    assert text == log.order[0].text and len(text.split()) == tokens, where


async def all_generations(server):
    gate = asyncio.Semaphore(AT_ONCE)
    limits = httpx.Limits(max_connections=4 * AT_ONCE)
    async with httpx.AsyncClient(base_url=server.url, timeout=60, limits=limits) as http:
        await asyncio.gather(*(one_generation(server, http, number, gate) for number in range(GENERATIONS)))


@pytest.mark.timeout(180)
def test_nothing_is_lost_and_nothing_comes_twice(server):
    print(f"INTERJECT_CURSOR_SEED={SEED}")
    asyncio.run(all_generations(server))


def test_a_creator_who_is_cut_off_goes_on_by_another_transport(open_socket, server, tag):
    """response.create over a WebSocket; the rest of the answer by SSE from the last number seen."""
    from event_source import EventSource as Browser

    socket = open_socket()
    socket.create(say(tag, tokens=80, pace=100), interject={"disconnect": "grace=30"})
    socket.wait_for_deltas(10)
    socket.abort()
    session_id = socket.events[0]["response"]["interject"]["session_id"]
    seen = [(sequence(e), bare(e)) for e in socket.log_of(session_id)]
    with Browser(server, f"/v1/sessions/{session_id}/events", last_event_id=str(seen[-1][0])) as source:
        source.read_until(lambda e: e[0] in TERMINAL)
        seen += [(int(number), bare(json.loads(data))) for _, data, number in source.events]
    numbers = [number for number, _ in seen]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    text = "".join(e["delta"] for _, e in seen if e["type"] == "response.output_text.delta")
    assert len(text.split()) == 80 and seen[-1][1]["type"] == "response.completed"
