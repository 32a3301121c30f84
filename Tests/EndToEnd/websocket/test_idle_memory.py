"""What a WebSocket costs that says nothing."""

import re
import resource
import socket
from pathlib import Path

import pytest
from echo_server import EchoProcess, Probe, frame

CONNECTIONS = 1000
MAX_BYTES_EACH = 512


@pytest.fixture(autouse=True)
def many_descriptors():
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < 2 * CONNECTIONS:
        pytest.skip(f"{most} open files are allowed, {2 * CONNECTIONS} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, most))


def private_bytes(server) -> int:
    rollup = Path(f"/proc/{server.popen.pid}/smaps_rollup").read_text()
    return int(re.search(r"Private_Dirty:\s+(\d+)", rollup)[1]) * 1024


def used(echo, count):
    """Connections over which a message went both ways, in two pieces since what is half received takes storage too."""
    probes, message = [], frame(0x81, b"x" * 1000)
    for _ in range(count):
        probe = Probe(echo)
        probe.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        probe.upgrade()
        probe.send(message[:500])
        probe.send(message[500:])
        assert probe.receive() == (0x81, b"x" * 1000)
        probes.append(probe)
    return probes


@pytest.mark.footprint
def test_an_idle_websocket_takes_less_than_half_a_kibibyte(tmp_path):
    with EchoProcess(tmp_path, "--loops", "1", "--deflate", "off") as echo:
        probes = used(echo, 100)
        before = private_bytes(echo)
        probes += used(echo, CONNECTIONS)
        each = (private_bytes(echo) - before) / CONNECTIONS
        for probe in probes:
            probe.socket.close()
    assert each < MAX_BYTES_EACH, f"{each:.0f} bytes"
