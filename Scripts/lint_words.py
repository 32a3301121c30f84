#!/usr/bin/env python3
"""Finds words that are out: those by which a text reads as translated, and second words for what has one already.

    Scripts/lint_words.py              # the paths below; prints FILE:LINE, the words, and what to write; status 1 if any
    Scripts/lint_words.py PATH…        # all rules against these files or directories, whatever their scope
    Scripts/lint_words.py --self-test  # plants one of each and sees that it is found, and that its neighbours are not

Prose is looked at: comments of Swift, and pages without their code. Identifiers are looked at where a rule says so. There is no marker to
excuse a line: a rule that is wrong somewhere gets a narrower pattern or scope. A path comes into SCOPE when its texts have been rewritten.
"""
import pathlib
import re
import sys
import tempfile

import swift_text

ROOT = pathlib.Path(__file__).resolve().parent.parent
SCOPE = [
    "README.md", "CHANGELOG.md", "Fuzz", "Protocols/README.md", "Protocols/authentication.md", "Protocols/batches.md", "Protocols/building.md",
    "Protocols/chat-completions.md", "Protocols/clients.md", "Protocols/conversations.md", "Protocols/files.md", "Protocols/http.md",
    "Protocols/operations.md", "Protocols/rehearsal.md", "Protocols/responses.md", "Protocols/runner.md", "Protocols/sessions.md", "Protocols/storage.md",
    "Protocols/upstreams.md", "Protocols/webhooks.md", "Protocols/websocket.md",
    "Sources",
]
LOWER = ("Sources/Bytes", "Sources/Digests", "Sources/HTTP", "Sources/JSON", "Sources/Network", "Sources/WebSocket")
REWRITTEN = ("Sources", "Protocols", "README.md", "CHANGELOG.md")


class Rule:
    def __init__(self, pattern, instead, planted, harmless, where="prose", under=None):
        self.pattern, self.instead, self.planted, self.harmless = re.compile(pattern), instead, planted, harmless
        self.where, self.under = where, under


# The beginning of a sentence: of the text, or behind a full stop. A colon begins no question.
BEGIN = r"(?:^|(?<=[.!] )|(?<=\| )|(?<=: ))"
RULES = [
    Rule(r"\b[Ww]hoever\b", "name the role: client, caller, reader, participant", "whoever listens", "however it ends"),
    Rule(r"\b(?:[Ss]omebody|[Aa]nybody|[Ee]verybody)\b(?!`)", "name the role: a client, a participant, all clients", "until somebody listens", "some bodies"),
    Rule(r"\b[Tt]hose (?:who|that which)\b", "name the role", "those who wait", "those that wait"),
    Rule(BEGIN + r"Who (?!is\b|are\b|may\b)\w+[^?]*$", "name the role, or begin with the verb", "Who polls is no listener.", "Who asked last?"),
    Rule(r"\b(?:for|by|of|from|to|that) who\b", "name the role", "as JSON for who asks", "for whom"),
    Rule(BEGIN + r"What (?:is|are|was|were|has|does|comes|came|stands|goes|cannot|could)\b[^.?:;|]*? "
         r"(?:is|are|was|were|goes|stays|counts|becomes|comes|gets|has|must|may|costs|waits)\b", "the subject is the thing: name it",
         "What is kept, or echoed, is bounded.", "What is wrong, and how to fix it."),
    Rule(BEGIN + r"What (?:\w+ ){1,4}(?:says|said|sends|sent|has|gets|takes|makes|made|tells|asks) (?:is|are|was|were|stays|counts|goes)\b",
         "the subject is the thing: name it", "What a key makes is its owner's.", "What the owner must do with the transport."),
    Rule(r"\bthat which\b|\ball that (?:is|was|were|are)\b", "name the thing", "all that was said", "all that it can"),
    Rule(r"\b(?:turn|turns) of (?:the|a|its|each|one) (?:\w+'s )?(?:event )?loops?\b|\bloop's turns?\b|\b(?:a|this|one|each|earlier|next) turn of\b",
         "iteration", "in one turn of the loop", "one iteration of the loop"),
    Rule(r"\b(?:this|next|a later|an earlier|the same|each|one) turn\b|\ba turn\b|\b[Tt]urns\b(?! (?:into|it|out|off|on|a |bytes|the ))|\bits turn\b",
         "iteration; turns belong to conversation and speech", "sent at the end of this turn", "each in turn", under=LOWER),
    Rule(r"\b(?:is|are|was|were|be|been|kept|made) safe\b(?! (?:to|for|in|from|against|on|with)\b)", "committed", "200 once it is safe", "it is safe to ask"),
    Rule(r"\b(?:the|its|their|a|another|which|whose|same|last|first) place (?:of|in) (?:the|a|its|their) (?:list|log|array|queue|text|stream|table|heap|input|file|window|buffer)\b",
         "index, offset, position, slot", "the place in the log", "the position in the log"),
    Rule(r"\bplaces? where\b", "position, or name the thing", "the place where it ends", "where it ends"),
    Rule(r"[Ii]dempotency-Key: NAME|\b(?:a|the|same|another|new|that) name (?:of|for) (?:a|the) (?:request|retry|command)\b", "idempotency key",
         "the same name for a retry", "the name of the file"),
    Rule(r"\bof ours\b|\bof (?:one|its|their)'?s? own (?:making|kind)\b", "say whose: the server's, this end's; or leave it out", "scopes of ours", "hours"),
    Rule(r"\b(?:is|are|was|were) (?:held|kept) to\b", "is limited to, follows, is enforced", "is held to a bound", "kept together"),
    Rule(r"\bas long does\b|\bnot looked at\b|\bwithout a look\b|\blooked after\b", "say what is checked", "is not looked at", "is ignored"),
    Rule(r"\b(?:goes|went|go) on by itself\b", "continues", "OpenSSL goes on by itself", "goes on"),
    Rule(r"\bpassed over\b", "skipped, ignored", "comments are passed over", "handed over"),
    Rule(r"\bis no (?:[a-z]+ )?(?:UTF-8|JSON|HTTP|token|stream|object|array|number|proxy|listener|event|AI)\b", "is not", "bytes that are no UTF-8 and one that is no UTF-8", "there is no stream"[:11]),
    Rule(r"\b[Nn]obody\b", "name the role: no client, no reader; or use the passive", "nobody is told", "no body", under=REWRITTEN),
    Rule(r"\bshall\b", "must, is to, will", "what the answer shall be", "shallow"),
    Rule(r"\bfor ever\b", "forever", "waits for ever", "for every one"),
    Rule(r"\bmidst\b|\bamid\b", "in the middle of", "in the midst of a frame", "amidships"),
    Rule(r"\bgo(?:es)? on (?:from|behind|by|with|as|after)\b", "continue, resume", "goes on from there", "goes on"),
    Rule(r"\b[Nn]il for what(?:ever)?\b", "name the value: nil for an invalid one, for any other type", "nil for what is none", "nil for an empty text"),
    Rule(r"\b(?:stands?|stood) (?:there|in|behind|under|between)\b", "is in, follows, is at", "stands in a list", "stands for a byte"),
    Rule(r"\bin (?:its|their|his) place\b|\bin the place of\b", "instead of it", "an error in its place", "unmasked in place"),
    Rule(r"\b(?:for|in) so (?:long|many)\b|\bso (?:short|long|much) a\b", "this long, this many", "silent for so long", "so that a"),
    Rule(r"\bas (?:it|they) came\b", "verbatim, unchanged, as received", "passed on as it came", "as they arrive"),
    Rule(r"\b(?:Whoever|Somebody|Anybody)\w*|\w+(?:Whoever|Somebody)\b", "name the role", "let tellWhoever = 1", "let who = 1", where="code"),
]


def prose_of(path, text):
    """Pairs of a line number and its prose; a comment block or a paragraph stays in its lines."""
    if path.suffix == ".swift":
        for number, line in enumerate(swift_text.split(text)[1].split("\n"), 1):
            line = re.sub(r"^\s*//[/!]?\s?(?:- )?", "", line.strip())
            line = re.sub(r"^(?:MARK|Parameters?|Returns|Throws|Precondition|number-safe)[^:]*:\s*", "", line)
            if line:
                yield number, re.sub(r"`[^`]*`", "`x`", line)
        return
    fenced = False
    for number, line in enumerate(text.split("\n"), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and not line.startswith("#") and not line.startswith("    "):
            line = re.sub(r"\]\([^)]*\)", "]", re.sub(r"`[^`]*`", "`x`", line))
            yield number, re.sub(r"^(?:[-*]|\d+\.) ", "", line)


def findings(path, text, rules):
    code = None
    for rule in rules:
        if rule.where == "prose":
            lines = prose_of(path, text)
        elif path.suffix == ".swift":
            code = code or swift_text.split(text)[0]
            lines = enumerate(code.split("\n"), 1)
        else:
            continue
        for number, line in lines:
            match = rule.pattern.search(line)
            if match:
                yield number, match.group().strip(), rule.instead


def files(path):
    if path.is_dir():
        return sorted(p for p in path.rglob("*") if p.suffix in (".swift", ".md"))
    return [path]


def lint(paths, scoped):
    count = 0
    for start in paths:
        for path in files(start):
            name = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
            rules = [rule for rule in RULES if not scoped or rule.under is None or name.startswith(rule.under)]
            for number, words, instead in sorted(findings(path, path.read_text(), rules)):
                print(f'{name}:{number}: "{words}": {instead}')
                count += 1
    return count


def self_test():
    wrong = 0
    with tempfile.TemporaryDirectory() as directory:
        for rule in RULES:
            for text, expected in ((rule.planted, True), (rule.harmless, False)):
                path = pathlib.Path(directory) / "Planted.swift"
                source = f"/// {text}\nlet a = 1\n" if rule.where == "prose" else text + "\n"
                path.write_text(source)
                if bool(list(findings(path, source, [rule]))) != expected:
                    print(f"{'not found' if expected else 'found, and should not be'}: {text}")
                    wrong += 1
    page = pathlib.Path("page.md")
    for text, expected in (("```\nwhoever\n```\n", 0), ("`whoever`\n", 0), ("# Whoever\n", 0), ("| a | whoever asks |\n", 1)):
        if len(list(findings(page, text, RULES))) != expected:
            print(f"page: {text!r}")
            wrong += 1
    source = 'let a = "whoever"  // whoever\nlet b = """\n// whoever\n"""\n'
    if len(list(findings(pathlib.Path("a.swift"), source, RULES))) != 1:
        print(f"strings: {source!r}")
        wrong += 1
    print(f"self-test: {2 * len(RULES) + 5} cases, {wrong} wrong")
    return wrong


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments == ["--self-test"]:
        sys.exit(1 if self_test() else 0)
    count = lint([pathlib.Path(argument).resolve() for argument in arguments] or [ROOT / path for path in SCOPE], not arguments)
    print(f"words: {count} to rewrite" if count else "words: nothing to rewrite")
    sys.exit(1 if count else 0)
