"""The machine-readable protocols under Protocols/: loaded, with every $ref resolved, and as validators."""

import json
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlparse

import httpx
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

PROTOCOLS = Path(__file__).resolve().parents[3] / "Protocols"
SCHEMAS = PROTOCOLS / "schemas"
OPENAPI = (PROTOCOLS / "openapi.yaml").as_uri()


def schema_files() -> list[Path]:
    return sorted(SCHEMAS.rglob("*.json"))


@cache
def document(uri: str):
    """A JSON or YAML file by its file: URI."""
    path = Path(unquote(urlparse(uri).path))
    return yaml.safe_load(path.read_text()) if path.suffix == ".yaml" else json.loads(path.read_text())


def resolve(reference: str, base: str):
    """What a $ref in the file `base` points to, and the file it stands in. KeyError or OSError if nothing is there."""
    uri, pointer = urldefrag(urljoin(base, reference))
    node = document(uri)
    for part in filter(None, pointer.split("/")):
        node = node[unquote(part).replace("~1", "/").replace("~0", "~")]
    return node, uri


def references(node):
    """Every $ref in a document."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def closed(node):
    """The schema with no further members allowed where it does not say so: what the server sends must be documented."""
    if isinstance(node, list):
        return [closed(value) for value in node]
    if not isinstance(node, dict):
        return node
    result = {key: closed(value) for key, value in node.items()}
    if result.get("type") == "object" and "properties" in result:
        result.setdefault("additionalProperties", False)
    return result


def _retrieve(uri: str) -> Resource:
    return Resource(closed(document(uri)), DRAFT202012)


_registry = Registry(retrieve=_retrieve)


@cache
def validator(uri: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": uri}, registry=_registry)


def check(instance, name: str):
    """Validates against schemas/NAME.json; nothing may be there that the schema does not name."""
    errors = [f"{error.json_path}: {error.message[:300]}" for error in validator((SCHEMAS / f"{name}.json").as_uri()).iter_errors(instance)]
    assert not errors, f"{name}: {errors} in {json.dumps(instance)[:1000]}"


@cache
def _events_by_type() -> dict[str, str]:
    types = {}
    for path in (SCHEMAS / "events").glob("*.json"):
        kind = json.loads(path.read_text())["properties"]["type"].get("const")
        if kind and kind != "error":
            types[kind] = f"events/{path.stem}"
    return types


def check_event(event: dict):
    """Validates an event of any face by its type."""
    kind = event["type"]
    if kind == "error":
        check(event, "events/command-error" if "status" in event else "events/error")
    elif kind in _events_by_type():
        check(event, _events_by_type()[kind])
    else:
        assert not kind.startswith("interject:"), f"{kind} is not documented in Protocols/schemas/events"
        check(event, "events/response")


def check_answer(answer: httpx.Response, path: str) -> dict:
    """The answer is documented for this operation, its JSON fits the schema."""
    operation = document(OPENAPI)["paths"][path][answer.request.method.lower()]
    assert str(answer.status_code) in operation["responses"], f"{path}: {answer.status_code} is not documented: {answer.text}"
    described = operation["responses"][str(answer.status_code)]
    pointer = f"#/paths/{path.replace('/', '~1')}/{answer.request.method.lower()}/responses/{answer.status_code}"
    if "$ref" in described:
        pointer = described["$ref"]
        described, _ = resolve(pointer, OPENAPI)
    assert "application/json" in described["content"]
    errors = list(validator(f"{OPENAPI}{pointer}/content/application~1json/schema").iter_errors(answer.json()))
    assert not errors, f"{path}: {[f'{e.json_path}: {e.message[:300]}' for e in errors]}"
    for name, header in described.get("headers", {}).items():
        if header.get("$ref", "").endswith("/RequestID"):
            assert answer.headers[name].startswith("req_")
    return answer.json()
