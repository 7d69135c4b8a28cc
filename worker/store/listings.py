"""What Amazon says of SKUs: existence, product type, who fulfils. Asked for before the first send."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from worker.core.kinds import Kind
from worker.core.listing_messages import Listed
from worker.database import Transaction


class Linked(NamedTuple):
    """A SKU that Amazon knows. `sku` is the key; `product_type` None: Amazon names none (R68)."""

    sku: str
    product_type: str | None
    asin: str | None
    channels: tuple[str, ...]


_TO_ASK: Final = "state = 'unlinked' AND (link_after IS NULL OR link_after <= now())"


def unlinked(tx: Transaction, connection_id: int, at_most: int) -> list[str]:
    """Return the keys that wait to be linked and may be asked about now, the most urgent first."""
    rows = tx.exec_driver_sql(
        f"SELECT key FROM key_state WHERE connection_id = %s AND {_TO_ASK} ORDER BY priority, pending_since LIMIT %s",
        (connection_id, at_most),
    )
    return [row[0] for row in rows]


def lingering(tx: Transaction, connection_id: int, keys: Sequence[str], linger: timedelta) -> set[str]:
    """Return those of *keys*, which are locked, whose changes have not lingered yet."""
    rows = tx.exec_driver_sql(
        "SELECT key FROM key_state WHERE connection_id = %s AND kind = %s AND key = ANY(%s::text[]) AND pending_since + %s > now()",
        (connection_id, Kind.LISTINGS, list(keys), linger),
    )
    return {row[0] for row in rows}


def ask_later(tx: Transaction, connection_id: int, keys: Sequence[str], linger: timedelta) -> None:
    """Let *keys*, which are locked, be asked about again when they have lingered."""
    tx.exec_driver_sql(
        "UPDATE key_state SET link_after = pending_since + %s WHERE connection_id = %s AND kind = %s AND key = ANY(%s::text[])",
        (linger, connection_id, Kind.LISTINGS, list(keys)),
    )


def put_off(tx: Transaction, connection_id: int, keys: Sequence[str], wait: timedelta) -> None:
    """Let *keys*, which are locked, be asked about again after *wait*."""
    tx.exec_driver_sql(
        "UPDATE key_state SET link_after = now() + %s WHERE connection_id = %s AND kind = %s AND key = ANY(%s::text[])",
        (wait, connection_id, Kind.LISTINGS, list(keys)),
    )


def ask_now(tx: Transaction, connection_id: int) -> None:
    """Let what is to be asked about later be asked about now."""
    tx.exec_driver_sql(
        "UPDATE key_state SET link_after = NULL WHERE (connection_id, kind, key) IN (SELECT connection_id, kind, key FROM key_state "
        "WHERE connection_id = %s AND state = 'unlinked' AND link_after > now() ORDER BY key FOR UPDATE)",
        (connection_id,),
    )


def link(tx: Transaction, connection_id: int, found: Sequence[Linked], fallback: str) -> None:
    """Store what Amazon says, and let the keys go. A product type that was set by hand stays."""
    if not found:
        return
    tx.exec_driver_sql(
        "INSERT INTO listing (connection_id, sku, product_type, product_type_source, asin, channels, linked_at) "
        "SELECT %s, sku, coalesce(product_type, %s), CASE WHEN product_type IS NULL THEN 'fallback' ELSE 'amazon' END, asin, "
        "string_to_array(channels, ' '), now() FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) "
        "AS new (sku, product_type, asin, channels) ORDER BY sku "
        "ON CONFLICT (connection_id, sku) DO UPDATE SET "
        "asin = excluded.asin, channels = excluded.channels, linked_at = excluded.linked_at, "
        "product_type = CASE listing.product_type_source WHEN 'manual' THEN listing.product_type ELSE excluded.product_type END, "
        "product_type_source = CASE listing.product_type_source WHEN 'manual' THEN 'manual' ELSE excluded.product_type_source END",
        (
            connection_id,
            fallback,
            [each.sku for each in found],
            [each.product_type for each in found],
            [each.asin for each in found],
            [" ".join(each.channels) for each in found],
        ),
    )
    tx.exec_driver_sql(
        "UPDATE key_state SET linked = true, state = CASE state WHEN 'unlinked' THEN 'ready' ELSE state END "
        "WHERE (connection_id, kind, key) IN "
        "(SELECT connection_id, kind, key FROM key_state WHERE connection_id = %s AND kind = %s AND key = ANY(%s::text[]) "
        "ORDER BY key FOR UPDATE)",
        (connection_id, Kind.LISTINGS, [each.sku for each in found]),
    )


def note(tx: Transaction, connection_id: int, taken: Mapping[str, Listed | None], fallback: str) -> None:
    """Store what Amazon has taken of our own listings, by their keys; None: it has deleted it. The keys are locked.

    A product type that was set by hand stays, and what Amazon said before stays where the listing says nothing.
    """
    deleted = sorted(sku for sku, listed in taken.items() if listed is None)
    if deleted:
        tx.exec_driver_sql("DELETE FROM listing WHERE connection_id = %s AND sku = ANY(%s::text[])", (connection_id, deleted))
    published = [(sku, listed) for sku, listed in taken.items() if listed is not None]
    if published:
        tx.exec_driver_sql(
            "INSERT INTO listing (connection_id, sku, product_type, product_type_source, asin, channels, linked_at) "
            "SELECT %s, sku, coalesce(product_type, %s), CASE WHEN product_type IS NULL THEN 'fallback' ELSE 'message' END, asin, "
            "array_remove(ARRAY[channel], NULL), now() FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) "
            "AS new (sku, product_type, asin, channel) ORDER BY sku "
            "ON CONFLICT (connection_id, sku) DO UPDATE SET "
            "asin = coalesce(excluded.asin, listing.asin), linked_at = coalesce(listing.linked_at, excluded.linked_at), "
            "channels = listing.channels || ARRAY(SELECT unnest(excluded.channels) EXCEPT SELECT unnest(listing.channels)), "
            "product_type = CASE WHEN excluded.product_type_source = 'message' AND listing.product_type_source <> 'manual' "
            "THEN excluded.product_type ELSE listing.product_type END, "
            "product_type_source = CASE WHEN excluded.product_type_source = 'message' AND listing.product_type_source <> 'manual' "
            "THEN 'message' ELSE listing.product_type_source END",
            (
                connection_id,
                fallback,
                [sku for sku, _ in published],
                [listed.product_type for _, listed in published],
                [listed.asin for _, listed in published],
                [listed.channel for _, listed in published],
            ),
        )


def with_unlinked(tx: Transaction) -> list[int]:
    """Return the connections that have keys to link and may be asked for."""
    rows = tx.exec_driver_sql(
        "SELECT c.id FROM connection c JOIN account a ON a.id = c.account_id WHERE NOT c.paused AND a.authorization_fault IS NULL "
        f"AND EXISTS (SELECT FROM key_state WHERE connection_id = c.id AND {_TO_ASK})"
    )
    return [row[0] for row in rows]
