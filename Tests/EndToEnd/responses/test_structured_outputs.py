"""Answers that must be JSON: streamed as they come, judged whole at the end."""

import json

import openai
import pytest
from pydantic import BaseModel

from restarts import restart
from scripted_upstream import ScriptedUpstream, chunk
from sessions import deltas

SCHEMA = {
    "type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "array", "items": {"type": "integer"}}},
    "required": ["city", "days"], "additionalProperties": False,
}
GOOD, WRONG, CUT = '{"city":"Bonn","days":[1,2]}', '{"city":"Bonn","days":[1,"two"]}', '{"city":"Bo'
FORMAT = {"format": {"type": "json_schema", "name": "weather", "schema": SCHEMA, "strict": True}}
CHAT_FORMAT = {"type": "json_schema", "json_schema": {"name": "weather", "schema": SCHEMA, "strict": True}}


class Weather(BaseModel):
    city: str
    days: list[int]


@pytest.fixture
def server_that_says(start_server):
    """A server whose upstream answers with this text, in pieces of four characters."""
    upstreams = []

    def start(text, finish_reason="stop"):
        pieces = [chunk(text[i:i + 4]) for i in range(0, len(text), 4)]
        upstream = ScriptedUpstream([*pieces, chunk("", finish_reason), b"data: [DONE]\n\n"])
        upstreams.append(upstream)
        server = start_server("--upstream", f"{upstream.url}/v1")
        server.upstream = upstream
        return server

    yield start
    for upstream in upstreams:
        upstream.__exit__()


def test_a_valid_answer_is_completed(server_that_says):
    server = server_that_says(GOOD)
    with server.sdk() as client:
        events = list(client.responses.create(model="m", input="hi", text=FORMAT, stream=True))
        response = events[-1].response
        assert events[-1].type == "response.completed" and response.output_text == GOOD
        assert deltas(e.to_dict() for e in events) == GOOD and len(events) > 10, "it is streamed as it comes"
        verdict = events[-2].to_dict()
        assert verdict == {"type": "interject:validation", "sequence_number": len(events) - 2, "valid": True}
        assert response.model_extra["interject"]["validation"] == {"valid": True}
        parsed = client.responses.parse(model="m", input="hi", text_format=Weather)
        assert parsed.output_parsed == Weather(city="Bonn", days=[1, 2])
    sent = server.upstream.requests[0][2]["response_format"]
    assert sent["type"] == "json_schema" and sent["json_schema"]["schema"] == SCHEMA


def test_an_invalid_answer_is_incomplete_and_says_why(server_that_says):
    server = server_that_says(WRONG)
    violation = {"path": "/days/1", "message": "must be of type integer"}
    with server.sdk() as client:
        events = list(client.responses.create(model="m", input="hi", text=FORMAT, stream=True))
        assert [e.sequence_number for e in events] == list(range(len(events)))
        verdict, end = events[-2].to_dict(), events[-1]
        assert verdict["type"] == "interject:validation" and (verdict["valid"], verdict["violation"]) == (False, violation)
        assert end.type == "response.incomplete" and end.response.status == "incomplete"
        assert end.response.incomplete_details.reason == "invalid_structured_output"
        assert end.response.output_text == WRONG and end.response.output[-1].status == "incomplete", "what was said is kept"
        whole = client.responses.create(model="m", input="hi", text=FORMAT)
        assert whole.status == "incomplete" and whole.model_extra["interject"]["validation"]["violation"] == violation
    restart(server)
    with server.sdk() as client:
        assert client.responses.retrieve(whole.id).to_dict() == whole.to_dict()


@pytest.mark.parametrize("text, valid", [('{"a":1}', True), ("[1]", False), ("Sure! {}", False), (CUT, False)])
def test_json_object_is_judged_as_json(server_that_says, text, valid):
    with server_that_says(text).sdk() as client:
        response = client.responses.create(model="m", input="Say JSON.", text={"format": {"type": "json_object"}})
    assert response.model_extra["interject"]["validation"]["valid"] is valid
    assert response.status == ("completed" if valid else "incomplete")


def test_an_answer_that_was_cut_is_not_judged(server_that_says):
    with server_that_says(CUT, "length").sdk() as client:
        response = client.responses.create(model="m", input="hi", text=FORMAT)
    assert response.incomplete_details.reason == "max_output_tokens"
    assert "validation" not in response.model_extra["interject"]


def test_plain_text_is_not_judged(server_that_says):
    with server_that_says("Hello.").sdk() as client:
        for options in ({}, {"text": {"format": {"type": "text"}}}):
            response = client.responses.create(model="m", input="hi", **options)
            assert response.status == "completed" and "validation" not in response.model_extra["interject"]


def test_chat_completions_are_judged_too(server_that_says):
    server = server_that_says(WRONG)
    messages = [{"role": "user", "content": "hi"}]
    with server.sdk() as client:
        completion = client.chat.completions.create(model="m", messages=messages, response_format=CHAT_FORMAT)
        extension = completion.model_extra["interject"]
        assert completion.choices[0].message.content == WRONG
        assert (extension["status"], extension["reason"]) == ("incomplete", "invalid_structured_output")
        assert extension["validation"]["violation"]["path"] == "/days/1"
        chunks = list(client.chat.completions.create(
            model="m", messages=messages, response_format=CHAT_FORMAT, stream=True))
        assert chunks[-1].model_extra["interject"]["validation"]["valid"] is False
    assert server.upstream.requests[0][2]["response_format"] == CHAT_FORMAT
    with server_that_says(GOOD).sdk() as client:
        parsed = client.chat.completions.parse(model="m", messages=messages, response_format=Weather)
        assert parsed.choices[0].message.parsed == Weather(city="Bonn", days=[1, 2])
        assert parsed.model_extra["interject"]["validation"] == {"valid": True}


@pytest.mark.parametrize("schema", [
    {"type": "text"}, {"properties": {"a": 1}}, {"$ref": "#/$defs/none"}, {"pattern": "(?=a)"}, {"unevaluatedItems": False}])
def test_a_bad_schema_is_refused_before_anything_is_paid(server, tag, schema):
    with server.sdk() as client:
        with pytest.raises(openai.BadRequestError) as caught:
            client.responses.create(model="rehearsal", input=tag, text={"format": {**FORMAT["format"], "schema": schema}})
        assert caught.value.code == "invalid_json_schema" and caught.value.param == "text.format.schema"
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(
                model="rehearsal", messages=[{"role": "user", "content": tag}],
                response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}})
        assert caught.value.code == "invalid_json_schema"
    assert server.rehearsal.requests(tag) == []


@pytest.mark.parametrize("text_format", [{"type": "yaml"}, {"type": "json_schema", "schema": SCHEMA},
                                         {"type": "json_schema", "name": "a b", "schema": SCHEMA},
                                         {"type": "json_schema", "name": "x"}])
def test_a_format_that_makes_no_sense_is_refused(server, tag, text_format):
    with server.http() as http:
        answer = http.post("/v1/responses", json={"model": "rehearsal", "input": tag, "text": {"format": text_format}})
    assert answer.status_code == 400 and answer.json()["error"]["param"].startswith("text.format")
    assert json.loads(answer.content)
