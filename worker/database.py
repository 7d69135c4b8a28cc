"""Postgres: one engine a process, opened on first use so that a fork never shares a connection."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final

from psycopg import ProgrammingError
from psycopg.conninfo import make_conninfo
from sqlalchemy import Connection, Engine, create_engine, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from worker.errors import UsageError

Transaction = Connection
"""What store functions take: a connection inside a transaction that the step began and ends."""

UNREACHABLE: Final = (OperationalError, InterfaceError, PoolTimeout)
"""What SQLAlchemy raises when Postgres is away, restarting, or out of connections. The work can be tried again."""

_PROGRAM_LIMIT_EXCEEDED: Final = "54"
"""The SQLSTATE class of what no waiting mends: a row, a statement or a nesting beyond Postgres' limits."""

POOL_TIMEOUT_SECONDS: Final = 2
"""psycopg waits in C, where a shutdown cannot interrupt it: so never for long."""

_GIVEN_UP: Final = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 30_000}
"""When libpq gives up a server whose host is gone without a word: 11 s after it fell silent, 30 s (ms) where it owes acknowledgements.
The system's own limits are two hours and a quarter of one. The server looks for vanished clients by its options below."""

_OPTIONS: Final = (
    # JIT: on a day's fresh partitions, not yet analysed, Postgres took 188 ms to compile what it then read in 8.
    "-c jit=off -c lock_timeout=15s -c idle_in_transaction_session_timeout=60s "
    "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3 -c timezone=UTC"
)


_SEVERAL_HOSTS: Final = re.compile(r"(?P<before>[\w+]+://(?:[^:/@]*(?::[^@]*)?@)?)(?P<hosts>[^/?@]*,[^/?@]*)(?P<after>.*)", re.DOTALL)
_FORM: Final = "postgresql://user:password@host:port/database"
_HOST: Final = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<name>[^:]*))(?::(?P<port>\d*))?")


def sqlalchemy_url(url: str) -> URL:
    """Return *url* for psycopg. Raises UsageError when libpq could not use it; the password is not repeated.

    Several hosts, `host1:port1,host2:port2`, are libpq's: the first that answers is taken. SQLAlchemy wants them in the query.
    """
    several = _SEVERAL_HOSTS.fullmatch(url)
    hosts = [_HOST.fullmatch(host) for host in several["hosts"].split(",")] if several else []
    try:
        parsed = make_url(several["before"] + several["after"] if several else url)
    except (ArgumentError, ValueError):
        parsed = None
    if parsed is None or None in hosts:
        raise UsageError(f"it is not a URL; write {_FORM}")
    if parsed.get_backend_name() not in {"postgresql", "postgres"}:
        raise UsageError(f"it begins with {parsed.drivername}://, which is not Postgres; write {_FORM}")
    # What stands behind the first @ of a password would be taken for the host, and be told as the name that nobody knows.
    if "@" in f"{parsed.host or ''}{several['hosts'] if several else ''}{parsed.database or ''}":
        raise UsageError(f"it has an @ too many; write {_FORM}, with %40 for an @ in the password")
    unknown = [name for name in parsed.query if not _is_an_option(name)]
    if unknown:
        raise UsageError(f"Postgres' client has no option {', '.join(unknown)}; correct what stands behind the ?")
    if several:
        found = [host for host in hosts if host]
        names, ports = ((host["v6"] or host["name"] or "" for host in found), (host["port"] or "" for host in found))
        parsed = parsed.update_query_dict({"host": ",".join(names), "port": ",".join(ports)})
    return parsed.set(drivername="postgresql+psycopg")


def _is_an_option(name: str) -> bool:
    try:
        make_conninfo(**{name: ""})
    except (ProgrammingError, TypeError):
        return False
    return True


def options_of(url: URL, ours: str) -> str:
    """Return the session options of *url*, `?options=`, and *ours*, which win."""
    given = url.query.get("options", ())
    return " ".join((*((given,) if isinstance(given, str) else given), ours))


class Database:
    def __init__(self, url: str, *, application_name: str = "feedline", pool_size: int = 16) -> None:
        self._url = sqlalchemy_url(url)
        self._application_name = application_name
        self._pool_size = pool_size
        self._engine: Engine | None = None
        self._lock = Lock()

    def __repr__(self) -> str:
        return f"Database({self._url.difference_update_query(['password']).render_as_string(hide_password=True)})"

    @property
    def engine(self) -> Engine:
        with self._lock:
            if self._engine is None:
                self._engine = create_engine(
                    self._url,
                    pool_size=self._pool_size,
                    max_overflow=4,
                    pool_pre_ping=True,
                    pool_timeout=POOL_TIMEOUT_SECONDS,
                    hide_parameters=True,
                    connect_args={
                        "application_name": self._application_name,
                        "connect_timeout": 3,
                        **_GIVEN_UP,
                        "options": options_of(self._url, _OPTIONS),
                    },
                )
            return self._engine

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        """A transaction: committed at the end, rolled back when the block raises."""
        with self.engine.begin() as tx:
            yield tx

    def ping(self) -> None:
        """Raise one of `UNREACHABLE` unless Postgres answers."""
        with self.begin() as tx:
            tx.exec_driver_sql("SELECT")

    @contextmanager
    def session(self) -> Iterator[Transaction]:
        """A connection of the caller's own, on which he begins one transaction after another; its temporary tables end with it."""
        with self.engine.connect() as connection:
            try:
                yield connection
            finally:
                connection.invalidate()  # it does not go back into the pool

    def close(self) -> None:
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None


def is_of_the_data(error: Exception) -> bool:
    """Whether an `UNREACHABLE` error is about what was sent after all: psycopg counts Postgres' own limits among them."""
    sqlstate = getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None
    return sqlstate is not None and sqlstate.startswith(_PROGRAM_LIMIT_EXCEEDED)


def described(error: DBAPIError) -> str:
    """Return what may be logged of a database error: Postgres' DETAIL repeats key values, so never `str(error)`."""
    original = error.orig
    sqlstate = getattr(original, "sqlstate", None) or "no sqlstate"
    constraint = getattr(getattr(original, "diag", None), "constraint_name", None)
    return f"{type(original).__name__} {sqlstate}" + (f" on {constraint}" if constraint else "")
