"""What the benchmarks send: inventory messages of about 300 bytes, and shipments, made the same way every time."""

import json
import random
from collections.abc import Iterator
from typing import Any

from worker.core.events import OutgoingEvent

CONNECTION = "Bench"
SELLER = "A1BENCHSELLER"
MARKETPLACE = "ATVPDKIKX0DER"
CONTENT_TYPE = "application/cloudevents+json"


def bodies(messages: int, skus: int, *, seed: int = 7, run: str = "bench") -> Iterator[bytes]:
    """Yield *messages* CloudEvents on *skus* SKUs in random order, each newer than those before it."""
    chance = random.Random(seed)  # noqa: S311  # the same every time, not secret
    for number in range(messages):
        sku = chance.randrange(skus)
        event = {
            "specversion": "1.0",
            "id": f"{run}-{number:08d}",
            "source": "https://erp.example/inventory",
            "type": "feedline.inventory.v1",
            "sequence": number,
            "datacontenttype": "application/json",
            "data": {
                "connection": CONNECTION,
                "sku": f"SKU-{sku:07d}",
                "price": f"{chance.randrange(100, 99_999) / 100:.2f}",
                "currency": "USD",
                "quantity": chance.randrange(500),
                "warehouse": "Reno",
            },
        }
        yield json.dumps(event, separators=(",", ":")).encode()


def parcels(messages: int, *, seed: int = 7) -> list[OutgoingEvent]:
    """Return *messages* shipments of about 500 bytes: four of five orders go in one parcel, every fifth is a bundle in two."""
    chance = random.Random(seed)  # noqa: S311  # the same every time, not secret
    told: list[dict[str, Any]] = []
    order = 0
    while len(told) < messages:
        order += 1
        told += [_parcel(order, number, chance) for number in (range(2) if order % 5 == 0 else range(1))]
    return [
        OutgoingEvent("shipment.bench", data["tracking_number"], _shipment(number, data), CONTENT_TYPE)
        for number, data in enumerate(told[:messages])
    ]


def _parcel(order: int, parcel: int, chance: random.Random) -> dict[str, Any]:
    components = [{"sku": f"PART-{position}", "quantity": 1} for position in range(2)]
    item: dict[str, Any] = {"amazon_order_item_id": f"{order:014d}", "quantity": 1}
    if order % 5 == 0:
        bundle = {"amazon_order_item_id": f"{order:014d}", "components": components}
        item = {"sku": f"PART-{parcel}", "quantity": 1, "bundle": bundle}
    return {
        "connection": CONNECTION,
        "fulfillment_request_number": f"FR-{order}",
        "amazon_order_id": f"902-{order // 10_000_000:07d}-{order % 10_000_000:07d}",
        "shipped_at": "2026-01-31T12:00:00Z",
        "carrier": chance.choice(["UPS", "USPS", "our van"]),
        "method": "Ground",
        "tracking_number": f"1Z99999903{2 * order + parcel:08d}",
        "items": [item],
    }


def _shipment(number: int, data: dict[str, Any]) -> bytes:
    event = {
        "specversion": "1.0",
        "id": f"parcel-{number:08d}",
        "source": "https://erp.example/shipping",
        "type": "feedline.shipment.v1",
        "sequence": number,
        "datacontenttype": "application/json",
        "data": data,
    }
    return json.dumps(event, separators=(",", ":")).encode()


def events(messages: int, skus: int, *, seed: int = 7, run: str = "bench") -> list[OutgoingEvent]:
    return [
        OutgoingEvent("inventory.bench", f"{run}-{number}", body, CONTENT_TYPE)
        for number, body in enumerate(bodies(messages, skus, seed=seed, run=run))
    ]
