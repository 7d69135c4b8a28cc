"""The outbox: events committed with the change that they tell of, published after."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from worker.core.json import JsonObject
from worker.database import Transaction
from worker.store import codec


class Entry(NamedTuple):
    """`refs` are the messages of an `outcome` entry; the other kinds carry their event's data as `payload`.

    `sealed`: personal data that belongs into it; only an `order` has some.
    """

    id: int
    kind: str
    refs: list[int] | None
    payload: str | None
    sealed: bytes | None
    created_at: datetime


LEASE: Final = "announce"
LEASE_SECONDS: Final = 60

OUTCOME: Final = "outcome"
FEED: Final = "feed"
CONNECTION: Final = "connection"
RUN: Final = "run"
ORDER: Final = "order"


def tell(tx: Transaction, kind: str, payload: JsonObject, at: datetime, *, sealed: bytes | None = None) -> None:
    tx.exec_driver_sql(
        "INSERT INTO outbox (kind, payload, sealed, created_at) VALUES (%s, %s::jsonb, %s, %s)", (kind, codec.text(payload), sealed, at)
    )


def oldest(tx: Transaction, at_most: int) -> list[Entry]:
    """Return the oldest entries."""
    rows = tx.exec_driver_sql("SELECT id, kind, refs, payload::text, sealed, created_at FROM outbox ORDER BY id LIMIT %s", (at_most,))
    return [Entry(*row) for row in rows]


def forget(tx: Transaction, entries: Sequence[Entry]) -> None:
    """Remove entries whose events the broker has confirmed."""
    tx.exec_driver_sql("DELETE FROM outbox WHERE id = ANY(%s::bigint[])", ([entry.id for entry in entries],))


def waiting(tx: Transaction) -> bool:
    return bool(tx.exec_driver_sql("SELECT EXISTS (SELECT FROM outbox)").scalar())
