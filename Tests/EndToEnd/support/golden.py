"""Golden files: what every face told of a session, byte for byte but for ids and times.

A file holds sections, each the bytes of one answer, stream or socket. Replaced in them are identifiers, by their kind and the order
in which they come (`resp_1`; a scope counts anew), Unix times (`TIME`) and the upstream's address, and nothing else. What follows
makes files short and readable, and hides no byte from a comparison:

- A list begins a line for each element.
- An event that came before, by type and number, with the very same bytes is `↑ TYPE NUMBER`; of several the first is meant, or `(2)`.
- The members of a response that echo a request without any are `DEFAULTS`; with those around them, of one just begun, `FRESH`;
  those of a chunk of chat up to its delta are `CHUNK`.
- A long line is shortened to its ends, its length and its SHA-256.
"""

import difflib
import hashlib
import json
import os
import re
from pathlib import Path

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
RECORDS = os.environ.get("INTERJECT_GOLDEN") == "record"
LONGEST_LINE = 1600
ENDS = 500
ID = re.compile(rb"(?<![0-9A-Za-z])([a-z]+[_-])[0-9A-Za-z]{24}(?![0-9A-Za-z])")
TIME = re.compile(rb'("(?:created|created_at|completed_at)":)\d{10}(?!\d)')


ECHO = (
    b'"tool_choice":"auto","truncation":"disabled","parallel_tool_calls":true',
    b'"text":{"format":{"type":"text"}}',
    b'"top_p":1,"temperature":1,"presence_penalty":0,"frequency_penalty":0,"top_logprobs":0,"reasoning":{"effort":null,"summary":null},'
    b'"user":null,"max_output_tokens":null,"max_tool_calls":null,"store":true,"background":false,"service_tier":"default",'
    b'"metadata":{},"safety_identifier":null,"prompt_cache_key":null')
WORDS = (
    (b'"tools":[],' + b",".join(ECHO), b"DEFAULTS"),
    (b",".join(ECHO), b"DEFAULTS-BUT-TOOLS"),
    (ECHO[2], b"DEFAULTS-BUT-TOOLS-AND-TEXT"),
    (b'"object":"chat.completion.chunk","created":TIME,"model":"chat-model","choices":[{"index":0,"delta":', b"CHUNK"),
    (b'"status":"in_progress","completed_at":null,"error":null,"incomplete_details":null,"model":"chat-model","previous_response_id":null,'
     b'"conversation":null,"instructions":null,"output":[],DEFAULTS,"usage":null', b"FRESH"))
EVENT = re.compile(rb'((?:data: |\d+ )?)(\{"type":"([^"]+)"(?:,"sequence_number":(\d+))?.*\})(,?)')


class Normalizer:
    """Ids by kind and order of appearance, times by a word. `seen`: how many of a kind count as there already."""

    def __init__(self, **seen):
        self._known, self._counts = {}, {f"{kind}_".encode(): count for kind, count in seen.items()}

    def _number(self, match):
        kind = match[1]
        if match[0] not in self._known:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._known[match[0]] = kind + str(self._counts[kind]).encode()
        return self._known[match[0]]

    def __call__(self, content: bytes) -> bytes:
        return TIME.sub(rb"\1TIME", ID.sub(self._number, content))


class Recording:
    """What was seen in one scenario, section by section."""

    def __init__(self, name: str, **addresses):
        self.path = GOLDEN / f"{name}.txt"
        # Ports are given by the system: word for `host:port`.
        self.addresses = {address.encode(): name.encode() for name, address in addresses.items()}
        #: What differs from run to run beside ids and times in this scenario alone: pattern and what to say for it.
        self.varying: list[tuple[bytes, bytes]] = []
        self.lines: list[bytes] = []
        self._events: dict = {}
        self.scope()

    def scope(self, **seen):
        """Ids are counted anew from here."""
        self._normalize = Normalizer(**seen)

    def add(self, title: str, content: bytes):
        self.lines.append(f"=== {title}".encode())
        self.lines += map(self._short, self._normalize(self.settled(content)).split(b"\n"))

    def settled(self, content: bytes) -> bytes:
        for address, name in self.addresses.items():
            content = content.replace(address, name)
        for pattern, words in self.varying:
            content = re.sub(pattern, words, content)
        return content

    def _short(self, line: bytes) -> bytes:
        if match := EVENT.fullmatch(line):
            prefix, body, kind, number, comma = match.groups()
            before = self._events.setdefault((kind, number), [])
            if body in before:
                which = before.index(body) + 1
                words = [b"\xe2\x86\x91", kind, number, b"(%d)" % which if which > 1 else None]
                return prefix + b" ".join(filter(None, words)) + comma
            before.append(body)
        for long, short in WORDS:
            line = line.replace(long, short)
        return shortened(line)

    def text(self) -> bytes:
        return b"\n".join(self.lines) + b"\n"

    def check(self):
        """Compares with the file, or writes it if INTERJECT_GOLDEN is `record`."""
        text = self.text()
        if RECORDS:
            self.path.write_bytes(text)
            return
        assert self.path.exists(), f"{self.path.name} is not there: record it with INTERJECT_GOLDEN=record"
        expected = self.path.read_bytes()
        if text != expected:
            raise AssertionError(f"{self.path.name} differs:\n{difference(expected, text)}")


def shortened(line: bytes) -> bytes:
    if len(line) <= LONGEST_LINE:
        return line
    digest = hashlib.sha256(line).hexdigest()
    return line[:ENDS] + f" … {len(line)} bytes, SHA-256 {digest} … ".encode() + line[-ENDS:]


def difference(expected: bytes, found: bytes, limit=24) -> str:
    """A unified diff, each line from a little before the place where it departs."""
    a, b = (text.decode(errors="backslashreplace").split("\n") for text in (expected, found))
    section, sections = "", []
    for line in a:
        section = line if line.startswith("=== ") else section
        sections.append(section)
    rows = []
    for tag, i, j, k, m in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        rows.append(f"@@ line {i + 1} of {sections[min(i, len(sections) - 1)]!r}")
        old, new = a[i:j], b[k:m]
        shift = 0
        if len(old) == len(new) == 1:
            shift = max(0, len(os.path.commonprefix([old[0], new[0]])) - 60)
        rows += [f"-{'…' * bool(shift)}{line[shift:shift + 300]}" for line in old]
        rows += [f"+{'…' * bool(shift)}{line[shift:shift + 300]}" for line in new]
    return "\n".join(rows[:limit] + ([f"… and {len(rows) - limit} lines"] if len(rows) > limit else []))


def elements(body: bytes) -> bytes:
    """JSON with each element of its list (or of one member's list) on a line; without the line ends it is the same bytes."""
    text = body.decode()
    mark = re.search(r'"(data|items|output|events)":\[(?=\{)', text)
    if not mark:
        return body
    decoder, position, out = json.JSONDecoder(), mark.end(), [text[:mark.end()]]
    while True:
        _, end = decoder.raw_decode(text, position)
        rest = re.compile(r"\s*,?\s*").match(text, end).end()
        out.append(text[position:rest])
        if text[end] != ",":
            out.append(text[rest:])
            joined = "\n".join(out)
            assert joined.replace("\n", "") == text
            return joined.encode()
        position = rest
