"""The log: who asked for what by which key, how long it took and what it cost; and JSON throughout where JSON is wanted."""

import json
import os
import signal
import subprocess

import httpx
import pytest

from keys import Keys, bearer
from patience import PATIENCE
from processes import BinaryProcess, run_binary
from raw_http import RawConnection, request
from rehearsal import brief, eventually, say
from sockets import Socket


def records(server, message: str) -> list[dict]:
    found = []
    for line in server.log_path.read_text().splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if record.get("message") == message:
            found.append(record)
    return found


def record(server, message, **members) -> dict:
    """The record with these members, once it is there."""
    return eventually(
        lambda: next((r for r in records(server, message) if all(r.get(k) == v for k, v in members.items())), None),
        f"a record {message} with {members}")


@pytest.fixture
def logged(start_server, tmp_path):
    keys = Keys(tmp_path / "data")
    key = keys.create("phone")
    server = start_server("--data", keys.directory, "--api-key", "ada=a-long-enough-secret", "--access-log", "--log-format", "json")
    server.key = key
    return server


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("face", ["responses", "chat"])
def test_a_request_has_one_line_with_key_model_tokens_and_time(logged, tag, face, stream):
    text = say(tag, tokens=7, pace=0, first_token_ms=300)
    path, body = {
        "responses": ("/v1/responses", {"input": text}),
        "chat": ("/v1/chat/completions", {"messages": [{"role": "user", "content": text}]}),
    }[face]
    for headers, name in [({"Authorization": "Bearer a-long-enough-secret"}, "ada"), (bearer(logged.key), "phone")]:
        with logged.http(headers=headers) as http:
            answer = http.post(path, json={"model": "rehearsal", "stream": stream, **body})
        line = record(logged, "request", request_id=answer.headers["x-request-id"])
        assert line["level"] == "info" and line["method"] == "POST" and line["path"] == path and line["status"] == 200
        assert line["key"] == name and line["model"] == "rehearsal" and line["peer"] == "127.0.0.1"
        assert line["output_tokens"] == 7 and line["input_tokens"] > 0 and line["response_status"] == "completed"
        assert line["duration_ms"] >= 300
        assert not [r for r in records(logged, "response") if r["response_id"] == line["response_id"]]
    assert tag not in logged.log_path.read_text() and "a-long-enough" not in logged.log_path.read_text()


def test_a_response_that_ends_after_its_request_has_a_line_of_its_own(logged, tag):
    with logged.http(headers=bearer(logged.key)) as http:
        made = http.post("/v1/responses", json={
            "model": "rehearsal", "background": True, "input": say(tag, tokens=9, pace=0, first_token_ms=2500)})
        line = record(logged, "request", request_id=made.headers["x-request-id"])
        assert line["key"] == "phone" and "output_tokens" not in line and line["response_id"] == made.json()["id"]
        line = record(logged, "response", response_id=made.json()["id"])
        assert line["key"] == "phone" and line["model"] == "rehearsal" and line["output_tokens"] == 9
        assert line["duration_ms"] >= 2500 and line["request_id"] == made.headers["x-request-id"]


def test_what_is_said_over_a_websocket_is_there(logged, tag):
    socket = Socket(logged, headers=bearer(logged.key))
    socket.create(brief(tag))
    end = socket.wait_for(lambda e: e["type"] == "response.completed", "the end")
    line = record(logged, "response", response_id=end["response"]["id"])
    assert line["key"] == "phone" and line["output_tokens"] == 4
    assert record(logged, "request", status=101)["key"] == "phone"
    socket.close()


def test_what_was_refused_is_there(logged):
    with logged.http() as http:
        answer = http.get("/v1/models")
    assert record(logged, "request", request_id=answer.headers["x-request-id"])["status"] == 401
    with RawConnection(logged) as connection:
        connection.send(request("GET", "/v1/models", Transfer_Encoding="gzip"))
        assert connection.read_answer().status == 501
    refused = record(logged, "request", status=501)
    assert refused["path"] == "/v1/models" and refused["request_id"].startswith("req_")


def test_without_the_setting_there_is_no_access_log(start_server):
    server = start_server("--log-format", "json", "--log-level", "info")
    httpx.get(server.url + "/v1/models")
    httpx.get(server.url + "/v1/models")
    assert not records(server, "request")


def test_the_client_is_shown_and_not_its_proxy(start_server, tag):
    server = start_server("--trusted-proxy", "127.0.0.1", "--access-log", "--log-format", "json")
    client = {"X-Forwarded-For": "203.0.113.7"}
    with server.http(headers=client) as http:
        answer = http.get("/v1/models")
        assert record(server, "request", request_id=answer.headers["x-request-id"])["peer"] == "203.0.113.7"
        socket = Socket(server, headers=client)
        shown = {c["protocol"]: c["peer"] for c in http.get("/debug/connections", headers=client).json()["data"]}
        assert shown == {"http": "203.0.113.7", "websocket": "203.0.113.7"}
        socket.close()


def test_every_line_is_json_when_json_is_wanted(start_server):
    server = start_server("--log-format", "json", "--upstream", "http://127.0.0.1:9/v1", "--log-level", "debug")
    httpx.post(server.url + "/v1/chat/completions", json={"model": "x", "messages": []})
    eventually(lambda: "does not answer" in server.log_path.read_text(), "the warning about the upstream")
    for line in server.log_path.read_text().splitlines():
        assert {"time", "level", "message"} <= set(json.loads(line)), line
    assert records(server, "listening")


@pytest.mark.parametrize("flags,env", [
    (["--log-format", "json", "--port", "x"], {}), (["--log-format=json", "--no-such-flag"], {}),
    (["--data", "none", "--host", "0.0.0.0"], {"INTERJECT_LOG_FORMAT": "json"}),
    (["--log-format", "json", "--data", "none", "--tls-port", "0", "--tls-certificate", "/none", "--tls-key", "/none"], {}),
])
def test_why_it_does_not_start_is_json_too(flags, env):
    done = run_binary("serve", *flags, env=env)
    assert done.returncode != 0 and done.stdout == ""
    assert [json.loads(line)["level"] for line in done.stderr.splitlines()] == ["error"]


def test_other_commands_speak_to_people(tmp_path):
    done = run_binary("export", "--data", tmp_path / "none", env={"INTERJECT_LOG_FORMAT": "json"})
    assert done.stderr.startswith("interject: ")


def test_a_log_that_nobody_reads_holds_nothing_up(tmp_path):
    reading, writing = os.pipe()
    ready = tmp_path / "ready.json"
    process = subprocess.Popen(
        [BinaryProcess.binary(), "serve", "--port", "0", "--data", "none", "--access-log", "--log-format", "json", "--ready-file", ready],
        stderr=writing, stdout=subprocess.DEVNULL)
    os.close(writing)
    try:
        url = json.loads(eventually(lambda: ready.exists() and ready.read_text(), "it listens"))["url"]
        with httpx.Client(base_url=url, timeout=20 * PATIENCE) as http:
            # More than the pipe holds and more than may wait: 600 lines of some 3 KB.
            for _ in range(600):
                assert http.get("/" + "x" * 3000).status_code == 404
            lines = os.fdopen(reading, "rb")
            records = (json.loads(line) for line in lines)
            lost = next(record["count"] for record in records if record["message"] == "log lines were lost, because nobody read them")
            assert 0 < lost < 600
            assert http.get("/v1/models").status_code == 200
            last = next(record for record in records if record.get("path") == "/v1/models")
            assert last["status"] == 200 and last["duration_ms"] >= 0 and last["request_id"].startswith("req_")
        process.send_signal(signal.SIGHUP)
        assert any(json.loads(line)["message"].startswith("SIGHUP") for line in lines) or process.poll() is None
        process.terminate()
        assert process.wait(20 * PATIENCE) == 0
    finally:
        process.kill()


def test_a_server_whose_log_is_stuck_goes_when_it_is_told(tmp_path):
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    while True:
        try:
            os.write(writing, b"x" * 4096)
        except BlockingIOError:
            break
    os.set_blocking(writing, True)
    ready = tmp_path / "ready.json"
    process = subprocess.Popen(
        [BinaryProcess.binary(), "serve", "--port", "0", "--data", "none", "--log-level", "debug", "--ready-file", ready],
        stderr=writing, stdout=subprocess.DEVNULL)
    try:
        url = json.loads(eventually(lambda: ready.exists() and ready.read_text(), "it listens"))["url"]
        assert httpx.get(f"{url}/healthz").status_code == 200
        process.terminate()
        assert process.wait(20 * PATIENCE) == 0
    finally:
        process.kill()
        os.close(writing)
        os.close(reading)
