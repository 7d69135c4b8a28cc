"""The command `feedline` as its users run it: a process."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryFile

import pytest

FEEDLINE = Path(sys.executable).with_name("feedline")
CHECKOUT = Path(__file__).resolve().parents[2]
SECONDS = 60

Feedline = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def zygote() -> Iterator[socket.socket]:
    """Takes requests for commands (tests/cli/zygote.py)."""
    ours, its = socket.socketpair()
    with ours, its:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.cli.zygote", str(its.fileno())], pass_fds=[its.fileno()], cwd=CHECKOUT, stdin=subprocess.DEVNULL
        )
        its.close()
        ours.settimeout(SECONDS)
        yield ours
    process.wait(SECONDS)


@pytest.fixture
def feedline(tmp_path: Path, zygote: socket.socket) -> Feedline:
    """Call with arguments, `settings` and `stdin` to run the command in an empty folder, without the machine's own settings."""

    def run(*arguments: str, settings: Mapping[str, str] | None = None, stdin: str = "") -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("FEEDLINE_")}
        request = {"arguments": arguments, "environment": {**inherited, **(settings or {})}, "folder": str(tmp_path)}
        with TemporaryFile() as given, TemporaryFile() as said, TemporaryFile() as complained:
            given.write(stdin.encode())
            given.seek(0)
            files = [given.fileno(), said.fileno(), complained.fileno()]
            socket.send_fds(zygote, [json.dumps(request).encode()], files)
            code = int(zygote.recv(64))
            said.seek(0)
            complained.seek(0)
            return subprocess.CompletedProcess(arguments, code, said.read().decode(), complained.read().decode())

    return run
