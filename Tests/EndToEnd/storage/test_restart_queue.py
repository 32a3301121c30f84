"""Inputs that wait behind a slow answer, over kill -9: each is asked of the model as it was said, in its turn."""

from restarts import kill, restart
from scripted_upstream import ScriptedUpstream, SlowAtFirst
from sessions import Session, item_text


def asked(request) -> list:
    return [(message["role"], message["content"]) for message in request[2]["messages"] if message["role"] == "user"]


def test_queued_inputs_are_asked_as_they_were_said(start_server):
    pieces = SlowAtFirst()
    with ScriptedUpstream(pieces) as upstream:
        server = start_server("--upstream", f"{upstream.url}/v1")
        session = Session.create(server, model="m", mode="queue")
        said = ["first", "second, “quoted” ☃", "third"]
        session.speak(said[0])
        session.wait_for(lambda e: e["type"] == "response.output_text.delta", "the first words")
        session.speak(said[1])
        # A message in parts, with an image beside the text.
        parts = [{"type": "input_text", "text": said[2]}, {"type": "input_image", "image_url": "https://example.com/a.png"}]
        session.http.post(f"{session.path}/input", json={"input": [{"type": "message", "role": "user", "content": parts}]})
        for _ in range(2):
            kill(server)
            restart(server)
            session = Session(server, session.id)
            assert [item_text(q["items"][0]) for q in session.state()["queued"]] == said[1:]
        pieces.goes_on.set()
        session.wait_until_idle()
        session.speak("fourth")
        session.wait_until_idle()

        assert all(m["content"] is not None for _, _, body in upstream.requests for m in body["messages"])
        texts = [
            content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
            for _, content in asked(upstream.requests[-1])]
        # What else the model is told of those who speak stands before it.
        assert [text.endswith(words) for text, words in zip(texts, said + ["fourth"], strict=True)] == [True] * 4, texts
        image = [part for _, content in asked(upstream.requests[-1]) if isinstance(content, list) for part in content
                 if part["type"] == "image_url"]
        assert [part["image_url"]["url"] for part in image] == ["https://example.com/a.png"]
        # Each was asked in its turn, and the one that was cut was asked to go on.
        counts = [len(asked(request)) for request in upstream.requests]
        assert counts == sorted(counts) and set(counts) >= {1, 2, 3, 4}
        inputs = [item for item in session.state()["items"] if item.get("role") == "user"]
        assert [item_text(item) for item in inputs] == said + ["fourth"]


def test_a_message_of_chat_completions_waits_as_it_came(start_server):
    """What was asked through Chat Completions goes to the upstream as it came, members of its own included."""
    pieces = SlowAtFirst()
    with ScriptedUpstream(pieces) as upstream:
        server = start_server("--upstream", f"{upstream.url}/v1")
        session = Session.create(server, model="m", mode="queue")
        session.speak("first")
        session.wait_for(lambda e: e["type"] == "response.output_text.delta", "the first words")
        message = {"role": "user", "content": "second", "name": "ada"}
        body = {"model": "m", "messages": [message], "stream": True,
                "interject": {"session_id": session.id, "mode": "queue", "disconnect": "continue"}}
        with session.http.stream("POST", "/v1/chat/completions", json=body) as answer:
            assert answer.status_code == 200
            session.wait_for(
                lambda e: e["type"] == "interject:input.accepted" and item_text(e["items"][0]) == "second", "it waits")
        kill(server)
        restart(server)
        pieces.goes_on.set()
        session = Session(server, session.id)
        session.wait_until_idle()
        sent = [m for m in upstream.requests[-1][2]["messages"] if m["role"] == "user"][-1]
        assert sent["content"].endswith("second") and sent["name"] == "ada"
