"""The command line: what a person types, and what it says."""

import os
import signal
import socket
import time

import pexpect
import pytest

from keys import Keys
from patience import PATIENCE
from processes import BinaryProcess, environment, run_binary
from rehearsal import endless, eventually, say
from sessions import Session

CHAT_TIMEOUT_S = 30 * PATIENCE


@pytest.fixture
def free_ports():
    """Ports that were free a moment ago."""
    held = [socket.socket() for _ in range(3)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def one_line_on_stderr(result) -> str:
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, result.stderr
    return lines[0]


def test_help_names_the_commands():
    result = run_binary("--help")
    assert result.returncode == 0
    assert all(command in result.stdout for command in ("serve", "chat", "doctor", "rehearsal"))


def test_help_documents_every_flag():
    result = run_binary("serve", "--help")
    assert result.returncode == 0
    for flag in ("host", "port", "ready-file", "upstream", "upstream-key", "map-model", "unix-socket", "api-key", "loops",
                 "log-bytes-per-session", "heartbeat", "first-byte-timeout", "config", "retention", "log-memory",
                 "rehearsal-port"):
        assert f"--{flag}" in result.stdout, flag


@pytest.mark.parametrize("arguments, word", [
    (["serve", "--port", "banana"], "banana"), (["serve", "--port", "70000"], "70000"),
    (["serve", "--upstream", "not a url"], "not a url"), (["serve", "--loops", "-1"], "loops"),
    (["serve", "--heartbeat", "often"], "often"), (["serve", "--no-such-flag"], "no-such-flag"),
    (["serve", "--api-key", "no-equals-sign"], "api-key"), (["serve", "--config", "/no/such/file.yaml"], "/no/such/file"),
    (["no-such-command"], "no-such-command"),
])
def test_a_wrong_value_is_one_clear_line_and_exit_2(arguments, word):
    result = run_binary(*arguments)
    assert result.returncode == 2
    assert word in one_line_on_stderr(result)


@pytest.mark.parametrize("arguments, command", [
    (["serve", "--no-such-flag"], "interject serve"), (["keys", "list", "--no-such-flag"], "interject keys list"),
    (["keys", "rotate"], "interject keys rotate"), (["no-such-command"], "interject"),
])
def test_a_wrong_call_names_the_help_of_its_command(arguments, command):
    assert one_line_on_stderr(run_binary(*arguments)).endswith(f"(see {command} --help)")


def test_a_wrong_value_in_the_environment_names_the_variable():
    result = run_binary("serve", env={"INTERJECT_PORT": "banana"})
    assert result.returncode == 2 and "INTERJECT_PORT" in one_line_on_stderr(result)


@pytest.mark.parametrize("text, word", [("port: banana\n", "port"), ("prot: 8080\n", "prot"), ("port: [\n", "line")])
def test_a_wrong_config_file_is_one_clear_line(tmp_path, text, word):
    path = tmp_path / "interject.yaml"
    path.write_text(text)
    result = run_binary("serve", "--config", path)
    assert result.returncode == 2
    line = one_line_on_stderr(result)
    assert word in line and str(path) in line


def test_flags_win_over_the_environment_and_that_over_the_file(start_server, tmp_path, free_ports):
    in_file, in_environment, in_flag = free_ports
    path = tmp_path / "interject.yaml"
    path.write_text(f"host: 127.0.0.1\nport: {in_file}\n")
    for expected, flags, env in (
        (in_file, [], {}),
        (in_environment, [], {"INTERJECT_PORT": str(in_environment)}),
        (in_flag, ["--port", in_flag], {"INTERJECT_PORT": str(in_environment)}),
    ):
        server = start_server("--config", path, *flags, env=env, listen=())
        assert server.url == f"http://127.0.0.1:{expected}"
        server.stop()


def test_a_port_in_use_is_said(server):
    port = server.address[1]
    result = run_binary("serve", "--host", "127.0.0.1", "--port", port)
    assert result.returncode not in (0, 2) and result.returncode > 0
    line = next(line for line in result.stderr.splitlines() if str(port) in line)
    assert "in use" in line


def test_sigterm_stops_within_two_seconds_even_in_mid_stream(start_server, tag):
    server = start_server("--drain", 1)
    Session.create(server).speak(endless(tag))
    server.rehearsal.wait_for_tokens(tag, 5)
    started = time.monotonic()
    assert server.stop(timeout_s=10) == 0
    assert time.monotonic() - started < 3


def test_sigint_stops_too(start_server):
    server = start_server()
    server.popen.send_signal(signal.SIGINT)
    assert server.popen.wait(10) in (0, 130)


def test_the_start_says_what_to_do_next(start_server):
    server = start_server()
    log = server.log_tail(100)
    assert server.url in log and "rehearsal" in log and "curl" in log and "interject chat" in log


def banner_holds(server, *words):
    """Waits for what is said after the start."""
    eventually(lambda: all(word in server.log_tail(100) for word in words), f"{words} are said")
    return server.log_tail(100)


def test_the_start_warns_of_an_upstream_that_does_not_answer(start_server, free_ports):
    upstream = f"http://127.0.0.1:{free_ports[0]}/v1"
    server = start_server("--upstream", upstream)
    log = banner_holds(server, f"warn     {upstream} does not answer: ", "refused", "(see interject doctor)")
    assert f"(MODEL: one of curl {server.url}/v1/models)" in log
    result = run_binary("chat", "--url", server.url, input="hello\n")
    assert result.returncode == 1
    assert "no model is offered" in one_line_on_stderr(result) and "--model" in result.stderr
    with server.http() as http:
        assert http.get("/v1/sessions").json()["data"] == [], "nothing is left of the attempt"


def test_an_upstream_may_come_up_after_the_server(start_server, start_rehearsal, free_ports, tag):
    """What the warning leads to: start it, and go on."""
    server = start_server("--upstream", f"http://127.0.0.1:{free_ports[0]}")
    banner_holds(server, "does not answer")
    start_rehearsal("--port", free_ports[0])
    result = run_binary("chat", "--url", server.url, input=say(tag, text="plum", tokens=5, pace=0) + "\n")
    assert result.returncode == 0 and "plum plum" in result.stdout, result.stderr


def test_the_start_waits_for_no_upstream(start_server):
    """One that takes the connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = start_server("--upstream", f"http://127.0.0.1:{silent.getsockname()[1]}")
        log = banner_holds(server, "does not answer: it did not answer in time")
        assert log.index("listens on") < log.index("does not answer")


def test_an_upstream_that_answers_is_not_warned_of_and_chat_takes_its_first_model(start_server, start_rehearsal, tag):
    rehearsal = start_rehearsal()
    server = start_server("--upstream", f"{rehearsal.url}/v1")
    with server.http() as http:
        eventually(lambda: any(m["owned_by"] == "upstream" for m in http.get("/v1/models").json()["data"]), "its models are known")
    result = run_binary("chat", "--url", server.url + "/v1", input=say(tag, text="plum", tokens=5, pace=0) + "\n")
    assert result.returncode == 0 and "plum plum" in result.stdout, result.stderr
    result = run_binary("chat", "--url", server.url.removeprefix("http://"), input=say(tag, text="plum", tokens=5) + "\n")
    assert result.returncode == 0 and "plum plum" in result.stdout, result.stderr
    log = server.log_tail(100)
    assert "warn " not in log
    assert ('"model":"rehearsal"' in log) != ("(MODEL: one of" in log), "whether it was known in time is not certain"


def test_stored_keys_are_keys(start_server, tmp_path):
    keys = Keys(tmp_path / "data")
    secret = keys.create()["secret"]
    # An address that is nobody's (RFC 5737): the server gets as far as listening on it, or not even there.
    foreign = ("serve", "--host", "192.0.2.1", "--port", 8080, "--data")
    without = run_binary(*foreign, tmp_path / "none")
    assert without.returncode == 2 and "no key is set" in one_line_on_stderr(without)
    stored = run_binary(*foreign, tmp_path / "data")
    assert stored.returncode == 1 and "this machine has no such address" in one_line_on_stderr(stored)
    server = start_server("--data", tmp_path / "data")
    assert '--api-key "$KEY"' in banner_holds(server, "docs")
    result = run_binary("chat", "--url", server.url, input="hello\n")
    assert result.returncode == 1 and "--api-key KEY" in one_line_on_stderr(result)
    assert run_binary("chat", "--url", server.url, "--watch", "sess_x", input="").stderr.count("--api-key KEY") == 1
    assert run_binary("chat", "--url", server.url, "--api-key", secret, input="hello\n").returncode == 0


@pytest.mark.parametrize("command", [["list"], ["revoke", "ada"], ["rotate", "ada"]])
def test_keys_of_a_directory_that_has_none_make_nothing(tmp_path, command):
    result = run_binary("keys", *command, "--data", tmp_path / "typo")
    assert result.returncode == 1 and "There is no interject.sqlite in" in one_line_on_stderr(result)
    assert not (tmp_path / "typo").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_directory_of_somebody_else_is_said(tmp_path):
    Keys(tmp_path / "data").create()
    (tmp_path / "data").chmod(0)
    try:
        for command in (["keys", "list"], ["export"], ["serve", "--port", 0]):
            result = run_binary(*command, "--data", tmp_path / "data")
            assert result.returncode == 1
            assert "data cannot be read: Permission denied" in one_line_on_stderr(result)
    finally:
        (tmp_path / "data").chmod(0o700)


@pytest.mark.parametrize("text", ["7d", "168h", "30m", "604800", "0"])
def test_retention_is_a_time(start_server, text):
    start_server("--retention", text).stop()


def test_doctor_finds_nothing_wrong(free_ports):
    result = run_binary("doctor", "--port", free_ports[0])
    assert result.returncode == 0, result.stdout + result.stderr
    assert str(free_ports[0]) in result.stdout


def test_doctor_finds_what_is_wrong(server, free_ports):
    port = server.address[1]
    with socket.create_server(("127.0.0.1", 0)) as foreign:
        result = run_binary("doctor", "--host", "127.0.0.1", "--port", foreign.getsockname()[1])
        assert result.returncode == 1 and str(foreign.getsockname()[1]) in result.stdout
    # A server of ours that is well is what one wants to find.
    result = run_binary("doctor", "--host", "127.0.0.1", "--port", port)
    line = next(line for line in result.stdout.splitlines() if str(port) in line)
    assert result.returncode == 0 and line.startswith("ok") and "--port" in line
    upstream = f"http://127.0.0.1:{free_ports[0]}/v1"
    result = run_binary("doctor", "--port", free_ports[1], "--upstream", upstream)
    assert result.returncode == 1 and upstream in result.stdout
    assert run_binary("doctor", "--port", "banana").returncode == 2


def test_doctor_looks_at_the_data_directory(server, free_ports, tmp_path):
    def finding(directory):
        result = run_binary("doctor", "--port", free_ports[0], "--data", directory)
        (line,) = [line for line in result.stdout.splitlines() if line.split()[1] == "data"]
        return line
    assert finding("none").startswith("ok") and "memory" in finding("none")
    assert finding(tmp_path / "not" / "there").startswith("ok")
    assert not (tmp_path / "not").exists(), "doctor only looks"
    used = server.flags[server.flags.index("--data") + 1]
    assert finding(used).startswith("warn") and "a server uses" in finding(used)
    (tmp_path / "file").touch()
    below = finding(tmp_path / "file" / "data")
    assert below.startswith("fail") and "--data" in below


def test_doctor_fails_where_serve_does(free_ports, tmp_path):
    (tmp_path / "file").touch()
    missing = tmp_path / "missing" / "x"
    for flag, path, subject, words in (
        ("--data", tmp_path / "file" / "data", "data", "cannot make the data directory"),
        ("--data", tmp_path / "file", "data", "cannot make the data directory"),
        ("--data", "/proc/nothing/here", "data", "cannot make the data directory"),
        ("--unix-socket", missing, "socket", "No such file or directory"),
        ("--ready-file", missing, "ready-file", "No such file or directory"),
    ):
        flags = ("--host", "127.0.0.1", "--port", free_ports[0], flag, path)
        doctor = run_binary("doctor", *flags)
        (line,) = [line for line in doctor.stdout.splitlines() if line.split()[1] == subject]
        assert doctor.returncode == 1 and line.startswith("fail") and words in line
        serve = run_binary("serve", *flags)
        assert serve.returncode == 1 and words in serve.stderr
    ready = run_binary("doctor", "--port", free_ports[0], "--ready-file", tmp_path / "ready.json")
    assert ready.returncode == 0 and not (tmp_path / "ready.json").exists(), "doctor only looks"


def test_doctor_asks_the_upstream(start_rehearsal, free_ports):
    upstream = f"{start_rehearsal().url}/v1"
    result = run_binary("doctor", "--port", free_ports[0], "--upstream", upstream)
    assert result.returncode == 0 and upstream in result.stdout


@pytest.fixture
def chat(server):
    """`interject chat` in a terminal."""
    opened = []

    def start(*arguments):
        terminal = pexpect.spawn(
            BinaryProcess.binary(), ["chat", "--url", server.url, *arguments], timeout=CHAT_TIMEOUT_S,
            env=environment(TERM="xterm"), encoding="utf-8", dimensions=(40, 300))
        opened.append(terminal)
        return terminal

    yield start
    for terminal in opened:
        terminal.close(force=True)


def enter(terminal, line):
    """Types a line and presses Enter, which is a carriage return to a terminal in raw mode."""
    terminal.send(line + "\r")


def answer_of(word):
    """A pattern for the answer. What a person types is echoed and holds the word once; only the answer holds it
    again and again, with nothing between but spaces, redrawn prompts and escape sequences."""
    gap = r"(?:\x1b\[[0-9;?]*[A-Za-z]|[^A-Za-z])+"
    return gap.join([word] * 3)


def test_a_person_talks_and_cuts_in(chat, rehearsal, tag):
    terminal = chat()
    enter(terminal, say(f"{tag}a", text="banana", tokens=100_000, pace=20))
    terminal.expect(answer_of("banana"))
    # Enter while the model talks.
    enter(terminal, say(f"{tag}b", text="cherry", tokens=5, pace=0))
    terminal.expect("(?i)kept|interrupted|cut")
    terminal.expect(answer_of("cherry"))
    rehearsal.wait_for_state(f"{tag}a", "aborted")
    second = rehearsal.wait_for_state(f"{tag}b", "completed")
    assert any("banana banana" in str(m["content"]) for m in second["messages"] if m["role"] == "assistant")
    terminal.sendeof()
    terminal.expect(pexpect.EOF)
    terminal.wait()
    assert terminal.exitstatus == 0


def test_enter_alone_stops_the_answer_and_does_nothing_else(chat, rehearsal, tag):
    terminal = chat()
    terminal.expect("Enter cuts in.*alone to stop it")
    # Nothing runs: nothing happens.
    enter(terminal, "")
    enter(terminal, "  ")
    enter(terminal, say(f"{tag}a", text="banana", tokens=100_000, pace=20))
    terminal.expect(answer_of("banana"))
    enter(terminal, "")
    index = terminal.expect([r"\[cancelled after \d+ tokens?\]", "interject: "])
    assert index == 0, "the empty lines before were no commands"
    rehearsal.wait_for_state(f"{tag}a", "aborted")
    # The session goes on, and no empty input stands in it.
    enter(terminal, say(f"{tag}b", text="cherry", tokens=5, pace=0))
    terminal.expect(answer_of("cherry"))
    inputs = [m for m in rehearsal.wait_for_state(f"{tag}b", "completed")["messages"] if m["role"] == "user"]
    assert len(inputs) == 2


def test_pasted_lines_keep_their_breaks(chat, rehearsal, tag):
    terminal = chat()
    # Before it reads key by key, Ctrl-C ends it.
    terminal.expect_exact("\x1b[?2004h")
    terminal.send(f"\x1b[200~{tag} first\r\n\tsecond\nthird\x03\x1b[201~")
    terminal.send(" [[rehearsal tokens=3 pace=0]]\r")
    request = rehearsal.wait_for_state(tag, "completed")
    assert f"{tag} first\n\tsecond\nthird [[rehearsal" in request["messages"][-1]["content"]
    terminal.sendeof()
    terminal.expect(pexpect.EOF)


def test_what_is_typed_while_the_model_talks_is_not_torn(chat, rehearsal, tag):
    """Slow fingers: the line is typed in pieces while words arrive, and is sent whole."""
    terminal = chat()
    enter(terminal, say(f"{tag}a", text="banana", tokens=100_000, pace=20))
    terminal.expect(answer_of("banana"))
    line = say(f"{tag}b", text="cherry", tokens=4, pace=0)
    for start in range(0, len(line), 8):
        terminal.send(line[start:start + 8])
        terminal.expect("banana")
    terminal.send("\r")
    terminal.expect(answer_of("cherry"))
    assert line in str(rehearsal.wait_for_state(f"{tag}b", "completed")["messages"][-1]["content"])


def test_a_watcher_follows_a_session(chat, new_session, tag):
    session = new_session()
    terminal = chat("--watch", session.id)
    session.speak(say(tag, text="melon", tokens=6, pace=20))
    terminal.expect(answer_of("melon"))


def test_a_server_that_is_not_there_is_said(free_ports):
    result = run_binary("chat", "--url", f"http://127.0.0.1:{free_ports[0]}", input="hello\n")
    assert result.returncode == 1 and str(free_ports[0]) in one_line_on_stderr(result)
    assert run_binary("chat", "--watch", "sess_x", "--url", "nonsense").returncode == 2


def test_the_rehearsal_alone(start_rehearsal, tag):
    process = start_rehearsal()
    assert process.rehearsal.stats()["requests"] == 0
    known = {"requests", "streams_completed", "aborts_seen", "tokens_sent", "active", "now_ns"}
    assert known <= set(process.rehearsal.stats())
