"""What becomes of one of Amazon's orders: what we keep of it, and what the connection's orders template makes of it.

Source: Orders API 2026-01-01. Requirement rows R71 to R79. A template is compiled once for a connection's revision.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from worker.core.issues import Issue, issue
from worker.core.json import JsonObject, JsonValue, decode, encode
from worker.core.mapping import Absent, Found, Resolver, resolver
from worker.core.message_data import instant
from worker.core.order_spellings import items_of, today
from worker.core.personal_data import is_personal
from worker.core.rules import number
from worker.core.targets import Spec, TemplateKind, Way

if TYPE_CHECKING:
    from worker.core.connections import ConnectionSettings

PERSONAL_DATA_DAYS: Final = 30
"""How long after an order has been shipped, or cancelled, its personal data is kept. Source: Amazon's Data Protection Policy."""

UNHEARD_DAYS: Final = 180
"""How long personal data is kept of an order that nobody closes: where no run gets orders any more, none tells that it was shipped."""

PENDING: Final = ("PENDING", "PENDING_AVAILABILITY")
"""Not yet paid: Amazon shows neither buyer nor address nor money, and the order is looked at again in every run."""

CLOSED: Final = ("SHIPPED", "CANCELLED", "UNFULFILLABLE")
"""Nothing more will be sent to the buyer."""

UNKNOWN: Final = "UNKNOWN"
"""The status of an order for which Amazon tells none."""

REFERENCE_NUMBER: Final = "reference_number"
TOTAL: Final = "invoice.total"

MOST_ID_CHARACTERS: Final = 100
"""Amazon's own ids have 19 (3-7-7); others are in use elsewhere."""


class Block(StrEnum):
    """What `includedData` may ask for; without it an order has its ids, times and items alone."""

    BUYER = "BUYER"
    RECIPIENT = "RECIPIENT"
    PROCEEDS = "PROCEEDS"
    EXPENSE = "EXPENSE"
    PROMOTION = "PROMOTION"
    CANCELLATION = "CANCELLATION"
    FULFILLMENT = "FULFILLMENT"
    PACKAGES = "PACKAGES"
    TAX = "TAX"
    PAYMENT = "PAYMENT"
    FULFILLMENT_ORDERS = "FULFILLMENT_ORDERS"


ALWAYS_INCLUDED: Final = frozenset({Block.FULFILLMENT, Block.PROCEEDS, Block.PACKAGES})
"""The status, the total, and when parcels left. What else is asked for depends on the template: no more personal data than it maps."""

_BLOCK_OF: Final = {
    **{block.lower(): block for block in Block},
    "fulfillmentOrders": Block.FULFILLMENT_ORDERS,
}


class Item(NamedTuple):
    """`sku` is without the connection's prefix; Amazon may leave it out. `quantity`: ordered."""

    amazon_order_item_id: str
    sku: str | None
    quantity: int


class Unmapped(msgspec.Struct, frozen=True, omit_defaults=True):
    """A target that got nothing for a fault: its code, and the field. `message` holds the value: a personal target has none."""

    target: str
    field: str | None
    code: str
    message: str | None = None


class Mapped(NamedTuple):
    """What a template made, by target: what anybody may see, what is `personal`, and what it could not make."""

    public: Mapping[str, JsonValue]
    personal: Mapping[str, JsonValue]
    unmapped: tuple[Unmapped, ...]

    def __repr__(self) -> str:
        return f"Mapped({', '.join([*self.public, *self.personal])})"  # targets, never values


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An order as we keep it. Times are UTC; `updated_at` is its version. `total` is Amazon's decimal text, digit by digit.

    `closed_at`: when its last parcel left, or it was cancelled; None while something may still be sent.
    """

    amazon_order_id: str
    marketplace_id: str | None
    status: str
    purchased_at: datetime | None
    updated_at: datetime
    closed_at: datetime | None
    total: str | None
    currency: str | None
    items: tuple[Item, ...]
    mapped: Mapped

    def __repr__(self) -> str:
        return f"Order({self.amazon_order_id})"  # what is mapped may be personal


class _Step(NamedTuple):
    target: str
    resolve: Resolver
    is_personal: bool


class OrderTemplate:
    """The get_orders template of one revision, compiled. `included_data`: the blocks that it needs, and we."""

    def __init__(self, settings: "ConnectionSettings", own_sku: Callable[[str], str]) -> None:
        """*own_sku* takes the connection's prefix off a SKU."""
        self._own_sku = own_sku
        steps: list[_Step] = []
        fields: set[str] = set()
        for target, spec in settings.get_orders.template.items():
            if spec.way is Way.DONT_MAP and not spec.rules:
                continue
            resolve = resolver(TemplateKind.ORDERS, target, spec, rules=settings.rules, mapping_sets=settings.mapping_sets)
            read = set(_fields(settings, target, spec))
            steps.append(_Step(target, resolve, is_personal(target, read)))
            fields |= read
        self._steps = tuple(steps)
        self.included_data: tuple[str, ...] = tuple(sorted(ALWAYS_INCLUDED.union(*(_blocks(field) for field in fields))))

    def read(self, raw: bytes) -> Order | Issue:
        """Return the order that *raw* is, as JSON; or why it cannot be kept, naming the order and nothing else of it."""
        try:
            order = decode(raw)
            return self.make(order) if isinstance(order, Mapping) else _odd(None, "it is no object")
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return _odd(_id_in(raw), "it is no JSON that can be read")
        except BEYOND_US as error:
            return beyond_us(_id_in(raw), error)

    def make(self, given: JsonObject) -> Order | Issue:
        """Return the order that *given* is, or why it cannot be kept. A missing total, buyer, address or SKU is no reason."""
        order = today(given)
        order_id = order.get("orderId")
        if not isinstance(order_id, str) or not 0 < len(order_id) <= MOST_ID_CHARACTERS or not order_id.isprintable():
            return _odd(order_id if isinstance(order_id, str) else None, "it has no order id")
        updated_at = _time(order.get("lastUpdatedTime"))
        if updated_at is None:
            return _odd(order_id, "its lastUpdatedTime is missing or no time")
        items = tuple(_items(order, self._own_sku))
        if None in items:
            return _odd(order_id, "one of its items lacks its order item id or its quantity")
        by_id = {item.amazon_order_item_id: item for item in items if item is not None}
        status = _text(_object(order, "fulfillment").get("fulfillmentStatus")) or UNKNOWN
        total = _object(order, "proceeds", "grandTotal")
        return Order(
            amazon_order_id=order_id,
            marketplace_id=_text(_object(order, "salesChannel").get("marketplaceId")),
            status=status,
            purchased_at=_time(order.get("createdTime")),
            updated_at=updated_at,
            closed_at=_closed_at(order, updated_at) if status in CLOSED else None,
            total=_amount(total.get("amount")),
            currency=_text(total.get("currencyCode")),
            items=tuple(by_id.values()),
            mapped=self.mapped(order),
        )

    @property
    def personal_targets(self) -> frozenset[str]:
        """The targets that get personal data."""
        return frozenset(step.target for step in self._steps if step.is_personal)

    def mapped(self, given: JsonObject) -> Mapped:
        """Return what the template makes of *given*. What the order does not say is in neither part; set to empty is ""."""
        data = {"order": today(given)}
        public: dict[str, JsonValue] = {}
        personal: dict[str, JsonValue] = {}
        unmapped: list[Unmapped] = []
        for target, resolve, is_secret in self._steps:
            result = resolve(data)
            if isinstance(result, Issue):
                unmapped.append(Unmapped(target, result.field, result.code, None if is_secret else result.message))
                continue
            if isinstance(result, Absent):
                value: JsonValue = "" if result is Absent.EMPTIED else None
            else:
                value = _made(target, result, unmapped)
            if value is not None:
                (personal if is_secret else public)[target] = value
        return Mapped(public, personal, tuple(unmapped))


def _fields(settings: "ConnectionSettings", target: str, spec: Spec) -> Iterator[str]:
    """Yield every field that may have a say in what *target* gets: those that the rules look at, too."""
    if spec.field is not None:
        yield spec.field
    for rule in (settings.rules[name] for name in spec.rules):
        action = rule.action(target)
        if action is not None:
            yield from (condition.field for condition in rule.when)
            if action.field is not None:
                yield action.field


def _blocks(field: str) -> frozenset[Block]:
    """Return the blocks that *field* is read from. The whole order, or all of its items, has every block."""
    parts = field.split(".")
    if parts[0] != "order":
        return frozenset()
    named = frozenset(_BLOCK_OF[part] for part in parts[1:] if part in _BLOCK_OF)
    return named or (frozenset(Block) if parts[1:] in ([], ["orderItems"]) else frozenset())


def _made(target: str, result: Found, unmapped: list[Unmapped]) -> JsonValue:
    value = _amount(result.value) if target == TOTAL else _exact(result.value)
    if value is None or not _can_be_kept(value):
        unmapped.append(Unmapped(target, result.field, "FIELD_INVALID"))
        return None
    return value


def _can_be_kept(value: JsonValue) -> bool:
    """Whether *value* can be written as JSON, and stored: Postgres has no NUL, and a nesting has its limit."""
    try:
        return b"\\u0000" not in encode(value)
    except TypeError:
        return False


def _exact(value: JsonValue) -> JsonValue:
    """Return *value* with its decimals as text, which no reader puts through binary floats; and integers of more than 64 bits."""
    if isinstance(value, Decimal):
        return format(value, "f") if abs(value.adjusted()) < _MOST_DIGITS else str(value)
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return str(value)
    if isinstance(value, Mapping):
        return {name: _exact(each) for name, each in value.items()}
    return [_exact(each) for each in value] if isinstance(value, list) else value


def _items(order: JsonObject, own_sku: Callable[[str], str]) -> Iterator[Item | None]:
    for item in items_of(order):
        item_id = _text(item.get("orderItemId")) if isinstance(item, Mapping) else None
        quantity = number(item.get("quantityOrdered")) if isinstance(item, Mapping) else None
        if item_id is None or quantity is None or not 0 <= quantity <= _MOST_PIECES or quantity != int(quantity):
            yield None
            continue
        sku = _text(_object(item, "product").get("sellerSku"))
        yield Item(item_id, None if sku is None else own_sku(sku), int(quantity))


def _closed_at(order: JsonObject, updated_at: datetime) -> datetime:
    """Return when the last parcel left, as far as it is told; else when the order was updated last."""
    packages = order.get("packages")
    said = [_time(package.get("shipTime")) for package in packages if isinstance(package, Mapping)] if isinstance(packages, list) else []
    left = [moment for moment in said if moment is not None and moment <= updated_at]
    return max(left, default=updated_at)


def is_past_keeping(closed_at: datetime | None, updated_at: datetime, now: datetime) -> bool:
    """Whether the personal data of an order that was closed then, and updated last then, may not be kept any longer."""
    is_long_closed = closed_at is not None and closed_at <= now - timedelta(days=PERSONAL_DATA_DAYS)
    return is_long_closed or updated_at <= now - timedelta(days=UNHEARD_DAYS)


def _object(given: JsonObject, *path: str) -> JsonObject:
    value: JsonValue = given
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) and value else None


def _time(value: JsonValue) -> datetime | None:
    """Return the UTC time that *value* says, whatever its zone; None where it says none."""
    try:
        return instant(value)
    except ValueError:
        return None


def _amount(value: JsonValue) -> str | None:
    """Return an amount as plain decimal text, as many digits as it has: yen have none after the point, credits are negative."""
    amount = number(value.strip() if isinstance(value, str) else value)
    if amount is None or abs(amount.adjusted()) >= _MOST_DIGITS:
        return None
    return format(amount or abs(amount), "f")  # a zero has no sign


_MOST_DIGITS: Final = 60
_MOST_BITS: Final = 63
_MOST_PIECES: Final = 2**31 - 1


class _Named(msgspec.Struct):
    orderId: str  # noqa: N815  # Amazon's spelling


def _id_in(raw: bytes) -> str | None:
    """Return the id of an order that is not readable otherwise."""
    try:
        return msgspec.json.decode(raw, type=_Named).orderId
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        found = _ID.search(raw)
        return None if found is None else found[0].decode()


_ID: Final = re.compile(rb"[0-9]{3}-[0-9]{7}-[0-9]{7}")


BEYOND_US: Final = (ArithmeticError, RecursionError, TypeError, ValueError)
"""What a number, a time, a text or a nesting raises that is JSON, and more than our means can hold."""


def beyond_us(order_id: str | None, error: Exception) -> Issue:
    """Return the issue of an order that raised one of `BEYOND_US`. Of the error only its class: its text may be personal."""
    return _odd(order_id, f"something in it is beyond what can be read or stored ({type(error).__name__})")


def _odd(order_id: str | None, reason: str) -> Issue:
    if order_id:
        return issue("ORDER_UNREADABLE", value=order_id, reason=reason)
    return msgspec.structs.replace(issue("ORDER_UNREADABLE", value="without an id", reason=reason), value=None)
