"""HTTP to Amazon: one connection pool a process, nothing repeated behind our back, nothing secret in an error."""

import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Final, Protocol

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from worker.clock import Clock
from worker.errors import NotSent, Refused, Unclear
from worker.version import version

ANSWER_BYTES: Final = 16 * 1024 * 1024
"""Most bytes that are read of an answer of the API; twenty listings with all their data have about one MiB."""

USER_AGENT: Final = f"Feedline/{version()} (Language=Python/{platform.python_version()}; Platform={platform.system()})"
"""Source: Amazon's "Include a User-Agent header in all requests"; at most 500 characters."""

CONNECTIONS: Final = 16
"""Kept open to one host: as many as a worker process has threads."""


class Observe(Protocol):
    """Called once for every HTTP exchange. `status`: Amazon's code, `no_connection` or `no_answer`."""

    def __call__(self, operation: str, status: str, seconds: float) -> None: ...


@dataclass(frozen=True, repr=False)
class Answer:
    """`body` is as sent, never unpacked. Prints neither body nor headers."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"Answer({self.status}, {len(self.body)} bytes)"

    @property
    def request_id(self) -> str | None:
        """What Amazon's support asks for."""
        return self.headers.get("x-amzn-RequestId")


class Http:
    """Opened on first use, so that a fork never shares a connection. Safe for threads."""

    def __init__(self, clock: Clock, observe: Observe) -> None:
        self._clock, self._observe = clock, observe
        self._pool: urllib3.PoolManager | None = None
        self._lock = Lock()

    def send(
        self,
        operation: str,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        timeout: urllib3.Timeout,
        most_bytes: int = ANSWER_BYTES,
    ) -> Answer:
        """Send once and return the whole answer, whatever its status.

        Raises:
            NotSent: no connection was made.
            Unclear: no answer, or a part of one.
            Refused: the answer has more than *most_bytes*.
        """
        with self.opened(operation, method, url, headers=headers, body=body, timeout=timeout) as response:
            content = response.read(most_bytes + 1, decode_content=False)
        if len(content) > most_bytes:
            raise Refused(operation, f"the answer has more than {most_bytes} bytes", code="ANSWER_TOO_LARGE", status=response.status)
        return Answer(response.status, response.headers, content)

    @contextmanager
    def opened(
        self, operation: str, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None, timeout: urllib3.Timeout
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """Send once, and yield the answer whose body is yet to be read; it is never unpacked.

        Raises: NotSent and Unclear as `send`, the latter also for what urllib3 raises in the block.
        """
        began = self._clock.monotonic()
        status = "no_answer"
        try:
            response = self._opened().request(
                method,
                url,
                headers=headers,
                body=body,
                timeout=timeout,
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            is_read = False
            try:
                yield response
                is_read = response.closed or not response.length_remaining
            finally:
                # A connection with a rest of the answer on it serves nobody.
                response.release_conn() if is_read else response.close()
            status = str(response.status)
        except (NewConnectionError, ConnectTimeoutError) as error:
            # Their texts name hosts and URLs; a presigned URL is a credential.
            status = "no_connection"
            raise NotSent(operation, f"no connection ({type(error).__name__})") from None
        except HTTPError as error:
            raise Unclear(operation, f"no answer ({type(error).__name__})") from None
        finally:
            self._observe(operation, status, self._clock.monotonic() - began)

    def close(self) -> None:
        with self._lock:
            if self._pool is not None:
                self._pool.clear()
                self._pool = None

    def _opened(self) -> urllib3.PoolManager:
        with self._lock:
            if self._pool is None:
                self._pool = urllib3.PoolManager(num_pools=CONNECTIONS, maxsize=CONNECTIONS, retries=False)
            return self._pool
