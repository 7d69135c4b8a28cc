"""Leases: time-limited rights to do what one worker at a time should do. Two at once would be wasteful, not wrong."""

from worker.database import Transaction


def take(tx: Transaction, name: str, seconds: float) -> bool:
    """Take or prolong nothing that another holds: return whether *name* is ours for *seconds* now."""
    row = tx.exec_driver_sql(
        "INSERT INTO lease (name, until) VALUES (%s, now() + %s * interval '1 second') "
        "ON CONFLICT (name) DO UPDATE SET until = excluded.until WHERE lease.until < now() RETURNING name",
        (name, seconds),
    ).first()
    return row is not None


def release(tx: Transaction, name: str) -> None:
    tx.exec_driver_sql("DELETE FROM lease WHERE name = %s", (name,))
