"""What was decided of each shipment message, and what is known of the orders that are shipped."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Self

from worker.core.connections import Connection
from worker.core.fulfillments import Order, OrderItem
from worker.core.kinds import Kind
from worker.core.outcomes import Reason
from worker.core.report import Verdict
from worker.core.shipment_stages import PartSent
from worker.core.shipments import Shipment
from worker.database import Transaction
from worker.store import codec
from worker.store.copying import copy_rows


class ShipmentRow(NamedTuple):
    """`revision`: of the connection's settings that the decision, JSON, was made under."""

    message_id: int
    connection_id: int
    amazon_order_id: str
    parcel: str
    revision: int
    decision: str
    overridden: bool

    @classmethod
    def of(cls, message_id: int, shipment: Shipment, connection: Connection) -> Self:
        decision = shipment.decision
        return cls(
            message_id,
            connection.id,
            shipment.amazon_order_id,
            shipment.parcel,
            connection.revision,
            codec.text(decision),
            decision.overridden,
        )


def record(tx: Transaction, rows: Iterable[ShipmentRow]) -> None:
    copy_rows(tx, "shipment (message_id, connection_id, amazon_order_id, parcel, revision, decision, overridden)", rows)


def decide_again(tx: Transaction, rows: Iterable[ShipmentRow]) -> None:
    """Put decisions in place of those that were made of the same messages under former settings."""
    again = list(rows)
    if again:
        tx.exec_driver_sql(
            "UPDATE shipment s SET parcel = new.parcel, revision = new.revision, "
            "decision = new.decision::json, overridden = new.overridden "
            "FROM unnest(%s::bigint[], %b::text[], %s::integer[], %b::text[], %s::boolean[]) "
            "AS new (message_id, parcel, revision, decision, overridden) WHERE s.message_id = new.message_id",
            (
                [row.message_id for row in again],
                [row.parcel for row in again],
                [row.revision for row in again],
                [row.decision for row in again],
                [row.overridden for row in again],
            ),
        )


_ORDERS: Final = """
    SELECT o.amazon_order_id, i.amazon_order_item_id, i.sku, i.quantity,
           EXISTS (SELECT FROM listing l WHERE l.connection_id = i.connection_id AND l.sku = i.sku AND l.linked_at IS NOT NULL)
        OR EXISTS (SELECT FROM imported_listing l
                    WHERE l.connection_id = i.connection_id AND l.sku = i.sku AND l.vanished_at IS NULL)
      FROM amazon_order o LEFT JOIN amazon_order_item i USING (connection_id, amazon_order_id)
     WHERE o.connection_id = %s AND o.amazon_order_id = ANY(%s::text[])
     ORDER BY o.amazon_order_id, i.amazon_order_item_id"""


def orders(tx: Transaction, connection_id: int, amazon_order_ids: Sequence[str]) -> dict[str, Order]:
    """Return what is known of every one of *amazon_order_ids*."""
    items: dict[str, list[OrderItem]] = {}
    for order_id, item_id, sku, quantity, is_linked in tx.exec_driver_sql(_ORDERS, (connection_id, list(amazon_order_ids))):
        known = items.setdefault(order_id, [])
        if item_id is not None:
            known.append(OrderItem(item_id, sku, quantity, is_linked))
    return {order_id: Order(order_id, order_id in items, tuple(items.get(order_id, ()))) for order_id in amazon_order_ids}


class Kept(NamedTuple):
    """What is stored of a shipment message; `decision` as JSON values."""

    message_id: int
    connection_id: int
    amazon_order_id: str
    parcel: str
    revision: int
    decision: Mapping[str, Any]


def kept(tx: Transaction, message_ids: Sequence[int]) -> dict[int, Kept]:
    """Return what is stored of those of *message_ids* that are shipments."""
    rows = tx.exec_driver_sql(
        "SELECT message_id, connection_id, amazon_order_id, parcel, revision, decision FROM shipment WHERE message_id = ANY(%s::bigint[])",
        (list(message_ids),),
    )
    return {row[0]: Kept(*row) for row in rows}


# An order has few feed messages. The pattern is that of the index feed_message_of_order.
_PARTS: Final = """
    SELECT m.id, fm.feed_id, f.amazon_feed_id, fm.message_id, f.batch, fm.flight::text, fm.verdict, f.due_at IS NULL
      FROM message m
      JOIN shipment s ON s.message_id = m.id
      LEFT JOIN outcome o ON o.message_id = m.id
      JOIN feed_message fm ON fm.key = s.amazon_order_id AND fm.key LIKE '___-_______-_______'
      JOIN feed f ON f.id = fm.feed_id AND f.connection_id = s.connection_id AND f.kind = %(kind)s
       AND f.created_at BETWEEN m.received_at AND coalesce(o.decided_at, 'infinity')
     WHERE m.id = ANY(%(messages)s::bigint[]) ORDER BY m.id, fm.feed_id, fm.message_id"""


def parts(tx: Transaction, message_ids: Sequence[int]) -> dict[int, list[PartSent]]:
    """Return the feed messages that carried something of each shipment message, the oldest first."""
    found: dict[int, list[PartSent]] = {id_: [] for id_ in message_ids}
    rows = tx.exec_driver_sql(_PARTS, {"kind": Kind.SHIPMENTS, "messages": list(message_ids)})
    for id_, feed_id, amazon_feed_id, message_id, batch, flight, verdict, is_over in rows:
        facets = [facet for facet, said in codec.flight(flight).change.facets.items() if said.message == id_]
        if facets:
            word = verdict or (Verdict.ACCEPTED if is_over else None)
            found[id_].append(PartSent(feed_id, amazon_feed_id, message_id, batch, tuple(facets), word))
    return found


# Ready orders are locked, too: a cut that has claimed one may be about to hold it for what it knew before.
_WAITING: Final = """
    SELECT key FROM key_state k
     WHERE connection_id = %(connection)s AND kind = %(kind)s
       AND (state = 'ready' OR state = 'held' AND hold_reason = ANY(%(reasons)s::text[]))
       AND (%(orders)s::text[] IS NULL OR key = ANY(%(orders)s::text[]))
       AND (%(skus)s::text[] IS NULL OR EXISTS (
            SELECT FROM amazon_order_item i
             WHERE i.connection_id = k.connection_id AND i.amazon_order_id = k.key AND i.sku = ANY(%(skus)s::text[])))
     ORDER BY key FOR UPDATE OF k"""

_RECONSIDER: Final = """
    UPDATE key_state SET state = 'ready', hold_reason = NULL
     WHERE connection_id = %(connection)s AND kind = %(kind)s AND key = ANY(%(keys)s::text[])
       AND state = 'held' AND hold_reason = ANY(%(reasons)s::text[])"""


def reconsider(
    tx: Transaction, connection_id: int, amazon_order_ids: Sequence[str] | None = None, *, skus: Sequence[str] | None = None
) -> int:
    """Let shipments go again that were held for what was not known of their order; return how many orders.

    Call it after orders were imported (only *amazon_order_ids*), SKUs were linked or imported (only orders with *skus*), or the
    connection's settings have changed; in the transaction of that change, or in a later one.
    """
    given = {"connection": connection_id, "kind": Kind.SHIPMENTS, "reasons": [Reason.ORDER_UNKNOWN, Reason.NON_MANAGED]}
    wanted = {"orders": None if amazon_order_ids is None else list(amazon_order_ids), "skus": None if skus is None else list(skus)}
    waiting = [row[0] for row in tx.exec_driver_sql(_WAITING, {**given, **wanted})]
    return tx.exec_driver_sql(_RECONSIDER, {**given, "keys": waiting}).rowcount if waiting else 0


_NOT_SPOKEN_OF: Final = "NOT EXISTS (SELECT FROM shipment s WHERE s.connection_id = k.connection_id AND s.amazon_order_id = k.key)"
_IDLE: Final = (
    f"SELECT k.key, {_NOT_SPOKEN_OF} FROM key_state k "
    "WHERE k.connection_id = %s AND k.kind = %s AND k.state = 'idle' AND k.key > %s ORDER BY k.key LIMIT %s"
)
_LOCK_IDLE: Final = "SELECT FROM key_state WHERE connection_id = %s AND kind = %s AND key = ANY(%s::text[]) ORDER BY key FOR UPDATE"
# Asked once more under the locks: a message may have come for one of them meanwhile.
_FORGET_IDLE: Final = (
    "DELETE FROM key_state k WHERE k.connection_id = %s AND k.kind = %s AND k.key = ANY(%s::text[]) "
    f"AND k.state = 'idle' AND {_NOT_SPOKEN_OF}"
)


def forget_idle_orders(tx: Transaction, connection_id: int, after: str, at_once: int) -> str | None:
    """Of the *at_once* orders behind *after* of which nothing waits, forget those whose last shipment message is past retention.

    Return the last order that was looked at, or None at the end.
    """
    looked = tx.exec_driver_sql(_IDLE, (connection_id, Kind.SHIPMENTS, after, at_once)).all()
    if idle := [key for key, is_forgotten in looked if is_forgotten]:
        tx.exec_driver_sql(_LOCK_IDLE, (connection_id, Kind.SHIPMENTS, idle))
        tx.exec_driver_sql(_FORGET_IDLE, (connection_id, Kind.SHIPMENTS, idle))
    return looked[-1][0] if looked else None
