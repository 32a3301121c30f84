"""End-to-end tests: the real binary, driven by clients that we did not write.

How to run, from the root of the repository:

    swift build -c release
    python3 -m venv .build/e2e && .build/e2e/bin/pip install -r Tests/EndToEnd/requirements.txt
    .build/e2e/bin/pytest Tests/EndToEnd -n auto --dist worksteal   # all, two workers a processor
    .build/e2e/bin/pytest Tests/EndToEnd/storage                    # those of one page
    .build/e2e/bin/pytest Tests/EndToEnd -k cursor                  # some

One folder for each page of Protocols/, by its name; `protocols` for what all pages have in common. What tests share is in `support`,
which is on the import path; no test file imports another.

INTERJECT_BINARY        the binary to test (default: .build/release/interject, else .build/debug/interject)
INTERJECT_CURSOR_SEED   the seed of test_cursor.py, which prints the one that it used
INTERJECT_GOLDEN        `record` writes the golden files anew (protocols/test_golden_logs.py)
INTERJECT_PATIENCE      a factor for every deadline: 4 for a binary with sanitizers

Most tests share one server and find what is theirs by a unique word in the prompt; the rehearsal model behind
the server tells what it was asked and when its connection was closed (Protocols/rehearsal.md). A test that needs
flags starts a server of its own by `start_server`. When a test fails, the end of each server's log is shown.

In `support`: processes.py (binary), restarts.py (kill -9 and again), rehearsal.py (the model's counters), sessions.py (the sessions
face by HTTP), sockets.py (WebSocket), echo_server.py (`interject echo`, and a WebSocket client that can do everything wrong),
event_source.py and raw_http.py (bytes on a socket), starters.py (four ways to start a generation), log_rules.py
(what every log must obey), loopback_upstream.py (what upstreams have in common) and those that do as they are told:
scripted_upstream.py, answering_upstream.py, faulty_upstream.py, paced_upstream.py, gated_upstream.py (pauses where a test says),
golden.py and followed_session.py (what every face told, as files in `golden`; protocols/test_golden_logs.py),
runner.py (an external runner), browser.py (Chromium and nginx).
"""

import os

import openai
import pytest

from answering_upstream import AnsweringUpstream
from patience import PATIENCE
from processes import InterjectProcess, RehearsalProcess, live_processes
from rehearsal import unique
from sessions import Session
from sockets import Socket


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The shared server: no upstream, so the built-in rehearsal model answers."""
    with InterjectProcess(tmp_path_factory.mktemp("server")) as process:
        yield process


@pytest.fixture
def start_server(tmp_path):
    """Starts servers with flags of their own: `start_server("--heartbeat", "1")`."""
    running = []

    def start(*flags, **options):
        process = InterjectProcess(tmp_path, *flags, **options)
        running.append(process)
        return process.start()

    yield start
    for process in running:
        process.leave()


@pytest.fixture
def start_rehearsal(tmp_path):
    """Starts `interject rehearsal` alone, to be used as an upstream."""
    running = []

    def start(*flags):
        process = RehearsalProcess(tmp_path, *flags)
        running.append(process)
        return process.start()

    yield start
    for process in running:
        process.leave()


@pytest.fixture(scope="module")
def upstream():
    """An upstream that answers as a module's tests tell it to, model by model."""
    with AnsweringUpstream() as upstream:
        yield upstream


@pytest.fixture
def rehearsal(server):
    return server.rehearsal


@pytest.fixture
def client(server):
    """The official SDK, without its own retries: what the server says is what the test sees."""
    with server.sdk() as client:
        yield client


@pytest.fixture
def tag():
    """A word that no other prompt contains."""
    return unique()


@pytest.fixture
def new_session(server):
    """Makes sessions on the shared server."""
    made = []

    def make(**fields) -> Session:
        session = Session.create(server, **fields)
        made.append(session)
        return session

    yield make
    for session in made:
        session.close()


@pytest.fixture
def open_socket(server):
    """Opens WebSockets to the shared server (or to `to=`), closed after the test."""
    opened = []

    def connect(to=None, **options) -> Socket:
        socket = Socket(to or server, **options)
        opened.append(socket)
        return socket

    yield connect
    for socket in opened:
        socket.close()


@pytest.fixture
def lookup_tool():
    """A tool in the form of POST /v1/responses."""
    return {
        "type": "function",
        "name": "lookup",
        "description": "Looks something up.",
        "parameters": {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
    }


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        for process in live_processes():
            report.sections.append((f"log of {process.name} ({process.log_path})", process.log_tail()))
    return report


def pytest_collection_modifyitems(config, items):
    for item in items:
        own = item.get_closest_marker("timeout")
        limit_s = own.args[0] if own else float(config.getini("timeout"))
        item.add_marker(pytest.mark.timeout(limit_s * PATIENCE), append=False)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """What `-n auto` means: most tests wait for time to pass most of the time, so that a processor has room for two."""
    return min(2 * len(os.sched_getaffinity(0)), 8)


def pytest_report_header(config):
    return [f"interject binary: {InterjectProcess.binary()}", f"openai {openai.__version__}"]
