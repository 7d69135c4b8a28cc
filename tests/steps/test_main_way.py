"""A message's whole way, with Amazon simulated over HTTP: staged, linked, cut, sent, settled."""

import pytest

from tests.steps.shop import Shop


@pytest.mark.requirement("R9", "R52", "R61", "R66", "R115", "R116")
def test_a_price_and_a_quantity_reach_amazon_and_are_accepted(shop: Shop) -> None:
    shop.connect()
    shop.lists("MUG-1", price="10.00", quantity=1)

    (sent,) = shop.publish({"sku": "MUG-1", "price": "29.99", "quantity": 5})
    shop.run()

    assert shop.outcomes()[sent]["issues"] is None
    assert shop.outcome(sent) == "accepted"
    item = shop.at_amazon("MUG-1")
    assert (item["price"], item["quantity"]) == ("29.99", 5)


def test_the_same_values_again_are_unchanged_and_make_no_feed(shop: Shop) -> None:
    shop.connect()
    shop.lists("MUG-1")
    shop.publish({"sku": "MUG-1", "price": "29.90", "quantity": 5})
    shop.run()

    (again,) = shop.publish({"sku": "MUG-1", "price": "29.9", "quantity": 5})
    shop.run()

    assert shop.outcome(again) == "unchanged"
    assert len(shop.feeds()) == 1
