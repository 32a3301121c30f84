"""The Conversations API: conversations are sessions, so all of interjection works in them."""

import openai
import pytest

from rehearsal import brief, endless, eventually, message_text, prompt_text, say
from restarts import restart
from sessions import Session


def message(text):
    return {"type": "message", "role": "user", "content": text}


def test_a_conversation_is_made_fetched_changed_and_deleted(client):
    made = client.conversations.create(metadata={"topic": "sea"})
    assert made.id.startswith("conv_") and made.object == "conversation" and made.metadata == {"topic": "sea"}
    assert client.conversations.retrieve(made.id) == made
    changed = client.conversations.update(made.id, metadata={"topic": "sky"})
    assert changed.metadata == {"topic": "sky"} and client.conversations.retrieve(made.id) == changed
    gone = client.conversations.delete(made.id)
    assert gone.to_dict() == {"id": made.id, "object": "conversation.deleted", "deleted": True}
    for call in (client.conversations.retrieve, client.conversations.delete, client.conversations.items.list):
        with pytest.raises(openai.NotFoundError):
            call(made.id)


def test_items_are_added_listed_fetched_and_deleted(client, tag):
    conversation = client.conversations.create(items=[message(f"{tag} {n}") for n in range(3)])
    added = client.conversations.items.create(conversation.id, items=[message(f"{tag} {n}") for n in range(3, 6)])
    assert [i.content[0].text for i in added.data] == [f"{tag} {n}" for n in range(3, 6)]
    listed = list(client.conversations.items.list(conversation.id, limit=2, order="asc"))
    assert [i.content[0].text for i in listed] == [f"{tag} {n}" for n in range(6)]
    assert [i.id for i in client.conversations.items.list(conversation.id)] == [i.id for i in reversed(listed)]
    item = client.conversations.items.retrieve(listed[1].id, conversation_id=conversation.id)
    assert item.to_dict() == listed[1].to_dict()
    after = client.conversations.items.delete(listed[1].id, conversation_id=conversation.id)
    assert after.id == conversation.id
    assert [i.id for i in client.conversations.items.list(conversation.id, order="asc")] == \
        [listed[n].id for n in (0, 2, 3, 4, 5)]
    with pytest.raises(openai.NotFoundError):
        client.conversations.items.retrieve(listed[1].id, conversation_id=conversation.id)
    client.conversations.delete(conversation.id)


def test_responses_are_made_in_a_conversation(client, rehearsal, tag):
    conversation = client.conversations.create(items=[message("My name is Ada.")])
    first = client.responses.create(model="rehearsal-fast", input=brief(tag + "a"), conversation=conversation.id)
    assert first.conversation.id == conversation.id
    second = client.responses.create(model="rehearsal-fast", input=brief(tag + "b"), conversation={"id": conversation.id})
    assert second.conversation.id == conversation.id
    messages = rehearsal.wait_for(tag + "b")["messages"]
    # What one role says in a row is one message for the upstream.
    assert [m["role"] for m in messages] == ["user", "assistant", "user"]
    assert message_text(messages[0]).startswith("My name is Ada.") and message_text(messages[1]) == first.output_text
    items = list(client.conversations.items.list(conversation.id, order="asc"))
    assert len(items) == 5 and items[-1].content[0].text == second.output_text
    assert [i.id for i in items if i.role == "assistant"] == [first.output[0].id, second.output[0].id]


def test_what_was_deleted_is_not_read_any_more(client, rehearsal, tag):
    conversation = client.conversations.create(items=[message("keep this"), message("drop this")])
    dropped = client.conversations.items.list(conversation.id).data[0]
    client.conversations.items.delete(dropped.id, conversation_id=conversation.id)
    client.responses.create(model="rehearsal-fast", input=brief(tag), conversation=conversation.id)
    prompt = prompt_text(rehearsal.wait_for(tag))
    assert "keep this" in prompt and "drop this" not in prompt


def test_a_conversation_excludes_a_previous_response(client, tag):
    conversation = client.conversations.create()
    response = client.responses.create(model="rehearsal-fast", input=brief(tag))
    for options in ({"previous_response_id": response.id}, {"extra_body": {"interject": {"session_id": "sess_x"}}}):
        with pytest.raises(openai.BadRequestError) as caught:
            client.responses.create(model="rehearsal-fast", input="x", conversation=conversation.id, **options)
        assert caught.value.param == "conversation"
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model="rehearsal-fast", input="x", conversation="conv_none")


def test_interjection_works_in_a_conversation(server, client, rehearsal, tag):
    conversation = client.conversations.create()
    running = client.responses.create(model="rehearsal", input=endless(tag), conversation=conversation.id, background=True)
    rehearsal.wait_for_tokens(tag, 5)
    session = Session(server, conversation.id)
    told = session.speak(brief(tag + "x"), mode="interrupt")
    assert told["interrupted"]["response_id"] == running.id
    session.wait_for_end_of(told["response_id"])
    rehearsal.wait_for_state(tag, "aborted")
    items = eventually(
        lambda: next((i for i in [list(client.conversations.items.list(conversation.id, order="asc"))] if len(i) == 4), None), "4")
    assert items[1].status == "incomplete" and items[1].content[0].text == told["interrupted"]["output_text"]


def test_who_follows_hears_of_items(server, client, tag):
    conversation = client.conversations.create()
    added = client.conversations.items.create(conversation.id, items=[message(tag)]).data[0]
    client.conversations.items.delete(added.id, conversation_id=conversation.id)
    log = Session(server, conversation.id).log()
    assert [e["type"] for e in log] == ["interject:session.created", "interject:items.added", "interject:items.deleted"]
    assert log[1]["items"][0]["id"] == added.id and log[2]["item_ids"] == [added.id]


def test_conversations_outlive_the_process(start_server, tag):
    server = start_server()
    with server.sdk() as client:
        conversation = client.conversations.create(items=[message(f"{tag} {n}") for n in range(4)], metadata={"a": "b"})
        items = list(client.conversations.items.list(conversation.id, order="asc"))
        client.conversations.items.delete(items[1].id, conversation_id=conversation.id)
        first = client.responses.create(model="rehearsal-fast", input=brief(tag), conversation=conversation.id)
        client.conversations.items.delete(items[0].id, conversation_id=conversation.id)
        changed = client.conversations.update(conversation.id, metadata={"c": "d"})
        before = [i.to_dict() for i in client.conversations.items.list(conversation.id, order="asc")]
    restart(server)
    with server.sdk() as client:
        assert client.conversations.retrieve(conversation.id) == changed
        assert [i.to_dict() for i in client.conversations.items.list(conversation.id, order="asc")] == before
        assert [i["id"] for i in before][:2] == [items[2].id, items[3].id] and len(before) == 4
        # A branch off the response that was the last begins after it.
        again = client.responses.create(model="rehearsal-fast", input=say(tag, tokens=2), previous_response_id=first.id)
        assert again.model_extra["interject"]["session_id"] == conversation.id
        client.conversations.delete(conversation.id)
    restart(server)
    with server.sdk() as client, pytest.raises(openai.NotFoundError):
        client.conversations.retrieve(conversation.id)


def test_a_conversation_belongs_to_its_key(start_server, tag):
    server = start_server("--api-key", "ada=ada", "--api-key", "bob=bob")
    with server.sdk(api_key="ada") as ada, server.sdk(api_key="bob") as bob:
        conversation = ada.conversations.create(items=[message(tag)])
        for call in (bob.conversations.retrieve, bob.conversations.delete, bob.conversations.items.list):
            with pytest.raises(openai.NotFoundError):
                call(conversation.id)
        with pytest.raises(openai.NotFoundError):
            bob.responses.create(model="rehearsal-fast", input="x", conversation=conversation.id)
        assert ada.conversations.retrieve(conversation.id).id == conversation.id


@pytest.mark.parametrize("body", [{"items": 7}, {"items": [{"role": "user"}]}, {"metadata": {"a": 1}}, {"items": [{}] * 21}])
def test_a_conversation_that_makes_no_sense_is_refused(server, body):
    with server.http() as http:
        assert http.post("/v1/conversations", json=body).status_code == 400


def refusal_of(call, *arguments, **members):
    with pytest.raises(openai.BadRequestError) as caught:
        call(*arguments, **members)
    assert caught.value.code == "duplicate_item" and caught.value.type == "invalid_request_error"
    return caught.value


def test_what_the_conversation_has_is_not_taken_in_again(client, tag):
    conversation = client.conversations.create(items=[{**message(tag), "id": "msg_mine"}])
    first = client.responses.create(model="rehearsal-fast", conversation=conversation.id, input=brief(tag))
    listed = [item.id for item in client.conversations.items.list(conversation.id, order="asc")]
    said = [item.to_dict() for item in first.output]
    # By a common habit, the output is handed back beside the conversation that has it.
    error = refusal_of(
        client.responses.create, model="rehearsal-fast", conversation=conversation.id,
        input=[*said, {"role": "user", "content": brief(tag)}])
    assert said[0]["id"] in error.message and error.param == "input"
    error = refusal_of(client.conversations.items.create, conversation.id, items=[{**message("again"), "id": "msg_mine"}])
    assert "msg_mine" in error.message and error.param == "items"
    refusal_of(client.responses.create, model="rehearsal-fast", previous_response_id=first.id, input=said)
    twice = [{**message("one"), "id": "msg_two"}, {**message("two"), "id": "msg_two"}]
    refusal_of(client.conversations.create, items=twice)
    refusal_of(client.responses.create, model="rehearsal-fast", input=twice)
    assert [item.id for item in client.conversations.items.list(conversation.id, order="asc", limit=1)] == listed

    # Without a name, or in a conversation of its own, it is taken.
    nameless = [{key: value for key, value in item.items() if key != "id"} for item in said]
    again = [{"role": "user", "content": brief(tag)}]
    for ask in ({"input": nameless + again, "conversation": conversation.id}, {"input": said + again}):
        assert client.responses.create(model="rehearsal-fast", **ask).status == "completed"
    ids = [item.id for item in client.conversations.items.list(conversation.id, order="asc", limit=1)]
    assert len(ids) == len(set(ids)) == len(listed) + 3


def test_what_waits_or_is_being_said_is_not_taken_in_again(new_session, tag):
    session = new_session()
    running = session.speak(endless(tag))
    log = session.wait_for(lambda e: e["type"] == "response.output_text.delta", "text")
    said = next(e["item_id"] for e in log if e["type"] == "response.output_text.delta")
    named = [{**message("next"), "id": "msg_waits"}]
    session.speak(named, mode="queue")
    for id, mode in (("msg_waits", "queue"), (said, "interrupt"), (said, "queue"), ("msg_waits", "steer")):
        answer = session.post_input([{**message("next"), "id": id}], mode=mode)
        assert answer.status_code == 400 and answer.json()["error"]["code"] == "duplicate_item", (id, mode)
    # A refused input interrupts nothing.
    assert session.state()["active_response"]["id"] == running["response_id"]
