"""The rehearsal model seen from outside: directives that go in, counters that come out (Protocols/rehearsal.md)."""

import re
import time
import uuid

import httpx

from patience import PATIENCE

DEADLINE_S = 20 * PATIENCE


def unique() -> str:
    """A word for a prompt by which its request is found again."""
    return "t" + uuid.uuid4().hex[:14]


def say(tag: str, **directives) -> str:
    """A prompt: the tag, then how the model shall answer it."""
    keys = " ".join(f"{key}={value}" for key, value in directives.items())
    return f"{tag} [[rehearsal {keys}]]" if keys else tag


def brief(tag: str) -> str:
    """A prompt with a short, quick answer, also where an endless one that got none stands in front of it: of each directive the
    model takes the last."""
    return say(tag, tokens=4, pace=0, first_token_ms=0)


def endless(tag: str, **directives) -> str:
    """A prompt whose answer does not end within any test."""
    return say(tag, **{"tokens": 100_000, "pace": 100, **directives})


def eventually(check, what: str, timeout_s=DEADLINE_S):
    """Asks until `check` gives something true, and returns it."""
    deadline = time.monotonic() + timeout_s
    while True:
        if answer := check():
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {what}; last answer: {answer!r}")
        time.sleep(0.01)


def message_text(message: dict) -> str:
    content = message["content"]
    if isinstance(content, str) or content is None:
        return content or ""
    return "".join(part.get("text", "") for part in content)


def prompt_text(request: dict) -> str:
    """Everything that the model was told in one request."""
    return "\n".join(message_text(message) for message in request["messages"])


def last_user_text(request: dict) -> str:
    return next((message_text(m) for m in reversed(request["messages"]) if m["role"] == "user"), "")


def last_words(request: dict) -> str:
    """The last user's text without the line that says who cut in before it."""
    note, newline, rest = last_user_text(request).partition("\n")
    return rest if newline and note.startswith("[") and note.endswith(" here]") else note + newline + rest


class Rehearsal:
    def __init__(self, url: str):
        self.url = url
        self.http = httpx.Client(base_url=url, timeout=30)

    def stats(self) -> dict:
        return self.http.get("/stats").raise_for_status().json()

    def all_requests(self, contains: str, limit=1024) -> list[dict]:
        answer = self.http.get("/requests", params={"contains": contains, "limit": limit})
        return answer.raise_for_status().json()["data"]

    def requests(self, tag: str) -> list[dict]:
        """The requests that `tag` started, oldest first: its word is the last of such words in the last user message (what was
        said before, and got no answer, stands in front of it)."""
        started = []
        for request in reversed(self.all_requests(tag)):
            words = re.findall(r"t[0-9a-f]{14}\w*", last_user_text(request))
            if words and tag in words[-1]:
                started.append(request)
        return started

    def wait_for(self, tag: str, condition=lambda request: True, what="the request arrives") -> dict:
        """The request that `tag` started, once `condition` holds for it."""
        return eventually(
            lambda: next((r for r in self.requests(tag) if condition(r)), None), f"{what} (prompt {tag})")

    def wait_for_state(self, tag: str, state: str) -> dict:
        return self.wait_for(tag, lambda r: r["state"] == state, f"the request is {state}")

    def wait_for_tokens(self, tag: str, count: int) -> dict:
        return self.wait_for(tag, lambda r: r["tokens_sent"] >= count, f"{count} tokens were sent")
