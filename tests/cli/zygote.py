"""A process that has imported `feedline` with all its commands, and forks itself for each call: no call waits for imports.

`python -m tests.cli.zygote FD` serves on the socket FD. A request is a JSON line {arguments, environment, folder} with the file
descriptors of stdin, stdout and stderr; the answer is the process's exit code, negative for the signal that ended it.
"""

import gc
import json
import os
import socket
import sys
from importlib import import_module
from typing import Any

LONGEST_REQUEST = 1 << 20


def serve(requests: socket.socket) -> None:
    """Fork a command for each request, until the other end is closed. Returns in each of them, and in the end."""
    _import_all()
    while True:
        request, files, _, _ = socket.recv_fds(requests, LONGEST_REQUEST, 3)
        if not request:
            os._exit(0)
        child = os.fork()
        if child == 0:
            _become(json.loads(request), files)
            return
        for file in files:
            os.close(file)
        requests.sendall(b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _import_all() -> None:
    from ops.cli import COMMANDS

    for entry in COMMANDS:
        import_module(entry.implementation.partition(":")[0])
    for heavy in ("worker.connection_file", "worker.logs", "worker.amazon.client", "worker.broker.publisher", "psycopg", "alembic.command"):
        import_module(heavy)
    gc.freeze()


def _become(request: dict[str, Any], files: list[int]) -> None:
    for standard, file in enumerate(files):
        os.dup2(file, standard)
        os.close(file)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.argv = ["feedline", *request["arguments"]]


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
    from ops.cli import main

    main()
