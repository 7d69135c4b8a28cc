"""Comparison: payloads as lines that a person can read, and the lines that differ."""

from worker.core.coalescing import Change, Key, Open, Said
from worker.core.comparison import difference, payload
from worker.core.facets import Value
from worker.core.kinds import Kind
from worker.core.outcomes import Fate, Outcome, Reason
from worker.core.rendered import Part, Rendered


def _key(**facets: object) -> Key:
    return Key(Change({facet: Said(Value(value), 1) for facet, value in facets.items()}, {1: Open("t", 0.0)}), {}, {})


def test_a_listings_feed_message_is_shown_as_indented_json_with_its_own_digits() -> None:
    lines = payload(Kind.LISTINGS, _key(price="9.90"), Rendered((Part(b'"sku":"A","price":9.90}', {}),)))

    assert lines == ["{", '  "sku": "A",', '  "price": 9.90', "}"]


def test_an_order_fulfilment_is_shown_as_indented_xml() -> None:
    lines = payload(Kind.SHIPMENTS, _key(lines={}), Rendered((Part(b"<A><B>1</B></A>", {}),)))

    assert lines == ["<A>", "  <B>1</B>", "</A>"]


def test_what_waits_and_what_does_not_go_is_shown_too() -> None:
    dropped = {"quantity": Fate(Outcome.REJECTED, reason="FBA_GUARD")}
    lines = payload(Kind.LISTINGS, _key(price="9.90", quantity=1), Rendered((), dropped, Reason.QUANTITY_UNKNOWN))

    assert lines == ["quantity: rejected, FBA_GUARD", "price: held, quantity_unknown", '"9.90"']
    assert payload(Kind.LISTINGS, Key(None, {}, {}), Rendered()) == ["skipped, nothing_to_send"]


def test_a_listing_that_waits_is_shown_without_our_own_digest_of_it() -> None:
    listing = {"operation": "PARTIAL_UPDATE", "attributes": {}, "digest": "b3c9d13d"}

    lines = payload(Kind.LISTINGS, _key(listing=listing), Rendered(held=Reason.QUANTITY_UNKNOWN))

    assert lines == ["listing: held, quantity_unknown", "{", '  "operation": "PARTIAL_UPDATE",', '  "attributes": {}', "}"]


def test_equal_payloads_have_no_difference_and_others_a_unified_one() -> None:
    assert difference(["a", "b"], ["a", "b"], names=("old", "new")) == []
    assert difference(["a", "b"], ["a", "c"], names=("old", "new")) == ["--- old", "+++ new", "@@ -1,2 +1,2 @@", " a", "-b", "+c"]
