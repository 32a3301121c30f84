"""An answer that was cut goes on after kill -9 and a restart, and after a steer, by each upstream's own prefill or by asking for it
(Protocols/upstreams.md, Going on): what is sent, and that the two halves are joined without a fault.

The models here know one text. They say it up to a cut, and then go on with it from wherever the words stop that they are sent."""

import json

import pytest

from answering_upstream import AnsweringUpstream, Reply
from answering_upstream import stream as events
from processes import run_binary
from rehearsal import eventually
from restarts import kill, restart
from scripted_upstream import chunk
from sessions import TERMINAL, Session, deltas

TEXT = "Once upon a time there was a lighthouse-keeper.\n\nHe said: “从前有一座灯塔。” and\n  counted to 3.14"
#: Where the first half ends: behind a word, within one, behind a blank, a paragraph, between characters, in an indentation.
CUTS = ["Once upon a", "Once upon a ti", "Once upon a ", "keeper.", "keeper.\n", "keeper.\n\n", "从前有", "and\n ", "3.1"]
PROMPT, STEER = "Tell me a story.", "Make it a sad one."
NOTE = "Continue your answer above"


class Upstream(AnsweringUpstream):
    """One that lists its models as `owner`'s, or has no list; `listed`: how often it was asked for it."""

    def __init__(self, owner=None, software="uvicorn"):
        self.owner, self.software, self.listed = owner, software, 0
        super().__init__()

    def models(self):
        self.listed += 1
        return [{"id": "m", "object": "model", "created": 1, "owned_by": self.owner}] if self.owner else None


def stream(text: str) -> Reply:
    """In pieces of a few characters, whatever words they part."""
    pieces = [chunk(text[i:i + 3]) for i in range(0, len(text), 3)]
    return events(*pieces, chunk("", "stop"), b"data: [DONE]\n\n")


def messages_stream(text: str) -> Reply:
    """The same in Anthropic's words."""
    def event(type, **members):
        return f"event: {type}\ndata: {json.dumps({'type': type, **members})}\n\n".encode()
    pieces = [event("content_block_delta", index=0, delta={"type": "text_delta", "text": text[i:i + 3]})
              for i in range(0, len(text), 3)]
    return events(event("content_block_start", index=0, content_block={"type": "text", "text": ""}), *pieces,
                  event("message_delta", delta={"stop_reason": "end_turn"}), event("message_stop"))


def refusal(message: str, status=400) -> Reply:
    return Reply({"error": {"message": message, "type": "invalid_request_error"}}, status=status)


def asks(body) -> bool:
    return NOTE in body["messages"][-1]["content"]


def first_half(end: str, stream=stream) -> Reply:
    reply = stream(TEXT[:TEXT.index(end) + len(end)])
    count = sum(b"content_block_delta" in piece or b'"content"' in piece for piece in reply.body)
    pieces = reply.body[:count + 1] if stream is messages_stream else reply.body[:count]
    return events(*pieces, stalls=True)


class Model:
    """What stands behind an upstream: a function of the body of a request that goes on; the first one gets the first half."""

    def __init__(self, end, goes_on, stream=stream):
        self.end, self.goes_on, self.stream = end, goes_on, stream

    def __call__(self, body) -> Reply:
        if all(message["role"] != "assistant" for message in body["messages"]):
            return first_half(self.end, self.stream)
        return self.goes_on(body)


def rest(body, stream=stream) -> Reply:
    """The text from where the last words of the assistant stop, as models do that write on behind them."""
    said = [m["content"] for m in body["messages"] if m["role"] == "assistant"][-1]
    assert TEXT.startswith(said), said
    return stream(TEXT[len(said):])


def vllm(body) -> Reply:
    if not body.get("continue_final_message"):
        return refusal("it was not asked to write on")
    if body.get("add_generation_prompt", True):
        return refusal("Cannot set both `continue_final_message` and `add_generation_prompt` to True.")
    if body["messages"][-1]["role"] != "assistant" or body["messages"][-1]["content"] != body["messages"][-1]["content"].strip():
        return refusal("substring not found")
    return rest(body)


def llama_server(body) -> Reply:
    roles = [message["role"] for message in body["messages"]]
    if roles[-2:] == ["assistant", "assistant"]:
        return refusal("Cannot have 2 or more assistant messages at the end of the list.")
    if "continue_final_message" in body or roles[-1] != "assistant":
        return refusal("it was not asked to write on")
    return rest(body)


def anthropic(body) -> Reply:
    last = body["messages"][-1]
    if last["role"] == "assistant" and last["content"] != last["content"].rstrip():
        return refusal("messages: final assistant content cannot end with trailing whitespace")
    assert last["role"] == "assistant"
    return rest(body, messages_stream)


def chat_only(body) -> Reply:
    """Answers in a message of its own, which begins without a blank: so it begins with the whole of a word that was cut."""
    assert asks(body) and "continue_final_message" not in body and "add_generation_prompt" not in body
    said = [m["content"] for m in body["messages"] if m["role"] == "assistant"][-1]
    start = len(said)
    if said[-1].isalnum() and TEXT[start].isalnum() and TEXT[start].isascii() and not said[-1].isdigit():
        start = said.rindex(" ") + 1
    return stream(TEXT[start:].lstrip())


KINDS = {
    "vllm": (vllm, stream, "vllm", ""),
    "llama-server": (llama_server, stream, "llamacpp", ""),
    "llama-server by its field": (llama_server, stream, None, ""),
    "set to continue_final_message": (vllm, stream, None, " prefill=continue_final_message"),
    "set to trailing": (llama_server, stream, "vllm", " prefill=trailing"),
    "anthropic": (anthropic, messages_stream, None, ""),
    "unknown": (chat_only, stream, "somebody", ""),
    "unknown without a list": (chat_only, stream, None, ""),
    "set to prompt": (chat_only, stream, "vllm", " prefill=prompt"),
}


def flag(upstream, kind="", members="") -> str:
    return ("anthropic+" if kind == "anthropic" else "") + upstream.url + members


def end_of(log, response_id) -> dict:
    return next(e["response"] for e in log if e["type"] in TERMINAL and e["response"]["id"] == response_id)


def speak_and_wait(session, half) -> str:
    """Speaks, and waits for the first half."""
    response = session.speak(PROMPT)["response_id"]
    eventually(lambda: deltas(session.log()).endswith(half), f"the words up to {half!r}")
    return response


def cut_and_restart(server, session, half) -> tuple[dict, str]:
    """The response and all that was said of it, over kill -9."""
    response = speak_and_wait(session, half)
    kill(server)
    restart(server)
    session = Session(server, session.id)
    log = session.wait_for_end_of(response)
    return end_of(log, response), deltas(log)


def texts_of(response) -> str:
    return "".join(part["text"] for item in response["output"] if item["type"] == "message" for part in item["content"])


@pytest.mark.parametrize("end", CUTS)
@pytest.mark.parametrize("kind", ["vllm", "anthropic", "unknown"])
def test_the_halves_are_joined_wherever_the_answer_is_cut(start_server, kind, end):
    """By kill -9: the answer is one response, and is what it would have been."""
    goes_on, stream, owner, members = KINDS[kind]
    with Upstream(owner, "llama.cpp" if kind == "llama-server by its field" else "uvicorn") as upstream:
        upstream.replies["m"] = Model(end, goes_on, stream)
        server = start_server("--upstream", flag(upstream, kind, members))
        response, said = cut_and_restart(server, Session.create(server, model="m"), end)
        assert response["status"] == "completed" and response["interject"]["attempts"] == 2
        assert said == texts_of(response)
        # In a message of its own a model begins with a word: paragraphs are its own affair.
        assert (said.split() == TEXT.split()) if goes_on is chat_only else (said == TEXT)
        assert len(upstream.asked("m")) == 2, "nothing was refused"


@pytest.mark.parametrize("kind", KINDS)
def test_each_upstream_goes_on_in_its_own_way(start_server, kind):
    """By kill -9, and then by a steer: its words stand before the prefill, or before the note."""
    goes_on, stream, owner, members = KINDS[kind]
    with Upstream(owner, "llama.cpp" if kind == "llama-server by its field" else "uvicorn") as upstream:
        upstream.replies["m"] = Model("Once upon a", goes_on, stream)
        server = start_server("--upstream", flag(upstream, kind, members))
        response, said = cut_and_restart(server, Session.create(server, model="m"), "Once upon a")
        assert (response["status"], said) == ("completed", TEXT)
        sent = upstream.asked("m")[-1]["messages"]
        told = [PROMPT, "Once upon a"] if goes_on is not chat_only else [PROMPT, "Once upon a", sent[-1]["content"]]
        assert [m["content"] for m in sent] == told
        assert "interrupted" not in json.dumps(sent), "nobody interrupted it"

        session = Session.create(server, model="m")
        speak_and_wait(session, "Once upon a")
        listed = upstream.listed
        accepted = session.speak(STEER, mode="steer")
        log = session.wait_for_end_of(accepted["response_id"])
        assert end_of(log, accepted["response_id"])["status"] == "completed" and deltas(log) == TEXT
        sent = upstream.asked("m")[-1]["messages"]
        if goes_on is chat_only:
            assert [m["content"] for m in sent[:2]] == [PROMPT, "Once upon a"] and sent[2]["content"].startswith(STEER)
        else:
            assert [(m["role"], m["content"]) for m in sent] == [
                ("user", f"{PROMPT}\n\n{STEER}"), ("assistant", "Once upon a")]
        assert len(upstream.asked("m")) == 4, "nothing was refused"
        assert upstream.listed == listed, "what the upstream is was learnt at the restart"


REFUSALS = {
    "vllm": ("vllm", refusal("continue_final_message is set but the final message does not appear in the chat")),
    "vllm, of the member": ("vllm", Reply({"detail": [{"loc": ["body", "continue_final_message"], "type": "extra_forbidden",
                                                       "msg": "Extra inputs are not permitted"}]}, status=422)),
    "llama-server": ("llamacpp", refusal("Assistant response prefill is incompatible with enable_thinking.")),
    "llama-server of before": ("llamacpp", refusal("Assistant response prefill is incompatible with enable_thinking.", 500)),
    "anthropic": ("anthropic", refusal("This model does not support assistant message prefill. The conversation must end "
                                       "with a user message.")),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refused_prefill_is_asked_for_by_the_note_once_and_that_is_remembered(start_server, kind):
    owner, refused = REFUSALS[kind]
    write = messages_stream if owner == "anthropic" else stream

    def goes_on(body):
        return write("time there was") if asks(body) else refused

    with Upstream(owner) as upstream:
        upstream.replies["m"] = upstream.replies["n"] = Model("Once upon a", goes_on, write)
        server = start_server("--upstream", flag(upstream, owner))

        def go_on(model) -> list[bool]:
            """Whether each of the requests of a steer asked by the note; the upstream is asked once what it is."""
            is_known = owner == "anthropic" or upstream.asked(model)
            before = len(upstream.asked(model)) + 1
            session = Session.create(server, model=model)
            speak_and_wait(session, "Once upon a")
            listed = upstream.listed
            log = session.wait_for_end_of(session.speak(STEER, mode="steer")["response_id"])
            assert deltas(log) == "Once upon a time there was" and upstream.listed == listed + (not is_known)
            assert "error" not in [e["type"] for e in log]
            return [asks(body) for body in upstream.asked(model)[before:]]

        assert go_on("m") == [False, True]
        assert go_on("m") == [True]
        # Of another model nothing is known yet.
        assert go_on("n") == [False, True]
        assert go_on("n") == [True]


def test_a_refusal_that_does_not_say_why_is_not_remembered(start_server):
    """Some templates fail on some texts."""
    replies = iter([refusal("substring not found"), stream(" time"), stream(" time")])
    with Upstream("vllm") as upstream:
        upstream.replies["m"] = Model("Once upon a", lambda _: next(replies))
        server = start_server("--upstream", upstream.url)
        for asked in [[False, True], [False]]:
            session = Session.create(server, model="m")
            before = len(upstream.asked("m")) + 1
            speak_and_wait(session, "Once upon a")
            log = session.wait_for_end_of(session.speak(STEER, mode="steer")["response_id"])
            assert deltas(log) == "Once upon a time"
            assert [asks(body) for body in upstream.asked("m")[before:]] == asked


@pytest.mark.parametrize("status", [400, 422])
def test_what_is_refused_in_every_way_is_an_error_after_two_calls(start_server, status):
    with Upstream("vllm") as upstream:
        upstream.replies["m"] = Model("Once upon a", lambda _: refusal("this is too much", status))
        server = start_server("--upstream", upstream.url)
        session = Session.create(server, model="m")
        speak_and_wait(session, "Once upon a")
        response = session.speak(STEER, mode="steer")["response_id"]
        ended = end_of(session.wait_for_end_of(response), response)
        assert ended["status"] == "failed" and "this is too much" in ended["error"]["message"]
        assert len(upstream.asked("m")) == 3


def test_a_prefill_that_was_refused_is_not_sent_again_after_another_fault(start_server):
    """Three calls at most: the refused one, and two beside it."""
    replies = iter([refusal("substring not found"), Reply({"error": {"message": "busy"}}, status=503), stream(" time")])
    with Upstream("vllm") as upstream:
        upstream.replies["m"] = Model("Once upon a", lambda _: next(replies))
        server = start_server("--upstream", upstream.url)
        session = Session.create(server, model="m")
        speak_and_wait(session, "Once upon a")
        log = session.wait_for_end_of(session.speak(STEER, mode="steer")["response_id"])
        assert deltas(log) == "Once upon a time"
        assert [asks(body) for body in upstream.asked("m")[1:]] == [False, True, True]


#: Behind a prefill a text is taken for a repetition from 64 bytes on: a model may mean to say a short one twice.
LONG = TEXT[:TEXT.index(" counted")]


@pytest.mark.parametrize("kind, end", [("vllm", LONG), ("unknown", "Once upon a")])
@pytest.mark.parametrize("again", ["{} time", "\n\n{} time", "{}  time"])
def test_an_answer_that_begins_anew_with_all_that_was_said_is_told_once(start_server, kind, end, again):
    with Upstream("vllm" if kind == "vllm" else None) as upstream:
        upstream.replies["m"] = Model(end, lambda _: stream(again.format(end)))
        server = start_server("--upstream", upstream.url)
        _, said = cut_and_restart(server, Session.create(server, model="m"), end)
        assert said == again.format(end).strip()


@pytest.mark.parametrize("upstream, words", [
    ("anthropic+http://127.0.0.1:9 prefill=continue_final_message", "trailing"),
    ("http://127.0.0.1:9 prefill=perhaps", "auto, continue_final_message, trailing, prompt"),
])
def test_a_prefill_that_cannot_be_is_refused_at_the_start(upstream, words):
    told = run_binary("serve", "--upstream", upstream)
    assert told.returncode == 2 and words in told.stderr, told.stderr
