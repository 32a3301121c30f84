"""The extremes where no client is: flags, variables and settings, claims of tokens, records in the store, files, the clock."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess

import pytest

from extremes import NO_JSON, VALUES, lives, lives_soon
from issuer import FLAGS, claims, make_pairs, public, segment
from keys import Keys, bearer
from patience import PATIENCE
from processes import InterjectProcess, environment, run_binary
from raw_http import RawConnection, request
from rehearsal import eventually

SHORT = ["9223372036854775807", "-9223372036854775808", "9223372036854775808", "1e300", "-1e300", "1e-300", "-1", "-0.0", "NaN", "inf",
         "1" + "0" * 400, "0." + "1" * 400]


def ends_or_starts(process: InterjectProcess, doing: str):
    """A start that is refused in words, or a server: no end by a signal."""
    try:
        process.start()
        process.leave()
    except AssertionError as refusal:
        match = re.search(r"ended with (-?\d+)", str(refusal))
        assert match, f"{doing}: {refusal}"
        assert int(match[1]) >= 0, f"the process ended by signal {-int(match[1])} at {doing}\n{process.log_tail(10)}"


def numeric_flags():
    done = run_binary("serve", "--help")
    return sorted(set(re.findall(r"^  --([a-z-]+) <(?:N|SECONDS|BYTES|TIME|PORT)>", done.stdout, re.M)))


def refuses(arguments, variables=None):
    """The start ends with words and a status, and by no signal."""
    done = subprocess.Popen(
        [InterjectProcess.binary(), "serve", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env=environment(**(variables or {})), stdin=subprocess.DEVNULL)
    try:
        done.wait(20 * PATIENCE)
    except subprocess.TimeoutExpired:
        done.kill()
        raise AssertionError(f"{arguments} {variables}: it serves") from None
    assert done.returncode > 0, f"{arguments} {variables}: {done.returncode} {done.stderr.read()[-500:]}"


@pytest.mark.parametrize("flag", numeric_flags())
def test_a_setting_beyond_all_bounds_is_refused(tmp_path, flag):
    for value in ("9223372036854775808", "1e300", "-9223372036854775808", "1" + "0" * 400, "NaN"):
        refuses(["--port", "0", "--data", "none", f"--{flag}={value}"] if flag != "port" else [f"--port={value}", "--data", "none"])
    elsewhere = ["--data", "none"] + ([] if flag == "port" else ["--port", "0"])
    refuses(elsewhere, {"INTERJECT_" + flag.replace("-", "_").upper(): "1e300"})
    path = tmp_path / "settings.yaml"
    for value in ("1e300", "9223372036854775808", ".inf"):
        path.write_text(f"{flag}: {value}\n")
        refuses([*elsewhere, "--config", str(path)])


def test_an_upstreams_file_may_have_any_number(tmp_path):
    members = ["weight", "priority", "max_concurrent_requests", "requests_per_minute", "tokens_per_minute", "connect_timeout_s",
               "first_byte_timeout_s", "silence_timeout_s"]
    path = tmp_path / "upstreams.json"
    for value in ("9223372036854775808", "1e300", "-1e300", "1e-300", '"NaN"', "-1"):
        for text in [*(f'{{"upstreams":[{{"url":"http://127.0.0.1:9/v1","{name}":{value}}}]}}' for name in members if (
                name, value) != ("priority", "1e-300"))]:
            path.write_text(text)
            refuses(["--port", "0", "--data", "none", "--upstreams", str(path)])


def test_a_command_may_be_given_any_number(tmp_path):
    data = tmp_path / "data"
    Keys(data).create("first")
    for value in SHORT:
        for arguments in (["keys", "create", f"n{len(value)}", "--data", data, f"--requests-per-minute={value}"],
                          ["keys", "create", f"m{len(value)}", "--data", data, f"--tokens-per-minute={value}"],
                          ["keys", "create", f"e{len(value)}", "--data", data, f"--expires-in={value}"],
                          ["keys", "create", f"d{len(value)}", "--data", data, f"--expires-in={value}d"],
                          ["keys", "rotate", "first", "--data", data, f"--grace={value}h"],
                          ["export", "--data", data, f"--since={value}"], ["export", "--data", data, f"--since={value}d"],
                          ["purge", "--data", data, "--dry-run", f"--older-than={value}h"]):
            done = run_binary(*arguments)
            assert done.returncode >= 0, f"{arguments}: {done.returncode} {done.stderr}"


def test_a_token_may_claim_any_time(tmp_path):
    import jwt
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    pairs = make_pairs()
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [public("ES256", pairs["ES256"])]}))

    def signed(body: bytes) -> str:
        message = f"{segment({'alg': 'ES256', 'kid': 'ES256'})}.{segment(body)}"
        r, s = decode_dss_signature(pairs["ES256"].sign(message.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{message}.{segment(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    assert jwt
    with InterjectProcess(tmp_path, "--jwt-jwks", tmp_path / "keys.json", *FLAGS) as server:
        with server.http() as http:
            for claim in ("exp", "nbf", "iat", "sub", "aud"):
                for value in VALUES + NO_JSON:
                    headers = bearer(signed(json.dumps({**claims(), claim: "@"}).replace('"@"', value).encode()))
                    status = http.get("/v1/models", headers=headers).status_code
                    assert status in (200, 401), f"{claim}: {value}: {status}"
                    if status == 200:
                        ticket = {"session_id": "sess_x", "expires_in": 60}
                        assert http.post("/v1/stream_tickets", json=ticket, headers=headers).status_code < 500
                    assert server.popen.poll() is None, f"the process ended after {claim}: {value}"
        lives(server, "claims")


# --- files


def test_a_batch_file_may_have_any_number(start_server):
    server = start_server()
    lines = []
    for number, value in enumerate(VALUES + NO_JSON):
        for place, body in enumerate(('"temperature":@', '"max_output_tokens":@', '"input":@', '"metadata":{"n":@}')):
            text = f'{{"model":"rehearsal-fast","input":"[[rehearsal tokens=1]]",{body}}}'.replace("@", value)
            lines.append(f'{{"custom_id":"{number}-{place}","method":"POST","url":"/v1/responses","body":{text}}}')
    for file in ("\n".join(lines), *(f'{{"custom_id":{value},"method":{value},"url":{value},"body":{value}}}' for value in VALUES)):
        with server.http() as http:
            made = http.post("/v1/files", data={"purpose": "batch"}, files={"file": ("r.jsonl", file.encode())})
            assert made.status_code == 200, made.text
            batch = http.post("/v1/batches", json={
                "input_file_id": made.json()["id"], "endpoint": "/v1/responses", "completion_window": "24h"})
            if batch.status_code == 200:
                done = http.get(f"/v1/batches/{batch.json()['id']}", params={"wait": 60}).json()
                assert done["status"] in ("completed", "failed", "validating", "in_progress", "finalizing"), done
    lives(server, "batches")


def test_a_form_may_have_any_number(server):
    with server.http() as http:
        for value in VALUES + NO_JSON:
            answer = http.post("/v1/files", data={
                "purpose": "user_data", "expires_after[anchor]": "created_at", "expires_after[seconds]": value.strip('"')},
                files={"file": ("a.txt", b"a")})
            assert answer.status_code in (200, 400), f"{value}: {answer.status_code} {answer.text}"
    lives(server, "forms")


# --- the store


def columns(path):
    """Every column of integers, and every member of JSON that is a number."""
    with sqlite3.connect(path) as db:
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' "
                                   "AND name NOT LIKE 'grdb_%'").fetchall():
            for _, name, kind, *_ in db.execute(f"PRAGMA table_info({table})").fetchall():
                yield table, name, kind


def numbers_within(value, path=()):
    if isinstance(value, dict):
        for key, part in value.items():
            yield from numbers_within(part, (*path, key))
    elif isinstance(value, list):
        for index, part in enumerate(value[:2]):
            yield from numbers_within(part, (*path, index))
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield path


def replaced(value, path, number):
    if not path:
        return number
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], number)
    return copy


def use(process, doing):
    """Starts on the data and reads all that there is; a start that is refused in words will do."""
    try:
        process.start()
    except AssertionError as refusal:
        match = re.search(r"ended with (-?\d+)", str(refusal))
        assert match and int(match[1]) >= 0, f"{doing}: {refusal}"
        return
    try:
        with process.http() as http:
            for session in http.get("/v1/sessions").json().get("data", []):
                http.get(f"/v1/sessions/{session['id']}")
                http.get(f"/v1/sessions/{session['id']}/events", headers={"Accept": "application/json"})
                http.post(f"/v1/sessions/{session['id']}/input", json={"input": "[[rehearsal tokens=1]]"})
            for path in ("/v1/usage", "/v1/files", "/v1/batches", "/v1/webhook_endpoints", "/metrics", "/v1/models"):
                http.get(path)
            http.post("/v1/responses", json={"model": "rehearsal", "input": "[[rehearsal tokens=1]]"}, headers={"Idempotency-Key": "k"})
        assert process.popen.poll() is None, f"the process ended with {process.popen.poll()} after {doing}\n{process.log_tail(12)}"
    except Exception as error:
        code = process.popen.poll() if process.popen else None
        assert code is None or code >= 0, f"the process ended by signal {-code} after {doing}\n{process.log_tail(12)}"
        if code is not None:
            raise AssertionError(f"the process ended with {code} after {doing}\n{process.log_tail(12)}") from error
    finally:
        process.leave()


@pytest.mark.timeout(300)
def test_a_record_in_the_store_may_have_any_number(tmp_path):
    data = tmp_path / "data"
    with InterjectProcess(tmp_path, "--data", data) as server, server.http() as http:
        session = http.post("/v1/sessions", json={"model": "rehearsal", "metadata": {"a": "b"}}).json()["id"]
        http.post(f"/v1/sessions/{session}/input", json={"input": "[[rehearsal tokens=3]]"})
        http.get(f"/v1/sessions/{session}", params={"wait": 30})
        http.post("/v1/responses", json={"model": "rehearsal", "input": "[[rehearsal tokens=1]]"}, headers={"Idempotency-Key": "k"})
        http.post("/v1/webhook_endpoints", json={
            "name": "n", "url": "https://example.com/", "event_types": ["response.completed"]})
        made = http.post("/v1/files", data={"purpose": "batch"}, files={"file": (
            "r.jsonl", b'{"custom_id":"1","method":"POST","url":"/v1/responses","body":{"model":"rehearsal","input":"x"}}')})
        http.post("/v1/batches", json={
            "input_file_id": made.json()["id"], "endpoint": "/v1/responses", "completion_window": "24h"})
        # Cut in the middle of one, so that the next start has something to go on with.
        response = http.post("/v1/responses", json={
            "model": "rehearsal", "input": "[[rehearsal tokens=1000 pace=20]]", "background": True}).json()["id"]
        eventually(lambda: http.get(f"/v1/responses/{response}").json()["interject"]["progress"]["output_tokens"], "some of it is said")
        server.popen.send_signal(signal.SIGKILL)
        server.popen.wait()
    (database,) = [data / name for name in os.listdir(data) if name.endswith((".db", ".sqlite"))]
    wrong = [2**63 - 1, -(2**63), -1, 2**53 + 1]
    number = 0
    for table, column, kind in list(columns(database)):
        changes = [wrong[(number + step) % 4] for step in range(2)] if kind == "INTEGER" else [None]
        for change in changes:
            number += 1
            copy = tmp_path / f"copy-{number}"
            shutil.copytree(data, copy)
            with sqlite3.connect(copy / database.name) as db:
                try:
                    if change is not None:
                        db.execute(f"UPDATE OR IGNORE {table} SET {column} = ?", (change,))
                    elif not corrupt_json(db, table, column, wrong[number % 4]):
                        continue
                except sqlite3.Error:
                    continue
            use(InterjectProcess(tmp_path, "--data", copy), f"{table}.{column} = {change}")
            shutil.rmtree(copy, ignore_errors=True)


def corrupt_json(db, table, column, number) -> bool:
    """Makes every number within a column of JSON this one, all at once."""
    changed = False
    for rowid, text in db.execute(f"SELECT {'rowid' if has_rowid(db, table) else column}, {column} FROM {table}").fetchall():
        try:
            value = json.loads(text)
        except (TypeError, ValueError):
            continue
        for path in list(numbers_within(value)):
            value = replaced(value, path, number)
            changed = True
        key = "rowid" if has_rowid(db, table) else column
        db.execute(f"UPDATE OR IGNORE {table} SET {column} = ? WHERE {key} = ?", (json.dumps(value), rowid))
    return changed


def has_rowid(db, table) -> bool:
    return "WITHOUT ROWID" not in db.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0].upper()


# --- the clock

SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static long long shift(void) {
    char text[64] = "";
    char *path = getenv("TEST_CLOCK");
    int file = path ? open(path, O_RDONLY) : -1;
    if (file < 0) return 0;
    ssize_t count = read(file, text, sizeof text - 1);
    close(file);
    return count > 0 ? strtoll(text, 0, 10) : 0;
}
int clock_gettime(clockid_t clock, struct timespec *out) {
    static int (*next)(clockid_t, struct timespec *);
    if (!next) next = dlsym(RTLD_NEXT, "clock_gettime");
    int result = next(clock, out);
    if (clock == CLOCK_REALTIME) out->tv_sec += shift();
    return result;
}
time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}
int gettimeofday(struct timeval *out, void *zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / 1000;
    return 0;
}
"""


@pytest.fixture(scope="module")
def clock_shim(tmp_path_factory):
    compiler = shutil.which("cc") or shutil.which("clang")
    if not compiler:
        pytest.skip("no C compiler to make a clock of")
    directory = tmp_path_factory.mktemp("clock")
    (directory / "clock.c").write_text(SHIM)
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", directory / "clock.so", directory / "clock.c", "-ldl"], check=True)
    return directory / "clock.so"


YEAR = 366 * 86_400
TIMES = {"a century ahead": 100 * YEAR, "beyond 64 bits of nanoseconds": 400 * YEAR, "the year 10,000": 8000 * YEAR,
         "a billion years": 10**9 * YEAR, "before 1970": -100 * YEAR, "a day back": -86_400}


def test_the_clock_may_say_anything(tmp_path, clock_shim):
    clock = tmp_path / "clock"
    clock.write_text("0")
    data = tmp_path / "data"
    keys = Keys(data)
    headers = bearer(keys.create(requests_per_minute=1000, tokens_per_minute=100_000))
    process = InterjectProcess(tmp_path, "--data", data, env={"LD_PRELOAD": str(clock_shim), "TEST_CLOCK": str(clock)})
    process.start()
    try:
        for name, shift in [*TIMES.items(), ("back at once", 0)]:
            clock.write_text(str(shift))
            with process.http(headers=headers) as http:
                session = http.post("/v1/sessions", json={"model": "rehearsal"})
                for path in ("/v1/sessions", "/v1/usage", "/v1/files", "/v1/batches"):
                    assert http.get(path).status_code < 600
                answer = http.post("/v1/responses", json={"model": "rehearsal", "input": "[[rehearsal tokens=2]]"},
                                   headers={"Idempotency-Key": f"k {name}"})
                assert answer.status_code < 600, answer.text
                if session.status_code == 201:
                    http.post("/v1/stream_tickets", json={"session_id": session.json()["id"]})
            lives_soon(process, f"the clock was {name}")
    finally:
        process.leave()
    for name, shift in TIMES.items():
        clock.write_text(str(shift))
        ends_or_starts(
            InterjectProcess(tmp_path, "--data", data, env={"LD_PRELOAD": str(clock_shim), "TEST_CLOCK": str(clock)}),
            f"a start {name}")


# --- WebSockets


def test_a_frame_may_have_any_length(server):
    for head in (b"\x81\xff" + b"\x7f" + b"\xff" * 7, b"\x81\xff" + b"\xff" * 8, b"\x81\xff" + b"\x80" + b"\x00" * 7,
                 b"\x81\xfe\xff\xff", b"\x89\xfe\xff\xff", b"\x81\xff" + (2**53 + 1).to_bytes(8, "big"), b"\x01\xff" + b"\x00" * 8):
        connection = RawConnection(server)
        connection.send(request(
            "GET", "/v1/responses", Connection="Upgrade", Upgrade="websocket", Sec_WebSocket_Version="13",
            Sec_WebSocket_Key="AAAAAAAAAAAAAAAAAAAAAA=="))
        assert connection.read_head()[0] == 101
        connection.send(head + b"\x00" * 4 + b"abc")
        connection.socket.shutdown(1)
        try:
            while connection.socket.recv(65536):
                pass
        except OSError:
            pass
        connection.socket.close()
    lives(server, "frames")
