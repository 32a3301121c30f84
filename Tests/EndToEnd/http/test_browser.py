"""A real browser behind a real proxy: Chromium's EventSource follows a session through nginx with its default buffering."""

import pytest

from browser import CHROMIUM, NGINX, WHY_NOT, Browser, Nginx
from patience import PATIENCE
from rehearsal import eventually, say
from runner import DONE, Lease, Runner, step, text
from sessions import TERMINAL, Session, deltas

pytestmark = [
    pytest.mark.skipif(not (CHROMIUM and NGINX), reason=WHY_NOT),
    pytest.mark.timeout(180),
]

PAGE = """<!doctype html><title>follower</title><script>
const seen = [], errors = [], pieces = [];
let opens = 0, renewals = 0, source;
function follow(query) {
    source = new EventSource("/v1/sessions/" + location.hash.slice(1) + "/events" + query);
    source.onopen = () => { opens += 1 };
    source.onerror = () => {
        errors.push(source.readyState);
        // EventSource comes back by itself from a cut, but not from an answer that is no stream: a proxy's 502.
        if (source.readyState !== EventSource.CLOSED) return;
        renewals += 1;
        setTimeout(() => follow("?last_event_id=" + seen.at(-1)[0]), 200);
    };
    for (const name of TYPES) source.addEventListener(name, event => {
        seen.push([Number(event.lastEventId), JSON.parse(event.data)]);
        if (name === "response.output_text.delta") pieces.push(performance.now());
    });
}
follow("");
</script>"""

TYPES = ["interject:session.created", "interject:input.accepted", "response.created", "response.in_progress",
         "response.output_item.added", "response.content_part.added", "response.output_text.delta", "response.output_text.done",
         "response.content_part.done", "response.output_item.done", "interject:step", *sorted(TERMINAL)]


@pytest.fixture
def nginx(server, tmp_path):
    proxy = Nginx(tmp_path / "nginx", server.url)
    proxy.start()
    yield proxy
    proxy.stop()


@pytest.fixture
def browser(tmp_path):
    made = Browser(tmp_path / "chromium")
    yield made
    made.close()


@pytest.fixture
def runner(server, tag):
    made = Runner(server, f"external/{tag}")
    yield made
    made.close()


@pytest.fixture
def follow(nginx, browser, new_session, runner):
    """Opens the page on a new session, and waits until it listens. The test itself is the model, token by token."""
    def start() -> tuple[Session, Lease]:
        session = new_session(model=runner.model)
        browser.open(f"{nginx.page('follow.html', PAGE.replace('TYPES', str(TYPES)))}#{session.id}")
        wait(browser, "typeof seen !== 'undefined' && seen.length > 0", "the page listens")
        session.speak("Count.")
        return session, runner.take()

    return start


def wait(browser, condition: str, what: str):
    eventually(lambda: browser.evaluate(condition), what, 60 * PATIENCE)


def check_nothing_lost_or_doubled(browser, session):
    log = session.log()
    assert browser.evaluate("seen.map(pair => pair[0])") == list(range(1, len(log) + 1))
    told = browser.evaluate("seen.map(pair => pair[1])")
    assert [event["type"] for event in told] == [event["type"] for event in log]
    assert deltas(told) == deltas(log)


def test_tokens_come_one_by_one(follow, browser):
    """Each is in the page before the next is made: a proxy that gathered them would show none."""
    session, lease = follow()
    for number in range(1, 13):
        lease.say(text(f"{number} "))
        wait(browser, f"pieces.length === {number}", f"token {number}")
    lease.say(DONE)
    wait(browser, "seen.at(-1)[1].type === 'response.completed'", "the end")
    check_nothing_lost_or_doubled(browser, session)
    assert browser.evaluate("[opens, errors.length]") == [1, 0]


def test_it_comes_back_by_itself_after_a_cut(follow, browser, nginx):
    session, lease = follow()
    for cut in (1, 2, 3):
        lease.say(text(f"before {cut} "))
        wait(browser, f"seen.at(-1)[1].delta === 'before {cut} '", "a token before the cut")
        nginx.stop()
        wait(browser, f"source.readyState === EventSource.CONNECTING && errors.length >= {cut}", "the page sees the cut")
        # Nobody hears this one.
        lease.say(text(f"meanwhile {cut} "), step(f"s{cut}", title="searching"))
        nginx.start()
        wait(browser, f"opens === {cut + 1}", "the page comes back")
    lease.say(text("after."), DONE)
    wait(browser, "seen.at(-1)[1].type === 'response.completed'", "the end")
    check_nothing_lost_or_doubled(browser, session)
    assert browser.evaluate("renewals") == 0, "EventSource did it by itself"
    assert browser.evaluate("source.readyState") == 1, "it follows on"


def test_it_comes_back_after_the_server_was_killed(start_server, browser, tmp_path, tag):
    """The server's own death, and its return on the same port with what it had kept; nginx says 502 meanwhile."""
    data = tmp_path / "data"
    server = start_server("--data", data)
    port = server.url.rsplit(":", 1)[1]
    proxy = Nginx(tmp_path / "nginx", server.url)
    proxy.start()
    try:
        session = Session.create(server)
        browser.open(f"{proxy.page('follow.html', PAGE.replace('TYPES', str(TYPES)))}#{session.id}")
        wait(browser, "typeof seen !== 'undefined' && seen.length > 0", "the page listens")
        session.speak(say(tag, tokens=30, pace=10))
        wait(browser, "pieces.length > 3", "tokens come")
        server.popen.kill()
        server.popen.wait()
        start_server("--data", data, listen=("--host", "127.0.0.1", "--port", port))
        wait(browser, "seen.at(-1)[1].type === 'response.completed'", "the answer goes on to its end")
        check_nothing_lost_or_doubled(browser, session)
    finally:
        proxy.stop()
