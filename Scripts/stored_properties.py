#!/usr/bin/env python3
"""Counts the stored properties of every class, struct and actor in Sources/. Above 15, a type is two or three types.

    Scripts/stored_properties.py                # prints the ten largest; status 1 if one is above the limit and not in ALLOWED
    Scripts/stored_properties.py --self-test    # counts small sources whose counts are known

Static and computed properties do not count; lazy ones, and those with observers or wrappers, do.
"""
import pathlib
import re
import sys

import swift_text

LIMIT = 15
# Type -> (the most it may have, why it is above the limit). A number here only ever goes down.
ALLOWED = {
    "ServerConfiguration": (41, "to be divided: one part a concern"),
    "ServeSettings": (74, "to be divided: one part a concern"),
    "EventLoop": (22, "to be divided: what a loop lends to others, such as buffers and counters"),
    "HTTPConnection": (21, "to be divided: request, answer, timeouts"),
    "HTTPExchange": (25, "to be divided: request, answer"),
    "HTTPTransfer": (19, "to be divided: what is sent, what comes back"),
    "UpstreamCall": (16, "to be divided"),
    "RunnerCall": (16, "to be divided"),
    "WebhookLedger": (16, "to be divided"),
    "Batch": (26, "an object of the API, member by member; to be divided: counts, times"),
    "APIKeyRecord": (16, "a row, column by column"),
    "SettingFlags": (87, "one property a flag: swift-argument-parser wants them flat"),
    "LoopCounters": (16, "one property a metric"),
    "ServerSentEventParser": (19, "one state machine on the token path; to be divided"),
}
HOLDERS = {"class", "struct", "actor"}
OPENING, CLOSING = {"(": ")", "[": "]", "{": "}"}, {")", "]", "}"}
MODIFIERS = {
    "public", "package", "internal", "private", "fileprivate", "open", "final", "override", "lazy", "weak", "unowned", "nonisolated",
    "dynamic", "optional", "required", "static", "class", "convenience", "mutating", "isolated", "borrowing", "consuming",
}
CONTINUES = set(".?:+-*/&|<>=,!")


def matching(stream, at):
    """The index of the bracket that closes the one at `at`."""
    depth = 0
    for end in range(at, len(stream)):
        depth += 1 if stream[end] in OPENING else -1 if stream[end] in CLOSING else 0
        if depth == 0:
            return end
    return len(stream) - 1


def is_static(stream, at):
    """Whether a modifier before the `var` or `let` at `at` takes the property out of the instances."""
    at -= 1
    while at >= 0:
        if stream[at] in ("static", "class"):
            return True
        if stream[at] == ")":  # `private(set)`, `unowned(unsafe)`, an attribute's arguments.
            depth = 0
            while at >= 0:
                depth += {")": 1, "(": -1}.get(stream[at], 0)
                at -= 1
                if depth == 0:
                    break
        elif stream[at] in MODIFIERS or stream[at].startswith("@"):
            at -= 1
        elif at and stream[at - 1] == ".":  # `@Namespace.Wrapper`
            at -= 2
        else:
            return False
    return False


def skip(stream, at, stops):
    """The first token from `at` on, outside brackets, that is in `stops` or begins the next statement. Generic arguments are brackets."""
    angles = 0
    begin = at
    while at < len(stream):
        token = stream[at]
        if token in CLOSING:
            return at
        if at > begin and angles == 0:
            if token in stops:
                return at
            if token.first and token[0] not in CONTINUES and stream[at - 1][-1] not in CONTINUES - {"?", "!", ">"}:
                return at
        if token in OPENING:
            at = matching(stream, at)
        elif token == "<" and not token.spaced:
            angles += 1
        elif token == ">" and angles:
            angles -= 1
        at += 1
    return at


def bindings(stream, at):
    """How many stored properties the `var` or `let` at `at` declares."""
    count = 0
    at += 1
    while at < len(stream):
        if stream[at] == "(":  # A tuple of names: `let (a, b) = pair`.
            end = matching(stream, at)
            names = sum(1 for token in stream[at:end] if re.match(r"[A-Za-z`]\w*", token) and token != "_")
            at = end + 1
        else:
            names = 1
            at += 1
        computed = False
        if at < len(stream) and stream[at] == ":":
            at = skip(stream, at + 1, {"=", ",", "{", ";"})
        if at < len(stream) and stream[at] == "{" and not stream[at].first:
            inside = stream[at + 1] if at + 1 < len(stream) else ""
            computed = inside not in ("didSet", "willSet")
            at = matching(stream, at) + 1
        elif at < len(stream) and stream[at] == "=":
            at = skip(stream, at + 1, {",", ";"})
        count += 0 if computed else names
        if at < len(stream) and stream[at] == ",":
            at += 1
        else:
            return count
    return count


def count(code):
    """Qualified name of each class, struct and actor -> its stored properties."""
    stream = swift_text.tokens(code)
    counts = {}
    # Open braces: the name up to here, whether stored properties may stand directly within, the parentheses open around it.
    scopes, parentheses, pending = [("", False, 0)], 0, None
    for at, token in enumerate(stream):
        outer, holds, _ = scopes[-1]
        if token in ("(", "["):
            parentheses += 1
        elif token in (")", "]"):
            parentheses -= 1
        elif token == "{":
            scopes.append((*(pending or (outer, False)), parentheses))
            parentheses, pending = 0, None
        elif token == "}":
            if len(scopes) > 1:
                parentheses = scopes.pop()[2]
        elif swift_text.declares_type(stream, at) and token != "typealias":
            name = stream[at + 1].strip("`")
            end = at + 2
            while token == "extension" and end + 1 < len(stream) and stream[end] == ".":
                name += "." + stream[end + 1]
                end += 2
            name = f"{outer}.{name}" if outer else name
            pending = (name, token in HOLDERS)
            if token in HOLDERS:
                counts.setdefault(name, 0)
        elif token in ("var", "let") and holds and parentheses == 0 and not is_static(stream, at):
            counts[outer] += bindings(stream, at)
    return counts


def count_all(root):
    counts, where = {}, {}
    for path in sorted((root / "Sources").rglob("*.swift")):
        for name, number in count(swift_text.split(path.read_text())[0]).items():
            key = name if name not in counts else f"{name} ({path.relative_to(root)})"
            counts[key], where[key] = number, path.relative_to(root)
    return counts, where


CASES = [
    ("plain", "struct A {\n    let a: Int\n    var b = 1, c = 2\n    let d, e: String\n}", {"A": 5}),
    ("computed", "struct A {\n    var a: Int { 1 }\n    var b: [Int: String] {\n        get { [:] }\n        set {}\n    }\n"
     "    var c: Int {\n        get async throws { let x = 1; return x }\n    }\n    let d: Int\n}", {"A": 1}),
    ("observed", "final class A {\n    var a: Int = 1 { didSet { let old = oldValue; f(old) } }\n    var b: Int? {\n        willSet {}\n    }\n"
     "    var c = 1 {\n        didSet {}\n    }\n}", {"A": 3}),
    ("static, class and lazy", "class A {\n    static let a = 1\n    private static var b: Int = 2\n    class var c: Int { 3 }\n"
     "    @TaskLocal static var d = 1\n    lazy var e = 5\n    private(set) lazy var f: Int = { let g = 1; return g }()\n}", {"A": 2}),
    ("modifiers", "actor A {\n    nonisolated(unsafe) var a = 1\n    package private(set) weak var b: A?\n    unowned(unsafe) let c: B\n"
     "    @Option(name: .long, help: \"a { brace\") var d: Int = 1\n    @Flag var e = false\n    @A.B<C>(x: { 1 }) public var f: Int\n}", {"A": 6}),
    ("nested types", "struct A {\n    struct B { let x: Int, y: Int }\n    enum C { case a(x: Int); var d: Int { 1 }; static let e = 1 }\n    let z: B\n"
     "    final class D<T: P> where T.X == Int {\n        let t: T\n    }\n}", {"A": 1, "A.B": 2, "A.D": 1}),
    ("local variables and types", "struct A {\n    func f() {\n        let a = 1\n        struct Local { var x: Int }\n        if let b = a, case let .c(d) = b {}\n    }\n"
     "    init(_ x: Int = { let y = 1; return y }()) { var z = 1 }\n    subscript(i: Int) -> Int { let j = i; return j }\n    deinit { let k = 1 }\n}",
     {"A": 0, "A.Local": 1}),
    ("closures as values", "struct A {\n    let a: (Int) -> Void = { x in let y = x; f(y) }\n    var b: @Sendable (Int, String) async -> [Int: Int]\n"
     "    var c = { (x: Int) in\n        let z = x\n        return z\n    }\n    let d = Mutex<[Int: String]>([:])\n}", {"A": 4}),
    ("generic arguments with commas", "struct A {\n    let a: Dictionary<Int, String>, b: Three<Int, Int, Int>\n    var c = Three<Int, B, C>(1)\n    var d: Result<Int, any Error>?\n"
     "    var e: Three<Int, Int, Int> { f() }\n}", {"A": 4}),
    ("values over several lines", "struct A {\n    var a =\n        1\n    var b: Int =\n        f(1)\n        + g { let x = 1; return x }\n    var c: Int? = nil\n    var d: Int?\n"
     "    var e = a ? b : c\n    @inline(__always)\n    var f: Int { 1 }\n}", {"A": 5}),
    ("tuples", "struct A {\n    let (a, b) = (1, 2)\n    var c: (x: Int, y: Int)\n    var d: (Int, Int) { (1, 2) }\n}", {"A": 3}),
    ("extensions and protocols", "protocol P {\n    var a: Int { get }\n    static var b: Int { get set }\n}\nextension A {\n    var c: Int { 1 }\n    static let d = 1\n"
     "    struct B { let e = 1 }\n}\nextension A.B: P where T == Int { actor C { var f = 1 } }", {"A.B": 1, "A.B.C": 1}),
    ("comments and strings", "struct A {\n    // let a: Int\n    /* var b = 1 /* let c */ */\n    let d = \"let e: Int \\(f { let g = 1; return g }) }\"\n"
     "    let h = #\"\\(let) \" } \"#\n    let i = \"\"\"\n        let j: Int } \"\n        \"\"\"\n}", {"A": 3}),
    ("words that only look so", "struct A {\n    let actor: Int, `class`: Int\n    func extension(_ struct: Int) {}\n    let b = x.class\n    func g(class: Int, actor: B) {}\n    var type: A.Type { A.self }\n}",
     {"A": 3}),
    ("conditions", "struct A: ~Copyable {\n    #if DEBUG\n    let a = 1\n    #endif\n    borrowing func f() {}\n    let b: Int; let c: Int\n}", {"A": 3}),
    ("enums hold none", "enum A {\n    case a, b\n    indirect case c(A)\n    var d: Int { 1 }\n    final class E: @unchecked Sendable { var f: [Int] = [] }\n}", {"A.E": 1}),
]


def self_test():
    wrong = 0
    for name, source, expected in CASES:
        found = count(swift_text.split(source)[0])
        if found != expected:
            print(f"{name}: expected {expected}, found {found}")
            wrong += 1
    print(f"self-test: {len(CASES)} cases, {wrong} wrong")
    return wrong


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    counts, where = count_all(root)
    faults = []
    for name, number in sorted(counts.items()):
        allowed, _ = ALLOWED.get(name, (LIMIT, ""))
        if number > allowed:
            faults.append(f"{where[name]}: {name} has {number} stored properties, {allowed} are allowed: divide it")
    for name in sorted(counts, key=lambda name: (-counts[name], name))[:10]:
        print(f"{counts[name]:4} {name}  {where[name]}" + (f"  ({ALLOWED[name][1]})" if name in ALLOWED else ""))
    for name, (allowed, _) in ALLOWED.items():
        if counts.get(name, 0) < allowed:
            print(f"{name} has {counts.get(name, 'none')} of {allowed} now: lower its entry in Scripts/stored_properties.py, or remove it")
    for fault in faults:
        print(fault)
    total = sum(counts.values())
    print(f"stored properties: {len(counts)} types, {total} in all, {sum(n > LIMIT for n in counts.values())} above {LIMIT}, {len(faults)} to mend")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(1 if (self_test() if "--self-test" in sys.argv[1:] else main()) else 0)
