"""Instructions that a token takes in user space, counted by valgrind's callgrind: the one figure that no neighbour disturbs."""

import collections
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

import code_parts
import processes
import wire

TOKENS = 5000
#: A server under valgrind is some fifty times slower: at 200 a second it still reads each token by itself.
PACES = {"as fast as it goes": 0, "200 tokens/s, each a read of its own": 200}
WARM_UP_TOKENS, START_S = 200, 120
FACES = [wire.RESPONSES, wire.WEBSOCKET, wire.CHAT]
TITLE = f"Instructions a token (callgrind, one stream of {TOKENS:,} tokens, `--data none`)"


def speak(server, face, tokens, pace):
    stream = face.open(server, "rehearsal-fast", wire.prompt(tokens, pace))
    stream.settimeout(60)
    wire.read_until(stream, face.end)
    stream.close()


def control(flag, server):
    subprocess.run(["callgrind_control", flag, str(server.pid)], check=True, capture_output=True)


def counted(path, binary):
    """Part of the code → its instructions, from a dump with names and positions written out."""
    parts, counting, file, function, skip = collections.Counter(), 0, "", "", False
    for line in pathlib.Path(path).read_text(errors="replace").splitlines():
        if line.startswith("ob="):
            file = line[3:]
        elif line.startswith("fn="):
            function = line[3:]
        elif line.startswith("calls="):
            # The next line is the cost of what was called, and counted there.
            skip = True
        elif (words := line.split()) and words[0].isdigit():
            if not skip:
                # A line number, and what it cost if it cost anything.
                cost = int(words[1]) if len(words) > 1 else 0
                parts[code_parts.part(file, function, binary)] += cost
                counting += cost if code_parts.COUNTING.match(function) else 0
            skip = False
    return parts, counting


def dump(server, folder, what):
    """Resets the counts, does it, and gives the path of the dump."""
    before = set(folder.iterdir())
    control("-z", server)
    what()
    # The end of the stream is not yet that of the server's work on it.
    time.sleep(1)
    control("-d", server)
    deadline = time.monotonic() + 30
    while not (new := [p for p in set(folder.iterdir()) - before if re.search(r"\.\d+$", p.name)]):
        if time.monotonic() > deadline:
            raise RuntimeError("callgrind wrote no dump")
        time.sleep(0.1)
    time.sleep(0.5)
    return max(new)


def measure_face(binary, rehearsal, face):
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        # The debugging information of Swift's compiler (DWARF 5) is more than valgrind 3.19 can read.
        stripped = folder / pathlib.Path(binary).name
        subprocess.run(["strip", "--strip-debug", "-o", stripped, binary], check=True)
        under = ["valgrind", "-q", "--tool=callgrind", "--compress-strings=no", "--compress-pos=no",
                 f"--callgrind-out-file={folder}/out"]  # fmt: skip
        with processes.interject(stripped, rehearsal, under=under, patience_s=START_S) as server:
            speak(server, face, WARM_UP_TOKENS, 0)
            for way, pace in PACES.items():
                parts, counting = counted(dump(server, folder, lambda: speak(server, face, TOKENS, pace)), stripped.name)
                shares = {part: parts[part] / TOKENS for part in code_parts.PARTS if part != code_parts.KERNEL}
                found[f"{face.name}; {way}"] = {
                    "instructions a token": sum(parts.values()) / TOKENS, **shares, "retain and release": counting / TOKENS,
                }  # fmt: skip
    return found


def measure(binary, rehearsal):
    return {what: figures for face in FACES for what, figures in measure_face(binary, rehearsal, face).items()}


def missing():
    return None if shutil.which("valgrind") and shutil.which("strip") else "valgrind or strip (Debian: binutils) is not installed"
