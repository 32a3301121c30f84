#!/usr/bin/env python3
"""Runs Autobahn's cases against both roles, several wstest processes at a time. Called by autobahn.sh.

The server's role is `interject echo` before wstest as a client; the client's is `interject echo-client` before wstest as a server.
Prints each case that is not strictly OK, then the counts. Exits 0 only when all scored cases are OK, with the right close code, and
none is missing, in each role.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Case patterns that one process runs after each other, the long ones first.
QUICK = [["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "8.*", "10.*"]]
SLOW = [[f"12.{n}.*"] for n in range(1, 6)] + [[f"13.{n}.*"] for n in range(1, 8)] + [["9.*"]]
# What the suite has; 7.1.6, 7.13.1 and 7.13.2 are informational in it and not scored.
CASE_COUNT = {"quick": 247, "all": 517}
INFORMATIONAL = {"7.1.6", "7.13.1", "7.13.2"}


START_TIMEOUT_S = 60
# For all cases of one job; the mass tests take minutes.
JOB_TIMEOUT_S = 3600


def spec(out, patterns) -> dict:
    return {
        "options": {"failByDrop": False}, "outdir": str(out), "cases": patterns, "exclude-cases": [], "exclude-agent-cases": {},
    }


def verdicts(out) -> dict:
    """By case."""
    index = out / "index.json"
    if not index.exists():
        sys.exit(f"wstest made no report: {(out / 'wstest.log').read_text()[-1000:]}")
    return json.loads(index.read_text())["interject"]


def test_server(wstest, url, patterns, directory) -> dict:
    """What wstest as a client says of the server at `url`."""
    out = Path(tempfile.mkdtemp(dir=directory))
    servers = [{"agent": "interject", "url": url, "options": {"version": 18}}]
    (out / "spec.json").write_text(json.dumps(spec(out, patterns) | {"servers": servers}))
    with (out / "wstest.log").open("wb") as log:
        code = subprocess.call([wstest, "-m", "fuzzingclient", "-s", str(out / "spec.json")], stdout=log, stderr=log)
    if code != 0:
        sys.exit(f"wstest ended with {code}: {(out / 'wstest.log').read_text()[-1000:]}")
    return verdicts(out)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_client(wstest, binary, patterns, directory) -> dict:
    """What wstest as a server says of our client."""
    out = Path(tempfile.mkdtemp(dir=directory))
    port = free_port()
    (out / "spec.json").write_text(json.dumps(spec(out, patterns) | {"url": f"ws://127.0.0.1:{port}"}))
    with (out / "wstest.log").open("wb") as log:
        server = subprocess.Popen(
            [wstest, "-m", "fuzzingserver", "-s", str(out / "spec.json"), "--webport", "0"], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while socket.socket().connect_ex(("127.0.0.1", port)) != 0:
            if server.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"wstest does not listen: {(out / 'wstest.log').read_text()[-1000:]}")
            time.sleep(0.05)
        client = subprocess.run([binary, "echo-client", f"http://127.0.0.1:{port}"], timeout=JOB_TIMEOUT_S)
        if client.returncode != 0:
            sys.exit(f"interject echo-client ended with {client.returncode}")
    finally:
        server.terminate()
        server.wait()
    return verdicts(out)


def start_echo(binary, directory):
    ready = Path(directory) / "ready.json"
    process = subprocess.Popen(
        [binary, "echo", "--port", "0", "--ready-file", str(ready)], stdout=subprocess.DEVNULL)
    while not ready.exists():
        if process.poll() is not None:
            sys.exit(f"{binary} echo ended with {process.returncode}")
        time.sleep(0.01)
    return process, json.loads(ready.read_text())["url"].replace("http", "ws", 1)


def report(role: str, cases: dict, expected: int) -> bool:
    counts = collections.Counter(case["behavior"] for case in cases.values())
    wrong_codes = 0
    for name in sorted(cases, key=lambda name: [int(part) for part in name.split(".")]):
        verdict, close = cases[name]["behavior"], cases[name]["behaviorClose"]
        is_good = verdict == "OK" or (verdict == "INFORMATIONAL" and name in INFORMATIONAL)
        is_code_good = close in ("OK", "INFORMATIONAL")
        wrong_codes += not is_code_good
        if not (is_good and is_code_good):
            print(f"{role}, {name}: {verdict}, close {close}")
    scored = len(cases) - counts["INFORMATIONAL"]
    print(
        f"Autobahn, {role}: {counts['OK']} of {scored} scored cases strictly OK, {counts['NON-STRICT']} non-strict; "
        f"close codes wrong: {wrong_codes}; {len(cases)} of {expected} cases run, {counts['INFORMATIONAL']} informational",
        flush=True)
    return counts["OK"] == scored and not wrong_codes and len(cases) == expected


def all_cases(run, options, jobs) -> dict:
    cases = {}
    with concurrent.futures.ThreadPoolExecutor(options.processes) as pool:
        for part in pool.map(run, jobs):
            cases |= part
    return cases


def server_role(options, jobs, directory) -> bool:
    echo, url = start_echo(options.binary, directory)
    try:
        cases = all_cases(lambda job: test_server(options.wstest, url, job, directory), options, jobs)
    finally:
        echo.terminate()
        code = echo.wait()
    if code != 0:
        print(f"interject echo ended with {code}")
    return report("server", cases, CASE_COUNT[options.which]) and code == 0


def client_role(options, jobs, directory) -> bool:
    cases = all_cases(lambda job: test_client(options.wstest, options.binary, job, directory), options, jobs)
    return report("client", cases, CASE_COUNT[options.which])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("which", choices=CASE_COUNT)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--wstest", required=True)
    parser.add_argument("--roles", nargs="+", choices=["server", "client"], default=["server", "client"])
    parser.add_argument("--processes", type=int, default=2 * (os.cpu_count() or 2))
    options = parser.parse_args()
    jobs = QUICK if options.which == "quick" else SLOW + QUICK
    roles = {"server": server_role, "client": client_role}
    with tempfile.TemporaryDirectory() as directory:
        outcomes = [roles[role](options, jobs, directory) for role in options.roles]
    sys.exit(0 if all(outcomes) else 1)


if __name__ == "__main__":
    main()
