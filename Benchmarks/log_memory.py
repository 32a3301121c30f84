"""What the log takes in memory: one answer of 10,000 deltas of 11 bytes, which ends in none of them."""

import contextlib

import processes
import wire

DELTAS, STREAMS = 10_000, 4
#: A token is a word with the space before it.
WORD = "lighthouse"
TITLE = f"The log in memory: {DELTAS:,} deltas of {len(WORD) + 1} bytes in each of {STREAMS} sessions (bytes a delta)"


def speak(server, deltas):
    """A stream that stands still behind so many deltas: nothing repeats its text yet."""
    text = f"[[rehearsal tokens={deltas + 1} stall_after={deltas} pace=0 text={WORD}]]"
    stream = wire.RESPONSES.open(server, "rehearsal-fast", text)
    seen, tail = 0, b""
    while seen < deltas:
        data = tail + wire.receive(stream)
        seen += data.count(wire.DELTA)
        last = data.rfind(wire.DELTA)
        tail = data[max(len(data) - len(wire.DELTA) + 1, last + len(wire.DELTA) if last >= 0 else 0) :]
    return stream


def memory(server):
    # `interject_log_bytes` counts logs and conversations, with the text that an answer has so far.
    return processes.metrics(server)["interject_log_bytes"], processes.private_bytes(server)


def measure(binary, rehearsal):
    with processes.interject(binary, rehearsal) as server, contextlib.ExitStack() as streams:
        for _ in range(3):
            # What the first answers of a process leave behind is none of the log's.
            speak(server, DELTAS // 10).close()
        counted, private = memory(server)
        for _ in range(STREAMS):
            streams.enter_context(speak(server, DELTAS))
        counted_after, private_after = memory(server)
    total = DELTAS * STREAMS
    return {
        "as the server counts (`interject_log_bytes`)": {"bytes a delta": (counted_after - counted) / total},
        "private memory of the process": {"bytes a delta": (private_after - private) / total},
    }
