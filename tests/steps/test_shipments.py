"""Shipments on their way: parcels and bundles become order fulfilment feeds, and every message gets its outcome."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.steps.parcels import ORDER, OTHER_ORDER, amazon_has, component, line, packages, parcel, ship
from tests.steps.shop import SELLER, Shop


@pytest.fixture
def trading(shop: Shop) -> Shop:
    shop.connect()
    return shop


def test_a_parcel_is_confirmed(trading: Shop) -> None:
    amazon_has(trading, A=2)

    sent = ship(trading, parcel("1Z9999990399999999", line(quantity=2)))
    trading.run()

    assert trading.words(*sent) == ["accepted"]
    (package,) = packages(trading)
    assert (package["carrier_code"], package["shipping_method"], package["tracking_number"]) == ("UPS", "Ground", "1Z9999990399999999")
    assert package["items"] == {"10000000000001": 2}
