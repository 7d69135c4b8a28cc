"""Postgres' clock, by which every wait is kept: noted now and then, to see that it was set back.

Every wait would else last longer by as much as the clock went back. The bookkeeping of usage plans minds this by itself.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from worker.database import Transaction
from worker.store import leases

NOTE: Final = "clock"
NOTE_SECONDS: Final = 10
"""A lease of so long is the note: one that has longer to go was taken when the clock was further ahead."""

TOLERANCE: Final = timedelta(seconds=5)
"""By so much the clock of a standby may be behind that of the Postgres whose place it takes; such a wait is not worth the trouble."""


class Waits(NamedTuple):
    """Columns that say until when somebody waits, or since when. *which*: the rows of *table* where they still matter."""

    table: str
    columns: Sequence[str]
    which: str = "true"


# Whoever locks several keys does so in the order of `keys.lock`.
_TO_COME: Final = """(connection_id, kind, key) IN (
    SELECT connection_id, kind, key FROM key_state WHERE pending_since > now() ORDER BY key, connection_id, kind FOR UPDATE)"""

WAITS: Final = (
    Waits("feed", ("due_at", "claimed_until", "dispatched_until", "submitted_at", "unclear_since"), "due_at IS NOT NULL"),
    Waits("lane", ("not_before", "dispatched_until", "flush_until")),
    Waits("key_state", ("pending_since",), _TO_COME),
    Waits("run", ("due_at", "claimed_until", "dispatched_until"), "due_at IS NOT NULL"),
    Waits("schedule", ("tick", "due_at"), "due_at > now()"),
    Waits("account", ("access_expires_at", "access_renew_at", "renewing_until", "login_not_before")),
    Waits("lease", ("until",)),
)
"""To be shortened in this order, each in a transaction of its own, so that nobody waits in a circle.

The note of the clock is among the last: after a crash all is done again, and what is shortened too much costs an early look.
"""


def note(tx: Transaction) -> timedelta | None:
    """Note the time. Return by how much the clock has been set back since the last note, at least; None when it has not."""
    if leases.take(tx, NOTE, NOTE_SECONDS):
        return None
    left: timedelta = tx.exec_driver_sql("SELECT until - now() FROM lease WHERE name = %s", (NOTE,)).scalar_one()
    back = left - timedelta(seconds=NOTE_SECONDS)
    return back if back > TOLERANCE else None


def shorten(tx: Transaction, waits: Waits, by: timedelta) -> None:
    """Bring all that *waits* tell so much nearer."""
    moved = ", ".join(f"{column} = {column} - %(by)s" for column in waits.columns)
    tx.exec_driver_sql(f"UPDATE {waits.table} SET {moved} WHERE {waits.which}", {"by": by})
