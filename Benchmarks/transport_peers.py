"""The servers beside Interject, built in a temporary folder and started; a peer that cannot be had is named and left out."""

import contextlib
import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import processes

HERE = pathlib.Path(__file__).parent / "peers"
INTERJECT, LIMIT, UWEBSOCKETS, SOCKETIFY = (
    "Interject", "epoll loop in C (the limit)", "uWebSockets, handler in C", "socketify, handler in Python",
)  # fmt: skip
#: A process of several threads pays for each call that names a descriptor, and any server with a store has several.
UWEBSOCKETS_BESIDE_A_THREAD = "uWebSockets, beside a thread that sleeps"
LIMIT_BESIDE_A_THREAD = "epoll loop in C, beside a thread that sleeps"
AIMED_AT = (INTERJECT, LIMIT, LIMIT_BESIDE_A_THREAD, UWEBSOCKETS, UWEBSOCKETS_BESIDE_A_THREAD)
PLAIN, TLS, DEFLATE, FAN_OUT = "plain", "tls", "deflate", "fan-out"
ALL = (PLAIN, TLS, DEFLATE, FAN_OUT)
OPENSSL = ["-lssl", "-lcrypto"]
NIO_BUILD = HERE.parent / ".build-nio"
#: What Interject's echo is told; the compressors as the peers' (window bits 10, memory level 3, every message).
INTERJECT_FLAGS = {
    PLAIN: ["--deflate", "off"],
    TLS: ["--deflate", "off", "--tls-certificate", "CERTIFICATE", "--tls-key", "KEY"],
    DEFLATE: ["--deflate-window-bits", "10", "--deflate-memory-level", "3", "--deflate-min-bytes", "0"],
    FAN_OUT: ["--fan-out"],
}


class CannotBeHad(Exception):
    pass


@dataclasses.dataclass
class Peer:
    """Programs take `PORT MODE CERTIFICATE KEY`, as many of them as they need."""

    name: str
    modes: tuple
    command: list
    #: Of idle connections, and none at full rate when 0: some take long to make them.
    most_idle: int = 1 << 20


def run(arguments, **options):
    done = subprocess.run(arguments, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise CannotBeHad((done.stderr.strip() or "failed").splitlines()[-1])


def c_program(folder, name, *libraries):
    compiler = shutil.which("cc") or "clang"
    run([compiler, "-O2", "-D_GNU_SOURCE", "-o", folder / name, HERE / f"{name}.c", *libraries])
    return folder / name


def beside_a_thread(folder):
    return ["env", f"LD_PRELOAD={c_program(folder, 'sleeping_thread', '-shared', '-fPIC', '-pthread')}"]


def of_socketify(folder):
    """Linked with the library that the package carries."""
    import socketify

    library = pathlib.Path(socketify.__file__).parent / "libsocketify_linux_amd64.so"
    return c_program(folder, "uws_echo", library, f"-Wl,-rpath,{library.parent}")


def python_program(name, package):
    run([sys.executable, "-c", f"import {package}"])
    return [sys.executable, HERE / name]


def nio(build):
    """Minutes the first time: only when asked for, or when it was built before."""
    program = NIO_BUILD / "release/NIOEcho"
    if build:
        swift = os.environ.get("SWIFT", "swift")
        run([swift, "build", "-c", "release", "--package-path", HERE / "NIOEcho", "--scratch-path", NIO_BUILD])
    elif not program.exists():
        raise CannotBeHad("give --nio to have it built")
    return program


def of_interject(name, binary):
    listen = ["--host", "127.0.0.1", "--port", "PORT", "--loops", "1", "--log-level", "warning"]
    return Peer(name, ALL, [binary, "echo", *listen, "FLAGS"])


def peers(folder, binary, build_nio):
    """Name and what makes the peer."""
    three = ["PORT", "MODE", "CERTIFICATE", "KEY"]
    python = "websockets on uvloop"
    yield INTERJECT, lambda name: of_interject(name, binary)
    yield LIMIT, lambda name: Peer(name, (PLAIN, TLS, FAN_OUT), [c_program(folder, "epoll_echo", *OPENSSL), *three])
    yield LIMIT_BESIDE_A_THREAD, lambda name: Peer(
        name, (PLAIN, TLS, FAN_OUT), [*beside_a_thread(folder), c_program(folder, "epoll_echo", *OPENSSL), *three], most_idle=0)
    yield "io_uring in C", lambda name: Peer(name, (PLAIN,), [c_program(folder, "uring_echo"), "PORT", "MODE"])
    yield UWEBSOCKETS, lambda name: Peer(name, ALL, [of_socketify(folder), *three])
    yield UWEBSOCKETS_BESIDE_A_THREAD, lambda name: Peer(
        name, ALL, [*beside_a_thread(folder), of_socketify(folder), *three], most_idle=0)
    # The ten-thousandth connect takes seven times the processor time of the first.
    yield "libwebsockets", lambda name: Peer(
        name, (PLAIN, TLS, DEFLATE), [c_program(folder, "lws_echo", "-lwebsockets"), *three], most_idle=5000)
    yield "SwiftNIO", lambda name: Peer(name, (PLAIN, FAN_OUT), [nio(build_nio), "PORT", "MODE"])
    # Alone it takes 15 ms for a connect.
    yield SOCKETIFY, lambda name: Peer(
        name, (PLAIN, FAN_OUT), [*python_program("socketify_echo.py", "socketify"), "PORT", "MODE"], most_idle=0)
    yield python, lambda name: Peer(name, ALL, [*python_program("websockets_echo.py", "websockets"), *three])


@contextlib.contextmanager
def load_programs():
    """A folder with the load's programs and a certificate."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for name in ("echo_load", "fanout_load", "connect_load"):
            c_program(folder, name, *OPENSSL, "-lz")
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", folder / "key.pem"]
        run(["openssl", "req", "-x509", *key, "-out", folder / "certificate.pem", "-days", "2", "-subj", "/CN=localhost"])
        yield folder


@contextlib.contextmanager
def built(binary, build_nio=False):
    """The folder of the load's programs, and those servers that can be had."""
    with load_programs() as folder:
        had = []
        for name, make in peers(folder, binary, build_nio):
            try:
                had.append(make(name))
            except (CannotBeHad, ImportError, OSError) as error:
                print(f"without {name}: {error}", flush=True)
        yield folder, had


@contextlib.contextmanager
def started(folder, had, mode):
    """The processes of those that can do it, by name; one that does not start is named and left out."""
    values = {"MODE": mode, "CERTIFICATE": folder / "certificate.pem", "KEY": folder / "key.pem"}
    with contextlib.ExitStack() as stack:
        servers = {}
        for peer in had:
            if mode not in peer.modes:
                continue
            command = [part for word in peer.command for part in (INTERJECT_FLAGS[mode] if word == "FLAGS" else [word])]
            command = [values.get(word, word) for word in command]
            try:
                servers[peer.name] = stack.enter_context(processes.running(command, processes.SERVER_CPU))
            except SystemExit as error:
                print(f"without {peer.name} for {mode}: {error}", flush=True)
        yield servers
