"""A SKU's product type, set by hand: it goes before what Amazon says (R69)."""

from typing import NamedTuple

from worker.database import Transaction


class Previous(NamedTuple):
    product_type: str
    source: str


def set_by_hand(tx: Transaction, connection_id: int, sku: str, product_type: str) -> Previous | None:
    """Store *product_type* for *sku*, the key without the connection's prefix. Return what was stored before, if anything.

    A SKU that is not linked yet is linked later all the same: what Amazon says of its existence and fulfilment is still asked for.
    """
    row = tx.exec_driver_sql(
        "SELECT product_type, product_type_source FROM listing WHERE connection_id = %s AND sku = %s FOR UPDATE", (connection_id, sku)
    ).one_or_none()
    tx.exec_driver_sql(
        "INSERT INTO listing (connection_id, sku, product_type, product_type_source, channels) "
        "VALUES (%s, %s, %s, 'manual', '{}') ON CONFLICT (connection_id, sku) DO UPDATE "
        "SET product_type = excluded.product_type, product_type_source = 'manual'",
        (connection_id, sku, product_type),
    )
    return None if row is None else Previous(row.product_type, row.product_type_source)
