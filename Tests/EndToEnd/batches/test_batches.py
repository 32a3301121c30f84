"""/v1/batches with the official SDK: every request once, whatever happens to the server in between."""

import collections

import openai
import pytest

from batch_jobs import CHAT, RESPONSES, TERMINAL, create, line, lines_of, put, read, wait, wait_for_counts
from rehearsal import eventually, say


@pytest.fixture
def store(start_server, tmp_path):
    return start_server("--data", tmp_path / "data")


@pytest.mark.parametrize("endpoint", [CHAT, RESPONSES])
def test_a_batch_of_500_requests(store, tag, endpoint):
    client = store.sdk()
    lines = lines_of(tag, 500, endpoint)
    batch = create(client, lines, endpoint, metadata={"for": "tests"})
    assert batch.status == "validating" and batch.metadata == {"for": "tests"}
    assert batch.expires_at == batch.created_at + 86400
    batch = wait(client, batch)
    assert batch.status == "completed" and batch.errors is None and batch.error_file_id is None
    counts = batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (500, 500, 0)
    assert batch.model == "rehearsal-fast" and batch.usage.output_tokens == 1500
    assert batch.created_at <= batch.in_progress_at <= batch.finalizing_at <= batch.completed_at
    rows = read(client, batch.output_file_id)
    # In the order of the input, as it happens.
    assert [row["custom_id"] for row in rows] == [part["custom_id"] for part in lines]
    assert len({row["id"] for row in rows}) == 500 and all(row["id"].startswith("batch_req_") for row in rows)
    for row in rows:
        answer = row["response"]
        assert row["error"] is None and answer["status_code"] == 200 and answer["request_id"].startswith("req_")
        if endpoint == CHAT:
            body = openai.types.chat.ChatCompletion.model_validate(answer["body"])
            assert body.choices[0].message.content and body.choices[0].finish_reason == "stop"
        else:
            body = openai.types.responses.Response.model_validate(answer["body"])
            assert body.status == "completed" and body.output_text
    output = client.files.retrieve(batch.output_file_id)
    assert output.purpose == "batch_output" and output.filename == f"{batch.id}_output.jsonl"
    asked = collections.Counter(r["messages"][-1]["content"] for r in store.rehearsal.all_requests(tag))
    assert len(asked) == 500 and set(asked.values()) == {1}
    # What ran for the batch is not among the sessions of its owner.
    with store.http() as http:
        eventually(lambda: not http.get("/v1/sessions").json()["data"], "no session is left")


def test_requests_that_fail_go_to_the_error_file(start_server, tmp_path, tag):
    server = start_server("--data", tmp_path / "data", "--batch-attempts", 1)
    client = server.sdk()
    lines = [
        line(0, say(tag + "a", tokens=3, pace=0)),
        line(1, say(tag + "b", status=400)),
        line(2, say(tag + "c", tokens=3, pace=0), temperature=9),
        line(3, say(tag + "d", status=500)),
        line(4, say(tag + "e", tokens=3, pace=0)),
    ]
    lines[4]["body"]["messages"] = "none"
    batch = wait(client, create(client, lines))
    assert batch.status == "completed"
    assert (batch.request_counts.completed, batch.request_counts.failed) == (1, 4)
    assert [row["custom_id"] for row in read(client, batch.output_file_id)] == ["line-0"]
    errors = {row["custom_id"]: row["response"] for row in read(client, batch.error_file_id)}
    assert [errors[f"line-{n}"]["status_code"] for n in range(1, 5)] == [400, 400, 502, 400]
    assert all(answer["body"]["error"]["message"] for answer in errors.values())
    assert errors["line-2"]["body"]["error"]["code"] is None and "temperature" in errors["line-2"]["body"]["error"]["message"]


def test_an_upstream_that_asks_to_slow_down_is_asked_again(store, tag):
    client = store.sdk()
    # More often than a live call is tried again, so that the batch itself must.
    lines = lines_of(tag, 3, status=429, fail_times=4)
    batch = wait(client, create(client, lines))
    assert batch.status == "completed" and batch.request_counts.completed == 3
    assert len(store.rehearsal.all_requests(tag)) == 15


def test_a_batch_can_be_waited_for(store, tag):
    client = store.sdk()
    batch = create(client, lines_of(tag, 3, tokens=20, pace=20))
    with store.http() as http:
        assert http.get(f"/v1/batches/{batch.id}", params={"wait": "x"}).status_code == 400
        answer = http.get(f"/v1/batches/{batch.id}", params={"wait": 60})
    assert answer.json()["status"] == "completed" and "retry-after" not in answer.headers
    batch = create(client, lines_of(tag, 1, tokens=100_000, pace=20))
    with store.http() as http:
        answer = http.get(f"/v1/batches/{batch.id}", params={"wait": 1})
        assert answer.json()["status"] in ("validating", "in_progress") and answer.headers["retry-after"]
    client.batches.cancel(batch.id)


@pytest.mark.parametrize("broken, code, param", [
    ("{", "invalid_json_line", None),
    ("[1]", "invalid_json_line", None),
    ({"method": "POST", "url": CHAT, "body": {"model": "m"}}, "missing_required_parameter", "custom_id"),
    ({**line(9, "x"), "custom_id": "line-0"}, "duplicate_custom_id", "custom_id"),
    ({**line(9, "x"), "method": "GET"}, "invalid_method", "method"),
    (line(9, "x", RESPONSES), "url_mismatch", "url"),
    ({**line(9, "x"), "body": "text"}, "invalid_type", "body"),
    ({**line(9, "x"), "body": {"messages": []}}, "missing_required_parameter", "body.model"),
    (line(9, "x", model="another"), "model_mismatch", "body.model"),
    (line(9, "x", stream=True), "unsupported_parameter", "body.stream"),
    (line(9, "x", background=True), "unsupported_parameter", "body.background"),
])
def test_a_broken_line_fails_the_batch_before_it_begins(store, tag, broken, code, param):
    client = store.sdk()
    batch = wait(client, create(client, [line(0, tag), "", broken, line(2, tag)]))
    assert batch.status == "failed" and batch.failed_at and batch.output_file_id is None
    (error,) = batch.errors.data
    assert (error.code, error.line, error.param) == (code, 3, param) and error.message
    assert not store.rehearsal.all_requests(tag)


def test_an_input_without_requests_or_with_too_many_fails(start_server, tmp_path, tag):
    client = start_server("--data", tmp_path / "data", "--max-batch-requests", 3).sdk()
    batch = wait(client, create(client, ["", ""]))
    assert batch.status == "failed" and batch.errors.data[0].code == "empty_file"
    batch = wait(client, create(client, lines_of(tag, 4)))
    assert batch.status == "failed" and batch.errors.data[0].code == "too_many_tasks"
    assert wait(client, create(client, lines_of(tag, 3))).status == "completed"


def test_what_a_batch_needs(store, tag):
    client = store.sdk()
    file = put(client, lines_of(tag, 1))
    good = {"input_file_id": file.id, "endpoint": CHAT, "completion_window": "24h"}
    for change in [{"input_file_id": "file-none"}, {"endpoint": "/v1/embeddings"}, {"completion_window": "soon"},
                   {"completion_window": "31d"}, {"metadata": {"a": 1}},
                   {"output_expires_after": {"anchor": "created_at", "seconds": 1}}]:
        with pytest.raises(openai.BadRequestError) as caught:
            client.batches.create(**{**good, **change})
        assert caught.value.param.startswith(next(iter(change)))
    other = client.files.create(file=("a", b"{}"), purpose="user_data")
    with pytest.raises(openai.BadRequestError) as caught:
        client.batches.create(**{**good, "input_file_id": other.id})
    assert caught.value.code == "invalid_purpose"
    batch = client.batches.create(**good, output_expires_after={"anchor": "created_at", "seconds": 3600})
    # The batch has its input, whatever becomes of the file.
    client.files.delete(file.id)
    batch = wait(client, batch)
    assert batch.status == "completed"
    output = client.files.retrieve(batch.output_file_id)
    assert output.expires_at == output.created_at + 3600


def test_a_batch_that_is_cancelled_keeps_what_was_finished(store, tag):
    client = store.sdk()
    lines = lines_of(tag, 20) + [line(n, say(f"{tag}n{n}n", tokens=100_000, pace=10)) for n in range(20, 60)]
    batch = create(client, lines)
    wait_for_counts(client, batch, 20)
    eventually(lambda: store.rehearsal.stats()["active"] == 8, "eight others run")
    assert client.batches.cancel(batch.id).status in ("cancelling", "cancelled")
    batch = wait(client, batch)
    assert batch.status == "cancelled" and batch.cancelling_at <= batch.cancelled_at
    assert (batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed) == (60, 20, 0)
    assert {row["custom_id"] for row in read(client, batch.output_file_id)} == {f"line-{n}" for n in range(20)}
    eventually(lambda: store.rehearsal.stats()["active"] == 0, "no upstream goes on")
    # Again: the same. One that has ended by itself: no.
    assert client.batches.cancel(batch.id).status == "cancelled"
    done = wait(client, create(client, lines_of(tag + "x", 1)))
    with pytest.raises(openai.ConflictError):
        client.batches.cancel(done.id)
    with pytest.raises(openai.NotFoundError):
        client.batches.cancel("batch_none")


def test_a_batch_whose_time_is_over_keeps_what_was_finished(store, tag):
    client = store.sdk()
    lines = lines_of(tag, 5) + [line(n, say(f"{tag}n{n}n", tokens=100_000, pace=10)) for n in range(5, 30)]
    batch = wait(client, create(client, lines, window="2s"))
    assert batch.status == "expired" and batch.expired_at >= batch.expires_at == batch.created_at + 2
    assert len(read(client, batch.output_file_id)) == batch.request_counts.completed == 5
    errors = read(client, batch.error_file_id)
    assert len(errors) == batch.request_counts.failed == 25
    assert {row["custom_id"] for row in errors} == {f"line-{n}" for n in range(5, 30)}
    assert all(row["response"] is None and row["error"]["code"] == "batch_expired" for row in errors)
    eventually(lambda: store.rehearsal.stats()["active"] == 0, "no upstream goes on")


@pytest.mark.parametrize("endpoint", [CHAT, RESPONSES])
def test_a_killed_server_goes_on_without_repeating_what_was_finished(start_server, start_rehearsal, tmp_path, tag, endpoint):
    model = start_rehearsal()
    flags = ("--data", tmp_path / "data", "--upstream", f"{model.url}/v1")
    server = start_server(*flags)
    client = server.sdk()
    lines = lines_of(tag, 300, endpoint, tokens=4, pace=100)
    batch = create(client, lines, endpoint)
    for goal in (40, 120, 200):
        found = wait_for_counts(client, batch, goal)
        assert found.status == "in_progress"
        server.popen.kill()
        server.popen.wait()
        # All that was running at that moment has been cut: what is asked from now on is asked again.
        server = start_server(*flags)
        client = server.sdk()
        assert client.batches.retrieve(batch.id).request_counts.completed >= goal
    batch = wait(client, batch)
    assert batch.status == "completed" and batch.request_counts.completed == 300
    rows = read(client, batch.output_file_id)
    assert [row["custom_id"] for row in rows] == [part["custom_id"] for part in lines]
    asked = collections.Counter()
    completed = collections.Counter()
    for request in model.rehearsal.all_requests(tag):
        number = request["messages"][-1]["content"].split("n")[1]
        asked[number] += 1
        completed[number] += request["state"] == "completed"
    assert len(asked) == 300
    # Only what ran when a kill came was asked twice: at most eight requests each time.
    assert sum(asked.values()) - 300 <= 3 * 8
    # One that the model had answered whole is asked again only if the kill came before its answer was safe.
    assert sum(completed.values()) - 300 <= 3 * 8


def test_a_server_that_is_stopped_in_order_goes_on_too(start_server, start_rehearsal, tmp_path, tag):
    model = start_rehearsal()
    flags = ("--data", tmp_path / "data", "--upstream", f"{model.url}/v1", "--drain", 5)
    server = start_server(*flags)
    client = server.sdk()
    batch = create(client, lines_of(tag, 200, tokens=4, pace=100))
    wait_for_counts(client, batch, 50)
    assert server.stop() == 0
    client = start_server(*flags).sdk()
    batch = wait(client, batch)
    assert batch.status == "completed" and batch.request_counts.completed == 200
    # What ran was let come to its end, and kept: nothing was asked twice.
    assert len(model.rehearsal.all_requests(tag)) == 200


def test_batches_are_listed_newest_first_for_their_owner(start_server, tmp_path, tag):
    server = start_server("--data", tmp_path / "data", "--api-key", "ann=ka", "--api-key", "bob=kb")
    ann, bob = server.sdk("ka"), server.sdk("kb")
    made = [create(ann, lines_of(f"{tag}{n}", 1)).id for n in range(5)]
    assert [batch.id for batch in ann.batches.list(limit=2)] == made[::-1]
    assert not list(bob.batches.list())
    for call in (bob.batches.retrieve, bob.batches.cancel):
        with pytest.raises(openai.NotFoundError):
            call(made[0])
    with pytest.raises(openai.BadRequestError):
        bob.batches.list(after=made[0])


def test_polling_is_told_when_to_come_again_and_what_is_new(store, tag):
    client = store.sdk()
    batch = create(client, lines_of(tag, 2, tokens=100_000, pace=10))
    wait(client, batch, ("in_progress",))
    with store.http() as http:
        answer = http.get(f"/v1/batches/{batch.id}")
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        same = http.get(f"/v1/batches/{batch.id}", headers={"If-None-Match": answer.headers["etag"]})
        assert same.status_code == 304 and not same.content
        client.batches.cancel(batch.id)
        wait(client, batch)
        changed = http.get(f"/v1/batches/{batch.id}", headers={"If-None-Match": answer.headers["etag"]})
        assert changed.status_code == 200 and "retry-after" not in changed.headers


def test_batches_make_room_for_those_who_wait(start_server, tmp_path, tag):
    """Four places: three answers that somebody waits for leave one of them to the batch."""
    server = start_server("--data", tmp_path / "data", "--batch-concurrency", 4, "--batch-concurrency-each", 4)
    client = server.sdk()
    held = [client.chat.completions.create(
        model="rehearsal", stream=True, messages=[{"role": "user", "content": say(f"{tag}live", tokens=100_000, pace=10)}])
        for _ in range(3)]
    eventually(lambda: server.rehearsal.stats()["active"] == 3, "three answers run")
    batch = create(client, lines_of(f"{tag}batch", 40, tokens=3, pace=30))
    most = 0
    while client.batches.retrieve(batch.id).status not in TERMINAL:
        running = [r for r in server.rehearsal.all_requests(f"{tag}batch") if r["state"] == "active"]
        most = max(most, len(running))
    for stream in held:
        stream.close()
    assert client.batches.retrieve(batch.id).request_counts.completed == 40
    assert most == 1
