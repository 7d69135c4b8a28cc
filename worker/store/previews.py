"""What a preview needs to know of keys: as they stand, without locking them."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from worker.core.coalescing import Key
from worker.core.kinds import Kind
from worker.database import Transaction
from worker.store import codec

_STANDING: Final = """
    SELECT wanted.key, k.pending::text, coalesce(k.versions::text, '{}'), coalesce(k.confirmed::text, '{}'), k.lead_time_said
      FROM unnest(%s::text[]) AS wanted (key)
      LEFT JOIN key_state k ON k.connection_id = %s AND k.kind = %s AND k.key = wanted.key"""


def standing(tx: Transaction, connection_id: int, kind: Kind, keys: Sequence[str]) -> dict[str, Key]:
    """Return what is known of *keys*, and what waits there; of one that is new, that is nothing."""
    return {
        key: Key(None if pending is None else codec.change(pending), codec.versions(versions), codec.confirmed(confirmed), lead_time_said)
        for key, pending, versions, confirmed, lead_time_said in tx.exec_driver_sql(_STANDING, (list(keys), connection_id, kind))
    }


class Known(NamedTuple):
    """Who said the product type of a SKU, and whether Amazon has said that it lists it."""

    product_type_source: str
    linked: bool


NOTHING: Final = Known("fallback", linked=False)


def known(tx: Transaction, connection_id: int, skus: Sequence[str]) -> dict[str, Known]:
    """Return what is known of those of *skus* of which anything is."""
    rows = tx.exec_driver_sql(
        "SELECT sku, product_type_source, linked_at IS NOT NULL FROM listing WHERE connection_id = %s AND sku = ANY(%s::text[])",
        (connection_id, list(skus)),
    )
    return {row[0]: Known(*row[1:]) for row in rows}
