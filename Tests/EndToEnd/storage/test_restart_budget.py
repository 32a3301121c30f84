"""kill -9 grants no tokens and forgets none: the limit of an answer, its usage, and the limits of its key count over all attempts
(Protocols/storage.md, After a restart)."""

import pytest

from keys import Keys, bearer
from rehearsal import eventually, say
from restarts import kill, restart
from scripted_upstream import ScriptedUpstream, SlowAtFirst
from sessions import TERMINAL, Session, deltas
from usage import results, total

LIMIT = 30


def delta_count(log) -> int:
    return sum(e["type"] == "response.output_text.delta" for e in log)


@pytest.mark.parametrize("kills", [1, 2])
def test_the_limit_and_the_usage_count_over_all_attempts(start_server, start_rehearsal, tmp_path, tag, kills):
    model = start_rehearsal()
    secret = Keys(tmp_path / "data").create("ada", tokens_per_minute="1000")["secret"]
    server = start_server("--upstream", f"{model.url}/v1", "--data", tmp_path / "data")
    session = Session.create(server, headers=bearer(secret))
    response = session.speak(say(tag, tokens=400, pace=15), max_output_tokens=LIMIT)["response_id"]
    for _ in range(kills):
        # Some words of each attempt.
        enough = delta_count(session.log()) + 4
        eventually(lambda: delta_count(session.log()) >= enough, "it speaks")
        kill(server)
        restart(server)
        session = Session(server, session.id, headers=bearer(secret))
    log = session.wait_for_end_of(response)
    ended = [e["response"] for e in log if e["type"] in TERMINAL][0]
    assert (ended["status"], ended["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert ended["max_output_tokens"] == LIMIT and ended["interject"]["attempts"] == kills + 1
    said = delta_count(log)
    # A word that was on its way when the process ended was said by the model, and to nobody.
    assert LIMIT - kills <= said <= LIMIT
    usage = ended["usage"]
    assert usage["output_tokens"] == said and usage["input_tokens"] > 0 and ended["interject"]["usage_estimated"] is True
    # The key that asked pays for all of it.
    found = results(server, key=secret, group_by="api_key_id")
    assert total(found, "num_model_requests", "input_tokens", "output_tokens") == (
        1, usage["input_tokens"], usage["output_tokens"])
    assert [r["api_key_id"] for r in found] == list(Keys(tmp_path / "data").list())
    with server.http(headers=bearer(secret)) as http:
        answer = http.post("/v1/responses", json={"model": "rehearsal", "input": say(tag, tokens=1, pace=0)})
    assert int(answer.headers["x-ratelimit-remaining-tokens"]) < 1000 - usage["output_tokens"] // 2


def test_what_runs_since_before_the_restart_holds_its_place(start_server, tmp_path):
    pieces = SlowAtFirst()
    secret = Keys(tmp_path / "data").create("ada", max_concurrent="1")["secret"]
    with ScriptedUpstream(pieces) as upstream:
        server = start_server("--upstream", f"{upstream.url}/v1", "--data", tmp_path / "data")
        session = Session.create(server, headers=bearer(secret), model="m")
        session.speak("first")
        session.wait_for(lambda e: e["type"] == "response.output_text.delta", "the first words")
        kill(server)
        restart(server)
        session = Session(server, session.id, headers=bearer(secret))
        assert session.state()["active_response"]
        refused = session.post_input("second", mode="queue")
        assert refused.status_code == 429 and refused.json()["error"]["code"] == "rate_limit_exceeded"
        pieces.goes_on.set()
        session.wait_until_idle()
        session.speak("third")
        session.wait_until_idle()
        assert deltas(session.log())
