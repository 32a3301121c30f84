"""Several upstreams: who is asked, what happens when one fails, is busy or is ill, and what of it the operator sees."""

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

from faulty_upstream import FaultyUpstream
from metrics import Metrics, until
from processes import run_binary
from rehearsal import DEADLINE_S, eventually
from sessions import TERMINAL, Session, response_text


@pytest.fixture
def upstream():
    """Makes upstreams: `upstream("error_event")`."""
    made = []

    def make(does="ok", **options):
        made.append(FaultyUpstream(does, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def route(start_server, tmp_path):
    """Starts a server with a file of upstreams: `route({"name": "a", "url": …}, probe_s=1)`."""

    def start(*upstreams, flags=(), env=None, **options):
        file = tmp_path / "upstreams.json"
        file.write_text(json.dumps({**options, "upstreams": list(upstreams)}))
        return start_server("--upstreams", file, *flags, env=env)

    return start


def place(name, upstream, **members):
    url = upstream if isinstance(upstream, str) else f"{upstream.url}/v1"
    return {"name": name, "url": url, **members}


def ask(server, model="m", **options):
    """The response; with stream=True its events."""
    with server.sdk() as client:
        answer = client.responses.create(model=model, input="hello", **options)
        return list(answer) if options.get("stream") else answer


def end_of(session, response_id) -> dict:
    """The response as its terminal event has it."""
    log = session.wait_for_end_of(response_id)
    return next(e["response"] for e in log if e["type"] in TERMINAL and e["response"]["id"] == response_id)


def extension(response) -> dict:
    return response.model_extra["interject"]


def answered_by(server, **options) -> str:
    return extension(ask(server, **options))["upstream"]


def report(server) -> dict:
    with server.http() as http:
        answer = http.get("/debug/upstreams")
    assert answer.status_code == 200, answer.text
    return {each["name"]: each for each in answer.json()["data"]}


# Who is asked


def test_weights_are_shares_of_the_requests(route, upstream):
    heavy, light = upstream(), upstream()
    server = route(place("heavy", heavy, weight=3), place("light", light, weight=1))
    for _ in range(40):
        ask(server)
    assert (heavy.count, light.count) == (30, 10)


def test_models_are_routed_by_name_pattern_and_alias(route, upstream):
    gpt, llama, rest = upstream(), upstream(), upstream()
    server = route(
        place("gpt", gpt, models=["gpt-*"]), place("llama", llama, aliases={"fast": "llama3.2:1b"}),
        place("rest", rest, models=["qwen*", "m"]))
    assert answered_by(server, model="gpt-4o") == "gpt"
    assert answered_by(server, model="fast") == "llama" and llama.bodies[-1]["model"] == "llama3.2:1b"
    assert answered_by(server, model="qwen3:8b") == "rest"
    with pytest.raises(openai.NotFoundError) as caught:
        ask(server, model="nobody-has-it")
    assert caught.value.code == "model_not_found"
    assert (gpt.count, llama.count, rest.count) == (1, 1, 1)
    with server.sdk() as client:
        names = eventually(lambda: [model.id for model in client.models.list()], "the models are known")
    assert "fast" in names and "m" in names


def test_the_second_choice_is_not_asked_while_the_first_can_be(start_server, upstream):
    first, second = upstream(), upstream()
    server = start_server("--upstream", f"{first.url}/v1", "--upstream", f"{second.url}/v1")
    for _ in range(5):
        ask(server)
    assert (first.count, second.count) == (5, 0)


def test_flags_can_say_what_a_file_can(start_server, upstream):
    first, second = upstream(), upstream()
    server = start_server(
        "--upstream", f"{first.url}/v1 name=a weight=2 models=m|x*", "--upstream", f"{second.url}/v1 name=b weight=1")
    # The first names the model, the second takes any: the one that names it comes first.
    assert {answered_by(server) for _ in range(4)} == {"a"}
    assert answered_by(server, model="other") == "b"


def test_keys_come_from_variables_and_are_shown_nowhere(route, upstream):
    bad, good = upstream(401), upstream()
    server = route(
        place("bad", bad, api_key_env="A_KEY"), place("good", good, priority=1), env={"A_KEY": "sk-very-secret"},
        flags=("--log-level", "debug"))
    response = ask(server)
    assert extension(response)["faults"] == [{"upstream": "bad", "fault": "refused"}]
    with server.http() as http:
        seen = response.model_dump_json() + http.get("/debug/upstreams").text + http.get("/metrics").text
    assert "sk-very-secret" not in seen + server.log_tail(10_000)


# Falling over


@pytest.fixture
def nobody_listens():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/v1"


BEFORE = {
    429: "rate_limited", 408: "refused", 500: "server_error", 502: "server_error", 503: "server_error", 529: "server_error",
    401: "refused", 404: "refused", "error_event": "error_in_stream", "empty": "cut", "done_only": "cut", "cut": "cut",
    "garbage": "malformed", "silent": "timeout"}


@pytest.mark.parametrize("fault", BEFORE)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_fault_before_the_first_token_has_the_next_asked(route, upstream, fault, stream):
    bad, good = upstream(fault), upstream()
    server = route(place("bad", bad, first_byte_timeout_s=0.2), place("good", good, priority=1))
    response = ask(server, stream=True)[-1].response if stream else ask(server)
    assert response.status == "completed" and response.output_text == "Hello there"
    assert extension(response)["upstream"] == "good" and extension(response)["attempts"] == 2
    assert extension(response)["faults"] == [{"upstream": "bad", "fault": BEFORE[fault]}]
    assert (bad.count, good.count) == (1, 1)


def test_one_that_nobody_listens_at_and_one_without_tls_are_passed_over(route, upstream, nobody_listens):
    plain, good = upstream(), upstream()
    server = route(
        place("none", nobody_listens), place("no-tls", plain.url.replace("http:", "https:") + "/v1", priority=1),
        place("good", good, priority=2))
    faults = [fault["fault"] for fault in extension(ask(server))["faults"]]
    assert faults == ["unreachable", "tls"] and good.count == 1


def test_another_dialect_can_take_over(route, upstream):
    bad, good = upstream(500), upstream("anthropic")
    server = route(place("bad", bad), place("good", good.url, dialect="anthropic", priority=1))
    assert ask(server).output_text == "Hello there"


def test_the_upstream_is_named_in_the_head(route, upstream):
    server = route(place("bad", upstream(500)), place("good", upstream(), priority=1))
    with server.http() as http:
        message = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
        assert http.post("/v1/chat/completions", json=message).headers["interject-upstream"] == "good"
        assert http.post("/v1/responses", json={"model": "m", "input": "hello"}).headers["interject-upstream"] == "good"


@pytest.mark.parametrize("fault", [400, 413, 422])
def test_what_is_wrong_with_the_request_is_told_at_once(route, upstream, fault):
    bad, good = upstream(fault), upstream()
    server = route(place("bad", bad), place("good", good, priority=1))
    with pytest.raises(openai.BadRequestError):
        ask(server)
    assert (bad.count, good.count) == (1, 0)


def test_attempts_are_bounded(route, upstream):
    ill = [upstream(500) for _ in range(4)]
    server = route(*(place(f"u{i}", each) for i, each in enumerate(ill)), max_attempts=3)
    with pytest.raises(openai.InternalServerError):
        ask(server)
    assert sum(each.count for each in ill) == 3


AFTER = ["end_after", "done_after", "cut_after", "error_after", "garbage_after"]
AFTER_ANTHROPIC = ["anthropic_end_after", "anthropic_cut_after", "anthropic_error_after"]


@pytest.mark.parametrize("fault", AFTER + AFTER_ANTHROPIC)
def test_after_the_first_token_nothing_is_switched_and_nothing_looks_complete(route, upstream, fault):
    bad, good = upstream(fault), upstream()
    anthropic = {"url": bad.url, "dialect": "anthropic"} if fault in AFTER_ANTHROPIC else {}
    server = route({**place("bad", bad), **anthropic}, place("good", good, priority=1))
    events = ask(server, stream=True)
    assert [event.type for event in events[-2:]] == ["error", "response.failed"]
    response = events[-1].response
    assert response.output_text == "Hello" and response.output[0].status == "incomplete"
    assert extension(response)["upstream"] == "bad" and len(extension(response)["faults"]) == 1
    assert (bad.count, good.count) == (1, 0)


@pytest.mark.parametrize("fault", AFTER)
def test_a_truncated_chat_stream_never_looks_complete(route, upstream, fault):
    server = route(place("bad", upstream(fault)), place("good", upstream(), priority=1))
    text, reasons = "", []
    with server.sdk() as client, pytest.raises(openai.APIError):
        for chunk in client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "hello"}], stream=True):
            text += chunk.choices[0].delta.content or ""
            reasons.append(chunk.choices[0].finish_reason)
    assert text == "Hello" and not any(reasons)


# Health


def test_an_upstream_that_fails_again_and_again_is_left_alone(route, upstream):
    bad, good = upstream(503), upstream()
    server = route(
        place("bad", bad), place("good", good, priority=1), breaker={"max_consecutive_failures": 3, "open_s": 3600})
    for _ in range(8):
        assert ask(server).status == "completed"
    assert (bad.count, good.count) == (3, 8)
    metrics = Metrics(server)
    assert metrics.get("interject_upstream_state", upstream="bad", state="open") == 1
    assert metrics.get("interject_upstream_state", upstream="good", state="closed") == 1
    assert metrics.get("interject_upstream_attempts_total", upstream="bad", outcome="server_error") == 3
    assert metrics.get("interject_upstream_attempts_total", upstream="good", outcome="completed") == 8
    assert report(server)["bad"]["state"] == "open" and report(server)["bad"]["open_ms"] > 60_000
    assert "circuit breaker" in server.log_tail() and "bad" in server.log_tail()
    doctor = run_binary("doctor", "--port", server.address[1], "--upstreams", server.flags[server.flags.index("--upstreams") + 1])
    assert "bad is open" in doctor.stdout, doctor.stdout


def test_one_that_is_well_again_is_asked_again(route, upstream):
    ill, good = upstream(500), upstream()
    server = route(
        place("ill", ill), place("good", good, priority=1), breaker={"max_consecutive_failures": 2, "open_s": 0.05})
    for _ in range(2):
        ask(server)
    assert Metrics(server).get("interject_upstream_state_changes_total", upstream="ill", state="open") >= 1
    ill.does = "ok"
    eventually(lambda: answered_by(server) == "ill", "it is asked again")
    until(server, "interject_upstream_state", 1, upstream="ill", state="closed")
    assert [answered_by(server) for _ in range(3)] == ["ill"] * 3


def test_a_probe_finds_an_upstream_well_without_a_request(route, upstream):
    ill, good = upstream(500), upstream()
    server = route(
        place("ill", ill), place("good", good, priority=1), probe_s=0.1,
        breaker={"max_consecutive_failures": 1, "open_s": 3600, "max_open_s": 3600})
    until(server, "interject_upstream_state", 1, upstream="ill", state="open")
    ill.does = "ok"
    until(server, "interject_upstream_state", 1, upstream="ill", state="half_open")
    assert ill.count == 0 and answered_by(server) == "ill"


def test_when_all_are_ill_the_client_is_told_when_to_come_back(route, upstream):
    ill = [upstream(500), upstream(500)]
    server = route(
        *(place(f"u{i}", each) for i, each in enumerate(ill)), breaker={"max_consecutive_failures": 1, "open_s": 3600})
    for _ in range(2):
        with pytest.raises(openai.InternalServerError):
            ask(server)
    counts = [each.count for each in ill]
    with pytest.raises(openai.InternalServerError) as caught:
        ask(server)
    assert caught.value.status_code == 503 and caught.value.code == "no_healthy_upstream"
    assert int(caught.value.response.headers["retry-after"]) > 60
    assert [each.count for each in ill] == counts


def test_a_retry_after_is_kept_for_all_requests(route, upstream):
    busy, good = upstream(429, retry_after=3600), upstream()
    server = route(place("busy", busy), place("good", good, priority=1))
    for _ in range(5):
        assert ask(server).status == "completed"
    assert (busy.count, good.count) == (1, 5)
    assert Metrics(server).get("interject_upstream_resting", upstream="busy") == 1
    assert report(server)["busy"]["state"] == "closed", "it is busy, not ill"


# Limits


def test_no_upstream_has_more_requests_at_a_time_than_it_may(route, upstream):
    a, b = upstream(pause_s=0.02), upstream(pause_s=0.02)
    server = route(
        place("a", a, max_concurrent_requests=3), place("b", b, max_concurrent_requests=2), queue={"timeout_s": 60})
    with ThreadPoolExecutor(50) as pool:
        statuses = list(pool.map(lambda _: ask(server).status, range(50)))
    assert statuses == ["completed"] * 50 and a.count + b.count == 50
    assert 0 < a.most_running <= 3 and 0 < b.most_running <= 2
    metrics = Metrics(server)
    assert metrics.get("interject_upstream_in_flight") == 0 and metrics.get("interject_upstream_waiting") == 0
    assert metrics.get("interject_upstream_waits_total", end="granted") > 0


def test_requests_per_minute_are_kept_and_the_rest_goes_to_the_next(route, upstream):
    slow, rest = upstream(), upstream()
    server = route(place("slow", slow, requests_per_minute=1), place("rest", rest, priority=1))
    for _ in range(5):
        ask(server)
    assert (slow.count, rest.count) == (1, 4)


def test_who_waits_too_long_is_told_to_come_back(route, upstream):
    only = upstream()
    only.gate.clear()
    server = route(place("only", only, max_concurrent_requests=1), queue={"timeout_s": 0.1})
    session = Session.create(server, model="m")
    session.speak("hello")
    eventually(lambda: only.running == 1, "the first is under way")
    with pytest.raises(openai.RateLimitError) as caught:
        ask(server)
    assert caught.value.code == "upstream_busy" and int(caught.value.response.headers["retry-after"]) >= 1
    assert only.count == 1
    only.gate.set()
    session.wait_until_idle()
    assert ask(server).status == "completed"


def test_the_queue_has_a_bound(route, upstream):
    only = upstream()
    only.gate.clear()
    server = route(place("only", only, max_concurrent_requests=1), queue={"max_waiting": 1, "timeout_s": 60})
    sessions = [Session.create(server, model="m") for _ in range(2)]
    sessions[0].speak("hello")
    eventually(lambda: only.running == 1, "the first is under way")
    sessions[1].speak("hello")
    until(server, "interject_upstream_waiting", 1)
    with pytest.raises(openai.RateLimitError):
        ask(server)
    assert Metrics(server).get("interject_upstream_waits_total", end="queue_full") == 1
    only.gate.set()
    for session in sessions:
        assert response_text(next(e for e in session.wait_until_idle() if e["type"] == "response.completed")["response"])


# Stopping


@pytest.mark.parametrize("phase", ["waiting", "connecting", "answering"])
def test_a_cancel_in_any_phase_stops_at_once_and_frees_the_place(route, upstream, phase):
    only = upstream()
    only.gate.clear()
    server = route(place("only", only, max_concurrent_requests=1), queue={"timeout_s": 60})
    first, second = (Session.create(server, model="m") for _ in range(2))
    first_id = first.speak("hello")["response_id"]
    eventually(lambda: only.running == 1, "the first is under way")
    second_id = second.speak("hello")["response_id"]
    until(server, "interject_upstream_waiting", 1)
    if phase == "waiting":
        assert second.post_cancel().status_code == 200
        assert end_of(second, second_id)["status"] == "cancelled"
        until(server, "interject_upstream_waiting", 0)
        assert Metrics(server).get("interject_upstream_waits_total", end="cancelled") == 1
        assert only.count == 1
        only.gate.set()
        first.wait_for_end_of(first_id)
    else:
        # The first is stopped while it has its place: the second gets it without the first having been answered.
        assert first.post_cancel().status_code == 200
        eventually(lambda: only.left == 1, "the upstream saw the first leave")
        eventually(lambda: only.count == 2, "the second is asked for")
        only.gate.set()
        end = end_of(second, second_id)
        assert end["status"] == "completed" and end["interject"]["attempts"] == 1
    assert ask(server).status == "completed"
    until(server, "interject_upstream_in_flight", 0)


def test_an_interjection_while_waiting_takes_the_new_text(route, upstream):
    only = upstream()
    only.gate.clear()
    server = route(place("only", only, max_concurrent_requests=1), queue={"timeout_s": 60})
    first, second = (Session.create(server, model="m") for _ in range(2))
    first.speak("hello")
    eventually(lambda: only.running == 1, "the first is under way")
    stale = second.speak("stale words")["response_id"]
    until(server, "interject_upstream_waiting", 1)
    fresh = second.speak("fresh words", mode="interrupt")["response_id"]
    until(server, "interject_upstream_waits_total", 1, end="cancelled")
    only.gate.set()
    assert end_of(second, fresh)["status"] == "completed"
    assert end_of(second, stale)["status"] in ("incomplete", "cancelled") and only.count == 2
    assert "stale" not in json.dumps(only.bodies[0]) and "fresh words" in json.dumps(only.bodies[1])


def test_many_who_come_and_go_leave_no_place_taken(route, upstream):
    a, b = upstream(pause_s=0.005), upstream("cut", pause_s=0.005)
    server = route(
        place("a", a, max_concurrent_requests=2), place("b", b, max_concurrent_requests=2), queue={"timeout_s": 60},
        breaker={"open_s": 0.05, "max_open_s": 0.1})
    sessions = [Session.create(server, model="m") for _ in range(16)]

    def churn(session):
        for number in range(6):
            session.speak(f"hello {number}", mode="interrupt")
            if number % 2:
                session.post_cancel()

    threads = [threading.Thread(target=churn, args=(session,)) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    for session in sessions:
        session.wait_until_idle()
    until(server, "interject_upstream_in_flight", 0)
    until(server, "interject_upstream_waiting", 0)
    b.does = "ok"
    assert ask(server).status == "completed"


# Settings


@pytest.mark.parametrize("text, problem", [
    ('{"upstreams": [\n {"url": "http://a", "wieght": 2}]}', ":2: wieght: there is no such member"),
    ('{"upstreams": [{"url": "http://a"}],\n\n "ballance": "weighted"}', ":3: ballance: there is no such member"),
    ('{"upstreams": [{"url": "http://a", "weight": 0}]}', ":1: weight: give a whole number from 1 to 1000"),
    ('{"upstreams": [{"url": "http://a", "api_key": "sk-oops"}]}', ":1: api_key: a key must not be in a file or flag"),
    ('{"upstreams": [{"url": "http://a", "api_key_env": "NOT_SET"}]}', "NOT_SET is not set"),
    ('{"upstreams": [{"weight": 1}]}', "url: the upstream's URL is missing"),
    ('{"upstreams": []}', "missing or empty"),
    ('{"upstreams": [\n}', ":2: expected"),
    ('{"upstreams": [{"url": "http://a", "name": "x"}, {"url": "http://b", "name": "x"}]}', "two upstreams have the name x"),
])
def test_a_file_that_is_wrong_is_told_by_line_and_member(tmp_path, text, problem):
    file = tmp_path / "upstreams.json"
    file.write_text(text)
    result = run_binary("serve", "--port", "0", "--upstreams", file)
    assert result.returncode == 2 and problem in result.stderr, result.stderr
    assert "sk-oops" not in result.stderr + result.stdout
