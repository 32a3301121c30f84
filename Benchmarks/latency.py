"""Added latency: each token carries the moment it was sent, the client notes the moment it has it."""

import re
import time

import wire
from figures import microseconds, percentile, table

PACE = 40
#: What begins all at once is let settle first; the tokens of this time do not count.
SETTLE_S = 0.75
STAMP = re.compile(rb"@(\d+)@")


def one_way_times(server, face, stream_count, seconds):
    """Nanoseconds from the upstream's send to the client's receive, of each token of all streams."""
    settling = int(PACE * SETTLE_S)
    tokens = settling + int(PACE * seconds)
    times, seen, tails = [], [0] * stream_count, [b""] * stream_count

    def on_data(number, data):
        now = time.monotonic_ns()
        data = tails[number] + data
        end = 0
        for match in STAMP.finditer(data):
            # Later events of the Responses faces hold the whole text once more.
            if seen[number] < tokens:
                seen[number] += 1
                if seen[number] > settling:
                    times.append(now - int(match[1]))
            end = match.end()
        tails[number] = data[end:][-64:]

    text = wire.prompt(tokens, PACE)
    readers = wire.Readers([face.open(server, "stamp", text) for _ in range(stream_count)])
    deadline = time.monotonic() + seconds + 5
    while sum(seen) < tokens * stream_count and time.monotonic() < deadline:
        readers.poll(on_data, timeout=0.1)
    readers.close()
    if sum(seen) < tokens * stream_count:
        raise RuntimeError(f"{face.name}: {sum(seen)} of {tokens * stream_count} tokens came")
    return times


def run(upstream, interject, relay, least, rounds, stream_counts=(1, 10, 100)):
    peers = [
        (wire.DIRECT, upstream), (wire.LEAST, least), (wire.CHAT, interject), (wire.RESPONSES, interject), (wire.WEBSOCKET, interject),
        (wire.PARSING, relay), (wire.RAW, relay),
    ]  # fmt: skip
    rows = []
    for stream_count in stream_counts:
        times = {face: [] for face, _ in peers}
        for _ in range(rounds):
            for face, server in peers:
                times[face] += one_way_times(server, face, stream_count, 2.5 if stream_count == 1 else 1.0)
        floor = {p: percentile(times[wire.DIRECT], p) for p in (50, 99)}
        for face, _ in peers:
            points = [percentile(times[face], p) for p in (50, 99)]
            added = [microseconds(point - floor[p]) if face != wire.DIRECT else "" for point, p in zip(points, (50, 99))]
            rows.append([face.name, stream_count, len(times[face]), *map(microseconds, points), *added])
    title = f"Upstream's send → client's receive, a token ({PACE} tokens/s a stream, µs)"
    return table(title, ["way", "streams", "tokens", "p50", "p99", "added p50", "added p99"], rows)
