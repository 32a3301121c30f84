"""POST /v1/responses by SSE and without: the official SDK, and the bytes where the SDK does not look."""

import json
import threading

import openai
import pytest

from event_source import EventSource, SseParser
from rehearsal import endless, eventually, message_text, prompt_text, say
from sessions import TERMINAL, deltas

# Open Responses wants all of these present; several may be null.
REQUIRED_KEYS = """id object created_at completed_at status incomplete_details model previous_response_id instructions
    output error tools tool_choice truncation parallel_tool_calls text top_p presence_penalty frequency_penalty
    top_logprobs temperature reasoning user usage max_output_tokens max_tool_calls store background service_tier
    metadata safety_identifier prompt_cache_key""".split()

ORDER_OF_A_MESSAGE = [
    "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
    "response.output_text.delta", "response.output_text.done", "response.content_part.done",
    "response.output_item.done", "response.completed",
]


def create(client, prompt, **options):
    return client.responses.create(model=options.pop("model", "rehearsal-fast"), input=prompt, **options)


def stream_raw(server, prompt, **options):
    """All events of a stream as (event, JSON or [DONE]), and the lines."""
    parser, seen = SseParser(), []
    body = {"model": "rehearsal-fast", "input": prompt, "stream": True, **options}
    with server.http() as http, http.stream("POST", "/v1/responses", json=body) as answer:
        assert answer.status_code == 200, answer.read()
        for piece in answer.iter_raw():
            seen += parser.feed(piece)
    return [(event, data) for event, data, _ in seen], parser.lines


def without_repeats(types):
    return [t for i, t in enumerate(types) if i == 0 or types[i - 1] != t]


def assert_gapless(events):
    assert [e.sequence_number for e in events] == list(range(len(events)))


def test_events_come_in_the_order_of_the_contract(client, tag):
    events = list(create(client, say(tag, tokens=12), stream=True))
    assert_gapless(events)
    assert without_repeats([e.type for e in events]) == ORDER_OF_A_MESSAGE
    created, completed = events[0].response, events[-1].response
    assert created.output == [] and created.status in ("in_progress", "queued") and created.id == completed.id
    text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    assert len([e for e in events if e.type == "response.output_text.delta"]) == 12
    assert completed.status == "completed" and completed.output_text == text
    assert completed.usage.output_tokens == 12
    assert next(e.text for e in events if e.type == "response.output_text.done") == text
    items = {e.item.id for e in events if e.type.startswith("response.output_item")}
    assert items == {completed.output[0].id} == {e.item_id for e in events if hasattr(e, "item_id")}


def test_the_wire_names_each_event_and_ends_with_done(server, tag):
    events, lines = stream_raw(server, say(tag, tokens=5))
    *events, last = events
    assert last == ("message", "[DONE]"), "[DONE] is data only"
    assert all(event == json.loads(data)["type"] for event, data in events)
    assert not [line for line in lines if line.startswith(("id", "retry"))], "no id: on this face"
    assert [json.loads(data)["type"] for _, data in events if json.loads(data)["type"] in TERMINAL] == [events[-1][0]]


def test_the_sdk_helper_gathers_the_final_response(client, tag):
    with client.responses.stream(model="rehearsal-fast", input=say(tag, tokens=8)) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        assert stream.get_final_response().output_text == text
    assert len(text.split()) == 8


def test_an_answer_in_one_piece(client, rehearsal, tag):
    response = create(client, say(tag, tokens=6))
    assert response.status == "completed" and len(response.output_text.split()) == 6
    assert response.usage.total_tokens == response.usage.input_tokens + 6
    assert response.completed_at >= response.created_at
    assert rehearsal.wait_for_state(tag, "completed")["stream"] is True


def test_every_key_that_open_responses_wants_is_there(server, tag):
    events, _ = stream_raw(server, say(tag, tokens=2))
    for response in (json.loads(events[0][1])["response"], json.loads(events[-2][1])["response"]):
        assert [key for key in REQUIRED_KEYS if key not in response] == []
        assert response["object"] == "response" and isinstance(response["created_at"], int)
        assert response["interject"]["session_id"].startswith("sess_")
    item = json.loads(events[-2][1])["response"]["output"][0]
    assert (item["type"], item["role"], item["status"]) == ("message", "assistant", "completed")
    assert item["content"][0]["type"] == "output_text" and item["content"][0]["annotations"] == []


def test_previous_response_id_goes_on_with_the_conversation(client, rehearsal, tag):
    first = create(client, say(f"{tag}a", tokens=5))
    second = create(client, say(f"{tag}b", tokens=5), previous_response_id=first.id)
    assert second.previous_response_id == first.id
    messages = rehearsal.wait_for(f"{tag}b")["messages"]
    assert [m["role"] for m in messages] == ["user", "assistant", "user"]
    assert tag + "a" in message_text(messages[0]) and message_text(messages[1]) == first.output_text


def test_an_unknown_previous_response_is_an_error(client, tag):
    with pytest.raises(openai.APIStatusError) as caught:
        create(client, say(tag), previous_response_id="resp_that_never_was")
    assert caught.value.status_code in (400, 404) and caught.value.code == "previous_response_not_found"


def test_instructions_reach_the_upstream_and_are_not_inherited(client, rehearsal, tag):
    first = create(client, say(f"{tag}a", tokens=1), instructions="Speak like a pirate.")
    assert first.instructions == "Speak like a pirate."
    create(client, say(f"{tag}b", tokens=1), previous_response_id=first.id)
    system = rehearsal.wait_for(f"{tag}a")["messages"][0]
    assert system["role"] in ("system", "developer") and message_text(system) == "Speak like a pirate."
    assert "pirate" not in prompt_text(rehearsal.wait_for(f"{tag}b"))


def test_input_may_be_a_list_of_items(client, rehearsal, tag):
    create(client, [
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": "Hello."},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi!"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": say(tag, tokens=1)}]},
    ])
    messages = rehearsal.wait_for(tag)["messages"]
    assert [message_text(m) for m in messages][:3] == ["Be kind.", "Hello.", "Hi!"]


def test_max_output_tokens_ends_as_incomplete(client, tag):
    events = list(create(client, say(tag, tokens=60), max_output_tokens=20, stream=True))
    response = events[-1].response
    assert events[-1].type == "response.incomplete" and response.status == "incomplete"
    assert response.incomplete_details.reason == "max_output_tokens" and response.max_output_tokens == 20
    assert response.output[-1].status == "incomplete"


def test_metadata_comes_back(client, tag):
    response = create(client, say(tag, tokens=1), metadata={"order": "42"}, temperature=0.5, user="ada")
    assert (response.metadata, response.temperature, response.user) == ({"order": "42"}, 0.5, "ada")
    assert client.responses.retrieve(response.id).metadata == {"order": "42"}


def test_a_function_call_is_an_item(client, tag, lookup_tool):
    events = list(create(client, say(tag, tool="lookup"), tools=[lookup_tool], stream=True))
    assert_gapless(events)
    assert without_repeats([e.type for e in events]) == [
        "response.created", "response.in_progress", "response.output_item.added",
        "response.function_call_arguments.delta", "response.function_call_arguments.done",
        "response.output_item.done", "response.completed"]
    call = events[-1].response.output[0]
    assert (call.type, call.name, call.status) == ("function_call", "lookup", "completed") and call.call_id
    assert json.loads(call.arguments) == {"query": "rehearsal"}
    pieces = "".join(e.delta for e in events if e.type == "response.function_call_arguments.delta")
    assert pieces == call.arguments


def test_the_result_of_a_function_call_goes_back(client, rehearsal, tag, lookup_tool):
    first = create(client, say(f"{tag}a", tool="lookup"), tools=[lookup_tool])
    output = {"type": "function_call_output", "call_id": first.output[0].call_id, "output": "It is blue."}
    message = {"role": "user", "content": say(f"{tag}b", tokens=1)}
    second = create(client, [output, message], previous_response_id=first.id, tools=[lookup_tool])
    assert second.status == "completed"
    assert "It is blue." in prompt_text(rehearsal.wait_for(f"{tag}b"))


@pytest.mark.parametrize("fault", ["error_after", "fail_after", "end_after", "garbage_after"])
def test_a_stream_that_breaks_says_error_and_then_failed(client, tag, fault):
    events = list(create(client, say(tag, tokens=30, **{fault: 4}), stream=True))
    assert_gapless(events)
    error, failed = events[-2:]
    assert error.type == "error" and error.message and error.code
    assert failed.type == "response.failed" and failed.response.status == "failed"
    assert failed.response.error.message and failed.response.error.code
    text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    assert len(text.split()) == 4 and failed.response.output[0].status == "incomplete"
    assert failed.response.output_text == text, "the partial is kept"


@pytest.mark.parametrize("status, exception", [(401, openai.AuthenticationError), (429, openai.RateLimitError)])
def test_an_error_without_a_stream_raises(client, tag, status, exception):
    with pytest.raises(exception):
        create(client, say(tag, status=status))


def test_a_response_can_be_fetched_later(client, tag):
    response = create(client, say(tag, tokens=4))
    again = client.responses.retrieve(response.id)
    assert again.to_dict() == response.to_dict()
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve("resp_that_never_was")


def test_a_response_can_be_read_again_from_any_event(client, server, tag):
    events = [e.to_dict() for e in create(client, say(tag, tokens=10), stream=True)]
    response_id = events[-1]["response"]["id"]
    for after in (0, 7, len(events) - 2):
        resumed = client.responses.retrieve(response_id, stream=True, starting_after=after)
        assert [e.to_dict() for e in resumed] == events[after + 1:]
    with EventSource(server, f"/v1/responses/{response_id}?stream=true&starting_after=3") as source:
        source.read_to_end()
    assert source.events[-1][1] == "[DONE]" and not [li for li in source.parser.lines if li.startswith("id")]


def test_a_running_response_is_followed_to_its_end(client, tag):
    stream = create(client, say(tag, tokens=60, pace=60), stream=True, extra_headers={"Interject-On-Disconnect": "continue"})
    seen = []
    for event in stream:
        seen.append(event.to_dict())
        if len(seen) == 12:
            break
    stream.close()
    rest = client.responses.retrieve(seen[0]["response"]["id"], stream=True, starting_after=seen[-1]["sequence_number"])
    seen += [event.to_dict() for event in rest]
    assert [e["sequence_number"] for e in seen] == list(range(len(seen)))
    assert seen[-1]["type"] == "response.completed" and len(deltas(seen).split()) == 60


def test_cancel_keeps_the_partial_and_may_be_repeated(client, rehearsal, tag):
    stream = create(client, endless(tag), model="rehearsal", stream=True)
    events, cancelled = [], {}
    for event in stream:
        events.append(event)
        if len(events) == 10:
            cancelled["first"] = client.responses.cancel(events[0].response.id)
    assert events[-1].type == "response.cancelled"
    first, second = cancelled["first"], client.responses.cancel(events[0].response.id)
    assert first.status == second.status == "cancelled" and first.to_dict() == second.to_dict()
    assert first.output_text == "".join(e.delta for e in events if e.type == "response.output_text.delta")
    assert first.output[-1].status == "incomplete"
    rehearsal.wait_for_state(tag, "aborted")


def test_cancel_of_a_finished_response_changes_nothing(client, tag):
    response = create(client, say(tag, tokens=3))
    assert client.responses.cancel(response.id).to_dict() == response.to_dict()


def test_heartbeats_break_no_client(start_server, tag):
    server = start_server("--heartbeat", 1)
    pieces = []

    def look():
        # The stream begins when its status is no longer held, two seconds after the request, and has a second between heartbeats.
        body = {"model": "rehearsal", "input": say(f"{tag}raw", tokens=3, first_token_ms=6000), "stream": True}
        with server.http() as http, http.stream("POST", "/v1/responses", json=body) as answer:
            pieces.extend(answer.iter_raw())

    thread = threading.Thread(target=look)
    thread.start()
    with server.sdk() as client:
        with client.responses.stream(model="rehearsal", input=say(tag, tokens=3, first_token_ms=3000)) as stream:
            assert len(stream.get_final_response().output_text.split()) == 3
        message = {"role": "user", "content": say(f"{tag}c", tokens=3, first_token_ms=2500)}
        chat = client.chat.completions.create(model="rehearsal", messages=[message], stream=True)
        assert len("".join(c.choices[0].delta.content or "" for c in chat).split()) == 3
    thread.join(30)
    lines = b"".join(pieces).decode().split("\n")
    assert lines.count(":") >= 2, "the heartbeat is a lone colon"
    for position, line in enumerate(lines):
        if line == ":":
            assert lines[position + 1] != "", "a blank line after the colon would be an empty event to the SDK"


def test_the_answer_names_the_session(server, rehearsal, tag):
    with server.http() as http:
        answer = http.post("/v1/responses", json={"model": "rehearsal-fast", "input": say(tag, tokens=1)})
        session_id = answer.headers["interject-session"]
        assert answer.json()["interject"]["session_id"] == session_id
        assert eventually(lambda: http.get(f"/v1/sessions/{session_id}").json(), "state")["id"] == session_id


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"model":"rehearsal"}', b'{"model":"rehearsal","input":7}',
                                  b'{"model":"rehearsal","input":"x","interject":{"mode":"shout"}}'])
def test_a_body_that_makes_no_sense_is_a_bad_request(server, body):
    with server.http() as http:
        answer = http.post("/v1/responses", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400 and answer.json()["error"]["type"] == "invalid_request_error"
