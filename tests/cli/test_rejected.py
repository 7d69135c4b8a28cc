"""`feedline rejected`: refused deliveries, with their original bytes."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pika
import pytest

from tests.cli.conftest import Feedline
from tests.cli.shop import SPEED, StartSimulator, answered, deliver, opened
from tests.steps.shop import NAME, Shop
from worker.broker.topology import INVENTORY, declare
from worker.core.wire import Delivery
from worker.steps.stage import stage

BAD = json.dumps(
    {
        "specversion": "1.0",
        "id": "m-1",
        "source": "erp",
        "type": "feedline.inventory.v1",
        "data": {"connection": NAME, "sku": "MUG-1", "price": "1,99", "quantity": 1.5},
    }
).encode()


@pytest.fixture
def shop(settings: dict[str, str], start_simulator: StartSimulator) -> Iterator[Shop]:
    with opened(settings, start_simulator(speed=SPEED)) as connected:
        yield connected


@pytest.mark.requirement("R124")
def test_a_refused_delivery_is_kept_with_every_fault_and_its_original_bytes(
    feedline: Feedline, settings: dict[str, str], shop: Shop
) -> None:
    deliver(shop, BAD)
    deliver(shop, b"\xff\xfe not even text")

    unreadable, bad = answered(feedline, settings, "rejected", "list")
    (shown,) = answered(feedline, settings, "rejected", "show", str(bad["id"]))
    raw = feedline("rejected", "show", str(bad["id"]), "--body", settings=settings)

    assert (bad["queue"], bad["source"], bad["event_id"], bad["state"]) == (INVENTORY, "erp", "m-1", "open")
    assert bad["codes"] == ["MONEY_INVALID", "QUANTITY_INVALID"]
    assert unreadable["event_id"] is None
    assert base64.b64decode(shown["body_base64"]) == BAD == raw.stdout.encode()
    assert [(issue["field"], issue["value"]) for issue in shown["issues"]] == [("price", "1,99"), ("quantity", "1.5")]
    assert all(issue["remedy"] for issue in shown["issues"])


def test_a_corrected_delivery_is_published_again_and_judged_anew(
    feedline: Feedline, settings: dict[str, str], shop: Shop, tmp_path: Path
) -> None:
    deliver(shop, BAD)
    corrected = BAD.replace(b'"1,99"', b'"1.99"').replace(b"1.5", b"1")
    (tmp_path / "corrected.json").write_bytes(corrected)
    with pika.BlockingConnection(pika.URLParameters(settings["FEEDLINE_AMQP_URL"])) as connection:
        declare(connection)

        edited = feedline("rejected", "edit", "1", "-f", "corrected.json", settings=settings)

        assert edited.returncode == 0, edited.stderr
        method, properties, body = connection.channel().basic_get(INVENTORY, auto_ack=True)
    assert method is not None
    assert body == corrected
    stage(shop.ctx, [Delivery(INVENTORY, body, properties.content_type, properties.headers or {})], shop.ctx.clock.now())
    (trace,) = answered(feedline, settings, "trace", "m-1")
    assert (trace["outcome"], [each["event"] for each in trace["history"]]) == ("pending", ["refused", "staged"])
    assert answered(feedline, settings, "rejected", "list") == []


def test_what_is_replayed_says_the_same_in_its_headers_and_nothing_else(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    binary = {"ce-specversion": "1.0", "ce-id": "m-1", "ce-source": "erp", "ce-type": "feedline.inventory.v1"}
    timed = {**binary, "ce-time": datetime(2026, 1, 31, 12, tzinfo=UTC), "ce-sequence": 7}
    # Published with a header CC that is no array, RabbitMQ closes the channel.
    delivered = Delivery(INVENTORY, b'{"connection": "Later", "sku": "MUG-1"}', "application/json", {**timed, "CC": ["a"], "x-death": [{}]})
    stage(shop.ctx, [delivered], shop.ctx.clock.now())
    with pika.BlockingConnection(pika.URLParameters(settings["FEEDLINE_AMQP_URL"])) as connection:
        declare(connection)

        replayed = feedline("rejected", "replay", "1", settings=settings)

        assert replayed.returncode == 0, replayed.stderr
        _, properties, body = connection.channel().basic_get(INVENTORY, auto_ack=True)
    assert (body, properties.content_type) == (delivered.body, delivered.content_type)
    properties.headers.pop("x-delivery-count", None)  # RabbitMQ's own
    assert properties.headers == {**binary, "ce-time": "2026-01-31T12:00:00+00:00", "ce-sequence": "7"}


def test_without_a_queue_nothing_is_replayed_and_the_delivery_stays_open(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    deliver(shop, BAD)

    replayed = feedline("rejected", "replay", "1", settings=settings)

    assert replayed.returncode == 1
    assert "Traceback" not in replayed.stderr
    assert len(answered(feedline, settings, "rejected", "list")) == 1


def test_a_discarded_delivery_is_no_longer_open_and_keeps_its_bytes(feedline: Feedline, settings: dict[str, str], shop: Shop) -> None:
    deliver(shop, BAD)

    assert answered(feedline, settings, "rejected", "discard", "1") == [{"id": 1, "state": "discarded"}]

    assert answered(feedline, settings, "rejected", "list") == []
    (kept,) = answered(feedline, settings, "rejected", "show", "1")
    assert base64.b64decode(kept["body_base64"]) == BAD


def test_a_delivery_that_is_not_there_is_one_sentence(feedline: Feedline, settings: dict[str, str]) -> None:
    unknown = feedline("rejected", "show", "4711", settings=settings)
    wrong = feedline("rejected", "list", "--state", "lost", settings=settings)

    assert unknown.returncode == 1
    assert unknown.stderr == "There is no refused delivery 4711. List them with: feedline rejected list\n"
    assert wrong.returncode == 2
