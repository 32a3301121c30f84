"""All benchmarks, one command: `make bench`, or `python3 Benchmarks/run.py [--quick] [--only NAME]`. Loopback only."""

import argparse
import os
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ENVIRONMENT = HERE / ".venv"
PARTS = ["interjection", "latency", "throughput", "durable", "transport"]


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
    parser.add_argument("--only", choices=PARTS, action="append", help="this part alone; may be repeated")
    parser.add_argument("--connections", type=int, nargs="+", default=[100, 500], help="of the echo in transport (100 500)")
    parser.add_argument("--rounds", type=int, default=9, help="of transport (9)")
    parser.add_argument("--nio", action="store_true", help="builds the SwiftNIO peer of transport first: minutes, the first time")
    parser.add_argument("--quick", action="store_true", help="a fifth of the work, to see whether it runs")
    return parser.parse_args()


def main():
    options = arguments()
    if not os.access(options.binary, os.X_OK):
        raise SystemExit(f"{options.binary} is not there: run `swift build -c release` first, or give --binary")
    if os.cpu_count() < 2:
        raise SystemExit("two processors are needed: one for the server alone, one for all else")
    in_environment()

    import durable
    import figures
    import interjection
    import latency
    import processes
    import throughput
    import transport
    import transport_peers

    os.sched_setaffinity(0, {processes.OTHER_CPU})
    parts = options.only or PARTS
    start, ticks, load = time.monotonic(), figures.stolen_and_busy(), figures.load()
    print(f"{time.strftime('%Y-%m-%d')}, {figures.machine()}; {load} before\n")
    if {"interjection", "throughput"} & set(parts):
        with (
            processes.rehearsal(options.binary) as rehearsal,
            processes.interject(options.binary, rehearsal) as interject,
            processes.relay(rehearsal) as relay,
            processes.least_relay(rehearsal) as least,
        ):
            if "interjection" in parts:
                print(interjection.run(rehearsal, interject, relay, total=200 if options.quick else 1000), flush=True)
            if "throughput" in parts:
                print(throughput.run(interject, relay, least, rounds=1 if options.quick else 5), flush=True)
    if "latency" in parts:
        with (
            processes.stamping_upstream() as upstream,
            processes.interject(options.binary, upstream) as interject,
            processes.relay(upstream) as relay,
            processes.least_relay(upstream) as least,
        ):
            print(latency.run(upstream, interject, relay, least, rounds=1 if options.quick else 2), flush=True)
    if "durable" in parts:
        with processes.stamping_upstream() as upstream:
            print(durable.run(options.binary, upstream, rounds=1 if options.quick else 3), flush=True)
    if "transport" in parts:
        with transport_peers.built(options.binary, options.nio) as (folder, had):
            for table in transport.run(folder, had, options.connections, rounds=1 if options.quick else options.rounds):
                print(table, flush=True)
    stolen, busy = (after - before for after, before in zip(figures.stolen_and_busy(), ticks))
    print(f"{time.monotonic() - start:.0f} s; stolen by the host: {stolen / max(1, busy):.1%} of the busy time")


main()
