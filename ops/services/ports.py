"""Ports for servers of ours."""

import contextlib
import secrets
import socket

# Below every system's range for outgoing connections (Linux from 32768, macOS from 49152). Inside that range a client that
# keeps trying to reach a stopped server would, sooner or later, be given the server's own port and connect to itself.
_FIRST, _LAST = 15_000, 21_900


def free_port() -> int:
    """Return a port on the loopback interface that nobody listens on at this moment."""
    while True:
        port = _FIRST + secrets.randbelow(_LAST - _FIRST)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
