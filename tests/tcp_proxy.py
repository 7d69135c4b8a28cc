"""A TCP proxy whose network can be made to fail."""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from typing import Self, TypeVar
from urllib.parse import urlsplit, urlunsplit

Result = TypeVar("Result")
_CHUNK_BYTES = 65_536


class TcpProxy:
    """Forwards a port of its own to another one, and fails as it is told: cut, delay, lose the answer, refuse.

    Every change holds for connections that are open and for later ones, until `heal`.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._connections: set[asyncio.StreamWriter] = set()
        self._delay_seconds = 0.0
        self._answer_bytes_left: int | None = None
        self._passes = asyncio.Event()
        self._passes.set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tcp-proxy", daemon=True)
        self._thread.start()
        self._server: asyncio.Server | None = self._run(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    @classmethod
    def to(cls, url: str) -> Self:
        """Return a proxy in front of the server that *url* names."""
        parts = urlsplit(url)
        if parts.port is None:
            raise ValueError(f"the URL must name its port: {url}")
        return cls(parts.hostname or "127.0.0.1", parts.port)

    def url(self, target_url: str) -> str:
        """Return *target_url* with our address in place of the server's."""
        parts = urlsplit(target_url)
        who = parts.netloc.rpartition("@")[0]
        return urlunsplit(parts._replace(netloc=f"{who}@127.0.0.1:{self.port}" if who else f"127.0.0.1:{self.port}"))

    @property
    def open_sides(self) -> int:
        """How many connections are open, those to the other port counted, too."""
        return sum(not writer.is_closing() for writer in list(self._connections))

    def cut(self) -> None:
        """Break every open connection, as a dying switch does. New ones are served."""
        self._run(self._abort_all())

    def refuse(self) -> None:
        """Break every open connection and refuse new ones."""
        self._run(self._close_server())
        self.cut()

    def hold(self) -> None:
        """Keep every connection open and pass nothing on, in either direction: a network that swallows packets."""
        self._loop.call_soon_threadsafe(self._passes.clear)

    def delay(self, seconds: float) -> None:
        """Pass every chunk on this much later."""
        self._delay_seconds = seconds

    def drop_answer_after(self, count_bytes: int) -> None:
        """Let this many more bytes of answers through, over all connections, then cut: the request has arrived, the answer is lost."""
        self._answer_bytes_left = count_bytes

    def heal(self) -> None:
        """Be a good network again, on the same port."""
        self._delay_seconds, self._answer_bytes_left = 0.0, None
        self._loop.call_soon_threadsafe(self._passes.set)
        if self._server is None:
            self._server = self._run(asyncio.start_server(self._serve, "127.0.0.1", self.port))

    def close(self) -> None:
        self.refuse()
        self._run(self._finish())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            server_reader, server_writer = await asyncio.open_connection(*self._target)
        except OSError:
            self._abort(writer)
            return
        self._connections.add(server_writer)
        try:
            async with asyncio.TaskGroup() as directions:
                directions.create_task(self._forward(reader, server_writer, is_answer=False))
                directions.create_task(self._forward(server_reader, writer, is_answer=True))
        except* OSError:
            pass  # either side is gone; both are aborted below
        except* asyncio.CancelledError:
            pass  # the proxy is closed
        finally:
            self._abort(writer)
            self._abort(server_writer)

    async def _forward(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, is_answer: bool) -> None:
        while chunk := await source.read(_CHUNK_BYTES):
            if self._delay_seconds:
                await asyncio.sleep(self._delay_seconds)
            await self._passes.wait()
            if is_answer and self._answer_bytes_left is not None:
                chunk = chunk[: self._answer_bytes_left]
                self._answer_bytes_left -= len(chunk)
                target.write(chunk)
                await target.drain()
                if self._answer_bytes_left == 0:
                    raise ConnectionAbortedError
                continue
            target.write(chunk)
            await target.drain()
        if target.can_write_eof():
            target.write_eof()

    def _abort(self, writer: asyncio.StreamWriter) -> None:
        self._connections.discard(writer)
        writer.transport.abort()

    async def _abort_all(self) -> None:
        for writer in list(self._connections):
            self._abort(writer)

    async def _close_server(self) -> None:
        if self._server:
            self._server.close()
            self._server = None

    async def _finish(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*others, return_exceptions=True)

    def _run(self, work: Coroutine[object, object, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)
