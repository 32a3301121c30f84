"""OpenAI's WebSocket mode: `client.responses.connect()` of the official SDK, unmodified."""

import asyncio
import itertools
import json

import pytest

from processes import resident_bytes
from rehearsal import brief, endless, message_text, prompt_text, say
from sessions import TERMINAL, deltas, error_of


def until(connection, *types):
    """Events of an SDK connection up to the first of these types, as dictionaries."""
    seen = []
    while not seen or seen[-1]["type"] not in types:
        seen.append(json.loads(connection.recv_bytes()))
    return seen


def finished(connection, text, **options):
    connection.response.create(model="rehearsal-fast", input=text, **options)
    return until(connection, *TERMINAL)


def test_a_response_over_the_sdk_connection(client, tag):
    with client.responses.connect() as connection:
        connection.response.create(model="rehearsal-fast", input=say(tag, tokens=9))
        events = []
        for event in connection:
            events.append(event)
            if event.type == "response.completed":
                break
    assert [e.sequence_number for e in events] == list(range(len(events)))
    assert events[0].type == "response.created" and events[0].response.output == []
    text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    assert len(text.split()) == 9 and events[-1].response.output_text == text
    assert not any(e.stream_id for e in events if hasattr(e, "stream_id")), "no lane was named"


def test_a_response_over_the_async_sdk_connection(server, tag):
    async def run():
        async with server.async_sdk() as client, client.responses.connect() as connection:
            await connection.response.create(model="rehearsal-fast", input=say(tag, tokens=9))
            async for event in connection:
                if event.type == "response.completed":
                    return event.response
    assert len(asyncio.run(run()).output_text.split()) == 9


def test_several_responses_one_after_the_other(client, rehearsal, tag):
    with client.responses.connect() as connection:
        first = finished(connection, say(f"{tag}a", tokens=4))[-1]["response"]
        second = finished(connection, say(f"{tag}b", tokens=4), previous_response_id=first["id"])[-1]["response"]
        third = finished(connection, say(f"{tag}c", tokens=4), previous_response_id=second["id"])[-1]["response"]
    assert third["previous_response_id"] == second["id"]
    messages = rehearsal.wait_for(f"{tag}c")["messages"]
    assert [m["role"] for m in messages] == ["user", "assistant"] * 2 + ["user"]
    assert message_text(messages[1]) == deltas_of(first) and message_text(messages[3]) == deltas_of(second)


def deltas_of(response):
    return "".join(part["text"] for item in response["output"] for part in item["content"])


def test_a_response_made_by_http_goes_on_over_the_connection(client, rehearsal, tag):
    first = client.responses.create(model="rehearsal-fast", input=say(f"{tag}a", tokens=4))
    with client.responses.connect() as connection:
        finished(connection, say(f"{tag}b", tokens=2), previous_response_id=first.id)
    assert first.output_text in prompt_text(rehearsal.wait_for(f"{tag}b"))


def test_lanes_interleave(client, tag):
    with client.responses.connect() as connection:
        for lane in ("left", "right"):
            connection.response.create(model="rehearsal", input=say(tag + lane, tokens=40, pace=80), stream_id=lane)
        events = until(connection, *TERMINAL)
        events += until(connection, *TERMINAL)
    first_end = next(i for i, e in enumerate(events) if e["type"] in TERMINAL)
    lanes = {lane: [e for e in events if e["stream_id"] == lane] for lane in ("left", "right")}
    for lane in lanes.values():
        assert [e["sequence_number"] for e in lane] == list(range(len(lane)))
        assert len(deltas(lane).split()) == 40
        assert any(e in lane and e["type"] == "response.output_text.delta" for e in events[:first_end])


def test_within_a_lane_first_come_first_served(client, tag):
    with client.responses.connect() as connection:
        for number in range(3):
            text = say(f"{tag}{number}", text=f"word{number}", tokens=10, pace=200)
            connection.response.create(model="rehearsal", input=text, stream_id="one")
        answers = [until(connection, *TERMINAL) for _ in range(3)]
    events = list(itertools.chain(*answers))
    borders = [e["type"] for e in events if e["type"] == "response.created" or e["type"] in TERMINAL]
    assert borders == ["response.created", "response.completed"] * 3
    assert [deltas(answer).split() for answer in answers] == [[f"word{number}"] * 10 for number in range(3)]


def test_a_steer_ends_the_response_and_a_successor_goes_on(client, rehearsal, tag):
    with client.responses.connect() as connection:
        connection.response.create(model="rehearsal", input=endless(f"{tag}a"), instructions="Be steady.", stream_id="s")
        before = until(connection, "response.output_text.delta") + until(connection, "response.output_text.delta")
        old = before[0]["response"]["id"]
        connection.response.steer(previous_response_id=old, input=say(f"{tag}b", tokens=5, pace=0))
        events = before + until(connection, "response.incomplete") + until(connection, *TERMINAL)
    types = [e["type"] for e in events]
    accepted = events[types.index("response.steer.accepted")]
    assert accepted["steer"]["id"] and accepted["steer"]["previous_response_id"] == old
    assert types.index("response.steer.accepted") < types.index("response.incomplete")
    end = events[types.index("response.incomplete")]
    assert end["response"]["id"] == old and end["response"]["incomplete_details"]["reason"] == "steered"
    successor = next(e for e in events[types.index("response.incomplete"):] if e["type"] == "response.created")
    assert successor["response"]["previous_response_id"] == old and successor["response"]["instructions"] == "Be steady."
    assert {e["stream_id"] for e in events} == {"s"}, "the lane of the target is the lane of its successor"
    assert events[-1]["type"] == "response.completed" and events[-1]["response"]["id"] == successor["response"]["id"]
    assert rehearsal.wait_for_state(f"{tag}a", "aborted")["tokens_sent"] < 100_000
    kept = deltas(events[:types.index("response.incomplete")])
    assert kept and kept in prompt_text(rehearsal.wait_for(f"{tag}b"))


def test_the_steer_helper_of_the_sdk_parses_our_events(client, tag):
    with client.responses.connect() as connection:
        connection.response.create(model="rehearsal", input=endless(tag))
        response_id = connection.recv().response.id
        connection.response.steer(previous_response_id=response_id, input=[
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": brief(f"{tag}b")}]}])
        for event in connection:
            if event.type == "response.steer.accepted":
                assert event.steer.previous_response_id == response_id and isinstance(event.sequence_number, int)
            if event.type == "response.completed":
                break
        assert event.response.previous_response_id == response_id


def test_a_steer_of_a_finished_response_gives_the_input_back(client, tag):
    with client.responses.connect() as connection:
        response = finished(connection, brief(tag))[-1]["response"]
        connection.response.steer(previous_response_id=response["id"], input="too late")
        failed = until(connection, "response.steer.failed")[-1]
    assert failed["error"]["code"] in ("response_already_completed", "response_not_active")
    assert failed["error"]["type"] == "invalid_request_error" and failed["error"]["message"]
    assert failed["steer"]["previous_response_id"] == response["id"] and "too late" in json.dumps(failed["steer"]["input"])


def test_a_steer_of_nothing_fails(client):
    with client.responses.connect() as connection:
        connection.response.steer(previous_response_id="resp_that_never_was", input="hello?")
        assert until(connection, "response.steer.failed")[-1]["error"]["code"] == "response_not_found"


@pytest.mark.parametrize("nonsense", ["{", "[]", "7", '{"no":"type"}', '{"type":"response.explode"}', '{"type":7}',
                                      '{"type":"response.create","input":7}'])
def test_nonsense_is_answered_with_an_error_and_the_connection_lives(client, tag, nonsense):
    with client.responses.connect() as connection:
        connection.send_raw(nonsense)
        event = connection.recv()
        assert event.type == "error" and event.status == 400
        assert event.error.type == "invalid_request_error" and event.error.message
        assert finished(connection, brief(tag))[-1]["type"] == "response.completed"


def test_an_unknown_previous_response_is_an_error(client, tag):
    with client.responses.connect() as connection:
        connection.response.create(
            model="rehearsal", input="go on", previous_response_id="resp_that_never_was", stream_id="lane")
        error = until(connection, "error")[-1]
        assert error["error"]["code"] == "previous_response_not_found" and error["stream_id"] == "lane"
        assert finished(connection, brief(tag))[-1]["type"] == "response.completed"


@pytest.mark.parametrize("lane", ["two words", "", "x" * 257, "ä", 7])
def test_an_invalid_lane_is_an_error(client, tag, lane):
    with client.responses.connect() as connection:
        connection.send_raw(json.dumps({"type": "response.create", "model": "rehearsal", "input": "x", "stream_id": lane}))
        assert until(connection, "error")[-1]["error"]["code"] == "invalid_stream_id"
        assert finished(connection, brief(tag), stream_id="x" * 256)[-1]["type"] == "response.completed"


def test_generate_false_warms_up_and_asks_no_model(client, rehearsal, tag):
    with client.responses.connect() as connection:
        warm = finished(connection, f"{tag}a warm-up", generate=False)[-1]
        assert warm["type"] == "response.completed" and warm["response"]["output"] == []
        finished(connection, say(f"{tag}b", tokens=1), previous_response_id=warm["response"]["id"])
    assert f"{tag}a warm-up" in prompt_text(rehearsal.wait_for(f"{tag}b"))
    assert rehearsal.requests(f"{tag}a") == []


def test_an_upstream_error_arrives_and_ends_the_response(open_socket, tag):
    socket = open_socket()
    socket.create(say(tag, status=401))
    failed = socket.wait_for_type("response.failed")
    error = socket.wait_for_type("error")
    assert socket.events.index(error) < socket.events.index(failed)
    assert error_of(error)["message"] and failed["response"]["error"]["message"]


def test_events_carry_the_place_in_the_session(open_socket, tag):
    socket = open_socket()
    socket.create(say(tag, tokens=5, pace=0))
    end = socket.wait_for_type("response.completed")
    session_id = end["response"]["interject"]["session_id"]
    numbers = [e["interject"]["sequence"] for e in socket.log_of(session_id) if e["type"].startswith("response.")]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_a_message_may_come_as_bytes(open_socket, tag):
    socket = open_socket()
    socket.ws.send(json.dumps({"type": "response.create", "model": "rehearsal", "input": brief(tag)}).encode())
    socket.wait_for_type("response.completed")


@pytest.mark.resident
def test_responses_that_are_not_stored_go_from_memory_while_their_connection_lives(start_server, open_socket, tag):
    server = start_server("--loops", "1", "--data", "none", "--log-memory", "8MiB")
    socket = open_socket(to=server)

    def answer(count):
        for number in range(count):
            socket.create(brief(tag) + "x" * 200_000, model="rehearsal-fast", store=False)
            end = socket.wait_for(lambda e: e["type"] in TERMINAL, "the end")
            assert end["type"] == "response.completed"
            # What this client keeps is none of the server's.
            socket.events.clear()

    answer(200)
    before = resident_bytes(server)
    answer(400)
    grown = resident_bytes(server) - before
    print(f"{before >> 10} KiB, {grown >> 10} KiB more")
    # Less than their inputs alone, which stand in the log, in the conversation and in the response.
    assert grown < 400 * 200_000


def test_a_response_that_was_not_stored_is_found_while_its_connection_lives(server, client, tag):
    with client.responses.connect() as connection:
        first = finished(connection, brief(f"{tag}a"), store=False)[-1]["response"]
        # More than are looked through at once.
        for number in range(70):
            finished(connection, brief(f"{tag}{number}"), store=False)
        last = finished(connection, brief(f"{tag}z"), store=False, previous_response_id=first["id"])[-1]
        assert last["type"] == "response.completed"


def test_a_lane_answers_in_the_order_in_which_it_was_asked(client, tag):
    """Each command comes as a response ends: between that and the start of the next the lane must not look idle."""
    count, outstanding = 600, 4
    with client.responses.connect() as connection:
        def ask(number):
            connection.response.create(
                model="rehearsal-fast", input=say(tag, tokens=1), store=False, metadata={"number": str(number)})

        for number in range(outstanding):
            ask(number)
        begun, ended, asked = [], 0, outstanding
        while ended < count:
            event = json.loads(connection.recv_bytes())
            if event["type"] == "response.created":
                begun.append(int(event["response"]["metadata"]["number"]))
            elif event["type"] == "response.output_text.delta" and asked < count:
                ask(asked)
                asked += 1
            elif event["type"] in TERMINAL:
                assert event["type"] == "response.completed"
                ended += 1
    assert begun == list(range(count))
