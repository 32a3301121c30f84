"""A disk that takes nothing more, and how ready the server then says that it is."""

import resource


def limit(server, byte_count):
    """Files of the server may have so many bytes: a write beyond fails, as on a disk that is full."""
    resource.prlimit(server.popen.pid, resource.RLIMIT_FSIZE, (byte_count, resource.RLIM_INFINITY))


def fill(server):
    # Less than one frame of the write-ahead log, which begins anew from time to time: what it had taken before has room in it.
    limit(server, 4096)


def readiness(server):
    with server.http() as http:
        answer = http.get("/readyz")
    return answer.status_code, answer.json()["status"]
