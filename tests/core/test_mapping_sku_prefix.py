"""The SKU prefix: added to what goes out, removed from what comes in, never twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.connections import from_amazon, to_amazon


@pytest.mark.requirement("R7", "R8")
@pytest.mark.parametrize(
    ("sku", "prefix", "at_amazon"),
    [
        ("X", "AMZ-", "AMZ-X"),
        ("AMZ-X", "AMZ-", "AMZ-X"),
        ("AMZ12345", "AMZ-", "AMZ-AMZ12345"),
        ("amz-X", "AMZ-", "AMZ-amz-X"),
        ("X", "", "X"),
    ],
)
def test_the_prefix_is_added_exactly_once(sku: str, prefix: str, at_amazon: str) -> None:
    assert to_amazon(sku, prefix) == at_amazon


@pytest.mark.requirement("R7", "R8")
@pytest.mark.parametrize(
    ("sku", "prefix", "ours"),
    [
        ("AMZ-X", "AMZ-", "X"),
        ("AMZ12345", "AMZ-", "AMZ12345"),
        ("X", "AMZ-", "X"),
        ("amz-X", "AMZ-", "amz-X"),
        ("X", "", "X"),
        ("AMZ-", "AMZ-", "AMZ-"),
    ],
)
def test_the_prefix_is_removed_once_and_only_where_it_stands_exactly(sku: str, prefix: str, ours: str) -> None:
    assert from_amazon(sku, prefix) == ours


@pytest.mark.requirement("R8")
@given(sku=st.text(min_size=1, max_size=8), prefix=st.sampled_from(["", "AMZ-", "A", "-"]))
def test_adding_the_prefix_again_changes_nothing(sku: str, prefix: str) -> None:
    once = to_amazon(sku, prefix)

    assert to_amazon(once, prefix) == once


@pytest.mark.requirement("R8")
@given(sku=st.text(alphabet="AMZ-x1", min_size=1, max_size=8).filter(lambda sku: not sku.startswith("AMZ-")))
def test_an_upstream_may_send_a_sku_with_the_prefix_or_without_it(sku: str) -> None:
    assert from_amazon(sku, "AMZ-") == from_amazon("AMZ-" + sku, "AMZ-") == sku
    assert from_amazon(to_amazon(sku, "AMZ-"), "AMZ-") == sku
