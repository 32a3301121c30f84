"""Starts what is measured, each on its processor, and reads the processor time it has used."""

import contextlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).parent
#: The measured server has a processor for itself; upstream and clients share the other.
SERVER_CPU, OTHER_CPU = 0, 1


class Process:
    def __init__(self, arguments, port, cpu, **environment):
        self.url = f"http://127.0.0.1:{port}"
        self.port = port
        self.popen = subprocess.Popen(
            arguments, env={**os.environ, **environment}, stdout=subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, {cpu}),
        )  # fmt: skip
        self.pid = self.popen.pid

    def wait_until_it_listens(self, patience_s=10):
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            if self.popen.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return self
            time.sleep(0.02)
        raise SystemExit(f"does not listen on port {self.port}: {' '.join(map(str, self.popen.args))}")

    def cpu_seconds(self):
        """User and system time of all threads: the clock behind utime and stime of /proc/PID/stat, which tick in 10 ms."""
        return time.clock_gettime((~self.pid << 3) | 2)  # CPUCLOCK_SCHED of another process, as clock_getcpuclockid(3)


@contextlib.contextmanager
def running(arguments, cpu, patience_s=10, **environment):
    """`PORT` in the arguments becomes a free port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = Process([str(port) if a == "PORT" else a for a in arguments], port, cpu, **environment)
    try:
        yield process.wait_until_it_listens(patience_s)
    finally:
        process.popen.terminate()
        try:
            process.popen.wait(patience_s)
        except subprocess.TimeoutExpired:
            process.popen.kill()
            process.popen.wait()


def interject(binary, upstream, *flags, under=(), patience_s=10):
    """`under` is the command line of a program that runs the server, such as valgrind."""
    if "--data" not in flags:
        flags = [*flags, "--data", "none"]
    arguments = [binary, "serve", "--host", "127.0.0.1", "--port", "PORT", "--loops", "1", "--log-level", "warning"]
    return running([*under, *arguments, "--upstream", upstream.url + "/v1", *flags], SERVER_CPU, patience_s)


def relay(upstream):
    return running([sys.executable, HERE / "relay.py", "PORT"], SERVER_CPU, RELAY_UPSTREAM=upstream.url + "/v1")


@contextlib.contextmanager
def least_relay(upstream):
    with tempfile.TemporaryDirectory() as folder:
        program = pathlib.Path(folder) / "least_relay"
        subprocess.run([shutil.which("cc") or "clang", "-O2", "-o", program, HERE / "least_relay.c"], check=True)
        with running([program, "PORT", str(upstream.port)], SERVER_CPU) as process:
            yield process


def rehearsal(binary):
    return running([binary, "rehearsal", "--port", "PORT"], OTHER_CPU)


def stamping_upstream():
    return running([sys.executable, HERE / "stamping_upstream.py", "PORT"], OTHER_CPU)


def large_upstream():
    return running([sys.executable, HERE / "large_upstream.py", "PORT"], OTHER_CPU)


def metrics(server):
    """The samples of /metrics that have no labels, by name."""
    with urllib.request.urlopen(f"{server.url}/metrics") as answer:
        text = answer.read().decode()
    return {name: float(value) for name, value in re.findall(r"^(\w+) (\S+)$", text, re.M)}


def private_bytes(server):
    rollup = pathlib.Path(f"/proc/{server.pid}/smaps_rollup").read_text()
    return int(re.search(r"Private_Dirty: *(\d+)", rollup)[1]) * 1024
