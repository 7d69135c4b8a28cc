"""Amazon's orders: taken over version by version, told of by events, and their personal data sealed, opened and erased."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

import msgspec

from worker.core.events import OrderData, OrderedItem, OrderTold
from worker.core.json import JsonValue, decode, encode
from worker.core.kinds import Kind
from worker.core.order_tally import Fate
from worker.core.order_windows import Window, merged
from worker.core.orders import PENDING, PERSONAL_DATA_DAYS, REFERENCE_NUMBER, UNHEARD_DAYS, Item, Order, Unmapped, is_past_keeping
from worker.core.outcomes import Reason
from worker.core.rules import text
from worker.database import Transaction
from worker.errors import FeedlineError
from worker.secrets import Secret, Vault
from worker.store import outbox

PENDING_DAYS: Final = 60
"""How long a pending order is asked for again. Amazon settles or cancels them within weeks."""


class SameVersion(StrEnum):
    """What an order that we have in the same version already does."""

    STAYS = "stays"  # it was read in a window, where the same is read again and again
    IS_COMPARED = "is compared"  # it was asked for by its id: what the template, or Amazon, makes of it now counts


class Owner(NamedTuple):
    """Whose orders they are. `tells_personal_data`: whether events may carry it; `personal_targets`: what its template makes of it."""

    connection_id: int
    name: str
    tells_personal_data: bool
    personal_targets: frozenset[str]


class Saved(NamedTuple):
    """What became of an order, and the targets that it is kept without."""

    fate: Fate
    unmapped: Sequence[Unmapped] = ()


class _Content(NamedTuple):
    """All of an order that a version may change."""

    status: str
    purchased_at: datetime | None
    closed_at: datetime | None
    total: str | None
    currency: str | None
    items: Sequence[Item]
    mapped: Mapping[str, JsonValue]
    personal: Mapping[str, JsonValue]
    unmapped: Sequence[Unmapped]

    def __repr__(self) -> str:
        return "_Content(…)"  # a part is personal


class _Stored(NamedTuple):
    updated_at: datetime
    changes: int
    erased_at: datetime | None
    content: _Content


def place(connection_id: int, amazon_order_id: str) -> str:
    """Return where an order's personal data rests, as the vault wants it."""
    return f"amazon_order:{connection_id}:{amazon_order_id}:personal"


def one_import_at_a_time(tx: Transaction, connection_id: int) -> None:
    """Let nobody else import the connection's orders until the transaction ends: two could tell of one new order, each as the first."""
    tx.exec_driver_sql("SELECT pg_advisory_xact_lock(%s, %s)", (_IMPORTS, connection_id))


_IMPORTS: Final = 0x6F726465
"""The first half of the advisory locks of `one_import_at_a_time`; any number will do, as long as nobody else uses it."""


def save(tx: Transaction, vault: Vault, owner: Owner, order: Order, same_version: SameVersion) -> Saved:
    """Take *order* over if it is newer than what is known of it, and tell of it. An older version changes nothing."""
    now: datetime = tx.exec_driver_sql("SELECT now()").scalar_one()
    stored = _stored(tx, vault, owner.connection_id, order.amazon_order_id)
    if stored is not None and order.updated_at < stored.updated_at:
        return Saved(Fate.UNCHANGED)
    content = _content(tx, owner.connection_id, order)
    if stored is not None and stored.content.closed_at is not None and content.closed_at is not None:
        # A refund or a correction of a closed order begins no new time of keeping.
        content = content._replace(closed_at=min(stored.content.closed_at, content.closed_at))
    if stored is not None and order.updated_at == stored.updated_at:
        if same_version is SameVersion.STAYS:
            return Saved(Fate.UNCHANGED)
        # What Amazon showed of a version once may be withheld now. It is still true; but what the template has no more, goes.
        shown_once = {target: value for target, value in stored.content.personal.items() if target in owner.personal_targets}
        content = content._replace(personal={**shown_once, **content.personal})
        seen = content._replace(personal={}) if stored.erased_at is not None else content
        if seen == stored.content:
            return Saved(Fate.UNCHANGED)
    is_late = is_past_keeping(content.closed_at, order.updated_at, now)
    erased_at = now if is_late and content.personal else stored.erased_at if is_late and stored is not None else None
    if is_late:
        content = content._replace(personal={})
    changes = 1 if stored is None else stored.changes + 1
    _write(tx, vault, owner.connection_id, order, content, erased_at, changes)
    _tell(tx, vault, owner, order, content, changes, now)
    return Saved(Fate.NEW if stored is None else Fate.CHANGED, content.unmapped)


def _content(tx: Transaction, connection_id: int, order: Order) -> _Content:
    """Return what *order* says, without a reference number that another order has: it is unique in a connection (R72)."""
    public, unmapped = dict(order.mapped.public), list(order.mapped.unmapped)
    taken = tx.exec_driver_sql(
        "SELECT EXISTS (SELECT FROM amazon_order WHERE connection_id = %s AND reference_number = %s AND amazon_order_id <> %s)",
        (connection_id, _reference(public), order.amazon_order_id),
    ).scalar()
    if taken:
        del public[REFERENCE_NUMBER]
        unmapped.append(Unmapped(REFERENCE_NUMBER, None, "REFERENCE_NUMBER_TAKEN"))
    items = sorted(order.items)
    return _Content(
        order.status,
        order.purchased_at,
        order.closed_at,
        order.total,
        order.currency,
        items,
        public,
        order.mapped.personal,
        unmapped,
    )


def _reference(mapped: Mapping[str, JsonValue]) -> str | None:
    value = mapped.get(REFERENCE_NUMBER)
    return None if value is None else text(value)


_STORED: Final = """
    SELECT o.updated_at, o.changes, o.erased_at, o.status, o.purchased_at, o.closed_at, o.total::text, o.currency, o.mapped::text,
           o.personal, o.unmapped::text
      FROM amazon_order o WHERE o.connection_id = %s AND o.amazon_order_id = %s FOR UPDATE"""

_ITEMS: Final = """
    SELECT amazon_order_item_id, sku, quantity FROM amazon_order_item
     WHERE connection_id = %s AND amazon_order_id = %s ORDER BY amazon_order_item_id"""


def _stored(tx: Transaction, vault: Vault, connection_id: int, amazon_order_id: str) -> _Stored | None:
    key = (connection_id, amazon_order_id)
    row = tx.exec_driver_sql(_STORED, key).first()
    if row is None:
        return None
    updated_at, changes, erased_at, status, purchased_at, closed_at, total, currency, mapped, personal, unmapped = row
    items = [Item(*item) for item in tx.exec_driver_sql(_ITEMS, key)]
    return _Stored(
        updated_at,
        changes,
        erased_at,
        _Content(
            status,
            purchased_at,
            closed_at,
            total,
            currency,
            items,
            decode(mapped),
            _opened(vault, place(*key), personal),
            msgspec.json.decode(unmapped, type=list[Unmapped]),
        ),
    )


def _opened(vault: Vault, where: str, sealed: bytes | None) -> Mapping[str, JsonValue]:
    """Return what was sealed. What no key opens any more is as good as gone: Amazon still has it."""
    if sealed is None:
        return {}
    try:
        opened: Mapping[str, JsonValue] = decode(vault.open(where, bytes(sealed)).reveal())
    except FeedlineError:
        return {}
    return opened


# The condition keeps promise 2 for orders, whatever the code above has seen: an older version never overwrites a newer one.
_SAVE: Final = """
    INSERT INTO amazon_order AS o (connection_id, amazon_order_id, status, purchased_at, updated_at, closed_at, total, currency,
           reference_number, mapped, personal, erased_at, unmapped, changes)
    VALUES (%(connection)s, %(id)s, %(status)s, %(purchased_at)s, %(updated_at)s, %(closed_at)s, %(total)s::numeric, %(currency)s,
            %(reference)s, %(mapped)s::jsonb, %(personal)s, %(erased_at)s, %(unmapped)s::jsonb, %(changes)s)
    ON CONFLICT (connection_id, amazon_order_id) DO UPDATE SET status = excluded.status, purchased_at = excluded.purchased_at,
           updated_at = excluded.updated_at, closed_at = excluded.closed_at, total = excluded.total, currency = excluded.currency,
           reference_number = excluded.reference_number, mapped = excluded.mapped, personal = excluded.personal,
           erased_at = excluded.erased_at, unmapped = excluded.unmapped, changes = excluded.changes, changed_at = now()
     WHERE o.updated_at <= excluded.updated_at"""


def _write(
    tx: Transaction, vault: Vault, connection_id: int, order: Order, content: _Content, erased_at: datetime | None, changes: int
) -> None:
    key = (connection_id, order.amazon_order_id)
    tx.exec_driver_sql(
        _SAVE,
        {
            "connection": connection_id,
            "id": order.amazon_order_id,
            "status": content.status,
            "purchased_at": content.purchased_at,
            "updated_at": order.updated_at,
            "closed_at": content.closed_at,
            "total": content.total,
            "currency": content.currency,
            "reference": _reference(content.mapped),
            "mapped": encode(content.mapped).decode(),
            "personal": _sealed(vault, place(*key), content.personal),
            "erased_at": erased_at,
            "unmapped": encode(msgspec.to_builtins(content.unmapped)).decode(),
            "changes": changes,
        },
    )
    tx.exec_driver_sql("DELETE FROM amazon_order_item WHERE connection_id = %s AND amazon_order_id = %s", key)
    tx.exec_driver_sql(
        "INSERT INTO amazon_order_item (connection_id, amazon_order_id, amazon_order_item_id, sku, quantity) "
        "SELECT %s, %s, * FROM unnest(%s::text[], %s::text[], %s::integer[])",
        (*key, *([list(column) for column in zip(*content.items, strict=True)] or [[], [], []])),
    )


def _sealed(vault: Vault, where: str, personal: Mapping[str, JsonValue]) -> bytes | None:
    return vault.seal(where, Secret(encode(personal).decode())) if personal else None


def _tell(tx: Transaction, vault: Vault, owner: Owner, order: Order, content: _Content, changes: int, now: datetime) -> None:
    """Add the event to the outbox: personal data only where the connection says so, and there sealed as everywhere."""
    version = f"{owner.connection_id}.{changes}"
    data = OrderData(
        connection=owner.name,
        amazon_order_id=order.amazon_order_id,
        status=content.status,
        purchased_at=content.purchased_at,
        updated_at=order.updated_at,
        total=content.total,
        currency=content.currency,
        items=[OrderedItem(amazon_order_item_id=item.amazon_order_item_id, sku=item.sku, quantity=item.quantity) for item in content.items],
        mapped=content.mapped,
        unmapped=content.unmapped or msgspec.UNSET,
    )
    told = OrderTold(version, f"outbox:order:{version}:{order.amazon_order_id}", data)
    sealed = _sealed(vault, told.place, content.personal) if owner.tells_personal_data else None
    outbox.tell(tx, outbox.ORDER, msgspec.to_builtins(told), now, sealed=sealed)


# --- what to ask Amazon for ----------------------------------------------------------------------------------------------------


def windows(tx: Transaction, connection_id: int) -> list[Window]:
    """Return the times whose updates have been asked for, the oldest first: one, unless there is a gap."""
    rows = tx.exec_driver_sql("SELECT since, until FROM order_window WHERE connection_id = %s ORDER BY since", (connection_id,))
    return [Window(*row) for row in rows]


def cover(tx: Transaction, connection_id: int, window: Window) -> tuple[Window, ...]:
    """Note that *window* was read to its end. Return all windows, as few as possible."""
    covered = merged([*windows(tx, connection_id), window])
    tx.exec_driver_sql("DELETE FROM order_window WHERE connection_id = %s", (connection_id,))
    tx.exec_driver_sql(
        "INSERT INTO order_window (connection_id, since, until) SELECT %s, * FROM unnest(%s::timestamptz[], %s::timestamptz[])",
        (connection_id, [each.since for each in covered], [each.until for each in covered]),
    )
    return covered


def still_pending(tx: Transaction, connection_id: int, before: datetime, at_most: int) -> list[str]:
    """Return pending orders of which nothing was heard since *before*, the longest silent first."""
    rows = tx.exec_driver_sql(
        "SELECT amazon_order_id FROM amazon_order WHERE connection_id = %s AND status IN ('PENDING', 'PENDING_AVAILABILITY') "
        "AND greatest(revisited_at, changed_at) < %s AND imported_at > now() - %s * interval '1 day' "
        "ORDER BY greatest(revisited_at, changed_at) LIMIT %s",
        (connection_id, before, PENDING_DAYS, at_most),
    )
    return [row[0] for row in rows]


def revisited(tx: Transaction, connection_id: int, amazon_order_id: str) -> None:
    """Note that a pending order was asked for by its id, and is pending still."""
    tx.exec_driver_sql(
        "UPDATE amazon_order SET revisited_at = now() WHERE connection_id = %s AND amazon_order_id = %s AND status = ANY(%s::text[])",
        (connection_id, amazon_order_id, list(PENDING)),
    )


def awaited(tx: Transaction, connection_id: int) -> list[str]:
    """Return known orders of which a shipment is held for its order being unknown: it came while the order was being imported."""
    rows = tx.exec_driver_sql(
        "SELECT k.key FROM key_state k JOIN amazon_order o ON o.connection_id = k.connection_id AND o.amazon_order_id = k.key "
        "WHERE k.connection_id = %s AND k.kind = %s AND k.state = 'held' AND k.hold_reason = %s",
        (connection_id, Kind.SHIPMENTS, Reason.ORDER_UNKNOWN),
    )
    return [row[0] for row in rows]


# --- personal data -------------------------------------------------------------------------------------------------------------


def erase_personal_data(tx: Transaction, at_most: int) -> int:
    """Erase the personal data that is past keeping, see `is_past_keeping`. Return of how many orders."""
    return tx.exec_driver_sql(
        "UPDATE amazon_order SET personal = NULL, erased_at = now() WHERE (connection_id, amazon_order_id) IN ("
        "SELECT connection_id, amazon_order_id FROM amazon_order WHERE personal IS NOT NULL "
        "AND (closed_at <= now() - %s * interval '1 day' OR updated_at <= now() - %s * interval '1 day') "
        "ORDER BY connection_id, amazon_order_id LIMIT %s FOR UPDATE)",
        (PERSONAL_DATA_DAYS, UNHEARD_DAYS, at_most),
    ).rowcount


# --- reading -------------------------------------------------------------------------------------------------------------------

AT_ONCE: Final = 1_000
"""Rows that a list reads at once."""

_SHOWN: Final = """
    SELECT c.name, o.amazon_order_id, o.status, o.purchased_at, o.updated_at, o.closed_at, o.total::text, o.currency, o.mapped::text,
           o.unmapped::text, o.personal, o.erased_at, o.imported_at, o.changed_at, o.changes, c.id,
           coalesce((SELECT jsonb_agg(jsonb_build_object('amazon_order_item_id', i.amazon_order_item_id, 'sku', i.sku,
                            'quantity', i.quantity) ORDER BY i.amazon_order_item_id)
                       FROM amazon_order_item i WHERE i.connection_id = o.connection_id AND i.amazon_order_id = o.amazon_order_id),
                    '[]')::text
      FROM amazon_order o JOIN connection c ON c.id = o.connection_id"""


def listed(tx: Transaction, *, connection: str | None, status: str | None, at_most: int | None) -> Iterator[dict[str, Any]]:
    """Yield orders as plain JSON values without personal data, those that changed last first; never many at once in memory."""
    rows = tx.exec_driver_sql(
        f"{_SHOWN} WHERE (%(connection)s::text IS NULL OR c.name = %(connection)s) AND (%(status)s::text IS NULL OR o.status = %(status)s) "
        "ORDER BY o.updated_at DESC, o.amazon_order_id LIMIT %(most)s::bigint",
        {"connection": connection, "status": status, "most": at_most},
        execution_options={"yield_per": AT_ONCE},
    )
    return map(_shown, rows)


def shown(tx: Transaction, vault: Vault, amazon_order_id: str, *, connection: str | None) -> list[dict[str, Any]]:
    """Return an order with its personal data, once for every connection that has it.

    Raises: FeedlineError when none of the keys opens it.
    """
    rows = tx.exec_driver_sql(
        f"{_SHOWN} WHERE o.amazon_order_id = %(id)s AND (%(connection)s::text IS NULL OR c.name = %(connection)s) ORDER BY c.name",
        {"id": amazon_order_id, "connection": connection},
    ).all()
    return [_shown(row, _revealed(vault, row)) for row in rows]


def _revealed(vault: Vault, row: Sequence[Any]) -> Mapping[str, JsonValue]:
    sealed: bytes | None = row[10]
    if sealed is None:
        return {}
    opened: Mapping[str, JsonValue] = decode(vault.open(place(row[15], row[1]), bytes(sealed)).reveal())
    return opened


def _shown(row: Sequence[Any], revealed: Mapping[str, JsonValue] | None = None) -> dict[str, Any]:
    name, order_id, status, purchased_at, updated_at, closed_at, total, currency, mapped, unmapped, personal, *rest = row
    erased_at, imported_at, changed_at, changes, _, items = rest
    return {
        "connection": name,
        "amazon_order_id": order_id,
        "status": status,
        "purchased_at": purchased_at,
        "updated_at": updated_at,
        "closed_at": closed_at,
        "total": total,
        "currency": currency,
        "items": decode(items),
        "mapped": {**decode(mapped), **(revealed or {})},
        "unmapped": decode(unmapped),
        "has_personal_data": personal is not None,
        "personal_data_erased_at": erased_at,
        "imported_at": imported_at,
        "changed_at": changed_at,
        "changes": changes,
    }
