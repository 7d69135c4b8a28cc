"""A small model of what Feedline promises: from what was published to what may become of each message."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple

PRICE, QUANTITY = "price", "quantity"


class Message(NamedTuple):
    """One version of one SKU, with the facets that it speaks of. `number` orders the versions of its source."""

    sku: str
    number: int
    facets: Mapping[str, str | int]

    @property
    def id(self) -> str:
        return f"{self.sku}-{self.number}"

    @property
    def is_valid(self) -> bool:
        return self.facets.get(QUANTITY) != "wrong"


def drawn(chance: Random, skus: Sequence[str], versions: int) -> list[Message]:
    """Draw so many versions of each SKU: a price, a quantity, or both; here and there one that is invalid."""
    messages = []
    for sku in skus:
        for number in range(1, versions + 1):
            facets: dict[str, str | int] = {}
            if chance.random() < 0.6:
                facets[PRICE] = f"{chance.randint(100, 130) / 10:.2f}"
            if not facets or chance.random() < 0.6:
                facets[QUANTITY] = chance.randint(0, 5)
            if chance.random() < 0.05:
                facets = {QUANTITY: "wrong"}
            messages.append(Message(sku, number, facets))
    return messages


def newest(messages: Iterable[Message]) -> Mapping[str, Mapping[str, Any]]:
    """Return what Amazon must have in the end: of each SKU the newest value of each facet that anybody has spoken of."""
    found: dict[str, dict[str, Any]] = {}
    for message in sorted(messages, key=lambda each: each.number):
        if message.is_valid:
            found.setdefault(message.sku, {}).update(message.facets)
    return found


def faults(
    messages: Sequence[Message], outcomes: Mapping[str, Sequence[str | None]], at_amazon: Mapping[str, Mapping[str, Any]], *, refused: str
) -> list[str]:
    """Return a sentence for everything that breaks a promise. *refused*: the SKU that Amazon rejects."""
    wrong = [f"{message.id} has the outcomes {outcomes.get(message.id)}" for message in messages if len(outcomes.get(message.id, ())) != 1]
    expected = newest(messages)
    for message in messages:
        outcome = next(iter(outcomes.get(message.id, ())), None)
        if outcome not in _possible(message, refused):
            wrong.append(f"{message.id} {dict(message.facets)} is {outcome}")
    for sku, facets in expected.items():
        for facet, value in facets.items():
            found = at_amazon[sku][facet]
            if sku != refused and not _same(found, value):
                wrong.append(f"{sku} has the {facet} {found} at Amazon; the newest is {value}")
    return wrong


def _possible(message: Message, refused: str) -> set[str]:
    if not message.is_valid:
        return {"invalid"}
    return {"superseded", "rejected"} if message.sku == refused else {"accepted", "superseded", "unchanged"}


def _same(found: object, value: object) -> bool:
    return found is not None and Decimal(str(found)) == Decimal(str(value))
