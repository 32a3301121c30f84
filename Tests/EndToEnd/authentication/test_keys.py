"""API keys: made, narrowed, changed and revoked while the server runs; what is another's is not there."""

import re
import threading

import openai
import pytest

from keys import Keys, bearer
from processes import InterjectProcess, run_binary
from rehearsal import brief, endless, eventually, unique
from sessions import Session
from sockets import Socket

WITHIN_S = 10  # A second by the documentation; more on a busy machine.


@pytest.fixture
def keys(tmp_path):
    return Keys(tmp_path / "data")


@pytest.fixture
def keyed(keys, start_server):
    """A server with a data directory in which there are keys."""
    keys.admin = keys.create("root", scopes="admin")
    return start_server("--data", keys.directory)


def status(server, key, path="/v1/models"):
    with server.http(headers=bearer(key)) as http:
        return http.get(path).status_code


def test_a_key_is_shown_once_and_kept_as_a_digest(keys):
    done = keys.run("create", "ada")
    secret = done.stdout.strip()
    assert done.returncode == 0 and re.fullmatch(r"ij-[0-9A-Za-z]{49}", secret)
    listed = keys.run("list").stdout
    assert "ada" in listed and secret[:9] in listed and secret not in listed
    for file in keys.directory.iterdir():
        assert secret.encode() not in file.read_bytes()
        assert file.stat().st_mode & 0o077 == 0 or file.name == "interject.lock"


def test_keys_are_made_and_revoked_while_the_server_runs(keys, keyed):
    made = keys.create("later")
    eventually(lambda: status(keyed, made) == 200, "the new key lets in", WITHIN_S)
    keys.revoke(made["id"])
    eventually(lambda: status(keyed, made) == 401, "the revoked key does not", WITHIN_S)
    assert status(keyed, keys.admin) == 200
    assert keys.list()[made["id"]]["revoked_at"]


def test_rotation_changes_the_secret_and_nothing_else(keys, keyed):
    made = keys.create("app", owner="team", scopes="chat,sessions:read")
    eventually(lambda: status(keyed, made) == 200, "the key lets in", WITHIN_S)
    graced = keys.rotate(made["id"], grace="1h")
    eventually(lambda: status(keyed, graced) == 200, "the new secret lets in", WITHIN_S)
    assert status(keyed, made) == 200, "the old one still does in its time of grace"
    last = keys.rotate("app")
    eventually(lambda: status(keyed, last) == 200, "the third secret lets in", WITHIN_S)
    assert status(keyed, graced) == 401 and status(keyed, made) == 401
    listed = keys.list()[made["id"]]
    assert (listed["owner"], listed["scopes"]) == ("team", ["chat", "sessions:read"])


def test_a_key_expires(keys, keyed):
    made = keys.create("brief", expires_in="3")
    eventually(lambda: status(keyed, made) == 200, "the key lets in", 3)
    eventually(lambda: status(keyed, made) == 401, "it has expired", WITHIN_S)


def test_the_last_use_is_noted(keys, keyed):
    assert status(keyed, keys.admin) == 200
    eventually(lambda: keys.list()[keys.admin["id"]]["last_used_at"], "the use is noted", WITHIN_S)


def test_the_first_key_closes_an_open_server(keys, start_server):
    server = start_server("--data", keys.directory)
    with server.http() as http:
        assert http.get("/v1/models").status_code == 200
        made = keys.create()
        eventually(lambda: http.get("/v1/models").status_code == 401, "a key is needed now", WITHIN_S)
        keys.revoke(made["id"])
        eventually(lambda: status(server, made) == 401, "it is revoked", WITHIN_S)
        assert http.get("/v1/models").status_code == 401, "and the server stays closed"
        assert http.get("/metrics").status_code == 403


def test_keys_of_the_settings_still_work_beside_stored_ones(keys, start_server):
    made = keys.create("stored")
    server = start_server("--data", keys.directory, "--api-key", "named=a-secret-of-the-settings")
    assert status(server, made) == 200 and status(server, "a-secret-of-the-settings") == 200
    assert status(server, "ij-" + "x" * 49) == 401


def test_require_key_lets_nobody_in_before_there_is_one(keys, start_server):
    server = start_server("--data", keys.directory, "--require-key")
    with server.http() as http:
        assert http.get("/v1/models").status_code == 401
        assert http.get("/healthz").status_code == 200
    made = keys.create()
    eventually(lambda: status(server, made) == 200, "the key lets in", WITHIN_S)


@pytest.mark.parametrize("arguments, complaint", [
    (["create", "x", "--scopes", "everything"], "--scopes"),
    (["create", "x", "--expires-in", "soon"], "--expires-in"),
    (["create", "x", "--max-concurrent", "0"], "--max-concurrent"),
    (["create", ""], "1 to 256"), (["create", "x", "--owner", ""], "1 to 256"), (["create", "x" * 257], "1 to 256"),
    (["create", "x", "--owner", "everybody"], "reserved"), (["create", "x", "--owner", "key_1"], "reserved"),
    (["revoke", "key_none"], "key_none"),
    (["rotate", "nobody"], "nobody"),
])
def test_what_cannot_be_done_is_said_in_one_line(keys, arguments, complaint):
    keys.create()
    done = keys.run(*arguments)
    assert done.returncode in (1, 2) and complaint in done.stderr and done.stderr.count("\n") == 1


def test_the_data_directory_is_that_of_the_server(tmp_path):
    done = run_binary("keys", "create", "ada", env={"STATE_DIRECTORY": str(tmp_path / "state")})
    assert done.returncode == 0 and (tmp_path / "state" / "interject.sqlite").exists()
    done = run_binary("keys", "list", "--data", "none")
    assert done.returncode == 2 and "--data" in done.stderr


# Each call, with the scope that it needs: {sess} and {resp} are a session and a response of somebody else.
ROUTES = [
    ("GET", "/v1/sessions", None, "sessions:read"),
    ("POST", "/v1/sessions", {}, "sessions"),
    ("GET", "/v1/sessions/{sess}", None, "sessions:read"),
    ("DELETE", "/v1/sessions/{sess}", None, "sessions"),
    ("GET", "/v1/sessions/{sess}/events", None, "sessions:read"),
    ("POST", "/v1/sessions/{sess}/input", {"input": "x"}, "sessions"),
    ("POST", "/v1/sessions/{sess}/cancel", None, "sessions"),
    ("GET", "/v1/responses/{resp}", None, "responses:read"),
    ("GET", "/v1/responses/{resp}?stream=true", None, "responses:read"),
    ("GET", "/v1/responses/{resp}?stream=true&starting_after=2", None, "responses:read"),
    ("POST", "/v1/responses/{resp}/cancel", None, "responses"),
    ("POST", "/v1/responses/{resp}/steer", {"input": "x"}, "responses"),
    ("POST", "/v1/responses", {"model": "rehearsal", "input": "x", "interject": {"session_id": "{sess}"}}, "responses"),
    ("POST", "/v1/chat/completions",
     {"model": "rehearsal", "messages": [{"role": "user", "content": "x"}], "interject": {"session_id": "{sess}"}}, "chat"),
]
OF_ANOTHER = [route for route in ROUTES if "{" in str(route[1:3]).replace("{}", "")]


def fill(value, names):
    if isinstance(value, dict):
        return {key: fill(inner, names) for key, inner in value.items()}
    return value.format(**names) if isinstance(value, str) and "{" in value else value


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A server with keys of several owners and scopes, and a running response of Ada's."""
    directory = tmp_path_factory.mktemp("matrix")
    keys = Keys(directory / "data")
    made = {name: keys.create(name) for name in ("ada", "bob")}
    scopes = {scope for *_, scope in ROUTES}
    made |= {f"without {scope}": keys.create("ada2", owner="ada", scopes=",".join(SCOPES_WITHOUT[scope])) for scope in scopes}
    made |= {f"only {scope}": keys.create("ada3", owner="ada", scopes=scope) for scope in scopes}
    with InterjectProcess(directory, "--data", keys.directory) as server:
        server.keys = made
        session = Session.create(server, headers=bearer(made["ada"]))
        response_id = session.speak(endless(unique()))["response_id"]
        server.names = {"sess": session.id, "resp": response_id}
        yield server


ALL_SCOPES = ["responses", "responses:read", "chat", "sessions", "sessions:read", "realtime", "files", "batches", "webhooks", "usage"]
SCOPES_WITHOUT = {
    "sessions": [s for s in ALL_SCOPES if s != "sessions"],
    "sessions:read": [s for s in ALL_SCOPES if not s.startswith("sessions")],
    "responses": [s for s in ALL_SCOPES if s != "responses"],
    "responses:read": [s for s in ALL_SCOPES if not s.startswith("responses")],
    "chat": [s for s in ALL_SCOPES if s != "chat"],
}


def ask(server, key, route):
    method, path, body, _ = route
    with server.http(headers=bearer(server.keys[key])) as http:
        with http.stream(method, fill(path, server.names), json=fill(body, server.names)) as answer:
            return answer.status_code, None if answer.is_success else answer.read() and answer.json()["error"]


def name(route):
    return f"{route[0]} {route[1]}"


@pytest.mark.parametrize("route", OF_ANOTHER, ids=name)
def test_what_is_anothers_is_not_there(shared, route):
    code, error = ask(shared, "bob", route)
    assert code == 404 and error["code"] in ("session_not_found", "response_not_found")
    # Word for word what is said of something that never was.
    never = {"sess": "sess_" + "0" * 24, "resp": "resp_" + "0" * 24}
    method, path, body, _ = route
    with shared.http(headers=bearer(shared.keys["bob"])) as http:
        absent = http.request(method, fill(path, never), json=fill(body, never))
    assert absent.status_code == 404
    told = error["message"]
    for kind in never:
        told = told.replace(shared.names[kind], never[kind])
    assert absent.json()["error"]["message"] == told


@pytest.mark.parametrize("route", ROUTES, ids=name)
def test_a_call_without_its_scope_is_refused_by_the_scopes_name(shared, route):
    code, error = ask(shared, f"without {route[3]}", route)
    assert code == 403 and error["code"] == "missing_scope" and f"'{route[3]}'" in error["message"]


@pytest.mark.parametrize("route", [r for r in ROUTES if r[0] == "GET"], ids=name)
def test_the_scope_alone_is_enough(shared, route):
    assert ask(shared, f"only {route[3]}", route)[0] == 200


def test_what_comes_from_the_disk_is_checked_for_its_owner_too(keys, start_server):
    ada, bob = keys.create("ada"), keys.create("bob")
    server = start_server("--data", keys.directory)
    session = Session.create(server, headers=bearer(ada))
    response_id = session.speak(brief(unique()))["response_id"]
    session.wait_for_end_of(response_id)
    server.stop()
    server = start_server("--data", keys.directory)
    names = {"sess": session.id, "resp": response_id}
    for key, expected in ((bob, {404}), (ada, {200})):
        with server.http(headers=bearer(key)) as http:
            paths = [fill(path, names) for method, path, *_ in OF_ANOTHER if method == "GET"]
            codes = set()
            for path in paths:
                with http.stream("GET", path) as answer:
                    codes.add(answer.status_code)
            assert codes == expected, paths


def test_foreign_sessions_are_not_listed(shared):
    with shared.http(headers=bearer(shared.keys["bob"])) as http:
        assert http.get("/v1/sessions").json()["data"] == []
    with shared.http(headers=bearer(shared.keys["ada"])) as http:
        assert shared.names["sess"] in [s["id"] for s in http.get("/v1/sessions").json()["data"]]


def test_previous_responses_of_others_are_not_continued(shared):
    with shared.sdk(api_key=shared.keys["bob"]["secret"]) as client, pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model="rehearsal", input="x", previous_response_id=shared.names["resp"])
    assert refused.value.code == "previous_response_not_found"


@pytest.mark.parametrize("command, scope", [
    ({"type": "response.create", "model": "rehearsal", "input": "x"}, "responses"),
    ({"type": "interject:join", "session_id": "{sess}"}, "sessions:read"),
    ({"type": "interject:input", "session_id": "{sess}", "input": "x"}, "sessions"),
    ({"type": "interject:cancel", "session_id": "{sess}"}, "sessions"),
], ids=lambda value: value["type"] if isinstance(value, dict) else value)
def test_each_command_of_a_websocket_needs_its_scope(shared, open_socket, command, scope):
    socket = open_socket(to=shared, headers=bearer(shared.keys[f"without {scope}"]))
    fields = fill(command, shared.names)
    socket.send(fields.pop("type"), **fields)
    error = socket.wait_for_type("error")
    assert error["status"] == 403 and error["error"]["code"] == "missing_scope"


@pytest.mark.parametrize("command", [
    {"type": "interject:join", "session_id": "{sess}"},
    {"type": "interject:input", "session_id": "{sess}", "input": "x"},
    {"type": "interject:cancel", "response_id": "{resp}"},
    {"type": "response.steer", "previous_response_id": "{resp}", "input": "x"},
], ids=lambda value: value["type"])
def test_a_websocket_finds_nothing_of_anothers(shared, open_socket, command):
    socket = open_socket(to=shared, headers=bearer(shared.keys["bob"]))
    fields = fill(command, shared.names)
    socket.send(fields.pop("type"), **fields)
    answer = socket.wait_for(lambda e: e["type"] in ("error", "response.steer.failed"), "the refusal")
    assert answer["error"]["code"] in ("session_not_found", "response_not_found")


def test_a_socket_of_a_revoked_key_is_closed_at_its_next_command(keys, keyed, open_socket):
    made = keys.create("gone")
    eventually(lambda: status(keyed, made) == 200, "the key lets in", WITHIN_S)
    socket = open_socket(to=keyed, headers=bearer(made))
    keys.revoke(made["id"])
    eventually(lambda: status(keyed, made) == 401, "it is revoked", WITHIN_S)
    socket.create(brief(unique()))
    assert socket.wait_for_type("error")["error"]["code"] == "key_revoked"
    eventually(lambda: socket.closed, "the socket is closed")
    assert socket.ws.close_code == 1008


def test_wrong_keys_of_one_address_are_limited(keys, start_server):
    made = keys.create()
    server = start_server(
        "--data", keys.directory, "--api-key", "named=a-secret-of-the-settings", "--failed-key-limit", 3, "--limit-loopback")
    assert [status(server, f"wrong-{n}") for n in range(3)] == [401, 401, 401]
    with server.http(headers=bearer("a-secret-of-the-settings")) as http:
        answer = http.get("/v1/models")
        assert answer.status_code == 429 and int(answer.headers["retry-after"]) > 0
        assert answer.json()["error"]["code"] == "too_many_failed_attempts"
    assert status(server, made) == 200, "a key that cannot be guessed lets in all the same"


def in_background(work):
    """Runs it in a thread; `result()` waits for what it gives."""
    box = []
    thread = threading.Thread(target=lambda: box.append(work()), daemon=True)
    thread.start()

    def result():
        thread.join(30)
        assert box, "it has not ended"
        return box[0]

    return result


def test_what_a_revoked_key_has_open_ends_with_a_clear_error(keys, keyed):
    """Streams of each face, an answer that is waited for, a long poll, a WebSocket."""
    made, tag = keys.create("leaving", owner="ada"), unique()
    other = keys.create("staying", owner="ada")
    eventually(lambda: status(keyed, made) == 200 == status(keyed, other), "the keys let in", WITHIN_S)
    session = Session.create(keyed, headers=bearer(made))
    session.speak(endless(tag + "session"))
    with keyed.http(headers=bearer(made)) as http:
        behind = http.post("/v1/responses", json={"model": "rehearsal", "background": True, "input": endless(tag)}).json()

    def read(method, path, **body):
        def work():
            with keyed.http(headers=bearer(made)) as http, http.stream(method, path, json=body or None) as answer:
                return answer.status_code, "".join(answer.iter_text())
        return in_background(work)

    model = {"model": "rehearsal"}
    chat = [{"role": "user", "content": endless(tag + "chat")}]
    responses = read("POST", "/v1/responses", **model, stream=True, input=endless(tag + "stream"))
    chats = read("POST", "/v1/chat/completions", **model, stream=True, messages=chat)
    follows = read("GET", f"/v1/sessions/{session.id}/events")
    whole = read("POST", "/v1/responses", **model, input=endless(tag + "whole"))
    polls = read("GET", f"/v1/responses/{behind['id']}?wait=60")
    socket = Socket(keyed, headers=bearer(made))
    socket.create(endless(tag + "socket"))
    kept = Socket(keyed, headers=bearer(other))
    kept.create(endless(tag + "kept"))
    for word in ("stream", "chat", "whole", "socket", "kept"):
        keyed.rehearsal.wait_for_tokens(tag + word, 1)
    socket.wait_for_deltas(3)
    keys.revoke(made["id"])

    code, text = responses()
    assert code == 200 and text.endswith("data: [DONE]\n\n")
    assert 'event: error\ndata: {"type":"error","code":"key_revoked"' in text
    code, text = chats()
    assert code == 200 and '"code":"key_revoked"' in text and text.endswith("data: [DONE]\n\n")
    code, text = follows()
    assert code == 200 and 'event: interject:error\ndata: {"type":"error","code":"key_revoked"' in text
    for answer in (whole(), polls()):
        assert answer[0] == 401 and '"code":"key_revoked"' in answer[1]
    assert socket.wait_for_type("error")["error"]["code"] == "key_revoked"
    eventually(lambda: socket.closed, "the socket is closed", WITHIN_S)
    assert socket.ws.protocol.close_code == 1008
    # Nobody pays for what nobody hears; what goes on unheard goes on, and so does everybody else.
    for word in ("stream", "chat", "whole", "socket"):
        keyed.rehearsal.wait_for_state(tag + word, "aborted")
    assert not kept.closed
    with keyed.http(headers=bearer(other)) as http:
        assert http.get(f"/v1/responses/{behind['id']}").json()["status"] == "in_progress"
        http.post(f"/v1/responses/{behind['id']}/cancel")
        http.delete(f"/v1/sessions/{session.id}")
    kept.close()


def test_the_operators_key_is_not_guessed_without_limit(start_server):
    server = start_server(
        "--data", "none", "--api-key", "ann=ann-secret", "--operator-key", "operator-secret", "--failed-key-limit", 3,
        "--limit-loopback")

    def metrics(key=None):
        with server.http(headers=bearer(key) if key else {}) as http:
            return http.get("/metrics")

    answer = metrics("operator-secret")
    assert answer.status_code == 200
    assert [metrics().status_code for _ in range(5)] == [401] * 5, "no key is no guess"
    assert [metrics(f"wrong-{n}").status_code for n in range(3)] == [401] * 3
    answer = metrics("operator-secret")
    assert answer.status_code == 429 and int(answer.headers["retry-after"]) > 0
    assert answer.json()["error"]["code"] == "too_many_failed_attempts"
