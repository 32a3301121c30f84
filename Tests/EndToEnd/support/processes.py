"""The binary under test as a process: start, wait until it listens, stop, read its log."""

import contextlib
import ctypes
import itertools
import json
import os
import resource
import signal
import subprocess
import tempfile
import time
import weakref
from pathlib import Path

import httpx
import openai
import pytest

from patience import PATIENCE
from rehearsal import Rehearsal

REPOSITORY = Path(__file__).resolve().parents[3]
START_TIMEOUT_S = 30 * PATIENCE
STOP_TIMEOUT_S = 10 * PATIENCE
# How long a server that a test leaves behind may drain. The leak sanitizer checks at an orderly end alone.
LEAVE_TIMEOUT_S = 2 * PATIENCE if "ASAN_OPTIONS" in os.environ else 0.2
_live = weakref.WeakSet()
_homes = tempfile.TemporaryDirectory(prefix="interject-tests-")
_home_numbers = itertools.count()
_libc = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1
# httpx parses every certificate that the machine trusts for each client, SDK clients included: 25 ms of processor time, several times
# a test. Nothing here leaves loopback, and the tests of TLS bring a context of their own: an empty directory of authorities will do.
os.environ.pop("SSL_CERT_FILE", None)
os.environ["SSL_CERT_DIR"] = _homes.name


def live_processes():
    return [process for process in _live if process.popen is not None]


# Prefixes of variables that the binary, its libraries and the SDKs read.
CONFIGURING = ("INTERJECT_", "OPENAI_", "ANTHROPIC_", "SSL_CERT_")


def environment(**extra) -> dict:
    """The environment of the tests without what would configure the server behind their back."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(CONFIGURING)}
    # A server without --data finds no folder of whoever runs the tests, nor of another test.
    return {**kept, "XDG_DATA_HOME": f"{_homes.name}/{next(_home_numbers)}", **extra}


def _die_with_the_tests():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _with_descriptors(count):
    """What `ulimit -n` does, for the child alone."""
    def prepare():
        _die_with_the_tests()
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))
    return prepare


class BinaryProcess:
    """One run of the binary with a ready file. `command` is its first argument; `descriptors`: how many it may have open."""

    command: str

    def __init__(self, directory: Path, *flags, env=None, listen=("--host", "127.0.0.1", "--port", "0"),
                 descriptors=None):
        self.descriptors = descriptors
        number = len(list(directory.glob(f"{self.command}-*.log")))
        self.name = f"{self.command}-{number}"
        self.log_path = directory / f"{self.name}.log"
        self.ready_path = directory / f"{self.name}.ready.json"
        self.log_path.touch()
        self.flags = [self.command, *listen, "--ready-file", str(self.ready_path), *map(str, flags)]
        self.env = environment(**(env or {}))
        self.popen = None
        self.ready = None

    @staticmethod
    def binary() -> str:
        if named := os.environ.get("INTERJECT_BINARY"):
            return named
        for build in ("release", "debug"):
            if (path := REPOSITORY / ".build" / build / "interject").exists():
                return str(path)
        return str(REPOSITORY / ".build/release/interject")

    def start(self):
        if not os.access(self.binary(), os.X_OK):
            pytest.exit(f"no binary at {self.binary()}: run `swift build -c release` or set INTERJECT_BINARY", 4)
        with self.log_path.open("ab") as log:
            self.popen = subprocess.Popen(
                [self.binary(), *self.flags], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env,
                preexec_fn=_with_descriptors(self.descriptors) if self.descriptors else _die_with_the_tests,
            )
        _live.add(self)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.ready_path.exists():
            if self.popen.poll() is not None:
                raise AssertionError(f"{self.flags} ended with {self.popen.returncode}:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                self.stop()
                raise AssertionError(f"{self.flags} was not ready in {START_TIMEOUT_S} s:\n{self.log_tail()}")
            time.sleep(0.01)
        # The file is written atomically: once it is there, it is whole.
        self.ready = json.loads(self.ready_path.read_text())
        return self

    def stop(self, timeout_s=STOP_TIMEOUT_S) -> int:
        """SIGTERM; the exit code, or a kill after `timeout_s`."""
        if self.popen is None:
            return 0
        self.popen.terminate()
        try:
            code = self.popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            code = self.popen.wait()
        self.popen = None
        return code

    def leave(self):
        """Ends a run that no test looks at any more, by a second signal if the first finds something to drain."""
        if self.popen is None:
            return
        self.popen.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.popen.wait(LEAVE_TIMEOUT_S)
        self.stop(LEAVE_TIMEOUT_S)

    def log_tail(self, lines=40) -> str:
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])

    @property
    def url(self) -> str:
        return self.ready["url"]

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.leave()


class RehearsalProcess(BinaryProcess):
    command = "rehearsal"

    @property
    def rehearsal(self) -> Rehearsal:
        return Rehearsal(self.url)


class InterjectProcess(BinaryProcess):
    command = "serve"

    def __init__(self, directory: Path, *flags, **options):
        super().__init__(directory, *flags, **options)
        # Each has a data directory of its own, that of a test alone.
        if "--data" not in self.flags:
            self.flags += ["--data", str(directory / f"{self.name}.data")]

    @property
    def rehearsal(self) -> Rehearsal:
        """The built-in model's counters."""
        return Rehearsal(self.ready["rehearsal_url"])

    @property
    def address(self) -> tuple[str, int]:
        url = httpx.URL(self.url)
        return url.host, url.port

    def http(self, **options) -> httpx.Client:
        options.setdefault("timeout", 60 * PATIENCE)
        return httpx.Client(base_url=self.url, **options)

    def sdk(self, api_key="test", **options) -> openai.OpenAI:
        return openai.OpenAI(**self._sdk_options(api_key, options))

    def async_sdk(self, api_key="test", **options) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(**self._sdk_options(api_key, options))

    def _sdk_options(self, api_key, options):
        return {"base_url": f"{self.url}/v1", "api_key": api_key, "max_retries": 0, "timeout": 60 * PATIENCE, **options}


def resident_bytes(process: BinaryProcess) -> int:
    status = open(f"/proc/{process.popen.pid}/status").read()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def run_binary(*arguments, timeout_s=15, env=None, input=None) -> subprocess.CompletedProcess:
    """Runs a command that ends by itself."""
    return subprocess.run(
        [BinaryProcess.binary(), *map(str, arguments)], capture_output=True, text=True, timeout=timeout_s * PATIENCE,
        env=environment(**(env or {})), input=input,
    )
