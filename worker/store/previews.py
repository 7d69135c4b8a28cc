"""What a preview needs to know of keys: as they stand, without what is pending."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from worker.core.coalescing import Key
from worker.core.kinds import Kind
from worker.database import Transaction
from worker.store import codec


class Known(NamedTuple):
    """`product_type` is None where Amazon has not been asked yet."""

    key: Key
    product_type: str | None = None
    product_type_source: str | None = None
    channels: tuple[str, ...] = ()


_KNOWN: Final = """
    SELECT wanted.key, coalesce(k.versions::text, '{}'), coalesce(k.confirmed::text, '{}'), k.lead_time_said, l.product_type,
           l.product_type_source, l.channels
      FROM unnest(%s::text[]) AS wanted (key)
      LEFT JOIN key_state k ON k.connection_id = %s AND k.kind = %s AND k.key = wanted.key
      LEFT JOIN listing l ON l.connection_id = %s AND l.sku = wanted.key"""


def known(tx: Transaction, connection_id: int, keys: Sequence[str]) -> dict[str, Known]:
    """Return what is known of *keys*; of one that is new, that is nothing."""
    rows = tx.exec_driver_sql(_KNOWN, (list(set(keys)), connection_id, Kind.LISTINGS, connection_id))
    return {
        key: Known(
            Key(None, codec.versions(versions), codec.confirmed(confirmed), lead_time_said),
            product_type,
            product_type_source,
            tuple(channels or ()),
        )
        for key, versions, confirmed, lead_time_said, product_type, product_type_source, channels in rows
    }
