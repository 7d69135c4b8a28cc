"""Reading stored shipment messages again: the newest version of every parcel of an order, as they arrived."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import text

from worker.core.ids import ConnectionId, day_of, first_of_day
from worker.core.json import JsonObject, decode
from worker.database import Transaction

AT_ONCE: Final = 500
"""Messages that are read by one statement, and held in memory."""


class LoggedShipment(NamedTuple):
    """One parcel as its newest message tells it. `id` and `source` are the upstream's."""

    id: str
    source: str
    received_at: datetime
    data: JsonObject


# A version that ended `superseded` is not the parcel's own any more, and one that was skipped has nothing to send. An invalid
# one stands beside the version before it: another setting may make it valid. What was no shipment at the door has no row in shipment.
_NEWEST: Final = text("""
    SELECT m.id, m.external_id, m.source, m.received_at, m.body
      FROM shipment s JOIN message m ON m.id = s.message_id LEFT JOIN outcome o ON o.message_id = s.message_id
     WHERE s.connection_id = :connection_id AND s.message_id > :after AND m.received_at >= :since
       AND (o.outcome IS NULL OR o.outcome NOT IN ('superseded', 'skipped'))
       AND NOT EXISTS (
           SELECT FROM shipment n LEFT JOIN outcome p ON p.message_id = n.message_id
            WHERE n.connection_id = s.connection_id AND n.amazon_order_id = s.amazon_order_id AND n.parcel = s.parcel
              AND n.message_id > s.message_id
              AND p.outcome IS DISTINCT FROM 'superseded' AND (p.outcome IS DISTINCT FROM 'invalid' OR o.outcome = 'invalid'))
     ORDER BY s.message_id LIMIT :at_once""")


def newest_parcels(tx: Transaction, connection_id: ConnectionId, since: datetime) -> Iterator[LoggedShipment]:
    """Yield the parcels whose newest message came at *since* (aware) or later; a page at a time, whatever their number."""
    after = first_of_day(day_of(since)) - 1
    while True:
        given = {"connection_id": connection_id, "since": since, "after": after, "at_once": AT_ONCE}
        rows = tx.execute(_NEWEST, given).all()
        for row in rows:
            yield LoggedShipment(row.external_id, row.source, row.received_at, decode(bytes(row.body)))
        if len(rows) < AT_ONCE:
            return
        after = rows[-1].id
