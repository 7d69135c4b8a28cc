"""Outcomes, and the outbox entry that tells of them: one write, so that none is told without being so."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from worker.core.outcomes import Settled
from worker.database import Transaction
from worker.store import codec
from worker.store.copying import JSON_LINES, LINES, NUMBERS, array_of_numbers, lines
from worker.store.outbox import OUTCOME


class Ended(NamedTuple):
    """A settled message and the connection it belongs to, if there is one."""

    connection_id: int | None
    settled: Settled


_COLUMNS: Final = "message_id, connection_id, type, outcome, reason, superseded_by, feed_id, feed_message_id, issues, facets"
_RECORD: Final = f"""
    WITH told AS (INSERT INTO outbox (kind, refs, created_at) VALUES ('{OUTCOME}', {NUMBERS}, %s))
    INSERT INTO outcome (decided_at, {_COLUMNS})
    SELECT %s, message_id, connection_id::integer, coalesce(type, ''), outcome, reason::jsonb #>> '{{}}', superseded_by::bigint,
           feed_id::bigint, feed_message_id::integer, issues::jsonb, facets::jsonb
      FROM unnest({NUMBERS}, {LINES}, {LINES}, {LINES}, {JSON_LINES}, {LINES}, {LINES}, {LINES}, {JSON_LINES}, {JSON_LINES})
           AS ended ({_COLUMNS})"""


def record(tx: Transaction, ended: Sequence[Ended], at: datetime) -> None:
    """Write the outcome of every message in *ended*, and one outbox entry for all: in one statement, for others wait for the keys."""
    if not ended:
        return
    connection_ids, settled = zip(*ended, strict=True)
    messages = array_of_numbers([each.message for each in settled])
    columns = (
        lines(connection_ids),
        lines([each.type for each in settled]),
        lines([each.outcome for each in settled]),
        codec.lines([each.reason for each in settled]),  # Amazon's code, in which anything may stand
        lines([each.by for each in settled]),
        lines([each.feed_id for each in settled]),
        lines([each.feed_message_id for each in settled]),
        codec.lines([each.issues or None for each in settled]),
        codec.lines([each.facets if each.is_mixed else None for each in settled]),
    )
    tx.exec_driver_sql(_RECORD, (messages, at, at, messages, *columns))
