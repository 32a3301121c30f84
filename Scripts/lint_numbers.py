#!/usr/bin/env python3
"""Finds where a number from outside could end the process: conversions and arithmetic that trap, and calls that stop on purpose.

    Scripts/lint_numbers.py             # Sources/ of this tree; prints FILE:LINE and what to write instead; status 1 if any
    Scripts/lint_numbers.py DIRECTORY   # the same for other sources
    Scripts/lint_numbers.py --self-test # plants one of each kind and sees that it is found

In Swift `Int(1e300)`, `a + b` beyond the range, `Array(repeating: x, count: -1)` and a failed `precondition` end the whole process
with all of its sessions. The compiler judges conversions by their types, see Sources/Bytes/TrappingConversions.swift; this script
sees to it that it can (the file imports Bytes), and finds by its words what the compiler cannot: arithmetic on counts and times that
come from clients, upstreams, runners, files or the clock. `Sources/Bytes/Saturation.swift` has what to use.

What is safe for a reason says so, at the line or alone on the line before it, with the reason:

    // number-safe: both are below 2^41
"""
import pathlib
import re
import sys
import tempfile

MARKER = re.compile(r"//\s*number-safe:\s*(\S.*)?$")

INTEGER = r"\bU?Int(?:8|16|32|64)?"
# A conversion without a label; `Int(exactly:)`, `Int(saturating:)`, `Int(clamping:)` and the like have one.
CONVERSION = re.compile(INTEGER + r"\((?!\s*(?:[a-zA-Z]+:|\)))")
# What shows that a value is, or may be, floating.
FLOATING = re.compile(r"\bDouble\b|\bTimeInterval\b|\.rounded\(|timeInterval|\.double\b|\breadDouble\b|(?<![\w.])\d[\d_]*(?:\.\d+|e\d+)")
DURATION = re.compile(r"\.(?:milli|micro)?seconds\((?!\s*[-\d_.<* ]+\))")
# Names of counts and times that come from outside, by this project's habits.
OUTSIDE = (
    r"(?:\w*[tT]okens|unixTime|unixNanoseconds|\w*[a-z]At|[a-z]\w*Seconds|seconds|\w*Milliseconds|askedFor|tv_sec|f_bavail|f_frsize"
    r"|time\(nil\)\)?|\.int\b|startingAfter|retryAfter)"
)
TERM = r"(?:(?<!\)\.)\b(?:self\.|Self\.|\$\d\.|\w+[?!]?\.)*" + OUTSIDE + r"(?![\w(]))"
ARITHMETIC = re.compile(TERM + r"[?)]*\s(?:[-+*]|[-+*]=)\s(?![(\x22])|\s(?:[-+*]|[-+*]=)\s" + TERM)
STOPS = re.compile(r"\b(?:fatalError|preconditionFailure|precondition)\(|\btry!|\bas!|\bassert(?:ionFailure)?\(")
# `count:` and capacities that are neither literals, nor the count of something, nor held within bounds.
REPEATING = re.compile(r"repeating:[^,()]*(?:\([^()]*\))?[^,()]*,\s*count:\s*(?!\s*(?:max\(|min\(|Int\([A-Z0-9_]+\)|[\d_]+\s*\)|[\w.]*\.count\b))")
UNIQUE = re.compile(r"uniqueKeysWithValues:")
ABSOLUTE = re.compile(r"(?<![\w.])abs\((?!value\)|number\)|quotient)")
# Subjects whose operators are safe in themselves: `Instant` and `Duration` saturate, doubles have infinity.
SAFE_TYPES = re.compile(r"\b(?:let|var)\s+(\w+)(?:\s*:\s*(?:Instant|Duration|Double|TimeInterval)\b|\s*=\s*(?:Instant|Duration|Double)\b|\s*=\s*[\d_]+\.\d)")
PARAMETERS = re.compile(r"\b(\w+)\s*:\s*(?:Instant|Duration|Double|TimeInterval)\b")
BYTES = re.compile(r"^(?:public |package |internal )?import Bytes$", re.M)


def code_of(line):
    """The line without its comment and with its strings emptied (interpolations are kept: they are code)."""
    line = re.sub(r'"(?:[^"\\]|\\[^(])*"', '""', line)
    return re.split(r"(?<!:)//", line)[0]


def floats_within(code, start):
    """Whether what stands between the parenthesis that opens before `start` and its end shows a floating value."""
    depth, end = 1, start
    while end < len(code) and depth:
        depth += {"(": 1, ")": -1}.get(code[end], 0)
        end += 1
    return bool(FLOATING.search(code[start:end]))


def findings(path, text, is_bytes):
    lines = text.split("\n")
    imports = is_bytes or BYTES.search(text) is not None
    safe = set(SAFE_TYPES.findall(text)) | set(PARAMETERS.findall(text))
    mentions_floats = FLOATING.search("\n".join(code_of(line) for line in lines)) is not None
    excuse = False
    in_sql = False
    for number, line in enumerate(lines, 1):
        if line.count('"""') % 2 == 1:
            in_sql = not in_sql
            continue
        if in_sql:
            continue
        marker = MARKER.search(line)
        if marker and not marker.group(1):
            yield number, "a 'number-safe:' needs its reason"
        code = code_of(line)
        alone = marker and not code.strip()
        excused = marker or excuse
        excuse = bool(alone)
        if excused or not code.strip():
            continue
        for match in CONVERSION.finditer(code):
            if floats_within(code, match.end()):
                yield number, "traps for NaN, infinity and what does not fit: write Int(saturating:) or Int(exactly:)"
                break
            if mentions_floats and not imports:
                yield number, "the file must 'import Bytes', so that the compiler refuses conversions of floating values that trap"
                break
        else:
            if DURATION.search(code) and mentions_floats and not imports:
                yield number, "the file must 'import Bytes', so that the compiler refuses durations of floating seconds that trap"
        if ("+" in code or "-" in code or "*" in code) and "saturating" not in code:
            for match in ARITHMETIC.finditer(code):
                names = re.findall(r"\w+", match.group())
                if any(name in safe for name in names) or FLOATING.search(code):
                    continue
                yield number, "arithmetic on a count or time from outside may overflow: write saturatingAdding(_:) and its like"
                break
        if STOPS.search(code):
            yield number, "ends the process: throw, or say in a marker why no input leads here"
        if REPEATING.search(code):
            yield number, "traps for a negative count: bound it by max(0, …), or say in a marker why it cannot be"
        if UNIQUE.search(code):
            yield number, "traps for equal keys: write Dictionary(_:uniquingKeysWith:), or say in a marker why there are none"
        if ABSOLUTE.search(code):
            yield number, "traps for the least integer: write magnitude, or say in a marker why it is never that"


def lint(directory):
    count = 0
    for path in sorted(pathlib.Path(directory).rglob("*.swift")):
        for number, message in findings(path, path.read_text(), path.parent.name == "Bytes"):
            print(f"{path}:{number}: {message}")
            count += 1
    return count


PLANTED = {
    "a conversion of a computed double": "import Bytes\nfunc f(_ a: Double) -> Int { Int((a * 60e9).rounded(.up)) }\n",
    "a conversion in a file that the compiler cannot judge": "func f(_ a: Double) -> Int { Int(a) }\n",
    "a duration in a file that the compiler cannot judge": "func f(_ a: Double) -> Duration { .seconds(a) }\n",
    "a sum of counts": "func f(_ u: Usage) -> Int { u.inputTokens + u.outputTokens }\n",
    "a count that is added up": "extension T { mutating func f(_ u: Usage) { total += u.outputTokens } }\n",
    "a product of seconds": "func f(expiresAt: Int) -> Int { expiresAt * 1000 }\n",
    "a difference of times": "func f(createdAt: Int) -> Int { unixTime - createdAt }\n",
    "the clock": "func f(_ s: Int) -> Int { Int(time(nil)) + s }\n",
    "a precondition": "func f(_ a: Int) { precondition(a > 0) }\n",
    "a forced try": "let a = try! f()\n",
    "a count of repetitions": 'func f(_ n: Int) -> String { String(repeating: " ", count: n) }\n',
    "keys that may be equal": "let a = Dictionary(uniqueKeysWithValues: pairs)\n",
    "an absolute value": "func f(_ n: Int) -> Int { abs(n) }\n",
    "a marker without a reason": "let a = 1  // number-safe:\n",
}
HARMLESS = {
    "a saturating conversion": "import Bytes\nfunc f(_ a: Double) -> Int { Int(saturating: a.rounded(.up)) }\n",
    "a conversion between integers": "func f(_ a: Int32) -> Int { Int(a) }\n",
    "a saturating sum": "func f(_ u: Usage) -> Int { u.inputTokens.saturatingAdding(u.outputTokens) }\n",
    "instants": "func f(now: Instant, startedAt: Instant) -> Duration { now - startedAt }\n",
    "a marked line": "// number-safe: checked by its caller\nfunc f(_ a: Int) { precondition(a > 0) }\n",
    "a comment": "/// Int(a * 1e9), time(nil) + seconds\n",
    "SQL": 'let a = """\n    UPDATE t SET input_tokens = inputTokens + 1\n    """\n',
}


def self_test():
    failed = 0
    for expected, cases in ((True, PLANTED), (False, HARMLESS)):
        for name, source in cases.items():
            with tempfile.TemporaryDirectory() as directory:
                path = pathlib.Path(directory) / "Planted.swift"
                path.write_text(source)
                found = list(findings(path, source, False))
            if bool(found) != expected:
                print(f"{'not found' if expected else 'found, and should not be'}: {name}: {source!r} {found}")
                failed += 1
    print(f"self-test: {len(PLANTED)} planted, {len(HARMLESS)} harmless, {failed} wrong")
    return failed


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments == ["--self-test"]:
        sys.exit(1 if self_test() else 0)
    root = pathlib.Path(__file__).resolve().parent.parent
    count = lint(arguments[0] if arguments else root / "Sources")
    print(f"numbers: {count} to mend" if count else "numbers: nothing to mend")
    sys.exit(1 if count else 0)
