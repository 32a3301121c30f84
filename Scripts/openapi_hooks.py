"""What Scripts/openapi.sh does to the requests that schemathesis makes up."""

import os

import schemathesis


@schemathesis.hook
def map_query(context, query):
    """A wait is taken for what it says, and a minute each would make a day of it."""
    if query and str(query.get("wait", "")).isdigit():
        query["wait"] = min(int(query["wait"]), 1) if isinstance(query["wait"], int) else "0"
    return query


@schemathesis.hook
def map_body(context, body):
    """Nobody waits for a thousand made-up words, and nothing leaves this machine."""
    # The rehearsal model is asked for two words.
    if isinstance(body, dict) and isinstance(body.get("input"), str):
        body["input"] = "[[rehearsal tokens=2]] " + body["input"]
    # Deliveries go to this machine alone, whatever address was made up.
    if isinstance(body, dict) and isinstance(body.get("url"), str) and body["url"].lower().startswith("http"):
        body["url"] = "http://127.0.0.1:9/"
    return body


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Most identifiers are of an object that is there; those of deletions are made up, so that it stays."""
    for name in list(path_parameters or {}):
        known = os.environ.get(f"OPENAPI_{name.upper()}")
        if known and context.operation.method.upper() != "DELETE" and len(str(path_parameters[name])) % 4:
            path_parameters[name] = known
    return path_parameters
