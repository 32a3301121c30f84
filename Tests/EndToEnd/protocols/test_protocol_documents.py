"""The machine-readable protocols are valid, whole and about the same things as the prose. Needs no server."""

import json
import re

import pytest
import yaml
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from protocol_schemas import PROTOCOLS, document, references, resolve, schema_files

SOURCES = PROTOCOLS.parent / "Sources"
OPENAPI = PROTOCOLS / "openapi.yaml"
ASYNCAPI = PROTOCOLS / "asyncapi.yaml"


def names(path):
    return str(path.relative_to(PROTOCOLS))


@pytest.mark.parametrize("path", schema_files(), ids=names)
def test_a_schema_is_a_valid_schema(path):
    schema = json.loads(path.read_text())
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema" and schema["title"]
    Draft202012Validator.check_schema(schema)


def test_the_openapi_document_is_valid():
    OpenAPIV31SpecValidator(yaml.safe_load(OPENAPI.read_text()), base_uri=OPENAPI.as_uri()).validate()


@pytest.mark.parametrize("path", [OPENAPI, ASYNCAPI, *schema_files()], ids=names)
def test_every_reference_leads_somewhere(path):
    for reference in references(document(path.as_uri())):
        resolve(reference, path.as_uri())


def test_every_schema_is_used():
    used, files = set(), [OPENAPI.as_uri(), ASYNCAPI.as_uri()]
    while files:
        base = files.pop()
        for reference in references(document(base)):
            _, uri = resolve(reference, base)
            if uri not in used:
                used.add(uri)
                files.append(uri)
    # What SSE carries is named in descriptions: OpenAPI 3.1 has no schema for the events of a stream.
    prose = OPENAPI.read_text()
    unused = [names(p) for p in schema_files() if p.as_uri() not in used and f"schemas/{p.name}" not in prose]
    assert not unused


def test_the_asyncapi_document_is_consistent():
    api = yaml.safe_load(ASYNCAPI.read_text())
    assert api["asyncapi"] == "3.0.0" and api["info"]["title"] and api["info"]["version"]
    channel = api["channels"]["responses"]
    assert channel["address"] == "/v1/responses"
    carried = set()
    for operation in api["operations"].values():
        assert operation["action"] in ("send", "receive")
        for message in operation["messages"] + operation.get("reply", {}).get("messages", []):
            carried.add(message["$ref"].removeprefix("#/channels/responses/messages/"))
    assert carried == set(channel["messages"]) == set(api["components"]["messages"])


def test_each_event_and_command_of_the_code_has_a_schema():
    """The names in the sources against the names in the schemas."""
    kinds = {json.loads(p.read_text()).get("properties", {}).get("type", {}).get("const") for p in schema_files()}
    kinds |= {part["properties"]["type"]["const"] for p in schema_files() for part in json.loads(p.read_text()).get("allOf", [])
              if "const" in part.get("properties", {}).get("type", {})}
    code = "\n".join(p.read_text() for p in [*(SOURCES / "ResponsesWire").rglob("*.swift"), *(SOURCES / "Faces").rglob("*.swift")])
    written = set(re.findall(r'"((?:interject:|response\.(?:create|steer)\b)[a-z_.]*)"', code))
    written -= {"interject:error"}  # Only a name of an SSE event: its data is an error.
    written = {kind for kind in written if kind not in ("response.created",)}
    assert written == {kind for kind in kinds if kind and (kind.startswith("interject:") or kind.startswith(("response.steer", "response.create")))}


def test_each_interject_event_is_in_the_prose():
    prose = (PROTOCOLS / "sessions.md").read_text()
    for path in schema_files():
        kind = json.loads(path.read_text()).get("properties", {}).get("type", {}).get("const", "")
        if kind.startswith("interject:"):
            assert f"`{kind}`" in prose or kind in prose, kind


@pytest.mark.parametrize("page", sorted(PROTOCOLS.glob("*.md")), ids=names)
def test_links_within_the_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)?(?:#[^)]*)?\)", page.read_text()):
        if target and "://" not in target:
            assert (PROTOCOLS / target).exists(), f"{page.name} links to {target}"
