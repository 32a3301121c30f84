"""A reader that does not keep up costs a bounded amount of memory, delays nobody, and gets everything or the truth.

One session says 100,000 tokens. Twenty readers have joined it and do not read; one does. Then the twenty go on.
"""

import json
import socket

import pytest

from processes import resident_bytes
from raw_http import RawConnection, request
from rehearsal import say
from sessions import Session, deltas, item_text
from stalled_readers import SMALL_BUFFER_BYTES, StalledEventSource, StalledSocket, dechunk, settled

ANSWERS, TOKENS = 10, 10_000
STALLED = 20
# Output up to the congestion mark (256 KiB, in storage that doubles), and the window between loops (256 KiB).
MAX_BYTES_PER_STALLED_READER = 1 << 20


def follow(reader):
    """Reads to the end of the next response, which is the newest event then."""
    seen = len(reader.events)
    reader.read(lambda: len(reader.events) > seen and reader.events[-1][1]["type"] == "response.completed")
    assert reader.reconnects == 0


def talk(session, tag):
    """All the answers; gives the whole log as a reader that keeps up saw it: the model waits only for the foremost of all who
    listen, so the others delay neither."""
    good = StalledEventSource(session)
    for number in range(ANSWERS):
        session.speak(say(f"{tag}{number}", tokens=TOKENS, pace=0))
        follow(good)
    good.close()
    return good.events


def stall(session) -> list:
    kinds = [(StalledEventSource, False), (StalledEventSource, True), (StalledSocket, False), (StalledSocket, True)]
    return [kind(session, merge) for _ in range(STALLED // len(kinds)) for kind, merge in kinds]


def check_cover(events, start: int, end: int):
    """Each number once, in order: alone, or within a merged event."""
    position = start
    for sequence, event in events:
        first = (event.get("interject") or {}).get("merged_from")
        assert (first or sequence) == position + 1
        assert first is None or (first < sequence and event["type"].endswith(".delta"))
        position = sequence
    assert position == end


@pytest.mark.resident
def test_stalled_readers_delay_nobody_and_miss_nothing(start_server, tag):
    # What is shown here takes longer than a client may stall.
    flags = ("--log-bytes-per-session", "128MiB", "--stall-timeout", "3600")
    alone = start_server(*flags)
    session = Session.create(alone)
    talk(session, tag)
    bytes_alone = resident_bytes(alone)
    session.close()
    alone.stop()

    server = start_server(*flags)
    session = Session.create(server)
    readers = stall(session)
    log = talk(session, tag)
    grown = resident_bytes(server) - bytes_alone
    print(f"{bytes_alone >> 10} KiB without stalled readers, {grown >> 10} KiB more with {STALLED}")

    # The good reader saw all of it, in order, before any of the others has read a byte.
    check_cover(log, 0, len(log))
    assert sum(event["type"] == "response.output_text.delta" for _, event in log) == ANSWERS * TOKENS
    assert grown < STALLED * MAX_BYTES_PER_STALLED_READER, f"{grown >> 10} KiB for {STALLED} stalled readers"

    last, text = len(log), deltas(event for _, event in log)
    for reader in readers:
        reader.read_until(last)
        check_cover(reader.events, 0, last)
        assert deltas(event for _, event in reader.events) == text
        if reader.merge:
            assert len(reader.events) < last / 3, "what waited beyond the kernel's buffers must come merged"
        else:
            assert len(reader.events) == last
        reader.close()
    session.close()


@pytest.mark.resident
def test_stalled_readers_whose_place_is_gone_get_a_snapshot(start_server, tag):
    server = start_server("--data", "none", "--log-bytes-per-session", "256KiB", "--stall-timeout", "3600")
    session = Session.create(server)
    readers = stall(session)
    before = resident_bytes(server)
    talk(session, tag)
    # The log, the conversation, what the readers have waiting, and what the allocator keeps of each.
    grown = resident_bytes(server) - before
    print(f"{grown >> 10} KiB for log, conversation and {STALLED} stalled readers")
    assert grown < (32 << 20) + STALLED * MAX_BYTES_PER_STALLED_READER, f"{grown >> 10} KiB"

    state = session.state()
    last = state["last_sequence_number"]
    for reader in readers:
        reader.read_until(last)
        places = [i for i, (_, event) in enumerate(reader.events) if event["type"] == "interject:snapshot"]
        assert len(places) == 1
        sequence, snapshot = reader.events[places[0]]
        before_it, after_it = reader.events[:places[0]], reader.events[places[0] + 1:]
        check_cover(before_it, 0, before_it[-1][0])
        assert snapshot["recovered"] is False and snapshot["sequence"] == sequence > before_it[-1][0] + 1
        check_cover(after_it, sequence, last)
        assert [item_text(i) for i in snapshot["session"]["items"]] == [item_text(i) for i in state["items"]]
        reader.close()
    session.close()


def test_an_openai_stream_whose_place_is_gone_ends_with_the_truth(start_server, tag):
    server = start_server("--data", "none", "--log-bytes-per-session", "256KiB", "--stall-timeout", "3600")
    session = Session.create(server)
    # Somebody else keeps up, so the model does not wait for the one that does not.
    good = StalledEventSource(session)
    body = {"model": "rehearsal", "stream": True, "interject": {"session_id": session.id},
            "input": say(tag, tokens=60_000, pace=0)}
    # Small buffers: a kernel that takes megabytes for one that does not read makes it the foremost, whom the model waits for.
    with RawConnection(server, receive_buffer_bytes=SMALL_BUFFER_BYTES) as connection:
        connection.send(request("POST", "/v1/responses", json.dumps(body).encode()))
        status, _ = connection.read_head()
        assert status == 200
        follow(good)
        good.close()
        assert session.state()["last_sequence_number"] > 60_000
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        data = connection.buffer
        while not data.endswith(b"\r\n0\r\n\r\n"):
            data += connection.socket.recv(1 << 18) or pytest.fail("cut without a word")
    blocks = dechunk(data)[0].decode().removeprefix(":\n").strip().split("\n\n")
    assert blocks[-1] == "data: [DONE]"
    events = [json.loads(block.split("data: ", 1)[1]) for block in blocks[:-1]]
    assert events[-1]["type"] == "error" and events[-1]["code"] == "events_expired"
    assert [e["sequence_number"] for e in events[:-1]] == list(range(len(events) - 1))
    assert not any(e["type"] == "response.completed" for e in events)

    # What the log still holds can be had, what it does not is refused by a status.
    response_id = events[0]["response"]["id"]
    held = session.poll(session.state()["oldest_sequence_number"] - 1, limit=1)["data"][0]["sequence_number"]
    for after, expected in ((held - 1, 200), (held - 2, 410), (None, 410)):
        where = {} if after is None else {"starting_after": after}
        answer = session.http.get(f"/v1/responses/{response_id}", params={"stream": "true", **where})
        assert answer.status_code == expected, after
        if expected == 200:
            resumed = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
            assert [e["sequence_number"] for e in resumed] == list(range(held, held + len(resumed)))
            assert resumed[-1]["type"] == "response.completed"
        else:
            assert answer.json()["error"]["code"] == "events_expired"
    session.close()


def test_the_next_response_waits_too_for_a_reader_that_still_lags(start_server, tag):
    server = start_server("--data", "none", "--log-bytes-per-session", "1MiB", "--stall-timeout", "3600")
    session = Session.create(server)
    reader = StalledEventSource(session)
    said = f"{tag}first", f"{tag}next"
    session.speak(say(said[0], tokens=100_000, pace=0))
    half = settled(session, said[0])
    assert session.post_cancel().status_code == 200
    next_id = session.speak(say(said[1], tokens=40_000, pace=0))["response_id"]
    # Were it taken, it would drive out what the reader has not read.
    assert settled(session, said[1]) < half + 1000
    assert session.state()["oldest_sequence_number"] == 1

    # The reader goes on, and so does the model: not an event is missed.
    reader.read(lambda: bool(reader.events) and reader.events[-1][1].get("type") == "response.completed")
    last = reader.events[-1][0]
    check_cover(reader.events, 0, last)
    assert not any(event["type"] == "interject:snapshot" for _, event in reader.events)
    assert reader.events[-1][1]["response"]["id"] == next_id
    reader.close()
    session.close()


def test_merging_is_asked_for_and_checked(new_session, tag):
    session = new_session()
    session.wait_for_end_of(session.speak(say(tag, tokens=50, pace=0))["response_id"])
    whole, merged = session.log(), session.poll(merge="deltas")["data"]
    last = whole[-1]["interject"]["sequence"]
    check_cover([(e["interject"]["sequence"], e) for e in merged], 0, last)
    assert deltas(merged) == deltas(whole) and len(merged) < len(whole) - 40
    # From the middle of what would be merged.
    rest = session.poll(last - 20, merge="deltas")["data"]
    check_cover([(e["interject"]["sequence"], e) for e in rest], last - 20, last)
    answer = session.http.get(f"{session.path}/events", params={"merge": "everything"})
    assert answer.status_code == 400 and answer.json()["error"]["param"] == "merge"


def test_a_join_that_asks_for_another_merge_is_refused(new_session, open_socket):
    session, socket = new_session(), open_socket()
    socket.send("interject:join", session_id=session.id, merge="everything")
    assert socket.wait_for_type("error")["error"]["param"] == "merge"
    assert socket.join(session.id, merge="deltas")["session"]["id"] == session.id
