"""Where the server's processor time goes while models speak: samples of perf, by whose code they hit."""

import collections
import pathlib
import shutil
import subprocess
import tempfile
import time

import code_parts
import processes
import throughput
import wire

FREQUENCY, SECONDS = 3999, 8.0
FACES = [wire.RESPONSES, wire.WEBSOCKET, wire.CHAT]
TITLE = f"Profile of {throughput.PACED_STREAMS} streams of {throughput.PACE} tokens/s (perf, cpu-clock; % of samples)"


def samples(path, binary):
    """Part of the code → samples; and those of counting references, which are some of the runtime's."""
    script = subprocess.run(
        ["perf", "script", "-i", path, "-F", "ip,sym,dso"], capture_output=True, text=True, check=True, errors="replace")
    counts, counting = collections.Counter(), 0
    for line in script.stdout.splitlines():
        _, _, rest = line.strip().partition(" ")
        function, _, file = rest.rpartition(" (")
        counts[code_parts.part(file.rstrip(")"), function, binary)] += 1
        counting += bool(code_parts.COUNTING.match(function))
    return counts, counting


def profiled(server, face, binary):
    counter = throughput.Counter(face, throughput.PACED_STREAMS)
    text = wire.prompt(1_000_000, throughput.PACE)
    readers = wire.Readers(throughput.open_out_of_step(server, face, text))
    while min(counter.tokens) < 2:
        readers.poll(counter.on_data)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "perf.data"
        record = ["perf", "record", "-q", "-e", "cpu-clock", "-F", str(FREQUENCY), "-p", str(server.pid), "-o", path]
        with subprocess.Popen([*record, "--", "sleep", str(SECONDS)]) as perf:
            start, cpu, tokens = time.monotonic(), server.cpu_seconds(), sum(counter.tokens)
            while perf.poll() is None:
                readers.poll(counter.on_data, timeout=0.01)
            tokens = sum(counter.tokens) - tokens
            used, wall = server.cpu_seconds() - cpu, time.monotonic() - start
        readers.close()
        counts, counting = samples(path, binary)
    total = sum(counts.values())
    shares = {part: counts[part] / total * 100 for part in code_parts.PARTS}
    ours = shares[code_parts.OURS] + shares[code_parts.RUNTIME]
    return {
        **shares, "retain and release": counting / total * 100, "our code and the runtime": ours,
        "samples": total, "CPU µs a token": used / tokens * 1e6, "server's CPU %": used / wall * 100,
    }  # fmt: skip


def measure(binary, rehearsal):
    name = pathlib.Path(binary).resolve().name
    with processes.interject(binary, rehearsal) as server:
        return {face.name: profiled(server, face, name) for face in FACES}


def missing():
    return None if shutil.which("perf") else "perf is not installed (Debian: linux-perf)"
