"""Wait until a server answers in its own protocol."""

import contextlib
import socket
import time
from collections.abc import Callable

from ops.services.errors import ServiceUnavailable

_AMQP_0_9_1 = b"AMQP\x00\x00\x09\x01"


def wait_until(answers: Callable[[], bool], *, has_ended: Callable[[], bool], says: Callable[[], str], within_seconds: float) -> None:
    """Return when the server answers; raise with *says* when its process ends before that, or when the time is up."""
    deadline = time.monotonic() + within_seconds
    while not answers():
        if has_ended():
            raise ServiceUnavailable(says())
        if time.monotonic() > deadline:
            raise ServiceUnavailable(f"{says()} (gave up after {within_seconds:.0f} s)")
        time.sleep(0.05)


def amqp_answers(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a broker at *port* greets a client with Connection.Start (a frame of type 1)."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=2) as connection:
        connection.sendall(_AMQP_0_9_1)
        return connection.recv(1) == b"\x01"
    return False


def postgres_answers(url: str) -> bool:
    """Whether the database at *url* lets us in."""
    import psycopg

    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
