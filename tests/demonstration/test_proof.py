"""The proof finds what is wrong: a proof that cannot fail proves nothing."""

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from ops.demonstration import model, shipping
from ops.demonstration.imports import KINDS, Imported, Run
from ops.demonstration.ledger import Decided
from ops.demonstration.proof import Observed, differences
from ops.demonstration.scenario import Nature, scenario
from ops.demonstration.sellers import SELLERS

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
    decided += [
        Decided(saying.source, saying.id, min(saying.outcomes), frozenset({saying.code} if saying.code else ()))
        for saying in SCENE.sayings(model.ANY_TIME)
    ]
    catalogue = {
        sku: {"price": str(offer.price), "quantity": offer.quantity, "lead_time": offer.handling_time}
        for sku, offer in model.at_amazon(SCENE).items()
    }
    unidentified = Counter(message.fault.code for message in SCENE.messages if message.fault and not message.fault.has_identity)
    orders = {order.order_id: as_shipped(order) for order in SCENE.orders if order.is_known}
    return Observed(decided, SCENE.repeats, unidentified, catalogue, orders, imported(), {"createFeed": {"202": 4}})


def imported() -> Imported:
    skus = {
        seller.connection: frozenset(each.sku for each in SCENE.listings if each.seller is seller and each.nature is not Nature.UNKNOWN)
        for seller in SELLERS
    }
    orders = {order.order_id: {line.order_item_id: line.quantity for line in order.lines} for order in SCENE.orders if order.is_known}
    return Imported([Run(seller.connection, kind, "done", None) for seller in SELLERS for kind in KINDS], skus, orders)


def as_shipped(order: shipping.Order) -> dict[str, Any]:
    """Return how the simulator shows *order* when every parcel of it was confirmed once."""
    is_shipped = order.story is not shipping.Story.NOTHING_IN_IT
    return {
        "items": [
            {"order_item_id": line.order_item_id, "shipped": line.quantity * is_shipped, "confirmations": int(is_shipped)}
            for line in order.lines
        ],
        "packages": [
            {"tracking_number": parcel.tracking_number, **parcel.sent._asdict()} for parcel in (order.parcels if is_shipped else ())
        ],
    }


def changed(seen: Observed, **item: Any) -> Observed:
    sku, shown = next(iter(seen.catalogue.items()))
    return seen._replace(catalogue={**seen.catalogue, sku: {**shown, **item}})


def with_order(seen: Observed, part: str, **values: Any) -> Observed:
    order_id, shown = next(iter(seen.orders.items()))
    return seen._replace(orders={**seen.orders, order_id: {**shown, part: [{**shown[part][0], **values}, *shown[part][1:]]}})


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
        (lambda seen: seen._replace(orders=dict(list(seen.orders.items())[1:])), "Amazon does not know it"),
        (lambda seen: with_order(seen, "items", shipped=0), "0 of "),
        (lambda seen: with_order(seen, "items", confirmations=2), "by 2 updates"),
        (lambda seen: seen._replace(imported=seen.imported._replace(orders={})), "imported as None in place of"),
        (lambda seen: seen._replace(imported=seen.imported._replace(skus={})), "listings were not imported"),
        (
            lambda seen: seen._replace(imported=seen.imported._replace(runs=[Run("Demo US", "get-orders", "failed", "gone")])),
            "the run get-orders is failed (gone)",
        ),
        (lambda seen: with_order(seen, "packages", carrier_code="USPS"), "in place of Carriage(carrier_code='UPS'"),
        (lambda seen: with_order(seen, "packages", tracking_number="another"), "went as None"),
    ],
)
def test_every_kind_of_difference_is_told(spoil: Callable[[Observed], Observed], says: str) -> None:
    found = differences(SCENE, spoil(all_well()))

    assert any(says in difference for difference in found)
