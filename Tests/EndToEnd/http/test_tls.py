"""TLS as clients see it: names, versions, tickets, reload, client certificates, and what is no TLS."""

import json
import signal
import socket
import ssl
import subprocess
import threading
import time

import httpx
import openai
import pytest
from websockets.sync.client import connect

from processes import run_binary
from raw_http import RawConnection
from rehearsal import brief, eventually, say
from tls_files import Authority


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "certificates")


@pytest.fixture
def start_secure(start_server, authority):
    """Starts a server with TLS; the certificate is for localhost and 127.0.0.1 unless others are given."""

    def start(*flags, leaves=None):
        leaves = leaves or [authority.leaf("server")]
        certificates = [flag for leaf in leaves for flag in leaf.flags]
        return start_server("--tls-port", "0", *certificates, *flags)

    return start


def address(server) -> tuple[str, int]:
    url = httpx.URL(server.ready["tls_url"])
    return url.host, url.port


def shake(server, context, name="localhost", session=None) -> ssl.SSLSocket:
    """A connection after its handshake."""
    raw = socket.create_connection(address(server), timeout=20)
    return context.wrap_socket(raw, server_hostname=name, session=session)


def subject(connection: ssl.SSLSocket) -> str:
    return dict(pair for names in connection.getpeercert()["subject"] for pair in names)["commonName"]


def ask(connection: ssl.SSLSocket) -> bytes:
    """A request over a connection, and all that comes until its end."""
    connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    answer = b""
    while piece := connection.recv(65536):
        answer += piece
    return answer


@pytest.mark.parametrize("header", [
    b"PROXY TCP4 192.0.2.1 198.51.100.7 47011 443\r\n",
    bytes.fromhex("0d0a0d0a000d0a515549540a2111000cc0000201c6336407b7a301bb"),
], ids=["v1", "v2"])
def test_a_proxy_header_stands_in_front_of_tls(start_secure, authority, header):
    server = start_secure("--proxy-protocol", "--trusted-proxy", "127.0.0.1", "--log-level", "debug")
    # In one piece, byte by byte, and cut within: the handshake begins right behind it.
    for pieces in ([header], [bytes([byte]) for byte in header], [header[:13], header[13:]]):
        raw = socket.create_connection(address(server), timeout=20)
        for piece in pieces:
            raw.sendall(piece)
        with authority.trust().wrap_socket(raw, server_hostname="localhost") as connection:
            assert ask(connection).startswith(b"HTTP/1.1 200 ")
    eventually(lambda: server.log_tail(200).count("peer=192.0.2.1") == 3, "the client of the header in the access lines")
    # Without the header the first bytes of TLS are none.
    raw = socket.create_connection(address(server), timeout=20)
    with pytest.raises((ssl.SSLError, OSError)):
        authority.trust().wrap_socket(raw, server_hostname="localhost")


def test_the_clients_that_people_have_work_over_tls(start_secure, authority, tag):
    server = start_secure()
    url, context = server.ready["tls_url"], authority.trust()
    with httpx.Client(base_url=url, verify=context) as http:
        assert http.get("/healthz").json() == {"status": "ok"}
    with httpx.Client(verify=context, timeout=60) as http:
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="test", http_client=http, max_retries=0)
        stream = client.chat.completions.create(
            model="rehearsal", stream=True, messages=[{"role": "user", "content": brief(tag)}])
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream)
    with connect(url.replace("https", "wss") + "/v1/responses", ssl=context, compression=None) as ws:
        ws.send(json.dumps({"type": "response.create", "model": "rehearsal", "input": say(tag, tokens=400, pace=0)}))
        kinds = []
        while not kinds or kinds[-1] != "response.completed":
            kinds.append(json.loads(ws.recv(20))["type"])
        assert kinds.count("response.output_text.delta") > 100
    # The plain port serves as before.
    assert server.http().get("/healthz").status_code == 200


def test_chat_speaks_https_and_verifies(start_secure, authority, tag):
    url = start_secure().ready["tls_url"]
    told = run_binary("chat", "--url", url, "--ca-file", authority.file, input=brief(tag) + "\n")
    assert told.returncode == 0 and told.stdout.strip(), told
    told = run_binary("chat", "--url", url, input="hello\n")
    assert told.returncode == 1 and "certificate is not accepted" in told.stderr
    assert run_binary("chat", "--url", "http://127.0.0.1:1", "--ca-file", authority.file).returncode == 2


def test_each_name_gets_its_certificate(start_secure, authority):
    server = start_secure(leaves=[
        authority.leaf("first"), authority.leaf("wild", "DNS:*.example.test"), authority.leaf("exact", "DNS:api.example.test")])
    context = authority.trust()
    for name, expected in [("localhost", "first"), ("www.example.test", "wild"), ("api.example.test", "exact")]:
        with shake(server, context, name) as connection:
            assert subject(connection) == expected
            assert connection.selected_alpn_protocol() is None
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(server, context, "a.b.example.test")


def test_alpn_is_http_1_1_or_a_polite_refusal(start_secure, authority):
    server = start_secure()
    context = authority.trust()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with shake(server, context) as connection:
        assert connection.selected_alpn_protocol() == "http/1.1"
    context.set_alpn_protocols(["h2"])
    with pytest.raises(ssl.SSLError, match="no application protocol|NO_APPLICATION_PROTOCOL"):
        shake(server, context)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_resumed_by_its_ticket(start_secure, authority, version):
    server = start_secure()
    context = authority.trust()
    context.minimum_version = context.maximum_version = version
    with shake(server, context) as first:
        # The tickets of TLS 1.3 come behind the handshake: read something.
        assert b"200 OK" in ask(first)
        ticket = first.session
    assert not first.session_reused
    with shake(server, context, session=ticket) as second:
        assert second.session_reused
        assert b"200 OK" in ask(second)
    # A reload makes no ticket void.
    server.popen.send_signal(signal.SIGHUP)
    eventually(lambda: "certificates reloaded" in server.log_path.read_text(), "the reload")
    with shake(server, context, session=ticket) as third:
        assert third.session_reused


def test_openssl_reconnects_by_tickets(start_secure):
    host, port = address(start_secure())
    told = subprocess.run(
        ["openssl", "s_client", "-connect", f"{host}:{port}", "-reconnect", "-tls1_2"], input=b"", capture_output=True, timeout=20)
    assert told.stdout.count(b"Reused, TLSv1.2") == 5


@pytest.mark.parametrize("suite", ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"])
def test_a_client_that_renews_its_keys_is_answered_on(start_secure, suite):
    host, port = address(start_secure())
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    command = ["openssl", "s_client", "-connect", f"{host}:{port}", "-tls1_3", "-ciphersuites", suite]
    with subprocess.Popen(command, bufsize=0, **pipes) as client:
        said = b""

        def say_until(line, heard, times):
            nonlocal said
            client.stdin.write(line)
            while said.count(heard) < times:
                piece = client.stdout.read(65536)
                assert piece, said.decode(errors="replace")
                said += piece

        guard = threading.Timer(20, client.kill)
        guard.start()
        say_until(request, b'{"status":"ok"}', 1)
        assert suite.encode() in said
        # K: a new key of the client, which asks for a new one of the server; k: without asking.
        for times, command in enumerate([b"K\n", b"k\n", b"K\n"], 1):
            say_until(command, b"KEYUPDATE", times)
            say_until(request, b'{"status":"ok"}', times + 1)
        guard.cancel()
        client.stdin.write(b"Q\n")


def test_a_reload_reaches_new_connections_and_not_the_live_stream(start_secure, authority, tag):
    leaf = authority.leaf("server", subject="old")
    server = start_secure(leaves=[leaf])
    context = authority.trust()
    body = {"model": "rehearsal", "stream": True, "input": say(tag, tokens=150, pace=40)}
    with httpx.Client(base_url=server.ready["tls_url"], verify=context, timeout=60) as http:
        with http.stream("POST", "/v1/responses", json=body) as answer:
            pieces = answer.iter_bytes()
            text = next(pieces)
            authority.leaf("server", subject="new")
            server.popen.send_signal(signal.SIGHUP)
            eventually(lambda: "certificates reloaded" in server.log_path.read_text(), "the reload")
            with shake(server, context) as connection:
                assert subject(connection) == "new"
            leaf.certificate.write_text("no certificate\n")
            server.popen.send_signal(signal.SIGHUP)
            eventually(lambda: "not reloaded" in server.log_path.read_text(), "the refusal")
            assert str(leaf.certificate) in server.log_tail()
            with shake(server, context) as connection:
                assert subject(connection) == "new"
            text += b"".join(pieces)
    assert b"response.completed" in text and text.endswith(b"data: [DONE]\n\n")


def test_a_client_certificate_is_required(start_secure, authority, tmp_path):
    server = start_secure("--tls-client-auth", "require", "--tls-client-ca", authority.file)
    with shake(server, authority.trust(authority.leaf("alice", "email:alice@example.test"))) as connection:
        assert b"200 OK" in ask(connection)
    stranger = Authority(tmp_path / "others").leaf("mallory", "email:mallory@example.test")
    for context in (authority.trust(), authority.trust(stranger)):
        # In TLS 1.3 the client learns of it with its first read.
        with pytest.raises((ssl.SSLError, ConnectionError)):
            with shake(server, context) as connection:
                ask(connection)


def test_a_client_certificate_may_be_asked_for(start_secure, authority, tmp_path):
    server = start_secure("--tls-client-auth", "request", "--tls-client-ca", authority.file)
    with shake(server, authority.trust()) as connection:
        assert b"200 OK" in ask(connection)
    stranger = Authority(tmp_path / "others").leaf("mallory", "email:mallory@example.test")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        with shake(server, authority.trust(stranger)) as connection:
            ask(connection)


def test_old_versions_are_refused(start_secure, authority):
    server = start_secure()
    strict = start_secure("--tls-min-version", "1.3")
    old = authority.trust()
    old.set_ciphers("DEFAULT@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match="protocol version|PROTOCOL_VERSION"):
        shake(server, old)
    second = authority.trust()
    second.maximum_version = ssl.TLSVersion.TLSv1_2
    shake(server, second).close()
    with pytest.raises(ssl.SSLError, match="protocol version|PROTOCOL_VERSION"):
        shake(strict, second)


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "DELETE", "OPTIONS", "PATCH", "PUT", "CONNECT", "get"])
def test_plain_http_of_any_method_on_the_tls_port_is_told(start_server, authority, method):
    leaf = authority.leaf("server")
    server = start_server("--tls-port", "0", *leaf.flags)
    with socket.create_connection(address(server), timeout=20) as raw:
        raw.sendall(f"{method} /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        answer = raw.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400 ") and b"https://" in answer
    eventually(lambda: 'reason="plain_http"} 1' in server.http().get("/metrics").text, "it is counted")


def test_chat_is_told_what_to_do_about_tls(start_server, authority, tmp_path):
    leaf = authority.leaf("server")
    server = start_server("--tls-port", "0", *leaf.flags)
    host, port = address(server)

    def told(*arguments) -> str:
        done = run_binary("chat", *arguments, input="hello\n")
        assert done.returncode == 1, done
        return done.stderr

    assert f"https://{host}:{port}" in told("--url", f"http://{host}:{port}")
    assert "http://127.0.0.1:" in told("--url", server.url.replace("http:", "https:"))
    assert "--ca-file" in told("--url", f"https://{host}:{port}")
    assert "https://" in told("--url", f"http://{host}:{port}", "--watch", "sess_none")
    assert "--ca-file" in told("--url", f"https://{host}:{port}", "--session", "sess_none")
    # Signed by itself: the certificate is its own authority.
    certificate, key = tmp_path / "self.pem", tmp_path / "self.key"
    subprocess.run([
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate,
        "-days", "3", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    own = start_server("--tls-port", "0", "--tls-certificate", certificate, "--tls-key", key)
    url = own.ready["tls_url"]
    words = told("--url", url)
    assert "self-signed" in words and "--ca-file" in words
    assert run_binary("chat", "--url", url, "--ca-file", certificate, input="hello\n").returncode == 0


def test_plain_http_on_the_tls_port_gets_an_answer_that_says_so(start_secure):
    server = start_secure()
    host, port = address(server)
    answer = httpx.get(f"http://{host}:{port}/healthz")
    assert answer.status_code == 400 and "https://" in answer.text


def test_a_handshake_that_stalls_is_ended_and_holds_up_nobody(start_secure, authority):
    server = start_secure()
    silent = socket.create_connection(address(server), timeout=30)
    slow = socket.create_connection(address(server), timeout=30)
    slow.sendall(bytes([22, 3, 1, 2, 0, 1, 0, 1, 0xFC]))
    with shake(server, authority.trust()) as connection:
        assert b"200 OK" in ask(connection)
    assert silent.recv(1) == b"" and slow.recv(1) == b""


def test_a_storm_of_handshakes_leaves_live_connections_alone(start_secure, authority):
    server = start_secure("--loops", "1")
    context = authority.trust()
    failures = []

    def storm():
        try:
            for _ in range(25):
                shake(server, context).close()
        except OSError as failure:
            failures.append(failure)

    threads = [threading.Thread(target=storm) for _ in range(8)]
    for thread in threads:
        thread.start()
    with httpx.Client(base_url=server.ready["tls_url"], verify=context, timeout=20) as live:
        while any(thread.is_alive() for thread in threads):
            assert live.get("/healthz").status_code == 200
    assert not failures


def test_settings_that_do_not_fit_are_refused(authority, tmp_path):
    leaf, other = authority.leaf("one"), authority.leaf("two")
    good = ["--port", "0", "--tls-port", "0", *leaf.flags]
    cases = [
        (["--tls-port", "0"], "--tls-certificate"),
        (leaf.flags, "--tls-port"),
        (["--tls-port", "0", "--tls-certificate", leaf.certificate], "pairs"),
        (["--tls-port", "0", "--tls-certificate", leaf.certificate, "--tls-key", other.key], "is not the key of"),
        (["--tls-port", "0", "--tls-certificate", tmp_path / "none.pem", "--tls-key", leaf.key], "No such file"),
        ([*good, "--tls-client-auth", "require"], "--tls-client-ca"),
        ([*good, "--tls-client-ca", authority.file], "--tls-client-auth"),
        ([*good, "--tls-min-version", "1.1"], "--tls-min-version"),
        (["--port", "none"], "--tls-port"),
    ]
    for flags, word in cases:
        told = run_binary("serve", *flags)
        assert told.returncode == 2 and word in told.stderr, (flags, told)
        assert told.stderr.count("\n") == 1


def test_tls_alone_without_a_plain_port(start_server, authority):
    server = start_server("--port", "none", "--tls-port", "0", *authority.leaf("server").flags, listen=())
    assert server.url == server.ready["tls_url"] and server.url.startswith("https://")
    with httpx.Client(base_url=server.url, verify=authority.trust()) as http:
        assert http.get("/healthz").status_code == 200


def test_the_doctor_looks_at_the_certificates(authority):
    good, soon, late = authority.leaf("good"), authority.leaf("soon", days=9), authority.leaf("late")
    late.key.write_text("no key\n")
    told = run_binary("doctor", "--port", "0", "--tls-port", "0", *good.flags, *soon.flags, *late.flags)
    assert told.returncode == 1
    lines = [line for line in told.stdout.splitlines() if line.split()[1] == "tls"]
    assert [line.split()[0] for line in lines] == ["ok", "warn", "fail", "ok"], told.stdout
    assert "more days, and its key matches" in lines[0] and "renew" in lines[1] and str(late.key) in lines[2]


def test_a_connection_over_a_limit_is_refused_in_the_words_of_tls(start_secure, authority):
    server = start_secure("--max-connections", 1)
    with shake(server, authority.trust()) as taken:
        with pytest.raises(ssl.SSLError, match="ALERT_INTERNAL_ERROR"):
            shake(server, authority.trust())
        # The record of an alert, and nothing in clear.
        with socket.create_connection(address(server), timeout=20) as raw:
            assert raw.makefile("rb").read() == bytes([21, 3, 3, 0, 2, 2, 80])
        # Where no TLS is spoken it is HTTP's answer.
        with RawConnection(server) as plain:
            assert plain.read_answer().status == 503
        assert ask(taken).startswith(b"HTTP/1.1 200 ")


def test_the_first_records_may_be_cut_anywhere(start_secure, authority):
    server = start_secure("--loops", 1)
    for cut in (1, 3, 4, 5, 6, 7, 20):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = authority.trust().wrap_bio(incoming, outgoing, server_hostname="localhost")
        with socket.create_connection(address(server), timeout=20) as raw:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def attempt(step):
                while True:
                    try:
                        return step()
                    except ssl.SSLWantReadError:
                        raw.sendall(outgoing.read())
                        incoming.write(raw.recv(65536))

            attempt(client.do_handshake)
            client.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ")
            first = outgoing.read()
            client.write(b"1\r\n\r\n")
            second = outgoing.read()
            # The end of the handshake, a record, and the first bytes of the next one.
            raw.sendall(first + second[:cut])
            # A pause, since nothing tells that the server has read this: where the kernel decrypts, half a record stays with it.
            time.sleep(0.05)
            raw.sendall(second[cut:])
            assert attempt(lambda: client.read(1000)).startswith(b"HTTP/1.1 200 "), cut
