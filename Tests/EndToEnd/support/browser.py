"""Chromium and nginx of Debian as the tests use them: headless, driven by the DevTools protocol over a plain WebSocket."""

import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx
from websockets.sync.client import connect

from patience import PATIENCE
from processes import _die_with_the_tests

CHROMIUM = shutil.which("chromium")
NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
WHY_NOT = "needs Debian's chromium and nginx: `make test-browser` installs them (125 MB to fetch)"
DEADLINE_S = 60 * PATIENCE


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


class Nginx:
    """A proxy in front of a server, as `proxy_pass` alone makes it: buffering is nginx's default, which is on."""

    CONFIGURATION = """
daemon off;
{user}
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ }}
http {{
    access_log {directory}/access.log;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    types {{ text/html html; }}
    server {{
        listen 127.0.0.1:{port};
        root {directory}/pages;
        location /v1/ {{ proxy_pass {upstream}; }}
    }}
}}
"""

    def __init__(self, directory: Path, upstream: str):
        self.directory, self.port = directory, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        (directory / "pages").mkdir(parents=True)
        self.configuration = directory / "nginx.conf"
        self.configuration.write_text(self.CONFIGURATION.format(
            directory=directory, port=self.port, upstream=upstream,
            # Its workers are to be who the tests are, which only root has to say.
            user="user root;" if os.getuid() == 0 else ""))
        self.popen = None

    def start(self):
        self.popen = subprocess.Popen(
            [NGINX, "-p", str(self.directory), "-c", str(self.configuration), "-e", str(self.directory / "error.log")],
            preexec_fn=_die_with_the_tests, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + DEADLINE_S
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                assert self.popen.poll() is None and time.monotonic() < deadline, (self.directory / "error.log").read_text()
                time.sleep(0.02)

    def stop(self):
        """SIGTERM is nginx's fast shutdown: every connection is cut where it stands."""
        if self.popen:
            self.popen.send_signal(signal.SIGTERM)
            self.popen.wait(10 * PATIENCE)
            self.popen = None

    def page(self, name: str, html: str) -> str:
        (self.directory / "pages" / name).write_text(html)
        return f"{self.url}/{name}"

    def requests(self) -> list[str]:
        return (self.directory / "access.log").read_text().splitlines()


class Browser:
    """Headless Chromium with one page."""

    def __init__(self, directory: Path):
        # Without a sandbox of its own, which neither root nor a container gives it; the pages are ours.
        self.popen = subprocess.Popen(
            [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0",
             f"--user-data-dir={directory}", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=(directory.parent / "chromium.log").open("wb"),
            preexec_fn=_die_with_the_tests, env={**os.environ, "HOME": str(directory.parent)}, start_new_session=True)
        port_file, deadline = directory / "DevToolsActivePort", time.monotonic() + DEADLINE_S
        while not (port_file.exists() and port_file.read_text().strip()):
            assert self.popen.poll() is None and time.monotonic() < deadline, (directory.parent / "chromium.log").read_text()[-2000:]
            time.sleep(0.05)
        port = port_file.read_text().splitlines()[0]
        pages = httpx.get(f"http://127.0.0.1:{port}/json/list").json()
        (page,) = [page for page in pages if page["type"] == "page"]
        self.ws = connect(page["webSocketDebuggerUrl"], max_size=None, compression=None, legacy=True)
        self._ids = itertools.count(1)

    def call(self, method: str, **params):
        number = next(self._ids)
        self.ws.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            answer = json.loads(self.ws.recv(timeout=DEADLINE_S))
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    def open(self, url: str):
        self.call("Page.enable")
        self.call("Page.navigate", url=url)

    def evaluate(self, expression: str):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def close(self):
        self.ws.close()
        os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()
