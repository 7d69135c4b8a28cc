"""Bundles: one update with everything in it, once all components have left, whatever came first."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from tests.core.folding import Ledger
from tests.core.orders import BUNDLE, NOW, ORDER_ID, TERMS, UNKNOWN, arrival, component, new_order, shipment
from worker.core import coalescing, fulfillments
from worker.core.coalescing import Flight, Key
from worker.core.fulfillments import Batch, Order, OrderItem, Terms
from worker.core.outcomes import Fate, Outcome, Reason
from worker.core.rendered import Part, Rendered

LINE = {"amazon_order_item_id": "10000000000001", "quantity": 1}
KNOWN = Order(
    ORDER_ID,
    is_known=True,
    items=(OrderItem("10000000000001", "MUG", 1, is_linked=True), OrderItem(BUNDLE, "SET", 2, is_linked=True)),
)


def render(key: Key, order: Order = UNKNOWN, terms: Terms = TERMS) -> Rendered:
    return Rendered() if key.pending is None else fulfillments.render(key.pending, key.confirmed, order, terms, NOW)


def told(key: Key, *messages: Any) -> Ledger:
    """Fold shipments into the order, one message each, and return what came to its end."""
    ledger = Ledger()
    for number, data in enumerate(messages, 1):
        ledger.note(coalescing.coalesce(key, arrival(number, data)))
    return ledger


def a_feed(key: Key, ledger: Ledger, outcome: Outcome = Outcome.ACCEPTED, order: Order = UNKNOWN, terms: Terms = TERMS) -> list[Part]:
    """Let a feed take all that can go, and end it; return the feed messages."""
    rendered = render(key, order, terms)
    key.confirmed.update(rendered.known)
    if key.pending is not None:
        ledger.note(coalescing.drop(key.pending, rendered.dropped))
    flights = []
    for part in rendered.parts:
        assert key.pending is not None
        change = coalescing.take(key.pending, part.facets or ())
        flights.append(Flight(change, dict(part.sent), coalescing.take_off(key, part.sent)))
    key.pending = None if key.pending is None or not key.pending.messages else key.pending
    ledger.note(coalescing.land(key, [(flight.change, Fate(outcome)) for flight in flights]))
    for flight in flights:
        ledger.note(coalescing.confirm(key, flight.was if outcome is Outcome.REJECTED else flight.sent))
    return list(rendered.parts)


def a_bundle_at_amazon() -> tuple[Key, Ledger]:
    """Return an order whose bundle left in two parcels: T1 with A, then T2 with B, which Amazon has of it."""
    key = new_order()
    ledger = told(
        key,
        shipment(component("A"), tracking_number="T1", shipped_at="2026-08-05T10:00:00Z"),
        shipment(component("B"), tracking_number="T2", shipped_at="2026-08-05T11:00:00Z"),
    )
    a_feed(key, ledger)
    return key, ledger


def texts(part: Part, name: str) -> list[str]:
    return [element.text or "" for element in etree.fromstring(part.body).iter(name)]


@pytest.mark.requirement("R98", "R99", "R100")
def test_a_bundle_waits_until_its_last_component_has_left_and_goes_then_as_one_item() -> None:
    key = new_order()
    ledger = told(key, shipment(component("A"), tracking_number="T1"))
    first = render(key)
    ledger.note(coalescing.coalesce(key, arrival(2, shipment(component("B"), tracking_number="T2", shipped_at="2026-08-05T11:00:00Z"))))

    (part,) = a_feed(key, ledger)

    assert (first.parts, first.held) == ((), Reason.BUNDLE_PARTIAL)
    assert texts(part, "AmazonOrderItemCode") == [BUNDLE]
    assert texts(part, "ShipperTrackingNumber") == ["T2"]
    assert ledger.outcomes() == {1: "accepted", 2: "accepted"}


@pytest.mark.requirement("R97")
def test_a_bundle_goes_with_its_ordered_quantity_and_without_one_where_the_order_is_not_known() -> None:
    key = new_order()
    told(key, shipment(component("A", 2, {"A": 2, "B": 4}), component("B", 4, {"A": 2, "B": 4})))

    assert texts(render(key, KNOWN).parts[0], "Quantity") == ["2"]
    assert texts(render(key, UNKNOWN).parts[0], "Quantity") == []


@pytest.mark.requirement("R101")
def test_other_lines_of_the_message_go_at_once_and_the_message_stays_open() -> None:
    key = new_order()
    ledger = told(key, shipment(LINE, component("A")))

    (part,) = a_feed(key, ledger)

    assert texts(part, "AmazonOrderItemCode") == ["10000000000001"]
    assert ledger.outcomes() == {}
    assert render(key).held is Reason.BUNDLE_PARTIAL
    ledger.note(coalescing.coalesce(key, arrival(2, shipment(component("B"), tracking_number="T2"))))
    assert len(a_feed(key, ledger)) == 1
    assert ledger.outcomes() == {1: "accepted", 2: "accepted"}


@pytest.mark.parametrize(("which", "expected"), [("last", "T2"), ("first", "T1")])
def test_the_tracking_number_is_that_of_the_last_or_the_first_parcel_that_left(which: str, expected: str) -> None:
    key = new_order()
    told(
        key,
        shipment(component("B"), tracking_number="T2", shipped_at="2026-08-05T11:00:00Z"),
        shipment(component("A"), tracking_number="T1", shipped_at="2026-08-05T10:00:00Z"),
    )

    (part,) = render(key, terms=Terms(which, "submit")).parts

    assert texts(part, "ShipperTrackingNumber") == [expected]


def test_a_repeat_of_a_component_that_is_at_amazon_changes_nothing() -> None:
    key = new_order()
    ledger = told(key, shipment(component("A"), tracking_number="T1"), shipment(component("B"), tracking_number="T2"))
    a_feed(key, ledger)

    ledger.note(coalescing.coalesce(key, arrival(3, shipment(component("A"), tracking_number="T1"))))

    assert ledger.outcomes()[3] == "unchanged"
    assert key.pending is None


def test_a_correction_of_the_parcel_that_was_named_is_sent() -> None:
    key = new_order()
    ledger = told(key, shipment(component("A"), component("B")))
    a_feed(key, ledger)

    ledger.note(coalescing.coalesce(key, arrival(2, shipment(component("A"), component("B"), shipped_at="2026-08-05T12:00:00Z"))))
    (part,) = a_feed(key, ledger)

    assert texts(part, "FulfillmentDate") == ["2026-08-05T12:00:00+00:00"]
    assert ledger.outcomes()[2] == "accepted"


def test_a_correction_of_a_parcel_that_was_not_named_changes_nothing_at_amazon() -> None:
    key, ledger = a_bundle_at_amazon()

    correction = shipment(component("A"), tracking_number="T1", shipped_at="2026-08-05T10:30:00Z")
    ledger.note(coalescing.coalesce(key, arrival(3, correction)))

    assert a_feed(key, ledger) == []
    assert ledger.outcomes()[3] == "unchanged"


def test_what_a_correction_said_of_a_parcel_that_was_not_named_counts_once_that_parcel_is() -> None:
    key, ledger = a_bundle_at_amazon()
    ledger.note(
        coalescing.coalesce(
            key, arrival(3, shipment(component("A"), tracking_number="T1", shipped_at="2026-08-05T10:30:00Z", method="Air"))
        )
    )
    a_feed(key, ledger)

    ledger.note(coalescing.coalesce(key, arrival(4, shipment(component("B"), tracking_number="T2", shipped_at="2026-08-05T10:15:00Z"))))
    (part,) = a_feed(key, ledger)

    assert ledger.outcomes()[3] == "unchanged"
    assert [texts(part, name) for name in ("ShipperTrackingNumber", "ShippingMethod", "FulfillmentDate")] == [
        ["T1"],
        ["Air"],
        ["2026-08-05T10:30:00+00:00"],
    ]


def test_more_than_the_make_up_counts_as_complete_once_and_is_told() -> None:
    key = new_order()
    ledger = told(
        key,
        shipment(component("A"), tracking_number="T1"),
        shipment(component("A"), tracking_number="T2"),
        shipment(component("B"), tracking_number="T3"),
    )

    (part,) = render(key).parts

    assert {warning.code for warning in part.warnings} == {"BUNDLE_SURPLUS"}
    assert ledger.outcomes() == {}


def test_make_ups_that_differ_must_all_be_complete() -> None:
    larger = {"A": 3, "B": 1}
    key = new_order()
    told(
        key,
        shipment(component("A"), component("B"), tracking_number="T1"),
        shipment(component("A", 1, larger), tracking_number="T2"),
    )
    waiting = render(key)
    assert key.pending is not None
    missing = fulfillments.missing({facet: said.value for facet, said in key.pending.facets.items()}, {})

    list(coalescing.coalesce(key, arrival(3, shipment(component("A", 1, larger), tracking_number="T3"))))

    assert (waiting.parts, waiting.held) == ((), Reason.BUNDLE_PARTIAL)
    assert missing[BUNDLE].missing == {"A": 1}
    (part,) = render(key).parts
    assert {warning.code for warning in part.warnings} == {"BUNDLE_MAKE_UPS_DIFFER"}


# --- lines by their SKU, and orders that are not known ----------------------------------------------------------------------------


def test_a_line_with_only_a_sku_waits_for_its_order() -> None:
    key = new_order()
    told(key, shipment({"sku": "MUG", "quantity": 1}, tracking_number="T1"), shipment(LINE, tracking_number="T2"))

    unknown, known = render(key, UNKNOWN), render(key, KNOWN)

    assert (len(unknown.parts), unknown.held) == (1, Reason.ORDER_UNKNOWN)
    assert [texts(part, "AmazonOrderItemCode") for part in known.parts] == [["10000000000001"], ["10000000000001"]]


def test_a_sku_that_the_order_does_not_have_is_invalid() -> None:
    key = new_order()
    ledger = told(key, shipment({"sku": "CUP", "quantity": 1}, {"sku": "mug", "quantity": 1}))

    assert a_feed(key, ledger, order=KNOWN) == []
    assert [(issue.code, issue.value, "'MUG'" in issue.message) for issue in ledger.ended[1].issues] == [
        ("ORDER_ITEM_UNKNOWN", "CUP", False),
        ("ORDER_ITEM_UNKNOWN", "mug", True),
    ]


def test_a_sku_that_several_items_of_the_order_have_fills_one_after_the_other() -> None:
    items = (OrderItem("1", "MUG", 2, is_linked=True), OrderItem("2", "MUG", 1, is_linked=True))
    key = new_order()
    told(key, shipment({"sku": "MUG", "quantity": 3}))

    (part,) = render(key, Order(ORDER_ID, is_known=True, items=items)).parts

    assert list(zip(texts(part, "AmazonOrderItemCode"), texts(part, "Quantity"), strict=True)) == [("1", "2"), ("2", "1")]


TWO_MUGS = Order(ORDER_ID, is_known=True, items=(OrderItem("1", "MUG", 1, is_linked=True), OrderItem("2", "MUG", 1, is_linked=True)))
A_MUG = {"sku": "MUG", "quantity": 1}


def items_by_parcel(parts: Sequence[Part]) -> dict[str, list[str]]:
    return {texts(part, "ShipperTrackingNumber")[0]: texts(part, "AmazonOrderItemCode") for part in parts}


def test_parcels_that_name_the_same_sku_fill_one_item_after_the_other() -> None:
    key = new_order()
    told(key, shipment(A_MUG, tracking_number="T1"), shipment(A_MUG, tracking_number="T2"))

    assert items_by_parcel(render(key, TWO_MUGS).parts) == {"T1": ["1"], "T2": ["2"]}


def test_a_parcel_fills_the_item_that_no_parcel_at_amazon_has_filled_and_a_correction_stays_where_it_was() -> None:
    key = new_order()
    ledger = told(key, shipment(A_MUG, tracking_number="T1", shipped_at="2026-08-05T11:00:00Z"))
    a_feed(key, ledger, order=TWO_MUGS)

    ledger.note(coalescing.coalesce(key, arrival(2, shipment(A_MUG, tracking_number="T2", shipped_at="2026-08-05T10:00:00Z"))))
    ledger.note(coalescing.coalesce(key, arrival(3, shipment(A_MUG, tracking_number="T1", shipped_at="2026-08-05T12:00:00Z"))))

    assert items_by_parcel(render(key, TWO_MUGS).parts) == {"T1": ["1"], "T2": ["2"]}


@pytest.mark.parametrize("first", ["2026-08-05T09:00:00Z", "2026-08-05T12:00:00Z"])
def test_a_correction_keeps_the_item_that_the_parcel_has_at_amazon_whatever_left_first(first: str) -> None:
    key = new_order()
    ledger = told(key, shipment(A_MUG, tracking_number="T1", shipped_at="2026-08-05T11:00:00Z"))
    a_feed(key, ledger, order=TWO_MUGS)
    ledger.note(coalescing.coalesce(key, arrival(2, shipment(A_MUG, tracking_number="T2", shipped_at="2026-08-05T10:00:00Z"))))
    a_feed(key, ledger, order=TWO_MUGS)

    ledger.note(coalescing.coalesce(key, arrival(3, shipment(A_MUG, tracking_number="T1", shipped_at=first))))
    corrected = items_by_parcel(a_feed(key, ledger, order=TWO_MUGS))
    ledger.note(coalescing.coalesce(key, arrival(4, shipment(A_MUG, tracking_number="T1", shipped_at=first))))

    assert corrected == {"T1": ["1"]}
    assert ledger.outcomes()[4] == "unchanged", "whatever item it was taken for, it says the same"


def test_a_parcel_that_was_rejected_gets_no_item_that_another_has_by_now() -> None:
    key = new_order()
    ledger = told(key, shipment(A_MUG, tracking_number="T2", shipped_at="2026-08-05T11:00:00Z"))
    a_feed(key, ledger, order=TWO_MUGS)
    ledger.note(coalescing.coalesce(key, arrival(2, shipment(A_MUG, tracking_number="T1", shipped_at="2026-08-05T10:00:00Z"))))
    a_feed(key, ledger, Outcome.REJECTED, order=TWO_MUGS)

    ledger.note(coalescing.coalesce(key, arrival(3, shipment(A_MUG, tracking_number="T1", shipped_at="2026-08-05T10:30:00Z"))))

    assert items_by_parcel(a_feed(key, ledger, order=TWO_MUGS)) == {"T1": ["2"]}


def test_an_item_that_another_parcel_names_by_its_id_is_filled() -> None:
    key = new_order()
    named = {"amazon_order_item_id": "1", "quantity": 1}
    told(key, shipment(A_MUG, tracking_number="T1"), shipment(named, tracking_number="T2"))

    assert items_by_parcel(render(key, TWO_MUGS).parts) == {"T1": ["2"], "T2": ["1"]}


@pytest.mark.requirement("R86")
@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (UNKNOWN, Batch.NON_MANAGED),
        (KNOWN, Batch.MANAGED),
        (KNOWN._replace(items=(OrderItem("10000000000001", "MUG", 1, is_linked=False),)), Batch.NON_MANAGED),
        (KNOWN._replace(items=(KNOWN.items[0], OrderItem("9", "CUP", 1, is_linked=False))), Batch.MANAGED),
    ],
)
def test_an_order_is_managed_when_it_is_known_and_what_is_shipped_of_it_is_linked(order: Order, expected: Batch) -> None:
    key = new_order()
    told(key, shipment(LINE))

    assert render(key, order).batch is expected


def test_orders_that_are_not_managed_are_held_where_the_connection_says_so() -> None:
    key = new_order()
    told(key, shipment(LINE))

    held = render(key, UNKNOWN, Terms("last", "hold"))

    assert (held.parts, held.held) == ((), Reason.NON_MANAGED)
    assert len(render(key, KNOWN, Terms("last", "hold")).parts) == 1


# --- any interleaving -------------------------------------------------------------------------------------------------------------

MAKE_UP = {"A": 2, "B": 1, "C": 3}
PIECES = [sku for sku, quantity in MAKE_UP.items() for _ in range(quantity)]


@st.composite
def parcels(draw: st.DrawFn) -> Sequence[dict[str, Any]]:
    """All pieces of the bundle, spread over parcels that come in any order; some come twice."""
    where = draw(st.lists(st.integers(0, 4), min_size=len(PIECES), max_size=len(PIECES)))
    messages = []
    for number in sorted(set(where)):
        held = Counter(sku for sku, parcel in zip(PIECES, where, strict=True) if parcel == number)
        items = [component(sku, quantity, MAKE_UP) for sku, quantity in held.items()]
        left_at = f"2026-08-05T{draw(st.integers(0, 23)):02}:00:00Z"
        messages.append(shipment(*items, tracking_number=f"T{number}", shipped_at=left_at))
    repeats = draw(st.lists(st.sampled_from(messages), max_size=2))
    return draw(st.permutations(messages + repeats))


@pytest.mark.requirement("R97", "R98", "R99", "R100")
@settings(max_examples=300, deadline=None)
@given(parcels(), st.lists(st.booleans(), min_size=9, max_size=9), st.sampled_from(["last", "first"]))
def test_any_interleaving_of_parcels_and_feeds_gives_one_update_with_all_of_it(
    messages: Sequence[dict[str, Any]], feeds: Sequence[bool], which: str
) -> None:
    key, ledger, updates, terms = new_order(), Ledger(), [], Terms(which, "submit")
    all_parcels = {message["tracking_number"] for message in messages}
    seen: set[str] = set()

    for number, (data, feed_is_cut) in enumerate(zip(messages, feeds, strict=False), 1):
        ledger.note(coalescing.coalesce(key, arrival(number, data)))
        parts = a_feed(key, ledger, order=KNOWN, terms=terms) if feed_is_cut else []
        seen.add(data["tracking_number"])
        assert not parts or seen == all_parcels, "a partial bundle went"
        updates += parts
    updates += a_feed(key, ledger, order=KNOWN, terms=terms)

    (update,) = updates
    assert texts(update, "AmazonOrderItemCode") == [BUNDLE]
    assert texts(update, "Quantity") == ["2"]
    choose = max if which == "last" else min
    assert texts(update, "FulfillmentDate") == [choose(m["shipped_at"] for m in messages).replace("Z", "+00:00")]
    assert ledger.ended.keys() == set(range(1, len(messages) + 1))
    assert set(ledger.outcomes().values()) <= {"accepted", "superseded", "unchanged"}
