"""What `GET /v1/usage` counts."""

from keys import bearer


def results(server, key=None, **params):
    """The results of all buckets of the last day."""
    with server.http(headers=bearer(key) if key else {}) as http:
        answer = http.get("/v1/usage", params={"bucket_width": "1h", **params})
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert page["object"] == "page" and all(b["object"] == "bucket" for b in page["data"])
    return [result for bucket in page["data"] for result in bucket["results"]]


def total(found, *names):
    return tuple(sum(r[n] if n in r else r["interject"][n] for r in found) for n in names)
