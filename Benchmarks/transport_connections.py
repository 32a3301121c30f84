"""What connections cost: made at full rate, and kept idle."""

import json
import pathlib
import re
import subprocess

from figures import percentile, spread, table
from transport_peers import INTERJECT, PLAIN, TLS, started

IDLE = {PLAIN: 10_000, TLS: 2_000}
#: KiB of private memory that an idle connection of Interject may take: the aim.
MOST_KIB = {PLAIN: 0.5, TLS: 12}
AT_ONCE = 32
CONNECTING_S = 0.8
WAYS = {"plain": (PLAIN, "TCP"), "tls": (TLS, "TLS 1.3, full"), "resumed": (TLS, "TLS 1.3, resumed")}


def connects(folder, had, rounds, in_turn, lines):
    rows, had = [], [peer for peer in had if peer.most_idle]
    for way, (mode, title) in WAYS.items():
        with started(folder, had, mode) as servers:
            results = in_turn(servers, rounds, lambda server: lines(
                folder / "connect_load", way, server.port, server.pid, AT_ONCE, CONNECTING_S)[0])  # fmt: skip
        for name, rs in results.items():
            rs = list(rs.values())
            median = {key: percentile([r[key] for r in rs], 50) for key in rs[0]}
            # A server that takes part in no resumption made full handshakes.
            note = f" ({median['resumed']:.0%} resumed)" if way == "resumed" and median["resumed"] < 1 else ""
            rows.append([name, title + note, f"{median['per_second']:,.0f}", f"{median['cpu_us']:.1f}",
                         spread([r["cpu_us"] for r in rs]), f"{median['p50_us'] / 1000:.2f}", f"{median['p99_us'] / 1000:.2f}",
                         f"{median['server_cpu']:.0%}", f"{median['load_cpu']:.0%}"])  # fmt: skip
    head = ["server", "by", "connects/s", "CPU µs/connect", "spread", "p50 ms", "p99 ms", "server's CPU", "load's CPU"]
    return table(f"Connects at full rate: connection, upgrade, the client's close; {AT_ONCE} at a time", head, rows, level=4)


def private_dirty_kib(pid):
    return int(re.search(r"Private_Dirty:\s+(\d+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text())[1])


def kept(folder, server, mode, count):
    """Makes the connections and keeps them; the load's figures, and the memory before and with them."""
    before = private_dirty_kib(server.pid)
    arguments = [folder / "echo_load", mode, server.port, server.pid, count, 0]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(list(map(str, arguments)), text=True, **pipes) as client:
        line = client.stdout.readline()
        after = private_dirty_kib(server.pid)
        client.communicate("\n")
    if not line:
        raise RuntimeError(f"did not make {count:,} connections")
    return json.loads(line), before, after


def idle(folder, had, mode, aims):
    counts, rows = {peer.name: min(IDLE[mode], peer.most_idle) for peer in had if peer.most_idle}, []
    with started(folder, [peer for peer in had if peer.name in counts], mode) as servers:
        for name, server in servers.items():
            count = counts[name]
            try:
                figures, before, after = kept(folder, server, mode, count)
            except RuntimeError as error:
                print(f"without {name}: {error}", flush=True)
                continue
            each = (after - before) / count
            rows.append([name, f"{count:,}", f"{before:,}", f"{after:,}", f"{each:.2f}", f"{figures['cpu_us']:.1f}",
                         f"{figures['connects_per_second']:,.0f}"])  # fmt: skip
            if name == INTERJECT:
                aims.add(f"An idle connection, {mode}", f"{each:.2f} KiB", f"< {MOST_KIB[mode]} KiB", each < MOST_KIB[mode])
    title = f"Idle connections, {mode}, upgraded one after the other"
    head = ["server", "connections", "private dirty before, KiB", "with them", "KiB each", "CPU µs/connect",
            "connects/s, one at a time"]  # fmt: skip
    return table(title, head, rows, level=4)
