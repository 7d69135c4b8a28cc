"""Shipments between real RabbitMQ, real Postgres and the simulator: bundles over many parcels, workers and their deaths."""

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from ops.simulator.control import Simulator
from tests.end_to_end.ledger import Ledger
from tests.end_to_end.upstream import MARKETPLACE, SELLER, Upstream, event
from tests.eventually import eventually
from tests.worker_process import WorkerProcess

ORDERS = 15
BUNDLE = "30000000000003"
QUANTITY = 2
MAKE_UP = {"SHELF": 2, "SCREWS": 2}
"""In pieces of the whole line; each parcel holds one piece."""

PACKED_AT = datetime.now(UTC) - timedelta(minutes=30)


class Parcel(NamedTuple):
    order: int
    number: int
    sku: str

    @property
    def tracking_number(self) -> str:
        return f"T{self.order}-{self.number}"

    def event(self) -> bytes:
        """Of an order's parcels the one with the highest number has left last."""
        left_at = PACKED_AT + timedelta(minutes=self.number)
        bundle = {
            "amazon_order_item_id": BUNDLE,
            "components": [{"sku": sku, "quantity": pieces} for sku, pieces in MAKE_UP.items()],
        }
        data = {
            "fulfillment_request_number": f"FR-{self.order}",
            "amazon_order_id": order_id(self.order),
            "shipped_at": left_at.isoformat(timespec="seconds"),
            "carrier": "UPS",
            "tracking_number": self.tracking_number,
            "items": [{"sku": self.sku, "quantity": 1, "bundle": bundle}],
        }
        return event(self.tracking_number, data, "wms", type="feedline.shipment.v1")


def order_id(number: int) -> str:
    return f"902-0000000-{number:07}"


def parcels() -> list[Parcel]:
    pieces = [sku for sku, count in MAKE_UP.items() for _ in range(count)]
    return [Parcel(order, number, sku) for order in range(ORDERS) for number, sku in enumerate(pieces)]


def at_amazon(simulator: Simulator, order: int) -> Any:
    return simulator.order(SELLER, order_id(order))


@pytest.mark.requirement("R89", "R97", "R98", "R99", "R100")
def test_a_bundle_goes_once_and_whole_whatever_comes_first_and_whichever_worker_dies(
    upstream: Upstream,
    worker: Callable[..., WorkerProcess],
    simulated: Mapping[str, str],
    fast_simulator: Simulator,
    ledger: Ledger,
) -> None:
    item = {"order_item_id": BUNDLE, "sku": "SET", "quantity": QUANTITY}
    fast_simulator.put_orders(
        SELLER, [{"order_id": order_id(number), "marketplace_id": MARKETPLACE, "items": [item]} for number in range(ORDERS)]
    )
    chance = random.Random(20261126)
    shuffled = chance.sample(parcels(), k=len(parcels()))
    before, after = shuffled[: len(shuffled) // 2], shuffled[len(shuffled) // 2 :]

    first = worker(simulated).wait_ready()
    upstream.listen()
    upstream.publish_bodies(parcel.event() for parcel in before)
    eventually(lambda: ledger.staged() == len(before), 30)
    partial = {parcel.order for parcel in after}
    sent_too_early = [order for order in partial if at_amazon(fast_simulator, order)["packages"]]
    first.kill9()
    ledger.let_claims_run_out()
    for _ in range(2):
        worker(simulated)
    upstream.publish_bodies(parcel.event() for parcel in repeated(after, before, chance))
    eventually(lambda: ledger.is_drained(len(shuffled)), 60)

    assert sent_too_early == []
    assert {name: outcomes for name, outcomes in ledger.outcomes().items() if outcomes != ["accepted"]} == {}
    for order in range(ORDERS):
        (package,) = at_amazon(fast_simulator, order)["packages"]
        assert (package["items"], package["confirmations"]) == ({BUNDLE: QUANTITY}, 1)
        assert package["tracking_number"] == f"T{order}-{sum(MAKE_UP.values()) - 1}"
    assert upstream.has_heard_of(parcel.tracking_number for parcel in shuffled)


def repeated(new: Sequence[Parcel], old: Sequence[Parcel], chance: random.Random) -> list[Parcel]:
    """Return the new parcels, and among them some of the old and the new once more."""
    published = [*new, *chance.choices([*new, *old], k=len(new) // 2)]
    chance.shuffle(published)
    return published
