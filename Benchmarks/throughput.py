"""Tokens per second of processor time of the server, by the clock of its process (all threads, user and system)."""

import time

import wire
from figures import percentile, spread, table

#: As fast as it goes: these answers, whole.
SATURATING_STREAMS, SATURATING_TOKENS = 8, 5000
#: As models give them: each token is a read of its own.
PACED_STREAMS, PACE, WINDOW_S = 50, 40, 2.0
#: Fiftieths of a token's interval from one opening to the next; has no factor in common with 50, so all phases occur.
OPENING_STEP = 21


class Counter:
    """Counts the marks of tokens in streams that come in pieces."""

    def __init__(self, face, stream_count):
        self.face, self.tails = face, [b""] * stream_count
        self.tokens, self.ended = [0] * stream_count, set()

    def on_data(self, number, data):
        data = self.tails[number] + data
        self.tokens[number] += data.count(self.face.token)
        if self.face.end in data:
            self.ended.add(number)
        # As much as can be the beginning of a mark and not a whole one.
        keep = len(self.face.token) - 1
        last = data.rfind(self.face.token)
        self.tails[number] = data[max(len(data) - keep, last + len(self.face.token) if last >= 0 else 0) :]


def saturated(server, face):
    text = wire.prompt(SATURATING_TOKENS, 0)
    counter = Counter(face, SATURATING_STREAMS)
    cpu, start = server.cpu_seconds(), time.monotonic()
    readers = wire.Readers([face.open(server, "rehearsal-fast", text) for _ in range(SATURATING_STREAMS)])
    while len(counter.ended) < SATURATING_STREAMS:
        before = set(counter.ended)
        readers.poll(counter.on_data)
        for number in counter.ended - before:
            readers.finish(number)
    used, wall = server.cpu_seconds() - cpu, time.monotonic() - start
    readers.close()
    tokens = SATURATING_STREAMS * SATURATING_TOKENS
    if abs(sum(counter.tokens) - tokens) > 2 * SATURATING_STREAMS:
        raise RuntimeError(f"{face.name}: {sum(counter.tokens)} deltas for {tokens} tokens")
    return tokens / used, tokens / wall, used / wall


def open_out_of_step(server, face, text):
    """Spreads the streams over the interval of a token. Opened at once their tokens would come in bunches, more so on a
    face that opens fast, and a bunch costs the server one wake-up."""
    streams, start = [], time.monotonic()
    for number in range(PACED_STREAMS):
        time.sleep(max(0, start + number * OPENING_STEP / PACED_STREAMS / PACE - time.monotonic()))
        streams.append(face.open(server, "rehearsal", text))
    return streams


def paced(server, face):
    counter = Counter(face, PACED_STREAMS)
    text = wire.prompt(1_000_000, PACE)
    readers = wire.Readers(open_out_of_step(server, face, text))
    while min(counter.tokens) < 2:
        readers.poll(counter.on_data)
    counted, cpu, start = sum(counter.tokens), server.cpu_seconds(), time.monotonic()
    while time.monotonic() < start + WINDOW_S:
        readers.poll(counter.on_data, timeout=0.01)
    counted, used, wall = sum(counter.tokens) - counted, server.cpu_seconds() - cpu, time.monotonic() - start
    readers.close()
    time.sleep(0.1)
    return counted / used, counted / wall, used / wall


def compare(title, measure, peers, rounds):
    results = {face: [] for face, _ in peers}
    for _ in range(rounds):
        for face, server in peers:
            results[face].append(measure(server, face))
    medians = {f: [percentile([r[i] for r in rs], 50) for i in range(3)] for f, rs in results.items()}
    rows = []
    for face, (per_cpu, per_wall, busy) in medians.items():
        ratios = [f"{per_cpu / medians[peer][0]:.1f}×" for peer in (wire.PARSING, wire.RAW)]
        noise = spread([r[0] for r in results[face]])
        rows.append([face.name, f"{per_cpu:,.0f}", noise, *ratios, f"{per_wall:,.0f}", f"{busy:.0%}"])
    head = ["way", "tokens/CPU-s", "spread", "to FastAPI parsing", "to FastAPI raw", "tokens/s", "server's CPU"]
    return table(title, head, rows)


def run(interject, relay, least, rounds):
    # A B A B …: what disturbs the machine meets both.
    peers = [
        (wire.CHAT, interject), (wire.PARSING, relay), (wire.RESPONSES, interject), (wire.RAW, relay),
        (wire.WEBSOCKET, interject), (wire.LEAST, least),
    ]  # fmt: skip
    full = f"Tokens per CPU-second, saturating ({SATURATING_STREAMS} streams of {SATURATING_TOKENS:,} tokens)"
    real = f"Tokens per CPU-second, paced ({PACED_STREAMS} streams of {PACE} tokens/s, each token a read of its own)"
    return compare(full, saturated, peers, rounds) + "\n" + compare(real, paced, peers, rounds)
