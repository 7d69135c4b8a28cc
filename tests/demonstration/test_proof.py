"""The proof finds what is wrong: a proof that cannot fail proves nothing."""

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from ops.demonstration import model
from ops.demonstration.ledger import Decided
from ops.demonstration.proof import Observed, differences
from ops.demonstration.scenario import Nature, scenario

SCENE = scenario(400, 1)
_REASONS = {Nature.REFUSED: "5665", Nature.UNKNOWN: "SKU_UNKNOWN", Nature.AMAZON_FULFILS: "FBA_GUARD"}


def all_well() -> Observed:
    """Return what is seen when everything went well, and nothing was superseded that need not be."""
    expected = model.outcomes(SCENE)
    decided = []
    for message in SCENE.messages:
        words = expected.get((message.source, message.id))
        if words is not None:
            reason = message.fault.code if message.fault else _REASONS.get(message.listing.nature)
            decided.append(Decided(message.source, message.id, min(words), frozenset({reason} if reason else ())))
    catalogue = {
        sku: {"price": str(offer.price), "quantity": offer.quantity, "lead_time": offer.handling_time}
        for sku, offer in model.at_amazon(SCENE).items()
    }
    unidentified = Counter(message.fault.code for message in SCENE.messages if message.fault and not message.fault.has_identity)
    return Observed(decided, SCENE.repeats, unidentified, catalogue, {"createFeed": {"202": 4}})


def changed(seen: Observed, **item: Any) -> Observed:
    sku, shown = next(iter(seen.catalogue.items()))
    return seen._replace(catalogue={**seen.catalogue, sku: {**shown, **item}})


def test_nothing_differs_when_all_is_well() -> None:
    assert differences(SCENE, all_well()) == []


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda seen: seen._replace(decided=seen.decided[1:]), "logged 0 times"),
        (lambda seen: seen._replace(decided=[*seen.decided, seen.decided[0]]), "logged 2 times"),
        (lambda seen: seen._replace(decided=[seen.decided[0]._replace(outcome=None), *seen.decided[1:]]), "no outcome in place of"),
        (lambda seen: seen._replace(decided=[seen.decided[0]._replace(outcome="skipped"), *seen.decided[1:]]), "skipped in place of"),
        (lambda seen: seen._replace(decided=[*seen.decided, Decided("demo/erp", "of-nobody", "accepted", frozenset())]), "never published"),
        (lambda seen: seen._replace(decided=[each._replace(codes=frozenset()) for each in seen.decided]), "no reason in place of"),
        (lambda seen: seen._replace(repeats=seen.repeats - 1), "repeats were recognised"),
        (lambda seen: seen._replace(unidentified=Counter()), "0 deliveries were kept as NOT_JSON"),
        (lambda seen: seen._replace(calls={"createFeed": {"202": 3, "429": 1}}), "createFeed was answered 1 times with 429"),
        (lambda seen: seen._replace(catalogue=dict(list(seen.catalogue.items())[1:])), "Amazon has nothing in place of"),
        (lambda seen: changed(seen, price=str(Decimal(next(iter(seen.catalogue.values()))["price"]) + Decimal("0.01"))), "Amazon has"),
        (lambda seen: changed(seen, quantity=None), "None pieces"),
        (lambda seen: changed(seen, lead_time=31), "31 days"),
    ],
)
def test_every_kind_of_difference_is_told(spoil: Callable[[Observed], Observed], says: str) -> None:
    found = differences(SCENE, spoil(all_well()))

    assert any(says in difference for difference in found)
