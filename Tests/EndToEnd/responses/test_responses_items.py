"""What went into a response, how much it is, and items that pass through."""

import json

import openai
import pytest

from rehearsal import brief, prompt_text, say


def test_input_items_come_in_pages(client, tag):
    said = [{"role": "user", "content": f"{tag} {n}"} for n in range(7)] + [{"role": "user", "content": brief(tag)}]
    response = client.responses.create(model="rehearsal-fast", input=said)
    pages = client.responses.input_items.list(response.id, limit=3, order="asc", include=["message.output_text.logprobs"])
    assert len(pages.data) == 3 and pages.has_more
    items = list(pages)
    assert [item.content[0].text for item in items[:7]] == [f"{tag} {n}" for n in range(7)] and len(items) == 8
    newest = client.responses.input_items.list(response.id, limit=2)
    assert [item.id for item in newest.data] == [items[7].id, items[6].id]
    assert [i.id for i in client.responses.input_items.list(response.id)] == [i.id for i in reversed(items)]
    rest = client.responses.input_items.list(response.id, order="asc", after=items[5].id)
    assert [item.id for item in rest.data] == [item.id for item in items[6:]]


@pytest.mark.parametrize("query", [{"order": "up"}, {"limit": 0}, {"limit": 101}, {"after": "msg_none"}])
def test_a_page_that_cannot_be_is_a_bad_request(client, server, tag, query):
    response = client.responses.create(model="rehearsal-fast", input=brief(tag))
    with server.http() as http:
        assert http.get(f"/v1/responses/{response.id}/input_items", params=query).status_code == 400


def test_input_tokens_are_counted_by_an_estimate(client, tag):
    count = client.responses.input_tokens.count(model="rehearsal", input="x" * 400)
    assert count.object == "response.input_tokens" and count.input_tokens == 100
    assert count.model_extra["interject"]["usage_estimated"] is True
    response = client.responses.create(model="rehearsal-fast", input=say(tag, tokens=100))
    longer = client.responses.input_tokens.count(model="rehearsal", input="x" * 400, previous_response_id=response.id)
    assert longer.input_tokens > 150
    with pytest.raises(openai.BadRequestError):
        client.responses.input_tokens.count(model="rehearsal", input="x", previous_response_id="resp_none")


def test_reasoning_items_pass_through(client, server, tag):
    reasoning = {"type": "reasoning", "id": "rs_mine", "summary": [{"type": "summary_text", "text": "hm"}],
                 "encrypted_content": "b3BhcXVl"}
    response = client.responses.create(
        model="rehearsal-fast", input=[{"role": "user", "content": "one"}, reasoning, {"role": "user", "content": brief(tag)}],
        include=["reasoning.encrypted_content"], store=True)
    item = client.responses.input_items.list(response.id, order="asc").data[1].to_dict()
    assert item == {**reasoning, "status": "completed"}
    with server.http() as http:
        session = http.get(f"/v1/sessions/{response.model_extra['interject']['session_id']}").json()
    assert next(i for i in session["items"] if i["type"] == "reasoning")["encrypted_content"] == "b3BhcXVl"


def test_a_tool_is_called_and_answered_over_two_responses(client, rehearsal, tag, lookup_tool):
    first = client.responses.create(model="rehearsal-fast", input=say(f"{tag}a", tool="lookup"), tools=[lookup_tool])
    call = first.output[0]
    assert call.type == "function_call" and json.loads(call.arguments) == {"query": "rehearsal"}
    second = client.responses.create(
        model="rehearsal-fast", tools=[lookup_tool], previous_response_id=first.id,
        input=[{"type": "function_call_output", "call_id": call.call_id, "output": "It is blue."}])
    assert second.status == "completed" and second.output_text
    request = rehearsal.wait_for(f"{tag}a", lambda r: "It is blue." in prompt_text(r))
    assert [m["role"] for m in request["messages"]] == ["user", "assistant", "tool"]
