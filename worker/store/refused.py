"""Refused deliveries: reading them, and what a person decides about each."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from worker.core.issues import Issue
from worker.core.json import JsonValue, decode
from worker.database import Transaction
from worker.store import codec


class RefusedState(StrEnum):
    OPEN = "open"
    REPLAYED = "replayed"
    DISCARDED = "discarded"


class Refused(NamedTuple):
    """A refused delivery without its bytes. `message_id`: its place in the message log, if it could be logged."""

    id: int
    at: datetime
    queue: str
    content_type: str | None
    bytes: int
    issues: tuple[Issue, ...]
    source: str | None
    external_id: str | None
    type: str | None
    connection: str | None
    message_id: int | None
    state: RefusedState


class Original(NamedTuple):
    """What the sender published: to be shown, or published again."""

    body: bytes
    headers: Mapping[str, JsonValue]


_COLUMNS: Final = "id, at, queue, content_type, length(body), issues::text, source, external_id, type, connection, message_id, state"


def _refused(row: Sequence[object]) -> Refused:
    fields = list(row)
    fields[5] = codec.issues(str(fields[5]))
    fields[11] = RefusedState(str(fields[11]))
    return Refused(*fields)  # type: ignore[arg-type]


def listed(tx: Transaction, *, state: RefusedState | None, connection: str | None, at_most: int | None) -> list[Refused]:
    """Return refused deliveries, the newest first."""
    rows = tx.exec_driver_sql(
        f"SELECT {_COLUMNS} FROM rejected WHERE (%(state)s::text IS NULL OR state = %(state)s) "
        "AND (%(connection)s::text IS NULL OR connection = %(connection)s) ORDER BY id DESC LIMIT %(most)s",
        {"state": state, "connection": connection, "most": at_most},
    )
    return [_refused(row) for row in rows]


def by_id(tx: Transaction, refused_id: int) -> Refused | None:
    row = tx.exec_driver_sql(f"SELECT {_COLUMNS} FROM rejected WHERE id = %s", (refused_id,)).first()
    return None if row is None else _refused(row)


def original(tx: Transaction, refused_id: int) -> Original:
    body, headers = tx.exec_driver_sql("SELECT body, headers::text FROM rejected WHERE id = %s", (refused_id,)).one()
    return Original(bytes(body), decode(headers))


def forget_identity(tx: Transaction, refused: Refused) -> None:
    """Let the next delivery with the refused one's source and id count as a new message, not as its repeat."""
    tx.exec_driver_sql(
        "DELETE FROM identity WHERE source = %s AND external_id = %s AND message_id = %s",
        (refused.source, refused.external_id, refused.message_id),
    )


def mark(tx: Transaction, refused_id: int, state: RefusedState) -> None:
    tx.exec_driver_sql("UPDATE rejected SET state = %s WHERE id = %s", (state, refused_id))
