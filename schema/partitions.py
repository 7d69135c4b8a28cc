"""Daily partitions: made ahead of time, dropped whole when the retention has passed."""

from typing import Final

from sqlalchemy import Connection, text

from worker.core.ids import day_of, first_of_day

PARTITIONED: Final = ("message", "outcome", "feed_message", "shipment")
DAYS_AHEAD: Final = 3


def _existing(connection: Connection, table: str) -> dict[int, str]:
    rows = connection.execute(
        text("SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = to_regclass(:table)"),
        {"table": table},
    )
    names = [row[0] for row in rows if row[0] != f"{table}_default"]
    return {int(name.rsplit("_", 1)[1]): name for name in names}


def ensure_partitions(connection: Connection) -> int:
    """Make the partitions of yesterday, today and the days to come. Return how many were made."""
    today = day_of(connection.execute(text("SELECT now()")).scalar_one())
    made = 0
    for table in PARTITIONED:
        existing = _existing(connection, table)
        for day in range(today - 1, today + DAYS_AHEAD + 1):
            if day not in existing:
                connection.execute(
                    text(
                        f"CREATE TABLE IF NOT EXISTS {table}_{day} PARTITION OF {table} "
                        f"FOR VALUES FROM ({first_of_day(day)}) TO ({first_of_day(day + 1)})"
                    )
                )
                made += 1
    return made


def drop_partitions(connection: Connection, *, retention_days: int) -> int:
    """Drop the days that are older than *retention_days*, and the identities of their messages. Return how many days went."""
    today = day_of(connection.execute(text("SELECT now()")).scalar_one())
    oldest_kept = today - retention_days
    dropped = {day: None for table in PARTITIONED for day in _existing(connection, table) if day < oldest_kept}
    for day in dropped:
        for table in PARTITIONED:
            connection.execute(text(f"DROP TABLE IF EXISTS {table}_{day}"))
    if dropped:
        bound = {"bound": first_of_day(oldest_kept)}
        connection.execute(text("DELETE FROM identity WHERE message_id < :bound"), bound)
        connection.execute(text("DELETE FROM repeat WHERE message_id < :bound"), bound)
    return len(dropped)
