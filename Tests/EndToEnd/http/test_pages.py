"""What web pages may do here, and that each answer to one can be read by it: CORS, Fetch Metadata, origins."""

import pytest

from processes import run_binary
from raw_http import RawConnection, request

PAGE = "http://localhost:5173"
LONG = "a" * 20_000

REFUSALS = {
    "a target that is too long": (414, request("GET", "/" + LONG, Origin=PAGE)),
    "too many fields": (431, request("GET", "/", **{f"X_{n}": "x" for n in range(120)}, Origin=PAGE)),
    "fields that are too large": (431, request("GET", "/", **{f"X_{n}": "y" * 5000 for n in range(9)}, Origin=PAGE)),
    "one field that is too large": (431, request("GET", "/", X=LONG * 2, Origin=PAGE)),
    "an expectation": (417, request("POST", "/v1/responses", b"{}", Origin=PAGE, Expect="tea")),
    "a transfer coding": (501, request("POST", "/v1/responses", Origin=PAGE, Transfer_Encoding="gzip")),
    "CONNECT": (501, request("CONNECT", "localhost:80", Origin=PAGE)),
    "a version": (505, request("GET", "/", Origin=PAGE).replace(b"HTTP/1.1", b"HTTP/2.0", 1)),
    "a target with a control character": (400, request("GET", "/\x01", Origin=PAGE)),
    "a field without a colon": (400, request("GET", "/", Origin=PAGE).replace(b"\r\n\r\n", b"\r\nnonsense\r\n\r\n")),
    "a field without a colon in front": (400, request("GET", "/", Origin=PAGE).replace(b"Host", b"nonsense\r\nHost")),
    "two lengths": (400, request("POST", "/", Origin=PAGE, Content_Length="1, 2")),
    "a body that is announced too large": (413, request("POST", "/v1/responses", Origin=PAGE, Content_Length=str(1 << 40))),
    "a chunk": (400, request("POST", "/v1/responses", Origin=PAGE, Transfer_Encoding="chunked") + b"zz\r\n"),
    "a form's chunk": (400, request("POST", "/v1/files", Origin=PAGE, Content_Type="multipart/form-data; boundary=a",
                                    Transfer_Encoding="chunked") + b"zz\r\n"),
}


@pytest.mark.parametrize("name", REFUSALS)
@pytest.mark.parametrize("size", [1 << 20, 1500], ids=["at once", "in pieces"])
def test_a_page_can_read_why_it_was_refused(server, name, size):
    status, data = REFUSALS[name]
    with RawConnection(server, timeout_s=15) as connection:
        try:
            for start in range(0, len(data), size):
                connection.send(data[start:start + size])
        except OSError:
            pass
        answer = connection.read_answer()
    assert answer.status == status
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "x-request-id" in answer.headers["access-control-expose-headers"]
    assert answer.headers["vary"] == "Origin"


def test_a_head_that_never_ends_is_refused_all_the_same(server):
    with RawConnection(server, timeout_s=10) as connection:
        connection.send(b"GET /" + LONG.encode())
        answer = connection.read_answer()
    assert answer.status == 414 and answer.headers["vary"] == "Origin"
    assert "access-control-allow-origin" not in answer.headers


def test_a_page_can_read_that_its_request_took_too_long(start_server):
    server = start_server("--header-timeout", "0.3", "--body-timeout", "0.3")
    for data in [request("POST", "/v1/responses", Origin=PAGE, Content_Length="5"), request("GET", "/", Origin=PAGE)[:-2]]:
        with RawConnection(server) as connection:
            connection.send(data)
            answer = connection.read_answer()
        assert answer.status == 408 and answer.headers["access-control-allow-origin"] == PAGE


@pytest.mark.parametrize("path", ["/v1/models", "/healthz", "/v1/none", "/chat/completions", "/metrics"])
def test_every_answer_varies_by_origin(server, path):
    with server.http() as http:
        assert http.get(path).headers["vary"] == "Origin"
        assert http.get(path, headers={"Origin": "https://elsewhere.example"}).headers["vary"] == "Origin"


def test_a_preflight_allows_every_method_that_there_is(server):
    with server.http() as http:
        allowed = http.options("/v1/webhook_endpoints/x", headers={"Origin": PAGE, "Access-Control-Request-Method": "PATCH"})
    assert {"GET", "POST", "PATCH", "DELETE"} <= set(allowed.headers["access-control-allow-methods"].split(", "))


@pytest.mark.parametrize("fields,status", [
    ({}, 200), ({"Sec-Fetch-Site": "none"}, 200), ({"Sec-Fetch-Site": "same-origin"}, 200), ({"Sec-Fetch-Site": "same-site"}, 200),
    ({"Sec-Fetch-Site": "cross-site"}, 403), ({"Sec-Fetch-Site": "Cross-Site"}, 403),
    ({"Sec-Fetch-Site": "cross-site", "Origin": PAGE}, 200), ({"Origin": "null"}, 403), ({"Origin": "http://localhost.evil.example"}, 403),
    ({"Origin": "http://localhost@evil.example"}, 403), ({"Origin": "HTTP://LOCALHOST:80"}, 200), ({"Origin": "tauri://localhost"}, 403),
], ids=str)
@pytest.mark.parametrize("path", ["/v1/models", "/metrics"])
def test_without_keys_a_page_from_elsewhere_gets_nothing_by_get(server, path, fields, status):
    with server.http() as http:
        assert http.get(path, headers=fields).status_code == status


def test_without_keys_a_page_from_elsewhere_leases_no_work_and_sends_no_simple_post(server, tag):
    model = f"external/{tag}"
    with server.http() as http:
        made = http.post("/v1/responses", json={"model": model, "input": "x", "background": True}).json()
        image = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
        assert http.get("/v1/runner/work", params={"model": model}, headers=image).status_code == 403
        for fields in ({"Origin": "https://elsewhere.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
            simple = {"Content-Type": "text/plain", **fields}
            assert http.post(f"/v1/responses/{made['id']}/cancel", content="{}", headers=simple).status_code == 403
            assert http.post("/v1/responses", content='{"model":"rehearsal","input":"x"}', headers=simple).status_code == 403
        work = http.get("/v1/runner/work", params={"model": model})
        assert work.status_code == 200 and work.json()["response_id"] == made["id"]
        http.post(f"/v1/responses/{made['id']}/cancel")


def test_any_page_may_call_when_the_operator_says_so(start_server):
    server = start_server("--allow-origin", "*")
    for origin in ["https://anything.example", "null", "chrome-extension://abcdef"]:
        with server.http() as http:
            answer = http.get("/v1/models", headers={"Origin": origin, "Sec-Fetch-Site": "cross-site"})
            assert answer.status_code == 200 and answer.headers["access-control-allow-origin"] == origin
    with RawConnection(server) as connection:
        connection.send(b"GET /" + LONG.encode())
        assert connection.read_answer().headers["access-control-allow-origin"] == "*"


def test_an_origin_is_compared_as_browsers_compare_it(start_server):
    server = start_server("--allow-origin", "HTTPS://Bücher.example:443", "--allow-origin", "http://[0:0::1]:8000")
    with server.http() as http:
        for origin, status in [
            ("https://xn--bcher-kva.example", 200), ("https://xn--bcher-kva.example:8443", 403), ("http://xn--bcher-kva.example", 403),
            ("http://[::1]:8000", 200), ("http://[::1]", 403), ("null", 403), ("https://xn--bcher-kva.example.evil.example", 403),
        ]:
            assert http.get("/v1/models", headers={"Origin": origin}).status_code == status, origin


@pytest.mark.parametrize("origin", ["example.com", "https://example.com/a", "https://*.example.com", "https://a@example.com"])
def test_what_is_no_origin_is_refused_at_the_start(origin):
    done = run_binary("serve", "--allow-origin", origin)
    assert done.returncode == 2 and "is not an origin" in done.stderr


@pytest.mark.parametrize("name", ["everybody", "jwt:ada", "key_1"])
def test_a_reserved_name_is_refused_at_the_start(name, tmp_path):
    done = run_binary("serve", "--data", "none", "--api-key", f"{name}=a-long-enough-secret")
    assert done.returncode == 2 and "reserved" in done.stderr and "a-long-enough" not in done.stderr
    done = run_binary("keys", "create", "--data", tmp_path, name)
    assert done.returncode == 2 and "reserved" in done.stderr


def test_one_secret_under_two_names_is_refused_at_the_start():
    done = run_binary("serve", "--data", "none", "--api-key", "ada=a-long-enough-secret", "--api-key", "bob=a-long-enough-secret")
    assert done.returncode == 2 and "ada and bob" in done.stderr
