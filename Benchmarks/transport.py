"""The socket layer alone: WebSocket echo and fan-out against other servers and the kernel's limit, plain, by TLS and deflated."""

import json
import resource
import subprocess

import transport_connections
from figures import percentile, spread, table
from transport_peers import DEFLATE, FAN_OUT, INTERJECT, LIMIT, OWN_RECORDS, PLAIN, TLS, UWEBSOCKETS, started

PAYLOADS = [20, 125, 16 << 10]
CONNECTIONS = [100, 500]
COUNTED_S = 0.6
SUBSCRIBERS = 1000
FAN_OUT_BYTES = 125
TITLES = {PLAIN: "WebSocket echo", TLS: "WebSocket echo by TLS 1.3", DEFLATE: "WebSocket echo, deflated"}
#: Of the issue: processor time to the raw loop's, and messages per second to uWebSockets'.
MOST_TO_LIMIT, LEAST_TO_UWEBSOCKETS = 1.10, 1.0


def lines(program, *arguments):
    """What a load program prints: a line of JSON for each payload."""
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{program.name} {' '.join(map(str, arguments))}: {done.stderr.strip()}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def medians(results):
    return {name: {key: percentile([r[key] for r in rs], 50) for key in rs[0]} for name, rs in results.items()}


def in_turn(servers, rounds, measure):
    """A B A B …: what disturbs the machine meets all. A server that fails is named and left out."""
    results = {name: [] for name in servers}
    for _ in range(rounds):
        for name in list(results):
            try:
                results[name].append(measure(servers[name]))
            except RuntimeError as error:
                print(f"without {name}: {error}", flush=True)
                del results[name]
    return results


def compared(name, figures, key, peer):
    return f"{figures[name][key] / figures[peer][key]:.2f}×" if peer in figures else ""


class Aims:
    """Each row of the issue's aims with what it came to."""

    def __init__(self):
        self.rows = []

    def rate(self, what, figures):
        for name in [name for name in (INTERJECT, OWN_RECORDS) if name in figures]:
            how = "" if name == INTERJECT else name.removeprefix(INTERJECT)
            if UWEBSOCKETS in figures:
                ratio = figures[name]["per_second"] / figures[UWEBSOCKETS]["per_second"]
                self.add(f"{what}{how}: per second, to uWebSockets", f"{ratio:.2f}×", "≥ 1.00×", ratio >= LEAST_TO_UWEBSOCKETS)
            if LIMIT in figures:
                ratio = figures[name]["cpu_us"] / figures[LIMIT]["cpu_us"]
                self.add(f"{what}{how}: CPU, to the limit", f"{ratio:.2f}×", "≤ 1.10×", ratio <= MOST_TO_LIMIT)

    def add(self, what, figure, aim, met):
        self.rows.append([what, figure, aim, "met" if met else "missed"])

    def table(self):
        return table("The aims, row by row", ["what", "measured", "aim", ""], self.rows, level=4)


def echo_rows(payload, connections, results, figures, mode):
    for name, median in figures.items():
        rate = compared(name, figures, "per_second", UWEBSOCKETS)
        cpu = [compared(name, figures, "cpu_us", peer) for peer in ([] if mode == DEFLATE else [LIMIT]) + [UWEBSOCKETS]]
        noise = spread([r["cpu_us"] for r in results[name]])
        times = [f"{median[key]:,.0f}" for key in ("p50_us", "p99_us")]
        busy = [f"{median[key]:.0%}" for key in ("server_cpu", "load_cpu")]
        size = [f"{median['reply_bytes']:,}"] if mode == DEFLATE else []
        yield [name, f"{payload:,}", connections, *size, f"{median['per_second']:,.0f}", rate, f"{median['cpu_us']:.2f}", noise,
               *cpu, *times, *busy]  # fmt: skip


def echoes(folder, had, mode, connection_counts, rounds, aims):
    """All payloads on the same connections, each server in turn."""
    blocks = {}
    for connections in connection_counts:
        with started(folder, had, mode) as servers:
            results = in_turn(servers, rounds, lambda server: lines(
                folder / "echo_load", mode, server.port, server.pid, connections, COUNTED_S, *PAYLOADS))  # fmt: skip
        for place, payload in enumerate(PAYLOADS):
            of_payload = {name: [r[place] for r in rs] for name, rs in results.items()}
            figures = medians(of_payload)
            aims.rate(f"{TITLES[mode]}, {payload:,} bytes, {connections} connections", figures)
            blocks[payload, connections] = list(echo_rows(payload, connections, of_payload, figures, mode))
    rows = [row for key in sorted(blocks) for row in blocks[key]]
    size = ["bytes of a reply"] if mode == DEFLATE else []
    limit = [] if mode == DEFLATE else ["CPU to the limit"]
    head = ["server", "bytes", "connections", *size, "echoes/s", "to uWebSockets", "CPU µs/echo", "spread", *limit,
            "CPU to uWebSockets", "p50 µs", "p99 µs", "server's CPU", "load's CPU"]  # fmt: skip
    return table(TITLES[mode], head, rows, level=4)


def fan_out(folder, had, rounds, aims):
    with started(folder, had, FAN_OUT) as servers:
        results = in_turn(servers, rounds, lambda server: lines(
            folder / "fanout_load", server.port, server.pid, SUBSCRIBERS, COUNTED_S, FAN_OUT_BYTES)[0])  # fmt: skip
    figures = medians(results)
    aims.rate(f"Fan-out to {SUBSCRIBERS:,}", figures)
    rows = []
    for name, median in figures.items():
        times = [f"{median[key] / 1000:,.2f}" for key in ("p50_us", "p99_us")]
        rows.append([name, f"{1e6 / median['cpu_us']:,.0f}", compared(name, figures, "cpu_us", LIMIT),
                     compared(name, figures, "cpu_us", UWEBSOCKETS), spread([r["cpu_us"] for r in results[name]]),
                     f"{median['per_second']:,.0f}", compared(name, figures, "per_second", UWEBSOCKETS), *times])  # fmt: skip
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
    yield transport_connections.connects(folder, had, rounds, in_turn, lines)
    # New servers for each: memory that one part has freed would change the other's figures.
    for mode in transport_connections.IDLE:
        yield transport_connections.idle(folder, had, mode, aims)
    yield aims.table()
