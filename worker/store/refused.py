"""Refused deliveries: keeping those that turn out invalid late, reading them all, and what a person decides about each."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from worker.broker.topology import INVENTORY, LISTINGS, SHIPMENTS
from worker.core.issues import Issue
from worker.core.json import JsonValue, decode, encode
from worker.core.messages import MessageType
from worker.core.wire import STRUCTURED
from worker.database import Transaction
from worker.store import codec, messages
from worker.store.messages import RefusedDelivery


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


_QUEUES: Final = {MessageType.INVENTORY: INVENTORY, MessageType.LISTING: LISTINGS, MessageType.SHIPMENT: SHIPMENTS}

_STAGED: Final = """
    SELECT m.id, m.source, m.external_id, m.type, m.connection, m.time, m.sequence, m.traceparent, m.body
      FROM unnest(%s::bigint[]) AS wanted (id) JOIN message m ON m.id = wanted.id
     WHERE NOT EXISTS (SELECT FROM rejected r WHERE r.message_id = m.id)"""


def keep(tx: Transaction, invalid: Mapping[int, Sequence[Issue]], at: datetime) -> None:
    """Keep staged messages that turned out *invalid*, each as the event that it is: its original bytes are not known any more."""
    if invalid:
        messages.refuse(tx, list(_deliveries(tx, invalid, at)))


def _deliveries(tx: Transaction, invalid: Mapping[int, Sequence[Issue]], at: datetime) -> Iterator[RefusedDelivery]:
    for id_, source, external_id, type_, connection, time, sequence, traceparent, body in tx.exec_driver_sql(_STAGED, (sorted(invalid),)):
        attributes = {
            "specversion": "1.0",
            "id": external_id,
            "source": source,
            "type": type_,
            "time": None if time is None else time.isoformat(),
            "sequence": sequence,
            "traceparent": traceparent,
        }
        head = encode({name: value for name, value in attributes.items() if value is not None})
        # The data as they are stored, so that every number keeps its digits.
        event = head[:-1] + b',"data":' + bytes(body) + b"}"
        queue = _QUEUES[MessageType(type_)]
        issues = codec.text(tuple(invalid[id_]))
        yield RefusedDelivery(at, queue, STRUCTURED, "{}", event, issues, source, external_id, type_, connection, id_)


def forget_identity(tx: Transaction, refused: Refused) -> None:
    """Let the next delivery with the refused one's source and id count as a new message, not as its repeat."""
    tx.exec_driver_sql(
        "DELETE FROM identity WHERE source = %s AND external_id = %s AND message_id = %s",
        (refused.source, refused.external_id, refused.message_id),
    )


def mark(tx: Transaction, refused_id: int, state: RefusedState) -> None:
    tx.exec_driver_sql("UPDATE rejected SET state = %s WHERE id = %s", (state, refused_id))
