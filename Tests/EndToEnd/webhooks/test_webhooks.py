"""Webhooks (Protocols/webhooks.md) through a real receiver, verified and managed by the official SDK."""

import json
import os
import signal
import time
from email.utils import formatdate

import openai
import pytest

from metrics import Metrics
from rehearsal import brief, endless, eventually, unique
from webhook_receiver import WebhookReceiver

TYPES = ["response.completed", "response.failed", "response.incomplete", "response.cancelled"]
FAST = ("--webhooks-allow-private", "--webhook-retry-base", "0.05")


@pytest.fixture
def receiver():
    receiver = WebhookReceiver()
    yield receiver
    receiver.stop()


@pytest.fixture(scope="module")
def hooked(tmp_path_factory):
    """A server that may call loopback, and is quick to try again."""
    from processes import InterjectProcess

    with InterjectProcess(tmp_path_factory.mktemp("webhooks"), *FAST) as process:
        yield process


@pytest.fixture
def sdk(hooked):
    with hooked.sdk() as client:
        yield client


@pytest.fixture
def make_endpoint(sdk):
    made = []

    def make(receiver, types=None, client=sdk, **interject):
        endpoint = client.webhooks.create(
            name="test", url=receiver.url, event_types=types or TYPES, extra_body={"interject": interject} if interject else None)
        made.append((client, endpoint.id))
        return endpoint

    yield make
    for client, id in made:
        try:
            client.webhooks.delete(id)
        except openai.APIError:
            pass


def respond(client, disconnect="continue"):
    """A response that has ended."""
    return client.responses.create(model="rehearsal", input=brief(unique()), extra_body={"interject": {"disconnect": disconnect}})


def deliveries(server, endpoint_id):
    with server.http() as http:
        answer = http.get(f"/v1/webhook_endpoints/{endpoint_id}/deliveries")
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]


def state(client, endpoint_id):
    return client.webhooks.retrieve(endpoint_id).interject


# Signatures


def test_the_sdk_unwraps_what_is_sent(sdk, receiver, make_endpoint):
    endpoint = make_endpoint(receiver)
    response = respond(sdk)
    [request] = receiver.about(response.id)
    event = request.unwrap(endpoint.signing_secret)
    assert type(event).__name__ == "ResponseCompletedWebhookEvent"
    assert event.data.id == response.id and event.object == "event" and event.id == request.id
    assert request.headers["content-type"] == "application/json"


def test_another_secret_does_not_unwrap_it(sdk, receiver, make_endpoint):
    make_endpoint(receiver)
    [request] = receiver.about(respond(sdk).id)
    with pytest.raises(openai.InvalidWebhookSignatureError):
        request.unwrap("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")


def test_after_a_rotation_both_secrets_unwrap_if_the_old_one_is_kept(sdk, receiver, make_endpoint):
    endpoint = make_endpoint(receiver)
    rotated = sdk.webhooks.rotate_secret(endpoint.id, keep_old_secret_active_for_24_hours=True)
    assert rotated.signing_secret != endpoint.signing_secret
    assert state(sdk, endpoint.id)["old_secret_valid_until"] - rotated.updated_at == 86400
    [request] = receiver.about(respond(sdk).id)
    for secret in (endpoint.signing_secret, rotated.signing_secret):
        request.unwrap(secret)
    assert len(request.headers["webhook-signature"].split()) == 2


def test_after_a_rotation_the_old_secret_is_void_if_it_is_not_kept(sdk, receiver, make_endpoint):
    endpoint = make_endpoint(receiver)
    rotated = sdk.webhooks.rotate_secret(endpoint.id)
    [request] = receiver.about(respond(sdk).id)
    request.unwrap(rotated.signing_secret)
    with pytest.raises(openai.InvalidWebhookSignatureError):
        request.unwrap(endpoint.signing_secret)


# Which events


def test_each_end_of_a_response_has_its_event(hooked, receiver, make_endpoint, tag):
    make_endpoint(receiver)
    with hooked.http() as http:
        session = http.post("/v1/sessions", json={"model": "rehearsal"}).json()["id"]
        accepted = http.post(f"/v1/sessions/{session}/input", json={"input": endless(tag)}).json()
        http.post(f"/v1/sessions/{session}/cancel")
        [cancelled] = receiver.about(accepted["response_id"])
        assert cancelled.json["type"] == "response.cancelled"
        first = http.post(f"/v1/sessions/{session}/input", json={"input": endless(tag)}).json()
        http.post(f"/v1/sessions/{session}/input", json={"input": brief(tag)})
        [cut] = receiver.about(first["response_id"])
        assert cut.json["type"] == "response.incomplete"


def test_foreground_responses_are_told_of_only_when_asked_for(sdk, make_endpoint):
    background, everything = WebhookReceiver(), WebhookReceiver()
    make_endpoint(background)
    make_endpoint(everything, responses="all")
    foreground = respond(sdk, disconnect="cancel")
    later = respond(sdk)
    everything.about(foreground.id)
    background.about(later.id)
    assert [r for r in background.received if r.json["data"]["id"] == foreground.id] == []
    background.stop(), everything.stop()


def test_a_batch_is_told_of_once_and_not_its_requests(start_server, tmp_path, receiver, tag):
    server = start_server(*FAST, "--data", tmp_path / "data")
    with server.sdk() as client:
        endpoint = client.webhooks.create(name="n", url=receiver.url, event_types=["batch.completed", *TYPES])
        line = {"custom_id": "1", "method": "POST", "url": "/v1/responses", "body": {"model": "rehearsal", "input": brief(tag)}}
        file = client.files.create(file=("in.jsonl", json.dumps(line).encode()), purpose="batch")
        batch = client.batches.create(input_file_id=file.id, endpoint="/v1/responses", completion_window="24h")
        [request] = receiver.about(batch.id)
        event = request.unwrap(endpoint.signing_secret)
        assert event.type == "batch.completed" and event.data.id == batch.id
        receiver.about(respond(client).id)
        assert len(receiver.received) == 2


def test_an_endpoint_is_told_only_of_the_types_it_wants(sdk, receiver, make_endpoint):
    make_endpoint(receiver, ["response.failed"])
    other = WebhookReceiver()
    make_endpoint(other)
    other.about(respond(sdk).id)
    other.stop()
    assert receiver.received == []


def test_owners_hear_of_what_is_theirs_and_see_only_their_endpoints(start_server, receiver):
    server = start_server(*FAST, "--api-key", "ann=key-of-ann-0123456789", "--api-key", "bob=key-of-bob-0123456789")
    ann, bob = server.sdk("key-of-ann-0123456789"), server.sdk("key-of-bob-0123456789")
    endpoint = ann.webhooks.create(name="ann's", url=receiver.url, event_types=TYPES)
    respond(bob)
    mine = respond(ann)
    [request] = receiver.about(mine.id)
    assert {r.json["data"]["id"] for r in receiver.received} == {mine.id}
    assert list(bob.webhooks.list()) == []
    for call in (
        lambda: bob.webhooks.retrieve(endpoint.id),
        lambda: bob.webhooks.update(endpoint.id, name="mine"),
        lambda: bob.webhooks.delete(endpoint.id),
        lambda: bob.webhooks.rotate_secret(endpoint.id),
        lambda: bob.webhooks.test(endpoint.id, event_type="response.completed"),
        lambda: bob.get(f"/webhook_endpoints/{endpoint.id}/deliveries", cast_to=object),
        lambda: bob.post(f"/webhook_events/{request.id}/redeliver", cast_to=object),
    ):
        with pytest.raises(openai.NotFoundError):
            call()
    with pytest.raises(openai.AuthenticationError):
        server.sdk("wrong").webhooks.list()


def test_the_operators_endpoint_is_told_of_all_owners(start_server, receiver):
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    server = start_server(
        *FAST, "--webhook", f"all+{receiver.url}", "--webhook-secret", "env:HOOK_SECRET", env={"HOOK_SECRET": secret})
    with server.sdk() as client:
        foreground = respond(client, disconnect="cancel")
        [request] = receiver.about(foreground.id)
        request.unwrap(secret)
        assert list(client.webhooks.list()) == []


# Management


def test_the_sdk_manages_endpoints(sdk, receiver):
    assert set(TYPES) <= set(sdk.webhooks.event_types.list().data)
    made = [sdk.webhooks.create(name=f"n{i}", url=receiver.url, event_types=["batch.completed"]) for i in range(3)]
    assert made[0].id.startswith("we_") and made[0].signing_secret.startswith("whsec_")
    assert made[0].signing_secret_hint.endswith(made[0].signing_secret[-4:])
    ours = {e.id for e in made}
    assert [e.id for e in sdk.webhooks.list(limit=1) if e.id in ours] == [e.id for e in reversed(made)]
    shown = sdk.webhooks.retrieve(made[1].id)
    assert "signing_secret" not in shown.to_dict() and shown.event_types == ["batch.completed"]
    changed = sdk.webhooks.update(made[1].id, name="new", event_types=TYPES)
    assert (changed.name, changed.event_types, changed.url) == ("new", TYPES, receiver.url)
    for endpoint in made:
        assert sdk.webhooks.delete(endpoint.id).deleted
    with pytest.raises(openai.NotFoundError):
        sdk.webhooks.retrieve(made[1].id)


@pytest.mark.parametrize("body, param", [
    ({"event_types": TYPES}, "url"),
    ({"url": "http://127.0.0.1:9/"}, "event_types"),
    ({"url": "http://127.0.0.1:9/", "event_types": []}, "event_types"),
    ({"url": "http://127.0.0.1:9/", "event_types": ["response.created"]}, "event_types"),
    ({"url": "ftp://127.0.0.1/", "event_types": TYPES}, "url"),
    ({"url": "http://user:word@127.0.0.1/", "event_types": TYPES}, "url"),
    ({"url": "http://127.0.0.1:9/", "event_types": TYPES, "interject": {"responses": "some"}}, "interject.responses"),
])
def test_what_is_wrong_with_an_endpoint_is_named(hooked, body, param):
    with hooked.http() as http:
        answer = http.post("/v1/webhook_endpoints", json={"name": "n", **body})
    assert answer.status_code == 400 and answer.json()["error"]["param"] == param, answer.text


def test_a_sample_is_sent_at_once_and_its_status_told(sdk, hooked, receiver, make_endpoint):
    endpoint = make_endpoint(receiver)
    result = sdk.webhooks.test(endpoint.id, event_type="batch.completed")
    assert (result.status_code, result.webhook_endpoint_id, result.success) == (200, endpoint.id, True)
    event = receiver.received[0].unwrap(endpoint.signing_secret)
    assert event.type == "batch.completed" and event.data.id.startswith("batch_")
    receiver.answers = [503]
    assert sdk.webhooks.test(endpoint.id, event_type="response.failed").status_code == 503
    shown = deliveries(hooked, endpoint.id)
    assert sorted((d["event_type"], d["status"], d["test"]) for d in shown) == [
        ("batch.completed", "delivered", True), ("response.failed", "failed", True)]
    receiver.stop()
    with pytest.raises(openai.APIStatusError) as failure:
        sdk.webhooks.test(endpoint.id, event_type="response.failed")
    assert failure.value.status_code == 502 and failure.value.code == "webhook_test_failed"


# Retries


def test_a_receiver_that_was_down_gets_it_later_under_the_same_id(sdk, hooked, receiver, make_endpoint):
    receiver.stop()
    endpoint = make_endpoint(receiver)
    response = respond(sdk)
    eventually(lambda: deliveries(hooked, endpoint.id)[0]["attempt_count"] >= 1, "a first attempt")
    receiver.answers = [500, 503, 200]
    receiver.start()
    requests = receiver.about(response.id, count=3)
    assert [r.answered for r in requests] == [500, 503, 200]
    assert len({r.id for r in requests}) == 1 and len({r.body for r in requests}) == 1
    for request in requests:
        request.unwrap(endpoint.signing_secret)
    [delivery] = eventually(
        lambda: [d for d in deliveries(hooked, endpoint.id) if d["status"] == "delivered"], "the delivery's end")
    assert delivery["event_id"] == requests[0].id and delivery["next_attempt_at"] is None
    words = [a["error"] for a in delivery["attempts"]]
    assert words[0] == "could_not_connect" and words[-3:] == ["status_500", "status_503", None]
    assert [a["status_code"] for a in delivery["attempts"]][-3:] == [500, 503, 200]
    assert delivery["attempt_count"] == len(delivery["attempts"]) and all(a["latency_ms"] >= 0 for a in delivery["attempts"])
    assert state(sdk, endpoint.id)["consecutive_failures"] == 0


@pytest.mark.parametrize("word", [lambda: "3600", lambda: formatdate(time.time() + 3602, usegmt=True)], ids=["seconds", "date"])
def test_a_receiver_may_ask_for_time(sdk, hooked, receiver, make_endpoint, word):
    receiver.answers = [(429, {"Retry-After": word()})]
    endpoint = make_endpoint(receiver)
    receiver.about(respond(sdk).id)
    delivery = eventually(
        lambda: next((d for d in deliveries(hooked, endpoint.id) if d["attempt_count"] == 1), None), "the attempt")
    assert delivery["status"] == "pending" and delivery["next_attempt_at"] - delivery["attempts"][0]["at"] >= 3600


def test_gone_disables_at_once_and_the_owner_can_enable_it_again(sdk, hooked, receiver, make_endpoint):
    receiver.answers = [410, 200]
    endpoint = make_endpoint(receiver)
    gone = respond(sdk)
    receiver.about(gone.id)
    disabled = eventually(lambda: (s := state(sdk, endpoint.id))["status"] == "disabled" and s, "the endpoint disabled")
    assert "410" in disabled["disabled_reason"] and disabled["disabled_at"] > 0
    unheard = respond(sdk)
    updated = sdk.webhooks.update(endpoint.id, extra_body={"interject": {"status": "enabled"}})
    assert updated.interject["status"] == "enabled" and updated.interject["disabled_reason"] is None
    # A sample comes by itself, so that its owner sees that it lives.
    [sample] = receiver.wait_for(lambda r: r.json["data"]["id"] not in (gone.id, unheard.id), what="the sample")
    sample.unwrap(endpoint.signing_secret)
    receiver.about(respond(sdk).id)
    assert [r for r in receiver.received if r.json["data"]["id"] == unheard.id] == []
    # What came to nothing can be sent again.
    with hooked.http() as http:
        answer = http.post(f"/v1/webhook_events/{receiver.about(gone.id)[0].id}/redeliver")
        assert answer.status_code == 200 and answer.json()["endpoints"] == 1
        assert http.post("/v1/webhook_events/evt_none/redeliver").status_code == 404
    assert [r.answered for r in receiver.about(gone.id, count=2)] == [410, 200]


def test_a_redirect_is_not_followed(sdk, hooked, receiver, make_endpoint):
    other = WebhookReceiver()
    receiver.answers = [(302, {"Location": other.url}), (307, {"Location": other.url}), 200]
    endpoint = make_endpoint(receiver)
    requests = receiver.about(respond(sdk).id, count=3)
    assert [r.answered for r in requests] == [302, 307, 200]
    [delivery] = eventually(
        lambda: [d for d in deliveries(hooked, endpoint.id) if d["status"] == "delivered"], "the delivery's end")
    assert [a["error"] for a in delivery["attempts"]] == ["redirect", "redirect", None]
    assert other.received == []
    other.stop()


# Addresses


@pytest.mark.parametrize("url", [
    "http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://[::1]:{port}/", "http://10.0.0.1/", "http://169.254.169.254/",
    "http://[::ffff:127.0.0.1]:{port}/", "https://example.com:22/",
])
def test_private_addresses_are_refused_unless_they_are_allowed(server, receiver, url):
    with server.http() as http:
        answer = http.post(
            "/v1/webhook_endpoints", json={"name": "n", "url": url.format(port=receiver.port), "event_types": TYPES})
    error = answer.json()["error"]
    assert answer.status_code == 400 and error["code"] == "invalid_webhook_url", answer.text
    assert "--webhooks-allow-private" in error["message"]


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1"])
def test_an_address_in_disguise_is_refused_when_it_is_connected_to(server, receiver, host):
    """What no look at the text tells: the check is made on the very address that a socket would connect to."""
    with server.sdk() as client:
        endpoint = client.webhooks.create(name="n", url=f"http://{host}:{receiver.port}/", event_types=["batch.expired"])
        with pytest.raises(openai.APIStatusError) as failure:
            client.webhooks.test(endpoint.id, event_type="batch.expired")
        assert "address_not_allowed" in failure.value.message
        client.webhooks.delete(endpoint.id)
    assert receiver.received == []


# Restarts


def test_what_a_killed_server_had_not_delivered_arrives_after_its_restart(start_server, receiver, tmp_path):
    data = tmp_path / "data"
    receiver.answers = [503]
    server = start_server(*FAST[:1], "--webhook-retry-base", "1", "--data", data)
    with server.sdk() as client:
        endpoint = client.webhooks.create(name="n", url=receiver.url, event_types=TYPES)
        responses = [respond(client) for _ in range(5)]
        for response in responses:
            receiver.about(response.id)
    os.kill(server.popen.pid, signal.SIGKILL)
    server.popen.wait()
    receiver.answers = [200]
    server = start_server(*FAST[:1], "--webhook-retry-base", "1", "--data", data)
    with server.sdk() as client:
        assert client.webhooks.retrieve(endpoint.id).url == receiver.url
        for response in responses:
            delivered = receiver.wait_for(lambda r: r.json["data"]["id"] == response.id and r.answered == 200)
            assert len({r.id for r in receiver.about(response.id)}) == 1
            delivered[0].unwrap(endpoint.signing_secret)
        eventually(lambda: all(d["status"] == "delivered" for d in deliveries(server, endpoint.id)), "the deliveries' end")
        assert len(deliveries(server, endpoint.id)) == 5
        # Nothing is sent again that has arrived.
        assert len({r.body for r in receiver.received if r.answered == 200}) == 5


def test_an_endpoint_that_was_created_outlives_a_kill(start_server, receiver, tmp_path):
    server = start_server(*FAST, "--data", tmp_path / "data")
    with server.sdk() as client:
        endpoint = client.webhooks.create(name="n", url=receiver.url, event_types=TYPES)
    os.kill(server.popen.pid, signal.SIGKILL)
    server.popen.wait()
    server = start_server(*FAST, "--data", tmp_path / "data")
    with server.sdk() as client:
        [request] = receiver.about(respond(client).id)
        request.unwrap(endpoint.signing_secret)


# Operators


def test_metrics_count_and_logs_hold_no_url(start_server, receiver):
    receiver.answers = [503, 200]
    server = start_server(*FAST, "--log-level", "debug")
    with server.sdk() as client:
        endpoint = client.webhooks.create(name="n", url=receiver.url + "/secret-path", event_types=TYPES)
        receiver.about(respond(client).id, count=2)
        eventually(lambda: deliveries(server, endpoint.id)[0]["status"] == "delivered", "the delivery's end")
        page = Metrics(server)
        assert page.get("interject_webhook_attempts_total", result="delivered") == 1
        assert page.get("interject_webhook_attempts_total", result="status_503") == 1
        assert page.get("interject_webhook_deliveries_pending") == 0
        assert page.get("interject_webhook_endpoints", state="enabled") == 1
    log = server.log_path.read_text()
    assert endpoint.id in log and "secret-path" not in log and endpoint.signing_secret not in log


@pytest.mark.parametrize("flags, words", [
    (("--webhook", "https://example.com/"), "0 secrets for 1 endpoints"),
    (("--webhook-secret", "x" * 16), "no --webhook"),
    (("--webhook", "https://example.com/", "--webhook-secret", "short"), "at least 16 bytes"),
    (("--webhook", "http://127.0.0.1/", "--webhook-secret", "x" * 16), "--webhooks-allow-private"),
    (("--webhook", "ftp://example.com/", "--webhook-secret", "x" * 16), "absolute http or https URL"),
])
def test_settings_that_do_not_fit_are_named(flags, words):
    from processes import run_binary

    run = run_binary("serve", "--port", "0", *flags)
    assert run.returncode == 2 and words in run.stderr, run.stderr
