"""What commits write: the frames of SQLite's write-ahead log (https://www.sqlite.org/fileformat2.html#walformat)."""

import collections
import pathlib
import sqlite3
import struct
import time

HEADER_BYTES, FRAME_HEADER_BYTES = 32, 24
#: Just after the log began anew there are few commits in it.
LEAST_COMMITS, PATIENCE_S = 20, 2.0


def commits(path):
    """The numbers of the pages that each commit wrote, oldest first, since the log last began anew."""
    data = pathlib.Path(path).read_bytes()
    if len(data) < HEADER_BYTES:
        return []
    page_size, _, *salts = struct.unpack_from(">4I", data, 8)
    found, pages = [], []
    for start in range(HEADER_BYTES, len(data) - FRAME_HEADER_BYTES - page_size + 1, FRAME_HEADER_BYTES + page_size):
        page, size_after_commit, *frame_salts = struct.unpack_from(">4I", data, start)
        if frame_salts != salts:
            break
        pages.append(page)
        if size_after_commit:
            found.append(pages)
            pages = []
    return found


def owners(database):
    """Page → the table or index that it belongs to; empty where SQLite was built without dbstat."""
    try:
        connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=5)
        try:
            # The first page has the file's header, too, and that is why it is written.
            return {page: name for name, page in connection.execute("SELECT name, pageno FROM dbstat")} | {1: "the first page"}
        finally:
            connection.close()
    except sqlite3.Error:
        return {}


def pages_of_commits(folder):
    """Table or index → pages that a commit writes of it, on average, while the server runs."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = commits(pathlib.Path(folder) / "interject.sqlite-wal")
        if len(found) >= LEAST_COMMITS or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    if not found:
        return {}
    names = owners(pathlib.Path(folder) / "interject.sqlite")
    counts = collections.Counter(names.get(page, "freed since") for pages in found for page in pages)
    return {name: count / len(found) for name, count in counts.most_common()}


def description(pages):
    return ", ".join(f"{name} {count:.2f}" for name, count in pages.items())
