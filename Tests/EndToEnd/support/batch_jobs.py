"""Batches by the official SDK: made, and waited for."""

import json

from rehearsal import eventually, say

CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
TERMINAL = ("completed", "failed", "expired", "cancelled")


def line(number, prompt, endpoint=CHAT, model="rehearsal-fast", **body):
    said = {"messages": [{"role": "user", "content": prompt}]} if endpoint == CHAT else {"input": prompt}
    return {"custom_id": f"line-{number}", "method": "POST", "url": endpoint, "body": {"model": model, **said, **body}}


def lines_of(tag, count, endpoint=CHAT, **directives):
    directives = {"tokens": 3, "pace": 0, **directives}
    return [line(n, say(f"{tag}n{n}n", **directives), endpoint) for n in range(count)]


def put(client, lines):
    text = "".join((part if isinstance(part, str) else json.dumps(part)) + "\n" for part in lines)
    return client.files.create(file=("in.jsonl", text.encode()), purpose="batch")


def create(client, lines, endpoint=CHAT, window="24h", **options):
    return client.batches.create(
        input_file_id=put(client, lines).id, endpoint=endpoint, completion_window=window, **options)


def wait(client, batch, until=TERMINAL, timeout_s=120):
    def look():
        found = client.batches.retrieve(batch.id)
        return found if found.status in until else None

    return eventually(look, f"the batch is {' or '.join(until)}", timeout_s)


def read(client, file_id):
    return [json.loads(row) for row in client.files.content(file_id).text.splitlines()] if file_id else []


def wait_for_counts(client, batch, count):
    def look():
        found = client.batches.retrieve(batch.id)
        return found if found.request_counts.completed >= count else None

    return eventually(look, f"{count} requests are completed", 60)
