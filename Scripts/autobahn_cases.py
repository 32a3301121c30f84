#!/usr/bin/env python3
"""Runs Autobahn's cases against `interject echo`, several wstest processes at a time. Called by autobahn.sh.

Prints each case that is not strictly OK, then the counts. Exits 0 only when all scored cases are OK, with the right close code, and
none is missing.
"""

import argparse
import collections
import concurrent.futures
import json
import os
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


def run(wstest, url, patterns, directory) -> dict:
    """The verdicts by case."""
    out = Path(tempfile.mkdtemp(dir=directory))
    spec = {
        "options": {"failByDrop": False}, "outdir": str(out), "cases": patterns, "exclude-cases": [], "exclude-agent-cases": {},
        "servers": [{"agent": "interject", "url": url, "options": {"version": 18}}],
    }
    (out / "spec.json").write_text(json.dumps(spec))
    with (out / "wstest.log").open("wb") as log:
        code = subprocess.call([wstest, "-m", "fuzzingclient", "-s", str(out / "spec.json")], stdout=log, stderr=log)
    index = out / "index.json"
    if code != 0 or not index.exists():
        sys.exit(f"wstest ended with {code}: {(out / 'wstest.log').read_text()[-1000:]}")
    return json.loads(index.read_text())["interject"]


def start_echo(binary, directory):
    ready = Path(directory) / "ready.json"
    process = subprocess.Popen(
        [binary, "echo", "--port", "0", "--ready-file", str(ready)], stdout=subprocess.DEVNULL)
    while not ready.exists():
        if process.poll() is not None:
            sys.exit(f"{binary} echo ended with {process.returncode}")
        time.sleep(0.01)
    return process, json.loads(ready.read_text())["url"].replace("http", "ws", 1)


def report(cases: dict, expected: int) -> bool:
    verdicts = collections.Counter(case["behavior"] for case in cases.values())
    wrong_codes = 0
    for name in sorted(cases, key=lambda name: [int(part) for part in name.split(".")]):
        verdict, close = cases[name]["behavior"], cases[name]["behaviorClose"]
        is_good = verdict == "OK" or (verdict == "INFORMATIONAL" and name in INFORMATIONAL)
        is_code_good = close in ("OK", "INFORMATIONAL")
        wrong_codes += not is_code_good
        if not (is_good and is_code_good):
            print(f"{name}: {verdict}, close {close}")
    scored = len(cases) - verdicts["INFORMATIONAL"]
    print(
        f"Autobahn: {verdicts['OK']} of {scored} scored cases strictly OK, {verdicts['NON-STRICT']} non-strict; "
        f"close codes wrong: {wrong_codes}; {len(cases)} of {expected} cases run, {verdicts['INFORMATIONAL']} informational")
    return verdicts["OK"] == scored and not wrong_codes and len(cases) == expected


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("which", choices=CASE_COUNT)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--wstest", required=True)
    parser.add_argument("--processes", type=int, default=2 * (os.cpu_count() or 2))
    options = parser.parse_args()
    jobs = QUICK if options.which == "quick" else SLOW + QUICK
    cases = {}
    with tempfile.TemporaryDirectory() as directory:
        echo, url = start_echo(options.binary, directory)
        try:
            with concurrent.futures.ThreadPoolExecutor(options.processes) as pool:
                for verdicts in pool.map(lambda job: run(options.wstest, url, job, directory), jobs):
                    cases |= verdicts
        finally:
            echo.terminate()
            code = echo.wait()
    is_good = report(cases, CASE_COUNT[options.which])
    if code != 0:
        print(f"interject echo ended with {code}")
    sys.exit(0 if is_good and code == 0 else 1)


if __name__ == "__main__":
    main()
