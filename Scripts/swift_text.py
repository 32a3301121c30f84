"""Reads Swift source just well enough for the scripts beside it: code, comments and strings apart, and the tokens of the code.

`split(text)` gives `(code, comments)`: two texts of the same length and with the same lines, in which everything else is a space.
The contents of string literals are in neither; interpolations are code. Regex literals are not understood: this tree has none.
"""
import functools
import re

QUOTE, HASHES = re.compile(r'#*"'), re.compile(r"#*")
# As far as nothing begins or ends; at least one character.
PLAIN_IN_CODE, PLAIN_IN_STRING = re.compile(r'.[^"#/()]*', re.S), re.compile(r'.[^"\\\n]*', re.S)
NOT_A_NEWLINE = re.compile(r"[^\n]")


def _blank(text):
    return NOT_A_NEWLINE.sub(" ", text)


@functools.cache
def split(text):
    code, comments = [], []

    def put(piece, kind):
        code.append(piece if kind == "code" else _blank(piece))
        comments.append(piece if kind == "comment" else _blank(piece))

    def skip_comment(at):
        """The end of the comment that begins at `at`; block comments nest."""
        if text.startswith("//", at):
            end = text.find("\n", at)
            return len(text) if end < 0 else end
        depth, at = 1, at + 2
        while at < len(text) and depth:
            if text.startswith("/*", at):
                depth, at = depth + 1, at + 2
            elif text.startswith("*/", at):
                depth, at = depth - 1, at + 2
            else:
                at += 1
        return at

    def read_string(at):
        """Puts the string literal that begins at `at`, its interpolations as code; gives its end."""
        hashes = HASHES.match(text, at).group()
        quote = '"""' if text.startswith('"""', at + len(hashes)) else '"'
        opening = len(hashes) + len(quote)
        put(text[at:at + opening], "code")
        at += opening
        while at < len(text):
            if text.startswith(quote + hashes, at):
                put(text[at:at + opening], "code")
                return at + opening
            if text.startswith("\\" + hashes + "(", at):
                put(text[at:at + 1 + len(hashes)], "string")
                at = read_code(at + 1 + len(hashes), within_parentheses=True)
            elif text.startswith("\\" + hashes, at):
                put(text[at:at + 2 + len(hashes)], "string")
                at += 2 + len(hashes)
            elif quote == '"' and text[at] == "\n":
                return at  # Not Swift; goes on with the next line.
            else:
                end = PLAIN_IN_STRING.match(text, at).end()
                put(text[at:end], "string")
                at = end
        return at

    def read_code(at, within_parentheses=False):
        depth = 0
        while at < len(text):
            if text.startswith(("//", "/*"), at):
                end = skip_comment(at)
                put(text[at:end], "comment")
                at = end
            elif QUOTE.match(text, at):
                at = read_string(at)
            elif text[at] in "()":
                put(text[at], "code")
                depth += 1 if text[at] == "(" else -1
                at += 1
                if within_parentheses and depth == 0:
                    return at
            else:
                end = PLAIN_IN_CODE.match(text, at).end()
                put(text[at:end], "code")
                at = end
        return at

    read_code(0)
    return "".join(code), "".join(comments)


TOKEN = re.compile(r"`[^`\n]+`|[@#$]?[A-Za-z_]\w*|\d[\w.]*|->|\.\.[.<]|[^\w\s]")


class Token(str):
    """A token of the code: `line` from 1, `spaced` whether white space stands before it, `first` whether it begins a line."""

    def __new__(cls, text, line, spaced, first):
        token = super().__new__(cls, text)
        token.line, token.spaced, token.first = line, spaced, first
        return token


def tokens(code):
    found, line, last = [], 1, 0
    for match in TOKEN.finditer(code):
        gap = code[last:match.start()]
        line += gap.count("\n")
        found.append(Token(match.group(), line, gap != "" or last == 0, "\n" in gap or last == 0))
        last = match.end()
    return found


KINDS = {"class", "struct", "actor", "enum", "protocol", "extension", "typealias"}


def declares_type(stream, at):
    """Whether the token at `at` begins the declaration of a type (or an extension), and so the next one is its name."""
    if stream[at] not in KINDS or at + 1 >= len(stream):
        return False
    if at and stream[at - 1] in (".", "import", "(", "any", "some", "let", "var", "func", "case"):
        return False
    after = stream[at + 1]
    if not re.match(r"`?[A-Za-z_]", after) or after in ("func", "var", "let", "subscript", "override", "final"):
        return False
    if stream[at] == "actor":
        return at + 2 < len(stream) and stream[at + 2] in ("{", ":", "<", "where")
    return True
