"""What the demo's upstreams have to say of two sellers' SKUs and orders. All of it follows from a size and a seed."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from random import Random
from typing import Final, NamedTuple

from ops.demonstration import publishing, shipping
from ops.demonstration.faults import FAULTS, Fault
from ops.demonstration.publishing import Publication
from ops.demonstration.sayings import Saying
from ops.demonstration.sellers import SELLERS, Offer, Seller
from ops.demonstration.shipping import Order

JsonScalar = str | int | Decimal


MESSAGES_A_SKU: Final = 4
FEWEST_MESSAGES: Final = 100


class Nature(StrEnum):
    """What Amazon makes of a SKU's messages."""

    ORDINARY = "ordinary"
    REFUSED = "refused"
    """Amazon rejects every change of it."""

    UNKNOWN = "unknown"
    """Amazon does not list it."""

    AMAZON_FULFILS = "amazon_fulfils"
    """A quantity would turn it merchant-fulfilled, so Feedline sends none."""


_SHARES: Final = {Nature.REFUSED: 0.01, Nature.UNKNOWN: 0.005, Nature.AMAZON_FULFILS: 0.002}


class Listing(NamedTuple):
    """One SKU of a seller, and what Amazon has of it before the first message."""

    seller: Seller
    sku: str
    nature: Nature
    before: Offer


class Message(NamedTuple):
    """One message. `number` grows in the order in which the upstream came to say them; `data` is what it sends."""

    number: int
    listing: Listing
    data: Mapping[str, JsonScalar]
    fault: Fault | None = None

    @property
    def id(self) -> str:
        return f"demo-{self.number:06d}"

    @property
    def source(self) -> str:
        return self.listing.seller.source


class Scenario(NamedTuple):
    """`messages` in the order of their numbers, each with another id; `arrivals` as they are published, repeats among them.

    All of these are about stock and prices; new listings and parcels have their `sayings`.
    """

    listings: Sequence[Listing]
    messages: Sequence[Message]
    arrivals: Sequence[Message]
    publications: Sequence[Publication] = ()
    orders: Sequence[Order] = ()

    @property
    def repeats(self) -> int:
        return len(self.arrivals) - len(self.messages)

    def sayings(self, now: datetime) -> Sequence[Saying]:
        """Return the messages about new listings and parcels, by when they are published. *now*: all parcels have left before it."""
        told = [*publishing.sayings(self.publications), *shipping.sayings(self.orders, now)]
        return sorted(told, key=lambda saying: saying.at)


def scenario(messages: int, seed: int) -> Scenario:
    """Make up *messages* messages about stock and prices, and in their train some about new listings and parcels.

    Raises: ValueError for fewer than `FEWEST_MESSAGES`: not every kind would occur.
    """
    if messages < FEWEST_MESSAGES:
        raise ValueError(f"a demo has at least {FEWEST_MESSAGES} messages")
    chance = Random(seed)  # noqa: S311  # repeatable, not secret
    listings = _listings(messages // MESSAGES_A_SKU, chance)
    told = list(_history(listings, messages, chance))
    arrivals = [*told, *chance.sample([message for message in told if message.fault is None], messages // 20)]
    chance.shuffle(arrivals)
    return Scenario(
        listings,
        told,
        arrivals,
        publishing.publications(max(messages // 100, publishing.FEWEST * len(SELLERS)), chance),
        shipping.orders(max(messages // 100, shipping.FEWEST * len(SELLERS)), chance),
    )


def _listings(count: int, chance: Random) -> list[Listing]:
    natures = [nature for nature, share in _SHARES.items() for _ in range(max(len(SELLERS), round(share * count)))]
    natures += [Nature.ORDINARY] * (count - len(natures))
    return [
        Listing(seller, f"{seller.sku_prefix}{number:05d}", nature, _offer(nature, chance))
        for number, nature in enumerate(natures, 1)
        for seller in [SELLERS[number % len(SELLERS)]]
    ]


def _offer(nature: Nature, chance: Random) -> Offer:
    return Offer(_price(chance), chance.randint(0, 500), None if nature is Nature.AMAZON_FULFILS or chance.random() < 0.5 else 2)


def _history(listings: Sequence[Listing], count: int, chance: Random) -> Iterator[Message]:
    """Yield the messages as they come about: every SKU is spoken of, its first message says everything of it."""
    faults = [FAULTS[number % len(FAULTS)] for number in range(max(len(FAULTS), count // 100))]
    faulty = dict(zip(sorted(chance.sample(range(count // 2, count), len(faults))), faults, strict=True))
    ordinary = [listing for listing in listings if listing.nature is Nature.ORDINARY]
    subjects = [*listings, *chance.choices(listings, k=count - len(faults) - len(listings))]
    chance.shuffle(subjects)
    known: set[str] = set()
    for number in range(count):
        fault = faulty.get(number)
        # A refused message must not count, least of all as the newest of a SKU that is otherwise well.
        listing = chance.choice(ordinary) if fault else subjects.pop()
        data = _data(listing, chance, everything=fault is not None or listing.sku not in known)
        if fault is None:
            known.add(listing.sku)
        yield Message(number, listing, data if fault is None else fault.spoil(data), fault)


def _data(listing: Listing, chance: Random, *, everything: bool) -> dict[str, JsonScalar]:
    # Of a SKU that Amazon fulfils there is no handling time to tell.
    facets = ["price", "quantity"] + ([] if listing.nature is Nature.AMAZON_FULFILS else ["handling_time"])
    told = facets if everything else chance.sample(facets, chance.choices([1, 2, len(facets)], [6, 3, 1])[0])
    data: dict[str, JsonScalar] = {"connection": listing.seller.connection, "sku": listing.sku}
    if "price" in told:
        price = _price(chance)
        data["price"] = price if chance.random() < 0.5 else str(price)  # a JSON number, or text
        if chance.random() < 0.3:
            data["currency"] = listing.seller.currency
    if "quantity" in told:
        # One in ten has run out; a few upstreams count below zero.
        data["quantity"] = chance.choices([chance.randint(1, 500), 0, -chance.randint(1, 5)], [890, 100, 10])[0]
    if "handling_time" in told:
        data["handling_time"] = chance.randint(0, 30)
    return data


def _price(chance: Random) -> Decimal:
    """Return 0.01 to 9999.99 with none, one or two decimals, trailing zeros among them."""
    decimals = chance.choices([0, 1, 2], [1, 1, 8])[0]
    return Decimal(chance.randint(1, 10 ** (chance.randint(1, 4) + decimals) - 1)).scaleb(-decimals)
