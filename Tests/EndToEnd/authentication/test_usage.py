"""What was used, by key, model and hour: also of generations that somebody cut."""

import time

import pytest

import batch_jobs
from keys import Keys, bearer
from rehearsal import brief, endless, eventually, say
from sessions import Session
from usage import results, total


@pytest.fixture
def keys(tmp_path):
    return Keys(tmp_path / "data")


COUNTS = ("num_model_requests", "input_tokens", "output_tokens")


def test_usage_is_what_the_answers_said(server_of_its_own, tag):
    server = server_of_its_own
    with server.sdk() as client:
        usages = [client.responses.create(model="rehearsal", input=say(tag, tokens=n, pace=0)).usage for n in (3, 5)]
        chat = client.chat.completions.create(
            model="rehearsal-fast", messages=[{"role": "user", "content": say(tag, tokens=7, pace=0)}]).usage
    expected = (3, sum(u.input_tokens for u in usages) + chat.prompt_tokens, 3 + 5 + 7)
    assert total(results(server), *COUNTS) == expected
    by_model = {r["model"]: r for r in results(server, group_by="model")}
    assert by_model["rehearsal"]["output_tokens"] == 8 and by_model["rehearsal-fast"]["output_tokens"] == 7


@pytest.fixture(params=["memory", "disk"])
def server_of_its_own(request, start_server, tmp_path):
    return start_server(*(("--data", tmp_path / "data") if request.param == "disk" else ()))


@pytest.mark.parametrize("cut", ["cancel", "interrupt", "steer", "delete"])
def test_what_was_delivered_before_a_cut_is_counted(start_server, tag, cut):
    server = start_server()
    session = Session.create(server)
    first = session.speak(endless(tag, pace=50), max_output_tokens=90_000, disconnect="continue")["response_id"]
    server.rehearsal.wait_for_tokens(tag, 10)
    if cut == "cancel":
        session.post_cancel()
    elif cut == "delete":
        session.close()
    else:
        session.speak(brief(tag + "x"), mode=cut)
    found = eventually(lambda: [r for r in results(server) if r["interject"]["cut_generations"]], "the cut is counted")
    usage = found[0]["interject"]
    assert usage["cut_generations"] == 1 and usage["estimated_requests"] >= 1
    assert usage["cut_output_tokens"] >= 10
    assert usage["tokens_saved_estimated"] == 90_000 - usage["cut_output_tokens"]
    if cut != "delete":
        ended = [e for e in session.wait_for_end_of(first) if e["type"] in ("response.cancelled", "response.incomplete")]
        assert ended[0]["response"]["usage"]["output_tokens"] == usage["cut_output_tokens"]


def test_each_owner_sees_its_own_and_the_administrator_all(keys, start_server, tag):
    ada, second, bob = keys.create("ada"), keys.create("second", owner="ada"), keys.create("bob")
    admin = keys.create("root", scopes="admin")
    server = start_server("--data", keys.directory)
    for key, count in ((ada, 1), (second, 2), (bob, 3)):
        with server.sdk(api_key=key["secret"]) as client:
            for _ in range(count):
                client.responses.create(model="rehearsal", input=brief(tag))
    assert total(results(server, ada), "num_model_requests") == (3,)
    assert total(results(server, bob), "num_model_requests") == (3,)
    assert total(results(server, admin), "num_model_requests") == (6,)
    by_key = {r["api_key_id"]: r["num_model_requests"] for r in results(server, ada, **{"group_by": "key"})}
    assert by_key == {ada["id"]: 1, second["id"]: 2}
    by_owner = {r["project_id"]: r["num_model_requests"] for r in results(server, admin, **{"group_by[]": "project_id"})}
    assert by_owner == {"ada": 3, "bob": 3}


def test_a_batch_is_usage_of_its_key_and_takes_nothing_of_its_limits(keys, start_server, tag):
    ada, second = keys.create("ada", requests_per_minute=1), keys.create("second", owner="ada")
    server = start_server("--data", keys.directory)
    with server.sdk(api_key=ada["secret"]) as client:
        batch = batch_jobs.wait(client, batch_jobs.create(client, batch_jobs.lines_of(tag, 3)))
        assert batch.status == "completed" and batch.request_counts.completed == 3
        live = client.responses.with_raw_response.create(model="rehearsal", input=say(tag, tokens=4, pace=0))
        assert live.headers["x-ratelimit-remaining-requests"] == "0"
        live = live.parse().usage
    expected = (4, batch.usage.input_tokens + live.input_tokens, 3 * 3 + 4)
    found = results(server, second, group_by="key")
    assert total(found, *COUNTS) == expected and {r["api_key_id"] for r in found} == {ada["id"]}


def test_a_batch_is_usage_of_its_key_after_a_crash(keys, start_server, tag):
    ada = keys.create("ada")
    server = start_server("--data", keys.directory)
    with server.sdk(api_key=ada["secret"]) as client:
        lines = batch_jobs.lines_of(tag, 30, tokens=3, pace=10)
        batch = batch_jobs.create(client, lines)
        batch_jobs.wait_for_counts(client, batch, 5)
        server.popen.kill()
        server.popen.wait()
    server = start_server("--data", keys.directory)
    with server.sdk(api_key=ada["secret"]) as client:
        assert batch_jobs.wait(client, batch).request_counts.completed == 30
    found = results(server, ada, group_by="key")
    assert {r["api_key_id"] for r in found} == {ada["id"]}
    # What ran when the process was killed may have been asked twice.
    assert total(found, "num_model_requests")[0] >= 30


def test_a_key_without_the_scope_sees_no_usage(keys, start_server):
    key = keys.create(scopes="chat")
    server = start_server("--data", keys.directory)
    with server.http(headers=bearer(key)) as http:
        answer = http.get("/v1/usage")
    assert answer.status_code == 403 and answer.json()["error"]["code"] == "missing_scope"


def test_the_sdk_reads_it(keys, start_server, tag):
    key = keys.create()
    server = start_server("--data", keys.directory)
    with server.sdk(api_key=key["secret"], admin_api_key=key["secret"]) as client:
        client.responses.create(model="rehearsal", input=brief(tag))
        page = client.admin.organization.usage.completions(
            start_time=int(time.time()) - 3600, bucket_width="1h", group_by=["model", "api_key_id"])
        found = [r for bucket in page.data for r in bucket.results]
    assert [(r.num_model_requests, r.output_tokens, r.model, r.api_key_id) for r in found] == [(1, 4, "rehearsal", key["id"])]


def test_buckets_come_in_pages(server):
    now = int(time.time())
    with server.http() as http:
        first = http.get("/v1/usage", params={"bucket_width": "1h", "start_time": now - 5 * 3600, "limit": 2}).json()
        assert len(first["data"]) == 2 and first["has_more"]
        second = http.get(
            "/v1/usage", params={"bucket_width": "1h", "start_time": now - 5 * 3600, "limit": 100, "page": first["next_page"]}).json()
    assert second["data"][0]["start_time"] == first["data"][-1]["end_time"] and not second["has_more"]
    assert len(second["data"]) == 4


@pytest.mark.parametrize("params", [{"bucket_width": "1m"}, {"group_by": "user"}, {"start_time": "x"}])
def test_wrong_parameters_are_named(server, params):
    with server.http() as http:
        answer = http.get("/v1/usage", params=params)
    assert answer.status_code == 400 and answer.json()["error"]["param"] in params


def test_usage_outlives_a_kill(keys, start_server, tag):
    key = keys.create()
    server = start_server("--data", keys.directory)
    with server.sdk(api_key=key["secret"]) as client:
        for _ in range(5):
            client.responses.create(model="rehearsal", input=brief(tag))
    before = eventually(
        lambda: (found := results(server, key)) and total(found, "num_model_requests") == (5,) and found, "all are counted")
    server.popen.kill()
    server.popen.wait()
    assert total(results(start_server("--data", keys.directory), key), *COUNTS) == total(before, *COUNTS)
