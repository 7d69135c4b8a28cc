"""The message log: identities, messages, repeats, refused deliveries."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import chain, islice
from typing import Final, NamedTuple

from worker.core.ids import MessageId, identifiers
from worker.database import Transaction
from worker.store.copying import LINES, NUMBERS, array_of_numbers, copy_rows, lines

IDS_IN_A_BLOCK: Final = 1000
"""INCREMENT BY of the sequence message_id."""


class Identity(NamedTuple):
    """What identifies a message, and a digest of its content that tells a repeat from an identifier used twice."""

    source: str
    external_id: str
    message_id: MessageId
    digest: bytes


class Known(NamedTuple):
    """The message that had the identity first."""

    message_id: MessageId
    digest: bytes


class LoggedMessage(NamedTuple):
    """A row of `message`, in the order of its columns.

    `received_at`: in ISO 8601, for psycopg would write the one time of a batch anew for every row. `facets`: as `array_of` writes them.
    """

    received_at: str
    id: MessageId
    source: str
    external_id: str
    type: str
    connection: str | None
    connection_id: int | None
    key: str | None
    facets: str
    sequence: int | None
    time: datetime | None
    traceparent: str | None
    warnings: str | None
    body: bytes


class RefusedDelivery(NamedTuple):
    """A row of `rejected`, in the order of its columns."""

    at: datetime
    queue: str
    content_type: str | None
    headers: str
    body: bytes
    issues: str
    source: str | None
    external_id: str | None
    type: str | None
    connection: str | None
    message_id: int | None


def new_ids(tx: Transaction, count: int) -> list[MessageId]:
    """Return *count* fresh identifiers of today, rising."""
    blocks = -(-count // IDS_IN_A_BLOCK)
    rows = tx.exec_driver_sql(
        "SELECT (now() AT TIME ZONE 'UTC')::date - DATE '2020-01-01', nextval('message_id') FROM generate_series(1, %s)", (blocks,)
    ).all()
    fresh = chain.from_iterable(identifiers(day, start, IDS_IN_A_BLOCK) for day, start in rows)
    return [MessageId(each) for each in islice(fresh, count)]


_REGISTER: Final = f"""
    INSERT INTO identity (source, external_id, message_id, digest)
    SELECT source, external_id, message_id, decode(digest, 'hex')
      FROM unnest({LINES}, {LINES}, {NUMBERS}, {LINES}) AS new (source, external_id, message_id, digest)
    ON CONFLICT DO NOTHING"""
_REGISTERED: Final = f"""
    SELECT wanted.message_id, identity.message_id, identity.digest
      FROM unnest({LINES}, {LINES}, {NUMBERS}) AS wanted (source, external_id, message_id)
      JOIN identity USING (source, external_id)
     WHERE identity.message_id <> wanted.message_id"""


def register(tx: Transaction, identities: Sequence[Identity]) -> Mapping[MessageId, Known]:
    """Claim *identities*; return those that were taken before, by the identifier that they would have had.

    Rows go in one order, so that two workers with the same messages wait for each other instead of deadlocking.
    """
    sources, external_ids, message_ids, digests = zip(*sorted(identities), strict=True)
    named = (lines(sources), lines(external_ids), array_of_numbers(message_ids))
    if tx.exec_driver_sql(_REGISTER, (*named, lines(map(bytes.hex, digests)))).rowcount == len(identities):
        return {}
    rows = tx.exec_driver_sql(_REGISTERED, named)
    return {MessageId(wanted): Known(MessageId(first), bytes(digest)) for wanted, first, digest in rows}


def log(tx: Transaction, messages: Iterable[LoggedMessage]) -> None:
    copy_rows(
        tx,
        "message (received_at, id, source, external_id, type, connection, connection_id, key, facets, sequence, time, traceparent, "
        "warnings, body)",
        messages,
    )


@lru_cache(maxsize=1024)
def array_of(names: tuple[str, ...]) -> str:
    """Return names of facets as Postgres writes an array of them. They are few, and psycopg would escape them anew for every row."""
    return "{" + ",".join('"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"' for name in names) + "}"


def note_repeats(tx: Transaction, message_ids: Iterable[int], at: datetime) -> None:
    copy_rows(tx, "repeat (message_id, at)", ((message_id, at) for message_id in message_ids))


def refuse(tx: Transaction, deliveries: Iterable[RefusedDelivery]) -> None:
    copy_rows(
        tx,
        "rejected (at, queue, content_type, headers, body, issues, source, external_id, type, connection, message_id)",
        deliveries,
    )
