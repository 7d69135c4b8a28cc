"""Outcomes, and the outbox entry that tells of them: one write, so that none is told without being so."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from worker.core.outcomes import Settled
from worker.database import Transaction
from worker.store import codec, outbox
from worker.store.copying import copy_rows


class Ended(NamedTuple):
    """A settled message and the connection it belongs to, if there is one."""

    connection_id: int | None
    settled: Settled


def record(tx: Transaction, ended: Sequence[Ended], at: datetime) -> None:
    """Write the outcome of every message in *ended*, and one outbox entry for all."""
    if not ended:
        return
    decided_at = at.isoformat()  # psycopg would write it anew for every row
    copy_rows(
        tx,
        "outcome (message_id, connection_id, type, outcome, reason, superseded_by, feed_id, feed_message_id, issues, facets, decided_at)",
        (
            (
                settled.message,
                connection_id,
                settled.type,
                settled.outcome,
                settled.reason,
                settled.by if settled.outcome == "superseded" else None,
                settled.feed_id,
                settled.feed_message_id,
                codec.text(settled.issues) if settled.issues else None,
                codec.text(settled.facets) if settled.is_mixed else None,
                decided_at,
            )
            for connection_id, settled in ended
        ),
    )
    outbox.tell_outcomes(tx, [settled.message for _, settled in ended], at)
