"""The record of a SKU: what Amazon is known to have, what is on its way, what waits. Requirement rows R62 to R68."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from worker.core.coalescing import Change
from worker.core.connections import Connection, from_amazon, to_amazon
from worker.core.facets import HANDLING_TIME, PRICE, QUANTITY, Value
from worker.core.kinds import Kind
from worker.core.trace import hold_reason, shown_value, stock
from worker.database import Transaction
from worker.store import codec

_KEYS: Final = """
    SELECT wanted.connection_id, wanted.key, k.state, k.hold_reason, coalesce(k.linked, false), k.pending::text, k.pending_since,
           coalesce(k.confirmed::text, '{}'), k.feed_id, f.amazon_feed_id, k.feed_message_id, fm.flight::text,
           l.product_type, l.product_type_source, l.asin, l.channels, i.title, i.vanished_at, a.authorization_fault IS NULL
      FROM unnest(%s::integer[], %s::text[]) AS wanted (connection_id, key)
      JOIN connection c ON c.id = wanted.connection_id
      JOIN account a ON a.id = c.account_id
      LEFT JOIN key_state k ON k.connection_id = wanted.connection_id AND k.kind = %s AND k.key = wanted.key
      LEFT JOIN listing l ON l.connection_id = wanted.connection_id AND l.sku = wanted.key
      LEFT JOIN imported_listing i ON i.connection_id = wanted.connection_id AND i.sku = wanted.key
      LEFT JOIN feed f ON f.id = k.feed_id
      LEFT JOIN feed_message fm ON fm.feed_id = k.feed_id AND fm.message_id = k.feed_message_id
     WHERE k.key IS NOT NULL OR l.sku IS NOT NULL OR i.sku IS NOT NULL
        OR EXISTS (SELECT FROM message m WHERE m.connection_id = wanted.connection_id AND m.key = wanted.key)
     ORDER BY c.name"""


def records(tx: Transaction, connections: Sequence[Connection], sku: str) -> list[tuple[Connection, dict[str, Any]]]:
    """Return the record of *sku* in every one of *connections* that knows it, as plain JSON values. With the prefix or without."""
    by_id = {connection.id: connection for connection in connections}
    keys = [from_amazon(sku, connection.settings.sku_prefix) for connection in connections]
    rows = tx.exec_driver_sql(_KEYS, ([connection.id for connection in connections], keys, Kind.LISTINGS))
    return [(by_id[row[0]], _record(by_id[row[0]], row)) for row in rows]


def _record(connection: Connection, row: Sequence[Any]) -> dict[str, Any]:
    _, key, state, own_reason, linked, pending, pending_since, confirmed, feed_id, amazon_feed_id, message_id, flight = row[:12]
    product_type, product_type_source, asin, channels, title, vanished_at, authorized = row[12:]
    on_its_way = None if flight is None else codec.flight(flight)
    # Until the report comes nobody knows whether what is on its way has arrived: the record says what was known before.
    known = {**(on_its_way.was if on_its_way is not None else {}), **codec.confirmed(confirmed)}
    reason = hold_reason(own_reason, paused=connection.paused, authorized=authorized) if pending is not None else None
    return {
        "sku": key,
        "connection": connection.name,
        "amazon_sku": to_amazon(key, connection.settings.sku_prefix),
        "price": _price(known.get(PRICE)),
        "currency": connection.marketplace.currency,
        "quantity": _plain(known.get(QUANTITY)),
        **stock(known.get(QUANTITY), hides_out_of_stock=connection.settings.sync_listings.hide_out_of_stock),
        "handling_time": _plain(known.get(HANDLING_TIME)),
        "product_type": product_type,
        "product_type_source": product_type_source,
        "asin": asin,
        "channels": channels,
        "title": title,
        "vanished_at": vanished_at,
        "linked": linked,
        "state": state or "idle",
        "reason": reason,
        "confirmed": {facet: shown_value(value) for facet, value in known.items()},
        "pending": None if pending is None else {"since": pending_since, "facets": _wanted(codec.change(pending))},
        "in_feed": None
        if on_its_way is None
        else {
            "feed_id": feed_id,
            "amazon_feed_id": amazon_feed_id,
            "message_id": message_id,
            "facets": {facet: shown_value(value) for facet, value in on_its_way.sent.items()},
        },
    }


def _wanted(change: Change) -> Mapping[str, Any]:
    return {facet: shown_value(said.value) for facet, said in change.facets.items()}


def _price(value: Value | None) -> Decimal | None:
    return None if value is None or value.cleared else Decimal(value.value)


def _plain(value: Value | None) -> Any:  # noqa: ANN401  # JSON
    return None if value is None else value.value
