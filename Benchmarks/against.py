"""Two builds of the server in one run, A B B A …, and the ratio of each round: `run.py --against BINARY`.

Every measurement starts a server of its own, so that no round inherits what another left behind. The upstream is the
same for both: the rehearsal model of the build before.
"""

import functools
import itertools
import pathlib
import statistics

import durable
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
import transport_connections
import transport_peers
import wire
from figures import number, percentile, table

BEFORE, NOW = "before", "now"
FACES = [wire.CHAT, wire.RESPONSES, wire.WEBSOCKET]
#: A saturating answer takes 50 ms: several together are one round's figure.
SATURATING_REPETITIONS = 3
INTERJECTIONS = 50
#: What does not vary from run to run, or takes long, is not measured in every round.
MOST_ROUNDS = {"instructions": 1, "log": 3, "profile": 5}


class Comparison:
    def __init__(self, before, now, rounds):
        self.binaries = {BEFORE: str(before), NOW: str(now)}
        self.rounds = rounds

    def in_turn(self, measure, once=lambda: None, most_rounds=None):
        """`measure(binary, what `once` gave)` of both builds for each round: {row: {figure: number}}."""
        results = []
        for number in range(min(self.rounds, most_rounds or self.rounds)):
            order = [BEFORE, NOW] if number % 2 == 0 else [NOW, BEFORE]
            try:
                common = once()
                results.append({side: measure(self.binaries[side], common) for side in order})
            except (RuntimeError, OSError) as error:
                print(f"without round {number + 1}: {error}", flush=True)
        return results


def ratios_table(title, results):
    """The middle half is what lies between the quartiles of the rounds' ratios."""
    rows = []
    if not results:
        return f"No round of \"{title}\" came to its end.\n"
    for what, values in results[0][BEFORE].items():
        for figure in values:
            pairs = [(r[BEFORE][what][figure], r[NOW][what][figure]) for r in results]
            medians = [number(statistics.median(side)) for side in zip(*pairs)]
            ratios = sorted(now / before for before, now in pairs if before > 0 and now > 0)
            if ratios:
                middle = f"{percentile(ratios, 25):.3f} – {percentile(ratios, 75):.3f}"
                medians += [f"{statistics.median(ratios):.3f}", middle, f"{ratios[0]:.3f} – {ratios[-1]:.3f}"]
            else:
                medians += ["", "", ""]
            rows.append([what, figure, *medians, len(ratios)])
    head = ["what", "figure", BEFORE, NOW, "ratio", "middle half", "extremes", "rounds"]
    return table(title, head, rows)


# Each of these measures one build, once.


def measure_interjection(binary, rehearsal, count=INTERJECTIONS):
    with processes.interject(binary, rehearsal) as server:
        ways = {
            interjection.WEBSOCKET: lambda n: interjection.by_websocket(server, rehearsal, n),
            "Interject: `POST …/input`, keep-alive": lambda n: interjection.by_http(server, rehearsal, n),
            "Interject, chat/completions: client closes": lambda n: interjection.by_closing(server, rehearsal, wire.CHAT, n),
        }
        found = {name: in_portions(way, count) for name, way in ways.items()}
        others = f"; {interjection.COMPANY_STREAMS} other streams of {interjection.COMPANY_PACE} tokens/s"
        with interjection.company(server, wire.CHAT):
            found[interjection.WEBSOCKET + others] = in_portions(ways[interjection.WEBSOCKET], count)
    return {name: {f"p{p} µs": percentile(times, p) / 1000 for p in (50, 95)} for name, times in found.items()}


def in_portions(way, count):
    return [t for _ in range(0, count, interjection.SESSION_LENGTH) for t in way(interjection.SESSION_LENGTH)]


def measure_saturated(binary, rehearsal):
    with processes.interject(binary, rehearsal) as server:
        found = {}
        for face in FACES:
            throughput.saturated(server, face)
            # Each repetition has as many tokens, so that their common rate is the harmonic mean.
            rates = [throughput.saturated(server, face)[0] for _ in range(SATURATING_REPETITIONS)]
            found[face.name] = {"tokens/CPU-s": statistics.harmonic_mean(rates)}
        return found


def measure_paced(binary, rehearsal):
    with processes.interject(binary, rehearsal) as server:
        return {face.name: {"tokens/CPU-s": throughput.paced(server, face)[0]} for face in FACES}


def latencies(server, face, stream_count):
    times = latency.one_way_times(server, face, stream_count, 2.5 if stream_count == 1 else 1.0)
    return {p: percentile(times, p) for p in (50, 99)}


def measure_latency(binary, floors, upstream):
    with processes.interject(binary, upstream) as server:
        found = {}
        for (stream_count, floor), face in itertools.product(floors.items(), FACES):
            points = latencies(server, face, stream_count)
            added = {f"added p{p} µs": (points[p] - floor[p]) / 1000 for p in points}
            found[f"{face.name}, {stream_count} stream{'s' * (stream_count > 1)}"] = added
        return found


def measure_durable(binary, floor, upstream, beside):
    found, in_memory = {}, None
    for name, flags in durable.MODES.items():
        measured = durable.measure_mode(binary, upstream, flags, beside)
        figures = {
            "tokens/CPU-s": measured["tokens/CPU-s"],
            "added p50 µs": (measured["p50"] - floor["p50"]) / 1000, "added p99 µs": (measured["p99"] - floor["p99"]) / 1000,
            "KiB a stream": measured["memory"] / 1024,
        }  # fmt: skip
        if measured["pages"]:
            figures |= {
                "share of in memory": measured["tokens/CPU-s"] / in_memory, "bytes a token to the disk": measured["bytes/token"],
                "tokens a commit": measured["events/commit"], "ms a commit": measured["commit"] * 1000,
                "pages a commit": measured["pages/commit"],
            }  # fmt: skip
        else:
            in_memory = measured["tokens/CPU-s"]
        found[name] = figures
    return found


def measure_transport(binary, _, folder, connection_counts):
    peer, found = transport_peers.of_interject("Interject", binary), {}

    def load(mode, program, *arguments):
        # A new server for each: memory that one part has freed would change the other's figures.
        with transport_peers.started(folder, [peer], mode) as servers:
            server = servers[peer.name]
            return transport.lines(folder / program, *(a(server) if callable(a) else a for a in arguments))

    port, pid = lambda server: server.port, lambda server: server.pid
    for mode, connections in itertools.product((transport_peers.PLAIN, transport_peers.TLS, transport_peers.DEFLATE), connection_counts):
        lines = load(mode, "echo_load", mode, port, pid, connections, transport.COUNTED_S, *transport.PAYLOADS)
        for payload, line in zip(transport.PAYLOADS, lines):
            found[f"{transport.TITLES[mode]}, {payload:,} bytes, {connections} connections"] = {"CPU µs": line["cpu_us"]}
    line = load(transport_peers.FAN_OUT, "fanout_load", port, pid, transport.SUBSCRIBERS, transport.COUNTED_S, transport.FAN_OUT_BYTES)[0]
    found[f"Fan-out to {transport.SUBSCRIBERS:,}"] = {"CPU µs": line["cpu_us"]}
    for way, (mode, title) in transport_connections.WAYS.items():
        line = load(mode, "connect_load", way, port, pid, transport_connections.AT_ONCE, transport_connections.CONNECTING_S)[0]
        found[f"Connect, {title}"] = {"CPU µs": line["cpu_us"]}
    for mode, count in transport_connections.IDLE.items():
        with transport_peers.started(folder, [peer], mode) as servers:
            _, before, after = transport_connections.kept(folder, servers[peer.name], mode, count)
        found[f"Idle connection, {mode}"] = {"KiB": (after - before) / count}
    return found


# Each of these gives its tables.


def tables(part, comparison, options):
    """The tables of a part of `run.py`, one at a time as they are done."""
    in_turn, before = functools.partial(comparison.in_turn, most_rounds=MOST_ROUNDS.get(part)), comparison.binaries[BEFORE]
    if part == "latency" or part == "durable":
        with processes.stamping_upstream() as upstream:
            if part == "latency":
                floors = lambda: {count: latencies(upstream, wire.DIRECT, count) for count in (1, 10, 100)}  # noqa: E731
                measure = functools.partial(measure_latency, upstream=upstream)
                yield ratios_table("Added latency, a token", in_turn(measure, floors))
            else:
                floor = lambda: durable.measure(upstream, wire.DIRECT)  # noqa: E731
                measure = functools.partial(measure_durable, upstream=upstream, beside=options.binary)
                results = in_turn(measure, floor)
                yield ratios_table(f"The log on the disk: {durable.STREAMS:,} streams of {durable.PACE} tokens/s", results)
    elif part == "large":
        with processes.large_upstream() as upstream:
            yield large.run(comparison.binaries, upstream)
    elif part == "transport":
        with transport_peers.load_programs() as folder:
            measure = functools.partial(measure_transport, folder=folder, connection_counts=options.connections)
            yield ratios_table("Transport", in_turn(measure))
    else:
        with processes.rehearsal(before) as rehearsal:
            for title, measure in of_rehearsal(part):
                yield ratios_table(title, in_turn(lambda binary, _, measure=measure: measure(binary, rehearsal)))


def of_rehearsal(part):
    if part == "interjection":
        yield "Interjection → upstream sees the close", measure_interjection
    elif part == "throughput":
        yield "Tokens per CPU-second, saturating", measure_saturated
        yield "Tokens per CPU-second, paced", measure_paced
    else:
        module = {"log": log_memory, "readers": readers, "instructions": instructions, "profile": profile_paced}[part]
        yield module.TITLE, module.measure


def run(before, now, rounds, parts, options):
    comparison = Comparison(pathlib.Path(before).resolve(), pathlib.Path(now).resolve(), rounds)
    for part in parts:
        yield from tables(part, comparison, options)
