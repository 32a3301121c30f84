"""Our own end of descriptors is told as ours: nobody hangs, and no upstream is blamed."""

import os
import threading

from answering_upstream import OK, AnsweringUpstream
from patience import PATIENCE
from raw_http import RawConnection, request
from rehearsal import eventually

LIMIT = 64


def used(server) -> int:
    return len(os.listdir(f"/proc/{server.popen.pid}/fd"))


def answer_to(raw):
    """The answer to a question on a connection; None where it was reset before."""
    try:
        raw.send(request("GET", "/healthz"))
        return raw.read_answer()
    except (ConnectionError, EOFError):
        return None


def test_every_client_is_answered_when_there_is_no_descriptor_left(start_server):
    server = start_server("--loops", 1, descriptors=LIMIT)
    opened, answers = [], []
    for _ in range(2 * LIMIT):
        raw = RawConnection(server, timeout_s=10 * PATIENCE)
        opened.append(raw)
        answers.append(answer_to(raw))
    statuses = {answer.status for answer in answers if answer}
    assert statuses == {200, 503}
    refused = [answer for answer in answers if answer and answer.status == 503]
    assert all(answer.json()["error"]["code"] == "overloaded" and int(answer.headers["retry-after"]) > 0 for answer in refused)
    taken = sum(1 for answer in answers if answer and answer.status == 200)
    assert 4 <= taken < LIMIT and used(server) <= LIMIT
    # Those that were taken are served as before.
    assert answer_to(opened[0]).status == 200
    for raw in opened:
        raw.close()
    eventually(lambda: (raw := RawConnection(server)) and answer_to(raw).status == 200, "a place is free again")


def test_a_request_for_which_there_is_no_descriptor_is_not_the_upstreams_fault(start_server):
    with AnsweringUpstream() as upstream, AnsweringUpstream() as second:
        server = start_server("--loops", 1, "--upstream", f"{upstream.url}/v1", "--upstream", f"{second.url}/v1", descriptors=LIMIT)
        opened = []
        while True:
            raw = RawConnection(server, timeout_s=10 * PATIENCE)
            opened.append(raw)
            answer = answer_to(raw)
            if answer is None or answer.status != 200:
                break
        # Each request that waits for its upstream needs a descriptor more, until there is none.
        gate = threading.Event()

        def wait(_):
            gate.wait(30 * PATIENCE)
            return OK

        upstream.replies["m"] = second.replies["m"] = wait
        body = b'{"model":"m","messages":[{"role":"user","content":"hello"}]}'
        asking = opened[:-1]
        for raw in asking:
            raw.send(request("POST", "/v1/chat/completions", body, Content_Type="application/json"))
        eventually(lambda: server.log_tail(200).count("no_descriptors") > 0, "there is none left")
        gate.set()
        answers = [raw.read_answer() for raw in asking]
        assert {answer.status for answer in answers} == {200, 503}
        for answer in answers:
            if answer.status == 503:
                assert answer.json()["error"]["code"] == "overloaded" and int(answer.headers["retry-after"]) > 0
        for raw in opened:
            raw.close()
        with server.http() as http:
            states = http.get("/debug/upstreams").json()["data"]
        assert [state["state"] for state in states] == ["closed", "closed"]
        assert all(state["consecutive_failures"] == 0 for state in states), states
        assert sum(state["outcomes"].get("no_descriptors", 0) for state in states) > 0
