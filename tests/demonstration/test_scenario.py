"""The demo's scenario and model, as values."""

import json
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from ops.demonstration import forms, model
from ops.demonstration.faults import FAULTS
from ops.demonstration.publishing import Way
from ops.demonstration.scenario import Listing, Message, Nature, Scenario, scenario
from ops.demonstration.sellers import SELLERS, Offer
from ops.demonstration.shipping import Story

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
BEFORE = Offer(Decimal("9.99"), 3, None)
MUG = Listing(SELLERS[0], "US-1", Nature.ORDINARY, BEFORE)
FORBIDDEN = Listing(SELLERS[0], "US-2", Nature.REFUSED, BEFORE)
STRANGER = Listing(SELLERS[1], "DE-3", Nature.UNKNOWN, BEFORE)
AT_AMAZONS = Listing(SELLERS[1], "DE-4", Nature.AMAZON_FULFILS, BEFORE)


def told(*messages: Message) -> Scenario:
    return Scenario([MUG, FORBIDDEN, STRANGER, AT_AMAZONS], messages, messages)


def test_the_newest_value_of_each_facet_counts_whatever_message_it_came_with() -> None:
    at_amazon = model.at_amazon(
        told(
            Message(1, MUG, {"price": Decimal("1.50"), "quantity": 7, "handling_time": 2}),
            Message(2, MUG, {"price": "2.10", "quantity": 8}),
            Message(3, MUG, {"quantity": 9}),
        )
    )

    assert at_amazon["US-1"] == Offer(Decimal("2.10"), 9, 2)


def test_an_invalid_message_has_no_last_word() -> None:
    at_amazon = model.at_amazon(told(Message(1, MUG, {"quantity": 7}), Message(2, MUG, {"quantity": Decimal("2.5")}, FAULTS[4])))

    assert at_amazon["US-1"] == BEFORE._replace(quantity=7)


def test_a_quantity_below_zero_is_zero_at_amazon_and_a_warning() -> None:
    scene = told(Message(1, MUG, {"quantity": -3}))

    assert model.at_amazon(scene)["US-1"].quantity == 0
    assert model.outcomes(scene)["demo/erp", "demo-000001"] == {"accepted_with_warnings", "unchanged"}


def test_what_amazon_refuses_or_does_not_list_stays_as_it_was() -> None:
    at_amazon = model.at_amazon(told(Message(1, FORBIDDEN, {"quantity": 7}), Message(2, STRANGER, {"quantity": 7})))

    assert at_amazon["US-2"] == BEFORE
    assert "DE-3" not in at_amazon


def test_of_a_sku_that_amazon_fulfils_the_price_goes_and_the_quantity_does_not() -> None:
    scene = told(Message(1, AT_AMAZONS, {"price": "5.00", "quantity": 7}), Message(2, AT_AMAZONS, {"price": "6.00"}))

    assert model.at_amazon(scene)["DE-4"] == Offer(Decimal("6.00"), 3, None)
    assert model.outcomes(scene) == {
        ("demo/warehouse", "demo-000001"): {"rejected"},
        ("demo/warehouse", "demo-000002"): {"accepted", "unchanged"},
    }


def test_what_is_not_the_newest_may_have_been_sent_or_superseded() -> None:
    outcomes = model.outcomes(
        told(Message(1, MUG, {"price": "5.00", "quantity": 7}), Message(2, MUG, {"price": "6.00"}), Message(3, MUG, {"quantity": 8}))
    )

    assert outcomes["demo/erp", "demo-000001"] == {"accepted", "unchanged", "superseded"}
    assert outcomes["demo/erp", "demo-000002"] == {"accepted", "unchanged"}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_scenario_has_messages_of_every_kind_on_every_sku(seed: int) -> None:
    scene = scenario(2_000, seed)

    assert len(scene.messages) == 2_000
    assert len(scene.listings) == 500
    assert len({(message.source, message.id) for message in scene.messages}) == 2_000
    assert {message.listing.sku for message in scene.messages} == {listing.sku for listing in scene.listings}
    assert {message.fault.code for message in scene.messages if message.fault} == {fault.code for fault in FAULTS}
    assert {(listing.seller, listing.nature) for listing in scene.listings} == {(seller, nature) for seller in SELLERS for nature in Nature}
    assert Counter(message.number for message in scene.arrivals).most_common(1)[0][1] == 2
    assert scene.repeats == 100
    assert {(each.seller, each.way) for each in scene.publications} == {(seller, way) for seller in SELLERS for way in Way}
    assert {(each.seller, each.story) for each in scene.orders} == {(seller, story) for seller in SELLERS for story in Story}
    sayings = scene.sayings(NOW)
    assert len({(saying.source, saying.id) for saying in sayings}) == len(sayings)


def test_the_same_seed_makes_up_the_same_scenario() -> None:
    assert scenario(500, 7) == scenario(500, 7)
    assert [each.event for each in forms.published(scenario(500, 7), 7, NOW)] == [
        each.event for each in forms.published(scenario(500, 7), 7, NOW)
    ]


def test_every_arrival_is_published_once_and_in_all_four_forms() -> None:
    scene = scenario(2_000, 1)

    published = list(forms.published(scene, 1, NOW))

    assert sum(each.messages for each in published) == len(scene.arrivals) + len(scene.sayings(NOW))
    assert {(each.event.content_type, bool(each.event.headers)) for each in published} == {
        ("application/cloudevents+json", False),
        ("application/cloudevents-batch+json", False),
        ("application/json", True),
        (None, False),
    }


def test_a_decimal_is_published_as_a_number_with_its_own_digits() -> None:
    scene = told(Message(1, MUG, {"connection": "Demo US", "sku": "US-1", "price": Decimal("19.90")}))

    bodies = {published.event.body for seed in range(20) for published in forms.published(scene, seed, NOW)}

    assert all(b'"price":19.90' in body for body in bodies)


def test_a_source_orders_by_sequence_or_by_time() -> None:
    scene = scenario(500, 1)._replace(publications=(), orders=())

    events = [
        json.loads(each.event.body)
        for each in forms.published(scene, 1, NOW)
        if each.event.content_type == "application/cloudevents+json" and _is_json(each.event.body)
    ]

    assert {(event["source"], "sequence" in event) for event in events} == {("demo/erp", True), ("demo/warehouse", False)}
    assert len({event["time"] for event in events}) == len({event.get("id") for event in events})


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True
