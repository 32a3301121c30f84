"""Memory goes back to the system after a peak: what was deleted is not paid for until the next start."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from patience import PATIENCE
from processes import resident_bytes
from rehearsal import eventually, say
from sessions import Session, user_message

SESSIONS = 60
BYTES = 400_000
LEFT_BYTES = 32 << 20
WITHIN_S = 30


@pytest.mark.timeout(240)
def test_after_a_peak_memory_goes_back_to_the_system(start_server, start_rehearsal, tag):
    model = start_rehearsal()
    server = start_server("--upstream", f"{model.url}/v1")

    def talk(number, byte_count=BYTES):
        session = Session.create(server, mode="queue")
        for _ in range(2):
            items = user_message("word " * (byte_count // 5)) + user_message(say(f"{tag}{number}", tokens=60, pace=0))
            assert session.http.post(f"{session.path}/input", json={"input": items}).status_code == 202
        return session

    # The code that this runs is in memory from then on.
    for number in range(8):
        first = talk(number, byte_count=100)
        first.wait_until_idle()
        first.close()
    idle = resident_bytes(server)
    with ThreadPoolExecutor(8) as pool:
        sessions = list(pool.map(talk, range(SESSIONS)))
        eventually(lambda: resident_bytes(server) > idle + 2 * LEFT_BYTES, "a peak", timeout_s=60 * PATIENCE)
        list(pool.map(lambda session: session.close(), sessions))
    started = time.monotonic()
    eventually(lambda: resident_bytes(server) < idle + LEFT_BYTES, "it is given back", timeout_s=WITHIN_S * PATIENCE)
    print(f"idle {idle >> 20} MiB, {resident_bytes(server) >> 20} MiB after {time.monotonic() - started:.1f} s")
