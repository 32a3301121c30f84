"""The echo servers beside Interject, built in a temporary folder and started; a peer that cannot be had is named and left out."""

import contextlib
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


class CannotBeHad(Exception):
    pass


def run(arguments, **options):
    done = subprocess.run(arguments, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise CannotBeHad((done.stderr.strip() or "failed").splitlines()[-1])


def c_program(folder, name, *libraries):
    compiler = shutil.which("cc") or "clang"
    run([compiler, "-O2", "-D_GNU_SOURCE", "-o", folder / name, HERE / f"{name}.c", *libraries])
    return [folder / name, "PORT"]


def of_socketify(folder):
    """Linked with the library that the package carries."""
    import socketify

    library = pathlib.Path(socketify.__file__).parent / "libsocketify_linux_amd64.so"
    return c_program(folder, "uws_echo", library, f"-Wl,-rpath,{library.parent}")


def python_program(name, package):
    run([sys.executable, "-c", f"import {package}"])
    return [sys.executable, HERE / name, "PORT"]


def ways(folder, binary):
    """Name and what makes the command."""
    options = ["--host", "127.0.0.1", "--port", "PORT", "--loops", "1", "--deflate", "off", "--log-level", "warning"]
    yield INTERJECT, lambda: [binary, "echo", *options]
    yield LIMIT, lambda: c_program(folder, "epoll_echo")
    yield UWEBSOCKETS, lambda: of_socketify(folder)
    yield "libwebsockets", lambda: c_program(folder, "lws_echo", "-lwebsockets")
    yield SOCKETIFY, lambda: python_program("socketify_echo.py", "socketify")
    yield "websockets on uvloop", lambda: python_program("websockets_echo.py", "websockets")


@contextlib.contextmanager
def built(binary):
    """The load's program, and the servers' commands by name."""
    with tempfile.TemporaryDirectory() as folder:
        folder, commands = pathlib.Path(folder), {}
        load = c_program(folder, "echo_load")[0]
        for name, command in ways(folder, binary):
            try:
                commands[name] = command()
            except (CannotBeHad, ImportError, OSError) as error:
                print(f"without {name}: {error}", flush=True)
        yield load, commands


@contextlib.contextmanager
def started(commands):
    with contextlib.ExitStack() as stack:
        servers = {}
        for name, command in commands.items():
            servers[name] = stack.enter_context(processes.running(command, processes.SERVER_CPU))
        yield servers
