"""Ingest: no delivery that Postgres chokes on takes others along, and an outage of Postgres is waited out."""

import gc
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event
from typing import Any

import pytest

from tests.steps.shop import NAME, Shop
from worker.broker.consumer import Batch
from worker.context import Context
from worker.core.wire import Delivery
from worker.steps.ingest import ingest
from worker.steps.stage import Incoming

BATCH = "application/cloudevents-batch+json"


def event(id_: str, further: str = "") -> bytes:
    attributes = {"specversion": "1.0", "type": "feedline.inventory.v1", "id": id_, "source": "erp"}
    data = json.dumps({"connection": NAME, "sku": f"SKU-{id_}", "quantity": 1})
    return json.dumps({**attributes, "data": None}).replace("null", data[:-1] + further + "}").encode()


def batch(*bodies: bytes, content_type: str = "application/cloudevents+json") -> Batch:
    deliveries = [Delivery("feedline.inventory", body, content_type, {}) for body in bodies]
    no_consumer: Any = None  # nobody acknowledges it
    return Batch(no_consumer, deliveries, list(range(1, len(bodies) + 1)), sum(map(len, bodies)), datetime.now(UTC))


def refused(shop: Shop) -> list[tuple[str | None, bytes, str]]:
    rows = shop.query("SELECT external_id, body, issues FROM rejected ORDER BY id")
    return [(row["external_id"], bytes(row["body"]), row["issues"][0]["code"]) for row in rows]


@pytest.mark.requirement("R113")
def test_an_event_that_postgres_chokes_on_is_kept_alone(shop: Shop) -> None:
    shop.connect()
    shop.execute("ALTER TABLE message ADD CHECK (external_id <> 'bad')")
    events = [event("good-1"), event("bad"), event("good-2")]
    taken = batch(b"[" + event("good-0") + b"]", b"[" + b",".join(events) + b"]", content_type=BATCH)

    ingest(shop.ctx, taken, Event())

    assert taken.committed
    assert [row["external_id"] for row in shop.query("SELECT external_id FROM message ORDER BY id")] == ["good-0", "good-1", "good-2"]
    assert refused(shop) == [(None, events[1], "NOT_STORABLE")]


@pytest.mark.parametrize(
    "further", [r',"n\u0000":1', r',"n\u0000":NaN', r',"n\u0000":1,"n\u0000":1', r',"n\ud800":1,"n\ud800":1', r',"n\ud800":NaN']
)
def test_a_key_that_no_database_can_hold_is_a_fault_of_its_message_alone(shop: Shop, further: str) -> None:
    shop.connect()
    bad = event("bad", further)

    ingest(shop.ctx, batch(b"[" + event("good") + b"," + bad + b"]", content_type=BATCH), Event())

    assert shop.words("good", "bad") == ["None", "invalid"]
    ((external_id, original, code),) = refused(shop)
    assert (external_id, original) == ("bad", bad)
    assert code in {"FIELD_INVALID", "DUPLICATE_KEY", "NOT_JSON"}


class _Looks(Event):
    """Not set until it was looked at so often; notes each time how much of what was read is still in memory."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self._looks = looks
        self.in_memory: list[int] = []

    def is_set(self) -> bool:
        self.in_memory.append(sum(isinstance(each, Incoming) for each in gc.get_objects()))
        return len(self.in_memory) > self._looks


@contextmanager
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def test_while_postgres_is_away_nothing_that_was_read_stays_in_memory(make_context: Callable[..., Context]) -> None:
    ctx = make_context(database_url="postgresql://feedline:feedline@127.0.0.1:1/feedline")
    taken, looks = batch(*(event(f"m{number}") for number in range(20))), _Looks(1)

    with no_collector():
        ingest(ctx, taken, looks)

    assert not taken.committed
    before, after_an_attempt = looks.in_memory
    assert after_an_attempt == before
