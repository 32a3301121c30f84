"""All benchmarks, one command: `make bench`, or `python3 Benchmarks/run.py [--quick] [--only TABLE]`. Loopback only.

With `--against BINARY` only the server's own tables, for two builds in turn.
"""

import argparse
import os
import pathlib
import resource
import subprocess
import sys
import time

import against
import durable
import figures
import instructions
import interjection
import large
import latency
import log_memory
import processes
import profile_paced
import readers
import throughput
import transport
import transport_peers

HERE = pathlib.Path(__file__).resolve().parent
ENVIRONMENT = HERE / ".venv"
#: What a run without `--only` measures; the last three take a tool that is not everywhere, or minutes.
PARTS = ["interjection", "throughput", "latency", "durable", "log", "readers", "transport", "large", "profile", "instructions"]
BY_DEFAULT = PARTS[:7]
AGAINST_ROUNDS = 15


def in_environment():
    """Starts again with the pinned packages, which it installs the first time."""
    python = ENVIRONMENT / "bin" / "python"
    stamp, wanted = ENVIRONMENT / "requirements.txt", (HERE / "requirements.txt").read_text()
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", HERE / "requirements.txt"], check=True)
        stamp.write_text(wanted)
    if pathlib.Path(sys.prefix) != ENVIRONMENT:
        os.execv(python, [python, *sys.argv])


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", default=HERE.parent / ".build/release/interject", help="the server (release build)")
    parser.add_argument("--against", metavar="BINARY", help="an earlier build: both in turn, the ratio of each round, no peers")
    parser.add_argument("--only", choices=PARTS, metavar="TABLE", action="append", help=f"one of {', '.join(PARTS)}; may be repeated")
    parser.add_argument("--connections", type=int, nargs="+", default=[100, 500], help="of the echo in transport (100 500)")
    parser.add_argument("--rounds", type=int, help=f"with --against {AGAINST_ROUNDS}; without it each table has its own number")
    parser.add_argument("--nio", action="store_true", help="builds the SwiftNIO peer of transport first: minutes, the first time")
    parser.add_argument("--quick", action="store_true", help="a fifth of the work, to see whether it runs")
    return parser.parse_args()


def alone(options, parts):
    """The tables of one build, beside the peers where there are any."""

    def rounds(usual, quick=1):
        return quick if options.quick else options.rounds or usual

    def repeated(module):
        """Of a build's own figures: medians and, of the first, the spread."""
        results = [module.measure(options.binary, rehearsal) for _ in range(rounds(1 if module is instructions else 3))]
        return figures.medians_table(module.TITLE, results)

    if {"interjection", "throughput"} & set(parts):
        with (
            processes.rehearsal(options.binary) as rehearsal,
            processes.interject(options.binary, rehearsal) as interject,
            processes.relay(rehearsal) as relay,
            processes.least_relay(rehearsal) as least,
        ):
            if "interjection" in parts:
                yield interjection.run(rehearsal, interject, relay, total=200 if options.quick else 1000)
            if "throughput" in parts:
                yield throughput.run(interject, relay, least, rounds(5))
    if "latency" in parts:
        with (
            processes.stamping_upstream() as upstream,
            processes.interject(options.binary, upstream) as interject,
            processes.relay(upstream) as relay,
            processes.least_relay(upstream) as least,
        ):
            yield latency.run(upstream, interject, relay, least, rounds(2))
    if "durable" in parts:
        with processes.stamping_upstream() as upstream:
            yield durable.run(options.binary, upstream, rounds(3))
    with processes.rehearsal(options.binary) as rehearsal:
        for part, module in {"log": log_memory, "readers": readers}.items():
            if part in parts:
                yield repeated(module)
    if "transport" in parts:
        with transport_peers.built(options.binary, options.nio) as (folder, had):
            yield from transport.run(folder, had, options.connections, rounds(9))
    if "large" in parts:
        with processes.large_upstream() as upstream:
            yield large.run({"": options.binary}, upstream)
    with processes.rehearsal(options.binary) as rehearsal:
        for part, module in {"profile": profile_paced, "instructions": instructions}.items():
            if part in parts:
                yield repeated(module)


def main():
    options = arguments()
    if not os.access(options.binary, os.X_OK):
        raise SystemExit(f"{options.binary} is not there: run `swift build -c release` first, or give --binary")
    if os.cpu_count() < 2:
        raise SystemExit("two processors are needed: one for the server alone, one for all else")
    in_environment()

    os.sched_setaffinity(0, {processes.OTHER_CPU})
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    start, ticks, load = time.monotonic(), figures.stolen_and_busy(), figures.load()
    print(f"{time.strftime('%Y-%m-%d')}, {figures.machine()}; {load} before\n", flush=True)
    parts = [part for part in PARTS if part in (options.only or (PARTS if options.against else BY_DEFAULT))]
    for module in (instructions, profile_paced):
        name = module.__name__.partition("_")[0]
        if name in parts and (missing := module.missing()):
            print(f"without {name}: {missing}\n", flush=True)
            parts.remove(name)
    if options.against:
        print(f"{against.BEFORE}: {options.against}, {against.NOW}: {options.binary}\n", flush=True)
        rounds = options.rounds or (2 if options.quick else AGAINST_ROUNDS)
        tables = against.run(options.against, options.binary, rounds, parts, options)
    else:
        tables = alone(options, parts)
    for table in tables:
        print(table, flush=True)
    stolen, busy = (after - before for after, before in zip(figures.stolen_and_busy(), ticks))
    print(f"{time.monotonic() - start:.0f} s; stolen by the host: {stolen / max(1, busy):.1%} of the busy time")


main()
