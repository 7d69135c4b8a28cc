"""What the benchmarks send: inventory messages of about 300 bytes, made the same way every time."""

import json
import random
from collections.abc import Iterator

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


def events(messages: int, skus: int, *, seed: int = 7, run: str = "bench") -> list[OutgoingEvent]:
    return [
        OutgoingEvent("inventory.bench", f"{run}-{number}", body, CONTENT_TYPE)
        for number, body in enumerate(bodies(messages, skus, seed=seed, run=run))
    ]
