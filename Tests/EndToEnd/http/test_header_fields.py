"""Header fields that come twice, as lists, or with weights are read as RFC 9110 has them; a wrong base URL is told."""

import pytest

from raw_http import RawConnection


def ask(server, *lines, method="GET", path="/v1/models"):
    with RawConnection(server, timeout_s=15) as connection:
        connection.send("\r\n".join([f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *lines, "", ""]).encode())
        status, headers = connection.read_head()
        body = b""
        if not headers.get("content-type", "").startswith("text/event-stream") and status != 304:
            body = b"".join(connection.read_pieces(headers))
        return status, headers, body


@pytest.mark.parametrize("accept,kind", [
    ("application/json", "application/json"), ("*/*", "text/event-stream"), ("text/event-stream", "text/event-stream"),
    ("application/json, text/event-stream", "text/event-stream"), ("application/json;q=0", "text/event-stream"),
    ("application/json;q=0, */*", "text/event-stream"), ("text/event-stream;q=0, application/json", "application/json"),
    ("text/event-stream;q=0, */*", "application/json"), ("text/event-stream;q=0.5, application/json", "application/json"),
    ("application/json;q=0.5, text/event-stream", "text/event-stream"), ("application/json, text/plain, */*", "application/json"),
    ("application/*", "application/json"), ("APPLICATION/JSON; Q=1", "application/json"), ("text/html", "text/event-stream"),
])
def test_accept_is_weighed(server, new_session, accept, kind):
    path = f"{new_session().path}/events"
    assert ask(server, f"Accept: {accept}", path=path)[1]["content-type"].startswith(kind)


def test_accept_may_come_in_several_fields(server, new_session):
    path = f"{new_session().path}/events"
    assert ask(server, "Accept: text/event-stream;q=0.1", "Accept: application/json", path=path)[1]["content-type"].startswith(
        "application/json")


def test_if_none_match_may_come_in_several_fields_and_weak(server, new_session):
    path = new_session().path
    tag = ask(server, path=path)[1]["etag"]
    for lines in [[f"If-None-Match: {tag}"], ['If-None-Match: "a"', f"If-None-Match: {tag}"], [f'If-None-Match: "a,b", W/{tag}'],
                  ["If-None-Match: *"]]:
        assert ask(server, *lines, path=path)[0] == 304, lines
    for lines in [['If-None-Match: "a"'], [f'If-None-Match: "{tag[1:-1]}x"'], [f"If-None-Match: {tag[1:-1]}"]]:
        assert ask(server, *lines, path=path)[0] == 200, lines


@pytest.mark.parametrize("lines", [
    ["Authorization: Bearer a", "Authorization: Bearer b"], ["Authorization: Bearer a", "Authorization: Bearer a"],
    ["x-api-key: a", "X-API-Key: b"], ["Origin: http://localhost", "Origin: http://localhost"],
    ["Content-Type: a/b", "Content-Type: a/b"], ["Idempotency-Key: a", "Idempotency-Key: b"], ["Last-Event-ID: 1", "Last-Event-ID: 2"],
], ids=str)
def test_a_field_that_may_come_once_is_refused_twice(server, lines):
    status, _, body = ask(server, *lines)
    assert status == 400 and b"repeated_header" in body


def test_two_keys_are_refused_and_one_twice_is_taken(start_server):
    secret = "a-long-enough-secret"
    server = start_server("--api-key", f"ada={secret}", "--operator-key", "another-long-secret")
    assert ask(server, f"Authorization: Bearer {secret}", "x-api-key: other")[0] == 400
    assert ask(server, f"Authorization: Bearer {secret}", f"x-api-key: {secret}")[0] == 200
    assert ask(server, f"Authorization: bearer   {secret}")[0] == 200
    # A proxy's own scheme says nothing to us.
    assert ask(server, "Authorization: Basic YTpi", f"x-api-key: {secret}")[0] == 200
    assert ask(server, "Authorization: Bearer another-long-secret", "x-api-key: other", path="/metrics")[0] == 400


@pytest.mark.parametrize("path,meant", [
    ("/chat/completions", "/v1/chat/completions"), ("/responses", "/v1/responses"), ("/v1/v1/responses", "/v1/responses"),
    ("/models", "/v1/models"), ("/v1/models/", "/v1/models"), ("//v1//models", "/v1/models"), ("/openai/v1/files", "/v1/files"),
    ("/sessions/sess_1/events", "/v1/sessions/sess_1/events"), ("/v1/chat/completions/", "/v1/chat/completions"),
])
def test_a_path_without_v1_is_told_where_it_leads(start_server, server, path, meant):
    for method in ("GET", "POST"):
        status, headers, body = ask(server, "Content-Length: 0", method=method, path=path)
        assert status == 404 and f"Try {meant}:".encode() in body, body


@pytest.mark.parametrize("path", ["/", "/v2/models", "/favicon.ico", "/v1/nothing", "/nothing", "/v1"])
def test_a_path_that_was_meant_for_nothing_here_is_not_guessed(server, path):
    status, _, body = ask(server, path=path)
    assert status == 404 and b"Try" not in body


def test_a_wrong_base_url_is_told_also_without_a_key(start_server):
    server = start_server("--api-key", "ada=a-long-enough-secret")
    status, _, body = ask(server, method="GET", path="/models")
    assert status == 404 and b"/v1/models" in body
