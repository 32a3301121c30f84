"""The socket layer alone: WebSocket echo against other servers and the kernel's limit, and what an idle connection costs."""

import json
import pathlib
import re
import resource
import subprocess

from figures import percentile, spread, table
from transport_peers import LIMIT, SOCKETIFY, UWEBSOCKETS, started

PAYLOADS = [20, 125, 16 << 10]
COUNTED_S = 1.0
IDLE_CONNECTIONS = 5000


def load(program, server, connections, payload, seconds):
    arguments = [program, server.port, connections, payload, seconds, server.pid]
    return subprocess.Popen(map(str, arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def echo(program, server, connections, payload):
    out, _ = (started := load(program, server, connections, payload, COUNTED_S)).communicate()
    if started.returncode != 0:
        raise RuntimeError(f"the load failed against {' '.join(map(str, server.popen.args))}")
    return json.loads(out)


def echoes(program, servers, connections, payload, rounds):
    results = {name: [] for name in servers}
    # A B A B …: what disturbs the machine meets all.
    for _ in range(rounds):
        for name, server in servers.items():
            results[name].append(echo(program, server, connections, payload))
    medians = {name: {key: percentile([r[key] for r in rs], 50) for key in rs[0]} for name, rs in results.items()}
    rows = []
    for name, median in medians.items():
        cpu = [f"{median['cpu_us'] / medians[peer]['cpu_us']:.2f}×" if peer in medians else "" for peer in (LIMIT, UWEBSOCKETS)]
        rate = f"{median['per_second'] / medians[UWEBSOCKETS]['per_second']:.2f}×" if UWEBSOCKETS in medians else ""
        noise = spread([r["cpu_us"] for r in results[name]])
        times = [f"{median[key]:,.0f}" for key in ("p50_us", "p99_us")]
        busy = [f"{median[key]:.0%}" for key in ("server_cpu", "load_cpu")]
        rows.append([name, f"{median['per_second']:,.0f}", rate, f"{median['cpu_us']:.2f}", noise, *cpu, *times, *busy])
    head = ["server", "echoes/s", "to uWebSockets", "CPU µs/echo", "spread", "CPU to the limit", "CPU to uWebSockets",
            "p50 µs", "p99 µs", "server's CPU", "load's CPU"]  # fmt: skip
    return table(f"WebSocket echo, {payload:,} bytes, {connections} connections", head, rows)


def private_dirty_kib(pid):
    return int(re.search(r"Private_Dirty:\s+(\d+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text())[1])


def idle(program, servers):
    rows = []
    for name, server in servers.items():
        if name == SOCKETIFY:  # It takes 15 ms for a connect when nothing else goes on.
            continue
        before = private_dirty_kib(server.pid)
        with load(program, server, IDLE_CONNECTIONS, 0, 0) as client:
            line = client.stdout.readline()
            after = private_dirty_kib(server.pid)
            client.communicate("\n")
        connects = json.loads(line)
        each = (after - before) / IDLE_CONNECTIONS
        rows.append([name, f"{before:,}", f"{after:,}", f"{each:.2f}", f"{connects['cpu_us']:.1f}",
                     f"{connects['connects_per_second']:,.0f}"])  # fmt: skip
    title = f"{IDLE_CONNECTIONS:,} idle connections, upgraded one after the other"
    head = ["server", "private dirty before, KiB", "with them", "KiB each", "CPU µs/connect", "connects/s, one at a time"]
    return table(title, head, rows)


def run(program, commands, connections, rounds):
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < IDLE_CONNECTIONS + 100:
        raise SystemExit(f"{most} open files are allowed, {IDLE_CONNECTIONS + 100} are needed: see `ulimit -Hn`")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # New servers for each: memory that one part has freed would change the other's figures.
    with started(commands) as servers:
        tables = [echoes(program, servers, connections, payload, rounds) for payload in PAYLOADS]
    with started(commands) as servers:
        return "\n".join([*tables, idle(program, servers)])
