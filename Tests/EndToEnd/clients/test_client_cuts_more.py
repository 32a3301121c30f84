"""As test_client_cuts.py, for clients whose packages exclude those of the other tests: `make test-clients` installs and runs them."""

import asyncio

import pytest
from pydantic import BaseModel

from client_cuts import CUTS, Bench, cut_as
from paced_upstream import MODEL

RUN_BY = "make test-clients runs it"


class City(BaseModel):
    city: str
    notes: str


@pytest.fixture
def bench(start_server):
    bench = Bench(start_server)
    yield bench
    bench.close()


class TestOpenAIAgents:
    @pytest.fixture(autouse=True)
    def package(self):
        self.agents = pytest.importorskip("agents", reason=RUN_BY)
        self.agents.set_tracing_disabled(True)

    def run(self, bench, form, kind, streamed):
        def ask(prompt, notes):
            return asyncio.run(self.answer(bench, prompt, notes.setdefault("ran", []), form, kind, streamed))
        return ask

    async def answer(self, bench, prompt, ran, form, kind, streamed):
        from agents.models.openai_responses import OpenAIResponsesWSModel
        models = {"chat": self.agents.OpenAIChatCompletionsModel, "responses": self.agents.OpenAIResponsesModel,
                  "websocket": OpenAIResponsesWSModel}

        @self.agents.function_tool
        def lookup(query: str) -> str:
            """Looks something up."""
            ran.append(query)
            return "found"

        async with bench.server.async_sdk(default_headers=cut_as(form), max_retries=2) as client:
            agent = self.agents.Agent(name="a", model=models[kind](MODEL, client), tools=[lookup] if "[[tool]]" in prompt else [])
            if not streamed:
                return (await self.agents.Runner.run(agent, prompt, max_turns=3)).final_output
            result = self.agents.Runner.run_streamed(agent, prompt, max_turns=3)
            async for _ in result.stream_events():
                pass
            return result.final_output

    @pytest.mark.parametrize("kind", ["chat", "responses", "websocket"])
    @pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
    def test_prose_told_as_completed_is_the_output(self, bench, kind, streamed):
        for cut in CUTS:
            seen = bench.cut(self.run(bench, "completed", kind, streamed), cut)
            assert seen.ended.startswith("word0 ") and seen.asked == 1

    def test_without_it_responses_raise(self, bench):
        for cut in CUTS:
            seen = bench.cut(self.run(bench, None, "responses", True), cut)
            assert isinstance(seen.raised, self.agents.exceptions.ModelBehaviorError) and seen.asked == 1

    @pytest.mark.parametrize("kind", ["chat", "responses", "websocket"])
    @pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
    def test_half_a_call_is_neither_run_nor_asked_for_again(self, bench, kind, streamed):
        for form in "completed", "failed":
            seen = bench.cut(self.run(bench, form, kind, streamed), "cancel", "[[tool]]")
            assert seen.raised and seen.asked == 1 and seen.notes["ran"] == []


class TestLiteLLM:
    @pytest.fixture(autouse=True)
    def package(self):
        self.litellm = pytest.importorskip("litellm", reason=RUN_BY)

    def options(self, bench, form):
        return {"model": f"openai/{MODEL}", "api_base": bench.url, "api_key": "k", "extra_headers": cut_as(form) or None}

    @pytest.mark.parametrize("cut", CUTS)
    def test_a_chat_that_was_cut_is_an_answer(self, bench, cut):
        def ask(prompt, notes):
            chunks = list(self.litellm.completion(
                messages=[{"role": "user", "content": prompt}], stream=True, **self.options(bench, None)))
            notes["text"] = "".join(c.choices[0].delta.content or "" for c in chunks)
            return chunks[-1].choices[0].finish_reason

        seen = bench.cut(ask, cut)
        assert seen.ended == "stop" and seen.notes["text"] and seen.asked == 1

    def test_a_cancel_told_as_completed_is_an_event_that_it_knows(self, bench):
        def ask(prompt, _):
            return list(self.litellm.responses(input=prompt, stream=True, **self.options(bench, "completed")))[-1]

        assert bench.cut(ask, "cancel").ended.response.status == "completed"


class TestLlamaIndex:
    @pytest.fixture(autouse=True)
    def package(self):
        self.llms = pytest.importorskip("llama_index.llms.openai", reason=RUN_BY)

    @pytest.mark.parametrize("cut", CUTS)
    def test_a_chat_that_was_cut_is_an_answer(self, bench, cut):
        def ask(prompt, _):
            from llama_index.core.llms import ChatMessage
            model = self.llms.OpenAI(model=MODEL, api_base=bench.url, api_key="k")
            return list(model.stream_chat([ChatMessage(role="user", content=prompt)]))[-1].message.content

        seen = bench.cut(ask, cut)
        assert seen.ended.startswith("word0 ") and seen.asked == 1

    def test_a_cancel_told_as_completed_is_an_event_that_it_knows(self, bench):
        def ask(prompt, _):
            from llama_index.core.llms import ChatMessage
            model = self.llms.OpenAIResponses(
                model=MODEL, api_base=bench.url, api_key="k", default_headers=cut_as("completed"))
            return list(model.stream_chat([ChatMessage(role="user", content=prompt)]))[-1]

        told = bench.cut(ask, "cancel").ended
        assert told.message.content.startswith("word0 ") and told.raw.type == "response.completed"


class TestInstructor:
    @pytest.fixture(autouse=True)
    def package(self):
        self.instructor = pytest.importorskip("instructor", reason=RUN_BY)

    @pytest.mark.parametrize("form", [None, "completed", "incomplete"])
    def test_half_an_object_raises_and_is_not_asked_for_again(self, bench, form):
        def ask(prompt, _):
            client = self.instructor.from_openai(
                bench.server.sdk(default_headers=cut_as(form)), mode=self.instructor.Mode.JSON_SCHEMA)
            return client.create(model=MODEL, messages=[{"role": "user", "content": prompt}], response_model=City, max_retries=2)

        seen = bench.cut(ask, "interrupt", "[[json]]")
        assert type(seen.raised).__name__ == "IncompleteOutputException" and seen.asked == 1
