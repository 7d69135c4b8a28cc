"""Leases: time-limited rights to do what one worker at a time should do. Two at once would be wasteful, not wrong."""

from datetime import datetime

from worker.database import Transaction


def take(tx: Transaction, name: str, seconds: float) -> bool:
    """Return whether *name* is ours for *seconds* from now; not while another holds it."""
    row = tx.exec_driver_sql(
        "INSERT INTO lease (name, until) VALUES (%s, now() + %s * interval '1 second') "
        "ON CONFLICT (name) DO UPDATE SET until = excluded.until WHERE lease.until < now() RETURNING name",
        (name, seconds),
    ).first()
    return row is not None


def keep(tx: Transaction, name: str, seconds: float) -> None:
    """Hold *name* for *seconds* from now, so that nobody takes it up before."""
    tx.exec_driver_sql("UPDATE lease SET until = now() + %s * interval '1 second' WHERE name = %s", (seconds, name))


def keep_until(tx: Transaction, name: str, until: datetime) -> None:
    tx.exec_driver_sql("UPDATE lease SET until = %s WHERE name = %s", (until, name))


def release(tx: Transaction, name: str) -> None:
    tx.exec_driver_sql("DELETE FROM lease WHERE name = %s", (name,))
