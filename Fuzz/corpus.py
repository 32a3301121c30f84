"""Turns the vectors of Protocols/vectors into seeds for libFuzzer: one file each, in DIRECTORY/TARGET/.

    python3 Fuzz/corpus.py DIRECTORY

Made anew for each run, so that a vector that is added for a crash is a seed, and run, from then on. The first byte of
most seeds chooses options of the target: see Fuzz/Targets.
"""

import gzip
import hashlib
import json
import pathlib
import sys
import zlib

VECTORS = pathlib.Path(__file__).resolve().parent.parent / "Protocols" / "vectors"


def cases(name):
    text = json.loads((VECTORS / name).read_text())
    return text["cases"] if "cases" in text else text["vectors"]


def wire(text):
    """Hex, in which hh*N is a run."""
    pieces = (piece.partition("*") for piece in text.split())
    return b"".join(bytes.fromhex(run) * int(count or 1) for run, _, count in pieces)


def seeds():
    for path in sorted((VECTORS / "websocket").glob("*.json")):
        for case in cases(f"websocket/{path.name}"):
            if "input" not in case:
                continue
            data = wire(case["input"])
            limit = case.get("maxMessageBytes", 0)
            options = bytes([limit if limit < 256 else 0])
            yield f"websocket-{case.get('role', 'server')}", options + data
            if "role" not in case:
                yield "websocket-client", options + unmasked(data)
    for operation in range(8):
        for byte_count in (0, 125, 126, 255):
            yield "websocket-writer", bytes([byte_count & 1, operation, byte_count, 65, 2, 3, 66, 5, 4, 67, 4, 1, 68])
            yield "websocket-writer", bytes([1 - (byte_count & 1), operation | 0x80, byte_count, 65])
    yield from deflate_seeds()
    yield from (("commands", seed) for seed in command_seeds())
    for case in cases("http/requests.json"):
        # Vectors with limits of their own are seeds with tight ones: the same way is found near by.
        yield "http-requests", bytes([1 if case.get("limits") else 0]) + case["input"].encode()
        head, end, body = case["input"].partition("\r\n\r\n")
        if "chunked" in head.lower() and body:
            yield "chunked", b"\0" + body.encode()
    for case in cases("http/responses.json"):
        options = (0x80 if case.get("answersHead") else 0) | (0x40 if case.get("closes") else 0)
        yield "http-responses", bytes([options]) + case["input"].encode()
        head, end, body = case["input"].partition("\r\n\r\n")
        if "chunked" in head.lower() and body:
            yield "chunked", b"\0" + body.encode()
    for form in (
        b"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--x--\r\n",
        b"--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\\\"b\"\r\nContent-Type: text/plain\r\n\r\n\r\n--y\r\n--x\r\n",
    ):
        yield "multipart", b"\0" + form
        yield "multipart", b"\7" + form
    for case in cases("http/proxy-headers.json"):
        yield "proxy-header", wire(case["hex"]) if "hex" in case else case["input"].encode()
    for line in (
        "text/event-stream;q=0.5, */*;q=0", 'W/"a", "b,c", *', "gzip, identity", 'for="[2001:db8::1]:80";proto=https, for=_x',
        "192.0.2.1:80, 2001:db8::1", "https://[::1]:443", "HTTP://LOCALHOST.:80", "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
    ):
        yield "fields", line.encode()
    for text in (b"", b"Hello", b"Hello" * 5000):
        yield "content-coding", b"\1" + gzip.compress(text)
        yield "content-coding", b"\1" + gzip.compress(text) * 2
        yield "content-coding", b"\0" + zlib.compress(text)
        yield "content-coding", b"\0" + zlib.compress(text)[2:-4]
    for case in cases("sse/streams.json"):
        data = case["input"] if "input" in case else bytes.fromhex(case["inputHex"])
        yield "sse", bytes([min(255, case.get("maxEventBytes", 0))]) + (data.encode() if isinstance(data, str) else data)
    for case in cases("json/texts.json"):
        yield "json", case["text"].encode() if "text" in case else bytes.fromhex(case["hex"])
    for schema, value in (
        ({"type": "object", "properties": {"a": {"enum": [1, "b"]}}, "required": ["a"], "additionalProperties": False}, {"a": 1}),
        ({"$defs": {"t": {"items": {"$ref": "#/$defs/t"}}}, "$ref": "#/$defs/t"}, [[[]]]),
        ({"patternProperties": {"^(a|b)*$": {"pattern": "x{2,3}[^y]"}}, "uniqueItems": True}, {"ab": "xxz"}),
        ({"oneOf": [{"const": 1}, {"minimum": 2}], "not": {"multipleOf": 0.5}}, 3),
    ):
        yield "schema", f"{json.dumps(schema)}\n{json.dumps(value)}".encode()
    for case in cases("upstreams/faults.json"):
        if body := case["fault"].get("body"):
            yield "upstream-errors", body.encode()
    for text in ("1e300", "36s", "1h2m3.5s", "Fri, 31 Dec 1999 23:59:59 GMT", "<html><title>502</title><!-- -->", "data: {\"error\":\"x\"}"):
        yield "upstream-errors", text.encode()
    for target in ("chat", "anthropic"):
        for case in cases(f"upstreams/{target}-streams.json"):
            yield target, bytes([1 if case.get("whole") else 0]) + case["body"].encode()


def deflate_seeds():
    """See fuzzDeflate: limit, options (window 2^15, 0x20: frames as they are), a line that is the offer, frames."""
    for case in cases("deflate/messages.json"):
        data = wire(case["input"])
        limit = min(255, case.get("maxMessageBytes", 0) // 16)
        offer = "permessage-deflate" + (f"; {case['parameters']}" if "parameters" in case else "")
        swapped = offer.replace("client_", "other_").replace("server_", "client_").replace("other_", "server_")
        for target, text, frames in (("server", offer, data), ("client", swapped, unmasked(data))):
            yield f"deflate-{target}", bytes([limit, 0x26]) + text.encode() + b"\n" + frames
            if short := short_form(unmasked(data)):
                yield f"deflate-{target}", bytes([limit, 0x06]) + text.encode() + b"\n" + short
    for case in json.loads((VECTORS / "deflate/negotiation.json").read_text())["offers"]:
        line = ", ".join(case["offers"]).encode() + b"\n"
        for target in ("server", "client"):
            # "Hello" twice, the second time out of the window.
            yield f"deflate-{target}", b"\0\6" + line + bytes.fromhex("c107f248cdc9c90700c105f200110000")
    for operation in (0x10, 0x18, 0xF8, 0x03, 0x34, 0x05):
        text = b'{"type":"response.output_text.delta"}'
        for options in range(0, 128, 9):
            program = bytes([operation, len(text)]) + text + bytes([0x10, 5]) + b"Hello" + bytes([0x04, 0])
            yield "deflate-writer", bytes([options, options, 127 - options]) + program * 2


def command_seeds():
    """Commands and outcomes as Sources/Sessions/Commands/CommandCoding.swift has them: the version, and each case by its number."""
    def number(value):
        rest, encoded = (value << 1) ^ (value >> 63), b""
        while rest >= 0x80:
            encoded, rest = encoded + bytes([rest & 0x7F | 0x80]), rest >> 7
        return encoded + bytes([rest])

    def text(value):
        return number(len(value.encode())) + value.encode()

    message = '{"type":"message","role":"user","content":[{"type":"input_text","text":"hi"}]}'
    item = text("msg_1") + text("completed") + text(message) + b"\0"
    items = number(1) + item
    parameters = text("m") + b"\1" + text("be brief") + text('{"top_p":1}') + b"\0"
    position = number(2) + number(41)
    participant = text("part_1") + text("Ann")
    step = text("s") + text("tool") + b"\0" + text("completed") + b"\1" + text("t") + b"\1" + text('{"n":1}') + b"\0"
    commands = {
        1: items + text("resp_1") + b"\0" + parameters + b"\1" + text("queue") + b"\1" + text("grace=30") + b"\1\1" + text("Ann")
        + b"\0" * 2 + b"\0" + b"\1" + text("resp_0") + b"\1\1" + b"\1",
        2: text("steer_1") + text("resp_1") + items + text("resp_2") + b"\0\1",
        3: b"\1" + text("resp_1") + b"\0\0" + text("cancel") + b"\1\2",
        4: items, 5: text("msg_1"), 6: text('{"a":"b"}'), 7: text("resp_1"), 8: b"", 9: text("resp_1") + number(1) + step,
        10: b"\1" + participant + b"\1" + position, 11: participant, 12: b"\1" + text("resp_1") + position, 13: b"", 14: b"",
        15: text("resp_1") + b"\1", 16: b"\1" + text("resp_1") + number(20) + b"\1\0", 17: text("msg_1"), 18: b"\0",
        19: items + b"\1" + text("msg_0"), 20: item, 21: text("msg_1") + number(4) + b"\1" + number(1500),
    }
    response = text("resp_1") + text("completed") + b"\0\0" + number(1) + number(9) + position * 2 + number(2) + b"\1" + text("{}")
    record = text("sess_1") + text("ann") + number(1) + parameters + text("queue") + text("cancel") + text("{}") + b"\0"
    state = record + position + number(1) + items + number(1) + text("resp_1") + items + number(1) + participant + number(1) + text("{}")
    outcomes = {
        1: b"", 2: text("sess_1") + text("resp_1") + position + b"\0\0\0", 3: number(1) + text("call_1"), 4: response,
        5: record + b"\1" + position, 6: state + b"\0\1" + b"\0", 8: items + b"\1", 9: number(-1), 10: b"\1", 11: response + b"\1",
        12: bytes([15, 7]) + text("msg_1"),
    }
    yield from (b"\1" + text("cmd_1") + bytes([tag]) + values for tag, values in commands.items())
    yield from (b"\1" + bytes([tag]) + values for tag, values in outcomes.items())


def short_form(data):
    """Unmasked frames as framesFromShortForm reads them; None if one is too long, or none."""
    out = b""
    while len(data) >= 2:
        length, at = data[1] & 0x7F, 2
        if length == 126:
            length, at = int.from_bytes(data[2:4], "big"), 4
        if length > 255 or len(data) < at + length:
            return None
        out += bytes([data[0], length]) + data[at : at + length]
        data = data[at + length :]
    return out if not data else None


def unmasked(data):
    """The same frames as a server would send them; what is no whole frame stays as it is."""
    out, rest = b"", data
    while len(rest) >= 2 and rest[1] & 0x80:
        length, at = rest[1] & 0x7F, 2
        if length == 126:
            length, at = int.from_bytes(rest[2:4], "big"), 4
        elif length == 127:
            length, at = int.from_bytes(rest[2:10], "big"), 10
        key, payload = rest[at : at + 4], rest[at + 4 : at + 4 + length]
        if len(key) < 4:
            break
        out += bytes([rest[0], rest[1] & 0x7F]) + rest[2:at] + bytes(b ^ key[i & 3] for i, b in enumerate(payload))
        rest = rest[at + 4 + length :]
    return out + rest


def main():
    directory = pathlib.Path(sys.argv[1])
    counts = {}
    for target, data in seeds():
        folder = directory / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)
        counts[target] = counts.get(target, 0) + 1
    print("seeds:", ", ".join(f"{target} {count}" for target, count in counts.items()))


if __name__ == "__main__":
    main()
