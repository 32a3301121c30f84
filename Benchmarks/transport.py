"""The socket layer alone: WebSocket echo and fan-out against other servers and the kernel's limit, plain, by TLS and deflated."""

import json
import resource
import subprocess

import transport_connections
from figures import percentile, spread, table
from transport_peers import (
    AIMED_AT, DEFLATE, FAN_OUT, INTERJECT, LIMIT, LIMIT_BESIDE_A_THREAD, PLAIN, TLS, UWEBSOCKETS,
    UWEBSOCKETS_BESIDE_A_THREAD, started,
)  # fmt: skip

PAYLOADS = [20, 125, 16 << 10]
CONNECTIONS = [100, 500]
COUNTED_S = 0.3
#: Those that the aims compare take part in each round, the others in every third.
OTHERS_EACH = 3
SUBSCRIBERS = 1000
FAN_OUT_BYTES = 125
TITLES = {PLAIN: "WebSocket echo", TLS: "WebSocket echo by TLS 1.3", DEFLATE: "WebSocket echo, deflated"}
#: The aims: processor time to the raw loop's, and messages per second to uWebSockets'.
MOST_TO_LIMIT, LEAST_TO_UWEBSOCKETS = 1.10, 1.0


def lines(program, *arguments):
    """What a load program prints: a line of JSON for each payload."""
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{program.name} {' '.join(map(str, arguments))}: {done.stderr.strip()}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def medians(results):
    return {name: {key: percentile([r[key] for r in rs.values()], 50) for key in next(iter(rs.values()))}
            for name, rs in results.items()}  # fmt: skip


def in_turn(servers, rounds, measure, always=()):
    """What each server did, by round. A B C, B C A, …: what disturbs the machine meets all. One that fails is named and left out."""
    results = {name: {} for name in servers}
    for round_number in range(rounds):
        first = round_number % max(1, len(results))
        names = list(results)
        for name in names[first:] + names[:first]:
            if always and name not in always and round_number % OTHERS_EACH:
                continue
            try:
                results[name][round_number] = measure(servers[name])
            except RuntimeError as error:
                print(f"without {name}: {error}", flush=True)
                del results[name]
    return results


def ratio(results, name, key, peer):
    """The median of the ratios of the rounds: the machine's moods, which last for seconds, meet both of a pair. None without a peer."""
    if peer not in results:
        return None
    both = results[name].keys() & results[peer].keys()
    return percentile([results[name][r][key] / results[peer][r][key] for r in both], 50)


def compared(results, name, key, peer):
    found = ratio(results, name, key, peer)
    return "" if found is None else f"{found:.2f}×"


def noise(results, name):
    return spread([r["cpu_us"] for r in results[name].values()])


class Aims:
    """Each aim with what it came to, row by row."""

    def __init__(self):
        self.rows = []

    def rate(self, what, results):
        if UWEBSOCKETS in results:
            found = ratio(results, INTERJECT, "per_second", UWEBSOCKETS)
            beside = compared(results, INTERJECT, "per_second", UWEBSOCKETS_BESIDE_A_THREAD)
            self.add(f"{what}: per second, to uWebSockets", f"{found:.2f}×", "≥ 1.00×", found >= LEAST_TO_UWEBSOCKETS, beside)
        if LIMIT in results:
            found = ratio(results, INTERJECT, "cpu_us", LIMIT)
            beside = compared(results, INTERJECT, "cpu_us", LIMIT_BESIDE_A_THREAD)
            self.add(f"{what}: CPU, to the limit", f"{found:.2f}×", "≤ 1.10×", found <= MOST_TO_LIMIT, beside)

    def add(self, what, figure, aim, met, beside=""):
        self.rows.append([what, figure, aim, "met" if met else "missed", beside])

    def table(self):
        head = ["what", "measured", "aim", "", "to the same peer beside a thread that sleeps"]
        return table("The aims, row by row", head, self.rows, level=4)


def echo_rows(payload, connections, results, mode):
    for name, median in medians(results).items():
        peers = [UWEBSOCKETS] if mode == DEFLATE else [LIMIT, UWEBSOCKETS]
        cpu = [compared(results, name, "cpu_us", peer) for peer in peers]
        times = [f"{median[key]:,.0f}" for key in ("p50_us", "p99_us")]
        busy = [f"{median[key]:.0%}" for key in ("server_cpu", "load_cpu")]
        size = [f"{median['reply_bytes']:,}"] if mode == DEFLATE else []
        yield [name, f"{payload:,}", connections, *size, f"{median['per_second']:,.0f}",
               compared(results, name, "per_second", UWEBSOCKETS), f"{median['cpu_us']:.2f}", noise(results, name), *cpu,
               *times, *busy]  # fmt: skip


def echoes(folder, had, mode, connection_counts, rounds, aims):
    """All payloads on the same connections, each server in turn."""
    blocks = {}
    for connections in connection_counts:
        with started(folder, had, mode) as servers:
            measured = in_turn(servers, rounds, lambda server: lines(
                folder / "echo_load", mode, server.port, server.pid, connections, COUNTED_S, *PAYLOADS), AIMED_AT)  # fmt: skip
        for place, payload in enumerate(PAYLOADS):
            results = {name: {number: r[place] for number, r in rs.items()} for name, rs in measured.items()}
            aims.rate(f"{TITLES[mode]}, {payload:,} bytes, {connections} connections", results)
            blocks[payload, connections] = list(echo_rows(payload, connections, results, mode))
    rows = [row for key in sorted(blocks) for row in blocks[key]]
    size = ["bytes of a reply"] if mode == DEFLATE else []
    limit = [] if mode == DEFLATE else ["CPU to the limit"]
    head = ["server", "bytes", "connections", *size, "echoes/s", "to uWebSockets", "CPU µs/echo", "spread", *limit,
            "CPU to uWebSockets", "p50 µs", "p99 µs", "server's CPU", "load's CPU"]  # fmt: skip
    return table(TITLES[mode], head, rows, level=4)


def fan_out(folder, had, rounds, aims):
    with started(folder, had, FAN_OUT) as servers:
        results = in_turn(servers, rounds, lambda server: lines(
            folder / "fanout_load", server.port, server.pid, SUBSCRIBERS, COUNTED_S, FAN_OUT_BYTES)[0], AIMED_AT)  # fmt: skip
    aims.rate(f"Fan-out to {SUBSCRIBERS:,}", results)
    rows = []
    for name, median in medians(results).items():
        times = [f"{median[key] / 1000:,.2f}" for key in ("p50_us", "p99_us")]
        rows.append([name, f"{1e6 / median['cpu_us']:,.0f}", compared(results, name, "cpu_us", LIMIT),
                     compared(results, name, "cpu_us", UWEBSOCKETS), noise(results, name), f"{median['per_second']:,.0f}",
                     compared(results, name, "per_second", UWEBSOCKETS), *times])  # fmt: skip
    title = f"Fan-out, 1 → {SUBSCRIBERS:,}, {FAN_OUT_BYTES} bytes, one message under way"
    head = ["server", "deliveries/CPU-s", "CPU to the limit", "CPU to uWebSockets", "spread", "deliveries/s", "to uWebSockets",
            "p50 ms", "p99 ms"]  # fmt: skip
    return table(title, head, rows, level=4)


def run(folder, had, connection_counts, rounds):
    """The tables, one at a time as they are done."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = max(transport_connections.IDLE.values()) + 100
    if most < needed:
        raise SystemExit(f"{most} open files are allowed, {needed} are needed: see `ulimit -Hn`")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    aims = Aims()
    for mode in (PLAIN, TLS, DEFLATE):
        yield echoes(folder, had, mode, connection_counts, rounds, aims)
    yield fan_out(folder, had, rounds, aims)
    yield transport_connections.connects(folder, had, min(rounds, 3), in_turn, lines)
    # New servers for each: memory that one part has freed would change the other's figures.
    for mode in transport_connections.IDLE:
        yield transport_connections.idle(folder, had, mode, aims)
    yield aims.table()
