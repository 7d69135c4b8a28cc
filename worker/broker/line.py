"""A connection to RabbitMQ with its one channel. All that happens to it happens in the thread that runs its loop, while it runs it."""

from collections.abc import Callable, Sequence
from typing import Final

import pika
from pika.adapters.select_connection import IOLoop, SelectConnection
from pika.channel import Channel


class Line:
    """Connects to the first of *nodes* that answers, and opens a channel, as soon as its loop runs.

    *opened*: takes the channel. *lost*: takes pika's reason, once, when there is no channel any more, or never will be one; the
    loop stops by itself after it.
    """

    def __init__(self, nodes: Sequence[pika.URLParameters], opened: Callable[[Channel], None], lost: Callable[[object], None]) -> None:
        self.loop: Final = IOLoop()
        self._opened = opened
        self._lost = lost
        self._is_lost = False
        self._connection: SelectConnection | None = None
        self._connecting = SelectConnection.create_connection(nodes, self._connected, custom_ioloop=self.loop)

    def close(self) -> None:
        """Close the connection, or give up making one. It is closed when the loop stops."""
        if self._connecting is not None:
            self._connecting.abort()
        elif self._connection is not None and self._connection.is_open:
            self._connection.close()
        elif self._connection is None or self._connection.is_closed:
            self._stop_soon()

    def abort(self) -> None:
        """Let go of a connection that nobody closes with us."""
        if self._connection is not None and not self._connection.is_closed:
            self._connection._adapter_disconnect_stream()  # noqa: SLF001  # as pika's heartbeat check does: there is no public way
        else:
            self.loop.stop()

    def _connected(self, result: object) -> None:
        self._connecting = None
        if not isinstance(result, SelectConnection):
            self._end(result)
            self._stop_soon()
            return
        self._connection = result
        result.add_on_close_callback(self._connection_closed)
        result.channel(on_open_callback=self._channel_open)

    def _channel_open(self, channel: Channel) -> None:
        channel.add_on_close_callback(self._channel_closed)
        self._opened(channel)

    def _channel_closed(self, _channel: Channel, reason: object) -> None:
        self._end(reason)
        self.close()

    def _connection_closed(self, _connection: SelectConnection, reason: object) -> None:
        self._end(reason)
        self._stop_soon()

    def _end(self, reason: object) -> None:
        if not self._is_lost:
            self._is_lost = True
            self._lost(reason)

    def _stop_soon(self) -> None:
        """Stop after what pika has put off until the loop's next turn: it closes the socket there."""
        self.loop.add_callback(self.loop.stop)
