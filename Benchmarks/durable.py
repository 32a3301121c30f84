"""What it costs to keep everything: 1,000 streams at once with the log on the disk, beside the log in memory, in one run."""

import os
import pathlib
import re
import tempfile
import time

import processes
import wal
import wire
from figures import microseconds, percentile, spread, table
from latency import STAMP

STREAMS, PACE = 1000, 20
#: From the last stream's first token until the counting begins.
SETTLE_S, WINDOW_S = 1.0, 3.0
MODES = {
    "in memory (`--data none`)": ["--data", "none"],
    "on the disk, survives kill -9 (`--durability process`)": ["--durability", "process"],
    "on the disk, survives a loss of power (default)": ["--durability", "full"],
}


def written_bytes(server):
    return int(re.search(r"write_bytes: (\d+)", pathlib.Path(f"/proc/{server.pid}/io").read_text())[1])


def fsync_seconds(folder):
    """A write of one page and its fsync, the median of 50: the least that a commit can take here."""
    times = []
    with open(pathlib.Path(folder) / "probe", "wb") as file:
        for _ in range(50):
            start = time.monotonic()
            file.write(bytes(4096))
            file.flush()
            os.fdatasync(file.fileno())
            times.append(time.monotonic() - start)
    return percentile(times, 50)


class Window:
    """Receives all streams; keeps the time that each token took while the window is open."""

    def __init__(self):
        self.times, self.tails, self.seen, self.is_open = [], [b""] * STREAMS, [0] * STREAMS, False

    def on_data(self, number, data):
        now = time.monotonic_ns()
        data = self.tails[number] + data
        end = 0
        for match in STAMP.finditer(data):
            self.seen[number] += 1
            if self.is_open:
                self.times.append(now - int(match[1]))
            end = match.end()
        self.tails[number] = data[end:][-64:]


def measure(server, face, folder=None):
    """`folder` is where the server has its data, if it has any."""
    text = wire.prompt(1_000_000, PACE)
    window = Window()
    empty = processes.private_bytes(server)
    streams = []
    for _ in range(STREAMS):
        streams.append(face.open(server, "stamp", text))
    readers = wire.Readers(streams)
    deadline = time.monotonic() + 60
    while min(window.seen) < 2:
        readers.poll(window.on_data, timeout=0.1)
        if time.monotonic() > deadline:
            raise RuntimeError(f"{face.name}: not all streams have begun")
    settled = time.monotonic() + SETTLE_S
    while time.monotonic() < settled:
        readers.poll(window.on_data, timeout=0.01)
    is_interject = face != wire.DIRECT
    before = processes.metrics(server) if is_interject else {}
    written, cpu, start = written_bytes(server), server.cpu_seconds(), time.monotonic()
    window.is_open = True
    while time.monotonic() < start + WINDOW_S:
        readers.poll(window.on_data, timeout=0.01)
    window.is_open = False
    used, wall, tokens = server.cpu_seconds() - cpu, time.monotonic() - start, len(window.times)
    written = written_bytes(server) - written
    after = processes.metrics(server) if is_interject else {}
    change = {name: after[name] - before[name] for name in after if name.startswith("interject_store_")}
    memory = (processes.private_bytes(server) - empty) / STREAMS
    pages = wal.pages_of_commits(folder) if folder else {}
    readers.close()
    time.sleep(1)
    return {
        "p50": percentile(window.times, 50), "p99": percentile(window.times, 99), "tokens/s": tokens / wall,
        "tokens/CPU-s": tokens / used, "CPU": used / wall, "memory": memory,
        "commits/s": change.get("interject_store_commits_total", 0) / wall,
        "commit": change.get("interject_store_commit_seconds_total", 0)
        / max(1, change.get("interject_store_commits_total", 0)),
        "events/commit": tokens / max(1, change.get("interject_store_commits_total", 0)),
        "bytes/token": written / max(1, tokens),
        "pages/commit": sum(pages.values()), "pages": pages,
    }


def measure_mode(binary, upstream, flags, beside):
    """A server of its own, its data in a new folder beside the given file."""
    with tempfile.TemporaryDirectory(dir=pathlib.Path(beside).resolve().parent) as folder:
        is_kept = "--data" not in flags
        data = ["--data", folder] if is_kept else []
        with processes.interject(binary, upstream, *flags, *data) as server:
            return measure(server, wire.RESPONSES, folder if is_kept else None)


def median(results, name):
    return percentile([result[name] for result in results], 50)


def run(binary, upstream, rounds):
    results = {name: [] for name in ["direct", *MODES]}
    for _ in range(rounds):
        results["direct"].append(measure(upstream, wire.DIRECT))
        for name, flags in MODES.items():
            results[name].append(measure_mode(binary, upstream, flags, beside=binary))
    with tempfile.TemporaryDirectory(dir=pathlib.Path(binary).resolve().parent) as folder:
        fsync = fsync_seconds(folder)
    floor = {p: median(results["direct"], p) for p in ("p50", "p99")}
    rows = []
    for name, measured in results.items():
        is_direct, is_kept = name == "direct", "disk" in name
        points = {p: median(measured, p) for p in ("p50", "p99")}
        rows.append([
            name, f"{median(measured, 'tokens/s'):,.0f}",
            "" if is_direct else f"{median(measured, 'tokens/CPU-s'):,.0f}",
            "" if is_direct else spread([r["tokens/CPU-s"] for r in measured]),
            "" if is_direct else f"{median(measured, 'CPU'):.0%}",
            *map(microseconds, points.values()),
            *("" if is_direct else microseconds(points[p] - floor[p]) for p in points),
            "" if is_direct else f"{median(measured, 'memory') / 1024:.1f}",
            f"{median(measured, 'commits/s'):,.0f}" if is_kept else "",
            f"{median(measured, 'commit') * 1000:.2f}" if is_kept else "",
            f"{median(measured, 'events/commit'):.0f}" if is_kept else "",
            f"{median(measured, 'bytes/token'):,.0f}" if is_kept else "",
            f"{median(measured, 'pages/commit'):.1f}" if is_kept else "",
        ])  # fmt: skip
    title = (
        f"The log on the disk: {STREAMS:,} streams of {PACE} tokens/s by POST /v1/responses, store: true "
        f"(µs; a page's fdatasync takes {fsync * 1e6:,.0f} µs here)")
    head = [
        "log", "tokens/s", "tokens/CPU-s", "spread", "server's CPU", "p50", "p99", "added p50", "added p99", "KiB a stream",
        "commits/s", "ms a commit", "tokens a commit", "bytes a token",
        "pages a commit",
    ]  # fmt: skip
    written = {name: wal.description(measured[-1]["pages"]) for name, measured in results.items() if measured[-1]["pages"]}
    return table(title, head, rows) + "".join(f"\nPages a commit, {name}: {pages}.\n" for name, pages in written.items())
