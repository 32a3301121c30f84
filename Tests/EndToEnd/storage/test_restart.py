"""A restart in the middle of 50 live and 50 background generations, by kill -9 and by SIGTERM: the stated outcome for each
(Protocols/storage.md)."""

import asyncio
import signal

import httpx
import pytest

from log_rules import Log
from patience import PATIENCE
from rehearsal import eventually, say
from restarts import events, kill, restart
from sessions import response_text

COUNT = 50
# What goes on after the restart.
TOKENS = 600
# What the restart cuts for good: it never comes to its end.
ENDLESS = 100_000


async def live(http, server, tag, number, seen, is_cut):
    """Somebody who listens to POST /v1/responses (policy `cancel`) until the server is gone."""
    import json

    body = {"model": "rehearsal", "input": say(f"{tag}l{number}", tokens=ENDLESS, pace=25), "stream": True}
    try:
        async with http.stream("POST", "/v1/responses", json=body) as answer:
            assert answer.status_code == 200
            async for line in answer.aiter_lines():
                if line.startswith("data:") and line != "data: [DONE]":
                    seen[number].append(json.loads(line[5:]))
                    is_cut.set() if sum(len(s) > 15 for s in seen) == COUNT else None
    except httpx.TransportError:
        pass


async def begin(server, tag, cut):
    seen = [[] for _ in range(COUNT)]
    is_cut = asyncio.Event()
    limits = httpx.Limits(max_connections=3 * COUNT)
    async with httpx.AsyncClient(base_url=server.url, timeout=60 * PATIENCE, limits=limits) as http:
        done = (await http.post("/v1/responses", json={"model": "rehearsal", "input": say(f"{tag}d", tokens=9, pace=0)})).json()
        listeners = [asyncio.create_task(live(http, server, tag, number, seen, is_cut)) for number in range(COUNT)]
        # Those that never end first: what runs in the background must not be done before all 100 have begun, on whatever machine.
        await asyncio.wait_for(is_cut.wait(), 60 * PATIENCE)
        sessions, answers = [], []
        for number in range(COUNT):
            session = (await http.post("/v1/sessions", json={"model": "rehearsal"})).json()["id"]
            text = say(f"{tag}b{number}", tokens=TOKENS, pace=25)
            answers.append((await http.post(f"/v1/sessions/{session}/input", json={"input": text})).json())
            sessions.append(session)
        before = [(await http.get(
            f"/v1/sessions/{session}/events", headers={"Accept": "application/json"})).json()["data"] for session in sessions]
        await asyncio.to_thread(cut)
        await asyncio.gather(*listeners)
    return done, seen, list(zip(sessions, answers, before))


@pytest.mark.timeout(240)
@pytest.mark.parametrize("by", ["kill", "sigterm"])
def test_50_live_and_50_in_the_background(start_server, start_rehearsal, tag, by):
    model = start_rehearsal()
    server = start_server("--upstream", f"{model.url}/v1", "--drain", 0.2, "--drain-window", 0)

    def cut():
        if by == "kill":
            return kill(server)
        server.popen.send_signal(signal.SIGTERM)
        assert server.popen.wait(30 * PATIENCE) == 0

    done, seen, background = asyncio.run(begin(server, tag, cut))
    restart(server)
    with server.http() as http:
        assert http.get(f"/v1/responses/{done['id']}").json() == done
        for number, told in enumerate(seen):
            response_id = told[0]["response"]["id"]
            url = f"/v1/responses/{response_id}"
            # Recovery may not have come to it yet.
            eventually(lambda: http.get(url).json()["status"] not in ("queued", "in_progress"), f"{response_id} is closed")
            response = http.get(url).json()
            heard = "".join(e["delta"] for e in told if e["type"] == "response.output_text.delta")
            log = [e for e in events(server, response["interject"]["session_id"]) if "sequence_number" in e]
            Log(events(server, response["interject"]["session_id"]))
            # What was heard is the beginning of what is there, event by event.
            assert [{k: v for k, v in e.items() if k != "interject"} for e in log[: len(told)]] == told, f"live {number}"
            kept = "".join(e["delta"] for e in log if e["type"] == "response.output_text.delta")
            assert heard and kept.startswith(heard) and response_text(response) == kept
            if by == "kill":
                assert response["status"] == "incomplete"
                assert response["incomplete_details"] == {"reason": "server_restarted"}
            else:
                # A server that goes in order tells them.
                assert response["status"] == "cancelled" and told[-1]["type"] == "response.cancelled" and heard == kept
        for session, answer, before in background:
            eventually(lambda: http.get(f"/v1/sessions/{session}").json()["active_response"] is None, f"{session} rests",
                       timeout_s=60 * PATIENCE)
            after = events(server, session)
            assert after[: len(before)] == before
            turns = Log(after).order
            assert [turn.id for turn in turns] == [answer["response_id"]]
            response = turns[0].terminal["response"]
            assert response["status"] == "completed" and response["interject"]["attempts"] >= 2
            assert len(turns[0].text.split()) >= TOKENS
