"""What is shared has shares per owner: one owner takes all that it can get, and another goes on as if it were alone."""

import threading

import pytest

from rehearsal import brief, eventually, unique
from sessions import Session
from webhook_receiver import WebhookReceiver

KEYS = ("--api-key", "hog=hog-secret-of-the-test", "--api-key", "ann=ann-secret-of-the-test")
HOG = {"Authorization": "Bearer hog-secret-of-the-test"}
ANN = {"Authorization": "Bearer ann-secret-of-the-test"}


class HangingReceiver(WebhookReceiver):
    """Takes each webhook, and does not answer before the test is over."""

    def __post_init__(self):
        self.hanging = 0
        self.is_over = threading.Event()
        super().__post_init__()

    def next_answer(self):
        with self._changed:
            self.hanging += 1
        self.is_over.wait()
        return super().next_answer()

    def stop(self):
        self.is_over.set()
        super().stop()


@pytest.fixture
def hanging():
    receiver = HangingReceiver()
    yield receiver
    receiver.stop()


@pytest.fixture
def receiver():
    receiver = WebhookReceiver()
    yield receiver
    receiver.stop()


def respond(sdk) -> str:
    return sdk.responses.create(
        model="rehearsal-fast", input=brief(unique()), extra_body={"interject": {"disconnect": "continue"}}).id


def test_endpoints_that_hang_keep_only_their_owner_waiting(start_server, hanging, receiver):
    server = start_server(*KEYS, "--webhooks-allow-private")
    with server.sdk("hog-secret-of-the-test") as hog, server.sdk("ann-secret-of-the-test") as ann:
        for number in range(20):
            hog.webhooks.create(name=f"hangs {number}", url=f"{hanging.url}/{number}", event_types=["response.completed"])
        ann.webhooks.create(name="hook", url=receiver.url, event_types=["response.completed"])
        for _ in range(10):
            respond(hog)
        # All that one owner may have under way, of 200 deliveries that wait.
        eventually(lambda: hanging.hanging == 16, "the hog has taken its share")
        for _ in range(5):
            receiver.about(respond(ann))
        assert hanging.hanging == 16, "and none of them has ended meanwhile"
        receiver.about(respond(ann))


def test_one_owner_cannot_take_all_tickets(start_server):
    server = start_server(*KEYS, "--data", "none")
    hog, ann = Session.create(server, headers=HOG), Session.create(server, headers=ANN)

    def ticket(session):
        return session.http.post("/v1/stream_tickets", json={"session_id": session.id})

    taken = 0
    while (answer := ticket(hog)).status_code in (200, 201):
        taken += 1
        assert taken <= 1000, "a tenth of the tickets are one owner's at most"
    assert answer.status_code == 429 and answer.json()["error"]["message"], answer.text
    mine = ticket(ann).json()["ticket"]
    with server.http() as http:
        page = http.get(f"{ann.path}/events", params={"ticket": mine}, headers={"Accept": "application/json"})
        assert page.status_code == 200, page.text


def test_one_owners_many_sessions_do_not_push_out_anothers(start_server):
    """Without a disk what goes is gone: the owner who holds the most loses its own."""
    server = start_server(*KEYS, "--data", "none", "--log-memory", "8MiB", "--loops", "1")
    ann = Session.create(server, headers=ANN)
    ann.speak(brief(unique()))
    log = ann.wait_until_idle()
    hogs = []
    while not (hogs and hogs[0].http.get(hogs[0].path).status_code == 404):
        assert len(hogs) < 400, "more than the memory for logs, and nothing has gone"
        hogs.append(Session.create(server, headers=HOG))
        hogs[-1].speak(brief(unique()) + "x" * 200_000)
    assert len(hogs) > 10
    assert ann.log() == log, "Ann's is older than all of the hog's, and is there"
