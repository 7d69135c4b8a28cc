"""The proxy that fails on purpose must fail in just the way that a test asked for."""

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.eventually import eventually
from tests.tcp_proxy import TcpProxy


@pytest.fixture
def echo_url() -> Iterator[str]:
    """A server that sends back what it gets."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=echo, args=(connection,), daemon=True).start()

        def echo(connection: socket.socket) -> None:
            with connection:
                try:
                    while received := connection.recv(1024):
                        connection.sendall(received)
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def _connect(proxy: TcpProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def _ends(connection: socket.socket) -> bool:
    try:
        return connection.recv(100) == b""
    except ConnectionError:
        return True


def test_it_forwards_until_it_is_cut_and_serves_new_connections_after(tcp_proxy: Callable[[str], TcpProxy], echo_url: str) -> None:
    proxy = tcp_proxy(echo_url)
    with _connect(proxy) as first, _connect(proxy) as second:
        first.sendall(b"hello")
        assert first.recv(100) == b"hello"

        proxy.cut()

        assert _ends(first)
        assert _ends(second)
    with _connect(proxy) as third:
        third.sendall(b"again")
        assert third.recv(100) == b"again"


def test_it_refuses_until_it_is_healed_on_the_same_port(tcp_proxy: Callable[[str], TcpProxy], echo_url: str) -> None:
    proxy = tcp_proxy(echo_url)
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        _connect(proxy)

    proxy.heal()

    with _connect(proxy) as connection:
        connection.sendall(b"hello")
        assert connection.recv(100) == b"hello"


def test_it_loses_the_answer_after_the_request_has_arrived(tcp_proxy: Callable[[str], TcpProxy], echo_url: str) -> None:
    proxy = tcp_proxy(echo_url)
    proxy.drop_answer_after(3)
    with _connect(proxy) as connection:
        connection.sendall(b"hello")

        received = connection.recv(100)

        assert received == b"hel"
        assert _ends(connection)


def test_it_holds_everything_back_and_loses_nothing(tcp_proxy: Callable[[str], TcpProxy], echo_url: str) -> None:
    proxy = tcp_proxy(echo_url)
    with _connect(proxy) as connection:
        connection.sendall(b"1")
        assert connection.recv(1) == b"1"
        proxy.hold()
        connection.sendall(b"2")
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)

        proxy.heal()
        connection.settimeout(5)

        assert connection.recv(1) == b"2"


def test_it_delays_in_both_directions(tcp_proxy: Callable[[str], TcpProxy], echo_url: str) -> None:
    proxy = tcp_proxy(echo_url)
    proxy.delay(0.1)
    with _connect(proxy) as connection:
        began = time.monotonic()
        connection.sendall(b"hello")

        assert connection.recv(100) == b"hello"
        assert time.monotonic() - began >= 0.2


def test_eventually_shows_what_it_last_saw() -> None:
    with pytest.raises(AssertionError, match=r"not within 0.05 s; last seen: 0"):
        eventually(lambda: 0, within_seconds=0.05)


def test_eventually_shows_the_last_error() -> None:
    with pytest.raises(AssertionError, match=r"last error: ZeroDivisionError"):
        eventually(lambda: 1 / 0, within_seconds=0.05)
