"""What was decided of each shipment message, and what is known of the orders that are shipped."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from worker.core.carriers import Decision
from worker.core.fulfillments import Order, OrderItem
from worker.core.kinds import Kind
from worker.core.outcomes import Reason
from worker.database import Transaction
from worker.store import codec
from worker.store.copying import copy_rows


class ShipmentRow(NamedTuple):
    """`revision`: of the connection's settings that the decision was made under."""

    message_id: int
    connection_id: int
    amazon_order_id: str
    parcel: str
    decision: Decision
    revision: int


def record(tx: Transaction, rows: Iterable[ShipmentRow]) -> None:
    copy_rows(
        tx,
        "shipment (message_id, connection_id, amazon_order_id, parcel, revision, decision, overridden)",
        ((*row[:4], row.revision, codec.text(row.decision), row.decision.overridden) for row in rows),
    )


_ORDERS = """
    SELECT o.amazon_order_id, i.amazon_order_item_id, i.sku, i.quantity,
           EXISTS (SELECT FROM listing l WHERE l.connection_id = i.connection_id AND l.sku = i.sku)
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


def reconsider(tx: Transaction, connection_id: int, amazon_order_ids: Sequence[str] | None = None) -> int:
    """Let shipments go again that were held for what was not known of their order; return how many orders.

    Call it after orders or listings were imported, or the connection's settings have changed. *amazon_order_ids*: only these.
    """
    return tx.exec_driver_sql(
        "UPDATE key_state SET state = 'ready', hold_reason = NULL WHERE connection_id = %(connection)s AND kind = %(kind)s "
        "AND state = 'held' AND hold_reason = ANY(%(reasons)s::text[]) AND (%(orders)s::text[] IS NULL OR key = ANY(%(orders)s::text[]))",
        {
            "connection": connection_id,
            "kind": Kind.SHIPMENTS,
            "reasons": [Reason.ORDER_UNKNOWN, Reason.NON_MANAGED],
            "orders": None if amazon_order_ids is None else list(amazon_order_ids),
        },
    ).rowcount


def forget_idle_orders(tx: Transaction) -> int:
    """Delete the rows of orders of which nothing waits, and whose last shipment message is past retention. Return how many."""
    return tx.exec_driver_sql(
        "DELETE FROM key_state k WHERE k.kind = %s AND k.state = 'idle' AND NOT EXISTS ("
        "SELECT FROM shipment s WHERE s.connection_id = k.connection_id AND s.amazon_order_id = k.key)",
        (Kind.SHIPMENTS,),
    ).rowcount
