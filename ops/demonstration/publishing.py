"""New listings in the demo: offers attached to products of Amazon's by ASIN or UPC, and what Amazon or Feedline must refuse."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from random import Random
from typing import Any, Final, NamedTuple

from ops.demonstration import words
from ops.demonstration.sayings import INVENTORY, LISTING, Saying
from ops.demonstration.sellers import SELLERS, Offer, Seller

SOURCE: Final = "demo/catalogue"
CONDITIONS: Final = ("New", "Used - Like New", "Used - Good")


class Way(StrEnum):
    """What a listing message names, and what must come of it."""

    BY_ASIN = "by_asin"
    BY_UPC = "by_upc"
    NO_SUCH_ASIN = "no_such_asin"
    WRONG_CHECK_DIGIT = "wrong_check_digit"
    REMOVED = "removed"
    """It is published, and removed again."""


_WAYS: Final = (*[Way.BY_ASIN] * 4, *[Way.BY_UPC] * 2, Way.NO_SUCH_ASIN, Way.WRONG_CHECK_DIGIT, Way.REMOVED)
FEWEST: Final = len(_WAYS)


class Publication(NamedTuple):
    """One new SKU. `asin` and `upc` are a product of Amazon's, unless the way says otherwise."""

    seller: Seller
    sku: str
    way: Way
    asin: str
    upc: str
    condition: str
    first: Offer
    last: Offer

    @property
    def is_product(self) -> bool:
        return self.way not in {Way.NO_SUCH_ASIN, Way.WRONG_CHECK_DIGIT}

    @property
    def product(self) -> dict[str, Any]:
        return {"asin": self.asin, "title": f"Product {self.asin}", "identifiers": [self.upc]}


def publications(count: int, chance: Random) -> Sequence[Publication]:
    """Make up *count* new SKUs."""
    return [_publication(number, chance) for number in range(count)]


def _publication(number: int, chance: Random) -> Publication:
    seller = SELLERS[number % len(SELLERS)]
    return Publication(
        seller,
        f"{seller.sku_prefix}NEW-{number:05d}",
        _WAYS[number // len(SELLERS) % len(_WAYS)],
        f"B0DEMO{number:04d}",
        upc(number),
        chance.choice(CONDITIONS),
        Offer(_price(chance), chance.randint(1, 50), None),
        Offer(_price(chance), chance.randint(0, 50), None),
    )


def upc(number: int) -> str:
    """Return a UPC-A with a right check digit."""
    digits = f"8{number:010d}"
    odd, even = sum(map(int, digits[::2])), sum(map(int, digits[1::2]))
    return f"{digits}{-(3 * odd + even) % 10}"


def _price(chance: Random) -> Decimal:
    return Decimal(chance.randint(100, 99_999)).scaleb(-2)


def sayings(told: Sequence[Publication]) -> Iterator[Saying]:
    """Yield the messages: each listing, and later a newer price and quantity of it, or its removal.

    The listings come first by far: that which is not listed has no price.
    """
    for number, publication in enumerate(told):
        yield _listing(publication, 2 * number, number / len(told) / 8)
        follow_up = _follow_up(publication, 2 * number + 1, 0.5 + number / len(told) / 2)
        if follow_up is not None:
            yield follow_up


def _listing(publication: Publication, number: int, at: float) -> Saying:
    seller = publication.seller
    data: dict[str, Any] = {
        "connection": seller.connection,
        "sku": publication.sku,
        "title": f"Widget {publication.sku}",
        "description": "A widget that the demo made up.",
        "condition": publication.condition,
        "price": str(publication.first.price),
        "currency": seller.currency,
        "quantity": publication.first.quantity,
    }
    outcome, code = {words.ACCEPTED}, None
    match publication.way:
        case Way.BY_UPC:
            data["upc"] = publication.upc
        case Way.WRONG_CHECK_DIGIT:
            data["upc"] = f"{publication.upc[:-1]}{(int(publication.upc[-1]) + 1) % 10}"
            outcome, code = {words.INVALID}, "CHECK_DIGIT_WRONG"
        case Way.NO_SUCH_ASIN:
            data["asin"] = publication.asin
            outcome, code = {words.REJECTED}, "8560"
        case Way.REMOVED:
            data["asin"] = publication.asin
            # The removal may come before the listing has gone.
            outcome = {words.ACCEPTED, words.SUPERSEDED}
        case Way.BY_ASIN:
            data["asin"] = publication.asin
    return Saying(LISTING, seller.connection, SOURCE, number, data, at, frozenset(outcome), code)


def _follow_up(publication: Publication, number: int, at: float) -> Saying | None:
    data: dict[str, Any] = {"connection": publication.seller.connection, "sku": publication.sku}
    if publication.way is Way.REMOVED:
        # Nothing to remove is there when the listing was superseded before it went.
        done = frozenset({words.ACCEPTED, words.UNCHANGED})
        return Saying(LISTING, publication.seller.connection, SOURCE, number, {**data, "operation": "delete"}, at, done)
    if not publication.is_product:
        return None
    data |= {"price": publication.last.price, "quantity": publication.last.quantity}
    return Saying(INVENTORY, publication.seller.connection, SOURCE, number, data, at, frozenset({words.ACCEPTED}))


def at_amazon(told: Sequence[Publication]) -> Mapping[str, Offer]:
    """Return what Amazon must have of every new SKU in the end."""
    return {each.sku: each.last for each in told if each.way in {Way.BY_ASIN, Way.BY_UPC}}
