"""Daily partitions: made ahead of time, dropped whole when the retention has passed.

Each is made and dropped in a transaction of its own, which waits for others' locks only shortly: while it waits, the fleet does.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final, NamedTuple

from sqlalchemy import Connection, text

from worker.core.ids import NUMBER_BITS, day_of, first_of_day

IDENTIFIER_OF: Final = {"message": "id", "outcome": "message_id", "feed_message": "feed_id", "shipment": "message_id"}
"""Each partitioned table's column that carries the day."""

DAYS_AHEAD: Final = 3
LOCK_MILLISECONDS: Final = 2000

_LOCK: Final = 7_301_946
"""The advisory lock under which one partition is made or dropped at a time."""


class Partition(NamedTuple):
    table: str
    day: int

    @property
    def name(self) -> str:
        return f"{self.table}_{self.day}"


def keep_partitions(begin: Callable[[], AbstractContextManager[Connection]]) -> int:
    """Make the partitions of yesterday, today and the days to come, and of every day that has rows without one. Return how many.

    *begin* begins a transaction; there is one for each partition.
    """
    with begin() as tx:
        wanted = _missing(tx)
    for partition in wanted:
        with begin() as tx:
            _make(tx, partition)
    return len(wanted)


def expired(connection: Connection, *, retention_days: int) -> list[Partition]:
    """Return the partitions of the days that are older than *retention_days*, the oldest first."""
    oldest_kept = today(connection) - retention_days
    return sorted((each for each in _existing(connection) if each.day < oldest_kept), key=lambda each: each.day)


def drop(tx: Connection, partition: Partition) -> None:
    """Drop *partition* with its rows. Raises OperationalError when the table is in use for long: try again then."""
    _take_turns(tx)
    tx.execute(text(f"DROP TABLE IF EXISTS {partition.name}"))


def today(connection: Connection) -> int:
    """Return the day that identifiers carry now, by Postgres' clock."""
    return day_of(connection.execute(text("SELECT now()")).scalar_one())


def _missing(tx: Connection) -> list[Partition]:
    here = today(tx)
    due = set(range(here - 1, here + DAYS_AHEAD + 1))
    wanted = {Partition(table, day) for table in IDENTIFIER_OF for day in due | _stray_days(tx, table)}
    return sorted(wanted - _existing(tx), key=lambda each: (abs(each.day - here), each.table))


def _stray_days(tx: Connection, table: str) -> set[int]:
    """Return the days of the rows in the default partition, where they go when there is none of their day."""
    return set(tx.execute(text(f"SELECT DISTINCT {IDENTIFIER_OF[table]} >> {NUMBER_BITS} FROM {table}_default")).scalars())


def _existing(tx: Connection) -> set[Partition]:
    rows = tx.execute(
        text(
            "SELECT p.relname, substring(c.relname FROM '_([0-9]+)$')::int FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
            "JOIN pg_class p ON p.oid = i.inhparent WHERE i.inhparent = ANY(CAST(:tables AS regclass[])) AND c.relname ~ '_[0-9]+$'"
        ),
        {"tables": list(IDENTIFIER_OF)},
    )
    return {Partition(*row) for row in rows}


def _make(tx: Connection, partition: Partition) -> None:
    """Make *partition*, unless another has, with the rows of its day that the default partition has taken in meanwhile.

    A table that is attached holds up neither readers nor writers of other days; one that is created as a partition does.
    """
    _take_turns(tx)
    if partition in _existing(tx):
        return
    table, day = partition
    column, since, until = IDENTIFIER_OF[table], first_of_day(day), first_of_day(day + 1)
    for statement in (
        f"CREATE TABLE {partition.name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)",
        f"LOCK TABLE {table}_default IN ACCESS EXCLUSIVE MODE",
        (
            f"WITH moved AS (DELETE FROM {table}_default WHERE {column} >= {since} AND {column} < {until} RETURNING *) "
            f"INSERT INTO {partition.name} SELECT * FROM moved"
        ),
        f"ALTER TABLE {table} ATTACH PARTITION {partition.name} FOR VALUES FROM ({since}) TO ({until})",
    ):
        tx.execute(text(statement))


def _take_turns(tx: Connection) -> None:
    tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    tx.execute(text(f"SET LOCAL lock_timeout = '{LOCK_MILLISECONDS}ms'"))
