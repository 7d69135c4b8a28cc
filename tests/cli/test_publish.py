"""`feedline publish`, against a real broker."""

import json
from collections.abc import Iterator

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from tests.cli.conftest import Feedline
from worker.broker.topology import INVENTORY, declare


@pytest.fixture
def channel(vhost: str) -> Iterator[BlockingChannel]:
    """A channel of a broker on which a worker has declared its queues."""
    connection = pika.BlockingConnection(pika.URLParameters(vhost))
    declare(connection)
    yield connection.channel()
    connection.close()


def _bodies(channel: BlockingChannel) -> list[bytes]:
    taken = []
    while (body := channel.basic_get(INVENTORY, auto_ack=True)[2]) is not None:
        taken.append(body)
    return taken


def test_bare_data_becomes_an_event_whose_money_keeps_its_digits(
    feedline: Feedline, settings: dict[str, str], channel: BlockingChannel
) -> None:
    done = feedline(
        "publish",
        "inventory",
        "-f",
        "-",
        "--connection",
        "US shop",
        "--source",
        "me",
        settings=settings,
        stdin='{"sku": "A", "price": 19.990000000000000001}\n',
    )

    assert done.returncode == 0, done.stderr
    (body,) = _bodies(channel)
    assert b"19.990000000000000001" in body
    event = json.loads(body)
    assert (event["source"], event["type"], event["data"]["connection"]) == ("me", "feedline.inventory.v1", "US shop")
    assert event["id"]
    assert event["time"]


def test_an_event_goes_byte_by_byte_as_it_stands_in_the_file(
    feedline: Feedline, settings: dict[str, str], channel: BlockingChannel
) -> None:
    data = '{"connection": "US",  "sku": "A", "price": 1.10}'
    line = f'{{"specversion": "1.0", "id": "7", "source": "s", "type": "feedline.inventory.v1", "data": {data}}}'

    done = feedline("publish", "inventory", "-f", "-", "--json", settings=settings, stdin=f"\n{line}\n\n")

    assert _bodies(channel) == [line.encode()]
    assert json.loads(done.stdout) == {"line": 2, "source": "s", "id": "7"}


def test_an_id_longer_than_amqp_has_room_for_goes_in_the_body_alone(
    feedline: Feedline, settings: dict[str, str], channel: BlockingChannel
) -> None:
    data = '{"connection": "US", "sku": "A", "price": 1.10}'
    line = f'{{"specversion": "1.0", "id": "{"7" * 1024}", "source": "s", "type": "feedline.inventory.v1", "data": {data}}}'

    done = feedline("publish", "inventory", "-f", "-", settings=settings, stdin=line)

    assert done.returncode == 0, done.stderr
    assert _bodies(channel) == [line.encode()]


def test_a_file_with_one_faulty_line_is_not_sent_at_all_and_every_such_line_is_named(
    feedline: Feedline, settings: dict[str, str], channel: BlockingChannel
) -> None:
    lines = [
        '{"connection": "US", "sku": "A", "price": 1}',
        "{not json",
        '{"sku": "B"}',
        '["C"]',
        '{"connection": "US", "sku": "D", "sku": "E"}',
    ]

    done = feedline("publish", "inventory", "-f", "-", settings=settings, stdin="\n".join(lines))

    assert done.returncode == 1
    assert [line.split(":")[0] for line in done.stderr.splitlines()[1:]] == ["line 2", "line 3", "line 4", "line 5"]
    assert _bodies(channel) == []


def test_thousands_of_messages_are_all_confirmed(feedline: Feedline, settings: dict[str, str], channel: BlockingChannel) -> None:
    lines = "\n".join(f'{{"connection": "US", "sku": "SKU-{number}", "quantity": {number}}}' for number in range(5_000))

    done = feedline("publish", "inventory", "-f", "-", settings=settings, stdin=lines)

    assert "Published 5,000 messages" in done.stdout
    assert channel.queue_declare(INVENTORY, passive=True).method.message_count == 5_000


def test_a_broker_without_queues_is_told_and_not_taken_for_success(feedline: Feedline, settings: dict[str, str]) -> None:
    done = feedline("publish", "inventory", "-f", "-", settings=settings, stdin='{"connection": "US", "sku": "A", "price": 1}')

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
