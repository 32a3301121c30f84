"""`interject echo` by TLS, and as a fan-out."""

import subprocess

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from echo_server import EchoProcess
from tls_files import Authority


def open_to(server, **options):
    return connect(server.url.replace("http", "ws", 1), **options)


def test_the_echo_speaks_tls(tmp_path):
    authority = Authority(tmp_path / "authority")
    leaf = authority.leaf("server")
    with EchoProcess(tmp_path, *leaf.flags) as server:
        assert server.url.startswith("https://")
        with open_to(server, ssl=authority.trust(), server_hostname="localhost") as ws:
            ws.send("through TLS")
            assert ws.recv(10) == "through TLS"


def test_a_certificate_without_its_key_is_refused(tmp_path):
    command = [EchoProcess.binary(), "echo", "--port", "0", "--tls-certificate", "some.pem"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (done.returncode, "--tls-key" in done.stderr) == (2, True)


@pytest.mark.parametrize("loops", [1, 3])
def test_what_one_sends_all_others_get_and_not_the_sender(tmp_path, loops):
    with EchoProcess(tmp_path, "--fan-out", "--loops", loops) as server:
        crowd = [open_to(server) for _ in range(12)]
        try:
            for ws in crowd:
                assert ws.protocol.extensions == []
                ws.ping().wait(10)
            crowd[0].send("to all")
            crowd[0].send(b"\x00\x01")
            for ws in crowd[1:]:
                assert [ws.recv(10), ws.recv(10)] == ["to all", b"\x00\x01"]
            with pytest.raises(TimeoutError):
                crowd[0].recv(0.3)
            # Who has left is forgotten, whatever place it had.
            for ws in (crowd[1], crowd[5], crowd[11]):
                ws.close()
            rest = [ws for place, ws in enumerate(crowd) if place not in (1, 5, 11)]
            rest[-1].send("to the rest")
            for ws in rest[:-1]:
                assert ws.recv(10) == "to the rest"
        finally:
            for ws in crowd:
                ws.close()


def test_who_reads_gets_long_messages_in_close_succession(tmp_path):
    with EchoProcess(tmp_path, "--fan-out", "--loops", "1") as server:
        with open_to(server) as sender, open_to(server) as reader:
            payloads = [bytes([number]) * (1 << 20) for number in range(4)]
            for payload in payloads:
                sender.send(payload)
            assert [reader.recv(10) for _ in payloads] == payloads


def test_who_reads_nothing_is_closed_and_delays_nobody(tmp_path):
    with EchoProcess(tmp_path, "--fan-out", "--loops", "1") as server:
        with open_to(server) as sender, open_to(server) as reader, open_to(server, max_queue=1) as stalled:
            payload = bytes(1 << 20)
            for _ in range(40):
                sender.send(payload)
                assert reader.recv(10) == payload
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    stalled.recv(10)
            assert closed.value.rcvd is None or closed.value.rcvd.code == 1013
