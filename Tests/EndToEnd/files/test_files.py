"""/v1/files with the official SDK: what goes in comes out, is listed, expires, is nobody else's, and is bounded."""

import hashlib
import threading
import time

import openai
import pytest

from raw_http import RawConnection
from rehearsal import eventually

MEBIBYTE = 1 << 20


@pytest.fixture
def store(start_server, tmp_path):
    """A server that keeps data."""
    return start_server("--data", tmp_path / "data")


def upload(client, data=b'{"a": 1}\n', name="in.jsonl", purpose="batch", **options):
    return client.files.create(file=(name, data), purpose=purpose, **options)


def test_a_file_comes_out_as_it_went_in(store):
    client = store.sdk()
    data = b"\r\n--".join(hashlib.sha256(bytes([n % 251])).digest() * 100 for n in range(900))
    assert len(data) > 2 * MEBIBYTE
    file = upload(client, data, name="a \\ näme;=.bin", purpose="user_data")
    assert (file.object, file.bytes, file.purpose, file.status) == ("file", len(data), "user_data", "processed")
    assert file.filename == "a \\ näme;=.bin" and file.expires_at is None
    assert client.files.retrieve(file.id) == file
    assert client.files.wait_for_processing(file.id) == file
    assert client.files.content(file.id).read() == data
    assert client.files.delete(file.id).deleted
    for call in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError) as caught:
            call(file.id)
        assert caught.value.code == "file_not_found"


def test_an_empty_file_is_a_file(store):
    client = store.sdk()
    file = upload(client, b"")
    assert file.bytes == 0 and client.files.content(file.id).read() == b""


def test_files_are_listed_in_pages_in_both_orders(store):
    client = store.sdk()
    made = [upload(client, name=f"{n}.jsonl", purpose="batch" if n % 2 else "user_data").id for n in range(7)]
    assert [f.id for f in client.files.list(limit=2)] == made[::-1]
    assert [f.id for f in client.files.list(limit=3, order="asc")] == made
    assert [f.id for f in client.files.list(purpose="batch", order="asc")] == made[1::2]
    page = client.files.list(limit=3)
    assert len(page.data) == 3 and page.has_more
    with pytest.raises(openai.BadRequestError):
        client.files.list(after="file-none")
    with pytest.raises(openai.BadRequestError):
        client.files.list(order="up")


def test_a_file_has_a_time_to_live(store):
    client = store.sdk()
    file = upload(client, expires_after={"anchor": "created_at", "seconds": 3600})
    assert file.expires_at == file.created_at + 3600
    # As at OpenAI: an input of a batch is kept for 30 days if nothing else is said.
    file = upload(client)
    assert file.expires_at == file.created_at + 30 * 86400
    with pytest.raises(openai.BadRequestError) as caught:
        upload(client, expires_after={"anchor": "created_at", "seconds": 5})
    assert caught.value.param == "expires_after[seconds]"


def test_files_outlive_the_server(start_server, tmp_path):
    flags = ("--data", tmp_path / "data")
    first = start_server(*flags)
    file = upload(first.sdk(), b"kept")
    first.popen.kill()
    first.popen.wait()
    # What a crash leaves in the middle of an upload is removed.
    (tmp_path / "data/files/file-unknown.part").write_bytes(b"half")
    client = start_server(*flags).sdk()
    assert client.files.retrieve(file.id) == file
    assert client.files.content(file.id).read() == b"kept"
    assert [p.name for p in (tmp_path / "data/files").iterdir()] == [file.id]


def test_a_file_is_its_owners_alone(start_server, tmp_path):
    server = start_server("--data", tmp_path / "data", "--api-key", "ann=ka", "--api-key", "bob=kb")
    ann, bob = server.sdk("ka"), server.sdk("kb")
    file = upload(ann)
    assert not list(bob.files.list())
    for call in (bob.files.retrieve, bob.files.content, bob.files.delete):
        with pytest.raises(openai.NotFoundError):
            call(file.id)
    with pytest.raises(openai.BadRequestError) as caught:
        bob.batches.create(input_file_id=file.id, endpoint="/v1/responses", completion_window="24h")
    assert caught.value.code == "file_not_found"
    with pytest.raises(openai.BadRequestError):
        bob.files.list(after=file.id)
    assert ann.files.retrieve(file.id) == file


def test_a_file_that_is_too_large_is_refused(start_server, tmp_path):
    server = start_server("--data", tmp_path / "data", "--max-file-bytes", MEBIBYTE, "--max-file-bytes-per-owner", 2 * MEBIBYTE)
    client = server.sdk()
    with pytest.raises(openai.APIStatusError) as caught:
        upload(client, b"x" * (MEBIBYTE + 1))
    assert caught.value.status_code == 413 and caught.value.code == "file_too_large"
    files = [upload(client, b"x" * MEBIBYTE) for _ in range(2)]
    with pytest.raises(openai.APIStatusError) as caught:
        upload(client, b"x")
    assert caught.value.status_code == 413 and caught.value.code == "storage_quota_exceeded"
    client.files.delete(files[0].id)
    assert upload(client, b"x" * MEBIBYTE).bytes == MEBIBYTE
    # Nothing of what was refused stays on the disk.
    eventually(lambda: len(list((tmp_path / "data/files").iterdir())) == 2, "only the two files are there")


@pytest.mark.parametrize("fields, files, param", [
    ({}, {"file": ("a", b"x")}, "purpose"),
    ({"purpose": "nonsense"}, {"file": ("a", b"x")}, "purpose"),
    ({"purpose": "batch"}, {"other": ("a", b"x")}, "file"),
    ({"purpose": "batch", "expires_after[seconds]": "3600"}, {"file": ("a", b"x")}, "expires_after[anchor]"),
    ({"purpose": "x" * 5000}, {"file": ("a", b"x")}, "purpose"),
])
def test_a_form_that_lacks_something_is_refused(store, fields, files, param):
    with store.http() as http:
        answer = http.post("/v1/files", data=fields, files=files)
    assert answer.status_code == 400 and answer.json()["error"]["param"] == param


def test_what_is_no_form_is_refused(store):
    with store.http() as http:
        answer = http.post("/v1/files", json={"purpose": "batch"})
        assert answer.status_code == 400 and answer.json()["error"]["code"] == "invalid_form"
        answer = http.post("/v1/files", content=b"--a\r\nrubbish", headers={"Content-Type": "multipart/form-data; boundary=a"})
        assert answer.status_code == 400 and answer.json()["error"]["code"] == "invalid_form"
        assert http.put("/v1/files").status_code == 405
        assert http.get("/v1/files/file-x/contents").status_code == 404
    assert not list(store.sdk().files.list())


def cut_upload(store, files, fields=""):
    """Begins an upload, and leaves in the middle of it."""
    head = (
        f"POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n{fields}"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        '--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    )
    with RawConnection(store) as raw:
        raw.send(head.encode() + b"x" * 300_000)
        eventually(lambda: list(files.iterdir()), "the upload has begun")
    eventually(lambda: not list(files.iterdir()), "nothing is left of it")


def test_an_upload_that_is_cut_leaves_nothing(store, tmp_path):
    cut_upload(store, tmp_path / "data/files")
    assert not list(store.sdk().files.list())


def test_a_name_stands_for_one_file(store, tmp_path):
    client = store.sdk()
    named = {"extra_headers": {"Idempotency-Key": "k"}}
    file = upload(client, **named)
    assert upload(client, **named).id == file.id
    for other in ({"data": b"{}\n"}, {"name": "other.jsonl"}, {"purpose": "user_data"}):
        with pytest.raises(openai.UnprocessableEntityError) as caught:
            upload(client, **other, **named)
        assert caught.value.code == "idempotency_key_reused"
    assert [one.id for one in client.files.list()] == [file.id]
    eventually(lambda: len(list((tmp_path / "data/files").iterdir())) == 1, "nothing is left of the others")
    assert client.files.content(file.id).read() == b'{"a": 1}\n'


def test_an_upload_that_is_cut_leaves_its_name_free(store, tmp_path):
    cut_upload(store, tmp_path / "data/files", "Idempotency-Key: k\r\n")
    client = store.sdk()
    assert upload(client, extra_headers={"Idempotency-Key": "k"}).bytes == 9


@pytest.mark.resident
def test_a_large_file_does_not_go_through_memory(start_server, tmp_path):
    server = start_server("--data", tmp_path / "data", "--loops", 1)
    client = server.sdk()

    def resident_mebibytes():
        status = open(f"/proc/{server.popen.pid}/status").read()
        return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024

    before = resident_mebibytes()
    block = bytes(range(256)) * 4096
    path = tmp_path / "large"
    with path.open("wb") as out:
        for _ in range(200):
            out.write(block)
    file = upload(client, path.open("rb"))
    assert file.bytes == 200 * MEBIBYTE
    digest = hashlib.sha256()
    with client.files.with_streaming_response.content(file.id) as answer:
        assert int(answer.headers["content-length"]) == file.bytes
        for piece in answer.iter_bytes(MEBIBYTE):
            digest.update(piece)
    assert digest.digest() == hashlib.sha256(path.read_bytes()).digest()
    assert resident_mebibytes() - before < 40


def test_others_are_served_during_an_upload(start_server, tmp_path):
    """One loop, a client that sends slowly: the loop is not its own."""
    server = start_server("--data", tmp_path / "data", "--loops", 1)

    class Slow:
        def __init__(self):
            self.left = 5
            self.released = threading.Event()

        def __iter__(self):
            yield (b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n'
                   b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n')
            yield b"x" * 100_000
            self.released.wait(60)
            yield b"y\r\n--b--\r\n"

    slow, answers = Slow(), []

    def send():
        with server.http() as http:
            headers = {"Content-Type": "multipart/form-data; boundary=b"}
            answers.append(http.post("/v1/files", content=iter(slow), headers=headers))

    sender = threading.Thread(target=send)
    sender.start()
    eventually(lambda: list((tmp_path / "data/files").iterdir()), "the upload has begun")
    client = server.sdk()
    assert upload(client, b"quick").bytes == 5
    slow.released.set()
    sender.join()
    assert answers[0].status_code == 200 and answers[0].json()["bytes"] == 100_001


def test_a_server_that_keeps_nothing_says_so(start_server):
    with pytest.raises(openai.APIStatusError) as caught:
        upload(start_server("--data", "none").sdk())
    assert caught.value.status_code == 501 and caught.value.code == "storage_disabled"
