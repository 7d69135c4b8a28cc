"""The process that keeps one server for as long as its starter lives.

Its standard input is the lifeline: whatever happens to the starter, kill -9 included, the system closes the other end, and the
keeper stops the server that it started and removes its folder. Until then it obeys the words `stop`, `start` and `kill`, one a
line, and answers each with one line of JSON on standard output.
"""

import argparse
import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator

from ops.services.containers import DockerPostgres, DockerRabbitMQ, docker_answers
from ops.services.errors import ServiceUnavailable
from ops.services.local_postgres import LocalPostgres
from ops.services.local_rabbitmq import LocalRabbitMQ
from ops.services.running import Durability, Kind, Place, RunningServer

_LIFELINE = 0
_ATTEMPTS = 3


def main() -> int:
    parser = argparse.ArgumentParser(description="Keep one server until standard input is closed.")
    parser.add_argument("kind", type=Kind)
    parser.add_argument("--durability", type=Durability, default=Durability.SAFE)
    parser.add_argument("--place", type=Place, default=Place.LOCAL)
    wanted = parser.parse_args()
    # The starter's terminal and process group are none of ours: only the lifeline and a plain kill end a keeper.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = None
    try:
        server = _started(wanted.kind, wanted.durability, wanted.place)
        for order in _orders():
            _obey(server, order)
    except ServiceUnavailable as error:
        _answer({"error": str(error)})
        return 2
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if server:
            server.remove()
    return 0


def _started(kind: Kind, durability: Durability, place: Place) -> RunningServer:
    """Start a server, again on other ports when somebody took one in the moment between choosing and listening."""
    for attempt in range(1, _ATTEMPTS + 1):
        server = _new(kind, durability, place)
        try:
            _answer(server.start())
        except BaseException as error:
            server.remove()
            if attempt == _ATTEMPTS or not isinstance(error, ServiceUnavailable) or "in use" not in str(error):
                raise
        else:
            return server
    raise AssertionError("the last attempt returns or raises")


def _new(kind: Kind, durability: Durability, place: Place) -> RunningServer:
    in_docker = place is Place.DOCKER_FIRST and docker_answers()
    match kind:
        case Kind.POSTGRES:
            return DockerPostgres(durability) if in_docker else LocalPostgres(durability)
        case Kind.RABBITMQ:
            return DockerRabbitMQ() if in_docker else LocalRabbitMQ()


def _orders() -> Iterator[str]:
    waiting = b""
    while received := os.read(_LIFELINE, 4096):
        *orders, waiting = (waiting + received).split(b"\n")
        for order in orders:
            yield order.decode()


def _obey(server: RunningServer, order: str) -> None:
    match order:
        case "start":
            _answer(server.start())
        case "stop":
            server.stop()
            _answer({})
        case "kill":
            server.kill()
            _answer({})
        case _:
            _answer({"error": f"a keeper knows start, stop and kill, not {order!r}"})


def _answer(answer: object) -> None:
    with contextlib.suppress(BrokenPipeError):  # the starter is gone; the lifeline will say so
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    sys.exit(main())
