"""What clients that we did not write make of a cut, and what makes it end well: the tables of Protocols/clients.md.

Clients that need other packages than these tests have are in test_client_cuts_more.py. LangChain and Pydantic AI are imported where
they are used: that takes seconds, which every worker would spend.
"""

import asyncio
import json

import openai
import pytest
from httpx_sse import connect_sse
from pydantic import BaseModel, ValidationError

from client_cuts import CUTS, TRUTHS, Bench, cut_as
from paced_upstream import MODEL
from rehearsal import brief


class City(BaseModel):
    city: str
    notes: str


FUNCTION = {"name": "lookup", "parameters": {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}}
STATUSES = {"interrupt": "incomplete", "steer": "incomplete", "rollback": "cancelled", "cancel": "cancelled"}


@pytest.fixture(scope="session", autouse=True)
def used_before(server):
    """The SDK builds its types when they are first used: a second of processor time, which on a busy machine is a test's deadline."""
    with server.sdk() as client:
        list(client.chat.completions.create(model="rehearsal-fast", messages=messages(brief("chat")), stream=True))
        with client.responses.stream(model="rehearsal-fast", input=brief("responses")) as stream:
            stream.get_final_response()


@pytest.fixture
def bench(start_server):
    bench = Bench(start_server)
    yield bench
    bench.close()


@pytest.fixture
def sdk(bench):
    """The SDK as a program has it: it tries again by itself."""
    opened = []

    def make(form=None):
        opened.append(bench.server.sdk(default_headers=cut_as(form), max_retries=2))
        return opened[-1]

    yield make
    for client in opened:
        client.close()


def messages(prompt):
    return [{"role": "user", "content": prompt}]


class TestOpenAIResponses:
    @pytest.mark.parametrize("cut", CUTS)
    def test_the_stream_ends_with_an_event_and_keeps_the_text(self, bench, sdk, cut):
        def ask(prompt, notes):
            events = list(sdk().responses.create(model=MODEL, input=prompt, stream=True))
            notes["text"] = "".join(e.delta for e in events if e.type == "response.output_text.delta")
            return events[-1]

        seen = bench.cut(ask, cut)
        assert seen.ended.type == f"response.{STATUSES[cut]}" and seen.notes["text"] and seen.asked == 1
        # Of a type that it does not know the SDK makes an event of another class, whose `response` is a dict.
        response = seen.ended.response
        assert (response if isinstance(response, dict) else response.to_dict())["status"] == STATUSES[cut]

    @pytest.mark.parametrize("cut", CUTS)
    def test_the_helper_raises_unless_a_cut_is_told_as_completed(self, bench, sdk, cut):
        def ask(form):
            def ask(prompt, notes):
                with sdk(form).responses.stream(model=MODEL, input=prompt) as stream:
                    notes["text"] = "".join(e.delta for e in stream if e.type == "response.output_text.delta")
                    return stream.get_final_response()
            return ask

        for form in None, "incomplete", "failed":
            with pytest.raises(RuntimeError, match="response.completed"):
                raise bench.cut(ask(form), cut).raised
        seen = bench.cut(ask("completed"), cut)
        told = seen.ended.to_dict()["interject"]
        assert seen.ended.output_text == seen.notes["text"] and seen.ended.status == "completed"
        assert (told["status"], told["incomplete_details"]) == TRUTHS[cut]

    def test_connect_ends_with_each_form(self, bench, sdk):
        def ask(form):
            def ask(prompt, _):
                with sdk(form).responses.connect() as connection:
                    connection.response.create(model=MODEL, input=prompt)
                    for event in connection:
                        if event.type in ("response.completed", "response.incomplete", "response.failed", "response.cancelled"):
                            return event
            return ask

        for form, kind in [(None, "cancelled"), ("completed", "completed"), ("incomplete", "incomplete"), ("failed", "failed")]:
            assert bench.cut(ask(form), "cancel").ended.type == f"response.{kind}"

    def test_an_answer_without_a_stream_has_its_status(self, bench, sdk):
        def ask(form):
            return lambda prompt, _: sdk(form).responses.create(model=MODEL, input=prompt)

        for cut in CUTS:
            seen = bench.cut(ask(None), cut)
            assert seen.ended.status == STATUSES[cut] and seen.ended.output_text and seen.asked == 1
        assert bench.cut(ask("completed"), "cancel").ended.status == "completed"
        failed = bench.cut(ask("failed"), "cancel").ended
        assert failed.error.code == "response_cut" and failed.output_text

    def test_half_an_object_raises_as_any_that_does_not_fit(self, bench, sdk):
        """The SDK parses each text that ends, whatever the end of the response says."""
        def parse(prompt, _):
            return sdk().responses.parse(model=MODEL, input=prompt, text_format=City)

        def stream(prompt, notes):
            with sdk().responses.stream(model=MODEL, input=prompt, text_format=City) as stream:
                notes["text"] = ""
                for event in stream:
                    notes["text"] += event.delta if event.type == "response.output_text.delta" else ""

        for ask in parse, stream:
            seen = bench.cut(ask, "interrupt", "[[json]]")
            assert isinstance(seen.raised, ValidationError) and seen.asked == 1
        assert seen.notes["text"].startswith('{"city":')


class TestOpenAIChat:
    @pytest.mark.parametrize("cut", CUTS)
    def test_prose_that_was_cut_is_an_answer(self, bench, sdk, cut):
        def helper(prompt, notes):
            with sdk().chat.completions.stream(model=MODEL, messages=messages(prompt)) as stream:
                notes["text"] = "".join(e.delta for e in stream if e.type == "content.delta")
                return stream.get_final_completion()

        def whole(prompt, _):
            return sdk().chat.completions.create(model=MODEL, messages=messages(prompt))

        seen = bench.cut(helper, cut)
        assert seen.ended.choices[0].finish_reason == "stop" and seen.asked == 1
        assert seen.ended.choices[0].message.content == seen.notes["text"] != ""
        told = bench.cut(whole, cut).ended
        assert told.choices[0].finish_reason == "stop" and told.choices[0].message.content
        assert told.to_dict()["interject"]["status"] == STATUSES[cut]

    @pytest.mark.parametrize("form", [None, "completed", "incomplete"])
    def test_half_an_object_raises_with_what_there_is(self, bench, sdk, form):
        def ask(prompt, _):
            return sdk(form).chat.completions.parse(model=MODEL, messages=messages(prompt), response_format=City)

        seen = bench.cut(ask, "interrupt", "[[json]]")
        assert isinstance(seen.raised, openai.LengthFinishReasonError) and seen.asked == 1
        assert seen.raised.completion.choices[0].message.content.startswith('{"city":')

    def test_half_a_call_of_a_tool_raises(self, bench, sdk):
        def ask(form):
            def ask(prompt, _):
                tools = [{"type": "function", "function": FUNCTION}]
                with sdk(form).chat.completions.stream(model=MODEL, messages=messages(prompt), tools=tools) as stream:
                    return stream.get_final_completion()
            return ask

        assert isinstance(bench.cut(ask(None), "cancel", "[[tool]]").raised, openai.LengthFinishReasonError)
        for form in "completed", "failed":
            seen = bench.cut(ask(form), "cancel", "[[tool]]")
            assert isinstance(seen.raised, openai.APIError) and seen.raised.code == "response_cut" and seen.asked == 1


def test_httpx_sse_sees_every_event_in_its_order(bench):
    def ask(prompt, _):
        body = {"model": MODEL, "input": prompt, "stream": True}
        with bench.server.http(headers=cut_as("completed")) as http, connect_sse(http, "POST", "/v1/responses", json=body) as source:
            return [(event.event, event.data) for event in source.iter_sse()]

    events = bench.cut(ask, "cancel").ended
    assert events[-1][1] == "[DONE]" and events[-2][0] == "response.completed"
    assert [json.loads(data)["sequence_number"] for _, data in events[:-1]] == list(range(len(events) - 1))


class TestLangChain:
    @pytest.fixture(autouse=True)
    def imported(self):
        """Before the deadlines of a test begin."""
        import langchain_openai  # noqa: F401

    def model(self, bench, form=None, responses=False):
        from langchain_openai import ChatOpenAI

        return ChatOpenAI(
            model=MODEL, base_url=bench.url, api_key="k", use_responses_api=responses, default_headers=cut_as(form) or None)

    def stream(self, bench, form, responses):
        def ask(prompt, _):
            chunks = list(self.model(bench, form, responses).stream(prompt))
            whole = chunks[0]
            for chunk in chunks[1:]:
                whole += chunk
            return whole
        return ask

    @pytest.mark.parametrize("cut", CUTS)
    def test_a_chat_that_was_cut_is_a_message(self, bench, cut):
        seen = bench.cut(self.stream(bench, None, False), cut)
        assert seen.ended.text and seen.ended.response_metadata["finish_reason"] == "stop" and seen.asked == 1

    @pytest.mark.parametrize("form, status", [("completed", "completed"), ("incomplete", "incomplete"), (None, None)])
    def test_a_response_that_was_cancelled_has_an_end_where_its_event_is_known(self, bench, form, status):
        """LangChain passes over `response.cancelled`, and its message is without status and usage."""
        told = bench.cut(self.stream(bench, form, True), "cancel").ended
        assert told.text and told.response_metadata.get("status") == status and bool(told.usage_metadata) == (status is not None)

    def test_a_cut_that_is_told_as_failed_raises(self, bench):
        seen = bench.cut(self.stream(bench, "failed", True), "interrupt")
        assert isinstance(seen.raised, ValueError) and "response_cut" in str(seen.raised) and seen.asked == 1

    def test_half_an_object_raises_and_is_not_asked_for_again(self, bench):
        seen = bench.cut(lambda prompt, _: self.model(bench).with_structured_output(City).invoke(prompt), "interrupt", "[[json]]")
        assert isinstance(seen.raised, openai.LengthFinishReasonError) and seen.asked == 1


class TestPydanticAI:
    @pytest.fixture(autouse=True)
    def imported(self):
        """Before the deadlines of a test begin."""
        import pydantic_ai.models.openai  # noqa: F401

    def agent(self, bench, form, responses, ran, **options):
        from pydantic_ai import Agent
        from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
        from pydantic_ai.providers.openai import OpenAIProvider

        client = bench.server.async_sdk(default_headers=cut_as(form), max_retries=2)
        kind = OpenAIResponsesModel if responses else OpenAIChatModel
        agent = Agent(kind(MODEL, provider=OpenAIProvider(openai_client=client)), **options)

        @agent.tool_plain
        def lookup(query: str) -> str:
            ran.append(query)
            return "found"

        return agent

    def run(self, bench, form=None, responses=False, streamed=False, **options):
        def ask(prompt, notes):
            agent = self.agent(bench, form, responses, notes.setdefault("ran", []), **options)

            async def stream():
                async with agent.run_stream(prompt) as result:
                    return await result.get_output()

            async def whole():
                return (await agent.run(prompt)).output

            return asyncio.run(stream() if streamed else whole())
        return ask

    @pytest.mark.parametrize("form", [None, "completed"])
    @pytest.mark.parametrize("responses", [False, True], ids=["chat", "responses"])
    def test_prose_that_was_cut_is_the_output(self, bench, responses, form):
        for streamed in False, True:
            for cut in "interrupt", "cancel":
                seen = bench.cut(self.run(bench, form, responses, streamed), cut)
                assert seen.ended.startswith("word0 ") and seen.asked == 1

    @pytest.mark.parametrize("responses, form", [(False, None), (False, "completed"), (True, "completed")])
    def test_half_an_object_raises_and_is_not_asked_for_again(self, bench, responses, form):
        from pydantic_ai import NativeOutput
        from pydantic_ai.exceptions import UnexpectedModelBehavior

        seen = bench.cut(self.run(bench, form, responses, output_type=NativeOutput(City)), "interrupt", "[[json]]")
        assert isinstance(seen.raised, UnexpectedModelBehavior) and seen.asked == 1

    @pytest.mark.parametrize("responses", [False, True], ids=["chat", "responses"])
    @pytest.mark.parametrize("form", ["completed", "failed"])
    def test_half_a_call_is_neither_run_nor_asked_for_again(self, bench, responses, form):
        for streamed in False, True:
            seen = bench.cut(self.run(bench, form, responses, streamed), "cancel", "[[tool]]")
            assert seen.raised and "cut" in str(seen.raised) and seen.asked == 1 and seen.notes["ran"] == []
