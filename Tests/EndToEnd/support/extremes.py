"""Numbers at the end of what types hold, and beyond, as texts that stand in JSON where a number is wanted."""

import time

from patience import PATIENCE

# What a strict parser takes as a value: numbers of all kinds, and texts in the place of one.
VALUES = [
    "9223372036854775807", "-9223372036854775808", "9223372036854775808", "-9223372036854775809", "18446744073709551615",
    "18446744073709551616", "9007199254740991", "9007199254740993", "-9007199254740993", "4294967296", "2147483648", "-1", "0",
    "-0", "-0.0", "1.5", "1e300", "-1e300", "1e308", "1e309", "-1e309", "1e-300", "1e999999999", "1" + "0" * 400,
    "0." + "1" * 400, '"9223372036854775807"', '"1e300"', '"NaN"', '"Infinity"', '"-1"', "null", "true", "[]", "{}"]
# And what it refuses.
NO_JSON = ["NaN", "Infinity", "-Infinity", "01", "+1", "0x7fffffffffffffff", "1e", "--1"]
# As they stand in fields, query parameters, flags and variables.
TEXTS = [value.strip('"') for value in VALUES if value[0] not in "[{"] + NO_JSON + ["1_000", "٣", "", " 7 ", "1e400s"]


def lives(process, doing=""):
    """The process lives and serves."""
    assert process.popen.poll() is None, f"the process ended with {process.popen.poll()} after {doing}\n{process.log_tail(15)}"
    with process.http(timeout=20 * PATIENCE) as http:
        answer = http.get("/healthz")
    assert answer.status_code == 200, f"{answer.status_code} after {doing}"


def lives_soon(process, doing, within_s=20 * PATIENCE):
    """As `lives`, of a process that may be busy for a moment."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            return lives(process, doing)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
