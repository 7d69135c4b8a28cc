"""What patches do, in values."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.simulator.patches import deleted, merged, patched, replaced, selectors_of

STORED: list[Any] = [
    {"fulfillment_channel_code": "DEFAULT", "quantity": 5, "lead_time_to_ship_max_days": 2},
    {"fulfillment_channel_code": "store-7", "quantity": 1},
]
CHANNEL = ("fulfillment_channel_code",)


@pytest.mark.parametrize("op", ["add", "replace"])
def test_replace_drops_the_keys_it_does_not_name(op: str) -> None:
    result = patched(STORED, op, "fulfillment_availability", [{"fulfillment_channel_code": "DEFAULT", "quantity": 9}])

    assert {"fulfillment_channel_code": "DEFAULT", "quantity": 9} in result
    assert STORED[1] in result
    assert len(result) == 2


def test_merge_keeps_the_keys_it_does_not_name() -> None:
    result = merged(STORED, [{"fulfillment_channel_code": "DEFAULT", "quantity": 9}], CHANNEL)

    assert result[0] == {"fulfillment_channel_code": "DEFAULT", "quantity": 9, "lead_time_to_ship_max_days": 2}


def test_merge_removes_a_key_with_null() -> None:
    result = merged(STORED, [{"fulfillment_channel_code": "DEFAULT", "lead_time_to_ship_max_days": None}], CHANNEL)

    assert result[0] == {"fulfillment_channel_code": "DEFAULT", "quantity": 5}


def test_merge_is_one_level_deep() -> None:
    selectors = selectors_of("purchasable_offer")
    here: dict[str, Any] = {"marketplace_id": "M", "currency": "USD", "audience": "ALL"}
    stored: list[Any] = [{**here, "our_price": [{"schedule": [{"value_with_tax": 1, "start_at": "x"}]}]}]

    result = merged(stored, [{**here, "our_price": [{"schedule": [{"value_with_tax": 2}]}]}], selectors)

    assert result == [{**here, "our_price": [{"schedule": [{"value_with_tax": 2}]}]}]


@pytest.mark.parametrize("op", ["add", "replace", "merge"])
def test_an_instance_that_is_not_there_is_added(op: str) -> None:
    new: dict[str, Any] = {"fulfillment_channel_code": "store-8", "quantity": 3}

    assert patched(STORED, op, "fulfillment_availability", [new]) == [*STORED, new]


def test_delete_goes_by_selectors() -> None:
    assert deleted(STORED, [{"fulfillment_channel_code": "DEFAULT", "quantity": 0}], CHANNEL) == [STORED[1]]
    assert deleted(STORED, [{"fulfillment_channel_code": "AMAZON_NA"}], CHANNEL) == STORED


def test_replace_may_spare_the_price_bounds() -> None:
    stored: list[Any] = [{"marketplace_id": "M", "our_price": 1, "minimum_seller_allowed_price": 1, "discounted_price": 1}]

    result = replaced(stored, [{"marketplace_id": "M", "our_price": 2}], ("marketplace_id",), {"minimum_seller_allowed_price"})

    assert result == [{"marketplace_id": "M", "our_price": 2, "minimum_seller_allowed_price": 1}]


_KEYS = st.dictionaries(st.sampled_from("abcd"), st.integers(), max_size=4)


@given(_KEYS, _KEYS)
def test_merge_is_the_union_and_replace_is_what_was_sent(stored: dict[str, int], sent: dict[str, int]) -> None:
    before: list[Any] = [{"id": 1, **stored}, {"id": 2, "e": 5}]
    named: list[Any] = [{"id": 1, **sent}]

    assert merged(before, named, ("id",)) == [{"id": 1, **stored, **sent}, {"id": 2, "e": 5}]
    assert sorted(replaced(before, named, ("id",)), key=lambda one: str(one["id"])) == [{"id": 1, **sent}, {"id": 2, "e": 5}]
    assert merged(merged(before, named, ("id",)), named, ("id",)) == merged(before, named, ("id",))
